"""What an engine answers, for one customer and for many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Decision(NamedTuple):
    """What to do for one customer: the allowed actions, best first.

    Attributes:
        actions: Indices of the allowed actions, best first, ``(k,)``.
        scores: What they are ranked by, ``(k,)``; the card says the unit.
        probabilities: Chance that the policy gives each, ``(k,)``; they sum to 1.
        value: What the customer is expected to be worth from now on, in currency.
    """

    actions: NDArray[np.int16]
    scores: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    value: float

    @property
    def action(self) -> int:
        """The best action."""
        return int(self.actions[0])


@dataclass(frozen=True)
class Decisions:
    """What to do for many customers.

    Attributes:
        ranking: Actions, best first, ``(n, n_actions)``; only the first ``allowed`` of a row are
            allowed.
        allowed: How many are, ``(n,)``.
        scores: By action, ``(n, n_actions)``; of forbidden ones the lowest number there is.
        probabilities: By action, ``(n, n_actions)``; of forbidden ones exactly 0.
        values: What each customer is expected to be worth from now on, ``(n,)``.
    """

    ranking: NDArray[np.int16]
    allowed: NDArray[np.int16]
    scores: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    values: NDArray[np.float32]

    @staticmethod
    def room(n: int, n_actions: int) -> Decisions:
        """Room for ``n`` decisions, to be handed to ``decide_batch`` again and again."""
        return Decisions(
            ranking=np.empty((n, n_actions), dtype=np.int16),
            allowed=np.empty(n, dtype=np.int16),
            scores=np.empty((n, n_actions), dtype=np.float32),
            probabilities=np.empty((n, n_actions), dtype=np.float32),
            values=np.empty(n, dtype=np.float32),
        )

    def __getitem__(self, rows: slice) -> Decisions:
        """Some of the rows, in the same memory."""
        return Decisions(
            self.ranking[rows],
            self.allowed[rows],
            self.scores[rows],
            self.probabilities[rows],
            self.values[rows],
        )

    @property
    def actions(self) -> NDArray[np.int64]:
        """The best action of every customer, ``(n,)``."""
        return self.ranking[:, 0].astype(np.int64)
