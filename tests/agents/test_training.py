"""Training, weights and export, small enough for every run."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecNormalize

from agents import train as train_module
from agents import watch as watch_module
from agents.algorithms import build
from agents.export import Arguments as ExportArguments
from agents.export import Network, export
from agents.export import main as export_main
from agents.imitation import Imitation
from agents.networks import TwoSidedPolicy
from agents.policy import policy_of
from agents.recipe import load_recipe
from agents.train import train
from agents.watch import Watch
from agents.weights import load_policy, save_policy
from agents.worlds import FiniteJourneys
from nba_gym.cli.common import find_policy
from nba_gym.errors import BundleError, PolicyError
from nba_gym.evaluation import record_journeys, rollout
from nba_gym.evaluation.bulk import Bulk, simulate
from nba_gym.evaluation.kit import Kit
from nba_gym.evaluation.split import SPLIT
from nba_gym.export import check_parity, sample_observations
from nba_gym.policies import NoContact
from nba_gym.records.features import feature_table
from nba_gym.scenario.load import load_scenario
from nba_gym.serving import Engine

SCENARIO = load_scenario("control")
N_RECORDS = len(feature_table(SCENARIO))
SMALL = {"steps": 8_192, "customers": 128, "batch_size": 512}
ALONE = {"privileged_critic": False, "siblings": 1}
RECIPE = load_recipe("control", "maskable_ppo_from_scratch").with_changes(**SMALL, **ALONE)
WITH_TEACHER = load_recipe("control").with_changes(**SMALL, imitate=8.0)


class ByFirstFeature:
    """A teacher that is easy to learn: one of two actions, by the tenure."""

    name = "by first feature"

    def act(self, observations, masks, generator):
        return np.where(observations[:, 0] > 0.5, 1, 0) * masks[:, 1].astype(np.int64)


def learner(recipe, observe="records") -> tuple[Any, Any]:
    """A model before any training, and its customers."""
    raw = FiniteJourneys(recipe.customers, SCENARIO, observe=observe, threads=1, stagger=True)
    envs = VecNormalize(raw, gamma=SCENARIO.discount)
    envs.seed(3)
    sides = {"seen": N_RECORDS, "actor": recipe.network, "critic": recipe.critic}
    model = MaskablePPO(TwoSidedPolicy, envs, n_steps=8, seed=3, policy_kwargs=sides)
    return model, raw


@pytest.fixture(scope="module")
def trained():
    return train(SCENARIO, RECIPE, watch_customers=50, watch_every=1, quiet=True)


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    where = tmp_path_factory.mktemp("export") / "policy"
    export(trained.policy, SCENARIO, where, rows=2_000, customers=50)
    return where


def test_training_is_the_same_to_the_bit_for_the_same_seed_and_leaves_nothing(
    trained, tmp_path, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    again = train(SCENARIO, RECIPE, watch_customers=50, watch_every=1, quiet=True)
    assert list(tmp_path.iterdir()) == []
    ours, theirs = (list(one.policy.scores.parameters()) for one in (trained, again))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert [p.value for p in trained.curve] == [p.value for p in again.curve]


def test_another_seed_gives_another_agent(trained):
    other = train(SCENARIO, RECIPE, seed=1, watch_customers=50, watch_every=1, quiet=True)
    ours, theirs = (next(one.policy.scores.parameters()) for one in (trained, other))
    assert not torch.equal(ours, theirs)


def test_the_curve_runs_from_nothing_to_all_steps(trained):
    steps = [point.steps for point in trained.curve]
    assert steps[0] == 0
    assert steps[-1] >= RECIPE.steps
    assert steps == sorted(steps)


def test_the_exported_policy_is_the_trained_one(trained, folder):
    observations, masks = sample_observations(SCENARIO, 2_000)
    source = Network(trained.policy, {}, 0)
    parity = check_parity(source, Engine(folder, trial=False), observations, masks)
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


def test_an_exported_policy_comes_to_the_same_in_any_batch_of_a_bulk_simulation(folder, tmp_path):
    chosen = find_policy(str(folder), Kit(SCENARIO))
    assert chosen.about["digest"] == Engine(folder, trial=False).digest
    whole, cut = (
        simulate(chosen.policy, SCENARIO, bulk, tmp_path / name).sums
        for name, bulk in (
            ("whole", Bulk(600, periods=12, threads=1)),
            ("cut", Bulk(600, periods=12, threads=2, part=130, side_by_side=77)),
        )
    )
    for name, array in whole.arrays().items():
        np.testing.assert_array_equal(array, getattr(cut, name))


def test_an_exported_policy_is_not_let_act_in_another_world(folder):
    with pytest.raises(BundleError, match="policy must be made for the actions of retail, got"):
        find_policy(str(folder), Kit(load_scenario("retail")))


def test_parity_notices_another_network(trained, folder):
    observations, masks = sample_observations(SCENARIO, 500)
    other = train(SCENARIO, RECIPE, seed=2, watch_customers=50, watch_every=9, quiet=True)
    with pytest.raises(BundleError, match="agree"):
        check_parity(Network(other.policy, {}, 2), Engine(folder, trial=False), observations, masks)


def test_weights_come_back_as_they_were_saved(trained, tmp_path):
    save_policy(trained.policy, tmp_path / "weights.safetensors")
    again = load_policy(tmp_path / "weights.safetensors")
    observations, masks = sample_observations(SCENARIO, 500)
    np.testing.assert_array_equal(
        again.probabilities_of(observations, masks),
        trained.policy.probabilities_of(observations, masks),
    )


def test_numbers_that_cannot_be_are_refused_by_name():
    with pytest.raises(PolicyError, match="steps must be at least 1, got 0"):
        RECIPE.with_changes(steps=0)
    with pytest.raises(PolicyError, match="seed must be at least 0, got -3"):
        train(SCENARIO, RECIPE, seed=-3, quiet=True)
    with pytest.raises(PolicyError, match="threads must be at least 1, got 0"):
        train(SCENARIO, RECIPE, torch_threads=0, quiet=True)


def test_an_interrupted_training_leaves_the_policy_that_was_there(tmp_path, monkeypatch):
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(train_module, "train", interrupted)
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "card.json").write_text("{}")
    with pytest.raises(KeyboardInterrupt):
        train_module.main(
            train_module.Arguments("control", recipe="maskable_ppo_from_scratch", out=tmp_path)
        )
    assert (tmp_path / "policy" / "card.json").read_text() == "{}"


def test_a_scenario_may_be_named_like_a_setting():
    assert load_recipe("steps") == load_recipe("anything else")


def test_weights_of_another_scenario_are_refused(trained, tmp_path):
    save_policy(trained.policy, tmp_path / "weights.safetensors")
    arguments = ExportArguments(tmp_path / "weights.safetensors", tmp_path / "policy", "retail")
    with pytest.raises(BundleError, match="weights must be for"):
        export_main(arguments)
    assert not (tmp_path / "policy").exists()


def test_an_unknown_recipe_is_answered_with_the_nearest():
    with pytest.raises(PolicyError, match="maskable_ppo"):
        load_recipe("retail", "maskable_pp")


# --- beginning where a teacher is -----------------------------------------------------------------


@pytest.fixture(scope="module")
def taught():
    return train(
        SCENARIO, WITH_TEACHER, teacher=ByFirstFeature(), watch_customers=50, quiet=True, seed=4
    )


def test_an_imitator_chooses_as_its_teacher_does_and_doubts_as_much_as_it_was_told():
    model, _ = learner(WITH_TEACHER)
    Imitation(model, decisions=60_000, doubt=0.3, seed=0).run(ByFirstFeature())
    observations, masks = sample_observations(SCENARIO, 2_000)
    clear = np.abs(observations[:, 0] - 0.5) > 0.05
    chances = policy_of(model).probabilities_of(observations, masks)[clear]
    choices = ByFirstFeature().act(observations, masks, np.random.default_rng(0))[clear]
    assert len(set(choices.tolist())) == 2
    assert (chances.argmax(axis=1) == choices).mean() > 0.97
    of_choice = chances[np.arange(len(choices)), choices]
    told = 0.7 + 0.3 / (masks[clear] > 0).sum(axis=1)
    assert np.abs(of_choice - told).mean() < 0.06


def test_training_with_a_teacher_counts_what_was_imitated(taught):
    before = int(WITH_TEACHER.imitate * WITH_TEACHER.steps)
    assert taught.curve[0].steps == before
    whole = before + (1 + WITH_TEACHER.critic_alone) * WITH_TEACHER.steps
    assert taught.curve[-1].steps >= whole


def test_training_with_a_teacher_begins_at_the_value_of_the_teacher(taught):
    value = rollout(ByFirstFeature(), SCENARIO, SPLIT.watching(50), SPLIT.seed).value.mean()
    nothing = rollout(NoContact(), SCENARIO, SPLIT.watching(50), SPLIT.seed).value.mean()
    assert abs(taught.curve[0].value - value) < 0.1 * abs(value - nothing)


def test_training_learns():
    recipe = RECIPE.with_changes(steps=131_072, epochs=4, learning_rate=3e-3)
    done = train(SCENARIO, recipe, watch_customers=200, quiet=True)
    first, last = done.curve[0], done.curve[-1]
    assert last.low > first.value + 5.0
    assert first.low == first.value == first.high


def test_the_learner_is_wired_as_the_recipe_says(trained, taught):
    for done, privileged in ((trained, False), (taught, True)):
        model: Any = done.model
        assert type(model.get_env().venv) is FiniteJourneys
        n_critic = model.policy.mlp_extractor.value_net[0].in_features
        assert model.policy.mlp_extractor.policy_net[0].in_features == N_RECORDS
        assert (n_critic > N_RECORDS) is privileged


@pytest.mark.parametrize("name", ["maskable_ppo_from_scratch", "maskable_ppo_history", "a2c"])
@pytest.mark.parametrize("privileged", [False, True])
def test_a_critic_sees_the_hidden_half_where_the_recipe_says_so_and_the_actor_never(
    name, privileged
):
    recipe = load_recipe("control", name).with_changes(
        customers=64, siblings=4, privileged_critic=privileged
    )
    sides: Any = build(SCENARIO, recipe, seed=0).model.policy.mlp_extractor
    shown = N_RECORDS * recipe.history
    assert sides.policy_net[0].in_features == shown
    assert (sides.value_net[0].in_features > shown) is privileged


LUCK = np.random.default_rng(0).normal(scale=20.0, size=400)
"""By how much customers differ, whatever is done."""


@pytest.mark.parametrize(
    ("levels", "own_noise", "kept"),
    [
        ((1.0, 3.0, 2.9), 2.0, 2),  # not told from the best: the newer one
        ((1.0, 3.0, 2.0), 2.0, 1),  # clearly worse
        ((1.0, 3.0, 2.9), 0.01, 1),  # hardly worse, but clearly
        ((1.0, 3.0, 2.9, 2.7, 2.5, 2.3), 2.0, 2),  # no slipping away by small steps
    ],
)
def test_the_newest_look_that_is_not_clearly_worse_than_the_best_is_kept(
    levels, own_noise, kept, monkeypatch
):
    noise = np.random.default_rng(1).normal(scale=own_noise, size=(len(levels), 400))
    noise -= noise.mean(axis=1, keepdims=True)
    looks = iter(LUCK + np.array(levels)[:, None] + noise)
    limits: Any = {"before": 0, "alone": 0, "steps": 1, "every": 1, "customers": 400}
    watch = Watch(SCENARIO, averaging=0.5, quiet=True, **limits)
    watch.model = train(SCENARIO, RECIPE, watch_customers=2, watch_every=99, quiet=True).model
    monkeypatch.setattr(watch_module, "rollout", lambda *_: SimpleNamespace(value=next(looks)))
    monkeypatch.setattr(watch_module, "what_was_seen", lambda run: {"value": run.value.mean()})
    for number in range(len(levels)):
        monkeypatch.setattr(watch, "_policy", lambda number=number: number)
        watch._look()
    assert watch.best == kept


class Moves(BaseCallback):
    """Notes after which transitions the weights of actor and critic had moved."""

    def __init__(self):
        super().__init__()
        self.actor: list[int] = []
        self.critic: list[int] = []

    def _weights(self) -> tuple[Any, Any]:
        policy: Any = self.model.policy
        return policy.actor_parameters(), [policy.value_net.weight]

    def _on_training_start(self):
        self.first = [[w.detach().clone() for w in side] for side in self._weights()]

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        for side, noted, first in zip(
            self._weights(), (self.actor, self.critic), self.first, strict=True
        ):
            if not all(torch.equal(a, b) for a, b in zip(side, first, strict=True)):
                noted.append(self.num_timesteps)


def test_the_critic_learns_alone_first():
    model, _ = learner(WITH_TEACHER, "everything")
    alone, rollout_size = 2_048, 8 * WITH_TEACHER.customers
    limits: Any = {"before": 0, "alone": alone, "steps": 2_048, "every": 100, "customers": 10}
    watch, moves = Watch(SCENARIO, averaging=0.5, quiet=True, **limits), Moves()
    watch.begin()
    model.learn(alone + 2_048, callback=[watch, moves])
    watch.close()
    # what is noted at the end of a rollout was learned from the rollouts before
    assert min(moves.critic) == 2 * rollout_size
    assert min(moves.actor) == alone + 2 * rollout_size


def test_the_actor_is_blind_to_the_hidden_half_and_the_critic_is_not():
    model, raw = learner(WITH_TEACHER, "everything")
    observations = torch.as_tensor(model.get_env().reset())
    other, masks = observations.clone(), raw.action_masks()
    other[:, N_RECORDS:] = observations[:, N_RECORDS:].flip(0)
    policy = model.policy
    with torch.inference_mode():
        mine, theirs = (
            policy.get_distribution(x, masks).distribution for x in (observations, other)
        )
        assert torch.equal(mine.probs, theirs.probs)
        assert not torch.equal(policy.predict_values(observations), policy.predict_values(other))
        other[:, 0] += 1.0
        shifted = policy.get_distribution(other, masks).distribution
        assert not torch.equal(mine.probs, shifted.probs)


def test_without_a_teacher_a_recipe_that_imitates_is_refused():
    with pytest.raises(PolicyError, match="maskable_ppo_from_scratch"):
        train(SCENARIO, WITH_TEACHER, quiet=True)
    with pytest.raises(PolicyError, match="privileged"):
        train(SCENARIO, WITH_TEACHER, teacher=ByFirstFeature(), observe="everything", quiet=True)


def test_a_privileged_agent_sees_everything_is_compared_and_never_served(tmp_path):
    policy = train(SCENARIO, RECIPE, observe="everything", watch_customers=5, quiet=True).policy
    assert policy.scores.mean.shape[0] > N_RECORDS
    save_policy(policy, tmp_path / "weights.safetensors")
    again = load_policy(tmp_path / "weights.safetensors")
    one, other = (rollout(either, SCENARIO, 20, 1).value for either in (policy, again))
    np.testing.assert_array_equal(one, other)
    assert len(record_journeys(policy, SCENARIO, 3).events) == SCENARIO.horizon
    with pytest.raises(BundleError, match="records only"):
        export(policy, SCENARIO, tmp_path / "policy")
    assert not (tmp_path / "policy").exists()


def test_to_the_learner_a_journey_is_over_at_the_horizon():
    _, raw = learner(RECIPE)
    raw.reset()
    ended = 0
    for _ in range(SCENARIO.horizon):
        raw.step_async(np.zeros(raw.num_envs, dtype=np.int64))
        _, _, dones, infos = raw.step_wait()
        for i in np.flatnonzero(dones):
            assert set(infos[i]) == {"TimeLimit.truncated", "ledger"}
            assert infos[i]["TimeLimit.truncated"] is False
            ended += 1
    assert ended >= raw.num_envs
