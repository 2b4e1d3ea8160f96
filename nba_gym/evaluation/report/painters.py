"""Painters: what goes on the axes of a panel. They draw numbers and know nothing of policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nba_gym.evaluation.report.svg import Style, colour
from nba_gym.statistics import Interval

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One mean with its interval, and where it stands."""

    at: float
    interval: Interval
    style: Style
    text: str = ""


@dataclass(frozen=True)
class Line:
    """A line over time, and the lower and upper edge of its 95 % band where one is drawn."""

    x: Floats
    y: Floats
    style: Style
    band: tuple[Floats, Floats] | None = None


@dataclass(frozen=True)
class Point:
    """A mean with its interval, upright, and where it stands along the axis below."""

    x: float
    y: Interval
    style: Style


def short(name: str, width: int = 18) -> str:
    """A name in at most two lines, and what stands on lines of its own after it."""
    lines = [wrap(line, width, max_lines=2, placeholder=" …") for line in name.splitlines()]
    return "\n".join(part for line in lines for part in line)


def stacked(what: str, unit: str, width: int = 46) -> str:
    """The label of an axis: always two lines, so that panels side by side stay level."""
    return "\n".join([*wrap(what, width, max_lines=1, placeholder=" …"), f"({unit})"])


def paint_intervals(
    axes: Any,
    rows: Sequence[Row],
    ticks: Sequence[tuple[float, str]],
    label: str,
    *,
    zero: bool,
) -> None:
    """Dots with intervals, one a row, named at the left; a line at 0 where 0 means something."""
    if zero:
        axes.axvline(0.0, color=colour("ink"), linewidth=1.0)
    for row in rows:
        mean, low, high = row.interval
        shade, marker = colour(row.style.colour), row.style.marker
        axes.plot([low, high], [row.at, row.at], color=shade, linewidth=2.2)
        axes.plot([mean], [row.at], marker, color=shade, markersize=7.5, mew=0, zorder=4)
        place: dict[str, Any] = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center"}
        place["bbox"] = {"facecolor": colour("paper"), "edgecolor": "none", "pad": 0.6}
        axes.annotate(row.text, (mean, row.at), fontsize=11, **place)
    at, names = zip(*ticks, strict=True)
    axes.set_yticks(at, [short(name) for name in names])
    axes.set_ylim(max(row.at for row in rows) + 0.6, min(row.at for row in rows) - 0.75)
    axes.tick_params(axis="y", length=0, labelcolor=colour("ink"))
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel(label)
    axes.use_sticky_edges = False
    axes.margins(x=0.1)
    _plain(axes, "x")


def paint_lines(axes: Any, lines: Sequence[Line], x_label: str, y_label: str) -> None:
    """Lines with their bands."""
    for line in lines:
        if line.band is not None:
            shade = colour(line.style.colour)
            axes.fill_between(line.x, *line.band, color=shade, alpha=0.12, linewidth=0)
    for i, line in enumerate(lines):
        shade, every = colour(line.style.colour), max(len(line.x) // 7, 1)
        look = {"color": shade, "linewidth": 2.0, "linestyle": _dash(line.style)}
        look |= {"marker": line.style.marker, "markersize": 6.0, "markeredgewidth": 0}
        axes.plot(line.x, line.y, markevery=(every * (i + 1) // (len(lines) + 1), every), **look)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(axis="y")
    axes.margins(x=0.0)
    _plain(axes, "x")
    _plain(axes, "y")


def paint_points(axes: Any, paths: Sequence[Sequence[Point]], x_label: str, y_label: str) -> None:
    """Dots with upright intervals; those of a path are joined by a line."""
    for path in paths:
        style, x = path[0].style, [point.x for point in path]
        shade, mean = colour(style.colour), [point.y.mean for point in path]
        axes.plot(x, mean, color=shade, linewidth=1.6, linestyle=_dash(style))
        axes.vlines(
            x, [p.y.low for p in path], [p.y.high for p in path], color=shade, linewidth=2.0
        )
        axes.plot(x, mean, style.marker, color=shade, markersize=8.0, mew=0, zorder=4)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid()
    axes.margins(0.08)
    _plain(axes, "x")
    _plain(axes, "y")


def paint_levels(axes: Any, levels: Sequence[tuple[float, Style]]) -> None:
    """Horizontal lines to compare with."""
    for level, style in levels:
        axes.axhline(level, color=colour(style.colour), linewidth=1.8, linestyle=_dash(style))


def paint_stacks(
    axes: Any, parts: Floats, styles: Sequence[Style], sums: Sequence[Row], label: str
) -> None:
    """Bars that stack earnings to the right of zero and costs to its left.

    Args:
        axes: Where to draw.
        parts: ``(n_bars, n_parts)``.
        styles: One a part.
        sums: The sum of each bar with its interval; its text names the bar.
        label: Label of the axis.
    """
    at = np.array([row.at for row in sums])
    for side in (np.maximum(parts, 0.0), np.minimum(parts, 0.0)):
        for j, style in enumerate(styles):
            look = {"color": colour(style.colour), "edgecolor": colour("paper")}
            left = side[:, :j].sum(axis=1)
            axes.barh(at, side[:, j], left=left, height=0.64, linewidth=0.6, **look)
    ticks = [(row.at, row.text) for row in sums]
    bare = [Row(row.at, row.interval, row.style) for row in sums]
    paint_intervals(axes, bare, ticks, label, zero=True)


def paint_bars(
    axes: Any,
    bars: Floats,
    marks: Sequence[tuple[Floats, Floats, Floats, Style]],
    names: Sequence[str],
    labels: tuple[str, str],
    style: Style,
) -> None:
    """Bars side by side, and on each a mark with its interval for everything it is compared with.

    Args:
        axes: Where to draw.
        bars: Their heights, ``(n_bars,)``; NaN for none.
        marks: Heights, lower and upper ends, ``(n_bars,)`` each, and the look.
        names: Names of the bars.
        labels: Of both axes.
        style: Look of the bars.
    """
    at = np.arange(len(bars), dtype=np.float64)
    axes.bar(at, np.nan_to_num(bars), width=0.72, color=colour(style.colour), alpha=0.55)
    for i, (height, low, high, look) in enumerate(marks):
        shade, place = colour(look.colour), at + 0.3 * (i - (len(marks) - 1) / 2.0)
        axes.vlines(place, low, high, color=shade, linewidth=2.0)
        axes.plot(place, height, look.marker, color=shade, markersize=6.0, mew=0, zorder=4)
    axes.set_xticks(at, names)
    axes.tick_params(axis="x", length=0, labelcolor=colour("ink"))
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.set_ylim(bottom=0.0)
    axes.grid(axis="y")
    _plain(axes, "y")


@dataclass(frozen=True)
class Swing:
    """What a row of a tornado comes to at its lower and its upper setting."""

    name: str
    low: Interval
    high: Interval


def paint_tornado(axes: Any, swings: Sequence[Swing], styles: tuple[Style, Style], x: str) -> None:
    """Two bars a row from 0, for a lower and an upper setting, with their intervals."""
    height = 0.38
    for i, swing in enumerate(swings):
        for j, (given, style) in enumerate(zip((swing.low, swing.high), styles, strict=True)):
            at = i + (j - 0.5) * height
            axes.barh(at, given.mean, height=height, color=colour(style.colour), linewidth=0)
            axes.plot([given.low, given.high], [at, at], color=colour("ink"), linewidth=1.0)
    axes.axvline(0.0, color=colour("ink"), linewidth=1.0)
    axes.set_yticks(range(len(swings)), [short(swing.name, 26) for swing in swings])
    axes.set_ylim(len(swings) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelcolor=colour("ink"), labelsize=10)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel(x)
    axes.margins(x=0.08)
    _plain(axes, "x", 4)


def paint_areas(
    axes: Any, x: Floats, layers: Floats, styles: Sequence[Style], units: tuple[str, str]
) -> None:
    """Layers ``(n_layers, n_x)`` on top of each other over time."""
    shades = [colour(style.colour) for style in styles]
    if shades:
        axes.stackplot(x, layers, colors=shades, edgecolor=colour("paper"), linewidth=0.3)
    axes.set_xlabel(units[0])
    axes.set_ylabel(units[1])
    axes.grid(axis="y")
    axes.margins(x=0.0)
    _plain(axes, "x")
    _plain(axes, "y", 4)


def paint_heat(axes: Any, shares: Floats, rows: Sequence[str], columns: Sequence[str]) -> None:
    """A table of shares, ``(n_rows, n_columns)``; the larger a share, the darker its cell."""
    for (i, j), share in np.ndenumerate(shares):
        shade = {"color": colour("heat"), "alpha": 0.9 * np.nan_to_num(share)}
        axes.barh(i, 1.0, left=j - 0.5, height=1.0, **shade)
        text = "<1" if 0.0 < share < 0.005 else "–" if np.isnan(share) else f"{100.0 * share:.0f}"
        tone = colour("ink" if share >= 0.005 else "soft")
        axes.text(j, i, text, ha="center", va="center", fontsize=11, color=tone)
    for i in range(len(rows) + 1):
        axes.axhline(i - 0.5, color=colour("faint"), linewidth=0.8)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), [short(row, 16) for row in rows])
    axes.tick_params(length=0, labelcolor=colour("ink"), labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)


def _dash(style: Style) -> tuple[float, tuple[float, ...]] | str:
    return (0.0, style.dash) if style.dash else "-"


def _plain(axes: Any, which: Literal["x", "y"], nbins: int = 5) -> None:
    """Few round ticks, thousands apart, a true minus."""
    axes.locator_params(axis=which, nbins=nbins, steps=[1, 2, 2.5, 5, 10])
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(_tick)


def _tick(x: float, _: int) -> str:
    return f"{x:,.10g}".replace("-", "−")
