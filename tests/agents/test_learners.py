"""What each learner learns, and what is left of it."""

from typing import Any

import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO
from stable_baselines3 import A2C
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecNormalize

from agents.algorithms import MaskableA2C, build
from agents.export import export
from agents.moment import read_module, write_module
from agents.policy import policy_of
from agents.recipe import load_recipe
from agents.train import train
from agents.values import Dueling, mean_of_quantiles, merged
from agents.weights import load_policy, save_policy
from agents.worlds import FiniteJourneys, ShowMasks
from nba_gym.errors import BundleError
from nba_gym.evaluation import rollout
from nba_gym.evaluation.split import SPLIT
from nba_gym.scenario.load import load_scenario
from nba_gym.serving import Engine
from tests.agents.kills import NAMES, small
from tests.agents.learners import N_RECORDS, SCENARIO, built

# --- A2C is A2C -----------------------------------------------------------------------------------


def test_a2c_with_everything_allowed_takes_the_step_of_stable_baselines_a2c(monkeypatch):
    learner = built("a2c", critic=(64, 64), privileged_critic=False)
    ours = learner.model
    assert type(ours) is MaskableA2C
    everything = np.ones((learner.raw.num_envs, SCENARIO.n_actions), dtype=np.bool_)
    monkeypatch.setattr(FiniteJourneys, "action_masks", lambda _: everything)
    theirs = A2C(
        "MlpPolicy",
        learner.envs,
        n_steps=ours.n_steps,
        gae_lambda=ours.gae_lambda,
        gamma=ours.gamma,
        ent_coef=ours.ent_coef,
        vf_coef=ours.vf_coef,
        max_grad_norm=ours.max_grad_norm,
        policy_kwargs={"net_arch": {"pi": [64, 64], "vf": [64, 64]}},
        device="cpu",
    )
    theirs.policy.mlp_extractor.value_net = torch.nn.Sequential(
        *[
            torch.nn.ReLU() if isinstance(x, torch.nn.Tanh) else x
            for x in theirs.policy.mlp_extractor.value_net
        ]
    )
    write_module(theirs.policy, read_module(ours.policy))
    theirs.set_logger(Logger(None, []))
    theirs.lr_schedule = ours.lr_schedule
    callback = ours._init_callback(None)
    ours.collect_rollouts(learner.envs, callback, ours.rollout_buffer, ours.n_steps)
    rows: Any = ours.rollout_buffer
    whole = {"observations": rows.seen[:-1], "actions": rows.chosen[..., None]}
    whole |= {"values": rows.worth[:-1], "log_probs": rows.chances}
    whole |= {"advantages": rows.gains, "returns": rows.targets}
    for name, part in whole.items():
        setattr(theirs.rollout_buffer, name, part.numpy().copy())
    theirs.rollout_buffer.full = True
    ours.train()
    theirs.train()
    pairs = zip(ours.policy.named_parameters(), theirs.policy.parameters(), strict=True)
    for (name, one), other in pairs:
        assert one.grad is not None, name
        assert other.grad is not None, name
        largest = float(other.grad.abs().max())
        assert largest > 1e-7, name
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-4 * largest)
        torch.testing.assert_close(one, other, rtol=0.0, atol=1e-6)


# --- what is left ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_policy_comes_back_from_its_file(name, tmp_path):
    policy = policy_of(built(name).model)
    save_policy(policy, tmp_path / "weights.safetensors")
    again = load_policy(tmp_path / "weights.safetensors")
    assert (again.algorithm, again.history) == (policy.algorithm, policy.history)
    one, other = (rollout(each, SCENARIO, 30, 1).value for each in (policy, again))
    assert np.array_equal(one, other)


def test_the_same_policy_is_the_same_file(tmp_path):
    policy = policy_of(built("a2c").model)
    for name in ("one", "other"):
        save_policy(policy, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_policy_of_values_is_exported_with_parity(tmp_path):
    policy = policy_of(built("dqn", dueling=True).model)
    export(policy, SCENARIO, tmp_path / "policy", rows=2_000, customers=50)
    served = Engine(tmp_path / "policy")
    assert served.card["training"]["algorithm"] == "MaskedDQN"
    one, other = (rollout(each, SCENARIO, 30, 1).value for each in (policy, served))
    assert np.array_equal(one, other)


@pytest.mark.parametrize("name", ["maskable_ppo_history", "recurrent_ppo"])
def test_a_policy_that_remembers_is_not_exported_and_that_is_said(name, tmp_path):
    with pytest.raises(BundleError, match=r"present observation alone, got one of .*PPO"):
        export(policy_of(built(name).model), SCENARIO, tmp_path / "policy")
    assert not (tmp_path / "policy").exists()


def test_two_streams_and_quantiles_become_one_layer_that_says_the_same():
    latent = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    dueling = Dueling(8, 5)
    torch.testing.assert_close(merged(dueling)(latent), dueling(latent))
    quantiles = torch.nn.Linear(8, 4 * 5)
    means = quantiles(latent).view(-1, 4, 5).mean(dim=1)
    torch.testing.assert_close(mean_of_quantiles(quantiles, 4)(latent), means)


def test_to_look_at_a_policy_draws_no_random_numbers():
    for name in ("dqn", "qrdqn"):
        model = built(name, **({"dueling": True} if name == "dqn" else {})).model
        before = torch.get_rng_state()
        policy_of(model)
        assert torch.equal(before, torch.get_rng_state())


def test_a_privileged_twin_of_every_algorithm_sees_the_hidden_half():
    for name in ("ppo", "a2c", "dqn", "qrdqn", "recurrent_ppo", "maskable_ppo_history"):
        learner = build(SCENARIO, small(name), seed=0, observe="everything")
        policy = policy_of(learner.model, observe="everything")
        assert policy.n_features == len(learner.raw.env.features) > N_RECORDS
        assert len(rollout(policy, SCENARIO, 5, 1).value) == 5


MAILING = load_scenario("mailing")


BEST, ALONE = 53.149, 40.0  # Pfeifer & Carraway (2000); and what nobody's mail is worth


@pytest.mark.parametrize("name", ["maskable_ppo_from_scratch", *NAMES[1:]])
def test_every_learner_finds_most_of_what_mailing_is_worth(name):
    """Most of the way from what a policy without mail is worth to the published optimum."""
    recipe = load_recipe("mailing", name)
    quick: Any = {
        "steps": 30_000 if name.endswith("dqn") else 45_000,
        "customers": 48,
        "batch_size": 512,
        "warm_up": 2_000,
        "replay": 40_000,
        "target_every": 1_000,
        "quantiles": 8,
        "watch_every": 100 if name.endswith("dqn") else 12,
    }
    recipe = recipe.with_changes(**{k: v for k, v in quick.items() if k in recipe.as_dict()})
    done = train(MAILING, recipe, watch_customers=500, quiet=True, seed=1)
    best = rollout(done.policy, MAILING, SPLIT.tuning(2_000), SPLIT.seed).value
    low = best.mean() - 4 * best.std() / np.sqrt(len(best))
    assert low > ALONE
    assert best.mean() > ALONE + 0.75 * (BEST - ALONE)


def test_show_masks_shows_them_last():
    raw = FiniteJourneys(5, SCENARIO, threads=1)
    shown: Any = ShowMasks(VecNormalize(raw))
    shown.seed(0)
    observations = shown.reset()
    assert np.array_equal(observations[:, N_RECORDS:] > 0, raw.action_masks())
    assert isinstance(build(SCENARIO, small("maskable_ppo"), seed=0).model, MaskablePPO)
