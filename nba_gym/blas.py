"""Matrix products of policies run on one thread.

They are small: several threads mostly wait for each other, and where another process keeps a core
busy they wait for that core (ten times slower with one of two cores taken). One thread also adds up
in one order, whatever number of threads a machine offers.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any, cast

from threadpoolctl import ThreadpoolController  # pyright: ignore[reportMissingTypeStubs]


@cache
def _libraries() -> Any:
    return cast(Any, ThreadpoolController()).select(user_api="blas")


def one_blas_thread() -> AbstractContextManager[object]:
    """A context in which NumPy multiplies matrices on one thread; entering it takes 20 us."""
    return _libraries().limit(limits=1)
