"""Figures over all worlds of a study: gains, performance profiles, sensitivity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from nba_gym.evaluation.report.figure import Figure
from nba_gym.evaluation.report.painters import (
    Line,
    Point,
    Row,
    paint_intervals,
    paint_lines,
    paint_points,
    stacked,
)
from nba_gym.evaluation.report.study.scene import Scene
from nba_gym.evaluation.report.svg import panel
from nba_gym.evaluation.results import Results
from nba_gym.evaluation.statistics import profile
from nba_gym.evaluation.statistics.answers import common_scores

POINTS = 61
FAR = 25.0
"""Per cent of the baseline's value."""
WIDTH = 440
"""Of a panel that stands alone, in CSS pixels: letters can be read on a phone and in print."""


AS_IT_IS = "as_it_is"


def lead_variation(scenes: Sequence[Scene]) -> str:
    """The variation that others are variations of: the world as it is, or else the first."""
    names = [scene.variation for scene in scenes]
    return AS_IT_IS if AS_IT_IS in names else names[0]


def lead_scenes(scenes: Sequence[Scene]) -> list[Scene]:
    """All worlds of that variation."""
    lead = lead_variation(scenes)
    return [scene for scene in scenes if scene.variation == lead]


def say_variation(scenes: Sequence[Scene]) -> str:
    """Which variation figures over all worlds are of; empty where there is only one."""
    if len({scene.variation for scene in scenes}) == 1:
        return ""
    return f", {lead_variation(scenes).replace('_', ' ')}"


def _shown(scenes: Sequence[Scene]) -> list[list[str]]:
    """Who is drawn in each scene: fair contenders, or everybody where nobody is fair anywhere."""
    answered: list[list[str]] = []
    fair: list[list[str]] = []
    for scene in scenes:
        hidden = scene.cast.roles.privileged | scene.cast.roles.idle
        answered.append([n for n in scene.cast.ranking if n in scene.answers])
        fair.append([n for n in answered[-1] if n not in hidden])
    shown = fair if any(fair) else answered
    lost = _far_behind(scenes)
    near = [[name for name in names if name not in lost] for names in shown]
    return near if any(near) else shown


def _far_behind(scenes: Sequence[Scene]) -> set[str]:
    """Who loses so much in a typical scene that differences between others could not be seen."""
    gains: dict[str, list[float]] = {}
    for scene in scenes:
        for name, answer in scene.answers.items():
            gains.setdefault(name, []).append(answer.percent.mean)
    return {name for name, each in gains.items() if np.nanmedian(each) < -FAR}


def gains_figure(scenes: Sequence[Scene], key: str = "gains") -> Figure | None:
    """The gain of every contender in every scene, in per cent of the baseline's value.

    None where there is nobody but the baseline.
    """
    rows: list[Row] = []
    ticks: list[tuple[float, str]] = []
    names: list[str] = []
    at = 0.0
    several = len({scene.variation for scene in scenes}) > 1
    for scene, shown in zip(scenes, _shown(scenes), strict=True):
        if not shown:
            continue
        title = scene.variation if key.startswith("vary") else scene.scenario
        title += f"\n{scene.variation}" if several and not key.startswith("vary") else ""
        ticks.append((at + (len(shown) - 1) / 2.0, title.replace("_", " ")))
        for name in shown:
            rows.append(Row(at, scene.answers[name].percent, scene.cast.styles[name]))
            names.append(name)
            at += 1.0
        at += 1.2

    if not names:
        return None

    def paint(axes: Any) -> None:
        paint_intervals(axes, rows, ticks, "gain over the baseline (% of its value)", zero=True)

    styles = {name: scene.cast.styles[name] for scene in scenes for name in scene.cast.styles}
    legend = [(styles[name], name) for name in dict.fromkeys(names)]
    height = 72 + 17.0 * (at + 1.0)
    drawing = panel(
        key,
        "Gain over the baseline by world, with 95 % intervals",
        paint,
        width=WIDTH,
        height=height,
    )
    caption = (
        "Interquartile mean over training seeds on the same customers with the same luck, with its "
        "95 % interval over other seeds and other customers. Contenders that see the hidden half, "
        "or that never act, are in the tables; they are drawn only where there is nobody else. So "
        f"are those that lose more than {FAR:.0f} % in more than half of these."
    )
    return Figure("Gain over the baseline", caption, [("", drawing)], legend)


def sensitivity_figures(scenes: Sequence[Scene]) -> list[Figure]:
    """How gains move with the variations, one figure a world; none without variations."""
    made: list[Figure] = []
    for scenario in dict.fromkeys(scene.scenario for scene in scenes):
        here = [scene for scene in scenes if scene.scenario == scenario]
        if len(here) > 1:
            figure = gains_figure(here, f"vary-{scenario}")
            if figure is not None:
                made.append(replace(figure, title=f"Sensitivity: {scenario}"))
    return made


def frontier(results: Results, scenes: Sequence[Scene]) -> dict[str, dict[str, list[Point]]]:
    """Contacts and value by world and contender: in the world as it is, and under other rules.

    Only variations count that differ in their rules of engagement and nothing else: others are
    other customers. A contender's points are in the order of contacts.
    """
    joined = {lead_variation(scenes), *_engagement_only(results)}
    worlds: dict[str, dict[str, list[Point]]] = {}
    for scene in (scene for scene in scenes if scene.variation in joined):
        paths = worlds.setdefault(scene.scenario, {})
        for name in scene.cast.ranking:
            contacts = [results.cell(cell)["summary"]["contacts"] for cell in scene.cells[name]]
            point = Point(float(np.mean(contacts)), scene.values[name], scene.cast.styles[name])
            paths[name] = sorted([*paths.get(name, []), point], key=lambda each: each.x)
    return worlds


def frontier_figure(results: Results, scenes: Sequence[Scene]) -> Figure:
    """Value against contacts, a panel a world: what contacts are worth, and who spares them."""
    panels: list[tuple[str, str]] = []
    units = {scene.scenario: scene.cast.unit for scene in scenes}
    worlds = frontier(results, scenes)
    for scenario, paths in worlds.items():
        drawn = partial(
            paint_points,
            paths=[*paths.values()],
            x_label="contacts per customer and journey",
            y_label=stacked("value", units[scenario], 34),
        )
        title = scenario.replace("_", " ")
        label = f"Value by contacts: {title}"
        panels.append((title, panel(f"frontier-{scenario}", label, drawn, height=250)))
    looks = {scene.scenario: scene.cast.styles for scene in scenes}
    legend = {n: style for styles in looks.values() for n, style in styles.items()}
    told = (
        "Bars are 95 % intervals of the value over other seeds and other customers. Further up is "
        "worth more to the firm, further left takes less of the customer's patience."
    )
    if any(len(path) > 1 for paths in worlds.values() for path in paths.values()):
        told += " Lines join what a contender comes to under different rules of engagement."
    shown = [name for name in legend if any(name in paths for paths in worlds.values())]
    title = "Value against contacts" + say_variation(scenes)
    return Figure(title, told, panels, [(legend[name], name) for name in shown])


def _engagement_only(results: Results) -> set[str]:
    """Variations that differ from the world as it is in their rules of engagement only."""
    found: set[str] = set()
    for each in results.study["study"].get("variations", []):
        fields = each.get("world", {}).get("set", {})
        others = [
            change
            for part in ("world", "learning", "acting")
            for kind, change in each.get(part, {}).items()
            if change and (part, kind) != ("world", "set")
        ]
        if fields and not others and all(name.startswith("engagement.") for name in fields):
            found.add(each["name"])
    return found


def profile_figure(results: Results, scenes: Sequence[Scene]) -> Figure | None:
    """Share of runs that reach a gain, by contender; none where nobody has several runs."""
    variation = lead_variation(scenes)
    styles = scenes[0].cast.styles
    hidden = {n for scene in scenes for n in scene.cast.roles.privileged | scene.cast.roles.idle}
    strata = {
        name: [part.by_seed for part in parts.values()]
        for name, parts in common_scores(results, variation).items()
        if name not in hidden and name in styles
    }
    strata = {n: parts for n, parts in strata.items() if min(len(part) for part in parts) > 1}
    if not strata:
        return None
    every = np.concatenate([part for parts in strata.values() for part in parts])
    margin = 0.05 * max(float(np.ptp(every)), 1.0)
    levels = np.linspace(min(float(every.min()), 0.0) - margin, float(every.max()) + margin, POINTS)
    lines: list[Line] = []
    for name, parts in strata.items():
        found = profile(parts, levels)
        band = (100.0 * found.low, 100.0 * found.high)
        lines.append(Line(levels, 100.0 * found.share, styles[name], band))

    def paint(axes: Any) -> None:
        paint_lines(axes, lines, "gain over the baseline (% of its value)", "runs above it\n(%)")
        axes.axvline(0.0, color=axes.xaxis.label.get_color(), linewidth=1.0)
        axes.set_ylim(-2.0, 102.0)

    drawing = panel(
        "profiles", "Performance profiles: share of runs above a gain", paint, width=WIDTH
    )
    caption = (
        "Share of training runs, averaged over worlds, whose gain lies above the one at the "
        "bottom; bands are 95 % bootstrap intervals, seeds drawn within worlds. Higher is better."
    )
    legend = [(styles[name], name) for name in strata]
    return Figure("Performance profiles", caption, [("", drawing)], legend)
