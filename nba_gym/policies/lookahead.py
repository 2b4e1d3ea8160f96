"""One step ahead of greedy practice: what an action does to what a customer is worth later on.

First the value V of a customer under practice is learned from practice's own journeys: gradient
boosting of the profit that was still to come on the records. Then, in the random campaign, where
actions are due to chance, the change of V from one period's records to the next is regressed on the
records for everybody who got an action, and for those who might have and were left alone; the
difference is what the action does to the customer's value. Practice then takes the action with the
highest margin now plus the discounted value that it adds: one step of policy improvement, as one
step of fitted Q iteration that starts at the value of practice.

V sees no hidden state, and what it is learned from is practice's own choices, some of them random.

Source: Ernst, Geurts & Wehenkel (2005), "Tree-based batch mode reinforcement learning", Journal of
Machine Learning Research 6, 503-556; with V instead of Q, as in a step of policy iteration, Howard
(1960).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nba_gym.errors import DataError, check_least
from nba_gym.policies.arbitration import LinearWorth
from nba_gym.policies.attributes import Array, Floats, contact_costs
from nba_gym.policies.campaign import CampaignLog
from nba_gym.policies.practice import NO_CAP, GreedyPractice, PracticeModel
from nba_gym.policies.uplift import (
    Trial,
    as_worth,
    boost,
    money_attributes,
    pool,
)
from nba_gym.scenario.schema import Scenario
from nba_gym.threads import one_thread_to_fit


class OneStepLookahead(GreedyPractice):
    """Practice that also counts what an action does to the customer's value later on.

    Args:
        model: What practice learned from the campaign.
        later: What each action adds to the customer's value from the next period on.
        future: Weight of that; 1 is one step of policy improvement, 0 is greedy practice.
        threshold: As for :class:`GreedyPractice`, like all that follow.
        cap: Contacts within 4 periods.
        window: Attribution window.
        ripening: Weight of purchases later in the attribution window, which V counts, too.
        years: What a customer who stays is worth beyond what V says of it.
        levers: Factors on the business weights, by kind of action.

    Raises:
        PolicyError: If a setting is negative.
    """

    def __init__(
        self,
        model: PracticeModel,
        later: LinearWorth,
        *,
        future: float = 1.0,
        threshold: float = 0.0,
        cap: int = NO_CAP,
        window: int | None = None,
        ripening: float = 0.0,
        years: float = 0.0,
        levers: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(
            model,
            threshold=threshold,
            cap=cap,
            window=window,
            ripening=ripening,
            years=years,
            levers=levers,
        )
        check_least(0, future=future)
        self.name = "one-step lookahead"
        self.later = later
        self.future = future

    @property
    def settings(self) -> dict[str, Any]:
        """What was tuned."""
        names = ("future", "threshold", "cap", "window", "ripening", "years", "levers")
        return {name: getattr(self, name) for name in names}

    def gains(self, observations: Array) -> Array:
        """Expected value that each action adds to waiting, before costs, ``(n, n_actions)``."""
        gain = super().gains(observations)
        if self.future > 0.0:
            gain += np.float32(self.future) * self.later.gains(observations)
        return gain


def fit_lookahead(
    journeys: CampaignLog,
    log: CampaignLog,
    scenario: Scenario,
    feature_names: list[str],
) -> LinearWorth:
    """Learn what each action adds to what a customer is worth from the next period on.

    Args:
        journeys: Journeys under practice, some of its choices replaced by random ones.
        log: A campaign with randomised actions and known propensities.
        scenario: For costs and the discount.
        feature_names: Names of the observation's columns.

    Raises:
        DataError: If the two logs show different records.
        MissingExtraError: If scikit-learn is not installed.
    """
    if journeys.observations.shape[1] != log.observations.shape[1]:
        raise DataError(
            f"journeys must show the {log.observations.shape[1]} columns of the campaign, "
            f"got {journeys.observations.shape[1]}"
        )
    with one_thread_to_fit("learning customer value"):
        to_come = value_to_come(journeys, scenario)
        everybody = Trial(journeys, to_come).everybody()
        value = boost(journeys, everybody, to_come[everybody.rows])
        change = value_change(value.predict(log.observations), log, scenario.discount)
        effects = pool(Trial(log, change), money_attributes(scenario, feature_names))
    return as_worth(effects, log, scenario, feature_names)


def value_to_come(log: CampaignLog, scenario: Scenario) -> Floats:
    """Profit of each row's period and all that follow, discounted to it, in currency, ``(rows,)``.

    Costs of contacts are counted; that of the lead is not, for it was paid before.
    """
    end = int(log.periods.max()) + 1
    profit = np.zeros((end, int(log.customers.max()) + 1))
    spent = contact_costs(scenario)[log.actions]
    profit[log.periods, log.customers] = log.earnings - spent
    for t in range(end - 2, -1, -1):
        profit[t] += scenario.discount * profit[t + 1]
    return profit[log.periods, log.customers]


def value_change(values: Floats, log: CampaignLog, discount: float) -> Floats:
    """Discounted value at the next row of the same customer less that at this one, ``(rows,)``.

    After the last row of a customer there is nothing to come.
    """
    at = np.zeros((int(log.periods.max()) + 2, int(log.customers.max()) + 1))
    at[log.periods, log.customers] = values
    return discount * at[log.periods + 1, log.customers] - values
