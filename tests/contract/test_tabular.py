"""The engine of tabular worlds keeps the promises that the engine of customers keeps."""

import copy
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import nba_gym
from nba_gym.customer.tables import TabularPopulation
from nba_gym.envs.journey import JourneyEnv
from nba_gym.envs.registration import scenario_of
from nba_gym.envs.vector import JourneyVectorEnv
from nba_gym.errors import DataError, EpisodeError, PolicyError, ScenarioError
from nba_gym.evaluation import compare
from nba_gym.evaluation.report import write_report
from nba_gym.evaluation.report.deeds import _state
from nba_gym.evaluation.rollout import record_journeys
from nba_gym.policies import NoContact, UniformRandom
from nba_gym.records.log import EventLog
from nba_gym.replay import replay
from nba_gym.scenario import load_scenario
from nba_gym.truth import MyopicOracle
from tests.journeys import journey_ids, live, tabular_ids

IDS = tabular_ids()
MODES = [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP]


def test_there_are_tabular_worlds_and_others():
    assert {"nba_gym/Mailing-v0", "nba_gym/Catalogues-v0"} <= set(IDS)
    assert len(IDS) + len(journey_ids()) == len(nba_gym.environment_ids())


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("side_by_side", [1, 37, 400])
def test_journeys_do_not_depend_on_who_else_is_simulated(env_id, side_by_side):
    who = np.arange(400)
    whole = live(scenario_of(env_id), who)
    parts = live(scenario_of(env_id), who[::-1], num_envs=side_by_side)
    assert parts.fingerprints == whole.fingerprints
    assert len(set(whole.fingerprints.values())) > 5


def walk(env: Any, steps: int, seed: int = 3) -> list[Any]:
    """What a batch reports step by step, for actions that depend on place and step only."""
    env.reset(seed=seed)
    told = []
    for t in range(steps):
        actions = (np.arange(env.num_envs) + t) % 3 % 2
        told.append([np.array(x) for x in env.step(actions)[:4]])
    return told


@pytest.mark.parametrize("env_id", IDS)
def test_one_customer_alone_is_told_what_a_batch_is_told(env_id):
    overrides = ["horizon=15"]
    batch = JourneyVectorEnv(8, scenario_of(env_id), overrides=overrides, autoreset_mode="SameStep")
    single = JourneyEnv(scenario_of(env_id), overrides=overrides)
    batch.reset(seed=3)
    for i in range(8):
        single.reset(seed=3, options={"customer": i})
        batch.reset(seed=3)
        for t in range(15):
            action = (i + t) % 3 % 2
            x, rewards, gone, late, info = batch.step(np.full(8, action))
            told = single.step(action)
            assert rewards[i] == told[1]
            assert (gone[i], late[i]) == told[2:4]
            assert info["forbidden"][i] == told[4]["forbidden"]
            if told[2] or told[3]:
                np.testing.assert_array_equal(info["final_obs"][i], told[0])
                mask = info["final_info"]["action_mask"][i]
                np.testing.assert_array_equal(mask, told[4]["action_mask"])
                break
            np.testing.assert_array_equal(x[i], told[0])
            np.testing.assert_array_equal(info["action_mask"][i], told[4]["action_mask"])
        else:
            raise AssertionError("the journey never ended")


def test_a_lost_customer_ends_the_journey_and_the_horizon_cuts_it_off():
    env = JourneyVectorEnv(500, "mailing", overrides=["horizon=4"], autoreset_mode="SameStep")
    gone_at, cut_at = set(), set()
    env.reset(seed=0)
    for t in range(4):
        _, rewards, gone, late, info = env.step(np.ones(500, dtype=np.int64))
        assert not (gone & late).any()
        if gone.any():
            gone_at.add(t)
            lost = np.stack(list(info["final_obs"][gone]))
            assert (lost[:, -1] == 1.0).all()  # the state "lost"
        cut_at |= {t} if late.any() else set()
        assert ((rewards == 36.0) | (rewards == -4.0)).all()  # mailed at recency 1, or later
    assert gone_at == {3}  # mailed every time, nobody is lost before recency 4 is over
    assert cut_at == {3}


def test_next_step_begins_anew_one_step_later_and_earns_nothing_then():
    env = JourneyVectorEnv(3, "mailing", autoreset_mode="NextStep")
    env.reset(seed=0)
    _, rewards, gone, _, _ = env.step(np.zeros(3, dtype=np.int64))
    assert gone.all()
    assert (rewards == 40.0).all()
    x, rewards, gone, _, info = env.step(np.ones(3, dtype=np.int64))
    assert not gone.any()
    assert (rewards == 0.0).all()
    assert (info["ledger"]["contact_cost"] == 0.0).all()
    assert (x[:, 1] == 1.0).all()
    assert env.population.who()[1].tolist() == [3, 4, 5]


def test_an_action_that_is_not_allowed_becomes_one_that_is():
    env = JourneyEnv("mailing")
    env.reset(seed=0)
    people = env.population
    assert isinstance(people, TabularPopulation)
    people._lives.states[:] = 4  # lost, as no journey that goes on ever is
    x, reward, _, _, info = env.step(1)
    assert info["forbidden"]
    assert reward == 0.0
    assert x[-1] == 1.0
    assert "not in state lost" in env.explain_mask()


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("mode", MODES)
def test_a_copy_goes_its_own_way_from_the_same_place(env_id, mode):
    env = JourneyVectorEnv(5, scenario_of(env_id), autoreset_mode=mode, overrides=["horizon=6"])
    walk(env, 4)
    twin = copy.deepcopy(env)
    first = [np.array(x) for _ in range(9) for x in env.step(np.ones(5, dtype=np.int64))[:4]]
    second = [np.array(x) for _ in range(9) for x in twin.step(np.ones(5, dtype=np.int64))[:4]]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_a_batch_returned_is_never_changed_by_later_steps():
    env = JourneyVectorEnv(6, "mailing", autoreset_mode="SameStep")
    env.reset(seed=0)
    held = env.step(np.ones(6, dtype=np.int64))[:4]
    kept = [np.array(x) for x in held]
    for _ in range(6):
        env.step(np.ones(6, dtype=np.int64))
    for one, other in zip(held, kept, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_step_after_the_end_is_refused():
    env = JourneyVectorEnv(2, "mailing", autoreset_mode="Disabled")
    env.reset(seed=0)
    env.step(np.zeros(2, dtype=np.int64))
    with pytest.raises(EpisodeError, match="must not follow the end"):
        env.step(np.zeros(2, dtype=np.int64))


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_a_journey_can_be_looked_at(mode):
    env: Any = gymnasium.make("nba_gym/Mailing-v0", render_mode=mode)
    env.reset(seed=0)
    env.step(1)
    seen = env.render()
    if mode == "ansi":
        assert "mail" in seen
        assert "36.00 USD" in seen
    else:
        assert seen.shape[2] == 3


def test_stable_baselines_learns_whom_to_mail():
    contrib = pytest.importorskip("sb3_contrib")
    venv = nba_gym.make_sb3("nba_gym/Mailing-v0", num_envs=64, overrides=["horizon=30"])
    model = contrib.MaskablePPO(
        "MlpPolicy", venv, n_steps=64, batch_size=1024, learning_rate=5e-3, gamma=1 / 1.2, seed=0
    )
    model.learn(80_000)
    states = np.zeros((5, 6), dtype=np.float32)
    states[np.arange(5), 1 + np.arange(5)] = 1.0
    chosen = model.predict(states, deterministic=True)[0]
    assert chosen[:3].tolist() == [1, 1, 1]
    assert chosen[3] == 0


@pytest.mark.parametrize("world", ["mailing", "catalogues"])
def test_comparisons_of_tabular_worlds_are_saved_and_reported(world, tmp_path):
    policies = {"no contact": NoContact(), "random": UniformRandom(), "myopic": MyopicOracle()}
    result = compare(policies, world, 200)
    result.save(tmp_path)
    assert '"optimum"' in (tmp_path / "comparison.json").read_text()
    page = write_report(result, tmp_path / "report.html").read_text()
    assert load_scenario(world).title.replace("&", "&amp;") in page
    assert "Of the optimum (%)" in page
    assert f"worth {result.optimum:,.2f} USD, exactly" in page
    assert "recency_1 months" not in " ".join(page.split())
    assert _state("state.recency_1", "month") == "recency 1"
    assert _state("bought in the last 4", "month") == "bought in the last 4 months"
    assert "recency_mailing'" not in page  # values of the world are in the JSON


def test_what_tables_do_not_have_is_refused_in_one_line():
    world = load_scenario("mailing")
    with pytest.raises(PolicyError, match="scenario must have event logs, got 'mailing'"):
        record_journeys(NoContact(), world, 5)
    log = EventLog(np.zeros(1, np.uint64), np.zeros((1, 3)), np.zeros((1, 1, 20)))
    with pytest.raises(DataError, match="log must be of a world with event logs"):
        replay(log, world)
    with pytest.raises(ScenarioError, match="tabular must be given"):
        TabularPopulation(load_scenario("retail"), 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tabular.problem": "recency"}, "tabular.problem must be one of recency_mailing"),
        ({"tabular.parameters.mail_cost": 3.0}, "did you mean 'mailing_cost'"),
        ({"tabular.parameters.mailing_cost": -1.0}, r"tabular.costs\[0, 1\] must be at least 0"),
        ({"tabular.states": ["a"]}, "tabular.states must not be given beside tabular.problem"),
        ({"discount": 1.0}, r"discount must be in \(0, 1\), got 1"),
        ({"tabular.problem": ""}, r"tabular.transitions must have shape \(S, A, S\)"),
    ],
)
def test_a_tabular_scenario_that_cannot_be_is_refused_in_one_line(changes, message):
    with pytest.raises(ScenarioError, match=message) as error:
        load_scenario("mailing", changes)
    assert "\n" not in str(error.value)


def test_tables_of_ones_own_are_a_scenario_too(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text("""
extends = "mailing"
name = "own"
[tabular]
problem = ""
states = ["asleep", "awake"]
transitions = [[[0.9, 0.1], [0.5, 0.5]], [[0.2, 0.8], [0.1, 0.9]]]
rewards = [[0.0, -1.0], [2.0, 1.0]]
bought = ["awake"]
""")
    result = compare({"no contact": NoContact(), "random": UniformRandom()}, path, 500)
    assert result.optimum is not None
    row = result.table.to_dicts()[0]
    assert row["value_low"] < result.optimum
    assert row["purchases"] > 0
