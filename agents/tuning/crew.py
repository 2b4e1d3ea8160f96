"""Who does the trials: this process, or several beside it, one torch thread each."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Protocol

from agents.tuning.objective import Job, Outcome, Task, attempt
from nba_gym.errors import PolicyError

DEATHS = 5
"""So many workers that die one after the other, nothing finished between, are no accident."""


class Desk(Protocol):
    """Gives out jobs and hears what comes of them."""

    def next_job(self) -> Job | None:
        """What to try next, if anything."""
        ...

    def look(self, job: Job, part: int, value: float) -> bool:
        """Whether a job is to go on."""
        ...

    def finish(self, job: Job, outcome: Outcome) -> None:
        """Hear what came of a job."""
        ...

    def lost(self, job: Job) -> None:
        """Hear that whoever did a job died of it, or during it."""
        ...


class Crew(Protocol):
    """Whoever does jobs."""

    def work(self, desk: Desk) -> None:
        """Do jobs until there are none left."""
        ...


class Alone:
    """Does the jobs in this process."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def work(self, desk: Desk) -> None:
        """Do jobs one after the other."""
        while (job := desk.next_job()) is not None:
            desk.finish(job, attempt(self._task, job, partial(desk.look, job)))


@dataclass
class _Worker:
    """A process, the line to it, and what it is doing."""

    process: BaseProcess
    line: Connection
    job: Job | None = None


class Several:
    """Hands the jobs to processes; one that dies is replaced."""

    def __init__(self, task: Task, workers: int) -> None:
        self._task = task
        self._workers = [self._start() for _ in range(workers)]
        self._deaths = 0

    def work(self, desk: Desk) -> None:
        """Do jobs side by side."""
        self._give(desk)
        while busy := {worker.line: worker for worker in self._workers if worker.job is not None}:
            for line in wait(list(busy)):
                self._hear(busy[line], desk)  # pyright: ignore[reportArgumentType]
            self._give(desk)

    def end(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join()
            worker.line.close()

    def _start(self) -> _Worker:
        """A process that knows the task; Ctrl-C is the business of this one alone."""
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, self._task), daemon=True)
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        there.close()
        return _Worker(process, here)

    def _give(self, desk: Desk) -> None:
        for worker in self._workers:
            if worker.job is None and (job := desk.next_job()) is not None:
                worker.job = job
                _send(worker.line, job)

    def _hear(self, worker: _Worker, desk: Desk) -> None:
        job = worker.job
        if job is None:
            return
        try:
            said = worker.line.recv()
        except (EOFError, OSError):
            self._replace(worker)
            desk.lost(job)
            return
        if isinstance(said, Outcome):
            worker.job, self._deaths = None, 0
            desk.finish(job, said)
        else:
            _send(worker.line, desk.look(job, *said))

    def _replace(self, worker: _Worker) -> None:
        worker.process.join()
        self._deaths += 1
        if self._deaths >= DEATHS:
            raise PolicyError(
                f"workers must live to finish a trial, got {self._deaths} that died in a row, "
                f"the last one with exit code {worker.process.exitcode}"
            )
        worker.line.close()
        new = self._start()
        worker.process, worker.line, worker.job = new.process, new.line, None


@contextmanager
def crew(task: Task, workers: int) -> Iterator[Crew]:
    """Whoever does the trials of a task: this process if one is enough."""
    if workers == 1:
        yield Alone(task)
        return
    several = Several(task, workers)
    try:
        yield several
    finally:
        several.end()


def _send(line: Connection, what: object) -> None:
    """Say something; that nobody is there any more shows when listening."""
    try:
        line.send(what)
    except OSError:
        return


def _serve(line: Connection, task: Task) -> None:
    """Do jobs until nobody gives any more."""

    def look(part: int, value: float) -> bool:
        line.send((part, value))
        return line.recv()

    try:
        while True:
            job = line.recv()
            line.send(attempt(task, job, look))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
