"""Uplift of each action in money, learned from a logged random campaign with scikit-learn.

The outcome is what a customer earns within an attribution window, discounted to its start. Of every
action, those who got it are compared with those who might have got it and were left alone, each
weighted by how likely what they got was, so both stand for the same customers.

- T-learner: one ridge regression of the outcome on the records for those who got the action, one
  for those who did not; uplift is the difference.
- X-learner: models say what the former would have earned without the action (gradient boosting) and
  the latter with it (ridge regression); the differences to what was earned are regressed on the
  records, in both groups, and averaged.
- Pooled: the X-learner's first difference, regressed for all actions at once on what they have in
  common (``attributes.py``), so that one action learns from another.

What is kept is linear in the records either way, so that a decision takes microseconds.

Source: Kunzel, Sekhon, Bickel & Yu (2019), "Metalearners for estimating heterogeneous treatment
effects using machine learning", PNAS 116, 4156-4165, for several actions one against waiting each.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import DataError, PolicyError
from nba_gym.policies.arbitration import LinearWorth
from nba_gym.policies.attributes import Attributes, Flags, Floats, contact_costs, spoken_to
from nba_gym.policies.campaign import CampaignLog
from nba_gym.policies.limits import count_contacts
from nba_gym.scenario.schema import Scenario
from nba_gym.threads import one_thread_to_fit

Learner = Literal["T", "X", "pooled"]
MOST = 60_000
"""Rows that one regression looks at; of more, evenly spread ones."""
MOST_BOOSTED = 200_000
"""Rows that gradient boosting looks at."""
FEWEST = 50
"""Rows with an action below which nothing is learned of it: its uplift is 0."""
RIDGES = (1.0, 10.0, 100.0, 1_000.0, 10_000.0)
"""Penalties to choose from, by leave-one-out error."""


def fit_uplift(
    log: CampaignLog,
    scenario: Scenario,
    feature_names: list[str],
    learner: Learner = "X",
    *,
    window: int = 4,
) -> LinearWorth:
    """Learn what each action adds to waiting from a logged campaign.

    Args:
        log: A campaign with randomised actions and known propensities.
        scenario: For what the firm knows of its own: catalogue, costs, discount.
        feature_names: Names of the observation's columns.
        learner: ``"T"``, ``"X"`` or ``"pooled"``.
        window: Attribution window, in periods, that of the contact included.

    Raises:
        DataError: If the window does not fit into the log.
        PolicyError: If there is no such learner.
        MissingExtraError: If scikit-learn is not installed.
    """
    known = ("T", "X", "pooled")
    if learner not in known:
        raise PolicyError(f"learner must be one of {', '.join(known)}, got {learner!r}")
    outcomes, whole = earned_within(log, window, scenario.discount)
    trial = Trial(log, outcomes, whole)
    with one_thread_to_fit("learning uplift"):
        if learner == "pooled":
            effects = pool(trial, money_attributes(scenario, feature_names))
        else:
            effects = _t_learner(trial) if learner == "T" else _x_learner(trial)
    return as_worth(effects, log, scenario, feature_names)


def money_attributes(scenario: Scenario, feature_names: list[str]) -> Attributes:
    """What effects on money are made of."""
    speaks = spoken_to(scenario)
    return Attributes(scenario, feature_names, speaks, goodwill=10.0, seasonal=True)


def as_worth(
    effects: Floats,
    log: CampaignLog,
    scenario: Scenario,
    feature_names: list[str],
) -> LinearWorth:
    """Effects before costs, ``(n_features + 1, n_actions)``, as something to arbitrate by."""
    bought = log.margins[log.bought]
    return LinearWorth(
        effects=effects.astype(np.float32),
        costs=contact_costs(scenario),
        kinds=tuple(action.kind for action in scenario.actions),
        contacts=count_contacts(scenario, feature_names),
        typical=float(bought.mean()) if len(bought) else 1.0,
    )


def earned_within(log: CampaignLog, window: int, discount: float) -> tuple[Floats, Flags]:
    """What is earned from each row on, costs of contacts left out.

    Args:
        log: The campaign.
        window: Periods that count, the row's own included.
        discount: Discount factor a period.

    Returns:
        Earnings, discounted to the row's period, in currency, ``(rows,)``; and whether the campaign
        lasted for the whole window, ``(rows,)``.

    Raises:
        DataError: If no row has a whole window.
    """
    end = int(log.periods.max()) + 1
    if not 1 <= window <= end:
        raise DataError(f"window must be in [1, {end}], the campaign's periods, got {window}")
    earned = np.zeros((end + window - 1, int(log.customers.max()) + 1))
    earned[log.periods, log.customers] = log.earnings
    total = np.zeros(len(log.periods))
    for ahead in range(window):
        total += discount**ahead * earned[log.periods + ahead, log.customers]
    return total, log.periods + window <= end


class Group(NamedTuple):
    """Rows of the log that are treated alike.

    Attributes:
        rows: Which, ``(n,)``.
        weights: How many customers each stands for, 1 on average, ``(n,)``.
        size: Of how many rows they were taken.
    """

    rows: NDArray[np.int64]
    weights: Floats
    size: int


class Trial:
    """A campaign, read as one trial an action against waiting.

    Args:
        log: The campaign.
        outcomes: What came of each row, ``(rows,)``.
        whole: Rows whose outcome is known to its end, ``(rows,)``; all by default.
    """

    def __init__(self, log: CampaignLog, outcomes: Floats, whole: Flags | None = None) -> None:
        self.log = log
        self.outcomes = outcomes
        self.whole = np.ones(len(outcomes), dtype=np.bool_) if whole is None else whole

    def groups(self, action: int) -> tuple[Group, Group]:
        """Who got an action, and who might have got it and was left alone."""
        log, might = self.log, self.whole & self.log.masks[:, action]
        return self._group(might & (log.actions == action)), self._group(might & (log.actions == 0))

    def _group(self, chosen: Flags, most: int = MOST) -> Group:
        """Some rows, evenly spread, weighted by the inverse of their propensity."""
        rows = np.flatnonzero(chosen)
        n = min(len(rows), most)
        kept = rows[np.arange(n) * len(rows) // max(n, 1)]
        weights = 1.0 / self.log.propensities[kept]
        return Group(kept, weights / weights.mean() if n else weights, len(rows))

    def everybody(self) -> Group:
        """Rows of all actions, each for itself."""
        return self._group(self.whole, MOST_BOOSTED)

    def left_alone(self) -> Group:
        """Rows in which nothing was done."""
        return self._group(self.whole & (self.log.actions == 0), MOST_BOOSTED)

    def treated(self) -> Group:
        """Rows in which something was done."""
        return self._group(self.whole & (self.log.actions > 0), MOST_BOOSTED)

    def effects(self) -> Floats:
        """Room for what every action adds."""
        return np.zeros((self.log.observations.shape[1] + 1, self.log.masks.shape[1]))


def _t_learner(trial: Trial) -> Floats:
    effects = trial.effects()
    for action in range(1, effects.shape[1]):
        treated, waited = trial.groups(action)
        if min(treated.size, waited.size) >= FEWEST:
            effects[:, action] = regress(trial.log, treated, trial.outcomes[treated.rows])
            effects[:, action] -= regress(trial.log, waited, trial.outcomes[waited.rows])
    return effects


def _x_learner(trial: Trial) -> Floats:
    log, effects = trial.log, trial.effects()
    idle = trial.left_alone()
    without = boost(log, idle, trial.outcomes[idle.rows])
    for action in range(1, effects.shape[1]):
        treated, waited = trial.groups(action)
        if min(treated.size, waited.size) < FEWEST:
            continue
        with_it = regress(log, treated, trial.outcomes[treated.rows])
        # what the action added to those who got it, and would have added to those who did not
        added = trial.outcomes[treated.rows] - without.predict(log.observations[treated.rows])
        missed = log.observations[waited.rows] @ with_it[:-1] + with_it[-1]
        missed -= trial.outcomes[waited.rows]
        share = treated.size / (treated.size + waited.size)
        effects[:, action] = (1.0 - share) * regress(log, treated, added)
        effects[:, action] += share * regress(log, waited, missed)
    return effects


def pool(trial: Trial, attributes: Attributes) -> Floats:
    """What actions add, learned from all of them at once, ``(n_features + 1, n_actions)``.

    Args:
        trial: Outcomes of the campaign.
        attributes: What effects are made of; those on several outcomes are added up.
    """
    from sklearn.linear_model import RidgeCV  # pyright: ignore[reportMissingTypeStubs]

    log, idle, treated = trial.log, trial.left_alone(), trial.treated()
    without = boost(log, idle, trial.outcomes[idle.rows])
    x, actions = log.observations[treated.rows], log.actions[treated.rows]
    added = trial.outcomes[treated.rows] - without.predict(x)
    design = np.zeros((len(x), len(attributes.strengths)))
    for outcome in range(attributes.shape[2]):
        design += attributes.rows(x, actions, outcome)
    scale = 1.0 / np.sqrt(attributes.strengths)
    model: Any = RidgeCV(alphas=RIDGES, fit_intercept=False)
    model.fit(design * scale, added, sample_weight=treated.weights)
    effects = attributes.effects(model.coef_ * scale).sum(axis=1).astype(np.float64)
    effects[:, 0] = 0.0
    return effects


def regress(log: CampaignLog, group: Group, outcomes: Floats) -> Floats:
    """Ridge regression of outcomes on the records, the last coefficient the intercept."""
    from sklearn.linear_model import RidgeCV  # pyright: ignore[reportMissingTypeStubs]

    model: Any = RidgeCV(alphas=RIDGES)
    x = log.observations[group.rows].astype(np.float64)
    model.fit(x, outcomes, sample_weight=group.weights)
    return np.append(model.coef_, model.intercept_)


def boost(log: CampaignLog, group: Group, outcomes: Floats) -> Any:
    """Gradient boosting of outcomes on the records: something with ``predict``."""
    from sklearn.ensemble import (  # pyright: ignore[reportMissingTypeStubs]
        HistGradientBoostingRegressor,
    )

    model: Any = HistGradientBoostingRegressor(
        max_iter=60, max_leaf_nodes=15, min_samples_leaf=100, random_state=0
    )
    # no weights: what is expected of given records does not depend on whose records are looked at
    return model.fit(log.observations[group.rows], outcomes)
