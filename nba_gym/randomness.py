"""Counter-based random numbers: a draw is a pure function of who, when and what.

``Philox4x32-10`` (Salmon, Moraes, Dror & Shaw, *Parallel random numbers: as easy as 1, 2, 3*, SC
2011) turns a 128-bit counter and a 64-bit key into four 32-bit words. Here the key is the world's
seed and the counter holds the customer, the period and the block of event kinds. So a customer's
luck does not depend on how many others are simulated beside them, in what order, or on how many
threads; and two policies meet the same luck (common random numbers).

A uniform is ``(word + 1/2) / 2**32``: strictly inside (0, 1), never 0 and never 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.compiled import entry, scalar, single

Array = NDArray[Any]

_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_W0 = np.uint64(0x9E3779B9)
_W1 = np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_ONE, _NINE = np.uint64(1), np.uint64(9)
_STEP = single(2.0**-24)

ROUNDS = 10
WORDS = 4
"""Random words in one block."""


@scalar
def philox(
    c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, k0: np.uint64, k1: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Philox4x32-10: four random 32-bit words from a counter and a key.

    Args:
        c0: Counter word 0 (as are ``c1``, ``c2``, ``c3``), in [0, 2**32), held in 64 bits.
        c1: Counter word 1.
        c2: Counter word 2.
        c3: Counter word 3.
        k0: Key word 0, in [0, 2**32), held in 64 bits.
        k1: Key word 1.

    Returns:
        Four words in [0, 2**32), held in 64 bits.

    Source: Random123 1.14, ``philox4x32`` with 10 rounds; checked against its known answers.
    """
    # only the lower halves count; what gathers above them is cut off where it would matter
    for _ in range(ROUNDS):
        p0 = _M0 * (c0 & _LOW)
        p1 = _M1 * (c2 & _LOW)
        c0 = (p1 >> _SHIFT) ^ c1 ^ k0
        c2 = (p0 >> _SHIFT) ^ c3 ^ k1
        c1 = p1
        c3 = p0
        k0 = k0 + _W0
        k1 = k1 + _W1
    return c0 & _LOW, c1 & _LOW, c2 & _LOW, c3 & _LOW


@scalar
def uniform(word: np.uint64) -> float:
    """A number strictly between 0 and 1 from a 32-bit word, in steps of 2**-32."""
    return (np.float64(np.int64(word)) + 0.5) * 2.3283064365386963e-10


@scalar
def uniform_single(word: np.uint64) -> float:
    """The same in single precision: an odd multiple of 2**-24, from the upper 23 bits."""
    odd: Any = np.float32(np.int32((word >> _NINE) << _ONE | _ONE))
    return odd * _STEP


POLICY_KIND = np.uint64(0xFFFFFFFF)
"""Block of event kinds reserved for a policy's own draw; the customer model uses lower ones."""


def _make_policy_luck(digest: str) -> Callable[..., None]:
    def fill(seed: int, period: int, customers: Array, out: Array) -> None:
        _ = digest  # part of the cache key
        for i in range(customers.shape[0]):
            customer = customers[i]
            word = philox(
                customer & _LOW,
                customer >> _SHIFT,
                np.uint64(period),
                POLICY_KIND,
                np.uint64(seed) & _LOW,
                np.uint64(seed) >> _SHIFT,
            )[0]
            out[i] = uniform(word)

    return fill


_fill_policy_luck = entry(_make_policy_luck)


def policy_luck(seed: int, customers: NDArray[np.uint64], period: int) -> NDArray[np.float64]:
    """Uniform numbers for a stochastic policy: a function of (seed, customer, period) only.

    Args:
        seed: Seed of the world.
        customers: Numbers of the customers, ``(n,)``.
        period: Period of the journeys.

    Returns:
        ``(n,)``, independent of everything the customers draw for themselves.
    """
    out = np.empty(len(customers))
    _fill_policy_luck(np.uint64(seed), np.uint64(period), customers, out)
    return out
