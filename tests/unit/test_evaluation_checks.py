"""What an evaluation is asked for is checked before anybody lives, and told in one line."""

from typing import Any

import numpy as np
import pytest

from nba_gym.envs.registration import scenario_of
from nba_gym.errors import PolicyError, ScenarioError
from nba_gym.evaluation import compare, log_campaign, rollout
from nba_gym.evaluation.rollout import record_journeys
from nba_gym.policies import NoContact, UniformRandom
from nba_gym.scenario import load_scenario

TINY = {"horizon": 3}


class Answers:
    """Answers with what it was given."""

    name = "answers"

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def probabilities(self, observations: Any, masks: Any) -> Any:
        return self.answer(masks)

    def act(self, observations: Any, masks: Any, generator: Any) -> Any:
        raise AssertionError


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda m: np.full(m.shape, np.nan), "probabilities >= 0 that sum to 1, got .*nan"),
        (lambda m: np.full(m.shape, -1.0), "probabilities >= 0 that sum to 1"),
        (lambda m: np.ones(m.shape), "probabilities >= 0 that sum to 1"),
        (lambda m: np.ones(m.shape[1]) / m.shape[1], r"probabilities of shape \(4, 15\), got"),
        (lambda m: m.astype(np.int64), "probabilities of shape .* got int64"),
    ],
)
def test_what_is_no_distribution_over_actions_is_refused(answer, message):
    with pytest.raises(PolicyError, match=f"answers must answer with {message}") as error:
        compare({"a": Answers(answer)}, "control", 4, overrides=TINY)
    assert "\n" not in str(error.value)


GOOD: dict[str, Any] = {
    "policies": {"no contact": NoContact()},
    "scenario": "control",
    "customers": 4,
    "overrides": TINY,
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, r"seed must be a whole number in \[0, 2\*\*64 - 1\], got -1"),
        ({"seed": "1"}, "seed must be a whole number .* got '1'"),
        ({"seed": True}, "seed must be a whole number .* got True"),
        ({"threads": 0}, r"threads must be a whole number in \[1, 1024\], got 0"),
        ({"customers": 1.5}, "customers must be a whole number or a list of them, got 1.5"),
        ({"customers": 1}, "customers must be at least 2, got 1"),
        ({"customers": -3}, "customers must be at least 2, got 0"),
        ({"customers": np.array([1, 1])}, "customers must be different, got 2 with duplicates"),
        ({"customers": np.array([1.0, 2.0])}, "customers must be a whole number or a list"),
        ({"customers": np.array([-1, 2])}, "customers must be numbers >= 0, got -1"),
        ({"policies": {}}, "policies must be a table of policies by name"),
        ({"policies": [NoContact()]}, "policies must be a table of policies by name"),
        ({"policies": {"a": "random"}}, r"policies\['a'\] must be a policy, .* got 'random'"),
        ({"policies": {"a": NoContact}}, r"policies\['a'\] must be a policy"),
        ({"baseline": "none"}, "baseline must be one of no contact, got 'none'"),
    ],
)
def test_a_comparison_that_cannot_be_is_refused(change, message):
    with pytest.raises(PolicyError, match=message) as error:
        compare(**(GOOD | change))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("source", [None, 3, {"name": "retail"}])
def test_what_is_no_scenario_is_refused(source):
    with pytest.raises(ScenarioError, match=r"scenario must be a preset or \.toml file, got"):
        load_scenario(source)


@pytest.mark.parametrize("overrides", [5, [1], {1: 2}, None])
def test_what_are_no_overrides_is_refused(overrides):
    with pytest.raises(ScenarioError):
        load_scenario("control", overrides)


def test_an_unknown_policy_has_no_difference():
    policies = {"no contact": NoContact(), "random": UniformRandom()}
    result = compare(policies, "control", 4, overrides=TINY)
    with pytest.raises(PolicyError, match="did you mean 'random'"):
        result.difference("randon")


def test_provenance_holds_all_that_the_world_is_made_of():
    changes: dict[str, Any] = TINY | {"actions.email_news.cost": 0.125}
    given: dict[str, Any] = GOOD | {"overrides": changes}
    result = compare(**given)
    again = load_scenario("control", TINY)
    values = result.provenance["scenario_values"]
    assert values["horizon"] == 3
    rows = {action["name"]: action for action in values["actions"]}
    assert rows["email_news"]["cost"] == 0.125
    assert type(again).model_validate(values) == result.scenario


def test_a_mistyped_id_is_told_apart_from_a_file():
    with pytest.raises(ScenarioError, match=r"did you mean 'nba_gym/Retail-v0'"):
        scenario_of("nba_gym/Retial-v0")


def test_a_comparison_is_not_saved_over_a_file(tmp_path):
    (tmp_path / "taken").write_text("")
    result = compare({"no contact": NoContact()}, "control", 4, overrides=TINY)
    with pytest.raises(PolicyError, match="folder must be a folder, got the file"):
        result.save(tmp_path / "taken")


def test_worlds_may_be_named_everywhere():
    assert len(rollout(NoContact(), "control", 3).value) == 3
    assert len(log_campaign("control", 3, 0).actions) > 0
    assert len(record_journeys(NoContact(), "control", 3).customers) == 3
