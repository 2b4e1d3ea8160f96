"""Counterfactual twins that cannot be are refused, and the message says why."""

from typing import Any

import numpy as np
import pytest

from nba_gym.errors import ActionError, NbaGymError, PolicyError
from nba_gym.policies import NoContact
from nba_gym.truth import action_twins, attribution, groups_table, policy_twins

TWINS: dict[str, Any] = {"scenario": "retail", "action": "email_offer_shoes", "customers": 4}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": "email_offer_shoe"}, "action must be an action of retail, .* did you mean 'em"),
        ({"action": 29}, r"action must be a name or a number in \[0, 29\), got 29"),
        ({"action": True}, r"action must be a name or a number in \[0, 29\), got True"),
        ({"against": None}, r"against must be a name or a number in \[0, 29\), got None"),
        ({"period": 104}, r"period must be a whole number in \[0, 104\), got 104"),
        ({"period": 1.5}, r"period must be a whole number in \[0, 104\), got 1.5"),
        ({"period": 100, "horizon": 5}, r"horizon must be a whole number in \[1, 4\], got 5"),
        ({"horizon": 0}, r"horizon must be a whole number in \[1, 104\], got 0"),
        ({"customers": [1, 2, 1]}, "customers must be different, got 3 with duplicates"),
        ({"customers": 0}, "customers must be at least 1, got 0"),
        ({"seed": -1}, r"seed must be a whole number in .*, got -1"),
        ({"threads": 0}, "threads must be a whole number .*, got 0"),
        ({"chunk": 0}, "chunk must be a whole number >= 1, got 0"),
        ({"policy": NoContact}, "policy must be a policy, with a name and act"),
        ({"scenario": "retal"}, "scenario must be a preset .* did you mean 'retail'"),
        (
            {"action": "email_survey"},
            "action and against must both be allowed for some customer in period 0, got "
            r"'email_survey' and 'wait' \(of 4 customers forbidden for 4, 0 journeys over\)",
        ),
    ],
)
def test_twins_that_cannot_be_are_refused_in_one_line(change, message):
    with pytest.raises(NbaGymError, match=message) as error:
        action_twins(**(TWINS | change))
    assert "\n" not in str(error.value)


def test_policies_and_tables_that_cannot_be_are_refused_in_one_line():
    none: Any = None
    with pytest.raises(PolicyError, match="second must be a policy"):
        policy_twins(NoContact(), none, "retail", 4)
    with pytest.raises(PolicyError, match="customers must be different"):
        policy_twins(NoContact(), NoContact(), "retail", np.array([3, 3]))
    with pytest.raises(PolicyError, match="most must be a whole number >= 1, got 0"):
        attribution(NoContact(), "retail", 4, most=0)
    with pytest.raises(PolicyError, match="policy must be a policy"):
        attribution(none, "retail", 4)
    with pytest.raises(ActionError, match=r"actions\[1\] must be an action of retail, got 'x'"):
        groups_table("retail", ["mail_catalogue", "x"], customers=4)
    with pytest.raises(PolicyError, match="actions must name at least one action"):
        groups_table("retail", [], customers=4)
