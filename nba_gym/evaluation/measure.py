"""Measure policies by name on held-out customers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from nba_gym.evaluation.contenders import contender
from nba_gym.evaluation.kit import Kit
from nba_gym.evaluation.rollout import Rollout, rollout
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies.checks import check_customers
from nba_gym.statistics import mean_interval


def measure(
    names: Iterable[str],
    kit: Kit,
    customers: int = 10_000,
    *,
    against: Sequence[str] = ("wait",),
) -> pl.DataFrame:
    """Make policies and let each act for the same customers with the same luck.

    Args:
        names: Policies, by the names of ``CONTENDERS``.
        kit: What they are made from, and in which world.
        customers: How many held-out customers.
        against: Policies that differences are taken to; they are measured, too.

    Returns:
        One row a policy, the most valuable first: its name, ``value`` per customer and the paired
        difference to each of ``against``, ``less_<name>``, all with their 95 % intervals in
        ``_low`` and ``_high``; ``contacts`` per customer, and the seconds that making it and its
        rollout took.

    Raises:
        PolicyError: If a policy is not known.
    """
    numbers = SPLIT.reporting(len(check_customers(customers, least=2)))
    wanted = list(dict.fromkeys([*against, *names]))
    runs: dict[str, tuple[Rollout, float, float]] = {}
    for each in [contender(name) for name in wanted]:  # all names are checked before anything runs
        started = time.perf_counter()
        policy = each.make(kit)
        made = time.perf_counter()
        kit.say(f"{each.name} acts for {customers:,} customers")
        world = each.world(kit.scenario)
        run = rollout(policy, world, numbers, SPLIT.seed, threads=kit.threads)
        runs[each.name] = run, made - started, time.perf_counter() - made
    rows: list[dict[str, Any]] = []
    for name, (run, making, acting) in runs.items():
        row: dict[str, Any] = {"policy": name}
        intervals = {"value": mean_interval(run.value)}
        for base in against:
            intervals[f"less_{base}"] = mean_interval(run.value - runs[base][0].value)
        for field, each in intervals.items():
            row |= {field: each.mean, f"{field}_low": each.low, f"{field}_high": each.high}
        row["contacts"] = float(run.contacts.mean())
        rows.append(row | {"seconds_to_make": making, "seconds_to_act": acting})
    return pl.DataFrame(rows).sort("value", descending=True)
