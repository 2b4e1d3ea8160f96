"""A picture of what a log says of policies: the estimates, and how many customers they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nba_gym.errors import MissingExtraError
from nba_gym.evaluation.off_policy import AS_LOGGED, ESTIMATORS, Judged
from nba_gym.files import whole_file
from nba_gym.scenario.schema import Scenario
from nba_gym.statistics import Interval

_SHOWN = ("weighted doubly robust", "doubly robust", "weighted", "importance", "direct")
_MARKS = ("o", "s", "D", "^", "x")
_LINES = ("C5", "C6", "C8", "C9", "black", "C0", "C1")


def draw_judged(
    judged: Mapping[str, Judged], truths: Mapping[str, Interval], scenario: Scenario, path: Path
) -> None:
    """Draw estimates with 95 % intervals, the truth where known, and customers in effect by period.

    Args:
        judged: By name, as :func:`nba_gym.evaluation.off_policy.judge_by_log` answers.
        truths: What is true, by name; may be empty.
        scenario: The world, for its units.
        path: The PNG file.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("the picture", "report") from error
    figure: Any = Figure(figsize=(11, 1.9 + 0.9 * len(judged)), dpi=130, layout="constrained")
    canvas: Any = FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    periods = len(judged[AS_LOGGED].effective)
    _draw_estimates(left, judged, truths)
    left.set_xlabel(f"value per customer over {periods} {scenario.period}s ({scenario.currency})")
    left.set_title(f"{scenario.name}: judged by the log, 95 % intervals", loc="left")
    _draw_effective(right, judged)
    right.set_xlabel(f"{scenario.period} since acquisition")
    right.set_title("Customers in effect", loc="left")
    marks, labels = left.get_legend_handles_labels()
    figure.legend(marks, labels, loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    with whole_file(path) as draft:
        canvas.print_png(str(draft))


def _draw_estimates(
    axes: Any, judged: Mapping[str, Judged], truths: Mapping[str, Interval]
) -> None:
    names = list(judged)
    logged = judged[AS_LOGGED].estimates["importance"].mean
    axes.axvline(logged, color="grey", linewidth=0.8, linestyle=":")
    for i, estimator in enumerate(each for each in _SHOWN if each in ESTIMATORS):
        found = [(y, judged[name].estimates.get(estimator)) for y, name in enumerate(names)]
        at = [(y - 0.3 + 0.15 * i, e) for y, e in found if e is not None and names[y] != AS_LOGGED]
        x = np.array([e.mean for _, e in at])
        reach = np.array([[e.mean - e.low, e.high - e.mean] for _, e in at]).T
        y = np.array([y for y, _ in at])
        bars = None if estimator == "direct" else reach
        axes.errorbar(x, y, xerr=bars, fmt=_MARKS[i], color=f"C{i}", ms=5, label=estimator)
    for y, name in enumerate(names):
        if name in truths:
            label = "truth" if name == next(iter(truths)) else None
            ends = truths[name]
            box = {"color": "black", "alpha": 0.25, "linewidth": 0, "label": label}
            axes.fill_betweenx([y - 0.42, y + 0.42], ends.low, ends.high, **box)
    own = judged[AS_LOGGED].estimates["importance"]
    reach = np.array([[own.mean - own.low], [own.high - own.mean]])
    star = {"fmt": "*", "color": "grey", "ms": 9, "label": "earned in the log"}
    axes.errorbar([own.mean], [names.index(AS_LOGGED)], xerr=reach, **star)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_effective(axes: Any, judged: Mapping[str, Judged]) -> None:
    for i, (name, each) in enumerate(judged.items()):
        at = np.arange(1, len(each.effective) + 1)
        dotted = {"color": "grey", "linestyle": ":"}
        style = dotted if name == AS_LOGGED else {"color": _LINES[(i - 1) % len(_LINES)]}
        marker = "." if len(at) < 30 else None
        axes.plot(at, each.effective, marker=marker, label=name, **style)
    axes.set_yscale("log")
    axes.set_ylabel("customers, of equal weight")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
