"""Contextual bandits on mabwiser: LinUCB, linear Thompson sampling, epsilon-greedy.

A bandit learns while it acts, from the money of the periods after each action, which is known only
once they are over. One linear model an arm says what an action is worth, given the records; what
differs is how it explores. Once it has learned, what is left is linear in the records and acts
without exploring (:class:`~nba_gym.policies.arbitration.Arbitration`).

What an arm says is what it earns beyond a model shared by all arms, as that model is now, so an arm
that was tried seldom is thought to be like the others, not worth nothing.

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

    Actions are drawn by lot until :meth:`begin`. From then on rewards are divided by their spread
    by then, so that ``explore`` means the same everywhere.

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
        self._generator = np.random.default_rng(seed)
        self._seen = np.zeros(3)  # rewards before it begins: how many, their sum, that of squares

    @property
    def has_begun(self) -> bool:
        """Whether it chooses by what it has learned; before, actions are drawn by lot."""
        return self.scale > 0.0

    def choose(self, observations: Array, masks: NDArray[Any]) -> NDArray[np.int64]:
        """What it does while learning, exploration included, ``(n,)``."""
        if not self.has_begun:
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
        known, first = _with_one(observations), not self._seen.any()
        if not self.has_begun:
            self._seen += len(rewards), rewards.sum(), (rewards**2).sum()
        scaled = rewards / (self.scale or 1.0)
        nobody = np.zeros(len(actions), dtype=np.int64)
        (self._shared.fit if first else self._shared.partial_fit)(nobody, scaled, known)
        (self._arms.fit if first else self._arms.partial_fit)(actions, scaled, known)
        self._compare()

    def begin(self) -> None:
        """Choose by what was learned from now on.

        What was seen by then tells how rewards spread. It should hold whole journeys: in the first
        periods of all customers hardly anybody buys, where courtship is long.

        Raises:
            PolicyError: If nothing was learned.
        """
        n, total, squares = self._seen
        if not n:
            raise PolicyError("the bandit must have met somebody before it begins, got no reward")
        self.scale = max(float(np.sqrt(max(squares / n - (total / n) ** 2, 0.0))), 1e-9)
        for model in (_model(self._shared, 0), *self._models):
            model.Xty = model.Xty / self.scale
        self._compare()

    def _compare(self) -> None:
        """Take the shared model, as it is now, off what each arm has earned since the beginning.

        To take it off each reward as it came would hold an arm that was given up early to what the
        shared model said then.
        """
        shared = _model(self._shared, 0)
        shared.beta = shared.A_inv @ shared.Xty
        for model in self._models:
            seen = model.A - _RIDGE * np.identity(len(model.A))
            model.beta = model.A_inv @ (model.Xty - seen @ shared.beta)

    @property
    def _models(self) -> list[Any]:
        return [_model(self._arms, arm) for arm in range(self._n)]

    def worth(self, scenario: Scenario, feature_names: list[str]) -> LinearWorth:
        """What it has learned, net of costs, without exploration.

        Raises:
            PolicyError: If it has not begun.
        """
        if not self.has_begun:
            raise PolicyError("the bandit must have begun before it is asked, got one by lot")
        arms: Floats = np.stack([model.beta for model in self._models], axis=1)
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


def _model(bandit: Any, arm: int) -> Any:
    """One arm's ridge regression: ``A`` is X'X plus the ridge, ``A_inv`` its inverse, ``Xty`` X'y.

    ``beta`` are its coefficients, the last the intercept, ``(n_features + 1,)``.
    """
    return bandit._imp.arm_to_model[arm]  # the library has no public way to say them


def _with_one(observations: Array) -> Floats:
    return np.append(observations.astype(np.float64), np.ones((len(observations), 1)), axis=1)
