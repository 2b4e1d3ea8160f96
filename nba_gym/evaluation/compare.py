"""Compare policies on the same customers and the same luck."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from numpy.typing import NDArray

from nba_gym.errors import PolicyError, nearest
from nba_gym.evaluation.provenance import command_line, versions
from nba_gym.evaluation.rollout import Progress, Rollout, rollout
from nba_gym.policies.checks import check_customers, check_policies, check_world
from nba_gym.policies.protocol import Policy
from nba_gym.records.ledger import LINES
from nba_gym.scenario.load import load_scenario, scenario_hash
from nba_gym.scenario.schema import Scenario
from nba_gym.statistics import Interval, mean_interval
from nba_gym.truth.optimal import exact, has_exact


@dataclass(frozen=True)
class Comparison:
    """The outcome of several policies on the same customers.

    Attributes:
        scenario: The world.
        seed: Its seed.
        rollouts: Outcome by policy, customers in the same order.
        baseline: Policy that the differences are taken to.
        provenance: Everything needed to repeat the comparison.
    """

    scenario: Scenario
    seed: int
    rollouts: dict[str, Rollout]
    baseline: str
    provenance: dict[str, Any]

    def difference(self, policy: str, baseline: str | None = None) -> Interval:
        """Mean paired difference in value per customer, with its 95 % interval."""
        for name in (policy, baseline or self.baseline):
            if name not in self.rollouts:
                hint = nearest(name, self.rollouts)
                raise PolicyError(f"policy must be one that was compared, got {name!r}{hint}")
        other = self.rollouts[baseline or self.baseline].value
        return mean_interval(self.rollouts[policy].value - other)

    @cached_property
    def optimum(self) -> float | None:
        """Value per customer of the best policy of all, exactly; ``None`` where it is not known."""
        return exact(self.scenario).schedule.value if has_exact(self.scenario) else None

    @property
    def table(self) -> pl.DataFrame:
        """One row a policy, the most valuable first; money in currency per customer."""
        rows = [self._row(name) for name in self.rollouts]
        return pl.DataFrame(rows).sort("value", descending=True)

    def _row(self, name: str) -> dict[str, Any]:
        run = self.rollouts[name]
        value, gap = mean_interval(run.value), self.difference(name)
        row: dict[str, Any] = {"policy": name, "value": value.mean}
        row |= {"value_low": value.low, "value_high": value.high}
        row |= {"difference": gap.mean, "difference_low": gap.low, "difference_high": gap.high}
        if self.optimum is not None:
            row |= {"of_optimum": value.mean / self.optimum}
        row |= {"lifetime": float(run.lifetime.mean()), "purchases": float(run.purchases.mean())}
        row |= {"contacts": float(run.contacts.mean()), "opt_outs": float(run.opt_outs.mean())}
        if self.scenario.pipeline.stages:
            won = float((run.purchases > 0).mean())
            cost = float(run.courtship.mean()) / won if won else float("nan")
            row |= {"won": won, "cost_per_acquisition": cost}
        return row | {line: float(run.lines[line].mean()) for line in LINES}

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``comparison.json`` (summary, provenance) and ``customers.parquet``.

        Returns:
            The paths written.

        Raises:
            PolicyError: If there is a file where the folder should be.
        """
        target = Path(folder)
        if target.exists() and not target.is_dir():
            raise PolicyError(f"folder must be a folder, got the file {str(folder)!r}")
        target.mkdir(parents=True, exist_ok=True)
        summary: dict[str, Any] = {"provenance": self.provenance, "policies": self.table.to_dicts()}
        if self.optimum is not None:
            summary["optimum"] = self.optimum
        text, rows = target / "comparison.json", target / "customers.parquet"
        text.write_text(json.dumps(summary, indent=2) + "\n")
        self._customers().write_parquet(rows)
        return [text, rows]

    def _customers(self) -> pl.DataFrame:
        personas = [persona.name for persona in self.scenario.personas]
        columns: list[dict[str, Any]] = [
            {
                "policy": [name] * len(run.customers),
                "customer": run.customers,
                "persona": [personas[p] for p in run.persona],
                "value": run.value,
                "lifetime": run.lifetime,
                "contacts": run.contacts,
                "opt_outs": run.opt_outs,
                "purchases": run.purchases,
                **run.lines,
            }
            for name, run in self.rollouts.items()
        ]
        return pl.concat([pl.DataFrame(column) for column in columns])


def compare(
    policies: Mapping[str, Policy],
    scenario: str | Path | Scenario,
    customers: int | NDArray[Any] = 20_000,
    seed: int = 0,
    *,
    overrides: Mapping[str, Any] | Iterable[str] = (),
    baseline: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Let every policy act for the same customers with the same luck.

    Args:
        policies: Policies by the name that tables shall show.
        scenario: Preset name, file or :class:`Scenario`.
        customers: Numbers of the customers, or how many from number 0 on.
        seed: Seed of the world.
        overrides: Changes to the scenario.
        baseline: Policy that differences are taken to; the first by default.
        threads: Threads of the kernel.
        progress: Called with policies done and policies in all.

    Returns:
        The comparison: table, paired differences with 95 % intervals, and everything by customer.

    Raises:
        PolicyError: If there is no policy, the baseline is not one of them, or customers, seed or
            threads are out of range.
    """
    check_policies(policies)
    chosen = baseline or next(iter(policies))
    if chosen not in policies:
        raise PolicyError(f"baseline must be one of {', '.join(policies)}, got {chosen!r}")
    numbers = check_customers(customers, least=2)
    check_world(seed, threads)
    world = load_scenario(scenario, overrides)
    runs: dict[str, Rollout] = {}
    for name, policy in policies.items():
        runs[name] = rollout(policy, world, numbers, seed, threads=threads)
        if progress is not None:
            progress(len(runs), len(policies))
    return Comparison(world, seed, runs, chosen, _provenance(world, runs, seed, chosen))


def _provenance(
    scenario: Scenario, runs: dict[str, Rollout], seed: int, baseline: str
) -> dict[str, Any]:
    numbers = next(iter(runs.values())).customers
    return {
        "scenario": scenario.name,
        "scenario_hash": scenario_hash(scenario),
        "scenario_version": scenario.version,
        "scenario_values": scenario.model_dump(mode="json"),
        "seed": seed,
        "customers": len(numbers),
        "first_customer": int(numbers.min()),
        "last_customer": int(numbers.max()),
        "horizon": scenario.horizon,
        "discount": scenario.discount,
        "currency": scenario.currency,
        "baseline": baseline,
        "policies": list(runs),
        "versions": versions(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "command": command_line(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
