"""The figures of a card: those of a report, and what journeys do to the hidden half."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nba_gym.evaluation.card.bench import POLICIES
from nba_gym.evaluation.card.sensitivity import LOOKED_AT, Reaction
from nba_gym.evaluation.card.watch import Watched
from nba_gym.evaluation.compare import Comparison
from nba_gym.evaluation.report.answer import Roles
from nba_gym.evaluation.report.deeds import contact_figure, smoothed
from nba_gym.evaluation.report.figure import Figure, Stage, plural
from nba_gym.evaluation.report.journeys import survival_figure
from nba_gym.evaluation.report.money import persona_figure, value_figure
from nba_gym.evaluation.report.painters import Line, Swing, paint_lines, paint_tornado, stacked
from nba_gym.evaluation.report.svg import Style, panel
from nba_gym.scenario.schema import Scenario
from nba_gym.statistics import Interval

_TITLES = {
    "purchases": ("Purchases", "purchases of a customer", "per {period}"),
    "opt_outs": ("Opted out", "consents withdrawn so far", "per customer"),
    "fatigue": ("Fatigue", "mean fatigue of those who stay", "0 is rested"),
    "loyalty": ("Loyalty", "mean loyalty of those who stay", "0 to 1"),
}
_SETTINGS = (Style("other3"), Style("agent"))
MOST_POINTS = 120
"""With more periods than these, purchases are averaged over a few at a time."""


def stage_of(scenario: Scenario, seed: int, watched: Mapping[str, Watched]) -> Stage:
    """The policies of a card as the figures of a report see them; differences to no contact."""
    runs = {POLICIES.get(name, name): each.run for name, each in watched.items()}
    baseline = POLICIES["no_contact"]
    comparison = Comparison(scenario, seed, runs, baseline, {})
    leading = (POLICIES["optimum"], POLICIES["practice"])
    subject = next((name for name in leading if name in runs), None)
    roles = Roles(subject, baseline, frozenset({POLICIES["oracle"]}), frozenset({baseline}))
    return Stage.of(comparison, roles)


def behaviour_figures(stage: Stage, watched: Mapping[str, Watched]) -> dict[str, Figure]:
    """Value, who stays, what customers do and feel, contacts, and value by persona; by name."""
    figures = {"value": value_figure(stage), "survival": survival_figure(stage)}
    figures["journeys"] = _journey_figure(stage, watched)
    if stage.comparison.scenario.tabular is None:
        figures["contacts"] = contact_figure(stage)
    if len(stage.comparison.scenario.personas) > 1:
        figures["personas"] = persona_figure(stage)
    return figures


def _journey_figure(stage: Stage, watched: Mapping[str, Watched]) -> Figure:
    """Purchases, opt-outs, fatigue and loyalty over time, by policy."""
    time = f"{plural(stage.period)} since acquisition"
    panels: list[tuple[str, str]] = []
    known = [name for name in _TITLES if all(name in each.series for each in watched.values())]
    span = max(1, stage.comparison.scenario.horizon // MOST_POINTS * 4)
    for name in known:
        title, what, unit = _TITLES[name]
        if not any(np.nan_to_num(each.series[name]).any() for each in watched.values()):
            continue  # nothing of the kind ever happens in this world
        lines: list[Line] = []
        for policy, each in watched.items():
            series = each.series[name].T
            mean, low, high = (smoothed(series, span) if name == "purchases" else series).T
            x = np.arange(len(mean), dtype=np.float64)
            lines.append(Line(x, mean, stage.styles[POLICIES.get(policy, policy)], (low, high)))
        label = stacked(what, unit.format(period=stage.period), 34)

        def paint(axes: Any, lines: list[Line] = lines, label: str = label) -> None:
            paint_lines(axes, lines, time, label)
            axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))

        panels.append((title, panel(f"journey-{name}", f"{title} by policy over time", paint)))
    caption = "Means over all customers, or those who have not left, with 95 % bands."
    if span > 1:
        caption += f" Purchases are means of {span} {plural(stage.period)}."
    return Figure("What customers do and feel", caption, panels, stage.legend)


def tornado_figure(reactions: Sequence[Reaction], currency: str) -> Figure:
    """Change in value with each mechanism weaker and stronger, a panel a policy."""
    names = list(dict.fromkeys(each.mechanism for each in reactions))
    pairs = {n: [each for each in reactions if each.mechanism == n] for n in names}

    def size(name: str) -> float:
        return max(abs(each.change[p].mean) for each in pairs[name] for p in LOOKED_AT)

    ranked = sorted(names, key=size, reverse=True)
    percent = all(each.relative[policy] for each in reactions for policy in LOOKED_AT)
    factor = 100.0 if percent else 1.0

    def swing(name: str, policy: str) -> Swing:
        ends = [(each.relative if percent else each.change)[policy] for each in pairs[name]]
        low, high = (Interval(*(factor * x for x in end)) for end in ends if end is not None)
        return Swing(name, low, high)

    unit = "% of the value as it is" if percent else f"{currency} per customer"
    panels: list[tuple[str, str]] = []
    for policy in LOOKED_AT:
        swings = [swing(name, policy) for name in ranked]

        def paint(axes: Any, swings: list[Swing] = swings) -> None:
            paint_tornado(axes, swings, _SETTINGS, stacked("change in value", unit))

        title = POLICIES[policy]
        label = f"Change in value under {title} with each mechanism weaker and stronger"
        drawing = panel(f"tornado-{policy}", label, paint, height=80 + 26 * len(swings))
        panels.append((title, drawing))
    caption = "Bars start at the value as it is; the thin lines are 95 % intervals (paired)."
    legend = [(_SETTINGS[0], "half as strong"), (_SETTINGS[1], "one and a half times as strong")]
    return Figure("What value depends on", caption, panels, legend, small=True)
