"""Contextual bandits on mabwiser: LinUCB, linear Thompson sampling, epsilon-greedy.

A bandit learns while it acts, from the money of the periods after each action, which is known only
once they are over. One linear model an arm says what an action is worth, given the records; what
differs is how it explores. Once it has learned, what is left is linear in the records and acts
without exploring (:class:`~nba_gym.policies.arbitration.Arbitration`).

What an arm learns is what it earns beyond a model shared by all arms, so an arm that was tried
seldom is thought to be like the others, not worth nothing.

Source: Li, Chu, Langford & Schapire (2010), "A contextual-bandit approach to personalized news
article recommendation", WWW (LinUCB); Agrawal & Goyal (2013), "Thompson sampling for contextual
bandits with linear payoffs", ICML; Strong, Kleynhans & Kadioglu (2021), "MABWiser: parallelizable
contextual multi-armed bandits", International Journal on Artificial Intelligence Tools 30.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import MissingExtraError, PolicyError, check_least, nearest
from nba_gym.policies.arbitration import LinearWorth
from nba_gym.policies.attributes import Array, Floats
from nba_gym.policies.limits import count_contacts
from nba_gym.scenario.schema import Scenario

Rule = Literal["linucb", "thompson", "epsilon"]
RULES = ("linucb", "thompson", "epsilon")
_RIDGE = 1.0


class BanditLearner:
    """A bandit that is still learning.

    Rewards are divided by their spread in the first batch: ``explore`` means the same everywhere.

    Args:
        rule: How it explores: ``"linucb"``, ``"thompson"`` or ``"epsilon"``.
        n_features: Columns of the observation.
        n_actions: Arms, waiting included.
        explore: Width of the confidence bound, factor on the posterior's spread, or share of random
            choices; by default 1, 1 and 0.1.
        seed: Seed of what exploration draws.

    Raises:
        PolicyError: If there is no such rule, or ``explore`` is negative.
        MissingExtraError: If mabwiser is not installed.
    """

    def __init__(
        self,
        rule: Rule,
        n_features: int,
        n_actions: int,
        *,
        explore: float | None = None,
        seed: int = 0,
    ) -> None:
        if rule not in RULES:
            raise PolicyError(f"rule must be a known one, got {rule!r}{nearest(rule, RULES)}")
        wide = explore if explore is not None else (0.1 if rule == "epsilon" else 1.0)
        check_least(0, explore=wide)
        self.rule = rule
        self.scale = 0.0
        self._n = n_actions
        self._arms = _bandit(rule, n_actions, wide, seed)
        self._shared = _bandit("epsilon", 1, 0.0, seed)
        self._empty = np.zeros((n_actions, n_features + 1))
        self._generator = np.random.default_rng(seed)

    @property
    def has_learned(self) -> bool:
        """Whether anything was learned yet; before, actions are drawn by lot."""
        return self.scale > 0.0

    def choose(self, observations: Array, masks: NDArray[Any]) -> NDArray[np.int64]:
        """What it does while learning, exploration included, ``(n,)``."""
        if not self.has_learned:
            hopes: Floats = self._generator.random(masks.shape)
        else:
            said: Any = self._arms.predict_expectations(_with_one(observations))
            rows: list[dict[int, float]] = said if len(observations) > 1 else [said]
            hopes = np.array([list(row.values()) for row in rows])
        return np.argmax(np.where(masks > 0, hopes, -np.inf), axis=1)

    def learn(self, observations: Array, actions: NDArray[np.int64], rewards: Floats) -> None:
        """Learn from a batch, whenever its rewards are known.

        Args:
            observations: What was known, ``(n, n_features)``.
            actions: What was done, ``(n,)``.
            rewards: What came of it, in currency, ``(n,)``.
        """
        if not len(actions):
            return
        known, first = _with_one(observations), not self.has_learned
        if first:
            self.scale = max(float(rewards.std()), 1e-9)
        scaled = rewards / self.scale
        nobody = np.zeros(len(actions), dtype=np.int64)
        (self._shared.fit if first else self._shared.partial_fit)(nobody, scaled, known)
        beyond = scaled - known @ _coefficients(self._shared, 0)
        (self._arms.fit if first else self._arms.partial_fit)(actions, beyond, known)

    def worth(self, scenario: Scenario, feature_names: list[str]) -> LinearWorth:
        """What it has learned, net of costs, without exploration.

        Raises:
            PolicyError: If it has learned nothing.
        """
        if not self.has_learned:
            raise PolicyError("the bandit must have learned before it is asked, got no reward")
        arms = np.stack([_coefficients(self._arms, a) for a in range(self._n)], axis=1)
        return LinearWorth(
            effects=(self.scale * (arms - arms[:, :1])).astype(np.float32),
            costs=np.zeros(self._n, dtype=np.float32),
            kinds=tuple(action.kind for action in scenario.actions),
            contacts=count_contacts(scenario, feature_names),
            typical=self.scale,
        )


def _bandit(rule: str, n_arms: int, explore: float, seed: int) -> Any:
    try:
        from mabwiser.mab import (  # pyright: ignore[reportMissingTypeStubs]
            MAB,
            LearningPolicy,
        )
    except ImportError as error:
        raise MissingExtraError("a bandit", "baselines") from error
    kinds: dict[str, Any] = {
        "linucb": lambda: LearningPolicy.LinUCB(alpha=explore, l2_lambda=_RIDGE),
        "thompson": lambda: LearningPolicy.LinTS(alpha=max(explore, 1e-9), l2_lambda=_RIDGE),
        "epsilon": lambda: LearningPolicy.LinGreedy(epsilon=explore, l2_lambda=_RIDGE),
    }
    return MAB(list(range(n_arms)), kinds[rule](), seed=seed)


def _coefficients(bandit: Any, arm: int) -> Floats:
    """Of one arm's ridge regression, the last the intercept, ``(n_features + 1,)``."""
    return bandit._imp.arm_to_model[arm].beta  # the library has no public way to say them


def _with_one(observations: Array) -> Floats:
    return np.append(observations.astype(np.float64), np.ones((len(observations), 1)), axis=1)
