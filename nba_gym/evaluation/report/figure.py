"""What every figure of a report shares: who is shown, in which colours, in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nba_gym.evaluation.compare import Comparison
from nba_gym.evaluation.report.answer import Roles
from nba_gym.evaluation.report.svg import Style
from nba_gym.evaluation.rollout import Rollout
from nba_gym.records.ledger import LINES

_MARKERS = ("o", "s", "D", "^", "v", "X", "P", "h")
_DASHES = ((), (7.0, 2.5), (2.0, 2.0), (8.0, 2.0, 2.0, 2.0), (4.0, 2.0), (1.0, 1.5))


@dataclass(frozen=True)
class Figure:
    """Panels with a common legend; all text is plain but the drawings.

    Attributes:
        title: What it shows.
        caption: How to read it: units, intervals, what is left out.
        panels: Title and SVG of each panel.
        legend: Style and name of each entry.
        small: Whether the panels are small multiples.
    """

    title: str
    caption: str
    panels: list[tuple[str, str]]
    legend: list[tuple[Style, str]]
    small: bool = False


@dataclass(frozen=True)
class Cast:
    """Who is shown, in which order and how: the same in every figure.

    Attributes:
        roles: Who is who.
        ranking: Policies, the most valuable first.
        styles: Look of each policy.
        unit: Money per customer.
        period: Name of a period.
    """

    roles: Roles
    ranking: list[str]
    styles: dict[str, Style]
    unit: str
    period: str

    @property
    def versus(self) -> str:
        """What a difference is."""
        return f"difference to {self.roles.baseline}"

    @property
    def legend(self) -> list[tuple[Style, str]]:
        """Every policy, the most valuable first."""
        return [(self.styles[name], name) for name in self.ranking]


@dataclass(frozen=True)
class Stage:
    """A comparison as the figures see it.

    Attributes:
        comparison: What to show.
        roles: Who is who.
        ranking: Policies, the most valuable first.
        styles: Look of each policy, the same in every figure.
    """

    comparison: Comparison
    roles: Roles
    ranking: list[str]
    styles: dict[str, Style]

    @classmethod
    def of(cls, comparison: Comparison, roles: Roles) -> Stage:
        """The stage of a comparison."""
        ranking = comparison.table["policy"].to_list()
        return cls(comparison, roles, ranking, policy_styles(list(comparison.rollouts), roles))

    @property
    def runs(self) -> dict[str, Rollout]:
        """Outcome by policy."""
        return self.comparison.rollouts

    @property
    def cast(self) -> Cast:
        """Who is shown."""
        return Cast(self.roles, self.ranking, self.styles, self.unit, self.period)

    @property
    def unit(self) -> str:
        """Money per customer."""
        return f"{self.comparison.scenario.currency} per customer"

    @property
    def period(self) -> str:
        """Name of a period."""
        return self.comparison.scenario.period

    @property
    def versus(self) -> str:
        """What a difference is."""
        return self.cast.versus

    @property
    def legend(self) -> list[tuple[Style, str]]:
        """Every policy, the most valuable first."""
        return self.cast.legend


def policy_styles(names: Sequence[str], roles: Roles) -> dict[str, Style]:
    """A colour, marker and dash for every policy, chosen by its role and then its place.

    The subject, the baseline, the first idle and the first privileged policy have looks of their
    own, so they look the same in every report.
    """
    taken: dict[str, str] = {roles.baseline: "baseline"}
    if roles.subject is not None:
        taken[roles.subject] = "agent"
    for name in names:
        role = "idle" if name in roles.idle else "privileged" if name in roles.privileged else ""
        if role and name not in taken and role not in taken.values():
            taken[name] = role
    order = ("agent", "baseline", "idle", "privileged")
    styles: dict[str, Style] = {}
    others = 0
    for name in names:
        if name in taken:
            i, colour = order.index(taken[name]), taken[name]
        else:
            i, colour = 4 + others, f"other{others % 8}"
            others += 1
        styles[name] = Style(colour, _MARKERS[i % len(_MARKERS)], _DASHES[i % len(_DASHES)])
    return styles


def used_lines(means: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Ledger lines that come to a cent per customer under any policy, given their means by it."""
    return [line for line in LINES if max(abs(each[line]) for each in means.values()) >= 0.005]


def line_means(runs: Mapping[str, Rollout]) -> dict[str, dict[str, float]]:
    """Mean of each ledger line under each policy."""
    return {
        name: {line: float(run.lines[line].mean()) for line in LINES} for name, run in runs.items()
    }


def readable(name: str) -> str:
    """A name from a file, for people."""
    return name.replace("_", " ")


def plural(period: str) -> str:
    """Several of a period."""
    return f"{period}s"
