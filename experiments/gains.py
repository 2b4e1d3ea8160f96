"""Gains of trained agents over tuned practice, for the cards: ``python -m experiments.gains``.

Reads what ``make wins`` wrote and renews ``docs/scenarios/gains.json``, world by world.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from agents.train import run_main
from experiments.console import say
from experiments.pages import as_json, write_text
from nba_gym.errors import DataError
from nba_gym.statistics import Interval, seed_interval


@dataclass(frozen=True)
class Arguments:
    """Write the gains that were measured beside the cards of the scenarios."""

    wins: Annotated[tuple[Path, ...], tyro.conf.Positional] = (Path("docs/wins.json"),)
    """files wins.json; where two hold a world, the later one counts"""
    out: Path = Path("docs/scenarios/gains.json")
    """file to renew; worlds that none of them holds stay as they are"""


def main(arguments: Arguments) -> None:
    """Renew the file and say what is in it."""
    known = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {}
    for path in arguments.wins:
        if not path.is_file():
            raise DataError(f"wins must be files that make wins wrote, got {str(path)!r}")
        worlds = json.loads(path.read_text())["worlds"]
        known |= {world["scenario"]: gain(world) for world in worlds}
    write_text(arguments.out, as_json(known))
    for world, found in known.items():
        low, high, seeds = found["low"], found["high"], found["seeds"]
        say(f"{world:<12} {found['mean']:+.2%} [{low:+.2%}, {high:+.2%}], {seeds} training seeds")
    say(f"wrote {arguments.out}")


def gain(world: Mapping[str, Any]) -> dict[str, float]:
    """The gain of agents in one world as a share of practice's value, with its 95 % interval.

    Of one training seed the interval is that over customers; of several it is Student's over the
    seeds.
    """
    level = abs(world["practice"]["value"])
    shares = np.array([seed["gain"] for seed in world["seeds"]]) / level
    several = len(shares) > 1
    found = seed_interval(shares[:, 0]) if several else Interval(*shares[0])
    ends = {"mean": found.mean, "low": found.low, "high": found.high}
    return {name: round(float(x), 5) for name, x in ends.items()} | {"seeds": len(shares)}


if __name__ == "__main__":
    run_main(main, Arguments)
