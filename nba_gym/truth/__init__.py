"""What only a simulator knows: exact expectations and optima, oracles, and counterfactual twins."""

from nba_gym.truth.attribution import Attribution, attribution
from nba_gym.truth.chances import chances
from nba_gym.truth.enumerate import Enumeration, enumerate_world
from nba_gym.truth.expected import expected_profit
from nba_gym.truth.optimal import Exact, OptimalPolicy, exact, has_exact
from nba_gym.truth.oracle import MyopicOracle
from nba_gym.truth.pairs import Groups, Pair
from nba_gym.truth.policy_twins import PolicyTwins, policy_twins
from nba_gym.truth.rollouts import RolloutOracle
from nba_gym.truth.solve import (
    Regret,
    Schedule,
    Solution,
    evaluate,
    regret,
    schedule,
    solve,
    whittle_indices,
)
from nba_gym.truth.twins import ActionTwins, action_twins, groups_table

__all__ = [
    "ActionTwins",
    "Attribution",
    "Enumeration",
    "Exact",
    "Groups",
    "MyopicOracle",
    "OptimalPolicy",
    "Pair",
    "PolicyTwins",
    "Regret",
    "RolloutOracle",
    "Schedule",
    "Solution",
    "action_twins",
    "attribution",
    "chances",
    "enumerate_world",
    "evaluate",
    "exact",
    "expected_profit",
    "groups_table",
    "has_exact",
    "policy_twins",
    "regret",
    "schedule",
    "solve",
    "whittle_indices",
]
