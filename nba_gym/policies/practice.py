"""Greedy practice: propensity x value x lever, learned from a logged random campaign.

What firms run: a model of what a customer buys if treated so, times what that is worth, times a
business lever, times a factor on what the situation calls for, minus the cost of the contact; the
best action wins if it beats doing nothing by a threshold and the customer was not contacted too
often. A purchase counts for a contact if it comes within an attribution window, as conversions do
in advertising; so does staying when a contract may be ended. Everything is learned from records
alone, and what is left to choose is tuned on customers of their own
(``nba_gym.evaluation.tune_practice``). It never plans: every decision is made as if it were the
only one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import PolicyError
from nba_gym.policies.arbiter import all_levers, lever_of_each
from nba_gym.policies.attributes import Array, Flags
from nba_gym.policies.limits import Contacts
from nba_gym.policies.propensity import Propensity
from nba_gym.policies.rows import best_open
from nba_gym.policies.situations import Situations
from nba_gym.policies.weighing import Weights, in_lanes, in_rows, linear, list_weights, uplift

NO_CAP = 5
"""A cap that never binds: the records count the contacts of the last 4 periods."""


@dataclass(frozen=True)
class Attribution:
    """What comes within an attribution window of a contact, and is credited to it.

    Attributes:
        later: Propensity to buy for each need in the rest of the window; none if the window is the
            period.
        leaving: Propensity to leave within the window; none if nobody was seen to leave.
        bound: Most that the column ``PracticeModel.bound`` shows of somebody who may end the
            contract within the window.
    """

    later: Propensity | None
    leaving: Propensity | None
    bound: float


@dataclass(frozen=True)
class PracticeModel:
    """Propensities and values learned from a campaign.

    Attributes:
        now: Propensity to buy for each need in the period.
        windows: What is credited to a contact, by attribution window in periods, the shortest
            first.
        volunteering: Propensity to give time in the period; none if nobody did.
        value: Coefficients of what is earned in a buying period, relative to ``margins``, the last
            the intercept, ``(n_features + 1, 1)``.
        margins: Margin of each need at list price and spend level 1, ``(n_needs,)``.
        kept: Share of the margin that is earned after an action, ``(n_needs, n_actions)``.
        costs: Cost of a contact by action, ``(n_actions,)``.
        levers: Business weights of the catalogue, ``(n_actions,)``.
        kinds: Kind of each action, ``n_actions`` of them.
        outbound: 1 for actions that contact the customer, ``(n_actions,)``.
        contacts: Column of the observation with the share of the last 4 periods with a contact.
        bound: Column with the periods until the contract may be ended.
        year: What a contract earns in a year, in currency.
        typical: Mean earnings of a buying period, in currency.
        time_given: What a period of volunteering is worth, in currency.
        situations: Situations that call for some of the actions.
    """

    now: Propensity
    windows: Mapping[int, Attribution]
    volunteering: Propensity | None
    value: Array
    margins: Array
    kept: Array
    costs: Array
    levers: Array
    kinds: tuple[str, ...]
    outbound: Flags
    contacts: int
    bound: int
    year: float
    typical: float
    time_given: float
    situations: Situations
    _listed: dict[tuple[int, bool, bool], Weights] = field(
        default_factory=dict[tuple[int, bool, bool], Weights], init=False, repr=False, compare=False
    )

    @property
    def recent(self) -> Contacts:
        """How the records count contacts."""
        return Contacts(self.outbound, self.contacts)

    def worth(self, observations: Array) -> Array:
        """Expected earnings that each action adds to waiting, less its cost, ``(n, n_actions)``."""
        return self.gains(observations) - self.costs

    def gains(
        self,
        observations: Array,
        *,
        window: int | None = None,
        ripening: float = 1.0,
        years: float = 1.0,
    ) -> Array:
        """Expected earnings that each action adds to waiting, before costs, ``(n, n_actions)``.

        Args:
            observations: ``(n, n_features)``.
            window: Attribution window, one of ``windows``; the shortest by default.
            ripening: Weight of purchases later in the attribution window.
            years: What a customer who stays is worth, in years of the contract's margin.
        """
        window = min(self.windows) if window is None else window
        credited = self.windows[window]
        ripe = credited.later is not None and ripening > 0.0
        stays = credited.leaving is not None and years > 0.0
        n, lanes = len(observations), in_lanes(observations)
        spend = np.maximum(linear(lanes, self.value[:, 0]), 0.0)[:, None]
        values = spend * self.margins[:, None]
        worth = [values]
        if ripe:
            worth.append(np.float32(ripening) * values)
        if stays:
            free = lanes[:, self.bound, None] <= np.float32(credited.bound)
            worth.append(np.where(free, np.float32(-years * self.year), np.float32(0.0)))
        if self.volunteering is not None:
            worth.append(np.full_like(spend, self.time_given))
        weights = self._weights(window, ripe=ripe, stays=stays)
        gain = uplift(lanes, weights, np.concatenate(worth, axis=1), len(self.costs))
        return in_rows(gain, n)

    def _weights(self, window: int, *, ripe: bool, stays: bool) -> Weights:
        """All that is asked in one go, in the order of what it is worth; listed once."""
        key = (window, ripe, stays)
        if key not in self._listed:
            credited = self.windows[window]
            asked = [
                credited.later if ripe else None,
                credited.leaving if stays else None,
                self.volunteering,
            ]
            parts = [(self.now.base, self.now.effects, self.kept)]
            parts += [(each.base, each.effects, None) for each in asked if each is not None]
            self._listed[key] = list_weights(parts)
        return self._listed[key]


class GreedyPractice:
    """Arbitration by propensity x value x lever, with a threshold and a frequency cap.

    Args:
        model: What was learned from the campaign.
        threshold: By how much an action must beat waiting, in currency.
        cap: No outbound contact after so many within the last 4 periods.
        window: Attribution window, one of those that the model knows; the shortest by default.
        ripening: Weight of purchases that come later in the attribution window.
        years: What a customer who stays is worth, in years of the contract's margin.
        levers: Factors on the business weights, by kind of action; 1 where not given.
        contexts: Factors on what a situation calls for, by situation; 1 where not given.

    Raises:
        PolicyError: If the cap, the ripening, the years, a lever or a context are negative, or the
            model knows no such window.
    """

    def __init__(
        self,
        model: PracticeModel,
        *,
        threshold: float = 0.0,
        cap: int = NO_CAP,
        window: int | None = None,
        ripening: float = 1.0,
        years: float = 1.0,
        levers: Mapping[str, float] | None = None,
        contexts: Mapping[str, float] | None = None,
    ) -> None:
        self.contexts = dict(contexts or {})
        model.situations.check(self.contexts)
        self.levers = all_levers(model.kinds, levers, cap=cap, ripening=ripening, years=years)
        self.window = min(model.windows) if window is None else window
        if self.window not in model.windows:
            known = ", ".join(str(periods) for periods in model.windows)
            raise PolicyError(f"window must be one that was learned ({known}), got {window}")
        self.name = "greedy practice"
        self.model = model
        self.threshold = threshold
        self.cap = cap
        self.ripening = ripening
        self.years = years
        self._weights = model.levers * lever_of_each(model.kinds, self.levers)

    @property
    def settings(self) -> dict[str, Any]:
        """What was tuned."""
        names = ("threshold", "cap", "window", "ripening", "years", "levers", "contexts")
        return {name: getattr(self, name) for name in names}

    def gains(self, observations: Array) -> Array:
        """Expected earnings that each action adds to waiting, before costs, ``(n, n_actions)``."""
        return self.model.gains(
            observations, window=self.window, ripening=self.ripening, years=self.years
        )

    @property
    def weights(self) -> Array:
        """Business weight of every action, that of its kind included, ``(n_actions,)``."""
        return self._weights

    def weigh(self, observations: Array) -> Array:
        """What actions are ranked by: weighted gains less the cost, ``(n, n_actions)``."""
        gain = self.gains(observations)
        gain *= self._weights
        for name, factor in self.contexts.items():
            gain[self.model.situations.called_for(observations, name)] *= factor
        gain -= self.model.costs
        return gain

    @property
    def recent(self) -> Contacts:
        """How the records count contacts."""
        return self.model.recent

    def act(
        self,
        observations: Array,
        masks: NDArray[Any],
        generator: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Choose for every customer, ``(n,)``."""
        closed = (masks <= 0) | self.recent.tired(observations, self.cap)
        return best_open(self.weigh(observations), closed, self.threshold)
