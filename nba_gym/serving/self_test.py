"""Does a policy answer what it answered when it was written?"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import BundleError
from nba_gym.serving.contents import FORBIDDEN, GOLDEN, GRAPH
from nba_gym.serving.golden import Golden

TOLERANCE = 1e-5
"""Largest difference that counts as the same, relative to the largest score where that is above 1;
two scores that are no further apart than this may change places."""
Answers = NDArray[Any]


class _Answer(Protocol):
    @property
    def ranking(self) -> Answers: ...
    @property
    def scores(self) -> Answers: ...
    @property
    def probabilities(self) -> Answers: ...
    @property
    def values(self) -> Answers: ...


class _Decide(Protocol):
    def __call__(self, features: Answers, masks: Answers) -> _Answer: ...


def within(scores: Answers, tolerance: float = TOLERANCE) -> float:
    """How far apart scores of this size may be, forbidden ones left out."""
    real = scores[scores > FORBIDDEN]
    return tolerance * max(1.0, float(np.abs(real).max()) if len(real) else 0.0)


def self_test(golden: Golden, decide: _Decide) -> None:
    """Decide for the golden customers, and compare with what was answered then.

    Raises:
        BundleError: If scores, probabilities or values differ, or actions are ranked otherwise
            that are not as good as equal.
    """
    now = decide(golden.observations, golden.masks)
    room = {
        "scores": (golden.scores, now.scores, within(golden.scores)),
        "probabilities": (golden.probabilities, now.probabilities, TOLERANCE),
        "value": (golden.value[:, 0], now.values, within(golden.value)),
    }
    for name, (then, today, allowed) in room.items():
        apart = np.abs(np.asarray(then, dtype=np.float64) - np.asarray(today, dtype=np.float64))
        if not (apart <= allowed).all():
            raise BundleError(
                f"{GRAPH}: {name} must be those of {GOLDEN} within {allowed:.1e}, got "
                f"{np.nanmax(apart):.1e} apart"
            )
    check_ranking(golden.scores, now.ranking, golden.ranking)


def check_ranking(scores: Answers, ranking: Answers, other: Answers) -> None:
    """Two rankings may differ only where scores are as good as equal.

    Raises:
        BundleError: If they differ elsewhere.
    """
    mine, theirs = (
        np.take_along_axis(scores.astype(np.float64), np.asarray(each, dtype=np.int64), axis=1)
        for each in (ranking, other)
    )
    if not (np.abs(mine - theirs) <= within(scores)).all():
        row = int(np.flatnonzero((np.abs(mine - theirs) > within(scores)).any(axis=1))[0])
        raise BundleError(
            f"{GRAPH}: ranking must be that of {GOLDEN} but for ties, got another in row {row}"
        )
