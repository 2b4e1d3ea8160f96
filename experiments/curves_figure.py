"""The figure of learning curves: a panel for each recipe, all on one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.steps import OPTIMAL, ORACLE, PRACTICE
from nba_gym.evaluation.report.figure import Figure, readable
from nba_gym.evaluation.report.painters import Line, paint_levels, paint_lines, stacked
from nba_gym.evaluation.report.svg import Style, colour, panel
from nba_gym.statistics import seed_interval

Floats = NDArray[np.float64]
_OWN, _REST = Style("agent", "o"), Style("faint")
_RIVAL, _BOUND = Style("baseline", "", (7.0, 2.5)), Style("privileged", "", (2.0, 2.0))
_NAMES = {PRACTICE: "tuned practice", ORACLE: "myopic oracle", OPTIMAL: "optimum"}
SETTLED = 0.5
"""Share of a curve after which the scale must hold it; what is earlier may lie below."""


@dataclass(frozen=True)
class Curve:
    """Curves of one recipe over its seeds, ``(points,)`` each.

    Attributes:
        steps: Transitions learned from.
        seconds: Seconds of training, watching not counted; mean over seeds.
        mean: Value per watched customer, mean over seeds.
        low: Lower end of the 95 % interval: Student's over seeds, or, of one seed, that of the gain
            since the first point, paired by customer.
        high: Upper end.
    """

    steps: Floats
    seconds: Floats
    mean: Floats
    low: Floats
    high: Floats


def over_seeds(trainings: Sequence[Mapping[str, Any]]) -> Curve:
    """The curve of a recipe, at the transitions at which its first seed was looked at.

    Where other seeds were looked at elsewhere (a training may stop early) they are interpolated,
    and the curve ends where the first of them ends.
    """
    known = [{key: np.array(one[key]) for key in _COLUMNS} for one in trainings]
    first, until = known[0], min(one["steps"][-1] for one in known)
    at = first["steps"][first["steps"] <= until].astype(np.float64)
    seconds, values = (
        np.array([np.interp(at, one["steps"], one[key]) for one in known])
        for key in ("seconds", "value")
    )
    if len(known) == 1:
        n = len(at)
        return Curve(at, seconds[0], values[0], first["low"][:n], first["high"][:n])
    ends = np.array([seed_interval(point) for point in values.T]).T
    return Curve(at, seconds.mean(axis=0), *ends)


_COLUMNS = ("steps", "seconds", "value", "low", "high")


def lines_across(record: Mapping[str, Any]) -> dict[str, Style]:
    """The levels that are drawn: the rival that agents are compared with, and who knows more."""
    rival, bound = (PRACTICE, ORACLE) if record["practice"] else (ORACLE, OPTIMAL)
    return {rival: _RIVAL, bound: _BOUND}


def curves_figure(record: Mapping[str, Any], by: str) -> Figure:
    """Value per watched customer by ``steps`` (transitions) or ``seconds`` (of training)."""
    found = {kind: over_seeds(one["trainings"]) for kind, one in record["recipes"].items()}
    x_label, scale = _axis(by, max(getattr(curve, by)[-1] for curve in found.values()))
    styles = lines_across(record)
    rival, levels = next(iter(styles)), {name: record["levels"][name]["watched"] for name in styles}
    bottom, top = _limits(list(found.values()), levels)
    y_label = stacked("value", f"{record['currency']} per watched customer", 40)

    def draw(kind: str) -> str:
        def paint(axes: Any) -> None:
            lines = [
                Line(getattr(curve, by) / scale, curve.mean, _REST)
                for other, curve in found.items()
                if other != kind
            ]
            own = found[kind]
            lines.append(Line(getattr(own, by) / scale, own.mean, _OWN, (own.low, own.high)))
            paint_lines(axes, lines, x_label, y_label)
            paint_levels(axes, [(levels[name][0], style) for name, style in styles.items()])
            axes.axhspan(*levels[rival][1:], color=colour("baseline"), alpha=0.1, linewidth=0)
            axes.set_ylim(bottom, top)
            axes.set_xlim(left=0.0)
            _label_levels(axes, levels, styles)

        label = f"Learning curve of {readable(kind)} in {readable(record['scenario'])}"
        return panel(f"{by}-{kind}", label, paint, width=330, height=250)

    title = f"{readable(record['scenario'])}: value by {_AXES[by]}"
    seeds = "over seeds" if record["seeds"] > 1 else "of the gain since the first point"
    legend = [(_OWN, f"this recipe, with its 95 % band {seeds}"), (_REST, "the other recipes")]
    panels = [(readable(kind), draw(kind)) for kind in found]
    return Figure(title[0].upper() + title[1:], "", panels, legend, small=True)


_AXES = {"steps": "transitions learned from", "seconds": "time of training"}


def _axis(by: str, largest: float) -> tuple[str, float]:
    """Label of the axis, and what its numbers are divided by."""
    if by == "seconds":
        return ("minutes of training", 60.0) if largest >= 180.0 else ("seconds of training", 1.0)
    if largest >= 1e6:
        return "million transitions", 1e6
    return ("thousand transitions", 1e3) if largest >= 1e4 else ("transitions", 1.0)


def _limits(curves: Sequence[Curve], levels: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """A scale that holds the levels and what the curves come to."""
    late = [curve.mean[int(SETTLED * (len(curve.mean) - 1)) :] for curve in curves]
    all_of = np.concatenate([*late, [x for level in levels.values() for x in level]])
    low, high = float(all_of.min()), float(all_of.max())
    room = 0.06 * (high - low or abs(high) or 1.0)
    return low - room, high + room


def _label_levels(
    axes: Any, levels: Mapping[str, Sequence[float]], styles: Mapping[str, Style]
) -> None:
    """Name the levels at their right end, the higher one above its line, the lower one below."""
    ranked = sorted(levels, key=lambda name: levels[name][0])
    for name, side in zip(ranked, (-1, 1), strict=True):
        place: dict[str, Any] = {"textcoords": "offset points", "xytext": (-2, 4 * side)}
        place |= {"xycoords": ("axes fraction", "data"), "ha": "right"}
        place["va"] = "bottom" if side > 0 else "top"
        place["bbox"] = {"facecolor": colour("paper"), "edgecolor": "none", "pad": 0.4}
        shade = colour(styles[name].colour)
        axes.annotate(_NAMES[name], (1.0, levels[name][0]), fontsize=10, color=shade, **place)
