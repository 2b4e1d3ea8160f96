"""What actions change, weighed for many customers at once in compiled code.

Of all effects that a propensity could have, a few per cent are other than 0: an action speaks to
few needs, and an effect is made of few columns. So they are kept as a list, and each entry of it is
worked out for ``LANES`` customers side by side, with the same column of all of them in a row. Every
customer is computed in the same order of additions, whoever else is asked about: the same bits in
any batch, on any machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.arithmetic import exp
from nba_gym.compiled import entry, single, stage
from nba_gym.lanes import LANES

Array = NDArray[Any]
Single = NDArray[np.float32]
Integers = NDArray[np.int64]

MOST_ODDS = single(30.0)
"""Log-odds are held within this: beyond it a probability is 0 or 1 to single precision."""


class Weights(NamedTuple):
    """Some propensities as lists of what is not 0; an outcome is a column of all of them together.

    A pair is an action that changes an outcome, or what is earned with it.

    Attributes:
        base: Coefficients if left alone, the last the intercept, ``(n_outcomes, n_features + 1)``.
        actions: Action of each pair, in order, ``(n_pairs,)``.
        outcomes: Outcome of each pair, ``(n_pairs,)``.
        starts: Where the effects of each pair begin, and the end, ``(n_pairs + 1,)``.
        columns: Column of each effect; the one after the last feature is the intercept.
        effects: Coefficient of each effect.
        kept: Share of the worth that is left after the action, ``(n_pairs,)``.
    """

    base: Single
    actions: Integers
    outcomes: Integers
    starts: Integers
    columns: Integers
    effects: Single
    kept: Single


def list_weights(parts: Sequence[tuple[Single, Single, Single | None]]) -> Weights:
    """Weights of some propensities.

    Args:
        parts: Of each its base ``(n_features + 1, n)``, effects ``(n_features + 1, n, n_actions)``
            and share of the worth that is left after an action ``(n, n_actions)``; none for all.
    """
    bases, effects, shares = (list(each) for each in zip(*parts, strict=True))
    every = np.concatenate(effects, axis=1).transpose(2, 1, 0)  # (actions, outcomes, columns)
    ones = [np.ones(effect.shape[1:], dtype=np.float32) for effect in effects]
    left = [one if share is None else share for one, share in zip(ones, shares, strict=True)]
    kept = np.concatenate(left, axis=0).T  # (actions, outcomes)
    actions, outcomes = np.nonzero((every != 0.0).any(axis=2) | (kept != 1.0))
    of_pairs = every[actions, outcomes]
    pair, column = np.nonzero(of_pairs)
    return Weights(
        base=np.ascontiguousarray(np.concatenate(bases, axis=1).T, dtype=np.float32),
        actions=actions.astype(np.int64),
        outcomes=outcomes.astype(np.int64),
        starts=np.searchsorted(pair, np.arange(len(actions) + 1)).astype(np.int64),
        columns=column.astype(np.int64),
        effects=np.ascontiguousarray(of_pairs[pair, column], dtype=np.float32),
        kept=np.ascontiguousarray(kept[actions, outcomes], dtype=np.float32),
    )


def in_lanes(observations: Array) -> Single:
    """Observations with the customers of a tile side by side, and a column of ones after the last.

    Args:
        observations: ``(n, n_features)``.

    Returns:
        ``(n_tiles, n_features + 1, LANES)``; lanes that nobody uses hold zeros.
    """
    rows = np.ascontiguousarray(observations, dtype=np.float32)
    n, n_features = rows.shape
    lanes = np.empty((-(-n // LANES), n_features + 1, LANES), dtype=np.float32)
    _fill_lanes(rows, lanes)
    return lanes


def in_rows(lanes: Single, n: int) -> Single:
    """The reverse: ``n`` rows of ``(n_tiles, any, LANES)``."""
    rows = np.empty((n, lanes.shape[1]), dtype=np.float32)
    _fill_rows(lanes, rows)
    return rows


def linear(lanes: Single, coefficients: Single) -> Single:
    """What a linear model says, ``(n_tiles, LANES)``.

    Args:
        lanes: What :func:`in_lanes` gave.
        coefficients: The last is the intercept, ``(n_features + 1,)``.
    """
    out = np.empty((len(lanes), LANES), dtype=np.float32)
    _fill_linear(lanes, np.ascontiguousarray(coefficients, dtype=np.float32), out)
    return out


def uplift(lanes: Single, weights: Weights, worth: Array, n_actions: int) -> Single:
    """Expected worth of what each action changes, ``(n_tiles, n_actions, LANES)``.

    Args:
        lanes: What :func:`in_lanes` gave.
        weights: The propensities.
        worth: Worth of each outcome, ``(n_tiles, n_outcomes, LANES)``.
        n_actions: Number of actions.
    """
    gain = np.zeros((len(lanes), n_actions, LANES), dtype=np.float32)
    _fill_uplift(lanes, *weights, np.ascontiguousarray(worth, dtype=np.float32), gain)
    return gain


@stage
def _turn(rows: Array, sheet: Array, first: int, count: int) -> None:
    n_features = rows.shape[1]
    for j in range(LANES):
        for f in range(n_features):
            sheet[f, j] = rows[first + j, f] if j < count else 0.0
    for j in range(LANES):
        sheet[n_features, j] = 1.0 if j < count else 0.0


@stage
def _turn_back(sheet: Array, rows: Array, first: int, count: int) -> None:
    for j in range(count):
        for a in range(rows.shape[1]):
            rows[first + j, a] = sheet[a, j]


@stage
def _weigh(sheet: Array, columns: Array, effects: Array, odds: Array) -> None:
    """Sum of some columns, each with its coefficient, for all lanes: ``odds`` is what comes out."""
    for j in range(LANES):
        odds[j] = 0.0
    for i in range(columns.shape[0]):
        effect, column = effects[i], sheet[columns[i]]
        for j in range(LANES):
            odds[j] += effect * column[j]


@stage
def _weigh_all(sheet: Array, effects: Array, odds: Array) -> None:
    """The same for all columns."""
    for j in range(LANES):
        odds[j] = 0.0
    for i in range(effects.shape[0]):
        effect, column = effects[i], sheet[i]
        for j in range(LANES):
            odds[j] += effect * column[j]


@stage
def _exponentiate(log_odds: Array, odds: Array) -> None:
    for j in range(LANES):
        x = log_odds[j]
        x = x if x > -MOST_ODDS else -MOST_ODDS
        x = x if x < MOST_ODDS else MOST_ODDS
        odds[j] = exp(x)


@stage
def _as_chance(odds: Array, chance: Array) -> None:
    for j in range(LANES):
        chance[j] = odds[j] / (1.0 + odds[j])


@stage
def _credit(
    factor: Array, alone: Array, chance: Array, worth: Array, kept: float, gain: Array
) -> None:
    """Add what a pair changes, in money."""
    for j in range(LANES):
        after = factor[j] * alone[j]
        gain[j] += (after / (1.0 + after) * kept - chance[j]) * worth[j]


def _make_fill_lanes(digest: str) -> Callable[..., None]:
    def fill(rows: Array, lanes: Array) -> None:
        _ = digest  # part of the cache key
        for t in range(lanes.shape[0]):
            first = t * LANES
            _turn(rows, lanes[t], first, min(LANES, rows.shape[0] - first))

    return fill


def _make_fill_rows(digest: str) -> Callable[..., None]:
    def fill(lanes: Array, rows: Array) -> None:
        _ = digest  # part of the cache key
        for t in range(lanes.shape[0]):
            first = t * LANES
            _turn_back(lanes[t], rows, first, min(LANES, rows.shape[0] - first))

    return fill


def _make_fill_linear(digest: str) -> Callable[..., None]:
    def fill(lanes: Array, coefficients: Array, out: Array) -> None:
        _ = digest  # part of the cache key
        for t in range(lanes.shape[0]):
            _weigh_all(lanes[t], coefficients, out[t])

    return fill


def _make_fill_uplift(digest: str) -> Callable[..., None]:
    def fill(
        lanes: Array,
        base: Array,
        actions: Array,
        outcomes: Array,
        starts: Array,
        columns: Array,
        effects: Array,
        kept: Array,
        worth: Array,
        gain: Array,
    ) -> None:
        _ = digest  # part of the cache key
        n = base.shape[0]
        alone = np.empty((n, LANES), dtype=np.float32)
        chance = np.empty((n, LANES), dtype=np.float32)
        odds, factor = np.empty(LANES, dtype=np.float32), np.empty(LANES, dtype=np.float32)
        for t in range(lanes.shape[0]):
            sheet = lanes[t]
            for k in range(n):
                _weigh_all(sheet, base[k], odds)
                _exponentiate(odds, alone[k])
                _as_chance(alone[k], chance[k])
            for p in range(actions.shape[0]):
                a, k, first, last = actions[p], outcomes[p], starts[p], starts[p + 1]
                _weigh(sheet, columns[first:last], effects[first:last], odds)
                _exponentiate(odds, factor)
                _credit(factor, alone[k], chance[k], worth[t, k], kept[p], gain[t, a])

    return fill


_fill_lanes, _fill_rows = entry(_make_fill_lanes), entry(_make_fill_rows)
_fill_linear, _fill_uplift = entry(_make_fill_linear), entry(_make_fill_uplift)
