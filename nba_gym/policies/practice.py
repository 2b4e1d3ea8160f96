"""Greedy practice: propensity x value x lever, learned from a logged random campaign.

What firms run: a model of the probability that a customer buys if treated so, times what the
purchase would be worth, times a business lever, minus the cost of the contact; the best action wins
if it beats doing nothing by a threshold and the customer was not contacted too often. Everything is
learned from records alone, and threshold, cap and basis are tuned on customers of their own
(``nba_gym.evaluation.tune_practice``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import DataError, MissingExtraError, PolicyError
from nba_gym.scenario.schema import Scenario

Basis = Literal["total", "incremental"]
Floats = NDArray[np.float64]


class CampaignLog(Protocol):
    """A logged campaign, one row a customer and period."""

    @property
    def observations(self) -> NDArray[np.float32]:
        """What was known, ``(rows, n_features)``."""
        ...

    @property
    def actions(self) -> NDArray[np.int64]:
        """What was done, ``(rows,)``."""
        ...

    @property
    def bought(self) -> NDArray[np.bool_]:
        """1 if something was bought in the period, ``(rows,)``."""
        ...

    @property
    def margins(self) -> Floats:
        """Margin after discounts earned in the period, ``(rows,)``."""
        ...


@dataclass(frozen=True)
class PracticeModel:
    """Propensities and values learned from a campaign.

    Attributes:
        propensity: Logistic coefficients by action, the last row the intercept,
            ``(n_features + 1, n_actions)``.
        value: Linear coefficients of the margin of a buying period, the last the intercept,
            ``(n_features + 1,)``.
        worth: Factor on the value for what each action sells and leaves after its discount,
            ``(n_actions,)``.
        costs: Cost of a contact by action, ``(n_actions,)``.
        levers: Business weights, ``(n_actions,)``.
        outbound: 1 for actions that contact the customer, ``(n_actions,)``.
        contacts: Column of the observation with the share of recent periods with a contact.
        window: Length of that recent window, in periods.
    """

    propensity: Floats
    value: Floats
    worth: Floats
    costs: Floats
    levers: Floats
    outbound: NDArray[np.bool_]
    contacts: int
    window: int

    def propensities(self, observations: NDArray[np.float32]) -> Floats:
        """Probability of a purchase under every action, ``(n, n_actions)``."""
        odds = observations @ self.propensity[:-1] + self.propensity[-1]
        return 1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0)))

    def values(self, observations: NDArray[np.float32]) -> Floats:
        """Margin of a buying period at list price, ``(n,)``, >= 0."""
        return np.maximum(observations @ self.value[:-1] + self.value[-1], 0.0)


class GreedyPractice:
    """Arbitration by propensity x value x lever, with a threshold and a frequency cap.

    Args:
        model: What was learned from the campaign.
        threshold: By how much an action must beat waiting, in currency.
        cap: Outbound contacts allowed within the model's recent window.
        basis: ``"total"`` scores what is earned under an action; ``"incremental"`` scores only
            what it adds to waiting before levers are applied.
        levers: Whether business levers are used.

    Raises:
        PolicyError: If the basis is unknown or the cap negative.
    """

    def __init__(
        self,
        model: PracticeModel,
        *,
        threshold: float = 0.0,
        cap: int = 4,
        basis: Basis = "incremental",
        levers: bool = True,
    ) -> None:
        if basis not in ("total", "incremental"):
            raise PolicyError(f"basis must be 'total' or 'incremental', got {basis!r}")
        if cap < 0:
            raise PolicyError(f"cap must be at least 0, got {cap}")
        self.name = "greedy practice"
        self.model = model
        self.threshold = threshold
        self.cap = cap
        self.basis: Basis = basis
        self.levers = levers

    @property
    def settings(self) -> dict[str, Any]:
        """What was tuned."""
        return {
            "threshold": self.threshold,
            "cap": self.cap,
            "basis": self.basis,
            "levers": self.levers,
        }

    def act(
        self,
        observations: NDArray[np.float32],
        masks: NDArray[Any],
        generator: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Choose for every customer, ``(n,)``."""
        gain = self._scores(observations)
        allowed = masks > 0
        recent = np.rint(observations[:, self.model.contacts] * self.model.window)
        allowed &= ~(self.model.outbound[None, :] & (recent >= self.cap)[:, None])
        gain = np.where(allowed, gain, -np.inf)
        gain[:, 0] = self.threshold  # waiting wins ties: action 0 comes first
        return np.argmax(gain, axis=1)

    def _scores(self, observations: NDArray[np.float32]) -> Floats:
        """Score of every action above waiting, ``(n, n_actions)``."""
        model = self.model
        levers = model.levers if self.levers else np.ones_like(model.levers)
        worth = model.propensities(observations) * model.values(observations)[:, None]
        worth *= model.worth
        if self.basis == "incremental":
            return (worth - worth[:, :1]) * levers - model.costs
        return worth * levers - model.costs - worth[:, :1]


def fit_practice(
    log: CampaignLog, scenario: Scenario, feature_names: list[str], *, strength: float = 1.0
) -> PracticeModel:
    """Learn propensities and values from a logged campaign.

    One logistic regression an action (an action logged fewer than 200 times, or that never sold,
    gets its observed rate), and one ridge regression of the margin of buying periods.

    Args:
        log: A campaign with randomised actions, so that propensities are causal.
        scenario: For what the firm knows of its own catalogue: costs, discounts, levers.
        feature_names: Names of the observation's columns.
        strength: Inverse strength of the regularisation of the regressions.

    Raises:
        DataError: If the log holds no purchase.
        MissingExtraError: If scikit-learn is not installed.
    """
    try:
        from sklearn.linear_model import LogisticRegression, Ridge  # pyright: ignore
    except ImportError as error:
        raise MissingExtraError("learning propensities", "practice") from error
    if not log.bought.any():
        raise DataError("the campaign log must hold purchases, got none")
    n_actions, n_features = scenario.n_actions, log.observations.shape[1]
    propensity = np.zeros((n_features + 1, n_actions))
    for a in range(n_actions):
        rows = log.actions == a
        x, y = log.observations[rows], log.bought[rows]
        rate = (y.sum() + 1.0) / (len(y) + 2.0)
        propensity[-1, a] = np.log(rate / (1.0 - rate)) if len(y) else -30.0
        if len(y) >= 200 and 5 <= y.sum() < len(y):
            model = cast(Any, LogisticRegression(C=strength, solver="newton-cholesky"))
            model.fit(x.astype(np.float64), y)
            propensity[:-1, a], propensity[-1, a] = model.coef_[0], model.intercept_[0]
    sold, margins = log.bought, log.margins[log.bought]
    ridge = cast(Any, Ridge(alpha=1.0))
    ridge.fit(log.observations[sold].astype(np.float64), margins)
    expected = np.maximum(ridge.predict(log.observations[sold].astype(np.float64)), 1e-6)
    channels = {channel.name: channel for channel in scenario.channels}
    return PracticeModel(
        propensity=propensity,
        value=np.append(ridge.coef_, ridge.intercept_),
        worth=_worth(log.actions[sold], margins, expected, scenario.n_actions),
        costs=np.array(
            [
                action.cost + (channels[action.channel].cost if action.channel else 0.0)
                for action in scenario.actions
            ]
        ),
        levers=np.array([action.lever for action in scenario.actions]),
        outbound=np.array(
            [
                bool(action.channel) and channels[action.channel].direction == "outbound"
                for action in scenario.actions
            ]
        ),
        contacts=feature_names.index("contacts_4"),
        window=4,
    )


def _worth(actions: NDArray[np.int64], margins: Floats, expected: Floats, n: int) -> Floats:
    """Margin under each action over what the value model expects, shrunk towards 1."""
    prior = 20.0 * float(expected.mean())  # as if 20 purchases had gone as expected
    got = np.bincount(actions, weights=margins, minlength=n)
    hoped = np.bincount(actions, weights=expected, minlength=n)
    return (got + prior) / (hoped + prior)
