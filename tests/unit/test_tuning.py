"""One search for every policy: ladders, starts, budgets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nba_gym.errors import PolicyError
from nba_gym.evaluation import log_campaign, tune_practice
from nba_gym.evaluation.knobs import (
    context_knobs,
    lookahead_knobs,
    no_lever_knobs,
    practice_knobs,
)
from nba_gym.evaluation.search import Tunable, tune
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies import GreedyPractice, fit_practice
from nba_gym.policies.arbitration import LinearWorth
from nba_gym.policies.limits import Contacts
from nba_gym.scenario.load import load_scenario


class Emails:
    """Sends an email in every so many periods, about one of the needs."""

    name = "emails"

    def __init__(self, every: int, about: dict[str, bool]) -> None:
        self.settings = {"every": every, "about": about}
        self.every, self.on = every, about["bread"]

    def act(self, observations: Any, masks: Any, generator: Any) -> Any:
        share = observations[:, 0].astype(np.float64)
        due = np.rint(26.0 * share / (1.0 - share)).astype(int) % self.every == 0
        return np.where(due & self.on & (masks[:, 1] > 0), 1, 0)


def emails(*starts: dict[str, Any]) -> Tunable:
    return Tunable(
        make=lambda settings: Emails(**settings),
        starts=starts,
        ladders=(("every", (1, 2, 4)), ("about.bread", (True, False))),
    )


QUIET: dict[str, Any] = {"every": 4, "about": {"bread": False}}
WORLD = load_scenario("control", {"horizon": 4})


def test_the_search_tries_each_ladder_from_the_best_so_far():
    best, trials = tune(emails(QUIET), WORLD, 300, 1, trials=20)
    tried = [(t.settings["every"], t.settings["about"]["bread"]) for t in trials]
    # nobody gets an email, so nothing changes before the second ladder; then the first again
    assert tried == [(4, False), (1, False), (2, False), (4, True), (1, True), (2, True)]
    assert isinstance(best, Emails)
    assert best.settings == {"every": 1, "about": {"bread": True}}
    assert max(trial.value for trial in trials) == trials[4].value > trials[0].value


def test_each_start_has_its_share_of_the_trials_and_no_setting_is_tried_twice():
    loud = {"every": 2, "about": {"bread": True}}
    _, trials = tune(emails(QUIET, loud), WORLD, 50, 1, trials=4)
    assert [t.settings["every"] for t in trials] == [4, 1, 2, 1]
    assert len({str(trial.settings) for trial in trials}) == 4


def test_a_search_that_leads_nowhere_is_refused():
    with pytest.raises(PolicyError, match="trials must be at least 1, got 0"):
        tune(emails(QUIET), WORLD, 10, 1, trials=0)
    with pytest.raises(PolicyError, match="starts must hold settings to search from, got none"):
        tune(emails(), WORLD, 10, 1)
    with pytest.raises(PolicyError, match="ladders must be of settings of the start, got 'every'"):
        tune(emails({"about": {"bread": False}}), WORLD, 10, 1)


def test_what_is_tuned_is_what_the_policy_has():
    """The settings of every start, changed along every ladder, make a policy that has them."""
    world = load_scenario("telecom", ["horizon=14"])
    log = log_campaign(world, SPLIT.logging(600), SPLIT.seed)
    model = fit_practice(log, world, log.feature_names)
    nothing = np.zeros((len(log.feature_names) + 1, world.n_actions), dtype=np.float32)
    contacts = Contacts(model.outbound, model.contacts)
    later = LinearWorth(nothing, model.costs, model.kinds, contacts, 1.0)
    greedy = GreedyPractice(model)
    knobs = {
        "practice": practice_knobs(model),
        "no levers": no_lever_knobs(model),
        "context": context_knobs(model),
        "lookahead": lookahead_knobs(model, later, greedy),
    }
    paths = {name: [path for path, _ in each.ladders] for name, each in knobs.items()}
    for tunable in knobs.values():
        tunable.check()
        for start in tunable.starts:
            assert getattr(tunable.make(dict(start)), "settings") == start  # noqa: B009
    assert not any(path.startswith("levers") for path in paths["no levers"])
    assert {"contexts.visit", "contexts.renewal"} < set(paths["context"]) - set(paths["practice"])
    assert set(paths["lookahead"]) - set(paths["practice"]) == {"future"}
    best, trials = tune_practice(model, world, SPLIT.tuning(60), SPLIT.seed, trials=5)
    again, same = tune(practice_knobs(model), world, SPLIT.tuning(60), SPLIT.seed, trials=5)
    assert trials == same
    assert getattr(again, "settings") == best.settings  # noqa: B009
