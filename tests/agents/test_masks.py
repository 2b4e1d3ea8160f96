"""Masks: nothing forbidden is ever taken, tried or hoped for."""

from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.logger import Logger

from agents.moment import read_module, write_module
from agents.train import train
from agents.values import MaskedSamples, explore
from agents.worlds import FiniteJourneys, any_allowed, masks_of
from tests.agents.kills import NAMES, small
from tests.agents.learners import N_RECORDS, SCENARIO, built

# --- masks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_no_learner_ever_takes_what_the_mask_forbids(name, monkeypatch):
    taken, allowed = [], []
    step = FiniteJourneys.step_wait

    def watched(self: Any) -> Any:
        allowed.append(self.action_masks().mean())
        found = step(self)
        taken.append(self.population.out.forbidden.any())
        return found

    monkeypatch.setattr(FiniteJourneys, "step_wait", watched)
    recipe = small(name).with_changes(steps=4_000)
    policy = train(SCENARIO, recipe, teacher=Waits(), watch_customers=10, quiet=True).policy
    assert len(taken) > 60
    assert not any(taken)
    assert min(allowed) < 0.9
    masks = np.zeros((4, SCENARIO.n_actions), dtype=np.int8)
    masks[np.arange(4), [0, 1, 2, 0]] = 1
    observations = np.zeros((4, N_RECORDS), dtype=np.float32)
    chances = policy.probabilities_of(observations, masks)
    assert np.array_equal(chances > 0, masks > 0)


class Waits:
    name = "waits"

    def act(self, observations: Any, masks: Any, generator: Any) -> Any:
        return np.zeros(len(observations), dtype=np.int64)


def test_whatever_is_allowed_is_tried_equally_often():
    masks = np.tile(np.array([[True, False, True, True]]), (30_000, 1))
    tried = np.bincount(any_allowed(masks, np.random.default_rng(0)), minlength=4) / 30_000
    assert tried[1] == 0.0
    assert np.abs(tried[[0, 2, 3]] - 1 / 3).max() < 4 * np.sqrt(2 / 9 / 30_000)


@pytest.mark.parametrize("name", ["dqn", "qrdqn"])
def test_customers_explore_each_with_a_coin_of_their_own(name):
    learner = built(name, customers=2_000)
    model = learner.model
    model.num_timesteps, model.exploration_rate = 10_000, 0.3
    masks = masks_of(learner.raw)
    with torch.no_grad():
        values = model.worths(torch.as_tensor(model._last_obs)).numpy()
    best = np.where(masks, values, -np.inf).argmax(axis=1)
    chosen, kept = explore(model, 1_000, np.random.default_rng(1))
    assert np.array_equal(chosen, kept)
    strays = (chosen != best).mean()
    expected = 0.3 * (1.0 - (1.0 / masks.sum(axis=1)).mean())
    assert abs(strays - expected) < 4 * np.sqrt(0.3 / 2_000)
    at_first, _ = explore(model, 20_000, np.random.default_rng(1))
    assert (at_first != best).mean() > 2 * strays


class Fixed(torch.nn.Module):
    """Answers with the same numbers whatever it is shown."""

    def __init__(self, values: torch.Tensor) -> None:
        super().__init__()
        self.values = values

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return self.values


def samples(masks: list[list[bool]]) -> MaskedSamples:
    rows = len(masks)
    return MaskedSamples(
        observations=torch.zeros(rows, 1),
        actions=torch.zeros(rows, 1),
        next_observations=torch.zeros(rows, 1),
        dones=torch.tensor([[0.0]] * (rows - 1) + [[1.0]]),
        rewards=torch.full((rows, 1), 0.5),
        next_masks=torch.tensor(masks),
    )


@pytest.mark.parametrize(("double", "expected"), [(False, [7.0, 3.0]), (True, [1.0, 3.0])])
def test_what_dqn_hopes_for_is_allowed(double, expected):
    model = built("dqn", double=double).model
    model.gamma = 0.9
    model.policy.q_net = model.q_net = Fixed(torch.tensor([[5.0, 9.0, 4.0]]).repeat(3, 1))
    model.q_net_target = Fixed(torch.tensor([[1.0, 8.0, 7.0], [1.0, 8.0, 3.0], [1.0, 8.0, 7.0]]))
    data = samples([[True, False, True], [False, False, True], [True, True, True]])
    wanted = [0.5 + 0.9 * value for value in expected] + [0.5]
    np.testing.assert_allclose(model.targets(data)[:, 0].numpy(), wanted, rtol=1e-6)


def test_what_qrdqn_hopes_for_is_allowed():
    model = built("qrdqn", quantiles=2).model
    model.gamma = 0.9
    low, high = torch.tensor([0.0, 8.0, 3.0]), torch.tensor([6.0, 9.0, 5.0])
    model.quantile_net_target = Fixed(torch.stack([low, high])[None].repeat(3, 1, 1))
    data = samples([[True, False, True], [True, False, False], [True, True, True]])
    wanted = [[0.5 + 0.9 * 3, 0.5 + 0.9 * 5], [0.5, 0.5 + 0.9 * 6], [0.5, 0.5]]
    np.testing.assert_allclose(model.targets(data).numpy(), wanted, rtol=1e-6)


def test_with_everything_allowed_dqn_learns_as_that_of_stable_baselines_does():
    plain = {"double": False, "dueling": False, "network": (64, 64)}
    ours = built("dqn", **plain).model
    theirs = DQN("MlpPolicy", ours.env, policy_kwargs={"net_arch": [64, 64]}, seed=3, device="cpu")
    write_module(theirs.policy, read_module(ours.policy))
    theirs.set_logger(Logger(None, []))
    theirs.lr_schedule, theirs.gamma = ours.lr_schedule, ours.gamma
    theirs.max_grad_norm = ours.max_grad_norm
    generator = torch.Generator().manual_seed(0)
    n = ours.observation_space.shape[0]
    now, later = (torch.randn(256, n, generator=generator) for _ in range(2))
    data = MaskedSamples(
        now,
        torch.randint(SCENARIO.n_actions, (256, 1), generator=generator),
        later,
        (torch.rand(256, 1, generator=generator) < 0.2).float(),
        torch.randn(256, 1, generator=generator),
        torch.ones(256, SCENARIO.n_actions, dtype=torch.bool),
    )
    buffers: list[Any] = []
    for model, discounts in ((ours, {}), (theirs, {"discounts": None})):
        fields = data._asdict() | discounts
        buffer: Any = type("Same", (), {"sample": lambda *_, fields=fields, **__: Bundle(fields)})()
        model.replay_buffer = buffer
        buffers.append(buffer)
        model.train(gradient_steps=3, batch_size=256)
    assert len(buffers) == 2
    for a, b in zip(ours.q_net.parameters(), theirs.q_net.parameters(), strict=True):
        assert torch.equal(a, b)


class Bundle:
    def __init__(self, fields: dict[str, Any]) -> None:
        self.__dict__.update(fields)


def test_the_replay_buffer_keeps_the_masks_after_each_step():
    learner = built("dqn")
    model, raw = learner.model, learner.raw
    found: list[Any] = []
    for _ in range(5):
        actions, _ = explore(model, 10**9, model.luck)
        after = model.env.step(actions)
        model._store_transition(model.replay_buffer, actions, *after)
        found.append(raw.action_masks())
    assert np.array_equal(model.replay_buffer.next_masks[:5], np.stack(found))
    data = model.replay_buffer.sample(64)
    at = {
        row.tobytes(): mask
        for rows, masks in zip(model.replay_buffer.next_observations, found, strict=False)
        for row, mask in zip(rows, masks, strict=True)
    }
    for row, mask in zip(data.next_observations.numpy(), data.next_masks.numpy(), strict=True):
        assert np.array_equal(at[row.tobytes()], mask)


@pytest.mark.parametrize("name", ["ppo", "recurrent_ppo"])
def test_a_network_that_is_shown_the_mask_never_uses_it_and_always_minds_it(name):
    learner = built(name)
    policy, n = learner.model.policy, SCENARIO.n_actions
    shown = torch.as_tensor(learner.model._last_obs)
    assert shown.shape[1] == N_RECORDS + n
    assert np.array_equal(shown[:, -n:].numpy() > 0, masks_of(learner.raw))
    memory: tuple = ()
    if name == "recurrent_ppo":
        assert policy.lstm_actor.input_size == policy.lstm_critic.input_size == N_RECORDS
        memory = (learner.model._last_lstm_states, torch.ones(len(shown)))
    else:
        sides = policy.mlp_extractor.policy_net, policy.mlp_extractor.value_net
        assert [side[0].in_features for side in sides] == [N_RECORDS, N_RECORDS]
    with torch.no_grad():
        actor = (memory[0].pi, memory[1]) if memory else ()
        found = policy.get_distribution(shown, *actor)
        chances = (found[0] if memory else found).distribution.probs
        assert torch.equal(chances > 0, shown[:, -n:] > 0)
        actions, values, chance, *_ = policy(shown, *memory)
        again = policy.evaluate_actions(shown, actions, *memory)
        np.testing.assert_allclose(again[1].numpy(), chance.numpy(), rtol=1e-5)
        unmasked = shown.clone()
        unmasked[:, -n:] = 1.0
        assert torch.equal(policy(unmasked, *memory)[1], values)
