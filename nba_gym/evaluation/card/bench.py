"""Where everything on a card is simulated: each policy once, on the same customers and luck."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import PolicyError, ScenarioError, nearest
from nba_gym.evaluation.card.rules import RelevantContact
from nba_gym.evaluation.card.watch import Watched, watched_rollout
from nba_gym.evaluation.split import SPLIT
from nba_gym.evaluation.tuning import Trial, learn_practice
from nba_gym.policies.protocol import Policy
from nba_gym.policies.simple import NoContact, UniformRandom
from nba_gym.scenario.schema import Scenario
from nba_gym.truth.optimal import OptimalPolicy
from nba_gym.truth.oracle import MyopicOracle

Say = Callable[[str], None]

POLICIES = {
    "no_contact": "no contact",
    "random": "uniform random",
    "practice": "greedy practice",
    "oracle": "myopic oracle",
    "optimum": "exact optimum",
}
"""Policies of a card by the name that targets use, and what tables call them."""
RULES = {"relevant": 4, "rested": 8, "broadcast": 4}
"""Rules of contact on the target's channel, and the periods between two contacts."""


@dataclass(frozen=True)
class Sizes:
    """How many customers stand behind a card.

    Attributes:
        customers: Behind the behaviour of each policy.
        targets: Behind each target that is not measured on those.
        sensitivity: Behind the loyalty and sensitivity tables.
        quick: Behind the numbers that a test regenerates.
        campaign: Behind the random campaign that practice learns from.
        tuning: Behind each setting of practice that is tried.
        trials: Settings that are tried at most.

    Raises:
        PolicyError: If there are more for targets, or for sensitivity, than customers.
    """

    customers: int = 16_000
    targets: int = 12_000
    sensitivity: int = 2_000
    quick: int = 1_000
    campaign: int = 16_000
    tuning: int = 4_000
    trials: int = 60

    def __post_init__(self) -> None:
        for name in ("targets", "sensitivity"):
            n = getattr(self, name)
            if n > self.customers:
                raise PolicyError(f"{name} must be at most customers, {self.customers}, got {n}")

    def times(self, factor: float) -> Sizes:
        """So many times as many customers, and no fewer trials.

        Raises:
            PolicyError: If that leaves hardly any.
        """
        if not 0.01 <= factor <= 1000.0:
            raise PolicyError(f"size must be in [0.01, 1000], got {factor:g}")
        kept = ("quick", "trials")  # the first are regenerated, so they must be the same always
        counts = {name: n for name, n in asdict(self).items() if name not in kept}
        return replace(self, **{name: max(2, round(factor * n)) for name, n in counts.items()})


class Bench:
    """Simulations of one world, made when they are first asked for.

    Args:
        scenario: The world.
        sizes: How many customers.
        may_learn: Whether practice may be learned; a test that must match to the last digit may
            not, for linear algebra differs between machines.
        folder: Where files of numbers measured elsewhere lie.
        say: Told what is being done.
    """

    def __init__(
        self,
        scenario: Scenario,
        sizes: Sizes,
        *,
        may_learn: bool = True,
        folder: Path | None = None,
        say: Say = lambda _: None,
    ) -> None:
        self.scenario, self.sizes, self.may_learn = scenario, sizes, may_learn
        self.folder, self.say = folder, say
        self.seed = SPLIT.seed
        self.trials: list[Trial] = []
        self._practice: Policy | None = None
        self._seen: dict[tuple[str, str], Watched] = {}

    @property
    def shown(self) -> tuple[str, ...]:
        """Policies whose behaviour is shown: tables have an optimum in the place of practice."""
        third = "practice" if self.scenario.tabular is None else "optimum"
        return ("no_contact", "random", third, "oracle")

    def customers(self, n: int) -> NDArray[np.uint64]:
        """The first ``n`` customers of the cards."""
        return SPLIT.describing(n)

    def policy(self, name: str, channel: str = "") -> Policy:
        """A policy by the name that targets use.

        Raises:
            PolicyError: If it is unknown, or practice may not be learned.
            ScenarioError: If a rule has no outbound channel to act on.
        """
        if name == "practice":
            return self._learn()
        if name in RULES:
            if not channel:
                raise ScenarioError(f"channel must be given for the policy {name!r}, got none")
            at_random = name == "broadcast"
            return RelevantContact(self.scenario, channel, RULES[name], broadcast=at_random)
        if name == "optimum":
            return OptimalPolicy()
        known = {"no_contact": NoContact, "random": UniformRandom, "oracle": MyopicOracle}
        if name not in known:
            names = [*POLICIES, *RULES]
            raise PolicyError(f"policy must be a known one, got {name!r}{nearest(name, names)}")
        return known[name]()

    def watched(self, name: str, channel: str = "") -> Watched:
        """Whole journeys under a policy."""
        channel = channel if name in RULES else ""
        if (name, channel) not in self._seen:
            policy = self.policy(name, channel)
            n = self.sizes.targets if name in RULES else self.sizes.customers
            self.say(f"{n:,} customers under {policy.name}")
            numbers = self.customers(n)
            self._seen[name, channel] = watched_rollout(policy, self.scenario, numbers, self.seed)
        return self._seen[name, channel]

    def _learn(self) -> Policy:
        if not self.may_learn:
            raise PolicyError("policy must be one that is not learned here, got 'practice'")
        if self._practice is None:
            sizes = self.sizes
            self.say(
                f"learning practice: {sizes.campaign:,} customers in a random campaign, then at "
                f"most {sizes.trials} settings tried on {sizes.tuning:,}"
            )
            self._practice, self.trials = learn_practice(
                self.scenario, campaign=sizes.campaign, tuning=sizes.tuning, trials=sizes.trials
            )
        return self._practice
