"""Small worlds that are enumerated."""

from functools import cache
from typing import Any

import numpy as np

from nba_gym.scenario import Scenario, load_scenario
from nba_gym.truth import (
    evaluate,
    exact,
)
from tests.worlds import constant


def service(problem_hazard: float = 0.1) -> dict[str, float]:
    return {
        "problem_hazard": problem_hazard,
        "problem_end": 0.2,
        "complain": 0.5,
        "visit_scale": 0.5,
        "visit_by_problem": 1.0,
        "basket_rate": 0.4,
        "basket_periods": 2,
    }


@cache
def shop() -> Scenario:
    """Problems, complaints, visits, baskets, pauses, rules; leaving after purchases, too."""
    tree = load_scenario("solvable").model_dump(mode="json")
    wait, _, offer, *_ = tree["actions"]
    email, letter = tree["channels"]
    inbound = letter | {"direction": "inbound", "response": 0.5, "cap": 32, "window": 1}
    offer |= {"pressure": 1.0, "fulfil_cost": 0.25}
    help_, ask = (offer | {"needs": {}, "pressure": 0.0} for _ in range(2))
    return Scenario.model_validate(
        tree
        | {
            "name": "shop",
            "horizon": 12,
            "personas": [{"name": "anybody", "share": 1.0}],
            "channels": [
                email | {"pause_after": 2, "pause": 1},
                inbound | {"name": "counter", "visit_share": 0.6},
                inbound | {"name": "app", "visit_share": 0.4},
            ],
            "actions": [
                wait,
                offer | {"suitability": ["no_complaint", "no_recent_purchase"]},
                help_ | {"name": "counter_help", "kind": "service", "channel": "counter"},
                ask
                | {"name": "app_ask", "kind": "ask", "channel": "app"}
                | {"suitability": ["no_recent_answer"]},
            ],
            "service": service(),
            "traits": tree["traits"] | {"attention": {"email": constant(0.9)}},
            "attention": tree["attention"] | {"opt_out_scale": 0.0},
            "purchase": tree["purchase"] | {"by_basket": 1.0, "by_pressure": 1.0},
            "relationship": {"by_problem": 1.0, "by_solution": 1.0, "by_pressure": 1.0},
            "leaving": tree["leaving"] | {"purchase_scale": 0.3, "purchase_base": 3.0},
            "engagement": {"recent_purchase": 1, "recent_answer": 1},
        }
    )


@cache
def contract() -> Scenario:
    """A contract that is cancelled, renewed and prolonged; a season."""
    tree = load_scenario("solvable").model_dump(mode="json")
    tree["contract"] = {"enabled": True, "renewal": 3, "recommitment": 4, "recurring_margin": 2.0}
    tree["leaving"] |= {"by_retention": 2.0, "period_base": 1.0}
    tree["needs"][0] |= {"season_utility": 0.5, "season_arrival": 0.5, "season_peak": 1}
    tree["actions"][2] |= {"kind": "retain", "needs": {}, "eligibility": ["near_renewal"]}
    tree["actions"][1] |= {"valid": [1, 2]}
    tree["engagement"]["renewal_window"] = 1
    tree["attention"]["opt_out_scale"] = 0.0
    tree["actions"] = tree["actions"][:4]
    tree["channels"][1] |= {"cap": 32, "window": 1}
    changes = {"name": "contract", "cycle": 3, "spread_start": False, "horizon": 12}
    return Scenario.model_validate(tree | changes)


def solvable() -> Scenario:
    return load_scenario("solvable")


WORLDS = [solvable, shop, contract]


def value_of(scenario: Scenario, policy: Any) -> float:
    problem = exact(scenario).problem
    return float(problem.start @ evaluate(problem, policy, horizon=scenario.horizon))


def tables_of(scenario: Scenario) -> dict[str, Any]:
    """Policies by state, as tables, by the name of the policy that plays them."""
    problem = exact(scenario).problem
    return {
        "no contact": np.zeros(problem.n_states, dtype=np.int64),
        "uniform random": problem.allowed / problem.allowed.sum(axis=1, keepdims=True),
        "myopic oracle": np.where(problem.allowed, problem.rewards, -np.inf).argmax(axis=1),
    }
