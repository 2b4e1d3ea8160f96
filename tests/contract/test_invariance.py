"""A journey depends on the seed, the customer and the actions, and on nothing else."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from nba_gym.envs.journey import JourneyEnv
from nba_gym.envs.registration import scenario_of
from nba_gym.envs.vector import JourneyVectorEnv
from nba_gym.evaluation import rollout
from nba_gym.lanes import LANES
from nba_gym.policies import RoundRobin, UniformRandom
from nba_gym.records.ledger import LINES
from nba_gym.scenario.load import load_scenario
from tests.journeys import Lived, choose, journey_ids, live

IDS = journey_ids()
ROOT = Path(__file__).parents[2]
SEED = 7
TRANSITIONS = 70_000  # of one id in one arrangement; with all arrangements more than a million


@cache
def how_many(env_id: str) -> int:
    """So many customers that they live ``TRANSITIONS`` periods together."""
    sample = live(scenario_of(env_id), np.arange(200), seed=SEED)
    return int(TRANSITIONS / (sample.transitions / 200)) + 1


@cache
def usual(env_id: str) -> Lived:
    """The journeys as everybody computes them: all customers in order, one thread."""
    return live(scenario_of(env_id), np.arange(how_many(env_id)), seed=SEED)


def same(lived: Lived, env_id: str) -> bool:
    expected = usual(env_id).fingerprints
    assert len(set(expected.values())) > 0.99 * len(expected)  # they do differ between customers
    return all(expected[customer] == print_ for customer, print_ in lived.fingerprints.items())


# --- the arrangements, more than a million transitions in all -------------------------------------

ARRANGEMENTS: dict[str, dict[str, Any]] = {
    "37 side by side": {"num_envs": 37},
    "500 side by side": {"num_envs": 500},
    "2 threads": {"threads": 2},
    "3 threads": {"threads": 3},
    "as many threads as pay": {"threads": None},
}


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
@pytest.mark.parametrize("env_id", IDS)
def test_journeys_are_the_same_to_the_bit_however_they_are_computed(env_id, arrangement):
    lived = live(
        scenario_of(env_id), np.arange(how_many(env_id)), seed=SEED, **ARRANGEMENTS[arrangement]
    )
    assert lived.transitions == usual(env_id).transitions >= TRANSITIONS * 0.9
    assert same(lived, env_id)


def test_more_than_a_million_transitions_are_compared():
    arrangements = 1 + len(ARRANGEMENTS)  # and once in another order
    assert len(IDS) * arrangements * TRANSITIONS * 0.9 > 1_000_000


@pytest.mark.parametrize("env_id", IDS)
def test_journeys_are_the_same_to_the_bit_in_any_order(env_id):
    shuffled = np.random.default_rng(1).permutation(how_many(env_id))
    assert same(live(scenario_of(env_id), shuffled, seed=SEED), env_id)


@pytest.mark.parametrize("env_id", IDS)
def test_a_customer_alone_lives_as_in_company(env_id):
    assert same(live(scenario_of(env_id), np.arange(12), seed=SEED, num_envs=1), env_id)


EVENTLESS = ("nba_gym/Donors-v0", "nba_gym/Solvable-v0")


@pytest.mark.parametrize("env_id", IDS)
def test_another_seed_gives_other_journeys(env_id):
    other = live(scenario_of(env_id), np.arange(100), seed=SEED + 1).fingerprints
    expected = usual(env_id).fingerprints
    # where little can happen, some lives are without any event, and so alike in all worlds
    same = sum(other[customer] == expected[customer] for customer in other)
    assert same < (25 if env_id in EVENTLESS else 1)


# --- other processes ------------------------------------------------------------------------------


def fingerprints_elsewhere(env_id: str, count: int, **environment: str) -> dict[int, str]:
    """Fingerprints computed by a process of its own."""
    command = [sys.executable, "-m", "tests.journeys", env_id, str(count), str(SEED)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {int(customer): text for customer, text in json.loads(done.stdout).items()}


def test_journeys_are_the_same_to_the_bit_in_another_process():
    elsewhere = fingerprints_elsewhere(IDS[0], 300, PYTHONHASHSEED="123")
    assert same(Lived(elsewhere, 0), IDS[0])


def dispatched_features() -> list[str]:
    """Processor features that NumPy chooses faster loops by, as found on this machine."""
    umath = importlib.import_module("numpy._core._multiarray_umath")
    found = umath.__cpu_features__
    return [name for name in umath.__cpu_dispatch__ if found.get(name)]


@pytest.mark.slow
def test_journeys_are_the_same_to_the_bit_on_a_plain_processor(tmp_path):
    environment = {
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_CACHE_DIR": str(tmp_path),  # code for this processor must not be used instead
        "NPY_DISABLE_CPU_FEATURES": " ".join(dispatched_features()),
    }
    for env_id in IDS:
        assert same(Lived(fingerprints_elsewhere(env_id, 200, **environment), 0), env_id)
    assert any(tmp_path.rglob("*.nbc"))  # it was indeed compiled anew


def test_journeys_are_the_same_to_the_bit_without_a_compiler():
    environment = {"NUMBA_DISABLE_JIT": "1", "PYTHONWARNINGS": "error"}
    for env_id in IDS:
        elsewhere = fingerprints_elsewhere(env_id, LANES + 1, **environment)  # more than one tile
        assert same(Lived(elsewhere, 0), env_id)


# --- evaluation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [UniformRandom(wait=0.3), RoundRobin()], ids=lambda p: p.name)
def test_an_evaluation_does_not_depend_on_chunks_order_or_threads(policy):
    scenario = load_scenario("retail", ["horizon=20"])
    whole = rollout(policy, scenario, 500, SEED, threads=1)
    shuffled = np.random.default_rng(2).permutation(500)
    for other, back in (
        (rollout(policy, scenario, 500, SEED, chunk=93, threads=1), np.arange(500)),
        (rollout(policy, scenario, 500, SEED, threads=3), np.arange(500)),
        (rollout(policy, scenario, shuffled, SEED), np.argsort(shuffled)),
    ):
        for name in ("customers", "persona", "value", "lifetime", "contacts", "opt_outs"):
            assert np.array_equal(getattr(whole, name), getattr(other, name)[back]), name
        for line, values in whole.lines.items():
            assert np.array_equal(values, other.lines[line][back]), line


# --- one customer at a time against all at once ---------------------------------------------------

FIELDS = ("observations", "masks", "ledger", "rewards", "terminated", "truncated", "forbidden")


class Trace:
    """What happened in every step at every place, ``(steps, n, ...)``.

    ``begun_...`` is what a reset showed: before the first step, and (autoreset disabled) where a
    step follows a reset; ``final_...`` the last look at a journey (SAME_STEP).
    """

    def __init__(self, steps: int, n: int, n_features: int, n_actions: int, lines: int) -> None:
        shape = (steps, n)
        self.observations = np.zeros((*shape, n_features), dtype=np.float32)
        self.masks = np.zeros((*shape, n_actions), dtype=np.int8)
        self.ledger = np.zeros((*shape, lines))
        self.rewards = np.zeros(shape)
        self.terminated, self.truncated, self.forbidden = np.zeros((3, *shape), dtype=bool)
        self.final_observations = np.zeros_like(self.observations)
        self.final_masks = np.zeros_like(self.masks)
        self.begun_observations = np.zeros_like(self.observations)
        self.begun_masks = np.zeros_like(self.masks)

    def put(self, at: Any, observation: Any, reward: Any, ended: Any, info: Any) -> None:
        self.observations[at], self.rewards[at] = observation, reward
        self.terminated[at], self.truncated[at] = ended
        self.masks[at], self.forbidden[at] = info["action_mask"], info["forbidden"]
        lines = info["ledger"].dtype.names
        self.ledger[at] = np.stack([info["ledger"][line] for line in lines], axis=-1)

    def put_begun(self, at: Any, observation: Any, mask: Any) -> None:
        self.begun_observations[at], self.begun_masks[at] = observation, mask


def drive_vector(env: JourneyVectorEnv, steps: int, seed: int) -> tuple[Trace, Any, Any]:
    """Run the vector environment; returns the trace, the actions, and where it was reset."""
    n, generator = env.num_envs, np.random.default_rng(seed)
    mode, lines = env.autoreset_mode, len(LINES)
    n_actions = env.scenario.n_actions
    trace = Trace(steps, n, len(env.features), n_actions, lines)
    actions, resets = np.zeros((steps, n), dtype=np.int64), np.zeros((steps, n), dtype=bool)
    observations, info = env.reset(seed=seed)
    trace.put_begun(0, observations, info["action_mask"])
    places, over = np.arange(n, dtype=np.uint64), np.zeros(n, dtype=bool)
    for t in range(steps):
        if mode == AutoresetMode.DISABLED:
            resets[t] = over | ((generator.random(n) < 0.01) & (t > 0))  # some before their end
            if resets[t].any():
                observations, info = env.reset(options={"reset_mask": resets[t]})
                for i in np.flatnonzero(resets[t]):
                    trace.put_begun((t, i), observations[i], info["action_mask"][i])
        actions[t] = choose(info["action_mask"], places, np.full(n, t))
        observations, rewards, terminated, truncated, info = env.step(actions[t])
        trace.put(t, observations, rewards, (terminated, truncated), info)
        over = terminated | truncated
        if mode == AutoresetMode.SAME_STEP and over.any():
            trace.final_observations[t, over] = np.stack(list(info["final_obs"][over]))
            trace.final_masks[t, over] = info["final_info"]["action_mask"][over]
            assert np.array_equal(info["_final_obs"], over)
            assert np.array_equal(info["_final_info"], over)
        else:
            assert "final_obs" not in info
    return trace, actions, resets


def drive_one(
    env: JourneyEnv, i: int, n: int, mode: AutoresetMode, seed: int, given: Any, trace: Trace
) -> None:
    """The same at place ``i`` with one customer after the other; the meaning of autoreset."""
    actions, resets = given
    customer, over = i, False
    observation, info = env.reset(seed=seed, options={"customer": customer})
    trace.put_begun((0, i), observation, info["action_mask"])
    for t in range(len(actions)):
        if resets[t, i] or (over and mode == AutoresetMode.NEXT_STEP):
            customer += n
            observation, info = env.reset(options={"customer": customer})
            if over and mode == AutoresetMode.NEXT_STEP:  # a step that ignores its action
                trace.put((t, i), observation, 0.0, (False, False), info)
                over = False
                continue
            trace.put_begun((t, i), observation, info["action_mask"])
        observation, reward, terminated, truncated, info = env.step(int(actions[t, i]))
        over = terminated or truncated
        if over and mode == AutoresetMode.SAME_STEP:
            trace.final_observations[t, i] = observation
            trace.final_masks[t, i] = info["action_mask"]
            customer += n
            observation, begun = env.reset(options={"customer": customer})
            info = info | {"action_mask": begun["action_mask"]}
        trace.put((t, i), observation, reward, (terminated, truncated), info)


def compare(env_id: str, mode: AutoresetMode, n: int, steps: int, horizon: int | None) -> Trace:
    overrides = [] if horizon is None else [f"horizon={horizon}"]
    scenario = load_scenario(scenario_of(env_id), overrides)
    env = JourneyVectorEnv(n, scenario, autoreset_mode=mode)
    vector, actions, resets = drive_vector(env, steps, SEED)
    shape = (steps, n, len(env.features), scenario.n_actions, vector.ledger.shape[-1])
    single, alone = Trace(*shape), JourneyEnv(scenario)
    for i in range(n):
        drive_one(alone, i, n, mode, SEED, (actions, resets), single)
    for name, seen in vars(vector).items():
        assert np.array_equal(seen, getattr(single, name)), name
    return vector


@pytest.mark.parametrize("mode", AutoresetMode, ids=lambda mode: mode.name)
@pytest.mark.parametrize("env_id", IDS)
def test_many_customers_at_once_live_as_one_at_a_time(env_id, mode):
    trace = compare(env_id, mode, n=67, steps=340, horizon=30)  # 9 x 22,780 transitions
    assert trace.truncated.sum() > 100  # journeys did end and begin anew
    assert trace.forbidden.any() == (trace.masks == 0).any()  # where anything is ever forbidden
    assert (trace.rewards != 0).any()


@pytest.mark.slow
@pytest.mark.parametrize("mode", AutoresetMode, ids=lambda mode: mode.name)
@pytest.mark.parametrize("env_id", IDS)
def test_many_customers_at_once_live_as_one_at_a_time_over_a_million_transitions(env_id, mode):
    trace = compare(env_id, mode, n=111, steps=1_010, horizon=None)
    over = trace.terminated | trace.truncated
    assert over.sum() > 200
    assert trace.rewards.size * len(AutoresetMode) * len(IDS) > 1_000_000
