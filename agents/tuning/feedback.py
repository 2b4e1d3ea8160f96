"""What tuning tells the terminal: how far it is, what is best so far, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

SHOWN = 8
"""Trials in the table at the end."""


class Feedback:
    """A bar, and lines above it; only the lines where there is no terminal.

    Args:
        title: What is tuned.
        currency: What values are in.
    """

    def __init__(self, title: str, currency: str) -> None:
        self._console = Console(width=max(100, Console().width))
        self._currency = currency
        self._bar = Progress(
            TextColumn(title),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[best]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(title, total=1.0, best="", left="")
        self._begun, self._from = time.perf_counter(), 0.0

    def __enter__(self) -> Feedback:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, line: str) -> None:
        """Print a line as it is."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def begin(self, share: float) -> None:
        """Begin to count the time that is left, from the share that was done before."""
        self._begun, self._from = time.perf_counter(), share

    def show(self, share: float, best: float | None) -> None:
        """Move the bar."""
        done, left = share - self._from, ""
        if done > 0.0:
            seconds = (1.0 - share) / done * (time.perf_counter() - self._begun)
            left = f"{seconds // 60:.0f} min {seconds % 60:02.0f} s left"
        text = "" if best is None else f"best {best:.2f} {self._currency}"
        self._bar.update(self._task, completed=share, best=text, left=left)

    def doing(self, what: str) -> None:
        """Say what is done after the search."""
        self.say(what)
        self._bar.update(self._task, left="confirming")

    def trial(self, row: dict[str, Any], changes: dict[str, Any]) -> None:
        """A line for a trial that is over."""
        self.say(f"trial {row['trial']}: {outcome(row)}; {words(changes)}")

    def table(self, rows: Iterable[dict[str, Any]], changes: dict[int, dict[str, Any]]) -> None:
        """The best trials, the first one among them."""
        over = [row for row in rows if "value" in row]
        over.sort(key=lambda row: row["value"]["mean"], reverse=True)
        shown = over[:SHOWN] + [row for row in over[SHOWN:] if "first" in row]
        table = Table(title=f"{self._currency} per customer of tuning", box=SIMPLE)
        for name in ("trial", "value", "less the file's", "seconds"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("what differs from the file")
        for row in shown:
            table.add_row(
                str(row["trial"]),
                f"{row['value']['mean']:.2f}",
                "" if "first" in row else gain(row),
                f"{row['seconds']:.0f}",
                words(changes[row["trial"]]),
            )
        self._console.print(table)


def outcome(row: dict[str, Any]) -> str:
    """What came of a trial, in words."""
    took = f"{row.get('seconds', 0.0):.0f} s"
    if "value" not in row:
        return " ".join([row["state"], *([f"({row['said']})"] if "said" in row else []), took])
    better = "" if "first" in row or "gain" not in row else f", {gain(row)} to the file"
    return f"{row['value']['mean']:.2f}{better}, {took}"


def gain(row: dict[str, Any]) -> str:
    """A paired difference with its interval."""
    if "gain" not in row:
        return ""
    return "{mean:+.2f} [{low:+.2f}, {high:+.2f}]".format(**row["gain"])


def words(changes: dict[str, Any]) -> str:
    """Settings in words."""
    return ", ".join(f"{name} {value}" for name, value in changes.items()) or "the file as it is"
