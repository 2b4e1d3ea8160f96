"""The lean loop: the same weights as sb3-contrib on the same rollout, and nothing else's luck."""

from typing import Any

import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecNormalize

from agents.algorithms import build
from agents.lean import LeanPPO, Rollout
from agents.networks import TwoSidedPolicy
from agents.recipe import load_recipe
from agents.worlds import FiniteJourneys
from nba_gym.errors import PolicyError
from nba_gym.records.features import feature_table
from nba_gym.scenario.load import load_scenario
from tests.agents.kills import small

SCENARIO = load_scenario("retail", ["horizon=6"])
PERIODS, CUSTOMERS, ROWS = 9, 48, 64
SIDES = {"seen": len(feature_table(SCENARIO)), "actor": (16, 16), "critic": (24,)}
SETTINGS: dict[str, Any] = {
    "n_steps": PERIODS,
    "batch_size": ROWS,
    "n_epochs": 3,
    "gamma": 0.97,
    "gae_lambda": 0.9,
    "learning_rate": 3e-3,
    "clip_range": 0.1,
    "ent_coef": 0.02,
    "max_grad_norm": 0.4,
    "seed": 5,
    "policy_kwargs": SIDES,
    "device": "cpu",
}


class OrderOf:
    """Draws minibatches as sb3-contrib does, whose rows lie customer by customer."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0).random
        self._theirs = np.random.RandomState(7)

    def permutation(self, n: int) -> Any:
        order = self._theirs.permutation(n)
        return order % PERIODS * CUSTOMERS + order // PERIODS


def pair(**changes: Any) -> tuple[Any, Any]:
    """A lean learner after a rollout, and one of sb3-contrib with that rollout and its weights."""
    models: list[Any] = []
    kinds: Any = ((LeanPPO, {"luck": OrderOf()}), (MaskablePPO, {}))
    for kind, own in kinds:
        envs = VecNormalize(FiniteJourneys(CUSTOMERS, SCENARIO, threads=1), gamma=0.97)
        model = kind(TwoSidedPolicy, envs, **(SETTINGS | changes), **own)
        model.set_logger(Logger(None, []))
        _, callback = model._setup_learn(1_000, None)
        models.append((model, callback))
    (lean, callback), (theirs, _) = models
    theirs.policy.load_state_dict(lean.policy.state_dict())
    assert lean.collect_rollouts(lean.env, callback, lean.rollout_buffer, PERIODS)
    rows, buffer = lean.rollout_buffer, theirs.rollout_buffer
    begins = np.ones(CUSTOMERS, dtype=np.bool_)
    for t in range(PERIODS):
        buffer.add(
            rows.seen[t].numpy(),
            rows.chosen[t].numpy()[:, None],
            rows.rewards[t],
            begins,
            rows.worth[t],
            rows.chances[t],
            action_masks=rows.masks[t].numpy(),
        )
        begins = rows.ended[t]
    buffer.compute_returns_and_advantage(rows.worth[-1], rows.ended[-1])
    return lean, theirs


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ent_coef": 0.0, "normalize_advantage": False},
        {"clip_range": 1e-3, "vf_coef": 2.0},
    ],
)
def test_the_same_rollout_ends_in_the_same_weights_as_with_sb3_contrib(changes):
    lean, theirs = pair(**changes)
    before = {name: part.clone() for name, part in lean.policy.state_dict().items()}
    np.random.seed(7)  # noqa: NPY002 - it is from there that sb3-contrib draws minibatches
    theirs.train()
    lean.train()
    for (name, ours), other in zip(
        lean.policy.state_dict().items(), theirs.policy.state_dict().values(), strict=True
    ):
        moved = (ours - before[name]).abs().max()
        assert moved > 1e-3
        torch.testing.assert_close(ours, other, atol=2e-6, rtol=1e-5)


def test_a_last_minibatch_of_one_leaves_the_weights_finite():
    """Advantages of one row have no spread; sb3-contrib divides by it all the same."""
    lean, _ = pair(batch_size=CUSTOMERS * PERIODS - 1)
    lean.train()
    assert all(bool(part.isfinite().all()) for part in lean.policy.state_dict().values())


def test_what_is_told_of_an_update_is_what_sb3_contrib_tells():
    lean, theirs = pair()
    told: list[dict[str, Any]] = []
    for model in (lean, theirs):
        np.random.seed(7)  # noqa: NPY002
        model.train()
        told.append(dict(model.logger.name_to_value))
    ours, others = told
    assert set(ours) - set(others) == set()
    # sb3-contrib tells the divergence of the last epoch and the loss of the last minibatch
    for name in set(ours) - {"train/approx_kl", "train/loss"}:
        assert ours[name] == pytest.approx(others[name], abs=2e-6, rel=1e-4), name
    assert ours["train/clip_fraction"] > 0.0
    assert ours["train/approx_kl"] > 0.0


def test_advantages_and_returns_are_those_of_sb3_contrib():
    lean, theirs = pair()
    rows, buffer = lean.rollout_buffer, theirs.rollout_buffer
    assert rows.ended.any()
    np.testing.assert_allclose(rows.gains.numpy(), buffer.advantages, atol=1e-5)
    np.testing.assert_allclose(rows.targets.numpy(), buffer.returns, atol=1e-5)


def test_values_and_log_probabilities_of_a_rollout_are_those_of_the_policy():
    lean, _ = pair()
    rows: Rollout = lean.rollout_buffer
    with torch.no_grad():
        for t in range(PERIODS):
            values, chances, _ = lean.policy.evaluate_actions(
                rows.seen[t], rows.chosen[t], rows.masks[t].numpy()
            )
            torch.testing.assert_close(rows.worth[t], values.flatten(), atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(rows.chances[t], chances, atol=1e-5, rtol=1e-5)


def test_what_a_time_limit_cut_off_is_worth_what_the_critic_says():
    lean, _ = pair()
    rows: Rollout = lean.rollout_buffer
    lasts = rows.seen[3, :3].numpy() + 1.0
    infos: list[dict[str, Any]] = [{}] * CUSTOMERS
    for i, cut_off in enumerate((True, False, True)):
        infos[i] = {"terminal_observation": lasts[i], "TimeLimit.truncated": cut_off}
    dones, earned = np.arange(CUSTOMERS) < 3, np.linspace(0.0, 1.0, CUSTOMERS, dtype=np.float32)
    lean._note(rows, 0, earned, dones, infos)
    with torch.no_grad():
        worths = lean.policy.predict_values(torch.from_numpy(lasts)).numpy()[:, 0]
    assert np.abs(worths).min() > 1e-3
    later = np.zeros(CUSTOMERS, dtype=np.float32)
    later[:3] = worths * (1.0, 0.0, 1.0)
    np.testing.assert_allclose(rows.rewards[0], earned + 0.97 * later, rtol=1e-5)
    assert np.array_equal(rows.ended[0], dones)


def test_actions_are_drawn_with_the_probabilities_of_the_policy():
    lean, _ = pair()
    rows: Rollout = lean.rollout_buffer
    lean.luck = np.random.default_rng(3)
    with torch.no_grad():
        lean.policy.action_net.weight.mul_(60.0)  # far from uniform
        wanted = lean.policy.get_distribution(rows.seen[0], rows.masks[0].numpy())
    chances, counts = wanted.distribution.probs.numpy(), np.zeros(rows.masks[0].shape)
    assert chances.max() > 0.5
    draws = 4_000
    for _ in range(draws):
        lean._choose(rows, 0)
        counts[np.arange(CUSTOMERS), rows.chosen[0].numpy()] += 1
    error = np.sqrt(draws * chances * (1.0 - chances)).clip(1.0)
    assert np.abs((counts - draws * chances) / error).max() < 5.0
    assert counts[~rows.masks[0].numpy()].sum() == 0


def test_training_draws_from_no_generator_but_its_own():
    learner = build(SCENARIO, small("maskable_ppo_history"), seed=1)
    learner.model.set_logger(Logger(None, []))
    torch_before = torch.get_rng_state()
    numpy_before = np.random.get_state(legacy=False)["state"]["key"].copy()  # noqa: NPY002
    own = str(learner.model.luck.bit_generator.state)
    learner.model.learn(3_000)
    assert torch.equal(torch.get_rng_state(), torch_before)
    after = np.random.get_state(legacy=False)["state"]["key"]  # noqa: NPY002
    assert np.array_equal(after, numpy_before)
    assert str(learner.model.luck.bit_generator.state) != own


def test_the_critic_alone_leaves_the_actor_as_it_is():
    lean, _ = pair()
    before = [part.clone() for part in lean.policy.actor_parameters()]
    critic = lean.policy.value_net.weight.clone()
    for part in lean.policy.actor_parameters():
        part.requires_grad_(False)
    lean.train()
    after = lean.policy.actor_parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not torch.equal(lean.policy.value_net.weight, critic)


def test_the_default_recipe_runs_in_the_lean_loop():
    assert isinstance(build(SCENARIO, small("maskable_ppo"), seed=0).model, LeanPPO)
    assert load_recipe("retail").algorithm == "maskable_ppo"


def test_weights_that_run_away_end_training_with_one_line():
    lean, _ = pair()
    with torch.no_grad():
        lean.policy.value_net.weight.fill_(float("nan"))
    with pytest.raises(PolicyError, match=r"learning_rate must be .* value_loss is nan after"):
        lean.train()
