"""Panels: small drawings for an HTML page, as inline SVG that takes its colours from the page.

Nothing else in the report imports matplotlib. Text stays text, so that it can be selected and
takes the font of the page; each colour is the name of a CSS variable, so that one drawing serves
light, dark and print.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import Any, cast

from nba_gym.errors import MissingExtraError
from nba_gym.records.ledger import LINES

Paint = Callable[[Any], None]

COLOURS = (
    *("ink", "soft", "faint", "paper", "heat"),
    *("agent", "baseline", "idle", "privileged", "other0", "other1", "other2", "other3"),
    *(f"channel{i}" for i in range(8)),
    *(f"line{i}" for i in range(len(LINES))),
)
"""CSS variables that a panel may use."""

# Stand-ins that matplotlib can parse and that nobody would choose.
_STAND_IN = {name: f"#fa07{i:02x}" for i, name in enumerate(COLOURS)}
_VARIABLE = {stand_in: f"var(--{name})" for name, stand_in in _STAND_IN.items()}
_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "nba_gym",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 12.0,
    "lines.scale_dashes": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": _STAND_IN["soft"],
    "axes.labelcolor": _STAND_IN["soft"],
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "text.color": _STAND_IN["ink"],
    "xtick.color": _STAND_IN["soft"],
    "ytick.color": _STAND_IN["soft"],
    "grid.color": _STAND_IN["faint"],
    "grid.linewidth": 0.8,
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


def panel(key: str, label: str, paint: Paint, *, width: float = 420, height: float = 300) -> str:
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
        import matplotlib
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("drawing a report", "report") from error
    text, settings = StringIO(), cast(Any, matplotlib).rc_context(_SETTINGS)
    with settings, warnings.catch_warnings():
        # the browser has fonts for what matplotlib's own cannot write
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure: Any = Figure(figsize=(width / 72.0, height / 72.0), dpi=72, layout="constrained")
        canvas: Any = FigureCanvasSVG(figure)
        paint(figure.add_subplot())
        canvas.print_svg(text, metadata={"Date": None})
    return _inline(text.getvalue(), key, label, width, height)


def _inline(svg: str, key: str, label: str, width: float, height: float) -> str:
    """The drawing without what a page has no use for, its ids unique, its colours variables."""
    body = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    unused = r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->"
    body = re.sub(unused, "", body, flags=re.DOTALL)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", body))

    def lean(tag: re.Match[str]) -> str:
        text = re.sub(r' id="([^"]+)"', lambda m: m[0] if m[1] in used else "", tag[0])
        text = re.sub(r"(url\(#| id=\")", rf"\1{key}-", text)
        text = re.sub(r'xlink:href="#', f'href="#{key}-', text)
        text = re.sub(r": (#fa07[0-9a-f]{2})", lambda m: f": {_VARIABLE[m[1]]}", text)
        text = re.sub(r"(\d\.\d\d)\d+", r"\1", text)
        text = re.sub(r' transform="rotate\(-0 [^"]*"', "", text)
        text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
        return re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", text)  # older matplotlib

    body = re.sub(r"\n\s*", "\n", re.sub(r"<[^>]*>", lean, body))
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">'
        f"{body}</svg>"
    )
