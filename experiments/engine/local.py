"""Tasks done by processes of this machine, one task each at a time; one that dies is replaced."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from experiments.engine.engines import DiedError, FailedError
from experiments.engine.plan import Task
from nba_gym.errors import NbaGymError

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Workers are as many as cores; threads of their libraries would only wait for each other."""


@dataclass
class _Worker:
    """A process, and the line to it."""

    process: BaseProcess
    line: Connection


class LocalEngine:
    """Worker processes of this machine.

    Args:
        workers: How many.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._all: list[_Worker] = []
        self._lock, self._closed = threading.Lock(), False
        for _ in range(workers):
            self._idle.put(self._start())

    def run(self, task: Task, inputs: Mapping[str, Path], folder: Path) -> None:
        """Do a task in the next worker that is free; waits for it.

        Raises:
            DiedError: If the worker died of it, or during it.
            FailedError: If it could not be done, or this engine was closed meanwhile.
        """
        worker = self._idle.get()
        try:
            worker.line.send((task.kind, task.arguments, dict(inputs), folder))
            outcome: Exception | None = worker.line.recv()
        except (EOFError, OSError):
            worker.process.join()
            code = worker.process.exitcode
            self._idle.put(self._start())
            raise DiedError(f"{task.name}: its worker ended with exit code {code}") from None
        self._idle.put(worker)
        if outcome is not None:
            raise outcome

    def kill_one(self) -> None:
        """Kill a worker that does nothing now, as a machine may: the next task finds it dead."""
        worker = self._idle.get()
        worker.process.kill()
        self._idle.put(worker)

    def close(self) -> None:
        """End all workers, whatever they do."""
        with self._lock:
            self._closed = True
            for worker in self._all:
                worker.process.terminate()
        for worker in self._all:
            worker.process.join()

    def _start(self) -> _Worker:
        """A process; Ctrl-C is the business of this one alone."""
        with self._lock:
            if self._closed:
                raise FailedError("workers were ended")
            return self._start_one()

    def _start_one(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there,), daemon=True)
        before = {name: os.environ.get(name) for name in ONE_THREAD}
        os.environ.update(ONE_THREAD)
        try:
            with deaf():
                process.start()
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        there.close()
        worker = _Worker(process, here)
        self._all.append(worker)
        return worker


@contextmanager
def deaf() -> Iterator[None]:
    """What is started meanwhile does not hear Ctrl-C; only the main thread can see to that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(line: Connection) -> None:
    """Do tasks until nobody gives any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from experiments.engine.work import do

    while True:
        try:
            kind, arguments, inputs, folder = line.recv()
        except (EOFError, OSError):
            return
        line.send(_attempt(do, kind, arguments, inputs, folder))


def _attempt(do: Any, *task: Any) -> Exception | None:
    """What went wrong, if anything."""
    try:
        do(*task)
    except NbaGymError as error:
        return FailedError(str(error), told=True)
    except Exception:  # noqa: BLE001  whatever it is, whoever gave the task must hear of it
        return FailedError(traceback.format_exc(), told=False)
    return None
