"""What each learner is: wired with masks everywhere, and better than where it began."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import MaskablePPO
from stable_baselines3 import A2C, DQN
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecNormalize

from agents.algorithms import BUILDERS, MaskableA2C, build
from agents.export import export
from agents.moment import read_module, write_module
from agents.policy import policy_of
from agents.recipe import FOLDER, RECIPES, load_recipe, recipe_names
from agents.train import train
from agents.values import Dueling, MaskedSamples, explore, mean_of_quantiles, merged
from agents.weights import load_policy, save_policy
from agents.worlds import FiniteJourneys, History, ShowHistory, ShowMasks, any_allowed, masks_of
from nba_gym.errors import BundleError, PolicyError
from nba_gym.evaluation import rollout
from nba_gym.evaluation.split import SPLIT
from nba_gym.records.features import feature_table
from nba_gym.scenario.load import load_scenario, preset_names
from nba_gym.serving import Engine
from tests.agents.kills import NAMES, small

SCENARIO = load_scenario("retail")
N_RECORDS = len(feature_table(SCENARIO))


def built(name: str, seed: int = 3, world: Any = SCENARIO, **changes: Any) -> Any:
    """A learner before training, whose customers have begun."""
    learner = build(world, small(name).with_changes(**changes), seed=seed)
    learner.model.set_logger(Logger(None, []))
    learner.model._setup_learn(1_000, None)
    return learner


@pytest.mark.parametrize("name", NAMES)
def test_every_learner_meets_the_customers_of_a_world_of_its_own(name):
    worlds, _ = built(name).raw.population.who()
    assert set(worlds.tolist()) == {SPLIT.training_seed(3)}


# --- recipes --------------------------------------------------------------------------------------


def test_every_algorithm_has_a_recipe_and_a_builder():
    assert set(BUILDERS) == set(RECIPES)
    assert {load_recipe("retail", name).algorithm for name in recipe_names()} == set(RECIPES)
    assert set(NAMES) <= set(recipe_names())


@pytest.mark.parametrize("name", recipe_names())
@pytest.mark.parametrize("world", preset_names())
def test_every_recipe_is_valid_in_every_world(name, world):
    assert load_recipe(world, name).steps > 0


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("dqn", {"epochs": 3}, "epochs is not a known setting of dqn"),
        ("a2c", {"entropi": 0.1}, "did you mean 'entropy'"),
        ("a2c", {"gae_lambda": 1.5}, "gae_lambda must be at most 1, got 1.5"),
        ("dqn", {"replay": 0}, "replay must be at least 1, got 0"),
        ("dqn", {"double": 1}, "double must be true or false, got 1"),
        ("qrdqn", {"quantiles": 2.5}, "quantiles must be a whole number, got 2.5"),
        ("a2c", {"network": ()}, "network must be a list of at least one whole number"),
        ("a2c", {"network": (64, 0)}, "network must be at least 1, got 0"),
        ("a2c", {"learning_rate": float("nan")}, "learning_rate must be finite, got nan"),
        ("a2c", {"learning_rate": "fast"}, "learning_rate must be a number, got 'fast'"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(name, changes, said):
    with pytest.raises(PolicyError, match=said):
        load_recipe("control", name).with_changes(**changes)


def test_a_recipe_of_ones_own_is_read_from_its_file_and_refused_with_its_name(tmp_path):
    text, path = (FOLDER / "a2c.toml").read_text(), tmp_path / "mine.toml"
    path.write_text(text.replace("entropy = 0.01", "entropy = 0.5"))
    assert vars(load_recipe("retail", str(path)))["entropy"] == 0.5
    for broken, said in (
        (text.replace("entropy = ", "entrpy = "), "mine.toml: entrpy is not a known .*'entropy'"),
        (text.replace("entropy = ", "# "), "mine.toml: entropy must be given"),
        (text.replace('"a2c"', '"a2d"'), "mine.toml: algorithm must be .* mean 'a2c'"),
        (text.replace("gae_lambda = 0.95", "gae_lambda = -1"), "mine.toml: gae_lambda must be at"),
        ("steps =", "mine.toml must be valid TOML"),
    ):
        path.write_text(broken)
        with pytest.raises(PolicyError, match=said):
            load_recipe("retail", str(path))


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
    ours = built("dqn", double=False).model
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


def test_a_recurrent_network_never_sees_the_mask_and_always_minds_it():
    learner = built("recurrent_ppo")
    policy, n = learner.model.policy, SCENARIO.n_actions
    shown = torch.as_tensor(learner.model._last_obs)
    assert shown.shape[1] == N_RECORDS + n
    assert np.array_equal(shown[:, -n:].numpy() > 0, masks_of(learner.raw))
    assert policy.lstm_actor.input_size == policy.lstm_critic.input_size == N_RECORDS
    memory, starts = learner.model._last_lstm_states, torch.ones(len(shown))
    with torch.no_grad():
        chances = policy.get_distribution(shown, memory.pi, starts)[0].distribution.probs
        assert torch.equal(chances > 0, shown[:, -n:] > 0)
        actions, values, chance, _ = policy(shown, memory, starts)
        again = policy.evaluate_actions(shown, actions, memory, starts)
        np.testing.assert_allclose(again[1].numpy(), chance.numpy(), rtol=1e-5)
        unmasked = shown.clone()
        unmasked[:, -n:] = 1.0
        assert torch.equal(policy(unmasked, memory, starts)[1], values)


# --- A2C is A2C -----------------------------------------------------------------------------------


def test_a2c_with_everything_allowed_takes_the_step_of_stable_baselines_a2c(monkeypatch):
    learner = built("a2c")
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


def test_the_last_observation_of_a_journey_shows_that_journey():
    raw = FiniteJourneys(6, load_scenario("retail", ["horizon=4"]), threads=1)
    shown: Any = ShowHistory(raw, N_RECORDS, 3)
    shown.seed(0)
    shown.reset()
    steps = [shown.step(np.zeros(6, dtype=np.int64)) for _ in range(4)]
    observations, _, dones, infos = steps[-1]
    assert dones.all()
    last, before = infos[2]["terminal_observation"], steps[-2][0][2]
    assert np.array_equal(last[N_RECORDS:], before[: 2 * N_RECORDS])
    assert last[0] > before[0]
    assert not observations[2, N_RECORDS:].any()
    assert spaces.Box(shown.observation_space.low, shown.observation_space.high).contains(last)


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
        chances = policy.probabilities_of(raw.population.out.observations.copy(), masks)
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
    for name in ("a2c", "dqn", "qrdqn", "recurrent_ppo", "maskable_ppo_history"):
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
