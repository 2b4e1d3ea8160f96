"""The command that makes the journey explorer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nba_gym.cli.common import Given, Json, Name, answer, find_policy, say
from nba_gym.effort import PolicyEffort
from nba_gym.scenario import load_scenario


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
    effort: Given = PolicyEffort()
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
        kit = Kit(scenario, **vars(self.effort), say=say)
        made = {n.rstrip("/"): find_policy(n, kit, as_it_is=True).policy for n in self.policies}
        say(f"{self.customers:,} customers under {', '.join(made)}")
        path = write_explorer(made, scenario, self.out, customers=self.customers)
        size = path.stat().st_size
        answer(
            "explore",
            {"wrote": [str(path)], "bytes": size},
            as_json=self.json,
            text=lambda: f"wrote {path} ({size / 1e6:.1f} MB)",
        )
