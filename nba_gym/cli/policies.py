"""Commands about policies: list them, watch one customer, compare many."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nba_gym.cli.common import Given, Json, Name, answer, columns, find_policy, say
from nba_gym.effort import PolicyEffort
from nba_gym.errors import PolicyError
from nba_gym.records.events import event_columns
from nba_gym.scenario import load_scenario


@dataclass(frozen=True)
class Policies:
    """List the policies that can be asked for by name, one line each.

    Try: nba-gym policies
    """

    json: Json = False

    def run(self) -> None:
        """Print a line a policy: its name, what it is made from, and what it does."""
        from nba_gym.evaluation.contenders import CONTENDERS

        lines = [f"{e.name:<16} {e.needs:<12} {e.line}" for e in CONTENDERS.values()]
        result = [
            {"name": each.name, "needs": each.needs, "does": each.line}
            for each in CONTENDERS.values()
        ]
        answer("policies", result, as_json=self.json, text=lambda: "\n".join(lines))


@dataclass(frozen=True)
class Journey:
    """Show the journey of one customer, a line a period.

    Try: nba-gym journey retail --customer 7 --policy oracle
    """

    scenario: Name
    """preset name or TOML file"""
    customer: int = 0
    """number of the customer"""
    seed: int = 0
    """seed of the world"""
    policy: str = "random"
    """one that `nba-gym policies` lists, or the folder of an exported policy; what has to learn
    first takes some minutes"""
    set: tuple[str, ...] = ()
    """changes to the scenario"""
    json: Json = False

    def run(self) -> None:
        """Play and print."""
        from nba_gym.envs.journey import JourneyEnv
        from nba_gym.evaluation.kit import Kit
        from nba_gym.policies.asking import show_simulator

        env = JourneyEnv(self.scenario, overrides=self.set, render_mode="ansi")
        observation, info = env.reset(seed=self.seed, options={"customer": self.customer})
        chosen = find_policy(self.policy, Kit(env.scenario))
        show_simulator(chosen.policy, env.population)
        generator = np.random.default_rng([self.seed, self.customer])
        actions, periods = env.scenario.actions, list[dict[str, Any]]()
        over = False
        while not over:
            action = chosen.policy.act(observation[None], info["action_mask"][None], generator)[0]
            observation, reward, terminated, truncated, info = env.step(action)
            over = terminated or truncated
            done = {"period": len(periods), "action": actions[int(action)].name, "profit": reward}
            periods.append(done | {"events": _events(env)})
        result = {"customer": self.customer, "policy": chosen.about, "periods": periods}
        answer("journey", result, as_json=self.json, text=lambda: str(env.render()))


def _events(env: Any) -> dict[str, float]:
    """What happened in the last period, by name, but for what did not."""
    happened = env.population.out.events[0].tolist()
    named = zip(event_columns(env.scenario), happened, strict=True)
    return {name: number for name, number in named if number != 0.0}


@dataclass(frozen=True)
class Evaluate:
    """Make policies by name and compare them on held-out customers, with the same luck.

    What learns from a campaign, or by interaction, learns here and now, and is tuned on customers
    of its own; everybody gets as many trials. Names: see nba-gym policies.

    Try: nba-gym evaluate retail --policies rules practice uplift-pooled oracle
    """

    scenario: Name
    """preset name or TOML file"""
    policies: tuple[str, ...] = ("random", "practice", "oracle")
    """names of policies"""
    against: tuple[str, ...] = ("wait",)
    """policies that differences are taken to"""
    customers: int = 10_000
    """customers of the comparison"""
    effort: Given = PolicyEffort()
    set: tuple[str, ...] = ()
    """changes to the scenario"""
    out: Path | None = None
    """file for the table, as CSV"""
    json: Json = False

    def run(self) -> None:
        """Learn, tune, simulate and print a table."""
        from nba_gym.evaluation.kit import Kit
        from nba_gym.evaluation.measure import measure

        kit = Kit(
            load_scenario(self.scenario, self.set),
            **vars(self.effort),
            say=say,
        )
        if self.out is not None and not self.out.parent.is_dir():
            raise PolicyError(f"out must lie in a folder that exists, got {str(self.out)!r}")
        table = measure(self.policies, kit, self.customers, against=self.against)
        if self.out is not None:
            table.write_csv(self.out)
        result = {
            "scenario": kit.scenario.name,
            "currency": kit.scenario.currency,
            "customers": self.customers,
            "policies": table.to_dicts(),
            "wrote": [] if self.out is None else [str(self.out)],
        }
        answer("evaluate", result, as_json=self.json, text=lambda: self._text(result))

    def _text(self, result: dict[str, Any]) -> str:
        rows: list[dict[str, str]] = []
        for each in result["policies"]:
            row = {"policy": each["policy"], "value": f"{each['value']:.2f}"}
            row["contacts"] = f"{each['contacts']:.1f}"
            for base in self.against:
                low, high = each[f"less_{base}_low"], each[f"less_{base}_high"]
                gap = f"{each[f'less_{base}']:+.2f}"
                row[f"less {base}, 95 % interval"] = f"{gap} [{low:+.2f}, {high:+.2f}]"
            rows.append(row)
        title = f"value per customer in {result['currency']}, {self.customers:,} customers"
        wrote = [f"wrote {path}" for path in result["wrote"]]
        return "\n".join([title, columns(rows, left=("policy",)), *wrote])
