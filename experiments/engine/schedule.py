"""Do the tasks of a plan, several at a time, each once: what is finished is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from experiments.engine.engines import DiedError, Engine, FailedError
from experiments.engine.plan import Plan, Task
from experiments.stages import Stages
from nba_gym.evaluation.results import CELLS

MADE = "made"
"""Folder of what cells are made from: searches and trainings."""
ATTEMPTS = 3
"""How often a task is tried whose worker dies."""
Say = Callable[[str], None]


class Store:
    """Where the folders of tasks lie.

    Args:
        folder: Folder of the study.
        fresh: Forget all that was finished before.
    """

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        def nobody(line: str) -> None:
            """What is used again is told once for all of it."""

        self._cells = Stages(folder / CELLS, fresh=fresh, say=nobody)
        self._made = Stages(folder / MADE, fresh=fresh, say=nobody)

    def of(self, task: Task) -> Stages:
        """The stages that keep a task."""
        return self._cells if task.kind == "cell" else self._made

    def has(self, task: Task) -> bool:
        """Whether a task is finished, and nothing it depends on has changed."""
        return self.of(task).has(task.name, task.depends)

    def folder(self, task: Task) -> Path:
        """The folder of a task, finished or not."""
        return self.of(task).folder / task.name


@dataclass
class Progress:
    """How far a study is.

    Attributes:
        total: Tasks to do in this run.
        cells: Cells among them.
        done: Tasks done.
        seconds: What each took, by kind.
    """

    total: dict[str, int]
    workers: int
    done: dict[str, int] = field(default_factory=dict[str, int])
    seconds: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    def add(self, kind: str, seconds: float) -> None:
        """Count a task that is done."""
        self.done[kind] = self.done.get(kind, 0) + 1
        self.seconds.setdefault(kind, []).append(seconds)

    @property
    def left(self) -> float:
        """Seconds that are left, as far as can be told from what the others took."""
        every = [x for several in self.seconds.values() for x in several]
        work = 0.0
        for kind, total in self.total.items():
            known = self.seconds.get(kind, every)
            work += (total - self.done.get(kind, 0)) * sum(known) / max(1, len(known))
        return work / self.workers


def to_do(plan: Plan, store: Store) -> list[Task]:
    """Cells that are not finished, and what they need that is not; in an order to do them in."""
    wanted: set[str] = set()

    def want(name: str) -> None:
        if name not in wanted and not store.has(plan.tasks[name]):
            wanted.add(name)
            for need in plan.tasks[name].needs:
                want(need)

    for cell in plan.cells:
        want(cell)
    return [task for name, task in plan.tasks.items() if name in wanted]


def run_plan(
    plan: Plan, store: Store, engine: Engine, told: Callable[[Task, float, Progress], None]
) -> None:
    """Do all that is left of a plan.

    Args:
        plan: The tasks.
        store: Where they are kept.
        engine: Who does them.
        told: Called after each, with its seconds and how far the study is.

    Raises:
        FailedError: The first task that could not be done, once those under way have been given up.
        KeyboardInterrupt: If asked to stop; what is finished is kept.
    """
    tasks = to_do(plan, store)
    waiting = {task.name: {need for need in task.needs if need in names(tasks)} for task in tasks}
    kinds = [task.kind for task in tasks]
    progress = Progress({kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}, engine.workers)
    under_way: dict[Future[float], Task] = {}
    pool = ThreadPoolExecutor(engine.workers)
    try:
        while waiting or under_way:
            ready = [name for name, needs in waiting.items() if not needs]
            for name in ready[: engine.workers - len(under_way)]:
                del waiting[name]
                task = plan.tasks[name]
                under_way[pool.submit(_do, task, plan, store, engine)] = task
            finished, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in finished:
                task = under_way.pop(future)
                progress.add(task.kind, future.result())
                told(task, progress.seconds[task.kind][-1], progress)
                for needs in waiting.values():
                    needs.discard(task.name)
    except BaseException:
        engine.close()  # nobody is waited for: what is under way is lost, and nothing else
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def names(tasks: list[Task]) -> set[str]:
    """Names of tasks."""
    return {task.name for task in tasks}


def _do(task: Task, plan: Plan, store: Store, engine: Engine) -> float:
    """Do one task and keep it; the seconds that it took."""
    inputs = {_made(plan.tasks[need]): store.folder(plan.tasks[need]) for need in task.needs}
    begun = time.perf_counter()

    def make(folder: Path) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                engine.run(task, inputs, folder)
                return
            except DiedError as died:
                if attempt == ATTEMPTS:
                    raise FailedError(f"{died}, {ATTEMPTS} times", told=True) from None

    store.of(task).keep(task.name, task.depends, make)
    return time.perf_counter() - begun


def _made(task: Task) -> str:
    """What a task makes, as those call it that need it."""
    return task.arguments["policy"] if task.kind == "search" else task.kind
