"""From scores to decisions: consent, shares, propensities that evaluation can rely on."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba_gym.errors import ServiceError
from nba_gym.serving.choosing import Asked, catalogue_of, choose, share_of
from nba_gym.serving.decider import decide_rows
from nba_gym.serving.events import Seen
from nba_gym.serving.loading import load_policy
from tests.serving.consent import count_contacts


def test_nobody_is_contacted_without_consent(retail, lineup):
    exploring = replace(lineup, epsilon=0.5)
    assert count_contacts(retail, exploring, 50_000, 7, consent=False) == (0, 50_000)
    assert count_contacts(retail, exploring, 50_000, 7, consent=True)[0] > 5_000


@given(seed=st.integers(0, 2**32 - 1))
def test_whatever_masks_say_a_contact_needs_consent_on_its_channel(retail, seed):
    generator, catalogue = np.random.default_rng(seed), catalogue_of(retail)
    n = 200
    asked = Asked(
        consent=generator.random((n, retail.n_channels)) < 0.5,
        channel=generator.integers(0, retail.n_channels + 1, n),
        outbound=generator.random(n) < 0.8,
        inbound=generator.random(n) < 0.8,
        contacted=generator.random(n) < 0.2,
    )
    everything = np.ones((n, retail.n_actions), dtype=np.int8)
    masks = catalogue.permitted(everything, asked)
    assert masks[:, 0].all()
    for a, action in enumerate(retail.actions[1:], 1):
        c = [channel.name for channel in retail.channels].index(action.channel)
        if retail.channels[c].direction == "outbound":
            wanted = asked.consent[:, c] & asked.outbound & ~asked.contacted
        else:
            wanted = asked.inbound & ((asked.channel == 0) | (asked.channel == c + 1))
        np.testing.assert_array_equal(masks[:, a] > 0, wanted)


def test_a_contact_without_consent_is_never_let_out(retail):
    catalogue = catalogue_of(retail)
    contact = np.flatnonzero(catalogue.outbound)[:1]
    catalogue.check_contacts(contact, np.ones((1, retail.n_channels), dtype=np.bool_))
    with pytest.raises(ServiceError, match="consent"):
        catalogue.check_contacts(contact, np.zeros((1, retail.n_channels), dtype=np.bool_))


@given(seed=st.integers(0, 2**32 - 1), epsilon=st.floats(0.0, 1.0))
def test_propensities_of_what_could_have_been_chosen_sum_to_one(seed, epsilon):
    generator = np.random.default_rng(seed)
    masks = (generator.random((50, 9)) < 0.4).astype(np.int8)
    masks[:, 0] = 1
    scores = generator.normal(size=masks.shape)
    made = choose(scores, masks, epsilon, generator.random(50))
    np.testing.assert_allclose(made.propensities.sum(axis=1), 1.0, rtol=1e-12)
    assert not made.propensities[masks == 0].any()
    assert (made.propensities[np.arange(50), made.actions] > 0.0).all()
    best = np.argmax(np.where(masks > 0, scores, -np.inf), axis=1)
    np.testing.assert_array_equal(made.explored, made.actions != best)


def test_logged_propensities_tell_what_another_policy_would_have_earned(
    retail, lineup, other_policy
):
    n, generator = 40_000, np.random.default_rng(11)
    arms = replace(lineup, challenger=load_policy(other_policy)[0], share=0.4, epsilon=0.3)
    catalogue = catalogue_of(retail)
    n_features = len(arms.champion.card["features"])
    seen = Seen(
        generator.uniform(-1.0, 1.0, (n, n_features)).astype(np.float32),
        (generator.random((n, retail.n_actions)) < 0.3).astype(np.int8),
        np.zeros(n, dtype=np.uint64),
    )
    seen.masks[:, 0] = 1
    everything = np.ones((n, retail.n_channels), dtype=np.bool_)
    yes, no = np.ones(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    asked = Asked(everything, np.zeros(n, dtype=np.int64), yes, yes, no)
    challenged = arms.challenged([f"c-{i}" for i in range(n)])
    made, masks, *_ = decide_rows(catalogue, arms, seen, asked, challenged, generator)
    worth = 2.0 + seen.observations[:, : retail.n_actions].astype(np.float64)
    rows = np.arange(n)
    earned = worth[rows, made.actions] + generator.normal(size=n)
    for policy in (arms.champion, arms.challenger):
        assert policy is not None
        scores = policy.decide_batch(seen.observations, masks).scores
        wanted = np.argmax(np.where(masks > 0, scores, -np.inf), axis=1)
        matches = made.actions == wanted
        told = earned * matches / made.propensities[rows, made.actions]
        truth = worth[rows, wanted].mean()
        error = told.std() / np.sqrt(n)
        assert abs(told.mean() - truth) < 4.0 * error
        assert error < 0.1


def test_a_share_of_the_customers_and_always_the_same_ones_gets_the_challenger(
    lineup, other_policy
):
    customers = [f"c-{i}" for i in range(20_000)]
    arms = replace(lineup, challenger=load_policy(other_policy)[0], share=0.1)
    chosen = arms.challenged(customers)
    assert abs(chosen.mean() - 0.1) < 4.0 * np.sqrt(0.1 * 0.9 / len(customers))
    np.testing.assert_array_equal(chosen, arms.challenged(customers))
    others = replace(arms, salt="another").challenged(customers)
    assert 0.0 < (others & chosen).mean() < 0.02
    assert 0.0 <= share_of("c", "") < 1.0
    more = replace(arms, share=0.2).challenged(customers)
    assert (more >= chosen).all()  # who had the challenger keeps it when its share grows


def test_settings_of_a_lineup_are_checked(lineup):
    with pytest.raises(ServiceError, match="epsilon"):
        replace(lineup, epsilon=1.5)
    with pytest.raises(ServiceError, match="share"):
        replace(lineup, share=-0.1)
    with pytest.raises(ServiceError, match="challenger"):
        replace(lineup, share=0.5)
