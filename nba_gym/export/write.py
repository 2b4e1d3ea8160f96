"""Write a policy folder, whole or not at all: the graph, and all that says what it is."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import BundleError
from nba_gym.export.card import make_card
from nba_gym.export.draft import Draft
from nba_gym.export.others import files_for_others
from nba_gym.export.sample import CUSTOMERS, learn_worth, sample_observations
from nba_gym.files import whole_folder
from nba_gym.policies.protocol import Policy
from nba_gym.scenario.schema import Scenario
from nba_gym.serving.bundle import checksums_text, digest_of
from nba_gym.serving.contents import (
    CARD,
    CHECKSUMS,
    FORBIDDEN,
    GOLDEN,
    GRAPH,
    SCENARIO,
    TRITON_GRAPH,
)
from nba_gym.serving.decisions import Decisions
from nba_gym.serving.engine import Engine
from nba_gym.serving.golden import Golden
from nba_gym.serving.self_test import TOLERANCE, within

PARITY_ROWS = 200_000
GOLDEN_ROWS = 32
Scores = NDArray[np.float32]


class Exportable(Protocol):
    """A policy that can be written as a graph.

    Attributes:
        policy: The policy.
        scores_are: What actions are ranked by, in words.
        training: Algorithm, seed and settings, for the card.
    """

    @property
    def policy(self) -> Policy: ...  # noqa: D102
    @property
    def scores_are(self) -> str: ...  # noqa: D102
    @property
    def training(self) -> dict[str, Any]: ...  # noqa: D102

    def draw(self, draft: Draft) -> tuple[str, str]:
        """Add nodes to a draft; names of scores and probabilities (empty: softmax of scores)."""
        ...

    def answer(
        self, observations: NDArray[np.float32], masks: NDArray[Any]
    ) -> tuple[Scores, Scores]:
        """What the policy itself says: scores, of allowed actions, and probabilities."""
        ...


@dataclass(frozen=True)
class Parity:
    """How the exported file compares with the policy in memory.

    Attributes:
        rows: Observations compared.
        largest_difference: Largest absolute difference of a probability.
        largest_of_scores: Largest absolute difference of a score.
        other_actions: Rows whose chosen action differs.
        ties: Of these, rows in which the two actions score equal within the tolerance.
    """

    rows: int
    largest_difference: float
    largest_of_scores: float
    other_actions: int
    ties: int


def write_folder(
    source: Exportable,
    scenario: Scenario,
    folder: Path,
    *,
    rows: int = PARITY_ROWS,
    customers: int = CUSTOMERS,
    evaluation: dict[str, Any] | None = None,
) -> Parity:
    """Write a policy folder and prove parity.

    Args:
        source: The policy, as something that can be written as a graph.
        scenario: The world it was made for.
        folder: Where to write; an older policy folder is replaced as a whole, or left as it was.
        rows: Observations on which parity is proven.
        customers: Customers from whose journeys the value is learned.
        evaluation: Outcome of a comparison, for the card.

    Raises:
        BundleError: If the file does not agree with the policy, or something else lies at
            ``folder``.
        MissingExtraError: If onnx or onnxruntime is not installed.
    """
    observations, masks = sample_observations(scenario, rows)
    _check_free(folder)
    with whole_folder(folder) as draft:
        worth = learn_worth(source.policy, scenario, customers)
        graph = Draft(observations.shape[1], masks.shape[1])
        scores, chances = source.draw(graph)
        value = graph.linear(graph.observations, worth.layer)
        data = graph.finish(scores, value, probabilities=chances)
        files = {GRAPH: data, TRITON_GRAPH: data}
        files[GOLDEN] = _golden(data, observations, masks).text().encode()
        files[SCENARIO] = (scenario.model_dump_json(indent=2) + "\n").encode()
        others = files_for_others(observations.shape[1], masks.shape[1])
        files |= {name: text.encode() for name, text in others.items()}
        card = make_card(scenario, source.training, source.scores_are, worth, evaluation)
        _put(draft, files | {CARD: _json(card)})
        parity = check_parity(source, Engine(draft), observations, masks)
        _put(draft, files | {CARD: _json(card | {"parity": asdict(parity)})})
    return parity


def check_parity(
    source: Exportable,
    engine: Engine,
    observations: NDArray[np.float32],
    masks: NDArray[np.int8],
) -> Parity:
    """Compare scores, probabilities and choices row by row.

    Raises:
        BundleError: If a score or probability differs by more than the tolerance, a forbidden
            action has a chance, or a choice differs that is not a tie.
    """
    scores, chances = source.answer(observations, masks)
    theirs = engine.decide_batch(observations, masks)
    open_ = theirs.scores > FORBIDDEN
    if not np.array_equal(open_, scores > FORBIDDEN):
        raise BundleError("allowed actions must be the same, got others from policy.onnx")
    ours = np.where(open_, scores, 0.0)
    apart = float(np.abs(ours - np.where(open_, theirs.scores, 0.0)).max())
    room = within(scores)
    if apart > room:
        raise BundleError(f"scores must agree within {room:g}, got {apart:g}")
    largest = float(np.abs(chances - theirs.probabilities).max())
    if largest > TOLERANCE and not _is_one_hot(chances):
        raise BundleError(f"probabilities must agree within {TOLERANCE:g}, got {largest:g}")
    if np.any(theirs.probabilities[masks == 0] > 0.0):
        raise BundleError("forbidden actions must have probability 0, got more in policy.onnx")
    return _compare_choices(scores, theirs, largest, apart)


def _compare_choices(scores: Scores, theirs: Decisions, largest: float, apart: float) -> Parity:
    mine, other = scores.argmax(axis=1), theirs.actions
    differ = np.flatnonzero(mine != other)
    gap = np.abs(scores[differ, mine[differ]] - scores[differ, other[differ]])
    ties = int(np.sum(gap <= within(scores)))
    if len(differ) > ties:
        raise BundleError(f"choices must agree but for ties, got {len(differ) - ties} others")
    return Parity(len(scores), largest, apart, len(differ), ties)


def _is_one_hot(chances: Scores) -> bool:
    """Whether a policy is certain of every choice: where it ties, a chance may change places."""
    return bool(((chances == 0.0) | (chances == 1.0)).all())


def _golden(graph: bytes, observations: NDArray[np.float32], masks: NDArray[np.int8]) -> Golden:
    """Answers of the graph on a few rows from all stages of journeys, the ranking its own."""
    import onnxruntime  # pyright: ignore[reportMissingTypeStubs]

    rows = np.linspace(0, len(observations) - 1, GOLDEN_ROWS).astype(np.int64)
    x, m = observations[rows], masks[rows]
    runtime: Any = onnxruntime
    session = runtime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = ("ranking", "scores", "probabilities", "value")
    answers = session.run(list(names), {"observations": x, "masks": m})
    return Golden(x, m, *answers)


def _json(tree: dict[str, Any]) -> bytes:
    return (json.dumps(tree, indent=2) + "\n").encode()


def _put(folder: Path, files: dict[str, bytes]) -> None:
    """Write files and their checksums, and wait until they are on the disk."""
    digests = {name: digest_of(data) for name, data in files.items()}
    for name, data in (files | {CHECKSUMS: checksums_text(digests)}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def _check_free(folder: Path) -> None:
    """Refuse to write over anything but a policy folder.

    Raises:
        BundleError: If something lies at ``folder`` that is none.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise BundleError(f"folder must be a folder, got something else at {str(folder)!r}")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CARD).is_file():
        raise BundleError(
            f"folder must be new, empty or an older policy folder, got {str(folder)!r}, "
            "which holds something else"
        )
