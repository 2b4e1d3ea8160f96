"""Figures of what is done: who is contacted on which channel, and what is done in which state."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.evaluation.report.figure import Cast, Figure, Stage, plural, readable
from nba_gym.evaluation.report.painters import Floats, paint_areas, paint_heat
from nba_gym.evaluation.report.svg import Style, panel
from nba_gym.evaluation.rollout import StateCounts

SMOOTHING = 4
"""Periods that contacts are averaged over."""


def contact_figure(stage: Stage) -> Figure:
    """Contacts per customer and period by channel: one panel a policy, one scale for all."""
    channels = [channel.name for channel in stage.comparison.scenario.channels]
    rates = {name: stage.runs[name].contact_rate for name in stage.ranking}
    caption = (
        f"Outbound contacts per customer and {stage.period}, stacked by channel; means of "
        f"{SMOOTHING} {plural(stage.period)} over all customers, also those who have left."
    )
    return draw_channels(stage.cast, rates, channels, ("Who is contacted", "contacts"), caption)


def draw_channels(
    cast: Cast,
    by_period: Mapping[str, Floats],
    channels: Sequence[str],
    what: tuple[str, str],
    caption: str,
    key: str = "",
    window: int = SMOOTHING,
    every: int = 1,
) -> Figure:
    """Something that happens on channels: one panel a policy, one scale for all.

    Args:
        cast: Who is shown.
        by_period: Rates per customer by policy, ``(horizon, n_channels)``.
        channels: Names of the channels.
        what: Title of the figure, and what is counted.
        caption: What to know of it.
        key: Makes the ids of the drawings unique.
        window: Periods to average over.
        every: Draw one period in so many.
    """
    title, counted = what
    rates = {name: smoothed(by_period[name], window)[::every] for name in cast.ranking}
    used = [c for c in range(len(channels)) if any(rate[:, c].any() for rate in rates.values())]
    top = max(float(rate.sum(axis=1).max()) for rate in rates.values())
    styles = [Style(f"channel{c}") for c in used]
    units = (f"{plural(cast.period)} since acquisition", f"{counted} per {cast.period}")

    def draw(name: str, who: str) -> str:
        def paint(axes: Any) -> None:
            own = [k for k, c in enumerate(used) if rates[who][:, c].any()]
            layers = rates[who][:, [used[k] for k in own]].T
            x = every * np.arange(layers.shape[1], dtype=np.float64)
            paint_areas(axes, x, layers, [styles[k] for k in own], units)
            axes.set_xlim(0.0, max(float(x[-1]), 1.0))
            axes.set_ylim(0.0, 1.05 * top if top > 0.0 else 1.0)

        label = f"{counted.capitalize()} per customer and {cast.period} by channel: {who}"
        return panel(key + name, label, paint, width=350, height=210)

    panels = [(name, draw(f"{counted[:8]}{i}", name)) for i, name in enumerate(cast.ranking)]
    legend = [(style, readable(channels[c])) for style, c in zip(styles, used, strict=True)]
    return Figure(title, caption, panels, legend, small=True)


def smoothed(series: Floats, window: int) -> Floats:
    """Mean of each period and those before it, ``window`` in all where there are as many."""
    sums = np.concatenate([np.zeros((1, series.shape[1])), np.cumsum(series, axis=0)])
    last = np.arange(1, len(series) + 1)
    first = np.maximum(last - window, 0)
    return (sums[last] - sums[first]) / (last - first)[:, None]


def behaviour_figure(stage: Stage) -> Figure:
    """What is done in which state: shares of the kinds of action."""
    known = {action.kind for action in stage.comparison.scenario.actions}
    tables = {name: stage.runs[name].by_state for name in stage.roles.shown}
    return draw_behaviour(tables, known, stage.period)


def draw_behaviour(
    tables: Mapping[str, Mapping[str, Floats]], known: Collection[str], period: str, key: str = ""
) -> Figure:
    """The same from counts by policy and state, ``(n_kinds,)``, of the kinds that are known."""
    used = [i for i, kind in enumerate(StateCounts.KINDS) if kind in known]
    columns = [StateCounts.KINDS[k] for k in used]
    panels: list[tuple[str, str]] = []
    for i, (name, table) in enumerate(tables.items()):
        shares = np.array([_shares(counts)[used] for counts in table.values()])
        rows = [_state(state, period) for state in table]
        label = f"Kinds of action by state of the records, in %: {name}"

        def paint(axes: Any, shares: Floats = shares, rows: Sequence[str] = rows) -> None:
            paint_heat(axes, shares, rows, columns)

        panels.append((name, panel(f"{key}states{i}", label, paint, height=50 + 34 * len(rows))))
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
