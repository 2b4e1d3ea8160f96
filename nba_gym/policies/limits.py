"""Limits around any policy: a frequency cap, a threshold, a share of random choices.

They compose: ``capped(thresholded(policy, worth, 0.5), contacts, 2)``. Each leaves a policy that
says probabilities one that says them, and shows a privileged one what it is privileged to see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import PolicyError, check_least
from nba_gym.policies.attributes import Array, Flags, Floats, outbound_actions
from nba_gym.policies.protocol import Policy, StochasticPolicy
from nba_gym.policies.simple import ByLot
from nba_gym.scenario.schema import Scenario

Worth = Callable[[Array], NDArray[Any]]
"""What each action is expected to earn more than waiting, ``(n, n_actions)``."""


@dataclass(frozen=True)
class Contacts:
    """How the records count outbound contacts.

    Attributes:
        outbound: Actions that contact the customer of the firm's own accord, ``(n_actions,)``.
        column: Column of the observation with the share of recent periods with a contact.
        periods: How many periods that share is of.
    """

    outbound: Flags
    column: int
    periods: int = 4

    def tired(self, observations: Array, cap: int) -> Flags:
        """Outbound actions to whoever had ``cap`` contacts or more lately, ``(n, n_actions)``."""
        recent = np.rint(observations[:, self.column] * float(self.periods))
        return self.outbound & (recent >= cap)[:, None]


def count_contacts(scenario: Scenario, feature_names: list[str], periods: int = 4) -> Contacts:
    """How the records of a world count contacts.

    Args:
        scenario: For the catalogue.
        feature_names: Names of the observation's columns.
        periods: Length of the window: 4 or 13.

    Raises:
        PolicyError: If the records have no count over such a window.
    """
    name = f"contacts_{periods}"
    if name not in feature_names:
        known = [each[9:] for each in feature_names if each.startswith("contacts_")]
        raise PolicyError(f"periods must be one of {', '.join(known) or 'none'}, got {periods}")
    return Contacts(outbound_actions(scenario), feature_names.index(name), periods)


class _Around:
    """A policy with another one inside."""

    def __init__(self, policy: Policy, name: str) -> None:
        self.policy = policy
        self.name = name
        self.observe = getattr(policy, "observe", "records")
        if hasattr(policy, "bind"):  # privileged to see the simulator, and only then is this one
            self.bind = cast(Any, policy).bind


class Capped(_Around):
    """A policy that may send no outbound contact after so many in a window; see :func:`capped`."""

    def __init__(self, policy: Policy, contacts: Contacts, cap: int) -> None:
        check_least(0, cap=cap)
        super().__init__(policy, f"{policy.name}, at most {cap} in {contacts.periods}")
        self.contacts = contacts
        self.cap = cap

    def narrow(self, observations: Array, masks: NDArray[Any]) -> NDArray[np.int8]:
        """What is allowed within the cap, ``(n, n_actions)``."""
        return ((masks > 0) & ~self.contacts.tired(observations, self.cap)).astype(np.int8)

    def act(
        self, observations: Array, masks: NDArray[Any], generator: np.random.Generator
    ) -> NDArray[np.int64]:
        """Choose for every customer, ``(n,)``."""
        return self.policy.act(observations, self.narrow(observations, masks), generator)


class _CappedChances(Capped):
    def probabilities(self, observations: Array, masks: NDArray[Any]) -> Floats:
        """Probability of every action, ``(n, n_actions)``."""
        return _saying(self.policy).probabilities(observations, self.narrow(observations, masks))


class Thresholded(_Around):
    """A policy whose choices must be worth something; see :func:`thresholded`."""

    def __init__(self, policy: Policy, worth: Worth, threshold: float) -> None:
        super().__init__(policy, f"{policy.name}, above {threshold:g}")
        self.worth = worth
        self.threshold = threshold

    def too_little(self, observations: Array) -> Flags:
        """Actions that are not worth the threshold, ``(n, n_actions)``; waiting never is one."""
        short = np.asarray(self.worth(observations)) <= self.threshold
        short[:, 0] = False
        return short

    def act(
        self, observations: Array, masks: NDArray[Any], generator: np.random.Generator
    ) -> NDArray[np.int64]:
        """Choose for every customer, ``(n,)``."""
        chosen = self.policy.act(observations, masks, generator)
        short = self.too_little(observations)[np.arange(len(chosen)), chosen]
        return np.where(short, 0, chosen)


class _ThresholdedChances(Thresholded):
    def probabilities(self, observations: Array, masks: NDArray[Any]) -> Floats:
        """Probability of every action, ``(n, n_actions)``."""
        chances = _saying(self.policy).probabilities(observations, masks).copy()
        short = self.too_little(observations)
        chances[:, 0] += np.where(short, chances, 0.0).sum(axis=1)
        chances[short] = 0.0
        return chances


class EpsilonGreedy(_Around, ByLot):
    """A policy that now and then draws one of the allowed actions instead, waiting included.

    Args:
        policy: Who chooses otherwise; it must not say probabilities itself.
        epsilon: Probability of drawing, in [0, 1].

    Raises:
        PolicyError: If epsilon is no probability, or the policy is stochastic already.
    """

    def __init__(self, policy: Policy, epsilon: float) -> None:
        if not 0.0 <= epsilon <= 1.0:
            raise PolicyError(f"epsilon must be in [0, 1], got {epsilon:g}")
        if isinstance(policy, StochasticPolicy):
            raise PolicyError(f"policy must be a deterministic one, got {policy.name!r}")
        super().__init__(policy, f"{policy.name}, {epsilon:.0%} random")
        self.epsilon = epsilon

    def probabilities(self, observations: Array, masks: NDArray[Any]) -> Floats:
        """Probability of every action, ``(n, n_actions)``."""
        # the policy inside is deterministic: what it is given to draw from must not matter
        chosen = self.policy.act(observations, masks, np.random.default_rng(0))
        return mix_in(chosen, masks, self.epsilon)


def mix_in(chosen: NDArray[np.int64], masks: NDArray[Any], epsilon: float) -> Floats:
    """Probabilities of who draws one of the allowed actions now and then, and else does as chosen.

    Args:
        chosen: What is done otherwise, ``(n,)``; allowed actions.
        masks: 1 where an action is allowed, ``(n, n_actions)``.
        epsilon: Probability of drawing, in [0, 1].

    Returns:
        ``(n, n_actions)``; rows sum to 1, and what is not allowed has 0.
    """
    allowed = (masks > 0).astype(np.float64)
    chances = epsilon * allowed / allowed.sum(axis=1, keepdims=True)
    chances[np.arange(len(chosen)), chosen] += 1.0 - epsilon
    return chances


def capped(policy: Policy, contacts: Contacts, cap: int) -> Capped:
    """A policy that sends no outbound contact to whoever had ``cap`` lately.

    The policy inside chooses among what is left, so it may still answer a customer who is there.

    Args:
        policy: Any policy.
        contacts: How the records count contacts.
        cap: Contacts after which there is no more, >= 0; 0 forbids all.

    Raises:
        PolicyError: If the cap is negative.
    """
    kind = _CappedChances if isinstance(policy, StochasticPolicy) else Capped
    return kind(policy, contacts, cap)


def thresholded(policy: Policy, worth: Worth, threshold: float) -> Thresholded:
    """A policy that waits unless what it chose is expected to be worth more than a threshold.

    Args:
        policy: Any policy.
        worth: What each action is expected to earn more than waiting, e.g. that of a
            :class:`~nba_gym.policies.practice.PracticeModel` or a
            :class:`~nba_gym.policies.arbitration.LinearWorth`.
        threshold: What it must exceed, in currency.
    """
    kind = _ThresholdedChances if isinstance(policy, StochasticPolicy) else Thresholded
    return kind(policy, worth, threshold)


def _saying(policy: Policy) -> StochasticPolicy:
    if not isinstance(policy, StochasticPolicy):
        raise PolicyError(f"policy must say probabilities, got {policy.name!r}")
    return policy
