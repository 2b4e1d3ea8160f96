"""Panels: small drawings for an HTML page, as inline SVG that takes its colours from the page.

Nothing else in the report imports matplotlib. Text stays text, so that it can be selected and
takes the font of the page; each colour is the name of a CSS variable, so that one drawing serves
light, dark and print.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any, cast

from nba_gym.errors import MissingExtraError
from nba_gym.records.ledger import LINES

Paint = Callable[[Any], None]

COLOURS = (
    *("ink", "soft", "faint", "paper", "heat"),
    *("agent", "baseline", "idle", "privileged", *(f"other{i}" for i in range(8))),
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


class Drawing(str):
    """The SVG of a panel, which also knows how it was painted, so that it can be painted again.

    Attributes:
        paint: Draws on matplotlib axes.
        size: Width and height in CSS pixels.
    """

    paint: Paint
    size: tuple[float, float]


_palette: ContextVar[Mapping[str, str]] = ContextVar("palette", default=_STAND_IN)


def colour(name: str) -> str:
    """The colour for a CSS variable, for use inside a painter; in a page, a stand-in for it."""
    return _palette.get()[name]


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
    drawing = Drawing(_inline(text.getvalue(), key, label, width, height))
    drawing.paint, drawing.size = paint, (width, height)
    return drawing


def paint_picture(
    panels: Sequence[tuple[str, str]],
    legend: Sequence[tuple[Style, str]],
    title: str,
    colours: Mapping[str, str],
    paths: Sequence[Path],
) -> None:
    """Paint panels again, side by side, as files whose endings say the format.

    Args:
        panels: Title and drawing of each, as ``panel`` made them.
        legend: Look and name of each entry.
        title: Stands above.
        colours: Colours by name.
        paths: Files to write.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    known = [(heading, drawing) for heading, drawing in panels if isinstance(drawing, Drawing)]
    real = {key: colours[name] for key, name in _coloured().items()}
    across = min(len(known), 2)
    down = -(-len(known) // across)
    width = sum(max(d.size[0] for _, d in known) for _ in range(across)) / 72.0
    height = down * max(drawing.size[1] for _, drawing in known) / 72.0
    token = _palette.set(colours)
    try:
        with cast(Any, matplotlib).rc_context(_SETTINGS | real), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
            margin = 0.5 + 0.28 * -(-len(legend) // 4)
            figure: Any = Figure(figsize=(width, height + margin), layout="constrained")
            figure.suptitle(title, fontsize=13, x=0.01, ha="left")
            for i, (heading, drawing) in enumerate(known):
                axes: Any = figure.add_subplot(down, across, i + 1)
                drawing.paint(axes)
                axes.set_title(heading, fontsize=11, loc="left")
            if legend:
                marks: list[Any] = [
                    Line2D([], [], color=colours[s.colour], marker=s.marker) if s.marker
                    else Patch(color=colours[s.colour]) for s, _ in legend
                ]  # fmt: skip
                names = [name for _, name in legend]
                figure.legend(marks, names, loc="outside lower center", ncols=4, frameon=False)
            for path in paths:
                plain = {"CreationDate": None} if path.suffix == ".pdf" else {}
                figure.savefig(path, dpi=150, facecolor=colours["paper"], metadata=plain)
    finally:
        _palette.reset(token)


def _coloured() -> dict[str, str]:
    """Settings that are colours, and the names of these."""
    names = {stand_in: name for name, stand_in in _STAND_IN.items()}
    return {key: names[str(value)] for key, value in _SETTINGS.items() if str(value) in names}


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
        text = re.sub(r' d="([^"]*)"', lambda m: f' d="{_short_path(m[1])}"', text)
        text = re.sub(r' transform="rotate\(-0 [^"]*"', "", text)
        text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
        return re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", text)  # older matplotlib

    body = _without_idle(re.sub(r"<[^>]*>", lean, body))
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">'
        f"{body}</svg>"
    )


def _short_path(path: str) -> str:
    """A path to a tenth of a pixel; one of straight lines as steps, which take fewer letters."""
    if re.search(r"[^MLz\d\s.\-]", path):
        text = re.sub(r"(\.\d)\d+", r"\1", path)
        return re.sub(r" ?\n ?", "", re.sub(r"([A-Za-z]) ", r"\1", text)).strip()
    steps: list[str] = []
    x = y = 0
    for command, right, down in re.findall(r"([MLz]) ?(?:(\S+) (\S+))?", path):
        if command == "z":
            steps.append("z")
            continue
        to = round(10.0 * float(right)), round(10.0 * float(down))
        whole = command == "M"
        pair = to if whole else (to[0] - x, to[1] - y)
        steps.append(f"{'M' if whole else 'l'}{_tenths(pair[0])} {_tenths(pair[1])}")
        x, y = to
    return "".join(steps).replace(" -", "-")


def _tenths(count: int) -> str:
    return f"{count / 10.0:g}"


def _without_idle(body: str) -> str:
    """The drawing without groups that group nothing, and without what nobody sees."""
    kept: list[str] = []
    open_groups: list[bool] = []
    for part in re.split(r"(<[^>]*>)", re.sub(r"\n\s*", "\n", body)):
        if part.startswith("<g") and part[2:3] in " >":
            open_groups.append(part != "<g>")
        if (part == "<g>") or (part == "</g>" and not open_groups.pop()):
            continue
        if part.startswith("<path") and part.endswith('style="fill: none"/>'):
            continue
        kept.append("" if part.isspace() else part)
    return re.sub(r"<defs></defs>", "", "".join(kept))
