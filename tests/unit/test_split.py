"""Who is used for what: no two purposes share a customer, however many are asked for."""

from itertools import combinations

import numpy as np
import pytest

from nba_gym.errors import PolicyError
from nba_gym.evaluation.split import SPLIT, Split

PURPOSES = ("reporting", "logging", "tuning", "watching", "describing")


def test_no_two_purposes_share_a_customer_also_where_each_takes_all_it_may():
    small = Split(block=50)
    for one, other in combinations(PURPOSES, 2):
        pair = [getattr(small, purpose)(50) for purpose in (one, other)]
        assert np.intersect1d(*pair).size == 0


@pytest.mark.parametrize("purpose", PURPOSES)
def test_more_than_there_are_would_be_somebody_elses(purpose):
    with pytest.raises(PolicyError, match="must be at most 10,000,000 for one use, got 10,000,001"):
        getattr(SPLIT, purpose)(10_000_001)
