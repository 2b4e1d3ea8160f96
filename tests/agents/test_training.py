"""Training, weights and export, small enough for every run."""

import json

import numpy as np
import pytest
import torch

from agents.export import check_parity, export, sample_observations
from agents.policy import policy_of
from agents.recipe import load_recipe
from agents.train import train
from agents.weights import load_policy, save_policy
from nba_gym.errors import BundleError, PolicyError
from nba_gym.scenario.load import load_scenario
from nba_gym.serving import OnnxPolicy

SCENARIO = load_scenario("control")
RECIPE = load_recipe("control").with_changes(steps=8_192, customers=128, batch_size=512)


@pytest.fixture(scope="module")
def trained():
    return train(SCENARIO, RECIPE, watch_customers=50, watch_every=1, quiet=True)


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    where = tmp_path_factory.mktemp("export") / "policy"
    export(trained.policy, SCENARIO, where, rows=2_000)
    return where


def test_training_is_the_same_to_the_bit_for_the_same_seed(trained):
    again = train(SCENARIO, RECIPE, watch_customers=50, watch_every=1, quiet=True)
    for ours, theirs in zip(
        trained.policy.scores.parameters(), again.policy.scores.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)
    assert [p.value for p in trained.curve] == [p.value for p in again.curve]


def test_another_seed_gives_another_agent(trained):
    other = train(SCENARIO, RECIPE, seed=1, watch_customers=50, watch_every=1, quiet=True)
    ours, theirs = trained.policy.scores.head.weight, other.policy.scores.head.weight
    assert not torch.equal(ours, theirs)


def test_the_curve_runs_from_nothing_to_all_steps(trained):
    steps = [point.steps for point in trained.curve]
    assert steps[0] == 0
    assert steps[-1] >= RECIPE.steps
    assert steps == sorted(steps)


def test_the_exported_policy_is_the_trained_one(trained, folder):
    observations, masks = sample_observations(SCENARIO, 2_000)
    parity = check_parity(trained.policy, OnnxPolicy(folder), observations, masks)
    assert parity.rows == 2_000
    assert parity.largest_difference < 1e-5
    card = json.loads((folder / "card.json").read_text())
    assert card["parity"]["rows"] == 2_000
    assert len(card["features"]) == observations.shape[1]


def test_a_policy_chooses_as_the_model_it_is_taken_from(trained):
    """The model gets observations that its environment normalised; the policy gets them raw."""
    observations, masks = sample_observations(SCENARIO, 500)
    model = trained.model
    normalised = model.get_vec_normalize_env().normalize_obs(observations)
    assert np.abs(normalised - observations).max() > 1.0
    with torch.inference_mode():
        chances = model.policy.get_distribution(torch.as_tensor(normalised), masks).distribution
    policy = policy_of(model)
    np.testing.assert_allclose(
        policy.probabilities_of(observations, masks), chances.probs.numpy(), atol=1e-5
    )


def test_parity_notices_another_network(trained, folder):
    observations, masks = sample_observations(SCENARIO, 500)
    other = train(SCENARIO, RECIPE, seed=2, watch_customers=50, watch_every=9, quiet=True)
    with pytest.raises(BundleError, match="agree"):
        check_parity(other.policy, OnnxPolicy(folder), observations, masks)


def test_weights_come_back_as_they_were_saved(trained, tmp_path):
    save_policy(trained.policy, tmp_path / "weights.safetensors")
    again = load_policy(tmp_path / "weights.safetensors")
    observations, masks = sample_observations(SCENARIO, 500)
    np.testing.assert_array_equal(
        again.probabilities_of(observations, masks),
        trained.policy.probabilities_of(observations, masks),
    )


def test_a_damaged_folder_is_refused_by_name(folder, tmp_path):
    with pytest.raises(BundleError, match=r"card\.json"):
        OnnxPolicy(tmp_path)
    card = json.loads((folder / "card.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps(card | {"format": "other"}))
    with pytest.raises(BundleError, match="format"):
        OnnxPolicy(tmp_path)
    (tmp_path / "card.json").write_text(json.dumps(card))
    (tmp_path / "policy.onnx").write_bytes(b"something else")
    with pytest.raises(BundleError, match="digest"):
        OnnxPolicy(tmp_path)


def test_the_exported_policy_refuses_what_is_not_an_observation(folder):
    policy = OnnxPolicy(folder)
    n_features, n_actions = len(policy.card["features"]), len(policy.card["actions"])
    x, masks = np.zeros((2, n_features), np.float32), np.ones((2, n_actions), np.int8)
    with pytest.raises(BundleError, match="observations must have shape"):
        policy.scores(x[:, :-1], masks)
    with pytest.raises(BundleError, match="masks must have shape"):
        policy.scores(x, masks[:1])
    x[1, 0] = np.nan
    with pytest.raises(BundleError, match=r"observations\[1\]\.tenure must be finite"):
        policy.scores(x, masks)


def test_an_unknown_recipe_is_answered_with_the_nearest():
    with pytest.raises(PolicyError, match="maskable_ppo"):
        load_recipe("retail", "maskable_pp")
