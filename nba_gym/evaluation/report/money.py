"""Figures of money: value, what it is made of, and whose it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nba_gym.evaluation.report.answer import amount
from nba_gym.evaluation.report.figure import (
    Cast,
    Figure,
    Stage,
    line_means,
    readable,
    used_lines,
)
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

VALUE_CAPTION = (
    "Means with 95 % intervals over customers. How much customers differ widens the intervals "
    "of the values only: the difference is taken customer by customer, on the same luck. It is "
    "the fair comparison, and one whose interval includes 0 decides nothing."
)
Intervals = Mapping[str, Interval]


def value_figure(stage: Stage) -> Figure:
    """Value per customer, and the paired difference."""
    means = {name: mean_interval(run.value) for name, run in stage.runs.items()}
    gaps = {name: stage.comparison.difference(name) for name in stage.ranking}
    return draw_values(stage.cast, means, gaps, VALUE_CAPTION)


def draw_values(
    cast: Cast, means: Intervals, gaps: Intervals, caption: str, key: str = ""
) -> Figure:
    """The same from intervals by policy; ``key`` makes the ids of the drawings unique."""
    ticks = [(float(i), name) for i, name in enumerate(cast.ranking)]
    height = 72 + 38 * len(ticks)

    def draw(name: str, intervals: Intervals, what: str, zero: bool) -> str:
        rows = [
            Row(at, x, cast.styles[who], "" if x.low == x.high else amount(x.mean, x, signed=zero))
            for at, who in ticks
            for x in (intervals[who],)
        ]
        label = f"{what} by policy, with 95 % intervals"

        def paint(axes: Any) -> None:
            paint_intervals(axes, rows, ticks, stacked(what, cast.unit), zero=zero)

        return panel(key + name, label, paint, height=height)

    panels = [
        ("Value", draw("value", means, "discounted profit", False)),
        ("Paired difference", draw("gap", gaps, cast.versus, True)),
    ]
    return Figure("Value per customer", caption, panels, [])


def ledger_figure(stage: Stage) -> Figure:
    """Ledger lines by policy, and what the difference is made of."""
    values = {name: mean_interval(run.value) for name, run in stage.runs.items()}
    gaps = {name: stage.comparison.difference(name) for name in stage.ranking}
    return draw_ledger(stage.cast, line_means(stage.runs), values, gaps)


def draw_ledger(
    cast: Cast,
    lines: Mapping[str, Mapping[str, float]],
    values: Intervals,
    gaps: Intervals,
    key: str = "",
) -> Figure:
    """The same from means of the lines, and intervals of their sums, by policy."""
    used = used_lines(lines)
    styles = [Style(f"line{LINES.index(line)}") for line in used]
    parts = np.array([[lines[name][line] for line in used] for name in cast.ranking])
    base = parts[cast.ranking.index(cast.roles.baseline)]
    height = 72 + 34 * len(cast.ranking)

    def draw(name: str, parts: Floats, sums: Intervals, what: str) -> str:
        rows = [
            Row(float(i), sums[who], Style("ink", "D"), who) for i, who in enumerate(cast.ranking)
        ]

        def paint(axes: Any) -> None:
            paint_stacks(axes, parts, styles, rows, stacked(what, cast.unit))

        return panel(key + name, f"Ledger lines by policy: {what}", paint, height=height)

    panels = [
        ("Ledger lines", draw("ledger", parts, values, "discounted money")),
        ("What the difference is made of", draw("parts", parts - base, gaps, cast.versus)),
    ]
    legend = [(style, readable(line)) for style, line in zip(styles, used, strict=True)]
    legend.append((Style("ink", "D"), "sum, with its 95 % interval"))
    caption = "What adds to profit is stacked to the right of 0, what takes from it to the left."
    return Figure("Where the money comes from", caption, panels, legend)


@dataclass(frozen=True)
class PersonaRow:
    """One persona: how many customers, and what they are worth by policy.

    Attributes:
        name: Its name.
        customers: How many.
        values: Value by policy; none where only differences are known.
        gaps: Paired difference by policy.
        contact: Contacts, opt-outs and the like by policy, one entry for each.
    """

    name: str
    customers: int
    values: Intervals
    gaps: Intervals
    contact: Sequence[Intervals] = ()


def persona_figure(stage: Stage) -> Figure:
    """Value by persona, and the paired difference by persona."""
    base = stage.runs[stage.roles.baseline]
    rows: list[PersonaRow] = []
    left_out: list[str] = []
    for p, persona in enumerate(stage.comparison.scenario.personas):
        who = base.persona == p
        if who.sum() < 2:
            left_out.append(readable(persona.name))
            continue
        values = {n: mean_interval(run.value[who]) for n, run in stage.runs.items()}
        gaps = {n: mean_interval(r.value[who] - base.value[who]) for n, r in stage.runs.items()}
        rows.append(PersonaRow(persona.name, int(who.sum()), values, gaps))
    caption = "Means with 95 % intervals over the customers of each persona."
    if left_out:
        caption += f" Fewer than 2 customers, so left out: {', '.join(left_out)}."
    return draw_personas(stage.cast, rows, caption)


def draw_personas(
    cast: Cast,
    rows: Sequence[PersonaRow],
    caption: str,
    key: str = "",
    contact: Sequence[tuple[str, str]] = (),
) -> Figure:
    """The same from intervals by persona and policy.

    Args:
        cast: Who is shown.
        rows: The personas.
        caption: How to read it.
        key: Makes the ids of the drawings unique.
        contact: Title and unit of each of what ``PersonaRow.contact`` holds.
    """
    count = len(cast.ranking)
    firsts = [i * (count + 1.5) for i in range(len(rows))]
    ticks = [
        (first + (count - 1) / 2.0, f"{readable(row.name)}\n{row.customers:,} customers")
        for first, row in zip(firsts, rows, strict=True)
    ]
    height = 72 + 15 * (count + 1.5) * len(ticks)

    def draw(
        name: str, intervals: Sequence[Intervals], what: str, zero: bool, unit: str = cast.unit
    ) -> str:
        drawn = [
            Row(first + i, each[who], cast.styles[who])
            for first, each in zip(firsts, intervals, strict=True)
            for i, who in enumerate(cast.ranking)
        ]

        def paint(axes: Any) -> None:
            paint_intervals(axes, drawn, ticks, stacked(what, unit), zero=zero)

        return panel(key + name, f"{what} by persona and policy", paint, height=height)

    values, gaps = [row.values for row in rows], [row.gaps for row in rows]
    panels = [("Value", draw("persona", values, "discounted profit", False))] if values[0] else []
    panels.append(("Paired difference", draw("personagap", gaps, cast.versus, True)))
    for i, (title, unit) in enumerate(contact):
        shown = [row.contact[i] for row in rows]
        panels.append((title, draw(f"personacontact{i}", shown, title.lower(), False, unit)))
    title = "Value and contact by persona" if contact else "Value by persona"
    return Figure(title, caption, panels, cast.legend)
