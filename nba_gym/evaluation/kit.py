"""What policies of one world are learned from, each thing learned when it is first asked for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from nba_gym.effort import BANDIT, CAMPAIGN, TRIALS, TUNING
from nba_gym.errors import check_least
from nba_gym.evaluation.interaction import let_learn
from nba_gym.evaluation.knobs import (
    arbitration_knobs,
    lookahead_knobs,
    practice_knobs,
)
from nba_gym.evaluation.rollout import LoggedCampaign, log_campaign
from nba_gym.evaluation.search import Memory, Trial, Tunable, tune
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies.arbitration import LinearWorth
from nba_gym.policies.bandits import BanditLearner, Rule
from nba_gym.policies.campaign import fit_practice
from nba_gym.policies.limits import EpsilonGreedy
from nba_gym.policies.lookahead import fit_lookahead
from nba_gym.policies.practice import GreedyPractice, PracticeModel
from nba_gym.policies.protocol import Policy
from nba_gym.policies.uplift import Learner, fit_uplift
from nba_gym.scenario.schema import Scenario

WINDOWS = (4, 13, 26)
"""Attribution windows that uplift is learned for, in periods."""
BANDIT_WINDOWS = (1, 4)
"""Windows whose money bandits learn from; a longer one is mostly the luck of other periods."""
EXPLORING = 0.2
"""Share of random choices in the journeys that customer value is learned from."""


@dataclass
class Kit:
    """A world, how much data to learn from there, and what was learned.

    Attributes:
        scenario: The world.
        campaign: Customers of the random campaign, and of other journeys to learn from.
        bandit: Customers that a bandit meets while it learns.
        tuning: Customers on which policies are tuned.
        trials: Settings to try at most, for every policy alike.
        seconds: Processor time for everything since the kit was there: learning, then searches.
        searches: Searches that share this time, one after the other; each gets its part of what is
            left.
        threads: Threads of the kernel.
        say: Told what is being done.
        progress: Called with trials done and trials in all.
        memory: What remembers the trials of a policy, so that a search can be gone on with.
        trials_of: Trials of what was tuned, by policy.
    """

    scenario: Scenario
    campaign: int = CAMPAIGN
    bandit: int = BANDIT
    tuning: int = TUNING
    trials: int = TRIALS
    seconds: float = math.inf
    searches: int = 1
    threads: int | None = None
    say: Callable[[str], None] = lambda _: None
    progress: Callable[[int, int], None] | None = None
    memory: Callable[[str], Memory | None] = lambda _: None
    trials_of: dict[str, list[Trial]] = field(default_factory=dict[str, list[Trial]])
    _begun: float = field(default_factory=time.process_time, init=False)

    def __post_init__(self) -> None:
        check_least(1, campaign=self.campaign, tuning=self.tuning, trials=self.trials)
        check_least(0, seconds=self.seconds)

    @property
    def spent(self) -> float:
        """Processor time since the kit was there; remembered trials count as if made now."""
        return time.process_time() - self._begun

    @cached_property
    def log(self) -> LoggedCampaign:
        """The random campaign."""
        self.say(f"random campaign of {self.campaign:,} customers")
        customers = SPLIT.logging(self.campaign)
        return log_campaign(self.scenario, customers, SPLIT.seed, threads=self.threads)

    @cached_property
    def model(self) -> PracticeModel:
        """What greedy practice learned from it."""
        self.say("propensity models")
        return fit_practice(self.log, self.scenario, self.log.feature_names)

    @cached_property
    def practice(self) -> GreedyPractice:
        """Tuned greedy practice."""
        return cast(GreedyPractice, self.tuned("practice", practice_knobs(self.model)))

    def tuned(
        self, name: str, tunable: Tunable, world: Callable[[Scenario], Scenario] | None = None
    ) -> Policy:
        """A policy with its best settings, found as for all others.

        Args:
            name: What the trials are kept under.
            tunable: The policy and its knobs.
            world: The world it acts in, where that is not the kit's.
        """
        self.say(f"tuning {name}")
        scenario = self.scenario if world is None else world(self.scenario)
        begun = time.process_time()
        to_come = max(1, self.searches - len(self.trials_of))
        policy, self.trials_of[name] = tune(
            tunable,
            scenario,
            SPLIT.tuning(self.tuning),
            SPLIT.seed,
            trials=self.trials,
            seconds=max(0.0, self.seconds - self.spent) / to_come,
            threads=self.threads,
            progress=self.progress,
            memory=self.memory(name),
        )
        took = sum(trial.seconds for trial in self.trials_of[name])
        self._begun -= max(0.0, took - (time.process_time() - begun))
        return policy

    def uplift(self, learner: Learner, name: str) -> Policy:
        """Uplift arbitration, learned for several windows and tuned."""
        self.say(f"learning {name}")
        fits = [window for window in WINDOWS if window <= self.scenario.horizon] or [1]
        models = {
            window: fit_uplift(
                self.log, self.scenario, self.log.feature_names, learner, window=window
            )
            for window in fits
        }
        return self.tuned(name, arbitration_knobs(models, name))

    def bandit_of(self, rule: Rule, name: str) -> Policy:
        """A bandit that learned by acting, for several windows, and is tuned without exploring."""
        models = {window: self._taught(rule, window) for window in BANDIT_WINDOWS}
        return self.tuned(name, arbitration_knobs(models, name))

    def lookahead(self) -> Policy:
        """Practice that also counts customer value, tuned from tuned practice on."""
        journeys = log_campaign(
            self.scenario,
            SPLIT.logging(2 * self.campaign)[self.campaign :],
            SPLIT.seed,
            policy=EpsilonGreedy(self.practice, EXPLORING),
            threads=self.threads,
        )
        self.say("learning customer value")
        later = fit_lookahead(journeys, self.log, self.scenario, self.log.feature_names)
        return self.tuned("lookahead", lookahead_knobs(self.model, later, self.practice))

    def _taught(self, rule: Rule, window: int) -> LinearWorth:
        self.say(f"{rule} learns from {self.bandit:,} customers, window {window}")
        scenario, names = self.scenario, self.log.feature_names
        learner = BanditLearner(rule, len(names), scenario.n_actions)
        let_learn(
            learner,
            scenario,
            self.bandit,
            SPLIT.training_seed(0),
            window=min(window, scenario.horizon),
            waves=4,
            threads=self.threads,
        )
        return learner.worth(scenario, names)
