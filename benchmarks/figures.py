"""Rates that are measured several times in turn, and the machine they were measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

REPEATS = 7


@dataclass(frozen=True)
class Figure:
    """Rates of one thing measured several times.

    Attributes:
        name: What was measured.
        rates: Transitions a second, one a repetition.
    """

    name: str
    rates: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure to quote."""
        return float(np.median(self.rates))

    def row(self) -> tuple[str, str, str]:
        """Name, median and spread for the table."""
        low, high = min(self.rates), max(self.rates)
        return self.name, _rate(self.median), f"{_rate(low)} to {_rate(high)}"


def interleave(runs: dict[str, Callable[[], float]], repeats: int = REPEATS) -> list[Figure]:
    """Repeat all runs in turn, after a warm-up, so that a slow spell hits each of them."""
    for run in runs.values():
        run()
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            rates[name].append(run())
    return [Figure(name, tuple(values)) for name, values in rates.items()]


def machine() -> dict[str, Any]:
    """What figures are worth nothing without."""
    return {"cpu": _cpu(), "cores": os.cpu_count(), "python": platform.python_version()}


def _rate(value: float) -> str:
    return f"{value / 1e6:.2f} M" if value >= 1e6 else f"{value / 1e3:.1f} k"


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
