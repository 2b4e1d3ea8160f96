"""Policies without torch say as a graph what they say themselves; others are told why not."""

import json

import numpy as np
import pytest

from nba_gym.cli.folders import Export
from nba_gym.effort import PolicyEffort
from nba_gym.errors import BundleError
from nba_gym.evaluation import log_campaign
from nba_gym.export import write_folder
from nba_gym.export.policies import exportable
from nba_gym.policies import (
    GreedyPractice,
    NoContact,
    RoundRobin,
    UniformRandom,
    fit_practice,
)
from nba_gym.policies.arms import PropensityOnly, RandomRelevant
from nba_gym.policies.lookahead import OneStepLookahead
from nba_gym.scenario import load_scenario
from nba_gym.serving import Engine
from nba_gym.serving.loading import load_policy
from nba_gym.truth import MyopicOracle
from tests.serving.written import linear_policy

ROWS = 4_000


@pytest.fixture(scope="module", params=["retail", "telecom", "nonprofit"])
def learned(request):
    """A world and what practice learned there: with contracts, volunteering, or neither."""
    scenario = load_scenario(request.param, ["horizon=30"])
    log = log_campaign(scenario, np.arange(600), 3)
    return scenario, fit_practice(log, scenario, log.feature_names)


def proven(policy, scenario, folder):
    parity = write_folder(exportable(policy), scenario, folder, rows=ROWS, customers=40)
    assert (parity.rows, parity.other_actions) == (ROWS, parity.ties)
    return Engine(folder, trial=False)


@pytest.mark.parametrize("policy", [UniformRandom(), RandomRelevant()])
def test_a_policy_by_lot_is_not_served_as_if_it_chose(policy, retail, tmp_path):
    write_folder(exportable(policy), retail, tmp_path / "lot", rows=200, customers=20)
    with pytest.raises(BundleError, match="one by lot"):
        load_policy(tmp_path / "lot")


def test_practice_with_every_setting_is_the_graph_that_is_written(learned, tmp_path):
    scenario, model = learned
    practice = GreedyPractice(
        model,
        threshold=0.01 * model.typical,
        cap=2,
        window=max(model.windows),
        ripening=4.0,
        years=0.5,
        levers={model.kinds[-1]: 0.5},
        contexts=dict.fromkeys(model.situations.names, 3.0),
    )
    engine = proven(practice, scenario, tmp_path / "policy")
    assert engine.card["training"]["settings"]["cap"] == 2


def test_each_part_of_practice_matters_to_what_is_written(learned, tmp_path):
    """So that parity is not that of a policy that only waits."""
    scenario, model = learned
    engine = proven(GreedyPractice(model), scenario, tmp_path / "policy")
    golden = engine.folder.golden
    chosen = engine.decide_batch(golden.observations, golden.masks).actions
    assert len(set(chosen.tolist())) > 2


@pytest.mark.parametrize("learned", ["telecom"], indirect=True)
def test_lookahead_propensity_and_arms_are_graphs(learned, tmp_path):
    scenario, model = learned
    later = linear_policy(scenario).model
    for i, policy in enumerate(
        (
            OneStepLookahead(model, later, future=0.7, threshold=0.05, cap=3),
            PropensityOnly(model, threshold=0.02, cap=1),
            UniformRandom(0.3),
            RandomRelevant(),
            NoContact(),
        )
    ):
        proven(policy, scenario, tmp_path / str(i))


def test_by_lot_the_probabilities_of_the_graph_are_those_of_the_policy(written, tmp_path):
    engine = proven(RandomRelevant(), written.scenario, tmp_path / "policy")
    chances = engine.decide_batch(written.observations, written.masks).probabilities
    theirs = RandomRelevant().probabilities(written.observations, written.masks)
    np.testing.assert_allclose(chances, theirs, atol=1e-6)


def test_what_is_privileged_or_a_program_is_refused_with_the_reason(written):
    with pytest.raises(BundleError, match=r"myopic oracle.*privileged"):
        exportable(MyopicOracle())
    with pytest.raises(BundleError, match=r"round robin.*a program"):
        exportable(RoundRobin())


@pytest.mark.parametrize("name", ["oracle", "rollouts", "optimal", "rules", "robin"])
def test_the_command_refuses_before_it_learns_anything(name, tmp_path, capsys):
    with pytest.raises(BundleError, match=f"to be served, got '{name}'"):
        Export(name, "retail", tmp_path / "policy").run()
    assert capsys.readouterr().err == ""


def test_the_command_exports_tuned_practice_and_says_how_it_was_made(tmp_path, capsys):
    out = tmp_path / "policy"
    effort = PolicyEffort(campaign=300, tuning=50, trials=3)
    Export("practice", "retail", out, effort, ("horizon=20",)).run()
    assert "200,000 observations" in capsys.readouterr().out
    card = json.loads((out / "card.json").read_text())
    recipe = card["training"]["recipe"]
    assert (vars(effort) | {"policy": "practice"}).items() <= recipe.items()
    assert card["parity"]["rows"] == 200_000
    Engine(out)
