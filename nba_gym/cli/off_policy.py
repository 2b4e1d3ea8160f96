"""The command that judges policies by the log of another one."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nba_gym.cli.common import (
    Chosen,
    Given,
    Json,
    Name,
    answer,
    columns,
    find_policy,
    say,
    whisper,
)
from nba_gym.effort import PolicyEffort
from nba_gym.errors import PolicyError, check_least
from nba_gym.scenario import Scenario, load_scenario

if TYPE_CHECKING:
    from nba_gym.evaluation.off_policy import Judged
    from nba_gym.statistics import Interval

BEST = "weighted doubly robust"
"""The estimate that is shown first."""
FEW = 100
"""Customers in effect below which an estimate is called one to be careful with."""


@dataclass(frozen=True)
class OffPolicy:
    """Judge policies by the log of another one: what they would have earned of its customers.

    The log is an event log with the column propensity: how likely the policy that acted was to do
    what it did. nba-gym simulate writes one for policies that draw: random, or any with --epsilon.
    Every answer comes with the number of customers in effect: the more a policy differs from the
    one that acted, and the longer the journeys, the fewer they are.

    Try:

    nba-gym simulate retail --policy wait --epsilon 0.5 --periods 6 --out runs/log

    nba-gym off-policy retail runs/log --policies wait random --truth 100_000
    """

    scenario: Name
    """preset name or TOML file: the world that the log is of"""
    log: Name
    """folder of the log: births and events, as nba-gym simulate writes them"""
    policies: tuple[str, ...] = ("wait", "practice")
    """those to judge: names that `nba-gym policies` lists, or folders of exported policies"""
    periods: int | None = None
    """judge the first so many periods only; by default all of the log"""
    customers: int | None = 20_000
    """customers of the log to judge by, those with the lowest numbers; more take more memory"""
    folds: int = 2
    """parts of the customers; the values of each are fitted to the others"""
    truth: int = 0
    """simulate so many other customers under each policy as well, to see what is true"""
    out: Path | None = None
    """folder for the table, as CSV, and a picture (needs matplotlib)"""
    effort: Given = field(default_factory=PolicyEffort)
    set: tuple[str, ...] = ()
    """changes to the scenario, e.g. leaving.by_loyalty=2.0"""
    json: Json = False

    def run(self) -> None:
        """Read, judge, compare with the truth if asked for, and print the tables."""
        from nba_gym.evaluation.kit import Kit
        from nba_gym.evaluation.off_policy import judge_by_log, logged_journeys
        from nba_gym.records.log import read_log

        scenario = load_scenario(self.scenario, self.set)
        check_least(0, truth=self.truth)
        if len(set(self.policies)) < len(self.policies) or not self.policies:
            raise PolicyError(f"policies must be some, and differ, got {self.policies}")
        if self.out is not None and any(p.is_file() for p in (self.out, *self.out.parents)):
            raise PolicyError(f"out must be a folder, got {str(self.out)!r}, a file or in one")
        _check_same_world(Path(self.log), scenario)
        limits = {"customers": self.customers, "periods": self.periods}
        journeys = logged_journeys(read_log(self.log, scenario, **limits), scenario)
        kit = Kit(scenario, **vars(self.effort), say=say)
        chosen = {name: find_policy(name, kit, as_it_is=True) for name in self.policies}
        asked = {name: each.policy for name, each in chosen.items()}
        judged = judge_by_log(asked, journeys, periods=self.periods, folds=self.folds)
        periods, n = journeys.actions.shape
        truths = self._truths(chosen, scenario, periods)
        rows = [_row(each, judged, truths.get(name)) for name, each in judged.items()]
        wrote = [] if self.out is None else _write(self.out, rows, judged, truths, scenario)
        result = {
            "scenario": scenario.name,
            "currency": scenario.currency,
            "customers": n,
            "periods": periods,
            "policies": rows,
            "wrote": [str(path) for path in wrote],
        }
        answer("off-policy", result, as_json=self.json, text=lambda: _text(result))

    def _truths(
        self, chosen: dict[str, Chosen], scenario: Scenario, periods: int
    ) -> dict[str, Interval]:
        """What the policies come to with other customers, by name; nothing if not asked for."""
        from nba_gym.evaluation.bulk import Bulk, simulate
        from nba_gym.evaluation.split import SPLIT
        from nba_gym.statistics import Interval

        found: dict[str, Interval] = {}
        for name, each in chosen.items() if self.truth else ():
            say(f"the truth of {name}")
            first = int(SPLIT.reporting(1)[0])
            bulk = Bulk(self.truth, first=first, seed=SPLIT.seed, periods=periods)
            with tempfile.TemporaryDirectory() as place:
                everybody = simulate(each.policy, scenario, bulk, place).summary[0]
            ends = (everybody[key] for key in ("value", "value_low", "value_high"))
            found[name] = Interval(*ends)
        return found


def _check_same_world(folder: Path, scenario: Scenario) -> None:
    """Refuse the log of a simulation in another world; a firm's own log has no such mark."""
    import json

    from nba_gym.errors import DataError
    from nba_gym.scenario.load import scenario_hash

    try:
        about = json.loads((folder / "simulation.json").read_text())["scenario"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if not isinstance(about, dict):
        return
    about = cast(dict[str, Any], about)
    if about.get("hash") != scenario_hash(scenario):
        raise DataError(
            f"log must be of {scenario.name} as it is given ({scenario_hash(scenario)}), "
            f"got one of {about.get('name')} ({about.get('hash')})"
        )


def _row(one: Judged, judged: dict[str, Judged], truth: Interval | None) -> dict[str, Any]:
    from nba_gym.evaluation.off_policy import AS_LOGGED, ESTIMATORS

    row: dict[str, Any] = {"policy": one.name}
    for name in ESTIMATORS:
        if name in one.estimates:
            row |= _three(name.replace(" ", "_"), one.estimates[name])
    row |= _three("less_logged", one.less(judged[AS_LOGGED]))
    row |= {"effective": float(one.effective[-1]), "heaviest": float(one.heaviest[-1])}
    row |= _three("covered", one.covered)
    return row | (_three("truth", truth) if truth is not None else {})


def _three(name: str, interval: Interval) -> dict[str, float | None]:
    values = {"": interval.mean, "_low": interval.low, "_high": interval.high}
    return {name + end: None if math.isnan(x) else float(x) for end, x in values.items()}


def _text(result: dict[str, Any]) -> str:
    def shown(row: dict[str, Any], key: str, sign: str = "") -> str:
        if row.get(key) is None:
            return ""
        value = f"{row[key]:{sign}.2f}"
        if row.get(f"{key}_low") is None:
            return value
        return f"{value} [{row[f'{key}_low']:{sign}.2f}, {row[f'{key}_high']:{sign}.2f}]"

    rows: list[dict[str, str]] = []
    others: list[dict[str, str]] = []
    for row in result["policies"]:
        main = {"policy": row["policy"], BEST: shown(row, BEST.replace(" ", "_"))}
        main["less logged"] = shown(row, "less_logged", "+")
        main |= {"in effect": f"{row['effective']:,.0f}", "heaviest": f"{row['heaviest']:.1%}"}
        main["covered"] = f"{row['covered']:.1%}"
        if any("truth" in each for each in result["policies"]):
            main["truth"] = shown(row, "truth")
        rows.append(main)
        keys = {"doubly robust": "doubly_robust", "weighted": "weighted"}
        keys |= {"importance": "importance", "direct": "direct"}
        told = {name: shown(row, key) for name, key in keys.items()}
        others.append({"policy": row["policy"]} | told)
    title = (
        f"value per customer in {result['currency']} over {result['periods']} periods, with 95 % "
        f"intervals, by the log of {result['customers']:,} customers"
    )
    lines = [title, columns(rows, left=("policy",)), "", "by the other estimators"]
    lines.append(columns(others, left=("policy",)))
    lines += _warnings(result["policies"])
    return "\n".join(lines + [f"wrote {path}" for path in result["wrote"]])


def _warnings(rows: list[dict[str, Any]]) -> list[str]:
    """What to be careful with, a line each."""
    lines: list[str] = []
    for row in rows:
        if row["covered_high"] < 1.0:
            lines.append(
                f"careful: the log seems never to have tried {1.0 - row['covered']:.1%} of what "
                f"{row['policy']} would do; its estimates are of something else"
            )
        if row["covered"] - 1.0 > 2.0 * (row["covered"] - row["covered_low"]):
            lines.append(
                f"careful: what {row['policy']} would do is {row['covered']:.1%} of what can be "
                "done; it can be 100 % at most, so see whether propensities are of what was done"
            )
        if row["effective"] < FEW:
            lines.append(
                f"careful: {row['effective']:,.0f} customers in effect for {row['policy']}; judge "
                "fewer --periods, log more customers, or log a policy that is more like it"
            )
    return lines


def _write(
    out: Path,
    rows: list[dict[str, Any]],
    judged: dict[str, Judged],
    truths: dict[str, Interval],
    scenario: Scenario,
) -> list[Path]:
    import polars as pl

    from nba_gym.errors import MissingExtraError
    from nba_gym.evaluation.off_policy_picture import draw_judged
    from nba_gym.files import whole_file

    out.mkdir(parents=True, exist_ok=True)
    table, picture = out / "off_policy.csv", out / "off_policy.png"
    with whole_file(table) as draft:
        pl.DataFrame(rows, infer_schema_length=None).write_csv(draft)
    try:
        draw_judged(judged, truths, scenario, picture)
    except MissingExtraError as missing:
        whisper(str(missing))
        return [table]
    return [table, picture]
