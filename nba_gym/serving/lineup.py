"""Who decides: the champion, and for a share of the customers a challenger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import ServiceError
from nba_gym.serving.choosing import share_of
from nba_gym.serving.engine import Decisions


class Scorer(Protocol):
    """An exported policy that has been verified and loaded: an ``Engine``."""

    @property
    def digest(self) -> str:
        """Names this very policy."""
        ...

    @property
    def card(self) -> dict[str, Any]:
        """What its folder says about it."""
        ...

    def decide_batch(self, features: NDArray[Any], masks: NDArray[Any]) -> Decisions:
        """Score every action for every customer."""
        ...


@dataclass(frozen=True)
class Lineup:
    """The policies that decide, and how; replaced as a whole.

    Attributes:
        champion: Decides for most customers.
        challenger: Decides for a share of them, or None.
        share: Share of the customers that the challenger decides for, in [0, 1].
        epsilon: Probability of drawing an allowed action instead, in [0, 1].
        salt: What customers are told apart by; with another one the shares are other customers.
    """

    champion: Scorer
    challenger: Scorer | None = None
    share: float = 0.0
    epsilon: float = 0.0
    salt: str = ""

    def __post_init__(self) -> None:
        for name in ("share", "epsilon"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ServiceError(f"{name} must be in [0, 1], got {getattr(self, name):g}")
        if self.share > 0.0 and self.challenger is None:
            raise ServiceError(f"share must be 0 without a challenger, got {self.share:g}")

    def challenged(self, customers: list[str]) -> NDArray[np.bool_]:
        """Whether the challenger decides, for each customer, ``(n,)``."""
        if self.challenger is None or self.share == 0.0:
            return np.zeros(len(customers), dtype=np.bool_)
        shares = [share_of(customer, self.salt) < self.share for customer in customers]
        return np.array(shares, dtype=np.bool_)

    def score(
        self, challenged: NDArray[np.bool_], features: NDArray[np.float32], masks: NDArray[np.int8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Scores by action, ``(n, n_actions)``, and values, ``(n,)``, each by who decides."""
        if self.challenger is None or not challenged.any():
            said = self.champion.decide_batch(features, masks)
            return said.scores, said.values
        scores = np.empty(masks.shape, dtype=np.float32)
        values = np.empty(len(masks), dtype=np.float32)
        for policy, rows in ((self.champion, ~challenged), (self.challenger, challenged)):
            if rows.any():
                said = policy.decide_batch(features[rows], masks[rows])
                scores[rows], values[rows] = said.scores, said.values
        return scores, values
