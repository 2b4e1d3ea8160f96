"""Segments by recency, frequency and monetary value, and the rule table over them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nba_gym.errors import DataError, PolicyError
from nba_gym.evaluation import log_campaign, rollout
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies.rfm import NOTHING, SEGMENTS, RfmModel, SegmentRules, fit_rfm
from nba_gym.scenario.load import load_scenario

NOBODY = np.random.default_rng(0)


@pytest.fixture(scope="module")
def shop():
    return load_scenario("retail", ["horizon=20"])


@pytest.fixture(scope="module")
def log(shop):
    return log_campaign(shop, SPLIT.logging(300), SPLIT.seed)


@pytest.fixture(scope="module")
def model(shop, log) -> RfmModel:
    return replace(fit_rfm(log, shop, log.feature_names), cuts=np.array([[0.3, 0.6]] * 3))


def records(log: Any, **values: Any) -> Any:
    """Customers who differ in what is given; a feature's dot is written as two underscores."""
    n = len(next(iter(values.values())))
    x = np.zeros((n, len(log.feature_names)), dtype=np.float32)
    x[:, log.feature_names.index("since_contact")] = 13.0 / 17.0  # 13 periods ago
    for name, column in values.items():
        x[:, log.feature_names.index(name.replace("__", "."))] = column
    return x


def test_cut_points_are_terciles_of_those_who_bought(shop, log):
    cuts = fit_rfm(log, shop, log.feature_names).cuts
    column = log.observations[:, log.feature_names.index("spend")]
    buyers = column[log.observations[:, log.feature_names.index("frequency")] > 0.0]
    for cut, share in zip(cuts[2], (1 / 3, 2 / 3), strict=True):
        assert np.mean(buyers <= cut) == pytest.approx(share, abs=0.01)
    nobody = replace(log, observations=np.zeros_like(log.observations))
    with pytest.raises(DataError, match="must hold purchases, got none"):
        fit_rfm(nobody, shop, log.feature_names)


def test_segments_are_those_of_the_table(model, log):
    x = records(
        log,
        recency=[0.1, 0.1, 0.1, 0.1, 0.4, 0.4, 0.9, 0.9, 0.9],
        frequency=[0.0, 0.9, 0.2, 0.9, 0.4, 0.1, 0.9, 0.1, 0.1],
        spend=[0.0, 0.5, 0.5, 0.1, 0.5, 0.9, 0.1, 0.9, 0.1],
    )
    names = [SEGMENTS[i] for i in model.segments(x)]
    wanted = ["prospect", "champion", "new", "promising", "loyal", "drifting"]
    assert names == [*wanted, "at_risk", "at_risk", "lost"]
    assert model.scores(x)[1].tolist() == [3, 3, 2]


def test_a_segment_gets_its_kind_about_what_the_records_tell_most_of(shop, model, log):
    x = records(
        log,
        recency=[0.4, 0.4],
        frequency=[0.1, 0.1],
        spend=[0.5, 0.5],
        signals__shoes=[0.9, 0.0],
        signals__home=[0.1, 0.6],
    )
    masks = np.ones((2, shop.n_actions), dtype=np.int8)
    policy = SegmentRules(model, plans={"drifting": "offer"}, triggers={"visit": False})
    names = [shop.actions[a].name for a in policy.act(x, masks, NOBODY)]
    assert names == ["push_offer_shoes", "push_offer_home"]  # by push is cheapest
    idle = SegmentRules(model, plans={"drifting": NOTHING})
    assert idle.act(x, masks, NOBODY).tolist() == [0, 0]


def test_no_contact_comes_before_the_pause_is_over_but_for_a_trigger(shop, model, log):
    x = records(
        log,
        recency=[0.4] * 3,
        frequency=[0.1] * 3,
        since_contact=[3.0 / 7.0, 4.0 / 8.0, 1.0 / 5.0],
        complaint=[0.0, 0.0, 1.0],
    )
    masks = np.ones((3, shop.n_actions), dtype=np.int8)
    policy = SegmentRules(model, plans={"drifting": "inform"}, pauses={"drifting": 4})
    kinds = [shop.actions[a].kind for a in policy.act(x, masks, NOBODY)]
    web = [shop.actions[a].channel for a in policy.act(x, masks, NOBODY)]
    assert kinds == ["inform", "inform", "service"]
    assert web[0] == "web"  # who is here is no outbound contact


def test_rules_that_cannot_be_are_refused(model):
    with pytest.raises(PolicyError, match=r"plans must be of .* got 'champions'"):
        SegmentRules(model, plans={"champions": "offer"})
    with pytest.raises(PolicyError, match=r"plans\.new must be a kind of action, got 'ofer'"):
        SegmentRules(model, plans={"new": "ofer"})
    with pytest.raises(PolicyError, match=r"pauses\.new must be at least 0, got -1"):
        SegmentRules(model, pauses={"new": -1})


def test_longer_pauses_mean_fewer_contacts(shop, model):
    often, seldom = (
        rollout(SegmentRules(model, pauses=dict.fromkeys(SEGMENTS, n)), shop, 200, 1).contacts.sum()
        for n in (1, 13)
    )
    assert 0 < seldom < often
