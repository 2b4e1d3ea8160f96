"""How far simulated numbers lie from theory: in standard errors, which sample sizes give.

``pytest tests/theory -s | grep '|z|'`` lists what was measured; ``docs/testing.md`` keeps the list.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba_gym.calibration import BgNbdErrors, BgNbdFit

Z = 4.0
"""Standard errors that a simulated number may be away from theory, at a pinned seed."""
MILLION = 1_000_000

# Table 2 of Fader, Hardie & Lee (2005): CDNOW, 39 weeks
CDNOW = BgNbdFit(0.243, 4.414, 0.793, 2.426, -9582.4, 2357, BgNbdErrors(0, 0, 0, 0))


def tell(line: str) -> None:
    """Say something that ``pytest -s`` shows."""
    sys.stdout.write(line + "\n")


def agree(what: str, seen: ArrayLike, expected: ArrayLike, error: ArrayLike, n: int) -> float:
    """Say how far what was seen is from what was expected; fail from four standard errors on.

    Args:
        what: What was measured, in words.
        seen: Simulated numbers, any shape.
        expected: What theory says, broadcast to it.
        error: Standard errors of ``seen``, > 0.
        n: Customers (or draws) behind each number.

    Returns:
        The largest |z|.
    """
    off = np.asarray(seen, dtype=np.float64) - np.asarray(expected, dtype=np.float64)
    z = np.atleast_1d(off / np.asarray(error, dtype=np.float64))
    worst = int(np.abs(z).argmax())
    tell(f"|z| {abs(z.flat[worst]):.2f} at most, of {z.size}: {what}, n = {n:,}")
    assert np.abs(z).max() < Z, f"{what}: z = {z.flat[worst]:.2f} at {worst} of {z.size}"
    return float(np.abs(z).max())


def shares_agree(what: str, hits: ArrayLike, n: int, chances: ArrayLike) -> float:
    """Compare counts of ``n`` independent customers with probabilities in (0, 1)."""
    p: NDArray[np.float64] = np.asarray(chances, dtype=np.float64)
    return agree(what, np.asarray(hits) / n, p, np.sqrt(p * (1.0 - p) / n), n)


def mean_agrees(what: str, values: NDArray[Any], expected: float) -> float:
    """Compare the mean of independent values, ``(n,)``, with its expectation."""
    lived = values.astype(np.float64)
    return agree(what, lived.mean(), expected, lived.std() / np.sqrt(lived.size), lived.size)


def variance_agrees(what: str, values: NDArray[Any], mean: float, variance: float) -> float:
    """Compare the variance of independent values, ``(n,)``, round a mean that theory knows."""
    squares = (values.astype(np.float64) - mean) ** 2
    return mean_agrees(what, squares, variance)
