"""What only a simulator knows: exact expectations, and oracles that use them."""

from nba_gym.truth.expected import expected_profit
from nba_gym.truth.oracle import MyopicOracle

__all__ = ["MyopicOracle", "expected_profit"]
