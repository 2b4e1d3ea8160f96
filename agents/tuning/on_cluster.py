"""Trials done by a Ray cluster: jobs travel there, looks at how a training goes come back.

A training asks after each part whether it is to go on. It asks a mailbox, an actor beside whoever
tunes, and waits for the answer; whoever tunes empties the mailbox while the trainings go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agents.tuning.crew import DEATHS, Crew, Desk
from agents.tuning.objective import Job, Outcome, Task, attempt
from nba_gym.errors import PolicyError
from nba_gym.evaluation.cluster import Cluster, LostError

GLANCE = 0.2
"""Seconds between two looks into the mailbox."""


class Mailbox:
    """Questions of trainings, each of which waits for its answer."""

    def __init__(self) -> None:
        self._asked: dict[int, tuple[int, int, float]] = {}
        self._answers: dict[int, asyncio.Future[bool]] = {}
        self._number = 0

    async def ask(self, job: int, part: int, value: float) -> bool:
        """Whether a training is to go on."""
        self._number += 1
        number = self._number
        self._answers[number] = asyncio.get_running_loop().create_future()
        self._asked[number] = job, part, value
        return await self._answers[number]

    async def take(self) -> dict[int, tuple[int, int, float]]:
        """Questions that nobody has taken yet, by number: job, part, best value so far."""
        asked, self._asked = self._asked, {}
        return asked

    async def answer(self, number: int, go_on: bool) -> None:
        """Answer one of them."""
        self._answers.pop(number).set_result(go_on)


class OnCluster:
    """Hands the jobs to a cluster; one whose node is lost is begun again.

    Args:
        task: What all trials have in common.
        cluster: Who does them.
    """

    def __init__(self, task: Task, cluster: Cluster) -> None:
        self._cluster, self._deaths = cluster, 0
        self._task = cluster.put(task)
        self._mailbox = cluster.here(Mailbox)

    def work(self, desk: Desk) -> None:
        """Do jobs side by side, as many as the cluster has processors."""
        jobs: dict[Any, Job] = {}
        self._give(desk, jobs)
        while jobs:
            ready = self._cluster.ready([*jobs], GLANCE)
            for reference in ready:
                self._hear(desk, jobs.pop(reference), reference)
            asked: dict[int, Any] = self._cluster.ray.get(self._mailbox.take.remote())
            known = {job.number: job for job in jobs.values()}
            for number, (job, part, value) in asked.items():
                go_on = job in known and desk.look(known[job], part, value)
                self._mailbox.answer.remote(number, go_on)
            self._give(desk, jobs)

    def _give(self, desk: Desk, jobs: dict[Any, Job]) -> None:
        while len(jobs) < self._cluster.workers and (job := desk.next_job()) is not None:
            jobs[self._cluster.begin(_attempt, self._task, job, self._mailbox)] = job

    def _hear(self, desk: Desk, job: Job, reference: Any) -> None:
        try:
            outcome: Outcome = self._cluster.result(reference)
        except LostError as lost:
            self._deaths += 1
            if self._deaths >= DEATHS:
                raise PolicyError(
                    f"workers must live to finish a trial, got {self._deaths} that were lost in a "
                    f"row: {lost}"
                ) from None
            desk.lost(job)
            return
        self._deaths = 0
        desk.finish(job, outcome)


def _attempt(task: Task, job: Job, mailbox: Any) -> Outcome:
    """On a node: a trial that asks the mailbox."""
    import ray  # pyright: ignore[reportMissingImports]

    def look(part: int, value: float) -> bool:
        return bool(ray.get(mailbox.ask.remote(job.number, part, value)))

    return attempt(task, job, look)


@contextmanager
def cluster_crew(task: Task, address: str) -> Iterator[Crew]:
    """Whoever does the trials of a task on the cluster at an address."""
    cluster = Cluster(address)
    try:
        yield OnCluster(task, cluster)
    finally:
        cluster.close()
