"""``docs/wins.md``, from the numbers that ``experiments.wins`` keeps and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.pages import in_percent, signed
from nba_gym.evaluation.card.page import table
from nba_gym.evaluation.report.figure import readable
from nba_gym.statistics import Interval, share_interval

PAGE = "wins.md"
_INTRODUCTION = """\
How many training seeds beat tuned greedy practice, and how soon. Each seed is a fresh process of
`python -m agents.train`, timed from before its start until it is gone. It *wins* if its policy
earns more than tuned practice on held-out customers that nothing else looks at: the 95 % interval
over customers of the paired difference lies above 0.

**Inside the time**: the interpreter and all imports, reading compiled code from the cache, reading
tuned practice (if the recipe imitates it), imitation, learning, watching held-out customers to
choose what is kept, and writing curve and weights.
**Not inside**: practice itself (its random campaign, its models and its settings, learned and tuned
once for a scenario and given to the training as files), compiling (the first training after a
change of sources or versions takes about 20 s more), exporting a policy folder, comparing."""


def page(about: Mapping[str, Any]) -> str:
    """The text of the page."""
    practice, steps = about["practice"], about["steps"]
    budget = "its own" if steps is None else f"{steps:,} (imitation not counted)"
    limit = f"{about['seconds']:g} s"
    heads = ["scenario", "seeds", "win", f"win within {limit}", "95 % interval of that share"]
    heads += ["seconds, median", "most", "gain, median", "least to most", "median gain (%)"]
    lines = [
        "# Wins over tuned practice, from a cold start",
        "",
        "*Written by `python -m experiments.wins --write`; do not edit. Every number is also in "
        "[wins.json](wins.json), seed by seed.*",
        "",
        _INTRODUCTION,
        "",
        f"Recipe `{about['recipe']}`, transitions: {budget}; {about['threads']} torch "
        f"{'thread' if about['threads'] == 1 else 'threads'} on {about['cores']} cores; "
        f"{about['customers']:,} held-out customers. Practice learned from a campaign of "
        f"{practice['campaign']:,} customers and was tuned in at most {practice['trials']} trials "
        f"on {practice['tuning']:,}. The interval of the share is the exact binomial one; gains "
        "are per customer.",
        "",
        *([about["note"], ""] if about["note"] else []),
        *table(heads, [row(world, about["seconds"]) for world in about["worlds"]]),
        "## Seed by seed",
        "",
    ]
    for world in about["worlds"]:
        lines += _seeds(world)
    return "\n".join(lines).rstrip() + "\n"


def row(world: Mapping[str, Any], limit: float) -> list[str]:
    """One scenario in the table."""
    seeds, unit = world["seeds"], world["currency"]
    n, level = len(seeds), world["practice"]["value"]
    in_time = won(seeds, limit)
    share = share_interval(in_time, n)
    seconds = [one["seconds"] for one in seeds]
    gains = [one["gain"][0] for one in seeds]
    median = float(np.median(gains))
    return [
        readable(world["scenario"]),
        str(n),
        f"{won(seeds)} of {n}",
        f"{in_time} of {n}",
        f"{share.low:.0%} to {share.high:.0%}",
        f"{np.median(seconds):.1f}",
        f"{max(seconds):.1f}",
        f"{median:+.2f} {unit}",
        f"{min(gains):+.2f} to {max(gains):+.2f}",
        f"{100.0 * median / abs(level):+.2f}",
    ]


def won(seeds: Sequence[Mapping[str, Any]], limit: float = float("inf")) -> int:
    """Seeds that win, in processes of at most ``limit`` seconds."""
    return sum(one["won"] and one["seconds"] <= limit for one in seeds)


def summary(world: Mapping[str, Any], limit: float) -> str:
    """What the terminal is told of a world."""
    name, n, wins, in_time, share, middle, most, gain, reach, percent = row(world, limit)
    return (
        f"{name}: {wins} win, {in_time} within {limit:g} s ({share} of {n}); {middle} s median, "
        f"{most} s most; gain {gain} ({percent} %), {reach}"
    )


def _seeds(world: Mapping[str, Any]) -> list[str]:
    level = world["practice"]["value"]
    rows: list[list[str]] = []
    for one in world["seeds"]:
        gain = Interval(*one["gain"])
        numbers = [f"{one[key]:.1f}" for key in ("seconds", "training_seconds")]
        told = [signed(gain), signed(in_percent(gain, level)), "yes" if one["won"] else "no"]
        rows.append([str(one["seed"]), *numbers, f"{one['transitions']:,}", *told])
    unit = world["currency"]
    heads = ["seed", "seconds", "of these training", "transitions", f"gain ({unit})", "gain (%)"]
    title = f"**{readable(world['scenario'])}** (practice: {level:.2f} {unit} per customer)"
    return [title, "", *table([*heads, "wins"], rows)]
