"""What a training run leaves becomes a policy folder; torch and ONNX say the same."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import nn

from agents.export import Arguments, Network, export, main
from agents.left import AGENT, find_left, save_training
from agents.policy import ActionScores, AgentPolicy
from agents.weights import load_policy, save_policy
from nba_gym.errors import BundleError, ScenarioError
from nba_gym.evaluation import compare
from nba_gym.export import evaluation_of, sample_observations
from nba_gym.export.write import check_parity
from nba_gym.policies import NoContact
from nba_gym.records.features import feature_table
from nba_gym.scenario import Scenario, load_scenario
from nba_gym.serving import Engine

RETAIL = load_scenario("retail")


def agent(scenario: Scenario = RETAIL, bend: Any = nn.Tanh, seed: int = 0) -> AgentPolicy:
    """A network with weights by lot, and a normaliser that does something."""
    torch.manual_seed(seed)
    n, n_actions = len(feature_table(scenario)), scenario.n_actions
    layers = nn.Sequential(nn.Linear(n, 64), bend(), nn.Linear(64, 64), bend())
    generator = np.random.default_rng(seed)
    mean, std = generator.random(n), 0.05 + generator.random(n)
    head = nn.Linear(64, n_actions)
    with torch.no_grad():
        head.weight *= 8.0  # so that actions differ in earnest
    return AgentPolicy(ActionScores(layers, head, mean, std, 5.0))


def test_torch_and_onnx_agree_on_two_hundred_thousand_observations(tmp_path):
    policy = agent()
    parity = export(policy, RETAIL, tmp_path / "policy", customers=50)
    assert parity.rows == 200_000
    assert parity.largest_difference <= 1e-5
    assert parity.largest_of_scores <= 1e-5
    observations, masks = sample_observations(RETAIL, 200_000)
    mine, _ = Network(policy, {}, 0).answer(observations, masks)
    theirs = Engine(tmp_path / "policy", trial=False).decide_batch(observations, masks)
    best, second = np.sort(mine, axis=1)[:, -1], np.sort(mine, axis=1)[:, -2]
    clear = best - second > 1e-5
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(theirs.actions[clear], mine.argmax(axis=1)[clear])
    assert len(set(theirs.actions.tolist())) > 10


@pytest.mark.parametrize("bend", [nn.ReLU, nn.ELU, nn.LeakyReLU, nn.Sigmoid, nn.Softplus])
def test_other_bends_between_layers_are_exported_as_they_are(bend, tmp_path):
    parity = export(agent(bend=bend), RETAIL, tmp_path / "policy", rows=1_000, customers=20)
    assert parity.other_actions == parity.ties


def test_a_layer_that_has_no_operator_is_refused_by_name(tmp_path):
    with pytest.raises(BundleError, match=r"layers of a policy to be served.*got Hardtanh"):
        export(agent(bend=nn.Hardtanh), RETAIL, tmp_path / "policy", rows=100, customers=20)
    assert not (tmp_path / "policy").exists()


def test_parity_is_refused_where_the_normaliser_was_forgotten(tmp_path):
    policy = agent()
    export(policy, RETAIL, tmp_path / "policy", rows=1_000, customers=20)
    observations, masks = sample_observations(RETAIL, 1_000)
    policy.scores.mean += 0.01
    engine = Engine(tmp_path / "policy", trial=False)
    with pytest.raises(BundleError, match="scores must agree"):
        check_parity(Network(policy, {}, 0), engine, observations, masks)


# --- what runs leave --------------------------------------------------------------------------


def exported(monkeypatch) -> dict[str, Any]:
    """What the command hands to the export, instead of the minutes that it takes."""
    seen: dict[str, Any] = {}

    def remember(policy: AgentPolicy, scenario: Scenario, folder: Any, **rest: Any) -> Any:
        seen.update(rest, scenario=scenario, folder=folder)
        return export(policy, scenario, folder, rows=300, customers=20, **rest)

    monkeypatch.setattr("agents.export.export", remember)
    return seen


def test_a_run_says_by_itself_what_it_was_trained_in(tmp_path, monkeypatch, capsys):
    world = load_scenario("telecom", ["horizon=20"])
    save_policy(agent(world), tmp_path / "weights.safetensors")
    save_training(tmp_path, world, {"algorithm": "x", "steps": 5}, 7)
    seen = exported(monkeypatch)
    main(Arguments(tmp_path))
    assert (seen["scenario"], seen["seed"], seen["recipe"]["steps"]) == (world, 7, 5)
    card = Engine(tmp_path / "policy", trial=False).card
    assert (card["scenario"], card["training"]["seed"]) == ("telecom", 7)
    assert "wrote" in capsys.readouterr().out


def test_weights_by_themselves_say_it_by_what_lies_beside_them_or_not_at_all(tmp_path, monkeypatch):
    world = load_scenario("telecom", ["horizon=20"])
    save_policy(agent(world), tmp_path / "weights.safetensors")
    with pytest.raises(BundleError, match=r"scenario must be given \(--scenario\)"):
        main(Arguments(tmp_path / "weights.safetensors"))
    save_training(tmp_path, world, {"algorithm": "x", "steps": 5}, 7)
    seen = exported(monkeypatch)
    main(Arguments(tmp_path / "weights.safetensors"))
    assert (seen["scenario"], seen["seed"], seen["recipe"]["steps"]) == (world, 7, 5)
    alone = tmp_path / "elsewhere.safetensors"
    (tmp_path / "weights.safetensors").rename(alone)
    main(Arguments(alone, tmp_path / "other", scenario="telecom"))
    card = Engine(tmp_path / "other", trial=False).card
    assert card["training"] == {"algorithm": "MaskablePPO", "seed": None, "recipe": {}}


def test_a_world_of_another_version_is_one_line(tmp_path):
    world = load_scenario("telecom", ["horizon=20"])
    save_policy(agent(world), tmp_path / "weights.safetensors")
    save_training(tmp_path, world, {}, 7)
    about = json.loads((tmp_path / "training.json").read_text())
    about["scenario"]["horizons"] = about["scenario"].pop("horizon")
    (tmp_path / "training.json").write_text(json.dumps(about))
    with pytest.raises(ScenarioError, match=r"training\.json must hold a scenario.*horizon"):
        main(Arguments(tmp_path))


def test_weights_whose_shape_is_not_theirs_are_one_line(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_policy(agent(load_scenario("control")), path)
    with safe_open(str(path), framework="pt") as file:
        about = json.loads(file.metadata()["policy"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    broken = [about | {"shape": about["shape"] | {"actions": 3}}, {"shape": about["shape"]}]
    broken += [about | {"shape": {}}, about | {"shape": None}]
    for told in broken:
        path.write_bytes(save(tensors, metadata={"policy": json.dumps(told)}))
        with pytest.raises(BundleError, match=r"weights must come from agents\.train"):
            load_policy(path)


def test_the_folder_of_make_run_brings_its_comparison_onto_the_card(tmp_path, monkeypatch):
    world = load_scenario("control", ["horizon=10"])
    stage = tmp_path / "training"
    stage.mkdir()
    save_policy(agent(world), stage / "weights.safetensors")
    (stage / "stage.json").write_text(json.dumps({"depends": {"recipe": {"a": 1}, "seed": 3}}))
    (tmp_path / "scenario.toml").write_text('extends = "control"\nhorizon = 10\n')
    result = compare({AGENT: NoContact(), "other": NoContact()}, world, 50, 1, baseline="other")
    result.save(tmp_path / "comparison")
    exported(monkeypatch)
    main(Arguments(tmp_path, tmp_path / "policy"))
    card = Engine(tmp_path / "policy", trial=False).card
    assert card["evaluation"]["baseline"] == "other"
    assert card["evaluation"]["of"][AGENT]["difference"] == 0.0
    assert card["evaluation"]["customers"] == 50
    assert card["training"] == {"algorithm": "MaskablePPO", "seed": 3, "recipe": {"a": 1}}


def test_a_policy_that_was_not_compared_is_none_on_the_card(tmp_path):
    result = compare({"a": NoContact()}, load_scenario("control", ["horizon=5"]), 20, 1)
    result.save(tmp_path)
    summary = json.loads((tmp_path / "comparison.json").read_text())
    with pytest.raises(ValueError, match="policy must be one that was compared"):
        evaluation_of(summary, "b")


def test_a_folder_without_weights_is_refused_by_name(tmp_path):
    with pytest.raises(BundleError, match=r"must be a folder with weights\.safetensors"):
        find_left(tmp_path)
