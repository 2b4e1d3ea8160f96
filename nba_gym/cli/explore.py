"""The command that makes the journey explorer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nba_gym.cli.common import Json, Name, answer, say
from nba_gym.effort import BANDIT, CAMPAIGN, TRIALS, TUNING
from nba_gym.errors import PolicyError
from nba_gym.policies.protocol import Policy
from nba_gym.scenario import Scenario, load_scenario

if TYPE_CHECKING:
    from nba_gym.evaluation.kit import Kit


@dataclass(frozen=True)
class Explore:
    """Write a page on which journeys of the same customers under several policies are compared.

    Policies are names (see nba-gym policies) or folders of exported policies; what learns from a
    campaign learns here and now. The page needs nothing but a browser.

    Try: nba-gym explore retail --policies runs/train-retail-0/policy practice
    """

    scenario: Name
    """preset name or TOML file"""
    policies: tuple[str, ...] = ("oracle", "practice")
    """names of policies, or folders of exported ones; at least two"""
    customers: int = 200
    """customers on the page"""
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
    out: Path = Path("explorer.html")
    """the page"""
    json: Json = False

    def run(self) -> None:
        """Learn, simulate and write."""
        from nba_gym.evaluation.explorer import write_explorer
        from nba_gym.evaluation.kit import Kit

        scenario = load_scenario(self.scenario, self.set)
        kit = Kit(
            scenario,
            campaign=self.campaign,
            bandit=self.bandit,
            tuning=self.tuning,
            trials=self.trials,
            say=say,
        )
        made = {name.rstrip("/"): _policy(name, kit, scenario) for name in self.policies}
        say(f"{self.customers:,} customers under {', '.join(made)}")
        path = write_explorer(made, scenario, self.out, customers=self.customers)
        size = path.stat().st_size
        answer(
            "explore",
            {"wrote": [str(path)], "bytes": size},
            as_json=self.json,
            text=lambda: f"wrote {path} ({size / 1e6:.1f} MB)",
        )


def _policy(name: str, kit: Kit, scenario: Scenario) -> Policy:
    """A policy by name, or an exported one."""
    from nba_gym.evaluation.contenders import contender
    from nba_gym.records.features import feature_table
    from nba_gym.serving import Engine

    if not Path(name).is_dir():
        chosen = contender(name)
        if chosen.world(scenario) != scenario:
            raise PolicyError(f"policies must act in the world as it is, got {name!r}")
        return chosen.make(kit)
    engine = Engine(name)
    wanted = [feature.name for feature, _ in feature_table(scenario)]
    if engine.features != wanted or engine.actions != [each.name for each in scenario.actions]:
        raise PolicyError(
            f"policies must be made for {scenario.name}, got {name!r} with "
            f"{len(engine.features)} features and {len(engine.actions)} actions of another world"
        )
    return engine
