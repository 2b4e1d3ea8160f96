"""Work shared out among threads in compiled code, without the interpreter and without locks.

One thread leads: it writes a task on a board, posts it in so many parts, and works on them itself.
Helpers take parts of the same job, whoever comes first, until none is left; then the leader waits
for those that helpers still have in hand. A helper that is late, asleep or gone costs time only:
the leader does what nobody else takes. What is computed must not depend on who takes which part.

Helpers wait awake for a moment (about a hundred microseconds) before they go to sleep. To wake a
thread takes the system tens of microseconds, in which a thousand customers live a period, and it
may wake it on the very processor that the leader is busy on.

Two words of the board are written by several threads at once, and only by the atomic operations
here: the parts that are left of the job, with the job's number above them, so that a late helper
can never take a part of a job whose task it has not read; and the parts that are done.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import numpy as np
from llvmlite import ir  # pyright: ignore[reportMissingTypeStubs]
from numba import types  # pyright: ignore[reportMissingTypeStubs]
from numba.extending import intrinsic  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from nba_gym.compiled import COMPILED, scalar, stage

Array = NDArray[Any]

_LEFT, _DONE = 0, 8
TASK = 16
"""Words of a board from here on are the task: the leader's before it posts, then read only."""
_JOB_BITS = 32
_PARTS = (1 << _JOB_BITS) - 1
_WORD = 8

NO_PART = -1
LEADER = 1 << _JOB_BITS
"""No job's number: known by who does not wait for the next job but leads this one."""
AWAKE = 4_000
"""Looks at the board before a helper goes to sleep: about a hundred microseconds."""
PATIENT = 20_000
"""Looks at the board before a leader that waits lets others have its processor."""


def _at(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    words = context.make_array(signature.args[0])(context, builder, values[0]).data
    return builder.gep(words, [values[1]])


@intrinsic
def _load(context: Any, board: Any, at: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load_atomic(_at(context, builder, signature, values), "acquire", _WORD)

    return types.int64(board, types.intp), build


@intrinsic
def _store(context: Any, board: Any, at: Any, word: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _at(context, builder, signature, values)
        builder.store_atomic(values[2], place, "release", _WORD)
        return context.get_dummy_value()

    return types.void(board, types.intp, types.int64), build


@intrinsic
def _add(context: Any, board: Any, at: Any, more: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _at(context, builder, signature, values)
        return builder.atomic_rmw("add", place, values[2], "acq_rel")

    return types.int64(board, types.intp, types.int64), build


@intrinsic
def _replace(context: Any, board: Any, at: Any, old: Any, new: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _at(context, builder, signature, values)
        pair = builder.cmpxchg(place, values[2], values[3], "acq_rel", "acquire")
        return builder.extract_value(pair, 1)

    return types.boolean(board, types.intp, types.int64, types.int64), build


@intrinsic
def _pause(context: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        if platform.machine().lower() in ("x86_64", "amd64"):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(builder.module.declare_intrinsic("llvm.x86.sse2.pause", (), kind), [])
        return context.get_dummy_value()

    return types.void(), build


# Plain Python has no helpers (see Population), so nothing is written by two threads.


def _load_in_python(board: Array, at: int) -> int:
    return int(board[at])


def _store_in_python(board: Array, at: int, word: int) -> None:
    board[at] = word


def _add_in_python(board: Array, at: int, more: int) -> int:
    board[at] += more
    return int(board[at]) - more


def _replace_in_python(board: Array, at: int, old: int, new: int) -> bool:
    board[at] = new
    return True


def _pause_in_python() -> None:
    return


_load_word: Any = _load if COMPILED else _load_in_python
_store_word: Any = _store if COMPILED else _store_in_python
_add_to_word: Any = _add if COMPILED else _add_in_python
_replace_word: Any = _replace if COMPILED else _replace_in_python
_take_breath: Any = _pause if COMPILED else _pause_in_python


def new_board(task_words: int) -> NDArray[np.int64]:
    """A board with room for a task of so many words."""
    return np.zeros(TASK + task_words, dtype=np.int64)


@scalar
def post(board: Array, parts: int) -> None:
    """Post a job whose task is on the board; the job before must be done."""
    before = _load_word(board, _LEFT) >> _JOB_BITS
    _store_word(board, _DONE, 0)
    _store_word(board, _LEFT, ((before + 1) << _JOB_BITS) | parts)


@stage
def await_job(board: Array, known: int) -> int:
    """The number of a job that is not ``known``, or ``known`` if none is posted for a while."""
    looks, job = 0, _load_word(board, _LEFT) >> _JOB_BITS
    while job == known and looks < AWAKE:
        _take_breath()
        looks += 1
        job = _load_word(board, _LEFT) >> _JOB_BITS
    return job


@stage
def take_part(board: Array, job: int) -> int:
    """A part of a job that nobody else has or gets, or ``NO_PART``; the first come first."""
    word = _load_word(board, _LEFT)
    while word >> _JOB_BITS == job and (word & _PARTS) > 0:
        if _replace_word(board, _LEFT, word, word - 1):
            return (word & _PARTS) - 1
        word = _load_word(board, _LEFT)
    return NO_PART


@scalar
def finish_part(board: Array) -> None:
    """Report a part that was taken as done."""
    _add_to_word(board, _DONE, 1)


@stage
def await_parts(board: Array, parts: int) -> bool:
    """Whether all parts are done, after some patience."""
    looks = 0
    while _load_word(board, _DONE) < parts and looks < PATIENT:
        _take_breath()
        looks += 1
    return _load_word(board, _DONE) >= parts


class Crew:
    """Threads that help a leader; they sleep while there is nothing to do.

    Ctrl-C may come between any two lines here, so nothing that two threads wait for is more than
    one call into C: no lock of Python's own can be left behind.

    Args:
        helps: For each helper, what it calls with the number of the last job it knows. It takes
            parts of newer jobs, and returns the number of the last job it saw once no other came
            for a while (:func:`await_job`). It must not hold the owner of the crew.
    """

    def __init__(self, helps: list[Callable[[int], int]]) -> None:
        self._bells: list[SimpleQueue[None]] = [SimpleQueue() for _ in helps]
        self._asleep = [False for _ in helps]
        self._closed = [False]
        self._threads = [
            threading.Thread(
                target=_work_and_sleep,
                args=(help_, place, self._bells[place], self._asleep, self._closed),
                name=f"nba_gym-{place}",
                daemon=True,
            )
            for place, help_ in enumerate(helps)
        ]

    def start(self) -> None:
        """Begin; where the system has no more threads to give, with fewer helpers."""
        for thread in self._threads:
            try:
                thread.start()
            except RuntimeError:
                return

    def wake(self) -> None:
        """Wake those who sleep: a job comes. It need not wait until they are awake."""
        for place, asleep in enumerate(self._asleep):
            if asleep:
                self._bells[place].put(None)
                self._asleep[place] = False

    def close(self) -> None:
        """Send everybody home, and wait until they are gone."""
        self._closed[0] = True
        for bell, thread in zip(self._bells, self._threads, strict=True):
            bell.put(None)
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join()


def _work_and_sleep(
    help_: Callable[[int], int],
    place: int,
    bell: SimpleQueue[None],
    asleep: list[bool],
    closed: list[bool],
) -> None:
    known = 0
    while not closed[0]:
        known = help_(known)
        asleep[place] = True
        bell.get()
