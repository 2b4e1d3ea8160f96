"""The command line: ``nba-gym``."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from nba_gym.errors import NbaGymError, PolicyError, nearest
from nba_gym.scenario import json_schema, load_scenario, preset_names, scenario_hash

Name = Annotated[str, tyro.conf.Positional]


@dataclass(frozen=True)
class Scenarios:
    """List the scenarios that ship with nba_gym."""

    def run(self) -> None:
        """Print a line a scenario."""
        for name in preset_names():
            scenario = load_scenario(name)
            size = f"{scenario.n_needs} needs, {scenario.n_actions} actions"
            print(f"{name:<12} {size:<22} {scenario.horizon} {scenario.period}s  {scenario.title}")


@dataclass(frozen=True)
class Show:
    """Print every value of a scenario, after its file and your changes were checked."""

    scenario: Name
    """preset name or TOML file"""
    set: tuple[str, ...] = ()
    """changes, e.g. leaving.by_loyalty=2.0 channels.email.cost=0.02"""

    def run(self) -> None:
        """Print JSON and the hash."""
        scenario = load_scenario(self.scenario, self.set)
        print(json.dumps(scenario.model_dump(mode="json"), indent=2))
        print(f"hash {scenario_hash(scenario)}")


@dataclass(frozen=True)
class Schema:
    """Export the JSON Schema of scenario files, for completion and checks in an editor."""

    out: Path | None = None
    """file to write; printed otherwise"""

    def run(self) -> None:
        """Print or write the schema."""
        text = json.dumps(json_schema(), indent=2) + "\n"
        if self.out is None:
            print(text, end="")
            return
        self.out.write_text(text)
        print(f"wrote {self.out}")


@dataclass(frozen=True)
class Features:
    """Explain the columns of an observation."""

    scenario: Name
    """preset name or TOML file"""
    everything: bool = False
    """the hidden half too"""

    def run(self) -> None:
        """Print the table."""
        from nba_gym.envs.journey import JourneyEnv

        print(
            JourneyEnv(
                self.scenario, observe="everything" if self.everything else "records"
            ).features
        )


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
    """wait, random, robin or oracle"""
    set: tuple[str, ...] = ()
    """changes to the scenario"""

    def run(self) -> None:
        """Play and print."""
        from nba_gym.envs.journey import JourneyEnv

        env = JourneyEnv(self.scenario, overrides=self.set, render_mode="ansi")
        observation, info = env.reset(seed=self.seed, options={"customer": self.customer})
        policy = _policy(self.policy, env)
        generator = np.random.default_rng([self.seed, self.customer])
        over = False
        while not over:
            action = policy.act(observation[None], info["action_mask"][None], generator)[0]
            observation, _, terminated, truncated, info = env.step(action)
            over = terminated or truncated
        print(env.render())


@dataclass(frozen=True)
class Calibrate:
    """Fit a world's purchases and dropout to a file of transactions (customer, date, amount)."""

    file: Name
    """.csv or .parquet, one transaction a row"""
    customer: str = "customer"
    """column that names the customer"""
    date: str = "date"
    """column of the date"""
    amount: str = "amount"
    """column of the amount"""
    date_format: str = "%Y-%m-%d"
    """how dates are written where they are text"""
    base: str = "retail"
    """world that is extended, a preset name or TOML file"""
    weeks: int | None = None
    """calibration period; the rest is held out; by default half of the records"""
    name: str = "own"
    """name of the new world"""
    out: Path = Path("runs/calibrated")
    """folder for scenario.toml and calibration.json"""

    def run(self) -> None:
        """Read, fit, write, and show simulated beside actual customers."""
        from nba_gym.calibration import calibrate, read_transactions

        log = read_transactions(
            self.file,
            customer=self.customer,
            date=self.date,
            amount=self.amount,
            date_format=self.date_format,
        )
        print(
            f"{log.n_transactions:,} transactions of {log.n_customers:,} customers, "
            f"{log.n_days:,} days from {log.first_date}"
        )
        print("fitting: BG/NBD, then the world by simulated moments (about 15 s) ...", flush=True)
        result = calibrate(log, self.base, weeks=self.weeks, name=self.name)
        print("\n".join(result.lines()))
        for path in result.save(self.out):
            print(f"wrote {path}")


@dataclass(frozen=True)
class Effects:
    """Fit what contacts do to a file of randomised contacts (customer, date, action, outcome)."""

    file: Name
    """.csv or .parquet, one contact or control a row"""
    customer: str = "customer"
    """column that names the customer"""
    date: str = "date"
    """column of the date"""
    action: str = "action"
    """column with the name of the action; wait or nothing for controls"""
    outcome: str = "outcome"
    """column that says whether the customer bought in that period: 0 or 1, or the amount"""
    responded: str | None = None
    """column of clicks and answers, 0 or 1"""
    opted_out: str | None = None
    """column of opting out, 0 or 1"""
    since: str | None = None
    """column of the date of acquisition; by default the date of a customer's first row"""
    date_format: str = "%Y-%m-%d"
    """how dates are written where they are text"""
    base: str = "retail"
    """world that is extended, a preset name or TOML file"""
    name: str = "own"
    """name of the new world"""
    out: Path = Path("runs/effects")
    """folder for scenario.toml and effects.json"""

    def run(self) -> None:
        """Read, fit, write, and show simulated beside actual rates."""
        from nba_gym.calibration import fit_effects, read_contacts

        log = read_contacts(
            self.file,
            customer=self.customer,
            date=self.date,
            action=self.action,
            outcome=self.outcome,
            responded=self.responded,
            opted_out=self.opted_out,
            since=self.since,
            date_format=self.date_format,
        )
        print(f"fitting {log.n_contacts:,} contacts by simulated moments ...", flush=True)
        result = fit_effects(log, self.base, name=self.name)
        print("\n".join(result.lines()))
        for path in result.save(self.out):
            print(f"wrote {path}")


def _policy(name: str, env: Any) -> Any:
    from nba_gym.policies import NoContact, RoundRobin, UniformRandom
    from nba_gym.truth import MyopicOracle

    known = {
        "wait": NoContact,
        "random": UniformRandom,
        "robin": RoundRobin,
        "oracle": MyopicOracle,
    }
    if name not in known:
        raise PolicyError(f"policy must be a known one, got {name!r}{nearest(name, known)}")
    policy = known[name]()
    if isinstance(policy, MyopicOracle):
        policy.bind(env.population)
    return policy


_COMMANDS = {
    "scenarios": Scenarios,
    "show": Show,
    "schema": Schema,
    "features": Features,
    "journey": Journey,
    "calibrate": Calibrate,
    "effects": Effects,
}


def main() -> None:
    """Entry point of ``nba-gym``; a user's mistake is one line, not a traceback."""
    try:
        try:
            _run_command()
        finally:
            sys.stdout.flush()  # also the text of --help, which ends with SystemExit
    except BrokenPipeError:
        # whoever read has gone, as in `nba-gym show retail | head`: Python must not try again when
        # it ends; a process that the signal had ended would say 128 + 13
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None


def _run_command() -> None:
    command = tyro.extras.subcommand_cli_from_dict(
        _COMMANDS, prog="nba-gym", description="A customer-journey simulator for next best action."
    )
    try:
        command.run()
    except NbaGymError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
