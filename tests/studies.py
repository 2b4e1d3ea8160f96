"""Small studies as they lie on disk, without training: agents are policies that explore by seed."""

import json
from pathlib import Path

from experiments.engine.plan import about_world
from nba_gym.evaluation.observed import observe_rollout
from nba_gym.evaluation.results import CELLS, STUDY, cell_id, write_cell
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies import NoContact, UniformRandom
from nba_gym.policies.limits import EpsilonGreedy
from nba_gym.scenario.load import load_scenario
from nba_gym.truth import MyopicOracle

CURVE = [{"steps": 100_000 * k, "seconds": k, "value": 5.0 + k, "low": 4.0, "high": 6.0 + k}
         for k in range(4)]  # fmt: skip
CONTENDERS = {
    "wait": {"kind": "policy", "privileged": False, "line": "waits"},
    "practice": {"kind": "policy", "privileged": False, "line": "by lot, mostly waits"},
    "oracle": {"kind": "policy", "privileged": True, "line": "knows"},
    "good_<agent>": {"kind": "agent", "privileged": False, "recipe": "r", "reward": None},
    "poor_agent": {"kind": "agent", "privileged": False, "recipe": "r", "reward": None},
}


def acting(name: str, seed: int):
    if name == "wait":
        return NoContact()
    if name == "practice":
        return UniformRandom(wait=0.8)
    if name == "oracle":
        return MyopicOracle()
    share = 0.9 if name == "poor_agent" else 0.02
    return EpsilonGreedy(MyopicOracle(), share + 0.01 * seed)


def made_study(folder: Path, worlds, *, seeds=3, customers=300, finished=True) -> Path:
    """A study of these worlds: pairs of a variation's name and a scenario."""
    cells, about = [], {}
    for variation, scenario in worlds:
        about[scenario.name + variation] = about_world(scenario)
        for name, told in CONTENDERS.items():
            for seed in range(seeds if told["kind"] == "agent" else 1):
                keys = {"scenario": scenario.name, "variation": variation, "contender": name}
                cells.append(cell_id(**keys, seed=seed))
                place = folder / CELLS / cells[-1]
                place.mkdir(parents=True)
                seen = observe_rollout(
                    acting(name, seed), scenario, SPLIT.reporting(customers), SPLIT.seed
                )
                world = {"world": scenario.name + variation, "learning": None, "steps": 1_000}
                keys |= {"seed": seed, "kind": told["kind"], "privileged": told["privileged"]}
                write_cell(place, keys | world, seen, CURVE if told["kind"] == "agent" else ())
    study = {
        "name": "made_up", "title": "Who <b>wins</b>?", "question": "Does it pay?", "smoke": False,
        "study": {}, "baseline": ["practice"], "worlds": about, "contenders": CONTENDERS,
        "variations": {name: {"say": "", "scenarios": []} for name, _ in worlds},
        "left_out": [], "cells": cells, "finished": finished,
        "provenance": {"command": ["run.py", "made up"], "versions": {"numpy": "2"}},
    }  # fmt: skip
    (folder / STUDY).write_text(json.dumps(study))
    return folder


def two_worlds():
    return [
        ("as_it_is", load_scenario("retail", ["horizon=16"])),
        ("as_it_is", load_scenario("control", ["horizon=16"])),
    ]
