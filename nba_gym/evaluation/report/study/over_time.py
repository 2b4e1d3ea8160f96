"""Figures of a scene over time: who stays, money, contact, what is felt, seasons, learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nba_gym.evaluation.observed import Arrays
from nba_gym.evaluation.report.deeds import draw_channels, smoothed
from nba_gym.evaluation.report.figure import Figure, plural
from nba_gym.evaluation.report.painters import Floats, Line, paint_lines, stacked
from nba_gym.evaluation.report.study.scene import Scene
from nba_gym.evaluation.report.svg import panel
from nba_gym.evaluation.results import Results

MOST_POINTS = 80
"""Points of a line: more cannot be told apart at the width of a panel."""
MOST_POINTS_SMALL = 52
"""The same in small panels."""
MOST_BANDS = 5
"""With more contenders than this, bands are drawn for the two in question only."""
WINDOW = 4
"""Periods that what is noisy is averaged over."""


class Sight(NamedTuple):
    """What a panel shows: its title, the unit, and where it is found among the arrays."""

    title: str
    unit: str
    find: Callable[[Arrays], Floats]
    x_label: str = ""
    bottom: float | None = 0.0


def _crowded(scene: Scene) -> bool:
    """Whether so many are shown that bands of all would hide each other."""
    return len(scene.cast.ranking) > MOST_BANDS


def lines_of(scene: Scene, sight: Sight) -> list[Line]:
    """A line a contender: the mean over training seeds, a band from the lowest to the highest."""
    lines: list[Line] = []
    crowded = _crowded(scene)
    for name in scene.cast.ranking:
        seeds = np.stack([sight.find(arrays) for arrays in scene.periods[name]])
        every = -(-seeds.shape[1] // MOST_POINTS)
        x = np.arange(seeds.shape[1], dtype=np.float64)[::every]
        kept = seeds[:, ::every]
        bare = len(seeds) < 2 or (crowded and name not in scene.shown)
        band = None if bare else (kept.min(axis=0), kept.max(axis=0))
        lines.append(Line(x, kept.mean(axis=0), scene.cast.styles[name], band))
    return lines


def time_figure(
    scene: Scene, key: str, title: str, caption: str, sights: Sequence[Sight]
) -> Figure | None:
    """Panels of lines over time; none where there is nothing to be seen."""
    panels: list[tuple[str, str]] = []
    for i, sight in enumerate(sights):
        lines = lines_of(scene, sight)
        if not any(np.nan_to_num(line.y).any() for line in lines):
            continue
        x_label = sight.x_label or f"{plural(scene.cast.period)} since acquisition"
        label = stacked(sight.title.lower(), sight.unit, 34)

        def paint(
            axes: Any, lines: list[Line] = lines, x: str = x_label, y: str = label, s: Sight = sight
        ) -> None:
            paint_lines(axes, lines, x, y)
            if s.bottom is not None:
                axes.set_ylim(bottom=min(s.bottom, axes.get_ylim()[0]))

        name = f"{scene.key}-{key}{i}"
        panels.append((sight.title, panel(name, f"{sight.title} by policy over time", paint)))
    told = f"{caption} Means over customers and training seeds; bands reach from the lowest seed "
    told += "to the highest"
    told += f" and are drawn for {' and '.join(scene.shown)} only." if _crowded(scene) else "."
    return Figure(title, told, panels, scene.cast.legend) if panels else None


def _found(name: str, factor: float = 1.0) -> Callable[[Arrays], Floats]:
    """What is kept under a name, times a factor."""

    def find(arrays: Arrays) -> Floats:
        return factor * arrays[name].astype(np.float64)

    return find


def survival(scene: Scene) -> Figure | None:
    """Who stays, and how many leave."""

    def leaving(arrays: Arrays) -> Floats:
        alive = arrays["alive"]
        gone = -np.diff(alive) / np.maximum(alive[:-1], 1e-12)  # of the last nobody knows
        return 100.0 * smoothed(gone[:, None], WINDOW)[:, 0]

    sights = [
        Sight("Not yet left", "% of customers", _found("alive", 100.0), bottom=None),
        Sight(f"Leaving per {scene.cast.period}", "% of those who are there", leaving),
    ]
    caption = "Who has left is gone for good, whether or not the firm can see it."
    return time_figure(scene, "stay", "Who stays", caption, sights)


def money(scene: Scene) -> Figure | None:
    """Profit and purchases by period."""
    currency, period = scene.world["currency"], scene.cast.period

    def mean(name: str) -> Callable[[Arrays], Floats]:
        return lambda arrays: smoothed(arrays[name][:, None], WINDOW)[:, 0]

    sights = [
        Sight(f"Profit per {period}", f"{currency} per customer", mean("profit")),
        Sight(f"Purchases per {period}", "per customer", mean("purchases")),
    ]
    caption = f"Not discounted; means of {WINDOW} {plural(period)}, over those who have left, too."
    return time_figure(scene, "money", "When the money comes", caption, sights)


def feelings(scene: Scene) -> Figure | None:
    """Loyalty, fatigue and price memory of those who have not left."""
    first = scene.periods[scene.cast.ranking[0]][0]
    known = [
        Sight("Loyalty", "0 to 1", _found("loyalty")),
        Sight("Fatigue", "0 is rested", _found("fatigue")),
        Sight("Discount waited for", "% of list price", _found("reference_discount", 100.0)),
    ]
    names = ("loyalty", "fatigue", "reference_discount")
    sights = [sight for sight, name in zip(known, names, strict=True) if name in first]
    caption = "Hidden from the firm; of customers who have not left."
    return time_figure(scene, "felt", "What customers feel", caption, sights)


def seasons(scene: Scene) -> Figure | None:
    """Purchases and contacts by period of the year."""
    if scene.world["cycle"] < 2:
        return None
    period = scene.cast.period

    def rate(name: str) -> Callable[[Arrays], Floats]:
        def find(arrays: Arrays) -> Floats:
            total = arrays[name]
            total = total.sum(axis=1) if total.ndim > 1 else total
            return total / np.maximum(arrays["season_here"], 1.0)

        return find

    x = f"{period} of the year"
    sights = [
        Sight(f"Purchases per {period}", "per customer there", rate("season_purchases"), x),
        Sight(f"Contacts per {period}", "per customer there", rate("season_contacts"), x),
    ]
    return time_figure(scene, "season", "Over the year", "Of customers who have not left.", sights)


def channels(scene: Scene) -> list[Figure]:
    """Contacts and opt-outs by channel over time."""
    world, period = scene.world, scene.cast.period
    made: list[Figure] = []
    for name, title, window in (
        ("contacts", "Who is contacted", 4),
        ("opt_outs", "Who opts out", 13),
    ):
        rates = {
            who: np.mean([arrays[name] for arrays in several], axis=0)
            for who, several in scene.periods.items()
        }
        if not any(rate.any() for rate in rates.values()):
            continue
        every = -(-world["horizon"] // MOST_POINTS_SMALL)
        counted = name.replace("_", "-")
        caption = (
            f"{counted.capitalize()} per customer and {period}, stacked by channel; means of "
            f"{window} {plural(period)} over all customers, also those who have left, and over "
            "training seeds."
        )
        made.append(
            draw_channels(
                scene.cast, rates, world["channels"], (title, counted), caption,
                f"{scene.key}-", window=window, every=every,
            )
        )  # fmt: skip
    return made


def learning(scene: Scene, results: Results) -> Figure | None:
    """Learning curves: the mean over seeds, and a band from the lowest to the highest."""
    lines: list[Line] = []
    legend: list[Any] = []
    rewarded: list[str] = []
    for name in scene.cast.ranking:
        curves = [curve for cell in scene.cells[name] if (curve := results.curve(cell))]
        if not curves:
            continue
        if results.study["contenders"][name].get("reward"):
            rewarded.append(name)
            continue
        least = min(len(curve) for curve in curves)
        steps = np.array([point["steps"] for point in curves[0][:least]], dtype=np.float64) / 1e6
        values = np.array([[point["value"] for point in curve[:least]] for curve in curves])
        band = (values.min(axis=0), values.max(axis=0)) if len(curves) > 1 else None
        lines.append(Line(steps, values.mean(axis=0), scene.cast.styles[name], band))
        legend.append((scene.cast.styles[name], name))
    if not lines:
        return None

    def paint(axes: Any) -> None:
        paint_lines(axes, lines, "million transitions", stacked("value", scene.cast.unit))

    caption = (
        "Mean value of customers who are watched during training and neither trained on nor in the "
        "tables. Means over training seeds; bands reach from the lowest seed to the highest."
    )
    if rewarded:
        caption += f" Left out, as they learn from a reward of their own: {', '.join(rewarded)}."
    drawing = panel(
        f"{scene.key}-learning", "Learning curves: value by transitions", paint, width=440
    )
    return Figure("How agents learned", caption, [("By experience", drawing)], legend)
