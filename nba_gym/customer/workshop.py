"""What a population works with in one process: worktables, a board, and helpers at threads.

None of it says anything about the customers; a copy in another process has its own.
"""

from __future__ import annotations

import time
import weakref
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.compiled import COMPILED
from nba_gym.customer import kernel
from nba_gym.customer.arrays import Outcome, Rules, State, addresses
from nba_gym.lanes import Scratch
from nba_gym.sharing import LEADER, Crew, new_board


class Workshop:
    """Runs the kernel over all tiles, on as many threads as told.

    Args:
        rules: The scenario as arrays.
        state: The customers.
        n: Number of customers.
        threads: Threads to share the tiles among; the caller's is one of them. The others begin at
            the first run and end with this object.
    """

    def __init__(self, rules: Rules, state: State, n: int, threads: int) -> None:
        self._n = n
        self._threads = threads
        self._scratch = [Scratch() for _ in range(threads)]
        self._scratch_at = [addresses(scratch.arrays) for scratch in self._scratch]
        self._lies_there = (rules, state)  # memory that helpers work on must outlive them
        self._rules_at, self._state_at = addresses(rules), addresses(state)
        self._code_at = kernel.run_tiles_at()
        self._board = new_board(kernel.TASK_WORDS)
        self._on_board: tuple[Any, ...] = ()
        self._crew: Crew | None = None

    def run(
        self, mode: int, newborn: NDArray[np.bool_], actions: NDArray[np.int64], out: Outcome
    ) -> None:
        """Begin journeys or live one period; the arrays must be contiguous, see ``run_tiles``."""
        if self._crew is not None:
            self.finish()  # Ctrl-C may have come between the last two lines, with helpers at work
            self._crew.wake()
        elif self._threads > 1 and COMPILED:
            self._hire()
        self._post(mode, newborn, actions, out)
        self.finish()

    def _post(
        self, mode: int, newborn: NDArray[np.bool_], actions: NDArray[np.int64], out: Outcome
    ) -> None:
        self._on_board = (newborn, actions, out)  # the board knows where they lie: keep them there
        desks = (self._rules_at, self._state_at, out.desk)
        kernel.post_tiles(self._board, self._threads, self._n, mode, newborn, actions, *desks)

    def finish(self) -> None:
        """Work on what is posted until nobody does any more."""
        while kernel.take_tiles(self._code_at, self._board, LEADER, self._scratch_at[0]) == LEADER:
            time.sleep(0)

    def _hire(self) -> None:
        desks = zip(self._scratch[1:], self._scratch_at[1:], strict=True)
        self._crew = Crew([partial(_help, self._code_at, self._board, *desk) for desk in desks])
        # in this order: wherever Ctrl-C comes, nobody is hired twice, and all go home
        weakref.finalize(self, self._crew.close)
        self._crew.start()


def _help(
    code_at: Any,
    board: NDArray[np.int64],
    scratch: Scratch,
    scratch_at: NDArray[np.int64],
    known: int,
) -> int:
    """Take tiles; ``scratch`` is what lies at ``scratch_at`` and must not go before."""
    del scratch
    return kernel.take_tiles(code_at, board, known, scratch_at)
