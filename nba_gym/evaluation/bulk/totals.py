"""What a bulk simulation came to: value and its parts, contacts, opt-outs, churn, by persona."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nba_gym.arithmetic import MONEY_QUANTUM
from nba_gym.files import whole_file
from nba_gym.records.ledger import LINES
from nba_gym.records.sums import COUNTED, HALF, VALUE_QUANTUM, Integers, Sums, group_names
from nba_gym.scenario.schema import Scenario

Z95 = 1.959963984540054
"""Normal quantile of 0.975: half the width of a 95 % interval in standard errors."""
EVERYBODY = "everybody"


@dataclass(frozen=True)
class Totals:
    """Totals of many customers.

    Attributes:
        scenario: The world.
        sums: The totals as whole numbers.
    """

    scenario: Scenario
    sums: Sums

    @property
    def table(self) -> pl.DataFrame:
        """One row a period and persona: people, events, money (not discounted), actions."""
        scenario, sums, names = self.scenario, self.sums, group_names(self.scenario)
        periods, groups = sums.alive.shape
        numbers: Integers = np.arange(periods, dtype=np.int64)
        columns: dict[str, Any] = {
            "period": np.repeat(numbers, groups),
            "persona": names * periods,
            "customers": np.tile(sums.customers, periods),
            "alive": sums.alive.reshape(-1),
            "left": sums.left.reshape(-1),
        }
        for i, name in enumerate(COUNTED):
            columns[name] = sums.events[..., i].reshape(-1)
        for i, line in enumerate(LINES):
            columns[line] = sums.money[..., i].reshape(-1) * MONEY_QUANTUM
        columns["profit"] = sums.money.sum(axis=2).reshape(-1) * MONEY_QUANTUM
        for i, channel in enumerate(scenario.channels):
            columns[f"contacts.{channel.name}"] = sums.contacts[..., i].reshape(-1)
        for i, action in enumerate(scenario.actions):
            columns[f"action.{action.name}"] = sums.actions[..., i].reshape(-1)
        return pl.DataFrame(columns)

    @property
    def summary(self) -> list[dict[str, Any]]:
        """A row for everybody and one a persona, per customer over the whole journey.

        ``value`` is the discounted profit with its 95 % interval over customers, ``lines`` its
        parts; ``left`` is the share who left, known only to the simulator.
        """
        names = group_names(self.scenario)
        rows = [self._row(EVERYBODY, list(range(len(names))))]
        if len(names) > 1:
            rows += [self._row(name, [g]) for g, name in enumerate(names)]
        return rows

    def _row(self, name: str, groups: list[int]) -> dict[str, Any]:
        sums = self.sums
        n = int(sums.customers[groups].sum())
        row: dict[str, Any] = {"persona": name, "customers": n}
        if n == 0:
            return row
        discount = self.scenario.discount ** np.arange(len(sums.money))
        quanta = sums.money[:, groups].sum(axis=1)  # (periods, n_lines)
        lines = {
            line: math.fsum((quanta[:, i] * discount).tolist()) * MONEY_QUANTUM / n
            for i, line in enumerate(LINES)
        }
        counts = dict(zip(COUNTED, sums.events[:, groups].sum(axis=(0, 1)).tolist(), strict=True))
        value = math.fsum(lines.values())
        reach = Z95 * _standard_error(sums.value[groups].sum(axis=0), n)
        return row | {
            "value": value,
            "value_low": value - reach,
            "value_high": value + reach,
            "lines": lines,
            "contacts": counts["sent"] / n,
            "opt_outs": counts["opted_out"] / n,
            "purchases": counts["purchases"] / n,
            "left": int(sums.left[:, groups].sum()) / n,
            "cancelled": counts["cancelled"] / n,
        }

    def save(self, folder: Path, about: dict[str, Any]) -> list[Path]:
        """Write ``totals.parquet``, the table, and ``summary.json``; returns the paths."""
        paths = [folder / "totals.parquet", folder / "summary.json"]
        with whole_file(paths[0]) as draft:
            self.table.write_parquet(draft)
        record = about | {"personas": self.summary}
        with whole_file(paths[1]) as draft:
            draft.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        return paths


def _standard_error(value: Integers, n: int) -> float:
    """Standard error of the mean value, from exact sums of quanta and of their squares."""
    if n < 2:
        return 0.0
    total, upper, lower = (int(number) for number in value)
    squares = (upper << HALF) + lower
    spread = (squares * n - total * total) / n  # whole numbers of any size, then one division
    return math.sqrt(max(0.0, spread) / (n - 1) / n) * VALUE_QUANTUM
