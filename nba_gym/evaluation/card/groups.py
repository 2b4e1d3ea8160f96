"""Who is moved by what: the four groups of every action, counted with counterfactual twins."""

from __future__ import annotations

from typing import Any

import polars as pl

from nba_gym.evaluation.card.bench import Bench
from nba_gym.evaluation.card.page import Lines, show, table
from nba_gym.evaluation.report.answer import number
from nba_gym.evaluation.report.figure import plural, readable
from nba_gym.scenario.schema import Scenario
from nba_gym.statistics import Interval
from nba_gym.truth.twins import groups_table

GROUPS = ("persuadable", "sure_thing", "lost_cause", "sleeping_dog")


def moment(scenario: Scenario) -> tuple[int, int]:
    """When the contact is made, and how many periods are watched from then on.

    The last period of the first year, when a contract of a year may be ended, and a quarter of a
    year; less where journeys are shorter.
    """
    period = min(scenario.cycle - 1, scenario.horizon // 2)
    return period, min(max(1, scenario.cycle // 4), scenario.horizon - period)


def moved(bench: Bench, record: dict[str, Any]) -> Lines:
    """The table of groups by action; also into the record."""
    scenario = bench.scenario
    period, watched = moment(scenario)
    n = bench.sizes.targets
    found = groups_table(
        scenario, customers=bench.customers(n), seed=bench.seed, period=period, horizon=watched
    )
    record["groups"] = {"period": period, "watched": watched, "actions": found.to_dicts()}
    contract = scenario.contract.enabled
    some = found.filter(pl.col("n") > 1)
    rows = [_row(each, contract) for each in some.to_dicts()]
    never = [readable(name) for name in found.filter(pl.col("n") <= 1)["action"]]
    heads = ["action", "may get it", *(f"{readable(name)} (%)" for name in GROUPS)]
    if contract:
        heads += ["stays only if contacted (%)", "leaves only if contacted (%)"]
    heads += [f"value of the contact ({scenario.currency})"]
    lines = [
        "## Who is moved by what",
        "",
        f"The same {n:,} customers lived twice with the same luck, once with the action in period "
        f"{period} and once without, and left alone in all other periods; what they buy in the "
        f"{watched} {plural(scenario.period) if watched > 1 else scenario.period} from then on. "
        "A *persuadable* buys only if contacted, a *sleeping dog* only if not; a *sure thing* buys "
        "either way, a *lost cause* neither way, those who left long ago among them. Value is what "
        "the contact changes by then, its costs included, with 95 % intervals over customers.",
        "",
        *table(heads, rows),
    ]
    if never:
        lines += [f"Nobody may get in that period: {', '.join(never)}.", ""]
    return lines


def _row(each: dict[str, Any], contract: bool) -> list[str]:
    shown = list(GROUPS)
    shown += ["staying_persuadable", "staying_sleeping_dog"] if contract else []
    value = Interval(each["value"], each["value_low"], each["value_high"])
    shares = [number(100.0 * each[name], 2) for name in shown]
    return [readable(each["action"]), f"{each['n']:,}", *shares, show(value, "ratio", "")]
