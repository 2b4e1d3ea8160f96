"""What may be tuned about each policy, and where the search begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nba_gym.errors import PolicyError
from nba_gym.evaluation.search import Tunable
from nba_gym.policies.arbitration import Arbitration, LinearWorth
from nba_gym.policies.arms import PropensityOnly, without_levers
from nba_gym.policies.lookahead import OneStepLookahead
from nba_gym.policies.practice import NO_CAP, GreedyPractice, PracticeModel
from nba_gym.policies.rfm import NOTHING, SEGMENTS, RfmModel, SegmentRules

Ladders = tuple[tuple[str, tuple[Any, ...]], ...]
SHARES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Thresholds to try, as shares of what a purchase typically earns."""
CAPS = (1, 2, 3, NO_CAP)
LEVERS = (0.0, 0.5, 1.0)


def practice_knobs(model: PracticeModel) -> Tunable:
    """Window, ripening, years, threshold, levers and cap of greedy practice.

    It begins with taking what looks good at once, and with contacting seldom with an eye on later.
    """
    eager = GreedyPractice(model, threshold=0.003 * model.typical)
    levers = {kind: 1.0 if kind == "inform" else 0.5 for kind in eager.levers}
    patient = GreedyPractice(
        model,
        threshold=0.03 * model.typical,
        cap=2,
        window=max(model.windows),
        ripening=16.0,
        levers=levers,
    )
    return Tunable(
        make=lambda settings: GreedyPractice(model, **settings),
        starts=(eager.settings, patient.settings),
        ladders=_credits(model) + _thresholds(model.typical) + _levers(eager) + (("cap", CAPS),),
    )


def no_lever_knobs(model: PracticeModel) -> Tunable:
    """The same without levers, neither those of the catalogue nor tuned ones."""
    bare = without_levers(model)
    full = practice_knobs(bare)
    ones = GreedyPractice(bare).levers
    return Tunable(
        make=full.make,
        starts=tuple({**start, "levers": ones} for start in full.starts),
        ladders=tuple(each for each in full.ladders if not each[0].startswith("levers.")),
    )


def context_knobs(model: PracticeModel) -> Tunable:
    """Greedy practice, and factors on what situations call for."""
    full, names = practice_knobs(model), model.situations.names
    factors = dict.fromkeys(names, 1.0)
    return replace(
        full,
        starts=tuple({**start, "contexts": factors} for start in full.starts),
        ladders=full.ladders + tuple((f"contexts.{name}", (1.0, 2.0, 4.0, 8.0)) for name in names),
    )


def propensity_knobs(model: PracticeModel) -> Tunable:
    """Threshold and cap of going by propensity alone."""
    return Tunable(
        make=lambda settings: PropensityOnly(model, **settings),
        starts=({"threshold": 0.0, "cap": NO_CAP}, {"threshold": 0.1, "cap": 1}),
        ladders=(
            ("threshold", (0.0, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)),
            ("cap", CAPS),
        ),
    )


def arbitration_knobs(models: Mapping[int, LinearWorth], name: str) -> Tunable:
    """Window, threshold, levers and cap of arbitration by what actions are worth.

    Args:
        models: What was learned, by attribution window.
        name: What tables call the policy.

    Raises:
        PolicyError: If there is no model.
    """
    if not models:
        raise PolicyError("models must hold at least one window, got none")

    def make(settings: dict[str, Any]) -> Arbitration:
        given = dict(settings)
        return Arbitration(models[given.pop("window")], name=name, **given)

    first = models[min(models)]
    levers = Arbitration(first).levers
    eager = {"window": min(models), "threshold": 0.003 * first.typical, "cap": NO_CAP}
    patient = {"window": max(models), "threshold": 0.03 * first.typical, "cap": 2}
    factors = (0.0, 0.5, 1.0, 2.0)
    return Tunable(
        make=make,
        starts=({**eager, "levers": levers}, {**patient, "levers": levers}),
        ladders=(
            ("window", tuple(models)),
            *_thresholds(first.typical),
            *((f"levers.{kind}", factors) for kind in levers),
            ("cap", CAPS),
        ),
    )


def lookahead_knobs(model: PracticeModel, later: LinearWorth, tuned: GreedyPractice) -> Tunable:
    """What greedy practice has to tune, and how much later value weighs.

    The search begins at tuned practice, and at one step of policy improvement from there: what
    practice adds for ripening purchases and for years to come is part of the value of a customer.
    """
    settings = {key: value for key, value in tuned.settings.items() if key != "contexts"}
    full = practice_knobs(model)
    return Tunable(
        make=lambda settings: OneStepLookahead(model, later, **settings),
        starts=(
            {"future": 0.0, **settings},
            {"future": 0.25, **settings},
            {**settings, "future": 1.0, "ripening": 0.0, "years": 0.0},
        ),
        ladders=(("future", (0.0, 0.125, 0.25, 0.5, 1.0, 2.0)), *full.ladders),
    )


def rule_knobs(model: RfmModel) -> Tunable:
    """What each segment gets, how long to pause, and which triggers come first.

    It begins with the usual table, and with leaving everybody alone but for the triggers.
    """
    usual = SegmentRules(model).settings
    silent = usual | {"plans": dict.fromkeys(SEGMENTS, NOTHING)}
    plans = (NOTHING, *sorted({*model.kinds[1:]}))
    return Tunable(
        make=lambda settings: SegmentRules(model, **settings),
        starts=(usual, silent),
        ladders=tuple((f"triggers.{name}", (True, False)) for name in model.situations.names)
        + tuple((f"plans.{segment}", plans) for segment in SEGMENTS)
        + tuple((f"pauses.{segment}", (1, 2, 4, 8, 13, 26)) for segment in SEGMENTS),
    )


def _credits(model: PracticeModel) -> Ladders:
    windows, found = model.windows.values(), list[tuple[str, tuple[Any, ...]]]()
    if len(model.windows) > 1:
        found.append(("window", tuple(model.windows)))
    if any(credited.later is not None for credited in windows):
        found.append(("ripening", (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)))
    if any(credited.leaving is not None for credited in windows):
        found.append(("years", (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)))
    return tuple(found)


def _thresholds(typical: float) -> Ladders:
    return (("threshold", tuple(share * typical for share in SHARES)),)


def _levers(policy: GreedyPractice) -> Ladders:
    return tuple((f"levers.{kind}", LEVERS) for kind in policy.levers)
