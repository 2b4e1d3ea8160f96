"""Policies that remember: what they are shown, and when they forget."""

from typing import Any

import numpy as np
import pytest
import torch

from agents.policy import policy_of
from agents.worlds import FiniteJourneys, History, ShowHistory
from nba_gym.errors import PolicyError
from nba_gym.evaluation import rollout
from nba_gym.scenario.load import load_scenario, preset_names
from tests.agents.learners import N_RECORDS, SCENARIO, built

# --- history --------------------------------------------------------------------------------------


def test_a_history_is_the_present_first_and_forgets_at_a_birth():
    history = History(2, 1, 3)
    shown: list[Any] = []
    for first, second, born in ((1.0, 5.0, False), (2.0, 6.0, False), (3.0, 7.0, True)):
        records = np.array([[first], [second]], dtype=np.float32)
        shown.append(history.push(records, np.array([born, False])).tolist())
    assert shown[0] == [[1, 0, 0], [5, 0, 0]]
    assert shown[1] == [[2, 1, 0], [6, 5, 0]]
    assert shown[2] == [[3, 0, 0], [7, 6, 5]]


def test_the_hidden_half_is_shown_of_the_present_only():
    shown: Any = ShowHistory(
        FiniteJourneys(5, SCENARIO, observe="everything", threads=1), N_RECORDS, 3
    )
    shown.seed(0)
    shown.reset()
    observations = shown.step(np.zeros(5, dtype=np.int64))[0]
    raw = shown.venv.population.out.observations
    assert np.array_equal(observations[:, :N_RECORDS], raw[:, :N_RECORDS])
    assert np.array_equal(observations[:, 3 * N_RECORDS :], raw[:, N_RECORDS:])


@pytest.mark.parametrize("name", ["maskable_ppo_history", "recurrent_ppo"])
def test_a_policy_that_remembers_chooses_as_the_model_over_whole_journeys(name):
    world = load_scenario("telecom")  # where journeys end, and begin anew, at any time
    learner = built(name, world=world, customers=40)
    model, raw = learner.model, learner.raw
    learner.envs.obs_rms.mean += 0.1
    policy = policy_of(model)
    assert policy.remembers
    learner.envs.training = False
    shown: Any = model.env.reset()
    memory, begins = None, np.ones(40, dtype=bool)
    # all begin together: so does a policy that is asked about them
    raw.stagger = False
    shown = model.env.reset()
    ended = 0
    for period in range(2 * world.horizon):
        masks = raw.action_masks()
        records = raw.population.out.observations[:, : policy.n_features]
        chances = policy.probabilities_of(records.copy(), masks)
        if name == "recurrent_ppo":
            state = memory or tuple(torch.zeros(1, 40, 32) for _ in range(2))
            with torch.no_grad():
                dist, memory = model.policy.get_distribution(
                    torch.as_tensor(shown), state, torch.as_tensor(begins).float()
                )
            theirs = dist.distribution.probs.numpy()
        else:
            with torch.no_grad():
                dist = model.policy.get_distribution(torch.as_tensor(shown), masks)
            theirs = dist.distribution.probs.numpy()
        np.testing.assert_allclose(chances, theirs, atol=1e-5)
        shown, _, begins, _ = model.env.step(chances.argmax(axis=1))
        ended += begins.sum() if (period + 1) % world.horizon else 0
    assert ended > 40


@pytest.mark.parametrize("name", ["maskable_ppo_history", "recurrent_ppo"])
def test_a_policy_that_remembers_does_not_depend_on_who_else_is_simulated(name):
    policy = policy_of(built(name).model)
    whole = rollout(policy, SCENARIO, 40, 1).value
    parts = rollout(policy, SCENARIO, 40, 1, chunk=7).value
    assert np.array_equal(whole, parts)


def test_a_policy_that_remembers_says_when_it_cannot():
    policy = policy_of(built("recurrent_ppo").model)
    observations = np.full((3, N_RECORDS), 0.5, dtype=np.float32)
    masks = np.ones((3, SCENARIO.n_actions), dtype=np.int8)
    with pytest.raises(PolicyError, match="the same customers each period"):
        policy.probabilities_of(observations, masks)


@pytest.mark.parametrize("world", preset_names())
def test_the_first_feature_tells_the_beginning_of_a_journey(world):
    raw = FiniteJourneys(20, load_scenario(world), threads=1)
    raw.seed(0)
    assert raw.env.features.names[0] == "tenure"
    assert not raw.reset()[:, 0].any()
    for _ in range(60):
        raw.step_async(np.zeros(20, dtype=np.int64))
        observations, _, dones, _ = raw.step_wait()
        assert np.array_equal(observations[:, 0] == 0.0, dones)
