"""What commands share."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Annotated, Any

import tyro

Name = Annotated[str, tyro.conf.Positional]
"""An argument that is given by its place, without a flag."""


@contextmanager
def bars() -> Generator[Callable[[str, int, int], None], None, None]:
    """A bar a stage, with the time left where it is known; nothing where nobody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Remaining

    console = Console(stderr=True)
    columns: list[Any] = [TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()]
    columns += [TextColumn("left at most"), Remaining()]
    sizes: dict[str, tuple[Any, int]] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:

        def close() -> None:
            for task, size in sizes.values():
                shown.update(task, total=size, completed=size)

        def told(stage: str, done: int, total: int) -> None:
            if stage not in sizes:
                close()
                sizes[stage] = shown.add_task(stage, total=total or None), total or 1
            shown.update(sizes[stage][0], completed=done, total=total or None)

        yield told
        close()
