"""What every policy that can be asked for by name must do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nba_gym.errors import PolicyError
from nba_gym.evaluation import rollout
from nba_gym.evaluation.contenders import CONTENDERS, contender
from nba_gym.evaluation.kit import Kit
from nba_gym.evaluation.measure import measure
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies import Policy, StochasticPolicy
from nba_gym.scenario import load_scenario
from nba_gym.truth import RolloutOracle

FAIR = [name for name, each in CONTENDERS.items() if each.needs != "simulator"]


@pytest.fixture(scope="module")
def kit() -> Kit:
    """A small world with everything in it, and little to learn from."""
    world = load_scenario("telecom", ["horizon=14"])
    return Kit(world, campaign=500, bandit=300, tuning=40, trials=4)


_made: dict[str, Policy] = {}


def made(name: str, kit: Kit) -> Policy:
    if name not in _made:
        _made[name] = contender(name).make(kit)
    return _made[name]


def answers(policy: Policy, x: Any, masks: Any) -> Any:
    if isinstance(policy, StochasticPolicy):
        return policy.probabilities(x, masks)
    return policy.act(x, masks, np.random.default_rng(0))


@pytest.mark.parametrize("name", FAIR)
def test_a_policy_does_only_what_is_allowed_and_the_same_for_the_same_records(name, kit):
    policy, rows = made(name, kit), np.arange(0, len(kit.log.actions), 11)
    x, masks = kit.log.observations[rows], kit.log.masks[rows].astype(np.int8)
    said = answers(policy, x, masks)
    if said.ndim == 2:
        assert (said[masks == 0] == 0.0).all()
        np.testing.assert_allclose(said.sum(axis=1), 1.0)
    else:
        assert (masks[np.arange(len(said)), said] > 0).all()
    np.testing.assert_array_equal(answers(policy, x, masks), said)
    shuffled = np.random.default_rng(1).permutation(len(rows))
    np.testing.assert_array_equal(answers(policy, x[shuffled], masks[shuffled]), said[shuffled])
    np.testing.assert_array_equal(answers(policy, x[5:18], masks[5:18]), said[5:18])
    only_wait = np.zeros_like(masks)
    only_wait[:, 0] = 1
    idle = answers(policy, x, only_wait)
    assert ((idle if idle.ndim == 1 else 1.0 - idle[:, 0]) == 0).all()


@pytest.mark.parametrize("name", FAIR)
def test_a_journey_does_not_depend_on_who_else_is_simulated(name, kit):
    policy, customers = made(name, kit), SPLIT.watching(60)
    whole, parts = (
        rollout(policy, kit.scenario, customers, 3, chunk=chunk).value for chunk in (8_192, 17)
    )
    np.testing.assert_array_equal(whole, parts)


def test_only_what_needs_the_simulator_is_privileged(kit):
    for name in CONTENDERS:
        if name not in ("rollouts", "optimal"):
            assert hasattr(made(name, kit), "privileged") == (name == "oracle")
    privileged = {name for name, each in CONTENDERS.items() if each.needs == "simulator"}
    assert privileged == {"oracle", "rollouts", "optimal"}
    assert isinstance(made("rollouts", kit), RolloutOracle)


def test_everybody_is_tuned_in_as_many_trials(kit):
    for name in FAIR:
        made(name, kit)
    tuned = {name for name in FAIR if CONTENDERS[name].needs != "nothing"}
    assert set(kit.trials_of) == tuned
    assert {len(trials) for trials in kit.trials_of.values()} == {4}


def test_a_measurement_has_a_row_for_each_and_nothing_between_a_policy_and_itself(kit):
    table = measure(["random", "practice"], kit, 50, against=["practice", "wait"])
    rows = {row["policy"]: row for row in table.to_dicts()}
    assert set(rows) == {"practice", "wait", "random"}
    assert rows["wait"]["less_wait"] == rows["practice"]["less_practice_high"] == 0.0
    gap = rows["random"]["value"] - rows["wait"]["value"]
    assert rows["random"]["less_wait"] == pytest.approx(gap)
    assert rows["random"]["less_wait_low"] < gap < rows["random"]["less_wait_high"]
    with pytest.raises(PolicyError, match="policy must be a known one, got 'practise'; did you"):
        measure(["practise"], kit, 50)


def test_every_policy_has_one_line(capsys):
    from nba_gym.cli.policies import Policies

    Policies().run()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(CONTENDERS)
    for line, each in zip(lines, CONTENDERS.values(), strict=True):
        assert line.endswith(each.line)
        assert len(line) <= 110
