"""Gains of trained agents over tuned practice, for the cards: ``python -m experiments.gains``.

Reads what ``make study`` wrote and renews ``docs/scenarios/gains.json``, world by world.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from agents.files import whole_file
from agents.train import run_main
from experiments.console import say
from experiments.steps import PRACTICE
from nba_gym.errors import DataError
from nba_gym.statistics import seed_interval

AGENT = "agent from practice"


@dataclass(frozen=True)
class Arguments:
    """Write the gains that studies measured beside the cards of the scenarios."""

    studies: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """files study.json; where two hold a world, the later one counts"""
    out: Path = Path("docs/scenarios/gains.json")
    """file to renew; worlds that no study holds stay as they are"""


def main(arguments: Arguments) -> None:
    """Renew the file and say what is in it."""
    known = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {}
    for path in arguments.studies:
        if not path.is_file():
            raise DataError(f"studies must be files that make study wrote, got {str(path)!r}")
        known |= gains(json.loads(path.read_text()))
    with whole_file(arguments.out) as draft:
        draft.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    for world, gain in known.items():
        low, high, seeds = gain["low"], gain["high"], gain["seeds"]
        say(f"{world:<12} {gain['mean']:+.2%} [{low:+.2%}, {high:+.2%}], {seeds} training seeds")
    say(f"wrote {arguments.out}")


def gains(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Gains of agents that began where practice is, as shares of practice's value, by world.

    Of one training seed the 95 % interval is that over customers; of several it is Student's over
    the seeds.
    """
    found: dict[str, dict[str, float]] = {}
    for world in dict.fromkeys(row["world"] for row in rows):
        here = {row["policy"]: row for row in rows if row["world"] == world}
        agents = [row for name, row in here.items() if name.startswith(AGENT)]
        if not agents or PRACTICE not in here:
            continue
        level = abs(here[PRACTICE]["value"])
        shares = np.array([row["difference"] / level for row in agents])
        if len(shares) > 1:
            mean, low, high = seed_interval(shares)
        else:
            mean = float(shares[0])
            low, high = (agents[0][f"difference_{end}"] / level for end in ("low", "high"))
        found[world] = {
            "mean": round(mean, 5),
            "low": round(low, 5),
            "high": round(high, 5),
            "seeds": len(shares),
        }
    return found


if __name__ == "__main__":
    run_main(main, Arguments)
