"""Figures of journeys: how the agent learned, who stays, who is contacted, what is done when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nba_gym.evaluation.report.figure import Figure, Stage, plural, readable
from nba_gym.evaluation.report.painters import (
    Floats,
    Line,
    paint_areas,
    paint_heat,
    paint_levels,
    paint_lines,
    stacked,
)
from nba_gym.evaluation.report.svg import Style, panel
from nba_gym.evaluation.rollout import StateCounts

SMOOTHING = 4
"""Periods that contacts are averaged over."""

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


def contact_figure(stage: Stage) -> Figure:
    """Contacts per customer and period by channel: one panel a policy, one scale for all."""
    channels = stage.comparison.scenario.channels
    rates = {name: smoothed(stage.runs[name].contact_rate, SMOOTHING) for name in stage.ranking}
    used = [c for c in range(len(channels)) if any(rate[:, c].any() for rate in rates.values())]
    top = max(float(rate.sum(axis=1).max()) for rate in rates.values())
    styles = [Style(f"channel{c}") for c in used]
    units = (f"{plural(stage.period)} since acquisition", f"contacts per {stage.period}")

    def draw(key: str, name: str) -> str:
        def paint(axes: Any) -> None:
            layers = rates[name][:, used].T
            paint_areas(axes, np.arange(layers.shape[1], dtype=np.float64), layers, styles, units)
            axes.set_ylim(0.0, 1.05 * top if top > 0.0 else 1.0)

        label = f"Contacts per customer and {stage.period} by channel: {name}"
        return panel(key, label, paint, width=350, height=210)

    panels = [(name, draw(f"contacts{i}", name)) for i, name in enumerate(stage.ranking)]
    legend = [(style, readable(channels[c].name)) for style, c in zip(styles, used, strict=True)]
    caption = (
        f"Outbound contacts per customer and {stage.period}, stacked by channel; means of "
        f"{SMOOTHING} {plural(stage.period)} over all customers, also those who have left."
    )
    return Figure("Who is contacted", caption, panels, legend, small=True)


def smoothed(series: Floats, window: int) -> Floats:
    """Mean of each period and those before it, ``window`` in all where there are as many."""
    sums = np.concatenate([np.zeros((1, series.shape[1])), np.cumsum(series, axis=0)])
    last = np.arange(1, len(series) + 1)
    first = np.maximum(last - window, 0)
    return (sums[last] - sums[first]) / (last - first)[:, None]


def behaviour_figure(stage: Stage) -> Figure:
    """What is done in which state: shares of the kinds of action."""
    kinds = StateCounts.KINDS
    known = {action.kind for action in stage.comparison.scenario.actions}
    used = [i for i, kind in enumerate(kinds) if kind in known]
    columns = [kinds[k] for k in used]
    panels: list[tuple[str, str]] = []
    for i, name in enumerate(stage.roles.shown):
        table = stage.runs[name].by_state
        shares = np.array([_shares(counts)[used] for counts in table.values()])
        rows = [_state(state, stage.period) for state in table]
        label = f"Kinds of action by state of the records, in %: {name}"

        def paint(axes: Any, shares: Floats = shares, rows: Sequence[str] = rows) -> None:
            paint_heat(axes, shares, rows, columns)

        panels.append((name, panel(f"states{i}", label, paint, height=50 + 34 * len(rows))))
    caption = (
        "Share of decisions in %, by what the records show of the customer at that moment; a row "
        "sums to 100, and a customer may be in several rows. Forbidden choices count as waiting. "
        "A row of – says that no customer was ever in that state."
    )
    return Figure("What it does when", caption, panels, [])


def _shares(counts: NDArray[Any]) -> Floats:
    """Counts as shares; not a number where there is nothing to share."""
    total = float(counts.sum())
    return counts / total if total > 0.0 else np.full(len(counts), np.nan)


def _state(name: str, period: str) -> str:
    """A state's name; one that ends in a number counts periods."""
    if name.startswith("state."):  # of a world given as tables; a number in it counts no periods
        return readable(name.removeprefix("state."))
    return f"{name} {plural(period)}" if name[-1:].isdigit() else name
