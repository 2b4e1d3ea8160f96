"""The answer of a comparison in words, made from nothing but its numbers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import floor, log10
from typing import Literal

import numpy as np

from nba_gym.errors import PolicyError, nearest
from nba_gym.evaluation.compare import Comparison
from nba_gym.statistics import Interval, mean_interval

Verdict = Literal["win", "tie", "loss", "alone"]


@dataclass(frozen=True)
class Roles:
    """Who is who in a comparison.

    Attributes:
        subject: The policy that the answer is about; None if nobody meets the baseline.
        baseline: The policy that differences are taken to.
        privileged: Policies that see the hidden half of the customer.
        idle: Policies that always waited.
    """

    subject: str | None
    baseline: str
    privileged: frozenset[str]
    idle: frozenset[str]

    @property
    def shown(self) -> list[str]:
        """The policies to look at closely: the subject, then the baseline."""
        return [self.baseline] if self.subject is None else [self.subject, self.baseline]


@dataclass(frozen=True)
class Answer:
    """Who won, in one sentence, and what else to know.

    Attributes:
        verdict: Whether the subject's interval lies above, across or below the baseline.
        claim: First half of the sentence.
        evidence: Second half: the numbers behind the claim.
        details: Further sentences.
    """

    verdict: Verdict
    claim: str
    evidence: str
    details: list[str]

    @property
    def sentence(self) -> str:
        """The whole sentence."""
        return f"{self.claim} {self.evidence}"


def find_roles(comparison: Comparison, agent: str | None, privileged: Collection[str]) -> Roles:
    """Who is who; without ``agent`` the subject is the first fair policy that does not just wait.

    Raises:
        PolicyError: If a name is not one of the compared policies, or the agent is the baseline.
    """
    runs, baseline = comparison.rollouts, comparison.baseline
    for name in [*privileged, *([] if agent is None else [agent])]:
        if name not in runs:
            raise PolicyError(f"{name!r} is not one of the compared policies{nearest(name, runs)}")
    if agent == baseline:
        raise PolicyError(f"agent must differ from the baseline, got {agent!r} for both")
    idle = {name for name, run in runs.items() if bool(np.all(run.action_share[:, 0] >= 1.0))}
    fair = [name for name in runs if name != baseline and name not in privileged]
    subject = agent or next((name for name in fair if name not in idle), next(iter(fair), None))
    return Roles(subject, baseline, frozenset(privileged), frozenset(idle))


def judge(gap: Interval) -> Verdict:
    """Whether an interval of differences lies above 0, below it, or includes it."""
    if gap.low > 0.0:
        return "win"
    return "loss" if gap.high < 0.0 else "tie"


def find_answer(comparison: Comparison, roles: Roles) -> Answer:
    """Who won, by how much, and how sure that is."""
    unit, base = comparison.scenario.currency, _described(roles.baseline, roles)
    if roles.subject is None:
        value = mean_interval(comparison.rollouts[roles.baseline].value)
        claim = f"Nothing to decide: only {base} was run, without a fair contender;"
        evidence = f"it earns {amount(value.mean, value, unit=unit)} per customer"
        evidence += f" (95 % interval {span(value)} {unit})."
        return Answer("alone", claim, evidence, _others(comparison, roles))
    gap = comparison.difference(roles.subject)
    verdict, who = judge(gap), _described(roles.subject, roles)
    interval = f"95 % interval of the paired difference {span(gap)} {unit}"
    if verdict == "tie":
        claim = f"No winner: {who} and {base} cannot be told apart;"
        evidence = f"the difference is {amount(gap.mean, gap, unit=unit, signed=True)}"
        evidence += f" per customer ({interval}, which includes 0)."
    else:
        size = amount(abs(gap.mean), gap, unit=unit)
        claim = f"{who} earns {size} more per customer than {base}"
        if verdict == "loss":
            claim = f"{who} does not win: it earns {size} less per customer than {base}"
        evidence = f"({interval})."
    details = [_levels(comparison, roles), *_idle(comparison, roles), *_others(comparison, roles)]
    return Answer(verdict, claim[0].upper() + claim[1:], evidence, [d for d in details if d])


def _described(name: str, roles: Roles) -> str:
    """A name, and whether it sees what no firm sees."""
    return f"{name} (sees the hidden half of the customer)" if name in roles.privileged else name


def _levels(comparison: Comparison, roles: Roles) -> str:
    """The two mean values, as a share of the baseline's where that makes sense."""
    runs, unit = comparison.rollouts, comparison.scenario.currency
    mine, base = (mean_interval(runs[name].value) for name in roles.shown)
    text = f"{roles.subject} earns {amount(mine.mean, mine)}, {roles.baseline} "
    text += f"{amount(base.mean, base)} {unit} per customer"
    if base.mean > 0.0:
        text += f": {number(100.0 * (mine.mean / base.mean - 1.0), 1, signed=True)} %"
    return f"{text}."


def _idle(comparison: Comparison, roles: Roles) -> list[str]:
    """What acting earns at all, against doing nothing."""
    endings: dict[Verdict, str] = {"win": ")", "tie": "; cannot be told apart)", "loss": "; worse)"}
    sentences: list[str] = []
    for idle in sorted(roles.idle - set(roles.shown)):
        gaps = {name: comparison.difference(name, idle) for name in roles.shown}
        told = [f"{n} {_gap(g, comparison)[:-1]}{endings[judge(g)]}" for n, g in gaps.items()]
        sentences.append(f"Against {idle}: {', '.join(told)}.")
    return sentences


def _others(comparison: Comparison, roles: Roles) -> list[str]:
    """Fair policies that did better than the subject, and every privileged one."""
    ranking = [n for n in comparison.table["policy"].to_list() if n not in roles.shown]
    sentences: list[str] = []
    if roles.subject is not None:
        fair = [n for n in ranking if n not in roles.privileged and n not in roles.idle]
        gaps = {name: comparison.difference(name, roles.subject) for name in fair}
        better = [f"{n} {_gap(g, comparison)}" for n, g in gaps.items() if judge(g) == "win"]
        higher = [n for n, g in gaps.items() if judge(g) == "tie" and g.mean > 0.0]
        if better:
            sentences.append(f"Better than {roles.subject}: {', '.join(better)}.")
        if higher:
            start = f"With a higher mean than {roles.subject}, but not told apart from it"
            sentences.append(f"{start}: {', '.join(higher)}.")
    oracles = [n for n in ranking if n in roles.privileged]
    if oracles:
        told = [f"{n} {_gap(comparison.difference(n), comparison)}" for n in oracles]
        start = "Yardstick, not contender, since it sees the hidden half of the customer"
        sentences.append(f"{start}: {', '.join(told)} against {roles.baseline}.")
    return sentences


def _gap(gap: Interval, comparison: Comparison) -> str:
    unit = comparison.scenario.currency
    return f"{amount(gap.mean, gap, unit=unit, signed=True)} ({span(gap)})"


def digits_for(*intervals: Interval) -> int:
    """Decimals that show two figures of the typical half-width, 0 to 4."""
    halves = sorted((i.high - i.low) / 2.0 for i in intervals if i.high - i.low > 1e-12)
    if not halves:
        return 2
    typical = float(f"{halves[len(halves) // 2]:.1g}")  # 0.098 counts as 0.1
    return max(0, min(4, 1 - floor(log10(typical))))


def number(x: float, digits: int, *, signed: bool = False) -> str:
    """A number for people: thousands apart, a true minus, no negative zero."""
    if round(x, digits) == 0.0:
        return f"{0.0:.{digits}f}"
    return f"{x:{'+' if signed else ''},.{digits}f}".replace("-", "−")


def amount(x: float, interval: Interval, *, unit: str = "", signed: bool = False) -> str:
    """A number with as many decimals as its interval deserves, and its unit."""
    return f"{number(x, digits_for(interval), signed=signed)} {unit}".rstrip()


def span(interval: Interval, digits: int | None = None) -> str:
    """Both ends of an interval."""
    places = digits_for(interval) if digits is None else digits
    return f"{number(interval.low, places)} to {number(interval.high, places)}"
