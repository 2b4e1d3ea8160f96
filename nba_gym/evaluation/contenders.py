"""Every policy by name: what it is, what it needs, and how to make it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from nba_gym.errors import PolicyError, nearest
from nba_gym.evaluation.kit import Kit
from nba_gym.evaluation.knobs import (
    context_knobs,
    no_lever_knobs,
    practice_knobs,
    propensity_knobs,
    rule_knobs,
)
from nba_gym.policies.arms import RandomRelevant, eligibility_only
from nba_gym.policies.limits import capped, count_contacts
from nba_gym.policies.protocol import Policy
from nba_gym.policies.rfm import fit_rfm
from nba_gym.policies.simple import NoContact, RoundRobin, UniformRandom
from nba_gym.records.features import feature_table
from nba_gym.scenario.schema import Scenario
from nba_gym.truth.optimal import OptimalPolicy
from nba_gym.truth.oracle import MyopicOracle
from nba_gym.truth.rollouts import RolloutOracle

Needs = Literal["nothing", "campaign", "interaction", "simulator"]
ROLLOUT_PERIODS, ROLLOUT_DRAWS = 26, 4


def _same(scenario: Scenario) -> Scenario:
    return scenario


@dataclass(frozen=True)
class Contender:
    """A policy that can be asked for by name.

    Attributes:
        name: What the command line calls it.
        needs: What it is made from: nothing, a logged random campaign or interaction with customers
            (both are tuned then), or the simulator, which makes it privileged.
        line: What it does, in one line.
        make: Makes it for a world.
        world: The world it acts in.
        searches: Searches that making it takes, one after the other.
    """

    name: str
    needs: Needs
    line: str
    make: Callable[[Kit], Policy]
    world: Callable[[Scenario], Scenario] = _same
    searches: int = 1


def _rules(kit: Kit) -> Policy:
    return kit.tuned("rules", rule_knobs(fit_rfm(kit.log, kit.scenario, kit.log.feature_names)))


def _relevant(kit: Kit) -> Policy:
    return RandomRelevant()


def _eligibility(kit: Kit) -> Policy:
    return kit.tuned("eligibility", practice_knobs(kit.model), eligibility_only)


def _rare(kit: Kit) -> Policy:
    names = [feature.name for feature, _ in feature_table(kit.scenario)]
    return capped(RandomRelevant(), count_contacts(kit.scenario, names, 13), 1)


_ALL = (
    Contender("wait", "nothing", "never contacts anybody", lambda _: NoContact()),
    Contender("random", "nothing", "any allowed action by lot", lambda _: UniformRandom()),
    Contender("robin", "nothing", "the allowed actions in turn", lambda _: RoundRobin()),
    Contender("relevant", "nothing", "a relevant action by lot, whenever there is one", _relevant),
    Contender("relevant-capped", "nothing", "the same, one contact in 13 periods", _rare),
    Contender("rules", "campaign", "a rule table over segments by RFM, and triggers", _rules),
    Contender(
        "propensity",
        "campaign",
        "the action after which the customer most likely buys",
        lambda kit: kit.tuned("propensity", propensity_knobs(kit.model)),
    ),
    Contender(
        "practice",
        "campaign",
        "propensity x value x lever, less cost, with threshold and cap",
        lambda kit: kit.practice,
    ),
    Contender(
        "context",
        "campaign",
        "propensity x context x value x lever: the same with factors on situations",
        lambda kit: kit.tuned("context", context_knobs(kit.model)),
    ),
    Contender(
        "no-levers",
        "campaign",
        "practice without business levers",
        lambda kit: kit.tuned("no-levers", no_lever_knobs(kit.model)),
    ),
    Contender(
        "eligibility",
        "campaign",
        "practice where only eligibility forbids: no applicability, no suitability",
        _eligibility,
        eligibility_only,
    ),
    Contender(
        "uplift-t",
        "campaign",
        "uplift in money of each action, T-learner",
        lambda kit: kit.uplift("T", "uplift-t"),
    ),
    Contender(
        "uplift-x",
        "campaign",
        "uplift in money of each action, X-learner",
        lambda kit: kit.uplift("X", "uplift-x"),
    ),
    Contender(
        "uplift-pooled",
        "campaign",
        "uplift in money, learned from all actions at once",
        lambda kit: kit.uplift("pooled", "uplift-pooled"),
    ),
    Contender(
        "lookahead",
        "campaign",
        "practice plus what an action does to customer value: one step of fitted Q",
        lambda kit: kit.lookahead(),
        searches=2,
    ),
    Contender(
        "linucb",
        "interaction",
        "contextual bandit that explores by upper confidence bounds",
        lambda kit: kit.bandit_of("linucb", "linucb"),
    ),
    Contender(
        "thompson",
        "interaction",
        "contextual bandit that explores by draws from its posterior",
        lambda kit: kit.bandit_of("thompson", "thompson"),
    ),
    Contender(
        "epsilon",
        "interaction",
        "contextual bandit that explores by lot, one choice in ten",
        lambda kit: kit.bandit_of("epsilon", "epsilon"),
    ),
    Contender(
        "oracle",
        "simulator",
        "myopic oracle: highest expected profit now, knowing the hidden half",
        lambda _: MyopicOracle(),
    ),
    Contender(
        "rollouts",
        "simulator",
        f"rollout oracle: tries every action on copies for {ROLLOUT_PERIODS} periods; slow",
        lambda kit: RolloutOracle(kit.practice, periods=ROLLOUT_PERIODS, draws=ROLLOUT_DRAWS),
    ),
    Contender(
        "optimal",
        "simulator",
        "the best policy of all, where it is known",
        lambda _: OptimalPolicy(),
    ),
)
CONTENDERS = {contender.name: contender for contender in _ALL}
"""All of them by name, the simple ones first, the privileged ones last."""


def contender(name: str) -> Contender:
    """A policy by name.

    Raises:
        PolicyError: If there is none of that name.
    """
    if name not in CONTENDERS:
        raise PolicyError(f"policy must be a known one, got {name!r}{nearest(name, CONTENDERS)}")
    return CONTENDERS[name]
