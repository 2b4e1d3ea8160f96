"""The command that simulates millions of customers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nba_gym.cli.common import (
    Chosen,
    Given,
    Json,
    Name,
    answer,
    bars,
    columns,
    find_policy,
    say,
    whisper,
)
from nba_gym.effort import PolicyEffort
from nba_gym.scenario import Scenario, load_scenario

if TYPE_CHECKING:
    from nba_gym.evaluation.bulk import Bulk
    from nba_gym.evaluation.cluster import Cluster


@dataclass(frozen=True)
class Simulate:
    """Simulate many customers under one policy, and keep their event log, or only totals.

    The event log is written as it comes, a file of some customers each, so memory does not grow
    with the number of customers. Totals by period and persona (value and its parts, contacts,
    opt-outs, churn, purchases) are written in either case. Ctrl-C stops it, and so does a crash;
    the same command goes on, and what comes out is the same to the bit.

    Try:

    nba-gym simulate retail --policy random --customers 100_000 --out runs/log

    nba-gym simulate retail --policy runs/first-comparison/policy --customers 10_000_000
    --totals-only --out runs/totals
    """

    scenario: Name
    """preset name or TOML file"""
    policy: str = "random"
    """one that `nba-gym policies` lists, or the folder of an exported policy"""
    epsilon: float = 0.0
    """share of the decisions in which one of the allowed actions is drawn instead: a log that tells
    what other policies are worth (nba-gym off-policy)"""
    customers: int = 100_000
    """how many customers"""
    out: Path = Path("runs/simulation")
    """folder for everything"""
    totals_only: bool = False
    """totals alone, no event log: several times as fast"""
    periods: int | None = None
    """periods of each journey; by default all of the scenario's"""
    first: int = 0
    """number of the first customer"""
    seed: int = 0
    """seed of the world"""
    part: int | None = None
    """customers of a part: rows of a file, and what is lost at most when it is stopped"""
    threads: int | None = None
    """by default one a processor"""
    engine: Literal["local", "ray"] = "local"
    """threads of this machine, or the processors of a Ray cluster"""
    address: str = "auto"
    """of the Ray cluster"""
    fresh: bool = False
    """begin anew, where the folder holds an earlier simulation"""
    effort: Given = PolicyEffort()
    set: tuple[str, ...] = ()
    """changes to the scenario, e.g. leaving.by_loyalty=2.0"""
    json: Json = False

    def run(self) -> None:
        """Simulate, tell how it goes, and print the totals."""
        from nba_gym.evaluation.bulk import Bulk

        scenario = load_scenario(self.scenario, self.set)
        bulk = Bulk(
            self.customers,
            first=self.first,
            seed=self.seed,
            periods=self.periods,
            events=not self.totals_only,
            part=self.part,
            threads=self.threads,
        )
        bulk.check(scenario)
        cluster = None
        if self.engine == "ray":
            from nba_gym.evaluation.cluster import Cluster

            cluster = Cluster(self.address)
        try:
            self._simulate(scenario, bulk, cluster)
        finally:
            if cluster is not None:
                cluster.close()

    def _simulate(self, scenario: Scenario, bulk: Bulk, cluster: Cluster | None) -> None:
        from nba_gym.evaluation.bulk import simulate

        begun = time.perf_counter()
        with bars() as tell:
            chosen = self._choose(scenario, tell)
            begun, reused = time.perf_counter(), [-1, 0]

            def progress(done: int, total: int) -> None:
                reused[0] = done if reused[0] < 0 else reused[0]
                reused[1] = done
                tell("simulating", done, total)

            try:
                totals = simulate(
                    chosen.policy,
                    chosen.scenario,
                    bulk,
                    self.out,
                    about=chosen.about,
                    fresh=self.fresh,
                    progress=progress,
                    cluster=cluster,
                )
            except KeyboardInterrupt:
                whisper(f"interrupted; finished parts are kept in {self.out}/")
                whisper("the same command goes on (--fresh begins anew)")
                raise
        seconds = time.perf_counter() - begun
        periods = bulk.periods or chosen.scenario.horizon
        lived = (reused[1] - max(0, reused[0])) * periods
        result = {
            "scenario": chosen.scenario.name,
            "policy": chosen.about,
            "periods": periods,
            "currency": chosen.scenario.currency,
            "out": str(self.out),
            "seconds": seconds,
            "customer_periods_per_second": lived / seconds,
            "personas": totals.summary,
        }
        answer("simulate", result, as_json=self.json, text=lambda: _text(result))

    def _choose(self, scenario: Scenario, tell: Callable[[str, int, int], None]) -> Chosen:
        from nba_gym.evaluation.kit import Kit

        def tuning(done: int, total: int) -> None:
            tell("tuning", done, total)

        kit = Kit(
            scenario,
            **vars(self.effort),
            threads=self.threads,
            say=say,
            progress=tuning,
        )
        chosen = find_policy(self.policy, kit)
        if not self.epsilon:
            return chosen
        from nba_gym.policies.limits import EpsilonGreedy

        exploring = EpsilonGreedy(chosen.policy, self.epsilon)
        return replace(chosen, policy=exploring, about=chosen.about | {"epsilon": self.epsilon})


def _text(result: dict[str, Any]) -> str:
    rows = [
        {
            "persona": row["persona"],
            "customers": f"{row['customers']:,}",
            "value": f"{row['value']:.3f}",
            "95 % interval": f"[{row['value_low']:.3f}, {row['value_high']:.3f}]",
            "contacts": f"{row['contacts']:.2f}",
            "opt-outs": f"{row['opt_outs']:.4f}",
            "purchases": f"{row['purchases']:.3f}",
            "left": f"{row['left']:.2%}",
        }
        for row in result["personas"]
        if row["customers"]
    ]
    title = f"per customer over {result['periods']} periods, value in {result['currency']}"
    rate = result["customer_periods_per_second"] / 1e6
    end = f"{result['seconds']:.1f} s, {rate:.2f} million customer-periods a second"
    return "\n".join([title, columns(rows, left=("persona",)), end, f"wrote {result['out']}/"])
