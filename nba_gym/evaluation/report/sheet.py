"""A figure as an SVG file of its own, for pages that show pictures, such as Markdown.

The drawings of a report take their colours from the page around them. A picture has no page, so
here they get the report's light colours, on paper that is not transparent.
"""

from __future__ import annotations

import re
from html import escape
from importlib import resources

from nba_gym.evaluation.report.figure import Figure
from nba_gym.evaluation.report.page import swatch
from nba_gym.evaluation.report.svg import Style

_MARGIN, _GAP, _LINE = 16.0, 24.0, 22.0
_LETTER = 7.4
"""Width of an average letter at 13 px, on the safe side."""
_FONT = "font-family:'DejaVu Sans',Verdana,'Segoe UI',sans-serif"


def figure_sheet(figure: Figure, columns: int = 2) -> str:
    """Title, legend and panels as one SVG document.

    Args:
        figure: What a report would show; its caption is left to the page.
        columns: Panels side by side.

    Returns:
        The text of the file.
    """
    drawings = [(title, drawing, *_size(drawing)) for title, drawing in figure.panels]
    cell = max(width for *_, width, _ in drawings)
    across = min(columns, len(drawings))
    total = 2 * _MARGIN + across * cell + (across - 1) * _GAP
    y = _MARGIN + 16.0
    parts = [_say(_MARGIN, y, figure.title, 16, bold=True)]
    keys, y = _legend(figure.legend, y + 8.0, total - 2 * _MARGIN)
    parts += keys
    for first in range(0, len(drawings), across):
        row = drawings[first : first + across]
        for i, (title, drawing, width, height) in enumerate(row):
            x = _MARGIN + i * (cell + _GAP)
            parts.append(_say(x, y + 18.0, title, 13, bold=True))
            place = f'<svg x="{x:g}" y="{y + 24.0:g}" width="{width:g}" height="{height:g}"'
            parts.append(drawing.replace("<svg", place, 1))
        y += 24.0 + max(height for *_, height in row) + 12.0
    text = "\n".join(parts)
    return _with_colours(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total:g} {y + _MARGIN:g}" '
        f'width="{total:g}" height="{y + _MARGIN:g}" role="img" '
        f'aria-label="{escape(figure.title)}" style="{_FONT}">\n'
        f'<rect width="100%" height="100%" fill="var(--paper)"/>\n{text}\n</svg>\n'
    )


def _size(drawing: str) -> tuple[float, float]:
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawing)
    return (float(found[1]), float(found[2])) if found else (0.0, 0.0)


def _say(x: float, y: float, text: str, size: int, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}"{weight} fill="var(--ink)">'
        f"{escape(text)}</text>"
    )


def _legend(entries: list[tuple[Style, str]], top: float, width: float) -> tuple[list[str], float]:
    """Entries side by side, on as many lines as they need; and where they end."""
    parts: list[str] = []
    x, y = 0.0, top
    for style, name in entries:
        needed = 36.0 + _LETTER * len(name) + 18.0
        if x > 0.0 and x + needed > width:
            x, y = 0.0, y + _LINE
        place = f'<svg x="{_MARGIN + x:g}" y="{y + 5.0:g}" width="30" height="12"'
        parts.append(swatch(style).replace("<svg", place, 1))
        parts.append(_say(_MARGIN + x + 36.0, y + 16.0, name, 13))
        x += needed
    return parts, y + (_LINE + 4.0 if entries else 0.0)


def light_colours() -> dict[str, str]:
    """The light colours of the report's style sheet, by name."""
    sheet = resources.files("nba_gym.evaluation.report").joinpath("report.css").read_text("utf-8")
    light = sheet[: sheet.index("@media")]
    return dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6})", light))


def _with_colours(text: str) -> str:
    """The document with light colours in place of their names."""
    colours = light_colours()
    return re.sub(r"var\(--([a-z0-9]+)\)", lambda name: colours[name[1]], text)
