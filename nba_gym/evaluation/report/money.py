"""Figures of money: value, what it is made of, and whose it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nba_gym.evaluation.report.answer import amount
from nba_gym.evaluation.report.figure import Figure, Stage, readable, used_lines
from nba_gym.evaluation.report.painters import (
    Floats,
    Row,
    paint_intervals,
    paint_stacks,
    stacked,
)
from nba_gym.evaluation.report.svg import Style, panel
from nba_gym.records.ledger import LINES
from nba_gym.statistics import Interval, mean_interval


def value_figure(stage: Stage) -> Figure:
    """Value per customer, and the paired difference."""
    ticks = [(float(i), name) for i, name in enumerate(stage.ranking)]
    height = 72 + 38 * len(ticks)

    def draw(key: str, intervals: Sequence[Interval], what: str, zero: bool) -> str:
        rows = [
            Row(
                at, x, stage.styles[name], "" if x.low == x.high else amount(x.mean, x, signed=zero)
            )
            for (at, name), x in zip(ticks, intervals, strict=True)
        ]
        label = f"{what} by policy, with 95 % intervals"

        def paint(axes: Any) -> None:
            paint_intervals(axes, rows, ticks, stacked(what, stage.unit), zero=zero)

        return panel(key, label, paint, height=height)

    means = [mean_interval(stage.runs[name].value) for name in stage.ranking]
    gaps = [stage.comparison.difference(name) for name in stage.ranking]
    panels = [
        ("Value", draw("value", means, "discounted profit", False)),
        ("Paired difference", draw("gap", gaps, stage.versus, True)),
    ]
    caption = (
        "Means with 95 % intervals over customers. How much customers differ widens the intervals "
        "of the values only: the difference is taken customer by customer, on the same luck. It is "
        "the fair comparison, and one whose interval includes 0 decides nothing."
    )
    return Figure("Value per customer", caption, panels, [])


def ledger_figure(stage: Stage) -> Figure:
    """Ledger lines by policy, and what the difference is made of."""
    used = used_lines(stage.runs)
    styles = [Style(f"line{LINES.index(line)}") for line in used]
    parts = np.array(
        [[float(stage.runs[n].lines[line].mean()) for line in used] for n in stage.ranking]
    )
    base = parts[stage.ranking.index(stage.roles.baseline)]
    values = [mean_interval(stage.runs[name].value) for name in stage.ranking]
    gaps = [stage.comparison.difference(name) for name in stage.ranking]
    height = 72 + 34 * len(stage.ranking)

    def draw(key: str, parts: Floats, sums: Sequence[Interval], what: str) -> str:
        rows = [
            Row(float(i), x, Style("ink", "D"), name)
            for i, (name, x) in enumerate(zip(stage.ranking, sums, strict=True))
        ]

        def paint(axes: Any) -> None:
            paint_stacks(axes, parts, styles, rows, stacked(what, stage.unit))

        return panel(key, f"Ledger lines by policy: {what}", paint, height=height)

    panels = [
        ("Ledger lines", draw("ledger", parts, values, "discounted money")),
        (
            "What the difference is made of",
            draw("parts", parts - base, gaps, stage.versus),
        ),
    ]
    legend = [(style, readable(line)) for style, line in zip(styles, used, strict=True)]
    legend.append((Style("ink", "D"), "sum, with its 95 % interval"))
    caption = "What adds to profit is stacked to the right of 0, what takes from it to the left."
    return Figure("Where the money comes from", caption, panels, legend)


def persona_figure(stage: Stage) -> Figure:
    """Value by persona, and the paired difference by persona."""
    base = stage.runs[stage.roles.baseline]
    count = len(stage.ranking)
    values: list[Row] = []
    gaps: list[Row] = []
    ticks: list[tuple[float, str]] = []
    left_out: list[str] = []
    for p, persona in enumerate(stage.comparison.scenario.personas):
        who = base.persona == p
        if who.sum() < 2:
            left_out.append(readable(persona.name))
            continue
        first = len(ticks) * (count + 1.5)
        ticks.append(
            (first + (count - 1) / 2.0, f"{readable(persona.name)}\n{who.sum():,} customers")
        )
        for i, name in enumerate(stage.ranking):
            run, style = stage.runs[name], stage.styles[name]
            values.append(Row(first + i, mean_interval(run.value[who]), style))
            gaps.append(Row(first + i, mean_interval(run.value[who] - base.value[who]), style))
    height = 72 + 15 * (count + 1.5) * len(ticks)

    def draw(key: str, rows: list[Row], what: str, zero: bool) -> str:
        def paint(axes: Any) -> None:
            paint_intervals(axes, rows, ticks, stacked(what, stage.unit), zero=zero)

        return panel(key, f"{what} by persona and policy", paint, height=height)

    panels = [
        ("Value", draw("persona", values, "discounted profit", False)),
        ("Paired difference", draw("personagap", gaps, stage.versus, True)),
    ]
    caption = "Means with 95 % intervals over the customers of each persona."
    if left_out:
        caption += f" Fewer than 2 customers, so left out: {', '.join(left_out)}."
    return Figure("Value by persona", caption, panels, stage.legend)
