"""Commands about scenarios: list, show, explain, write cards."""

from __future__ import annotations

import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nba_gym.cli.common import Json, Name, answer
from nba_gym.errors import ScenarioError
from nba_gym.scenario import json_schema, load_scenario, preset_names, scenario_hash


@dataclass(frozen=True)
class Scenarios:
    """List the scenarios that ship with nba_gym.

    Try: nba-gym scenarios
    """

    json: Json = False

    def run(self) -> None:
        """Print a line a scenario."""
        found = {name: load_scenario(name) for name in preset_names()}
        result = [
            {
                "name": name,
                "title": scenario.title,
                "needs": scenario.n_needs,
                "actions": scenario.n_actions,
                "horizon": scenario.horizon,
                "period": scenario.period,
                "hash": scenario_hash(scenario),
            }
            for name, scenario in found.items()
        ]

        def line(each: dict[str, Any]) -> str:
            size = f"{each['needs']} needs, {each['actions']} actions"
            span = f"{each['horizon']} {each['period']}s"
            return f"{each['name']:<12} {size:<22} {span}  {each['title']}"

        answer("scenarios", result, as_json=self.json, text=lambda: "\n".join(map(line, result)))


@dataclass(frozen=True)
class Show:
    """Print every value of a scenario, after its file and your changes were checked.

    Try: nba-gym show retail --set leaving.by_loyalty=2.0 channels.email.cost=0.02
    """

    scenario: Name
    """preset name or TOML file"""
    set: tuple[str, ...] = ()
    """changes, e.g. leaving.by_loyalty=2.0 channels.email.cost=0.02"""
    json: Json = False

    def run(self) -> None:
        """Print JSON and the hash."""
        scenario = load_scenario(self.scenario, self.set)
        tree, digest = scenario.model_dump(mode="json"), scenario_hash(scenario)
        answer(
            "show",
            {"scenario": tree, "hash": digest},
            as_json=self.json,
            text=lambda: f"{json.dumps(tree, indent=2)}\nhash {digest}",
        )


@dataclass(frozen=True)
class Schema:
    """Export the JSON Schema of scenario files, for completion and checks in an editor.

    Try: nba-gym schema --out scenario.schema.json
    """

    out: Path | None = None
    """file to write; printed otherwise"""
    json: Json = False

    def run(self) -> None:
        """Print or write the schema."""
        schema = json_schema()
        text = json.dumps(schema, indent=2)
        if self.out is None:
            answer("schema", {"schema": schema}, as_json=self.json, text=lambda: text)
            return
        self.out.write_text(text + "\n")
        wrote = f"wrote {self.out}"
        answer("schema", {"wrote": [str(self.out)]}, as_json=self.json, text=lambda: wrote)


@dataclass(frozen=True)
class Features:
    """Explain the columns of an observation.

    Try: nba-gym features retail --everything
    """

    scenario: Name
    """preset name or TOML file"""
    everything: bool = False
    """the hidden half too"""
    json: Json = False

    def run(self) -> None:
        """Print the table."""
        from nba_gym.envs.journey import JourneyEnv

        shown = "everything" if self.everything else "records"
        features = JourneyEnv(self.scenario, observe=shown).features
        result = [
            {
                "name": each.name,
                "low": each.low if math.isfinite(each.low) else None,
                "high": each.high if math.isfinite(each.high) else None,
                "unit": each.unit,
                "meaning": each.meaning,
            }
            for each in features
        ]
        answer("features", result, as_json=self.json, text=lambda: repr(features))


@dataclass(frozen=True)
class Card:
    """Write a scenario's card: what it represents, was matched to and does, with figures.

    Try: nba-gym card retail --out runs/cards --size 0.1
    """

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
    json: Json = False

    def run(self) -> None:
        """Say how long it will take, simulate, write, and say which targets are missed."""
        from nba_gym.evaluation.card import Sizes, write_cards

        if bool(self.scenario) == self.all:
            raise ScenarioError("card must be given a scenario or --all, got both or neither")
        names = preset_names() if self.all else [self.scenario]
        started = time.perf_counter()

        def say(text: str) -> None:
            line = f"{time.perf_counter() - started:6.0f} s  {text}"
            print(line, file=sys.stderr if self.json else sys.stdout, flush=True)

        sizes = Sizes().times(self.size)
        batch = write_cards(names, self.out, sizes=sizes, targets=self.targets, say=say)
        if batch.failed:
            raise ScenarioError("\n".join(batch.failed.values()))
        if self.json:
            wrote = [str(self.out / f"{name}.{kind}") for name in names for kind in ("md", "json")]
            answer("card", {"wrote": wrote}, as_json=True, text=str)
