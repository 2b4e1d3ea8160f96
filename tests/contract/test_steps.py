"""Money, the end of a journey and forbidden actions, for every id."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from nba_gym.envs.registration import scenario_of
from nba_gym.envs.vector import JourneyVectorEnv
from nba_gym.records.ledger import LINES
from nba_gym.scenario.load import load_scenario
from tests.contract.environments import IDS, JOURNEYS, crowd, journey, many, one, pick

QUANTUM = 1 / 65536


# --- money ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("env_id", IDS)
def test_rewards_are_exactly_the_sums_of_their_ledger_lines(env_id, mode):
    envs = many(env_id, 65, autoreset_mode=mode)
    _, *steps = crowd(envs, 150)
    rewards = np.array([step[1] for _, step in steps])
    ledger = np.array([[step[4]["ledger"][line] for line in LINES] for _, step in steps])
    assert (ledger.sum(axis=1) == rewards).all()
    assert (ledger[:, ::-1].sum(axis=1) == rewards).all()  # whatever the order
    assert (np.rint(ledger / QUANTUM) * QUANTUM == ledger).all()  # for no line has a remainder
    assert rewards.any()


@pytest.mark.parametrize("env_id", IDS)
def test_the_reward_of_a_journey_is_exactly_the_sum_of_its_ledgers(env_id):
    env = one(env_id)
    for customer in range(10):
        steps = journey(env, seed=2, options={"customer": customer})
        lines = {line: sum(step[4]["ledger"][line] for step in steps) for line in LINES}
        assert sum(step[1] for step in steps) == sum(lines.values())
        assert sum(step[1] for step in reversed(steps)) == sum(lines.values())


@pytest.mark.parametrize("env_id", IDS)
def test_income_is_never_negative_and_costs_never_positive(env_id):
    ledgers = [step[4]["ledger"] for _, step in crowd(many(env_id, 100), 60)]
    for line in ("margin", "recurring", "referrals"):
        assert all((ledger[line] >= 0).all() for ledger in ledgers), line
    for line in ("discounts", "contact_cost", "service_cost"):
        assert all((ledger[line] <= 0).all() for ledger in ledgers), line


# --- the end of a journey -------------------------------------------------------------------------


@pytest.mark.parametrize("env_id", JOURNEYS)
def test_a_journey_is_truncated_exactly_at_the_horizon(env_id):
    for env in (one(env_id), one(env_id, overrides={"leaving.period_scale": 0.0})):
        horizon, may_end = env.scenario.horizon, env.scenario.leaving.period_scale > 0
        for customer in range(8):
            steps = journey(env, seed=3, options={"customer": customer})
            *before, (_, _, terminated, truncated, _) = steps
            assert not any(step[2] or step[3] for step in before)
            assert terminated != truncated
            assert truncated == (len(steps) == horizon and not terminated)
            assert not terminated or (may_end and env.scenario.contract.enabled)


@pytest.mark.parametrize("env_id", JOURNEYS)
def test_termination_and_truncation_never_come_together(env_id):
    envs = many(env_id, 400, overrides=["horizon=9"], autoreset_mode="SameStep")
    age = np.zeros(400, dtype=int)
    ends = np.zeros(2, dtype=int)
    for _, (_, _, terminated, truncated, _) in list(crowd(envs, 60))[1:]:
        age += 1
        assert not (terminated & truncated).any()
        assert (truncated == ((age == 9) & ~terminated)).all()
        assert (age <= 9).all()
        age[terminated | truncated] = 0
        ends += terminated.sum(), truncated.sum()
    assert ends[1] > 400
    assert (ends[0] > 0) == envs.scenario.contract.enabled


@pytest.mark.parametrize("env_id", JOURNEYS)
def test_only_a_cancelled_contract_terminates_a_journey(env_id):
    scenario = load_scenario(scenario_of(env_id))
    leave_at_once = {"leaving.period_scale": 1.0, "leaving.period_base": 20.0}
    tree = leave_at_once | {"contract.commitment": 1, "horizon": 6}
    env = JourneyVectorEnv(50, scenario, overrides=tree, autoreset_mode=AutoresetMode.SAME_STEP)
    ended = np.stack([step[2] for _, step in list(crowd(env, 5))[1:]])
    if scenario.contract.enabled:
        assert ended.all()  # everybody cancels in the first period, and the firm is told
    else:
        assert not ended.any()  # everybody has left, and nobody says so
        assert not env.population.read("alive").any()
        _, _, terminated, truncated, _ = env.step(np.zeros(50, dtype=int))
        assert truncated.all()  # until the horizon
        assert not terminated.any()


# --- forbidden actions ----------------------------------------------------------------------------


@pytest.mark.parametrize("env_id", IDS)
def test_a_forbidden_action_becomes_waiting_and_says_so(env_id):
    env = one(env_id, render_mode="ansi")
    _, info = env.reset(seed=1)
    tried, period, over = 0, 0, False
    while not over:
        mask = info["action_mask"]
        for action in np.flatnonzero(mask == 0)[:: 4 if period % 8 == 0 else 100]:
            waits, does = deepcopy(env), deepcopy(env)
            waited, done = waits.step(0), does.step(int(action))
            assert done[4]["forbidden"] is True
            assert waited[4]["forbidden"] is False
            assert np.array_equal(waited[0], done[0])
            assert waited[1:4] == done[1:4]
            assert np.array_equal(waited[4]["action_mask"], done[4]["action_mask"])
            assert waited[4]["ledger"].item() == done[4]["ledger"].item()
            assert does.render().splitlines()[-1].split()[2] == env.scenario.actions[0].name
            tried += 1
        _, _, terminated, truncated, info = env.step(pick({"action_mask": mask}, period))
        over, period = terminated or truncated, period + 1
    rules = [a.eligibility + a.applicability + a.suitability for a in env.scenario.actions]
    assert tried or not any(rules)  # only in a world without rules is nothing forbidden


@pytest.mark.parametrize("env_id", IDS)
def test_an_action_is_forbidden_exactly_where_the_mask_says_so(env_id):
    envs = many(env_id, 64, autoreset_mode="SameStep")
    generator = np.random.default_rng(0)
    _, info = envs.reset(seed=9)
    for _ in range(150):
        mask, actions = info["action_mask"], generator.integers(envs.scenario.n_actions, size=64)
        info = envs.step(actions)[4]
        assert np.array_equal(info["forbidden"], mask[np.arange(64), actions] == 0)


@pytest.mark.parametrize("env_id", IDS)
def test_the_explanation_of_the_mask_agrees_with_the_mask(env_id):
    envs = many(env_id, 20)
    for _, (_, _, _, _, info) in crowd(envs, 10):
        for i in (0, 7, 19):
            lines = envs.explain_mask(i).splitlines()
            assert [line.endswith("allowed") for line in lines] == (
                info["action_mask"][i] == 1
            ).tolist()
            for line, action in zip(lines, envs.scenario.actions, strict=True):
                assert action.name in line
