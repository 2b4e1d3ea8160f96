"""Panels: small drawings for an HTML page, as inline SVG that takes its colours from the page.

Nothing else in the evaluation imports matplotlib. Text stays text, so that it can be selected and
takes the font of the page; each colour is the name of a CSS variable, so that one drawing serves
light, dark and print.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from textwrap import wrap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import MissingExtraError
from nba_gym.evaluation.statistics import Interval

Floats = NDArray[np.float64]
Paint = Callable[[Any], None]

COLOURS = (
    *("ink", "soft", "faint", "paper", "heat"),
    *("agent", "baseline", "idle", "privileged", "other0", "other1", "other2", "other3"),
    *(f"channel{i}" for i in range(8)),
    *(f"line{i}" for i in range(6)),
)
"""CSS variables that a panel may use."""

# Stand-ins that matplotlib can parse and that nobody would choose.
_STAND_IN = {name: f"#fa07{i:02x}" for i, name in enumerate(COLOURS)}
_VARIABLE = {stand_in: f"var(--{name})" for name, stand_in in _STAND_IN.items()}
_SETTINGS: dict[str, Any] = {
    **{"svg.fonttype": "none", "svg.hashsalt": "nba_gym", "text.parse_math": False},
    **{"font.family": ["DejaVu Sans"], "font.size": 12.0, "lines.scale_dashes": False},
    **{"axes.edgecolor": _STAND_IN["soft"], "axes.labelcolor": _STAND_IN["soft"]},
    **{"axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8},
    **{"text.color": _STAND_IN["ink"], "axes.axisbelow": True, "axes.formatter.useoffset": False},
    **{"xtick.color": _STAND_IN["soft"], "ytick.color": _STAND_IN["soft"]},
    **{"grid.color": _STAND_IN["faint"], "grid.linewidth": 0.8},
}


@dataclass(frozen=True)
class Style:
    """How one policy, channel or ledger line looks in every panel.

    Attributes:
        colour: One of ``COLOURS``.
        marker: Marker as matplotlib names it; empty for a filled block.
        dash: Lengths of dashes and gaps; empty for a solid line.
    """

    colour: str
    marker: str = ""
    dash: tuple[float, ...] = ()


def colour(name: str) -> str:
    """The stand-in for a CSS variable, for use inside a painter."""
    return _STAND_IN[name]


def panel(key: str, label: str, paint: Paint, *, width: float = 460, height: float = 300) -> str:
    """Draw one panel.

    Args:
        key: Unique within the page; prefix of the ids inside.
        label: What the panel shows, for people who cannot see it.
        paint: Draws on the matplotlib axes it is given.
        width: Width in CSS pixels at which text has 12 px.
        height: Height likewise.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("drawing a report", "report") from error
    text = StringIO()
    with rc_context(_SETTINGS):
        figure: Any = Figure(figsize=(width / 72.0, height / 72.0), dpi=72, layout="constrained")
        canvas: Any = FigureCanvasSVG(figure)
        paint(figure.add_subplot())
        canvas.print_svg(text, metadata={"Date": None})
    return _inline(text.getvalue(), key, label, width, height)


def _inline(svg: str, key: str, label: str, width: float, height: float) -> str:
    """The drawing without what a page has no use for, its ids unique, its colours variables."""
    body = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", body, flags=re.S)
    body = re.sub(r"font(-family)?: [^;\"]*'DejaVu Sans'[^;\"]*;?", _only_size, body)
    body = body.replace("xlink:href", "href")
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", body))
    body = re.sub(r' id="([^"]+)"', lambda m: m[0] if m[1] in used else "", body)
    body = re.sub(r'(url\(#|href="#| id=")', lambda m: f"{m[1]}{key}-", body)
    body = re.sub(r": (#fa07[0-9a-f]{2})", lambda m: f": {_VARIABLE[m[1]]}", body)
    body = re.sub(r"\n\s*", "\n", body)
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">'
        f"{body}</svg>"
    )


def _only_size(match: re.Match[str]) -> str:
    size = re.search(r"[\d.]+px", match[0])
    return f"font-size: {size[0]};" if size else ""


def short(name: str, width: int = 18) -> str:
    """A name in at most two lines."""
    return "\n".join(wrap(name, width, max_lines=2, placeholder=" …")) or name


def plain(axis: Any, suffix: str = "", nbins: int = 5) -> None:
    """Few round ticks, thousands apart, a true minus."""
    axis.set_major_locator(_ticker().MaxNLocator(nbins, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(lambda x, _: f"{x:,.10g}{suffix}".replace("-", "−"))


def _ticker() -> Any:
    from matplotlib import ticker

    return ticker


@dataclass(frozen=True)
class Row:
    """One mean with its interval, and where it stands."""

    at: float
    interval: Interval
    style: Style
    text: str = ""


def paint_intervals(
    axes: Any, rows: Sequence[Row], ticks: Sequence[tuple[float, str]], unit: str, zero: bool
) -> None:
    """Dots with intervals, one a row, named at the left."""
    for row in rows:
        mean, low, high = row.interval
        shade = colour(row.style.colour)
        axes.plot([low, high], [row.at, row.at], color=shade, linewidth=2.2)
        axes.plot([mean], [row.at], row.style.marker, color=shade, markersize=7.5, mew=0)
        if row.text:
            axes.annotate(
                row.text, (mean, row.at), (0, 6), textcoords="offset points", ha="center",
                fontsize=11,
            )  # fmt: skip
    if zero:
        axes.axvline(0.0, color=colour("ink"), linewidth=1.0)
    axes.set_yticks([at for at, _ in ticks], [label for _, label in ticks])
    axes.tick_params(axis="y", length=0, labelcolor=colour("ink"))
    axes.set_ylim(max(at for at, _ in ticks) + 0.6, min(at for at, _ in ticks) - 0.75)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel("\n".join(wrap(unit, 52)))
    axes.margins(x=0.08)
    plain(axes.xaxis)


@dataclass(frozen=True)
class Line:
    """A line over time, with a band where it has one."""

    x: Floats
    y: Floats
    style: Style
    low: Floats | None = None
    high: Floats | None = None


def paint_lines(axes: Any, lines: Sequence[Line], x_unit: str, y_unit: str) -> None:
    """Lines with their 95 % bands."""
    for line in lines:
        shade, dash = colour(line.style.colour), line.style.dash
        if line.low is not None:
            axes.fill_between(line.x, line.low, line.high, color=shade, alpha=0.16, linewidth=0)
        axes.plot(line.x, line.y, color=shade, linewidth=2.0, linestyle=(0, dash) if dash else "-")
    axes.set_xlabel(x_unit)
    axes.set_ylabel("\n".join(wrap(y_unit, 38)))
    axes.grid(axis="y")
    axes.margins(x=0.0)
    plain(axes.xaxis)
    plain(axes.yaxis)


def paint_levels(axes: Any, levels: Sequence[tuple[float, Style]]) -> None:
    """Horizontal lines to compare with."""
    for level, style in levels:
        dash = (0, style.dash) if style.dash else "-"
        axes.axhline(level, color=colour(style.colour), linewidth=1.8, linestyle=dash)


def paint_stacks(
    axes: Any, parts: Floats, styles: Sequence[Style], nets: Sequence[Row], unit: str
) -> None:
    """Bars that stack earnings to the right of zero and costs to its left.

    Args:
        axes: Where to draw.
        parts: ``(n_bars, n_parts)``.
        styles: One a part.
        nets: The sums with their intervals; ``text`` names the bar.
        unit: Label of the axis.
    """
    gains, losses = np.maximum(parts, 0.0), np.minimum(parts, 0.0)
    at = np.arange(len(parts), dtype=np.float64)
    for j, style in enumerate(styles):
        for side in (gains, losses):
            axes.barh(
                at, side[:, j], left=side[:, :j].sum(axis=1), height=0.62,
                color=colour(style.colour), edgecolor=colour("paper"), linewidth=0.6,
            )  # fmt: skip
    names = [(row.at, short(row.text)) for row in nets]
    bare = [Row(row.at, row.interval, Style("ink", "D")) for row in nets]
    paint_intervals(axes, bare, names, unit, zero=True)


def paint_areas(
    axes: Any, x: Floats, layers: Sequence[Floats], styles: Sequence[Style], top: float
) -> None:
    """Layers on top of each other over time."""
    shades = [colour(style.colour) for style in styles]
    axes.stackplot(x, *layers, colors=shades, edgecolor=colour("paper"), linewidth=0.4)
    axes.set_ylim(0.0, top)
    axes.grid(axis="y")
    axes.margins(x=0.0)
    plain(axes.xaxis)
    plain(axes.yaxis, nbins=4)


def paint_heat(axes: Any, shares: Floats, rows: Sequence[str], columns: Sequence[str]) -> None:
    """A table of shares, ``(n_rows, n_columns)``, each cell as dark as it is large."""
    from matplotlib.patches import Rectangle

    for (i, j), share in np.ndenumerate(shares):
        cell = (j - 0.5, i - 0.5), 1.0, 1.0
        axes.add_patch(Rectangle(*cell, fc=colour("heat"), alpha=0.9 * share, lw=0))
        text = f"{100.0 * share:.0f}" if share == 0.0 or share >= 0.005 else "<1"
        tone = "soft" if share < 0.005 else "ink"
        axes.text(j, i, text, ha="center", va="center", fontsize=11, color=colour(tone))
    for i in range(len(rows) + 1):
        axes.axhline(i - 0.5, color=colour("faint"), linewidth=0.6)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), [short(row, 20) for row in rows])
    axes.tick_params(length=0, labelcolor=colour("ink"), labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
