"""Baselines are tuned by their own search, with the time that an agent may use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.tuning.journal import check_same
from agents.tuning.record import write_json
from agents.tuning.trials_on_disk import TrialsOnDisk
from nba_gym.errors import PolicyError, nearest
from nba_gym.evaluation.contenders import CONTENDERS, Contender, contender
from nba_gym.evaluation.kit import Kit
from nba_gym.evaluation.search import Memory, Trial
from nba_gym.statistics import mean_interval

ANY_NUMBER = 1_000_000
"""Trials where time alone ends a search."""


def tunable(name: str) -> Contender:
    """A policy that has something to tune, by name.

    Raises:
        PolicyError: If there is none of that name, or nothing to tune about it.
    """
    found = contender(name)
    if found.needs not in ("campaign", "interaction"):
        names = [each.name for each in CONTENDERS.values() if each.needs[0] in "ci"]
        raise PolicyError(f"policy must have something to tune, got {name!r}{nearest(name, names)}")
    return found


def remembering(folder: Path, about: dict[str, Any]) -> Callable[[str], Memory]:
    """What remembers trials of each policy in a folder that is of this study alone.

    Raises:
        PolicyError: If the folder is of another study.
    """
    path = folder / "about.json"
    check_same(json.loads(path.read_text()) if path.exists() else None, about, path)
    write_json(path, about)

    def memory(name: str) -> Memory:
        return TrialsOnDisk(folder / "trials" / name)

    return memory


def tune_policy(found: Contender, kit: Kit) -> dict[str, Any]:
    """Make a policy with its best settings; returns what is to be told of it.

    The settings are those of the search that ends last: that of the policy itself.
    """
    found.make(kit)
    searches = {name: _searched(name, trials, kit) for name, trials in kit.trials_of.items()}
    own = searches[found.name]
    spent = {
        "seconds": kit.spent,
        "trials": sum(len(each["trials"]) for each in searches.values()),
        "customers": sum(row["customers"] for each in searches.values() for row in each["trials"]),
    }
    return {"chosen": own["chosen"], "value": own["value"], "spent": spent, "searches": searches}


def _searched(name: str, trials: list[Trial], kit: Kit) -> dict[str, Any]:
    best, memory = max(trials, key=lambda trial: trial.value), kit.memory(name)
    value: dict[str, float] = {"mean": best.value}
    if memory is not None:
        value = mean_interval(memory[str(best.settings)].values)._asdict()
    return {
        "chosen": best.settings,
        "value": value,
        "first": trials[0].value,
        "trials": [{**vars(trial)} for trial in trials],
    }
