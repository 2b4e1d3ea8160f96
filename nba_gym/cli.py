"""The command line: ``nba-gym``."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from nba_gym.errors import NbaGymError, ScenarioError
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


@dataclass(frozen=True)
class Calibrate:
    """Fit a world to your own records: how often customers buy, when they leave, what they spend.

    The file has one transaction a row, in any order: customer, date, amount. Name your columns with
    flags. Written to --out: scenario.toml, a world that extends --base; calibration.json, all
    numbers; report.html, simulated beside actual customers. What contacts do to customers cannot be
    learned from transactions: it stays that of the base.

    Models: bg-nbd, a customer may leave after any purchase (shops); pareto-nbd, at any time; bg-bb,
    one chance to buy a week, month or year (donations, appeals); sbg, contracts that are renewed or
    cancelled: the file then has customer, start and end (empty: still a customer), or it is a
    retention table (--survivors).

    Try:

    nba-gym calibrate till.csv --customer id --date day --amount eur --weeks 39

    nba-gym calibrate gifts.csv --model bg-bb --opportunity year --opportunities 6

    nba-gym calibrate contracts.parquet --model sbg --opportunity month

    nba-gym calibrate retention.csv --model sbg --survivors left --opportunities 7
    """

    file: Name
    """.csv or .parquet"""
    model: Literal["bg-nbd", "pareto-nbd", "bg-bb", "sbg"] = "bg-nbd"
    """how customers buy and leave; see above"""
    customer: str = "customer"
    """column that names the customer"""
    date: str = "date"
    """column of the date"""
    amount: str = "amount"
    """column of the amount, >= 0"""
    date_format: str = "%Y-%m-%d"
    """how dates are written where they are text"""
    start: str = "start"
    """sbg: column of a contract's first day"""
    end: str = "end"
    """sbg: column of the day it ended; empty if it still runs"""
    until: str | None = None
    """sbg: last day that the file knows of; by default the last date in it"""
    survivors: str | None = None
    """sbg: the file is a retention table, and this its column of contracts left: at the start, then
    after each renewal, one a row"""
    opportunity: Literal["week", "month", "year"] = "year"
    """bg-bb: length of an opportunity; sbg: time from one renewal to the next"""
    base: str | None = None
    """world that is extended, a preset name or TOML file; by default retail, for bg-bb donors, for
    sbg telecom"""
    weeks: int | None = None
    """bg-nbd, pareto-nbd: calibration period; the rest is held out; by default half of the log"""
    opportunities: int | None = None
    """the same for bg-bb, in opportunities after the first, and for sbg, in renewals"""
    name: str = "own"
    """name of the new world"""
    out: Path = Path("runs/calibrated")
    """folder for scenario.toml, calibration.json and report.html"""

    def run(self) -> None:
        """Read, fit, write, and show simulated beside actual customers."""
        with _bars() as progress:
            result = self._contracts(progress) if self.model == "sbg" else self._buying(progress)
        print("\n".join(result.lines()))
        for path in result.save(self.out):
            print(f"wrote {path}")

    def _buying(self, progress: Any) -> Any:
        from nba_gym.calibration import calibrate, read_transactions

        progress("reading", 0, 0)
        log = read_transactions(
            self.file,
            customer=self.customer,
            date=self.date,
            amount=self.amount,
            date_format=self.date_format,
        )
        print(
            f"{log.n_transactions:,} transactions of {log.n_customers:,} customers, "
            f"{log.n_days:,} days from {log.first_date}",
            flush=True,
        )
        return calibrate(
            log,
            self.base,
            model=self.model,
            weeks=self.weeks,
            opportunity=self.opportunity,
            opportunities=self.opportunities,
            name=self.name,
            progress=progress,
        )

    def _contracts(self, progress: Any) -> Any:
        from nba_gym.calibration import calibrate_contracts, read_contracts, read_survivors

        progress("reading", 0, 0)
        if self.survivors is not None:
            tenures = read_survivors(self.file, self.opportunity, self.survivors)
        else:
            tenures = read_contracts(
                self.file,
                self.opportunity,
                customer=self.customer,
                start=self.start,
                end=self.end,
                date_format=self.date_format,
                until=self.until,
            )
        print(
            f"{tenures.n_contracts:,.6g} contracts, up to {tenures.most} renewals, "
            f"each a {tenures.unit}",
            flush=True,
        )
        return calibrate_contracts(
            tenures, self.base, renewals=self.opportunities, name=self.name, progress=progress
        )


@contextmanager
def _bars() -> Generator[Callable[[str, int, int], None], None, None]:
    """A bar a stage, with the time left where it is known; nothing where nobody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Remaining

    console = Console(stderr=True)
    columns: list[Any] = [TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()]
    columns += [TextColumn("left at most"), Remaining()]
    sizes: dict[str, tuple[Any, int]] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:

        def close() -> None:
            for task, size in sizes.values():
                bars.update(task, total=size, completed=size)

        def told(stage: str, done: int, total: int) -> None:
            if stage not in sizes:
                close()
                sizes[stage] = bars.add_task(stage, total=total or None), total or 1
            bars.update(sizes[stage][0], completed=done, total=total or None)

        yield told
        close()


@dataclass(frozen=True)
class Card:
    """Write a scenario's card: what it represents, was matched to and does, with figures."""

    scenario: Name = ""
    """preset name or TOML file"""
    all: bool = False
    """every scenario that ships"""
    out: Path = Path("docs/scenarios")
    """folder for <name>.md, <name>.json and figures/"""
    targets: Path | None = None
    """targets of your own, a TOML file; by default those that ship with the preset"""
    size: float = 1.0
    """factor on the numbers of customers; less is for drafts"""

    def run(self) -> None:
        """Say how long it will take, simulate, write, and say which targets are missed."""
        from nba_gym.evaluation.card import Sizes, write_cards

        if bool(self.scenario) == self.all:
            raise ScenarioError("card must be given a scenario or --all, got both or neither")
        names = preset_names() if self.all else [self.scenario]
        started = time.perf_counter()

        def say(text: str) -> None:
            print(f"{time.perf_counter() - started:6.0f} s  {text}", flush=True)

        sizes = Sizes().times(self.size)
        batch = write_cards(names, self.out, sizes=sizes, targets=self.targets, say=say)
        if batch.failed:
            raise ScenarioError("\n".join(batch.failed.values()))


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


@dataclass(frozen=True)
class Policies:
    """List the policies that can be asked for by name, one line each."""

    def run(self) -> None:
        """Print a line a policy: its name, what it is made from, and what it does."""
        from nba_gym.evaluation.contenders import CONTENDERS

        for each in CONTENDERS.values():
            print(f"{each.name:<16} {each.needs:<12} {each.line}")


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
    campaign: int = 32_000
    """customers of the random campaign that is learned from"""
    bandit: int = 16_000
    """customers that a bandit meets while it learns"""
    tuning: int = 6_000
    """customers that policies are tuned on"""
    trials: int = 160
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


def _policy(name: str, scenario: Any) -> Any:
    from nba_gym.evaluation.contenders import contender
    from nba_gym.evaluation.kit import Kit

    return contender(name).make(Kit(scenario))


_COMMANDS = {
    "scenarios": Scenarios,
    "show": Show,
    "schema": Schema,
    "features": Features,
    "journey": Journey,
    "policies": Policies,
    "evaluate": Evaluate,
    "calibrate": Calibrate,
    "card": Card,
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
