"""A baseline tuned from its command line to its record."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from agents.checkpoint import Tree
from agents.tuning.baseline import ANY_NUMBER, remembering, tunable, tune_policy
from agents.tuning.feedback import Feedback
from agents.tuning.options import Arguments
from agents.tuning.record import all_versions, beside, machine, today, write_json
from nba_gym.evaluation.kit import Kit
from nba_gym.scenario.load import scenario_hash
from nba_gym.scenario.schema import Scenario


def study_policy(options: Arguments, scenario: Scenario, out: Path, feedback: Feedback) -> None:
    """Tune a baseline, keep the record, and say what came of it."""
    found, limits = tunable(options.policy or ""), options.limits
    about: Tree = {
        "policy": found.name,
        "scenario": {"name": scenario.name, "hash": scenario_hash(scenario)},
        "budget": {"seconds": _finite(limits.seconds), "trials": _finite(limits.trials)},
        "campaign": options.campaign,
        "bandit": options.bandit,
        "customers": options.customers,
        "versions": all_versions(),
    }
    most = ANY_NUMBER if math.isinf(limits.trials) else int(limits.trials)
    told: dict[str, Any] = {}

    def progress(done: int, _: int) -> None:
        share = max(done / most, kit.spent / limits.seconds) / found.searches
        before = sum(name in kit.trials_of for name in told) / found.searches
        feedback.show(min(1.0, share + before), None)

    kit = Kit(
        scenario,
        campaign=options.campaign,
        bandit=options.bandit,
        tuning=options.customers,
        trials=most,
        seconds=limits.seconds,
        searches=found.searches,
        threads=1,
        say=feedback.say,
        progress=progress,
        memory=remembering(out, about),
    )
    told |= tune_policy(found, kit)
    record = {"kind": "policy", **about, "finished": today(), "machine": machine(), **told}
    paths = [out / "study.json"] + ([beside(found.name, scenario.name)] if options.write else [])
    for path in paths:
        write_json(path, record)
    value, spent, first = told["value"], told["spent"], told["searches"][found.name]["first"]
    feedback.say(
        f"{found.name}: {value['mean']:.2f} {scenario.currency} per customer of tuning, "
        f"{value['mean'] - first:+.2f} to where it began; {spent['trials']} trials, "
        f"{spent['customers']:,} customers, {spent['seconds']:.0f} s"
    )
    feedback.say(f"settings: {told['chosen']}")
    feedback.say(f"wrote {', '.join(str(path) for path in paths)}")


def _finite(number: float) -> float | None:
    return None if math.isinf(number) else number
