"""What only a simulator knows: exact expectations and optima, oracles, and counterfactual twins."""

from nba_gym.truth.attribution import Attribution, attribution
from nba_gym.truth.chances import chances
from nba_gym.truth.expected import expected_profit
from nba_gym.truth.oracle import MyopicOracle
from nba_gym.truth.pairs import Groups, Pair
from nba_gym.truth.policy_twins import PolicyTwins, policy_twins
from nba_gym.truth.solve import Regret, Solution, evaluate, regret, solve, whittle_indices
from nba_gym.truth.twins import ActionTwins, action_twins, groups_table

__all__ = [
    "ActionTwins",
    "Attribution",
    "Groups",
    "MyopicOracle",
    "Pair",
    "PolicyTwins",
    "Regret",
    "Solution",
    "action_twins",
    "attribution",
    "chances",
    "evaluate",
    "expected_profit",
    "groups_table",
    "policy_twins",
    "regret",
    "solve",
    "whittle_indices",
]
