"""What a long run tells the terminal while it works."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

CONSOLE = Console(width=max(100, Console().width))
"""Wide enough for the tables, also where the terminal is not."""


def say(line: str) -> None:
    """Print a line as it is."""
    CONSOLE.print(line, highlight=False, markup=False)


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Show that something is under way, and afterwards how long it took."""
    begun = time.perf_counter()
    with CONSOLE.status(f"{name} ..."):
        yield
    say(f"{name}: {time.perf_counter() - begun:.1f} s")


@contextmanager
def bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar, moved by calling it with what is done and what there is to do."""
    begun = time.perf_counter()
    columns: list[Any] = [
        TextColumn(name),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TextColumn("left"),
        TimeRemainingColumn(),
    ]
    shown = CONSOLE.is_terminal  # elsewhere the bar would leave an empty line
    with Progress(*columns, console=CONSOLE, transient=True, disable=not shown) as progress:
        task = progress.add_task(name, total=1)
        yield lambda done, total: progress.update(task, completed=done, total=total)
    say(f"{name}: {time.perf_counter() - begun:.1f} s")
