"""From the cells of a study to what may be said: who is better, by how much, and how surely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba_gym.errors import DataError
from nba_gym.evaluation.results import Results
from nba_gym.evaluation.statistics.power import customers_for, seeds_for
from nba_gym.evaluation.statistics.sides import Side, gain_of, over_seeds, side_of
from nba_gym.evaluation.statistics.testing import gap_of, holm, improvement, permutation_p
from nba_gym.evaluation.statistics.typical import (
    Estimate,
    Floats,
    interquartile_mean,
    over_customers,
    stratum_shares,
    typical,
    with_customers,
)
from nba_gym.statistics import Interval

Verdict = Literal["better", "worse", "equal", "underpowered"]
MATTERS = 0.01
"""Differences below this share of the baseline's value do not matter."""
LEVEL = 0.05
ENOUGH = 4
"""Seeds on both sides from which on a permutation test can tell them apart."""
OPTIMAL = "optimal"


@dataclass(frozen=True)
class Answer:
    """One contender beside the baseline, in one variation of one scenario.

    Attributes:
        scenario: Name of the world.
        variation: Name of the variation.
        contender: Who.
        baseline: Who differences are taken to.
        privileged: Whether the contender sees what a firm cannot.
        seeds: Training seeds; 1 for a policy that is not trained.
        alone: Whether it, or the baseline, is trained and has a single seed, which says nothing of
            others: nothing can be said then.
        value: What the typical seed is worth per customer, with its 95 % interval.
        gain: The same less the baseline, on the same customers.
        percent: The gain in per cent of the baseline's value.
        p: Two-sided p-value of no gain.
        p_holm: The same, adjusted for all comparisons of the study (Holm); that of a privileged
            contender, a yardstick that nobody asks about, is not.
        improvement: Probability that a seed does better than the baseline.
        of_optimum: Value as a share of that of the best policy, where it is known.
        verdict: What may be said: ``equal`` if the interval lies within 1 % of the baseline's
            value, ``underpowered`` if nothing can be said.
        seeds_needed: If underpowered, seeds with which a gain of 1 % would be seen in 80 % of
            studies; none if more seeds alone would not do.
        customers_needed: If more seeds alone would not do, customers that it takes at least.
    """

    scenario: str
    variation: str
    contender: str
    baseline: str
    privileged: bool
    seeds: int
    alone: bool
    value: Interval
    gain: Interval
    percent: Interval
    p: float
    p_holm: float
    improvement: Interval
    of_optimum: float | None
    verdict: Verdict
    seeds_needed: int | None
    customers_needed: int | None


class _Needs(NamedTuple):
    """What it takes to tell how many seeds or customers would do.

    Attributes:
        effect: The smallest difference that matters.
        seeds: The gain with its error over seeds; none where nobody has seeds.
        n_seeds: How many there were.
        owed: Standard error owed to customers.
        n_customers: How many there were.
    """

    effect: float
    seeds: Estimate | None
    n_seeds: int
    owed: float
    n_customers: int


def answers(results: Results, matters: float = MATTERS) -> list[Answer]:
    """What may be said of every contender, in the order of the study.

    Args:
        results: A study; cells that are not there yet are left out.
        matters: Share of the baseline's value below which a difference does not matter.
    """
    found: list[tuple[Answer, _Needs]] = []
    places = dict.fromkeys((r["scenario"], r["variation"]) for r in results.records.values())
    for scenario, variation in places:
        cells = results.select(scenario=scenario, variation=variation)
        who = dict.fromkeys(results.cell(name)["contender"] for name in cells)
        baseline = results.baseline(scenario, variation)
        if baseline is None:
            continue
        numbers = results.customers(cells[0])["customer"]
        sides = {name: _side(results, scenario, variation, name, numbers) for name in who}
        for name in who:
            if name != baseline:
                one = results.cell(results.select(**_keys(scenario, variation, name))[0])
                base = results.cell(results.select(**_keys(scenario, variation, baseline))[0])
                answer, needs = _answer(sides[name], sides[baseline], sides.get(OPTIMAL), matters)
                pairs = ((one, sides[name]), (base, sides[baseline]))
                alone = any(c["kind"] == "agent" and not side.several for c, side in pairs)
                about = {"scenario": scenario, "variation": variation, "contender": name}
                about |= {"baseline": baseline, "privileged": one["privileged"], "alone": alone}
                found.append((replace(answer, **about), needs))
    return _adjusted(found, matters)


def _keys(scenario: str, variation: str, contender: str) -> dict[str, str]:
    return {"scenario": scenario, "variation": variation, "contender": contender}


def _side(
    results: Results, scenario: str, variation: str, contender: str, numbers: NDArray[Any]
) -> Side:
    """A contender in a variation of a world; all must have met the same customers."""
    cells = results.select(**_keys(scenario, variation, contender))
    several = [results.customers(name) for name in cells]
    for name, each in zip(cells, several, strict=True):
        if not np.array_equal(each["customer"], numbers):
            raise DataError(f"cells must have the same customers, got others in {name!r}")
    return side_of([each["value"] for each in several])


def _answer(one: Side, base: Side, best: Side | None, matters: float) -> tuple[Answer, _Needs]:
    """What is known of two sides; who they are, and what p makes of it, is filled in afterwards."""
    customers = over_customers(one.by_customer - base.by_customer)
    estimate = gain_of(one, base)
    level = abs(float(base.by_seed.mean()))
    gain, value = estimate.interval(), one.value().interval()
    n_seeds = max(len(one.by_seed), len(base.by_seed))
    needs = _Needs(
        matters * level,
        over_seeds(one, base),
        n_seeds,
        float(customers.error),
        len(one.by_customer),
    )
    answer = Answer(
        "", "", "", "", False, len(one.by_seed), False,
        value=value,
        gain=gain,
        percent=Interval(*(100.0 * x / level if level else float("nan") for x in gain)),
        p=_p_value(one, base, estimate, customers),
        p_holm=float("nan"),
        improvement=improvement(one.by_seed, base.by_seed),
        of_optimum=None if best is None else value.mean / float(best.by_seed.mean()),
        verdict="underpowered",
        seeds_needed=None,
        customers_needed=None,
    )  # fmt: skip
    return answer, needs


def _p_value(one: Side, base: Side, estimate: Estimate, customers: Estimate) -> float:
    """How surely they differ: where both have seeds, beyond the luck of seeds and of customers."""
    if min(len(one.by_seed), len(base.by_seed)) < ENOUGH:
        return float(estimate.p_value())
    seeds = permutation_p(one.by_seed, base.by_seed)
    return max(float(seeds), float(customers.p_value()))


def _adjusted(found: Sequence[tuple[Answer, _Needs]], matters: float) -> list[Answer]:
    """The same with p-values adjusted for the family, and verdicts by them."""
    family = [i for i, (each, _) in enumerate(found) if not (each.privileged or each.alone)]
    adjusted = dict(zip(family, holm([found[i][0].p for i in family]), strict=True))
    # by how much the next one up is held to more than the usual level
    ranked = sorted(family, key=lambda i: found[i][0].p)
    levels = {i: LEVEL / (len(family) - rank) for rank, i in enumerate(ranked)}
    told: list[Answer] = []
    for i, (each, needs) in enumerate(found):
        p = adjusted.get(i, each.p)
        answer = replace(each, p_holm=p, verdict=_verdict(each, p, matters))
        if answer.verdict == "underpowered" and not each.alone:
            answer = replace(answer, **_enough(needs, levels.get(i, LEVEL)))
        told.append(answer)
    return told


def _enough(needs: _Needs, level: float) -> dict[str, int | None]:
    """Seeds with which the smallest difference that matters is seen; else customers that it takes.

    Args:
        needs: What there was.
        level: Of the test, as Holm holds this comparison to it.
    """
    effect, seeds, n_seeds, owed, n_customers = needs
    enough = None if seeds is None else seeds_for(effect, seeds, n_seeds, owed, level)
    if enough is not None or effect == 0.0:
        return {"seeds_needed": enough, "customers_needed": None}
    more = customers_for(effect, owed, n_customers, level)
    return {"seeds_needed": None, "customers_needed": more if more > n_customers else None}


def _verdict(answer: Answer, p: float, matters: float) -> Verdict:
    if answer.alone:
        return "underpowered"
    if p < LEVEL:
        return "better" if answer.gain.mean > 0.0 else "worse"
    if max(abs(answer.percent.low), abs(answer.percent.high)) <= 100.0 * matters:
        return "equal"
    return "underpowered"


@dataclass(frozen=True)
class Overall:
    """A contender over scenarios of a variation in which it and the baseline take part.

    Attributes:
        variation: Name of the variation.
        contender: Who.
        scenarios: Where: all in which every agent takes part that a firm could use, so that
            contenders are averaged over the same worlds; if there is none, its own.
        percent: Interquartile mean, over all seeds of all these scenarios, of the gain in per cent
            of the baseline's value, with its 95 % interval over other seeds and other customers;
            none with fewer than 2 seeds.
        improvement: Mean probability of doing better than the baseline.
        p_holm: Two-sided p-value of no gain, adjusted for all contenders of the variation that a
            firm could use (Holm); that of a privileged one as it is, not a number without seeds.
    """

    variation: str
    contender: str
    scenarios: tuple[str, ...]
    percent: Interval | None
    improvement: float
    p_holm: float


@dataclass(frozen=True)
class Scores:
    """Gains in per cent of the baseline's value in one scenario.

    Attributes:
        by_seed: By training seed, the mean over customers, less the typical seed of the baseline.
        baseline: The baseline's own seeds likewise: 0 where it is not trained.
        by_customer: By customer, the mean over seeds.
    """

    by_seed: Floats
    baseline: Floats
    by_customer: Floats


def scores(results: Results, variation: str, contender: str) -> dict[str, Scores]:
    """Gains of a contender by scenario, wherever it and a baseline have cells."""
    found: dict[str, Scores] = {}
    for scenario in dict.fromkeys(r["scenario"] for r in results.records.values()):
        baseline = results.baseline(scenario, variation)
        cells = results.select(**_keys(scenario, variation, contender))
        if baseline in (None, contender) or not cells:
            continue
        numbers = results.customers(cells[0])["customer"]
        base = _side(results, scenario, variation, baseline, numbers)
        one = _side(results, scenario, variation, contender, numbers)
        if level := abs(float(base.by_seed.mean())):
            usual = interquartile_mean(base.by_seed)
            found[scenario] = Scores(
                100.0 * (one.by_seed - usual) / level,
                100.0 * (base.by_seed - usual) / level,
                100.0 * (one.by_customer - base.by_customer) / level,
            )
    return found


def common_scores(results: Results, variation: str) -> dict[str, dict[str, Scores]]:
    """Gains of every contender in the scenarios that its figures over all of them are made of.

    A mean over more worlds is not to be compared with one over fewer: these are all in which each
    agent that a firm could use takes part. Where there is no such world, each keeps its own.
    """
    of = {r["contender"]: r["privileged"] for r in results.records.values()}
    found = {name: part for name in of if (part := scores(results, variation, name))}
    trained = [
        set(part)
        for name, part in found.items()
        if not of[name]
        and name not in results.study["baseline"]
        and max(len(each.by_seed) for each in part.values()) > 1
    ]
    common = set[str].intersection(*trained) if trained else set[str]()
    if not common:
        return found
    return {
        name: {scenario: each for scenario, each in part.items() if scenario in common}
        for name, part in found.items()
        if common & set(part)
    }


def overall(results: Results) -> list[Overall]:
    """All contenders over all scenarios that they have in common, variation by variation."""
    hidden = {r["contender"] for r in results.records.values() if r["privileged"]}
    found: list[Overall] = []
    for variation in dict.fromkeys(r["variation"] for r in results.records.values()):
        several = common_scores(results, variation)
        gains = {name: _over_worlds([*parts.values()]) for name, parts in several.items()}
        p = {name: float(gain.p_value()) for name, gain in gains.items() if gain is not None}
        family = [name for name in p if name not in hidden]
        p |= dict(zip(family, holm([p[name] for name in family]), strict=True))
        for contender, parts in several.items():
            better = [improvement(part.by_seed, part.baseline).mean for part in parts.values()]
            gain = gains[contender]
            percent = None if gain is None else gain.interval()
            found.append(
                Overall(
                    variation,
                    contender,
                    tuple(parts),
                    percent,
                    float(np.mean(better)),
                    float(p.get(contender, float("nan"))),
                )
            )
    return found


def _over_worlds(parts: Sequence[Scores]) -> Estimate | None:
    """What the typical seed gains over several scenarios; none where one of them has no seeds."""
    strata = [part.by_seed for part in parts]
    if min(len(part) for part in strata) < 2:
        return None
    estimate, gains = typical(strata), list[Floats]()
    for share, part in zip(stratum_shares(strata), parts, strict=True):
        gains.append(share * part.by_customer)
        if len(part.baseline) > 1:
            estimate = gap_of(estimate, typical([share * part.baseline]))
    return with_customers(estimate, *gains)


def as_table(found: Sequence[Answer | Overall]) -> pl.DataFrame:
    """Answers as a table: an interval ``x`` is in the columns ``x``, ``x_low`` and ``x_high``."""
    rows: list[dict[str, Any]] = []
    for answer in found:
        row: dict[str, Any] = {}
        for name, value in vars(answer).items():
            if isinstance(value, Interval):
                row |= {name: value.mean, f"{name}_low": value.low, f"{name}_high": value.high}
            elif isinstance(value, tuple):
                row[name] = " ".join(cast(tuple[str, ...], value))
            else:
                row[name] = value
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)
