"""Who is used for what: customers by number, so that no two purposes ever share one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import PolicyError


@dataclass(frozen=True)
class Split:
    """Blocks of customer numbers of one world, and worlds of their own for training.

    Attributes:
        seed: Seed of the world that everything but training uses.
        block: Size of a block of customers.
    """

    seed: int = 20_261_122
    block: int = 10_000_000

    def reporting(self, n: int) -> NDArray[np.uint64]:
        """Customers for the final comparison, ``(n,)``; nothing else may look at them."""
        return self._numbers(0, n)

    def logging(self, n: int) -> NDArray[np.uint64]:
        """Customers of the random campaign that practice learns from, ``(n,)``."""
        return self._numbers(1, n)

    def tuning(self, n: int) -> NDArray[np.uint64]:
        """Customers on which baselines and recipes are tuned, ``(n,)``."""
        return self._numbers(2, n)

    def watching(self, n: int) -> NDArray[np.uint64]:
        """Customers behind the learning curve and the choice of the best policy on it, ``(n,)``."""
        return self._numbers(3, n)

    def describing(self, n: int) -> NDArray[np.uint64]:
        """Customers that the cards of scenarios describe, ``(n,)``."""
        return self._numbers(4, n)

    def training_seed(self, run: int) -> int:
        """Seed of the world in which training run ``run`` meets its customers."""
        return self.seed + 1 + run

    def _numbers(self, block: int, n: int) -> NDArray[np.uint64]:
        if n > self.block:  # the next ones are somebody else's
            raise PolicyError(f"customers must be at most {self.block:,} for one use, got {n:,}")
        return np.arange(block * self.block, block * self.block + n, dtype=np.uint64)


SPLIT = Split()
"""The split that training, tuning and reporting use."""
