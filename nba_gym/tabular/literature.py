"""Problems of the marketing literature as tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nba_gym.errors import ScenarioError, nearest
from nba_gym.tabular.problem import TabularProblem, tabular_problem

WAIT, MAIL = 0, 1
_ACTIONS = ("wait", "mail")


def recency_mailing(
    purchase: tuple[float, ...] = (0.3, 0.2, 0.15, 0.05),
    *,
    contribution: float = 40.0,
    mailing_cost: float = 4.0,
    discount: float = 1.0 / 1.2,
) -> TabularProblem:
    """Whom to go on mailing, by how long ago they bought.

    A customer who bought r periods ago buys with probability p_r if mailed, and is back at recency
    1; otherwise recency grows by one. Beyond the last recency, or if not mailed, the customer is
    lost. What a purchase contributes is booked in the period that begins at recency 1, so the value
    at recency 1 is that of a customer who has just bought.

    Args:
        purchase: Probability of a purchase in the period after a mailing, by recency 1, 2, ...
        contribution: NC, net contribution of a purchase, in currency.
        mailing_cost: M, cost of a mailing.
        discount: 1 / (1 + d), discount factor per period.

    Raises:
        ScenarioError: If a number is out of range.

    Source: Pfeifer, P. E. and Carraway, R. L. (2000), "Modeling customer relationships as Markov
    chains", Journal of Interactive Marketing 14(2), 43-55. With the numbers above, mailing through
    recency 4 is worth 52.320 and the best, mailing through recency 3, 53.149.
    """
    last = len(purchase)
    transitions, rewards = np.zeros((last + 1, 2, last + 1)), np.zeros((last + 1, 2))
    costs = np.zeros((last + 1, 2))
    costs[:last, MAIL] = mailing_cost
    transitions[:, WAIT, last] = 1.0
    transitions[last, MAIL, last] = 1.0
    rewards[0] += contribution
    for r, p in enumerate(purchase):
        transitions[r, MAIL, 0] = p
        transitions[r, MAIL, r + 1] += 1.0 - p
    allowed = np.ones((last + 1, 2), dtype=np.bool_)
    allowed[last, MAIL] = False
    return tabular_problem(
        transitions,
        rewards,
        discount,
        name="recency_mailing",
        costs=costs,
        states=[*(f"recency_{r + 1}" for r in range(last)), "lost"],
        actions=_ACTIONS,
        allowed=allowed,
        bought=np.arange(last + 1) == 0,
        source="Pfeifer & Carraway (2000)",
    )


def recency_frequency_mailing(
    *,
    recencies: int = 12,
    frequencies: int = 6,
    margin: float = 30.0,
    mailing_cost: float = 2.0,
    discount: float = 0.97,
) -> TabularProblem:
    """Whom to mail, by how long ago and how often they bought.

    A customer buys, mailed or not, with a probability that falls with recency and rises with the
    number of purchases so far; a catalogue adds most where the habit is weak. Nobody is ever lost
    for certain: recency and frequency stop counting at their last value.

    Args:
        recencies: Last recency that is told apart, in periods, at least 2.
        frequencies: Last number of purchases that is told apart, at least 1.
        margin: Earned by a purchase, in currency.
        mailing_cost: Cost of a catalogue.
        discount: Discount factor per period.

    Raises:
        ScenarioError: If a number is out of range.

    Source: The structure (states, timing, a response in logit form with diminishing returns of
    recency and frequency) is that of Gonul, F. and Shi, M. Z. (1998), "Optimal mailing of catalogs:
    a new methodology using estimable structural dynamic programming models", Management Science
    44(9), 1249-1262. The coefficients are ours, chosen so that what they found holds here too: it
    is not worth while to mail just after a purchase, nor often to those who bought many times.
    """
    if recencies < 2 or frequencies < 1:
        raise ScenarioError(
            "recencies must be at least 2 and frequencies at least 1, "
            f"got {recencies} and {frequencies}"
        )
    n = recencies * frequencies
    recency = np.repeat(np.arange(1, recencies + 1), frequencies)  # (n,)
    frequency = np.tile(np.arange(1, frequencies + 1), recencies)
    habit = 0.9 * np.log(frequency) - 1.1 * np.log(recency)
    lift = np.clip(1.3 - 0.25 * (frequency - 1) - 1.2 * (recency == 1), 0.0, None)
    transitions = np.zeros((n, 2, n))
    bought = np.minimum(frequency + 1, frequencies) - 1
    older = np.minimum(recency + 1, recencies) - 1
    here = np.arange(n)
    for action in (WAIT, MAIL):
        chance = 1.0 / (1.0 + np.exp(1.5 - habit - lift * action))
        transitions[here, action, bought] += chance
        transitions[here, action, older * frequencies + frequency - 1] += 1.0 - chance
    rewards = np.zeros((n, 2, n))
    rewards[:, :, recency == 1] = margin
    return tabular_problem(
        transitions,
        rewards,
        discount,
        costs=np.full((n, 2), [0.0, mailing_cost]),
        bought=recency == 1,
        name="recency_frequency_mailing",
        states=[f"recency_{r}_bought_{f}" for r, f in zip(recency, frequency, strict=True)],
        actions=_ACTIONS,
        source="after Gonul & Shi (1998)",
    )


PROBLEMS: dict[str, Callable[..., TabularProblem]] = {
    "recency_mailing": recency_mailing,
    "recency_frequency_mailing": recency_frequency_mailing,
}
"""Problems by name."""


def literature_problem(name: str) -> TabularProblem:
    """A problem of the literature by name.

    Raises:
        ScenarioError: If there is none of that name.
    """
    if name not in PROBLEMS:
        raise ScenarioError(
            f"problem must be one of {', '.join(PROBLEMS)}, got {name!r}{nearest(name, PROBLEMS)}"
        )
    return PROBLEMS[name]()
