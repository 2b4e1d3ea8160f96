"""Let a bandit learn by acting: period by period, from records and money that come later."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer import kernel
from nba_gym.customer.populate import populate
from nba_gym.errors import PolicyError, check_least
from nba_gym.policies.attributes import contact_costs
from nba_gym.policies.bandits import BanditLearner
from nba_gym.policies.checks import check_customers, check_world
from nba_gym.records.events import event_columns
from nba_gym.records.ledger import LINES
from nba_gym.scenario.schema import Scenario
from nba_gym.threads import one_blas_thread


class _Waiting(NamedTuple):
    """Decisions of one period whose rewards are still coming in.

    Attributes:
        observations: What was known, ``(n, n_features)``.
        actions: What was done, ``(n,)``.
        running: Whose journey was not over, ``(n,)``.
        rewards: What came of it so far, in currency, ``(n,)``.
    """

    observations: NDArray[np.float32]
    actions: NDArray[np.int64]
    running: NDArray[np.bool_]
    rewards: NDArray[np.float64]


def let_learn(
    learner: BanditLearner,
    scenario: Scenario,
    customers: int | NDArray[Any],
    seed: int,
    *,
    window: int = 4,
    waves: int = 2,
    threads: int | None = None,
) -> None:
    """Let a bandit meet customers, act, and learn from what it gets to see.

    The reward of an action is what the customer earns within the window, discounted to the action,
    less what the contact cost. It is told once the window is over. The first group meets a bandit
    that has not begun yet, and draws by lot.

    Args:
        learner: The bandit; it is changed.
        scenario: The world.
        customers: Numbers of the customers, or how many; they must not be those of a comparison.
        seed: Seed of the world.
        window: Periods whose money counts for an action, its own included.
        waves: The customers come in so many groups, one after the other; a later one profits from
            all that was learned before.
        threads: Threads of the kernel.

    Raises:
        PolicyError: If window or waves are below 1, the window longer than a journey, or customers,
            seed or threads are out of range.
    """
    check_least(1, window=window, waves=waves)
    numbers = check_customers(customers, least=waves)
    check_world(seed, threads)
    if window > scenario.horizon:
        raise PolicyError(f"window must be at most {scenario.horizon}, got {window}")
    with one_blas_thread():  # a last bit that differs flips a choice, and all that follows
        for wave in np.array_split(numbers, waves):
            _live(learner, scenario, wave, seed, window, threads)
            if not learner.has_begun:
                learner.begin()


def _live(
    learner: BanditLearner,
    scenario: Scenario,
    customers: NDArray[np.uint64],
    seed: int,
    window: int,
    threads: int | None,
) -> None:
    n = len(customers)
    population = populate(scenario, n, record=True, threads=threads)
    population.begin(np.ones(n, dtype=np.bool_), np.full(n, seed, dtype=np.uint64), customers)
    action, costs = event_columns(scenario).index("action"), contact_costs(scenario)
    spent = [LINES.index(line) for line in ("acquisition", "contact_cost")]
    open_: deque[_Waiting] = deque()
    for _ in range(scenario.horizon):
        running = population.state.ended[:n] == 0
        x = population.out.observations.copy()
        out = population.step(learner.choose(x, population.out.masks), kernel.DISABLED)
        done = out.events[:, action].astype(np.int64)
        open_.append(_Waiting(x, done, running, -costs[done].astype(np.float64)))
        earned = out.rewards - out.ledger[:, spent].sum(axis=1)
        for ago, waiting in enumerate(reversed(open_)):
            waiting.rewards[:] += scenario.discount**ago * earned
        if len(open_) == window:
            over = open_.popleft()
            here = over.running
            learner.learn(over.observations[here], over.actions[here], over.rewards[here])
