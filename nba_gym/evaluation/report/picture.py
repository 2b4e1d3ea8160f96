"""Figures of a report as files for papers and slides: SVG, PDF and PNG."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from nba_gym.evaluation.report.figure import Figure
from nba_gym.evaluation.report.sheet import figure_sheet, light_colours
from nba_gym.evaluation.report.svg import paint_picture

FORMATS = ("svg", "pdf", "png")


def save_pictures(figures: Sequence[Figure], folder: Path, prefix: str = "") -> list[Path]:
    """Write each figure in every format, named after its title; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    colours = light_colours()
    for figure in figures:
        name = prefix + re.sub(r"[^a-z0-9]+", "_", figure.title.lower()).strip("_")
        svg = folder / f"{name}.svg"
        svg.write_text(figure_sheet(figure), encoding="utf-8")
        paths.append(svg)
        others = [folder / f"{name}.{kind}" for kind in FORMATS if kind != "svg"]
        paint_picture(figure.panels, figure.legend, figure.title, colours, others)
        paths += others
    return paths
