"""Figures of journeys: how the agent learned, who stays, who is contacted, what is done when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from nba_gym.evaluation.report.figure import Figure, Stage, plural
from nba_gym.evaluation.report.painters import (
    Floats,
    Line,
    paint_levels,
    paint_lines,
    stacked,
)
from nba_gym.evaluation.report.svg import Style, panel

MOST_BANDS = 6
"""With more policies than this, survival has bands for the two in question only."""

_REACH = 1.96


class CurvePoint(Protocol):
    """The learning curve at one moment: value of watched customers with an interval."""

    @property
    def steps(self) -> int:
        """Transitions learned from so far."""
        ...

    @property
    def seconds(self) -> float:
        """Wall time of training so far."""
        ...

    @property
    def value(self) -> float:
        """Mean value of the watched customers."""
        ...

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        ...

    @property
    def high(self) -> float:
        """Upper end."""
        ...


_SIZES = ((1e6, 1e6, "million "), (1e4, 1e3, "thousand "), (0.0, 1.0, ""))
_CLOCKS = ((7200.0, 3600.0, "hours"), (180.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))


def learning_figure(
    stage: Stage, curve: Sequence[CurvePoint], unit: str, levels: Mapping[str, float], band: str
) -> Figure:
    """The learning curve, by experience and by time, with levels to compare it to."""
    roles = stage.roles
    style = stage.styles[roles.shown[0]]
    known = [roles.baseline, *sorted(roles.idle - {roles.baseline})]
    shown = dict(levels) or {name: float(stage.runs[name].value.mean()) for name in known}
    drawn = [(x, stage.styles.get(name, Style("soft", "o"))) for name, x in shown.items()]
    points = np.array([(p.steps, p.seconds, p.value, p.low, p.high) for p in curve])
    steps, seconds, y, low, high = points.astype(np.float64).T
    size, many = _scale(steps, _SIZES)
    second, clock = _scale(seconds, _CLOCKS)

    def draw(key: str, x: Floats, x_unit: str) -> str:
        def paint(axes: Any) -> None:
            paint_lines(
                axes, [Line(x, y, style, (low, high))], x_unit, stacked("value", stage.unit)
            )
            paint_levels(axes, drawn)

        return panel(key, f"Learning curve: value by {x_unit}", paint)

    panels = [
        ("By experience", draw("steps", steps / size, f"{many}{unit}")),
        ("By time", draw("clock", seconds / second, f"{clock} of training")),
    ]
    whose = "the same customers."
    if not levels:
        whose = "the customers of the table; they are others, so gaps within the band mean little."
    caption = (
        "Mean value of customers who are watched during training and neither trained on nor in "
        f"the table; the band is {band}. Level lines: means over {whose}"
    )
    legend = [(style, roles.shown[0])]
    legend += [(look, name) for (_, look), name in zip(drawn, shown, strict=True)]
    return Figure("How it learned", caption, panels, legend)


def _scale(x: Floats, scales: Sequence[tuple[float, float, str]]) -> tuple[float, str]:
    """Divisor and word of the first scale that the largest number reaches."""
    return next((divisor, word) for least, divisor, word in scales if x.max() >= least)


def survival_figure(stage: Stage) -> Figure:
    """Share of customers who have not left, and the paired difference."""
    base = stage.runs[stage.roles.baseline]
    crowded = len(stage.ranking) > MOST_BANDS
    shares: list[Line] = []
    gaps: list[Line] = []
    for name in stage.ranking:
        run, style = stage.runs[name], stage.styles[name]
        bare = crowded and name not in stage.roles.shown
        x = np.arange(len(run.alive), dtype=np.float64)
        y, error = 100.0 * run.alive, 100.0 * _share_error(run.alive, len(run.customers))
        shares.append(Line(x, y, style, None if bare else (y - error, y + error)))
        gap, error = survival_gap(run.lifetime, base.lifetime, len(x))
        gaps.append(Line(x, gap, style, None if bare else (gap - error, gap + error)))
    time = f"{plural(stage.period)} since acquisition"

    def draw(key: str, lines: list[Line], what: str, unit: str) -> str:
        lowest, highest = (90.0, 101.0) if lines is shares else (-1.0, 1.0)

        def paint(axes: Any) -> None:
            paint_lines(axes, lines, time, stacked(what, unit, 34))
            bottom, top = axes.get_ylim()  # where nobody leaves, these would be about nothing
            axes.set_ylim(min(bottom, lowest), highest if lines is shares else max(top, highest))

        return panel(key, f"Customers who have not left: {what} by {time}", paint)

    panels = [
        ("Not yet left", draw("alive", shares, "customers who have not left", "%")),
        ("Paired difference", draw("alivegap", gaps, stage.versus, "percentage points")),
    ]
    caption = (
        "Who has left is gone for good, whether or not the firm can see it. Bands are 95 % "
        "intervals over customers"
    )
    caption += f", drawn for {' and '.join(stage.roles.shown)} only." if crowded else "."
    return Figure("Who stays", caption, panels, stage.legend)


def survival_gap(mine: Floats, base: Floats, horizon: int) -> tuple[Floats, Floats]:
    """Paired difference in survival by period, in percentage points, and its 95 % half-width.

    A customer adds -1, 0 or 1, so the squares count who is alive under exactly one policy.
    """
    n = len(mine)

    def alive(lifetime: Floats) -> Floats:
        ended = np.bincount(lifetime.astype(np.int64), minlength=horizon + 1)[: horizon + 1]
        return 1.0 - np.cumsum(ended)[:horizon] / n

    one, other, both = alive(mine), alive(base), alive(np.minimum(mine, base))
    gap = one - other
    spread = np.sqrt(np.maximum(one + other - 2.0 * both - gap**2, 0.0) / max(n - 1, 1))
    return 100.0 * gap, 100.0 * _REACH * spread


def _share_error(share: Floats, n: int) -> Floats:
    return _REACH * np.sqrt(share * (1.0 - share) / n)
