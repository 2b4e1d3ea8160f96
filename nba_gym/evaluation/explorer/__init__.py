"""The journey explorer: one page on which people look at single customers under two policies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from nba_gym.errors import PolicyError
from nba_gym.evaluation.explorer.lives import Lives, live
from nba_gym.evaluation.explorer.pack import about, pack_lives
from nba_gym.evaluation.report.page import render_document
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies.checks import check_customers, check_policies, check_world
from nba_gym.policies.protocol import Policy
from nba_gym.scenario.load import load_scenario
from nba_gym.scenario.schema import Scenario

__all__ = ["Lives", "live", "write_explorer"]
CUSTOMERS = 200
"""Customers on a page by default."""
MOST = 1_000
"""Customers that a page may hold; a browser would go on with more, but nobody reads them."""
_SCRIPTS = ("numbers.js", "words.js", "chart.js", "explorer.js")


def write_explorer(
    policies: Mapping[str, Policy],
    scenario: str | Path | Scenario,
    path: str | Path,
    *,
    customers: int = CUSTOMERS,
    seed: int = SPLIT.seed,
    threads: int | None = None,
) -> Path:
    """Write a page on which journeys of the same customers under several policies are compared.

    Everything is on the page: what the agent saw, what was allowed and why not the rest, what it
    chose and with what value, what happened, and what was hidden.

    Args:
        policies: At least two policies, by the name that the page shall show.
        scenario: The world.
        path: The file; folders on the way are made.
        customers: How many customers, the first of those for reports.
        seed: Seed of the world.
        threads: Threads of the kernel.

    Returns:
        The path written.

    Raises:
        PolicyError: If there are fewer than two policies, or customers or seed are out of range.
    """
    check_policies(policies)
    if len(policies) < 2:
        raise PolicyError(f"policies must be at least 2 to be compared, got {len(policies)}")
    if not 1 <= customers <= MOST:
        raise PolicyError(f"customers must be in [1, {MOST:,}], got {customers}")
    check_world(seed, threads)
    world, numbers = load_scenario(scenario), check_customers(SPLIT.reporting(customers))
    lives = {name: live(policy, world, numbers, seed, threads) for name, policy in policies.items()}
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(_page(lives, world, seed), encoding="utf-8")
    return target


def _page(lives: Mapping[str, Lives], scenario: Scenario, seed: int) -> str:
    packed = pack_lives(lives, scenario)
    told = about(lives, scenario, seed) | {"directory": packed.directory}
    title = f"Journeys in {scenario.name}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="world">{escape(scenario.title)}</p>',
        _read("explorer.html"),
        f'<script type="application/json" id="about">{_safe(told)}</script>',
        f'<script type="text/plain" id="numbers">{packed.text}</script>',
        *(f"<script>\n{_read(name)}</script>" for name in _SCRIPTS),
    ]
    return render_document(title, body, style=_read("explorer.css"))


def _safe(told: dict[str, Any]) -> str:
    """JSON in which nothing can end the script that it stands in."""
    return json.dumps(told, separators=(",", ":")).replace("<", "\\u003c")


def _read(name: str) -> str:
    return resources.files("nba_gym.evaluation.explorer").joinpath(name).read_text("utf-8")
