"""Commands about scenarios: list, show, explain, write cards."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from nba_gym.cli.common import Name
from nba_gym.errors import ScenarioError
from nba_gym.scenario import json_schema, load_scenario, preset_names, scenario_hash


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
