"""Caps, thresholds and shares of random choices around any policy; situations; control arms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nba_gym.errors import PolicyError
from nba_gym.evaluation import rollout
from nba_gym.policies import NoContact, StochasticPolicy, UniformRandom
from nba_gym.policies.arms import RandomRelevant, eligibility_only
from nba_gym.policies.limits import (
    Contacts,
    EpsilonGreedy,
    capped,
    count_contacts,
    thresholded,
)
from nba_gym.policies.situations import find_situations
from nba_gym.records.features import feature_table
from nba_gym.scenario.load import load_scenario
from nba_gym.truth import MyopicOracle

NOBODY = np.random.default_rng(0)
ALL = np.ones((3, 4), dtype=np.int8)
CONTACTS = Contacts(np.array([False, True, True, False]), 0)  # the last is for who is here
RECORDS = np.array([[0.0], [0.25], [0.5]], dtype=np.float32)  # 0, 1 and 2 contacts of the last 4


class Likes:
    """Prefers the first allowed action of a list."""

    name = "likes"

    def __init__(self, *order: int) -> None:
        self.order = list(order)

    def act(self, observations: Any, masks: Any, generator: Any) -> Any:
        ranks = np.full(masks.shape[1], 99)
        ranks[self.order] = np.arange(len(self.order))
        return np.argmin(np.where(masks > 0, ranks, 100), axis=1)


def test_after_the_cap_a_policy_chooses_among_what_is_left():
    policy = capped(Likes(1, 3, 0), CONTACTS, 1)
    assert policy.act(RECORDS, ALL, NOBODY).tolist() == [1, 3, 3]
    assert capped(Likes(1, 3, 0), CONTACTS, 2).act(RECORDS, ALL, NOBODY).tolist() == [1, 1, 3]
    assert capped(Likes(2, 0), CONTACTS, 0).act(RECORDS, ALL, NOBODY).tolist() == [0, 0, 0]


def test_what_is_worth_the_threshold_or_less_becomes_waiting():
    def worth(observations: Any) -> Any:
        return np.array([[0.0, 2.0, 5.0, 1.0]] * len(observations)) * (observations + 1.0)

    policy = thresholded(Likes(1), worth, 2.5)
    assert policy.act(RECORDS, ALL, NOBODY).tolist() == [0, 0, 1]  # worth 2, 2.5 and 3


def test_a_policy_by_lot_stays_one_and_loses_nothing_but_what_is_forbidden():
    policy = capped(UniformRandom(), CONTACTS, 1)
    assert isinstance(policy, StochasticPolicy)
    assert not isinstance(capped(NoContact(), CONTACTS, 1), StochasticPolicy)
    chances = policy.probabilities(RECORDS, ALL)
    np.testing.assert_allclose(chances[0], 0.25)
    np.testing.assert_allclose(chances[1], [0.5, 0.0, 0.0, 0.5])
    rare = thresholded(policy, lambda x: np.array([[0.0, 1.0, 3.0, 3.0]] * len(x)), 2.0)
    assert isinstance(rare, StochasticPolicy)
    np.testing.assert_allclose(rare.probabilities(RECORDS, ALL)[0], [0.5, 0.0, 0.25, 0.25])


def test_epsilon_greedy_says_the_probability_of_every_action():
    policy = EpsilonGreedy(Likes(2), 0.2)
    masks = np.array([[1, 1, 1, 1], [1, 1, 0, 0]])
    chances = policy.probabilities(RECORDS[:2], masks)
    np.testing.assert_allclose(chances, [[0.05, 0.05, 0.85, 0.05], [0.9, 0.1, 0.0, 0.0]])
    with pytest.raises(PolicyError, match=r"epsilon must be in \[0, 1\], got 1.5"):
        EpsilonGreedy(Likes(1), 1.5)
    with pytest.raises(PolicyError, match="must be a deterministic one, got 'uniform random'"):
        EpsilonGreedy(UniformRandom(), 0.1)


def test_limits_that_cannot_be_are_refused():
    with pytest.raises(PolicyError, match="cap must be at least 0, got -1"):
        capped(NoContact(), CONTACTS, -1)
    shop = load_scenario("retail")
    names = [feature.name for feature, _ in feature_table(shop)]
    with pytest.raises(PolicyError, match="periods must be one of 4, 13, got 5"):
        count_contacts(shop, names, 5)


def test_a_capped_policy_contacts_nobody_more_often_and_still_sees_what_it_is_privileged_to():
    shop = load_scenario("retail", ["horizon=26"])
    names = [feature.name for feature, _ in feature_table(shop)]
    often = rollout(MyopicOracle(), shop, 200, 1)
    seldom = rollout(capped(MyopicOracle(), count_contacts(shop, names, 13), 1), shop, 200, 1)
    assert often.contacts.max() > 2
    assert 0 < seldom.contacts.max() <= 2  # one in any 13 of 26 periods


def test_a_random_relevant_action_waits_only_where_nothing_else_is_allowed():
    masks = np.array([[1, 1, 0, 1], [1, 0, 0, 0]])
    chances = RandomRelevant().probabilities(RECORDS[:2], masks)
    np.testing.assert_allclose(chances, [[0.0, 0.5, 0.0, 0.5], [1.0, 0.0, 0.0, 0.0]])


def test_where_only_eligibility_forbids_more_is_allowed_and_nothing_else_changes():
    shop = load_scenario("retail", ["horizon=4"])
    free = eligibility_only(shop)
    assert not any(action.applicability or action.suitability for action in free.actions)
    assert [a.eligibility for a in free.actions] == [a.eligibility for a in shop.actions]
    same = [rollout(NoContact(), world, 300, 3).value for world in (shop, free)]
    np.testing.assert_array_equal(same[0], same[1])
    at = [a.name for a in shop.actions].index("email_basket_reminder")
    rates = [rollout(RandomRelevant(), w, 300, 3).action_share[0, at] for w in (shop, free)]
    assert rates[1] > 2 * rates[0]


def test_a_situation_calls_for_the_actions_about_it():
    telecom = load_scenario("telecom")
    names = [feature.name for feature, _ in feature_table(telecom)]
    found = find_situations(telecom, names)
    assert found.names == ("basket", "visit", "complaint", "renewal")
    x = np.zeros((3, len(names)), dtype=np.float32)
    x[1, names.index("complaint")] = 1.0
    x[2, names.index("visiting.call_centre")] = 1.0
    called = [found.called_for(x, name) for name in ("complaint", "visit")]
    kinds = np.array([action.kind for action in telecom.actions])
    channels = np.array([action.channel for action in telecom.actions])
    np.testing.assert_array_equal(called[0], [kinds == "none", kinds == "service", kinds == "none"])
    np.testing.assert_array_equal(called[1][2], channels == "call_centre")
    assert not called[1][:2].any()
    with pytest.raises(PolicyError, match="contexts must name situations, got 'baskt'; did you"):
        found.check({"baskt": 2.0})
