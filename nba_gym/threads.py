"""Threads of other libraries, held to one for as long as a context lasts.

- ``one_blas_thread`` holds BLAS, that is matrix products of NumPy: for policies that are asked.
- ``one_thread_to_fit`` holds BLAS and OpenMP, with which scikit-learn boosts trees: for fits.

What is computed there is small: several threads mostly wait for each other, and where another
process keeps a core busy they wait for that core (ten times slower with one of two cores taken).
One thread also adds up in one order, whatever number of threads a machine offers. Threads of the
kernel and of torch are none of these: they are arguments of whoever starts them.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, cast

from threadpoolctl import (  # pyright: ignore[reportMissingTypeStubs]
    ThreadpoolController,
    threadpool_limits,
)

from nba_gym.errors import MissingExtraError


@cache
def _libraries() -> Any:
    return cast(Any, ThreadpoolController()).select(user_api="blas")


def one_blas_thread() -> AbstractContextManager[object]:
    """A context in which NumPy multiplies matrices on one thread; entering it takes 20 us."""
    return _libraries().limit(limits=1)


def one_thread_to_fit(feature: str) -> AbstractContextManager[object]:
    """A context in which scikit-learn fits on one thread; its libraries are looked for each time.

    Raises:
        MissingExtraError: If scikit-learn is not installed; the message names ``feature``.
    """
    try:
        # before the libraries are looked for, so that those it brings are among them
        import sklearn  # pyright: ignore[reportMissingTypeStubs, reportUnusedImport]  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(feature, "baselines") from error
    return cast(Any, threadpool_limits)(limits=1)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
