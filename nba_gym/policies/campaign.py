"""What greedy practice learns from a logged random campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import DataError
from nba_gym.policies.attributes import (
    Array,
    Attributes,
    Flags,
    Floats,
    contact_costs,
    outbound_actions,
    spoken_to,
)
from nba_gym.policies.practice import Attribution, PracticeModel
from nba_gym.policies.propensity import Propensity, fit_propensity
from nba_gym.policies.situations import find_situations
from nba_gym.scenario.schema import Scenario
from nba_gym.threads import one_blas_thread

WINDOWS = (4, 13, 26, 52)
"""Attribution windows that are learned, in periods: of weeks, a month, a quarter and so on."""


class CampaignLog(Protocol):
    """A logged campaign, one row a customer and period, until the journey ends."""

    @property
    def observations(self) -> Array:
        """What was known, ``(rows, n_features)``."""
        ...

    @property
    def actions(self) -> NDArray[np.int64]:
        """What was done, ``(rows,)``."""
        ...

    @property
    def customers(self) -> NDArray[np.int64]:
        """Which customer, from 0 on, ``(rows,)``."""
        ...

    @property
    def periods(self) -> NDArray[np.int64]:
        """Periods since acquisition, ``(rows,)``."""
        ...

    @property
    def bought(self) -> Flags:
        """1 if something was bought in the period, ``(rows,)``."""
        ...

    @property
    def needs(self) -> NDArray[np.int64]:
        """The need that was bought for, where something was, ``(rows,)``."""
        ...

    @property
    def left(self) -> Flags:
        """1 if the customer was seen to leave in the period, ``(rows,)``."""
        ...

    @property
    def volunteered(self) -> Flags:
        """1 if the customer gave time in the period, ``(rows,)``."""
        ...

    @property
    def margins(self) -> Floats:
        """Margin after discounts, and referral value, earned in the period, ``(rows,)``."""
        ...

    @property
    def earnings(self) -> Floats:
        """All that the period earned but for the contact and the lead, ``(rows,)``."""
        ...

    @property
    def masks(self) -> Flags:
        """Which actions were allowed, ``(rows, n_actions)``."""
        ...

    @property
    def propensities(self) -> Floats:
        """How likely the action was to be chosen, ``(rows,)``."""
        ...


@dataclass(frozen=True)
class Lessons:
    """What a campaign teaches; the attributes are those of :class:`PracticeModel`."""

    now: Propensity
    windows: Mapping[int, Attribution]
    volunteering: Propensity | None
    value: Array
    kept: Array
    typical: float


def fit_practice(
    log: CampaignLog,
    scenario: Scenario,
    feature_names: list[str],
    *,
    windows: Sequence[int] | None = None,
) -> PracticeModel:
    """Learn propensities and values from a logged campaign.

    Args:
        log: A campaign with randomised actions, so that propensities are causal.
        scenario: For what the firm knows of its own: catalogue, margins, terms of contract.
        feature_names: Names of the observation's columns.
        windows: Attribution windows, in periods: purchases and cancellations that come so soon
            count for a contact; 1 is the period itself. A longer one sees more of what ripens late,
            and the luck of more other periods; which to use is a setting of the policy. By default
            those of ``WINDOWS`` that fit into the campaign.

    Raises:
        DataError: If the log holds no purchase, or a window does not fit into it.
    """
    if scenario.tabular is not None:
        raise DataError(
            f"scenario must have records of contact to learn from, got {scenario.name!r}, "
            "a tabular world"
        )
    if not log.bought.any():
        raise DataError("the campaign log must hold purchases, got none")
    most = int(log.periods.max())
    if windows is None:
        windows = [window for window in WINDOWS if window <= most] or [1]
    for window in windows:
        if not 1 <= window <= most:
            raise DataError(
                "windows must be at least 1 and shorter than the "
                f"{most + 1} periods of the campaign, got {window}"
            )
    with one_blas_thread():
        return _fit(log, scenario, feature_names, sorted({*windows}))


def _fit(
    log: CampaignLog, scenario: Scenario, feature_names: list[str], windows: list[int]
) -> PracticeModel:
    needs = np.arange(scenario.n_needs)
    speaks = spoken_to(scenario)
    bought = log.bought[:, None] & (log.needs[:, None] == needs)
    now = Attributes(scenario, feature_names, speaks)
    value, kept = _earnings(log, speaks, _margins(scenario))
    column = _commitment(scenario, feature_names)

    def credit(window: int) -> Attribution:
        later = _fit_later(log, scenario, feature_names, window, bought, speaks)
        if not scenario.contract.enabled:
            return Attribution(later, None, 1.0)
        most = (window - 0.5) / (window + 5.5)  # the feature is x / (x + 6)
        leaving = _fit_leaving(log, scenario, feature_names, window, column, most)
        return Attribution(later, leaving, most)

    lessons = Lessons(
        now=fit_propensity(log.observations, log.actions, bought, now),
        windows={window: credit(window) for window in windows},
        volunteering=_fit_volunteering(log, scenario, feature_names),
        value=value,
        kept=kept,
        typical=float(log.margins[log.bought].mean()),
    )
    return model_of(scenario, feature_names, lessons)


def model_of(scenario: Scenario, feature_names: list[str], lessons: Lessons) -> PracticeModel:
    """What a campaign taught, together with what the firm knows of its own.

    Args:
        scenario: For catalogue, margins and terms of contract.
        feature_names: Names of the observation's columns.
        lessons: What the campaign taught.
    """
    return PracticeModel(
        **vars(lessons),
        margins=_margins(scenario).astype(np.float32),
        costs=contact_costs(scenario),
        levers=np.array([action.lever for action in scenario.actions], dtype=np.float32),
        kinds=tuple(action.kind for action in scenario.actions),
        outbound=outbound_actions(scenario),
        contacts=feature_names.index("contacts_4"),
        bound=_commitment(scenario, feature_names),
        year=scenario.contract.recurring_margin * scenario.cycle,
        time_given=scenario.volunteering.value,
        situations=find_situations(scenario, feature_names),
    )


def _margins(scenario: Scenario) -> Floats:
    """Margin of each need at list price and spend level 1, ``(n_needs,)``."""
    return np.array([need.price * need.margin for need in scenario.needs])


def _commitment(scenario: Scenario, feature_names: list[str]) -> int:
    """Column with the periods until the contract may be ended; the first where there is none."""
    return feature_names.index("commitment") if scenario.contract.enabled else 0


def _fit_volunteering(
    log: CampaignLog, scenario: Scenario, feature_names: list[str]
) -> Propensity | None:
    if not log.volunteered.any():
        return None
    none = np.zeros((scenario.n_actions, 1))
    attributes = Attributes(scenario, feature_names, none, goodwill=10.0)
    return fit_propensity(log.observations, log.actions, log.volunteered[:, None], attributes)


def _fit_later(
    log: CampaignLog,
    scenario: Scenario,
    feature_names: list[str],
    window: int,
    bought: Flags,
    speaks: Floats,
) -> Propensity | None:
    if window == 1:
        return None
    return fit_propensity(
        log.observations,
        log.actions,
        happens_within(log.customers, log.periods, bought, 1, window),
        Attributes(scenario, feature_names, speaks, goodwill=200.0),
        among=log.periods + window <= log.periods.max() + 1,
        overlap=window - 1,
    )


def _fit_leaving(
    log: CampaignLog,
    scenario: Scenario,
    feature_names: list[str],
    window: int,
    column: int,
    most: float,
) -> Propensity | None:
    if not log.left.any():
        return None
    whole = log.periods + window <= log.periods.max() + 1
    none = np.zeros((scenario.n_actions, 1))
    return fit_propensity(
        log.observations,
        log.actions,
        happens_within(log.customers, log.periods, log.left[:, None], 0, window),
        Attributes(scenario, feature_names, none, goodwill=10.0),
        among=whole & (log.observations[:, column] <= most),
        overlap=window,
    )


def happens_within(
    customers: NDArray[np.int64],
    periods: NDArray[np.int64],
    events: Flags,
    first: int,
    window: int,
) -> Flags:
    """Whether something happens to customers soon after each row of a log.

    Args:
        customers: Which customer, from 0 on, ``(rows,)``.
        periods: Which period, from 0 on, ``(rows,)``.
        events: What happened, ``(rows, n)``.
        first: First period that counts, from the row's own on.
        window: First period that counts no more, from the row's own on.

    Returns:
        ``(rows, n)``.
    """
    end = int(periods.max()) + 1
    counts = np.zeros((end + 1, int(customers.max()) + 1, events.shape[1]), dtype=np.int32)
    counts[periods + 1, customers] = events
    counts = np.cumsum(counts, axis=0, out=counts)
    until = np.minimum(periods + window, end)
    return counts[until, customers] > counts[np.minimum(periods + first, end), customers]


def _earnings(log: CampaignLog, speaks: Floats, margins: Floats) -> tuple[Array, Array]:
    """What a buying period earns relative to the need's margin, and the share kept by action.

    The first is a ridge regression on what was known. The share is shrunk towards 1, as if 20
    purchases had gone as expected.
    """
    x, actions, needs = log.observations[log.bought], log.actions[log.bought], log.needs[log.bought]
    known = np.append(x.astype(np.float64), np.ones((len(x), 1)), axis=1) * margins[needs, None]
    earned = log.margins[log.bought]
    ridge = float(np.mean(margins**2)) * np.eye(known.shape[1])
    value = np.linalg.solve(known.T @ known + ridge, known.T @ earned)
    hoped = np.maximum(known @ value, 0.0)
    offered = speaks[actions, needs] > 0.0
    prior = 20.0 * float(earned.mean())
    got = np.bincount(actions[offered], earned[offered], len(speaks)) + prior
    wanted = np.bincount(actions[offered], hoped[offered], len(speaks)) + prior
    kept = np.where(speaks.T > 0.0, got / wanted, 1.0)
    return value[:, None].astype(np.float32), kept.astype(np.float32)
