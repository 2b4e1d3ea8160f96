"""Commands about policies: list them, watch one customer, compare many."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nba_gym.cli.common import Name
from nba_gym.effort import BANDIT, CAMPAIGN, TRIALS, TUNING
from nba_gym.scenario import load_scenario


@dataclass(frozen=True)
class Policies:
    """List the policies that can be asked for by name, one line each."""

    def run(self) -> None:
        """Print a line a policy: its name, what it is made from, and what it does."""
        from nba_gym.evaluation.contenders import CONTENDERS

        for each in CONTENDERS.values():
            print(f"{each.name:<16} {each.needs:<12} {each.line}")


@dataclass(frozen=True)
class Journey:
    """Show the journey of one customer, a line a period."""

    scenario: Name
    """preset name or TOML file"""
    customer: int = 0
    """number of the customer"""
    seed: int = 0
    """seed of the world"""
    policy: str = "random"
    """one that `nba-gym policies` lists; what has to learn first takes some minutes"""
    set: tuple[str, ...] = ()
    """changes to the scenario"""

    def run(self) -> None:
        """Play and print."""
        from nba_gym.envs.journey import JourneyEnv
        from nba_gym.policies.asking import show_simulator

        env = JourneyEnv(self.scenario, overrides=self.set, render_mode="ansi")
        observation, info = env.reset(seed=self.seed, options={"customer": self.customer})
        policy = _policy(self.policy, env.scenario)
        show_simulator(policy, env.population)
        generator = np.random.default_rng([self.seed, self.customer])
        over = False
        while not over:
            action = policy.act(observation[None], info["action_mask"][None], generator)[0]
            observation, _, terminated, truncated, info = env.step(action)
            over = terminated or truncated
        print(env.render())


def _policy(name: str, scenario: Any) -> Any:
    from nba_gym.evaluation.contenders import contender
    from nba_gym.evaluation.kit import Kit

    return contender(name).make(Kit(scenario))


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
    campaign: int = CAMPAIGN
    """customers of the random campaign that is learned from"""
    bandit: int = BANDIT
    """customers that a bandit meets while it learns"""
    tuning: int = TUNING
    """customers that policies are tuned on"""
    trials: int = TRIALS
    """settings that tuning tries, for each policy"""
    set: tuple[str, ...] = ()
    """changes to the scenario"""
    out: Path | None = None
    """file for the table, as CSV"""

    def run(self) -> None:
        """Learn, tune, simulate and print a table."""
        from nba_gym.evaluation.kit import Kit
        from nba_gym.evaluation.measure import measure

        kit = Kit(
            load_scenario(self.scenario, self.set),
            campaign=self.campaign,
            bandit=self.bandit,
            tuning=self.tuning,
            trials=self.trials,
            say=lambda text: print(f"... {text}", file=sys.stderr, flush=True),
        )
        table = measure(self.policies, kit, self.customers, against=self.against)
        print(f"value per customer in {kit.scenario.currency}, {self.customers:,} customers")
        print(f"{'policy':<16} {'value':>8} {'contacts':>9}", end="")
        print("".join(f"{'less ' + base + ', 95 % interval':>36}" for base in self.against))
        for row in table.to_dicts():
            print(f"{row['policy']:<16} {row['value']:>8.2f} {row['contacts']:>9.1f}", end="")
            for base in self.against:
                low, high = row[f"less_{base}_low"], row[f"less_{base}_high"]
                print(f"{row[f'less_{base}']:>+14.2f} {f'[{low:+.2f}, {high:+.2f}]':>21}", end="")
            print()
        if self.out is not None:
            table.write_csv(self.out)
            print(f"wrote {self.out}")
