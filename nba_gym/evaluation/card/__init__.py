"""Cards of scenarios: what a world represents, what it was matched to, and what follows from it."""

from nba_gym.evaluation.card.batch import Batch, write_cards
from nba_gym.evaluation.card.bench import Sizes
from nba_gym.evaluation.card.calibration import quick_numbers
from nba_gym.evaluation.card.targets import Target, Targets, load_targets, target_names
from nba_gym.evaluation.card.write import Card, write_card

__all__ = [
    "Batch",
    "Card",
    "Sizes",
    "Target",
    "Targets",
    "load_targets",
    "quick_numbers",
    "target_names",
    "write_card",
    "write_cards",
]
