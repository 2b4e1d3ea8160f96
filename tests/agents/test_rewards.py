"""Agents that are rewarded for something else than profit, and customers who drift."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sb3_contrib")

from agents.recipe import Recipe, load_recipe, recipe_of
from agents.rewards import Earn, Earnings, Reward
from agents.train import train
from agents.worlds import FiniteJourneys
from experiments.engine.catalogue import in_catalogue_of
from nba_gym.errors import PolicyError
from nba_gym.evaluation import rollout
from nba_gym.evaluation.drift import TRAITS, Drift
from nba_gym.policies import NoContact, UniformRandom
from nba_gym.scenario import load_scenario

HOME = {"horizon": 12}


def small(**changes: Any) -> Recipe:
    settings = {"steps": 2_048, "customers": 64, "batch_size": 512, "watch_every": 1}
    return load_recipe("control", "maskable_ppo_from_scratch").with_changes(**settings | changes)


def test_profit_as_a_reward_trains_to_the_same_bits_as_no_reward():
    scenario = load_scenario("control", HOME)
    plain, priced = (
        train(scenario, small(), quiet=True, watch_customers=40, reward=reward)
        for reward in (None, Reward(profit=1.0))
    )
    for one, other in zip(
        plain.policy.scores.parameters(), priced.policy.scores.parameters(), strict=True
    ):
        assert (one == other).all()
    assert [point.value for point in plain.curve] == pytest.approx(
        [point.value for point in priced.curve]
    )


def test_a_learning_curve_is_told_in_what_the_agent_is_rewarded_for():
    scenario = load_scenario("control", HOME)
    done = train(
        scenario, small(steps=64), quiet=True, watch_customers=40, reward=Reward(contacts=-1.0)
    )
    assert -12.0 <= done.curve[0].value <= 0.0


@pytest.mark.parametrize("name", ["control", "retail"])
def test_what_customers_earn_by_a_reward_is_what_they_did(name):
    scenario, n = load_scenario(name, HOME | {"discount": 1.0}), 50
    for term, column in (
        ("purchases", "purchases"),
        ("contacts", "contacts"),
        ("opt_outs", "opt_outs"),
        ("profit", "value"),
    ):
        earned = Earnings(Reward(**{term: 2.0}), scenario.discount)
        run = rollout(UniformRandom(), scenario, n, 5, chunk=20, watch=earned)
        np.testing.assert_allclose(earned.values, 2.0 * getattr(run, column))


def test_the_change_of_loyalty_adds_up_and_is_lost_with_who_leaves():
    scenario, loyalty = load_scenario("retail", {"horizon": 40, "discount": 1.0}), {}

    def look(t: int, population: Any) -> None:
        earned(t, population)
        loyalty[t] = np.where(
            population.read("alive")[:, 0] > 0, population.read("loyalty")[:, 0], 0.0
        )

    earned = Earnings(Reward(loyalty=3.0), 1.0)
    rollout(UniformRandom(), scenario, 200, 5, watch=look)
    np.testing.assert_allclose(earned.values, 3.0 * (loyalty[40] - loyalty[0]), atol=1e-5)
    assert (loyalty[40] == 0.0).any()


@pytest.mark.parametrize("name", ["retail", "telecom"])
def test_a_batch_pays_the_reward_and_who_takes_a_place_owes_nothing(name):
    scenario, n = load_scenario(name, {"horizon": 30}), 400
    left = 0
    raw = FiniteJourneys(n, scenario, threads=1, record=True)
    envs = Earn(raw, Reward(responses=1.0, loyalty=1.0))
    envs.reset()
    for _ in range(35):
        before = np.where(
            raw.population.read("alive")[:, 0] > 0, raw.population.read("loyalty")[:, 0], 0.0
        )
        masks = raw.action_masks()
        envs.step_async(masks.shape[1] - 1 - masks[:, ::-1].argmax(axis=1))
        _, rewards, dones, _ = envs.step_wait()
        column = list(raw.population.out.events.T)[2]  # responded, the third of an event log
        after = np.where(
            raw.population.read("alive")[:, 0] > 0, raw.population.read("loyalty")[:, 0], 0.0
        )
        gone = raw.population.out.terminated
        left += int(gone.sum())
        owed = column + np.where(dones, np.where(gone, -before, 0.0), after - before)
        np.testing.assert_allclose(rewards, owed, atol=1e-6)
    assert (left > 0) == (name == "telecom")


def test_who_cancels_costs_as_much_while_learning_as_when_judged():
    """Journeys that end with a cancellation: the reward adds up to what is lost of loyalty."""
    scenario, n = load_scenario("telecom", {"horizon": 60, "discount": 1.0}), 300
    raw = FiniteJourneys(n, scenario, threads=1, record=True)
    envs = Earn(raw, Reward(loyalty=20.0))
    envs.reset()
    first = raw.population.read("loyalty")[:, 0].astype(np.float64)
    paid, over, cancelled = np.zeros(n), np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    for _ in range(59):
        envs.step_async(np.zeros(n, dtype=np.int64))
        _, rewards, dones, _ = envs.step_wait()
        paid += np.where(over, 0.0, rewards)
        cancelled |= ~over & raw.population.out.terminated
        over |= dones
    assert cancelled.sum() > 20
    np.testing.assert_allclose(paid[cancelled], -20.0 * first[cancelled], rtol=1e-4)


def test_a_recipe_told_as_values_is_the_recipe():
    recipe = small()
    values = recipe.as_dict()
    assert recipe_of(values) == recipe
    with pytest.raises(PolicyError, match="did you mean 'a2c'"):
        recipe_of(values | {"algorithm": "a2cc"})


def test_no_drift_changes_nothing_and_every_trait_that_drifts_changes_journeys():
    scenario = load_scenario("retail", {"horizon": 30})

    def value(drift: dict[str, float]) -> Any:
        return rollout(UniformRandom(), scenario, 300, 5, watch=Drift(drift)).value

    still = rollout(UniformRandom(), scenario, 300, 5).value
    np.testing.assert_array_equal(value({}), still)
    np.testing.assert_array_equal(
        value(dict.fromkeys(("leaving_propensity", "tolerance"), 0.0)), still
    )
    for trait in TRAITS:
        assert (value({trait: 0.2}) != still).any(), trait


def test_customers_who_drift_towards_leaving_leave_sooner_whatever_stays_stays():
    scenario = load_scenario("retail", {"horizon": 60})
    runs = [
        rollout(NoContact(), scenario, 500, 5, watch=Drift({"leaving_propensity": step}))
        for step in (0.0, 0.05)
    ]
    assert (runs[1].lifetime <= runs[0].lifetime).all()
    assert runs[1].lifetime.mean() < runs[0].lifetime.mean()
    with pytest.raises(PolicyError, match="did you mean 'tolerance'"):
        Drift({"tolerence": 0.1})


def test_an_old_catalogue_is_matched_by_name():
    old = load_scenario("control")
    actions = old.model_dump(mode="json")["actions"]
    now = load_scenario(old, {"actions": [actions[0], *reversed(actions[3:])]})

    class Always:
        name = "always"

        def act(self, observations: Any, masks: Any, generator: Any) -> Any:
            shown.append(masks.copy())
            return np.full(len(masks), 5)

    shown: list[Any] = []
    policy = in_catalogue_of(Always(), old, now)
    masks = np.ones((2, now.n_actions), dtype=np.int8)
    chosen = policy.act(np.zeros((2, 3), dtype=np.float32), masks, np.random.default_rng(0))
    assert now.actions[chosen[0]].name == old.actions[5].name
    assert shown[0][0].tolist() == [1, 0, 0] + [1] * (old.n_actions - 3)
    same = Always()
    assert in_catalogue_of(same, old, old) is same
