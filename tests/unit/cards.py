"""What the tests of scenario cards share."""

from typing import Any

from nba_gym.evaluation.card import (
    Sizes,
    Target,
)
from nba_gym.evaluation.card.bench import Bench
from nba_gym.scenario import load_scenario


def aim(quantity: str, **fields: Any) -> Target:
    given = {"label": quantity, "quantity": quantity, "low": 0.0, "source": "a test"} | fields
    return Target.model_validate(given)


def bench(name: str, n: int, **changes: Any) -> Bench:
    sizes = Sizes(customers=n, targets=n, sensitivity=2, quick=n)
    return Bench(load_scenario(name, changes), sizes, may_learn=False)
