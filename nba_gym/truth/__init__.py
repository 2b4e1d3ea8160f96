"""What only a simulator knows: exact expectations, exact optima, and oracles that use them."""

from nba_gym.truth.expected import expected_profit
from nba_gym.truth.oracle import MyopicOracle
from nba_gym.truth.solve import Regret, Solution, evaluate, regret, solve, whittle_indices

__all__ = [
    "MyopicOracle",
    "Regret",
    "Solution",
    "evaluate",
    "expected_profit",
    "regret",
    "solve",
    "whittle_indices",
]
