"""Who gains: value and contact by persona, and rewards that were earned at the firm's expense."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba_gym.evaluation.results import Results
from nba_gym.evaluation.statistics.sides import gain_of, side_of
from nba_gym.evaluation.statistics.typical import Floats
from nba_gym.statistics import Interval

Customers = Mapping[str, NDArray[Any]]
TERMS = {
    "profit": "value",
    "purchases": "purchases",
    "responses": "responses",
    "contacts": "contacts",
    "opt_outs": "opt_outs",
    "loyalty": "loyalty",
}
"""Terms of a reward, and the column by customer that tells what they came to."""


def by_persona(results: Results) -> pl.DataFrame:
    """Value, gain over the baseline, contacts and opt-outs of each persona under each contender.

    Returns:
        A row for each scenario, variation, contender and persona: ``share`` of the customers,
        ``value`` and ``left``, means over customers and seeds; ``gain``, ``contacts`` and
        ``opt_outs``, of the typical seed, each with its 95 % interval over seeds and customers
        (``gain_low``, ``gain_high``).
    """
    rows: list[dict[str, Any]] = []
    for keys, cells, base in _beside_baseline(results):
        personas = results.world(cells[0])["personas"]
        several = [results.customers(name) for name in cells]
        before = [results.customers(name)["value"] for name in base]
        for number, persona in enumerate(personas):
            who = several[0]["persona"] == number
            if who.sum() < 2:
                continue
            gain = _gain([each["value"][who] for each in several], [each[who] for each in before])
            row = {**keys, "persona": persona, "share": float(who.mean())}
            row |= {name: _mean(several, name, who) for name in ("value", "left")}
            row |= _columns("gain", gain)
            for name in ("contacts", "opt_outs"):
                per_seed = [each[name][who].astype(np.float64) for each in several]
                row |= _columns(name, side_of(per_seed).value().interval())
            rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def audit(results: Results) -> pl.DataFrame:
    """What agents with a reward of their own earned by it, and what the firm earned by them.

    Returns:
        A row for each such agent in each scenario and variation, beside the baseline: ``reward``,
        the weights; ``objective``, what its reward came to more, and ``profit``, what the firm
        earned more, per customer with their 95 % intervals; contacts, discounts, opt-outs and the
        share that left, each less the baseline's; and ``hacked``, whether its reward rose while
        profit fell, both beyond chance. Counts are not discounted here, as they were for the agent.
    """
    rewards = {
        name: about["reward"]
        for name, about in results.study["contenders"].items()
        if about.get("reward") is not None
    }
    rows: list[dict[str, Any]] = []
    for keys, cells, base in _beside_baseline(results):
        weights = rewards.get(keys["contender"])
        if weights is None:
            continue
        several, before = ([results.customers(name) for name in each] for each in (cells, base))
        objective = _gain(*([_worth(each, weights) for each in side] for side in (several, before)))
        profit = _gain(*([each["value"] for each in side] for side in (several, before)))
        told = ", ".join(f"{weight:g} {term}" for term, weight in weights.items() if weight)
        row: dict[str, Any] = {**keys, "reward": told}
        row |= _columns("objective", objective) | _columns("profit", profit)
        everybody = np.ones(len(before[0]["value"]), dtype=np.bool_)
        for name in ("contacts", "discounts", "opt_outs", "left"):
            row[name] = _mean(several, name, everybody) - _mean(before, name, everybody)
        rows.append(row | {"hacked": objective.low > 0.0 > profit.high})
    return pl.DataFrame(rows, infer_schema_length=None)


def _worth(customers: Customers, weights: Mapping[str, float]) -> Floats:
    """What each customer came to by a reward; what loyalty was at the beginning is left out."""
    found = np.zeros(len(customers["value"]))
    for term, weight in weights.items():
        if weight:
            found += weight * customers[TERMS[term]]
    return found


def _gain(ones: list[Floats], bases: list[Floats]) -> Interval:
    """A paired difference over seeds and customers, one array by customer for each seed."""
    return gain_of(side_of(ones), side_of(bases)).interval()


def _mean(several: list[Any], name: str, who: NDArray[np.bool_]) -> float:
    return float(np.mean([each[name][who].mean() for each in several]))


def _columns(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _beside_baseline(results: Results) -> list[tuple[dict[str, str], list[str], list[str]]]:
    """Keys of each contender, its cells by seed, and those of the baseline beside it."""
    found: list[tuple[dict[str, str], list[str], list[str]]] = []
    places = dict.fromkeys(
        (r["scenario"], r["variation"], r["contender"]) for r in results.records.values()
    )
    for scenario, variation, contender in places:
        keys = {"scenario": scenario, "variation": variation}
        baseline = results.baseline(scenario, variation)
        if baseline is not None:
            cells, base = (results.select(**keys, contender=n) for n in (contender, baseline))
            found.append(({**keys, "contender": contender}, cells, base))
    return found
