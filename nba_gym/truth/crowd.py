"""Customers under a policy, period by period, where what they get can be changed on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer import kernel
from nba_gym.customer.arrays import Outcome
from nba_gym.customer.populate import AnyPopulation, populate
from nba_gym.errors import ActionError, PolicyError, nearest
from nba_gym.policies.asking import choose, sees_everything, show_simulator
from nba_gym.policies.protocol import Policy
from nba_gym.records.events import event_columns
from nba_gym.scenario.schema import Scenario

CHUNK = 8_192
"""Customers simulated side by side by default: as many as in a rollout."""


class Crowd:
    """Customers from birth on, all with the luck of one world.

    A journey is a function of seed, customer number and what the customer gets, to the bit. So the
    same customer may stand in several lanes, or in several crowds, and the difference between them
    is the effect of what they got, and of nothing else.

    Args:
        policy: Who acts, unless told otherwise; a policy with ``bind`` is bound to this crowd, so
            only one crowd at a time may ask it.
        scenario: The world.
        customers: Numbers of the customers, ``(n,)``; one may occur more than once.
        seed: Seed of the world.
        threads: Threads of the kernel.

    Attributes:
        period: Periods lived so far.
    """

    def __init__(
        self,
        policy: Policy,
        scenario: Scenario,
        customers: NDArray[np.uint64],
        seed: int,
        threads: int | None,
    ) -> None:
        n = len(customers)
        self.period = 0
        self._policy, self._customers, self._seed = policy, customers, seed
        self._population: AnyPopulation = populate(
            scenario, n, hidden=sees_everything(policy), record=True, threads=threads
        )
        everybody, seeds = np.ones(n, dtype=np.bool_), np.full(n, seed, dtype=np.uint64)
        self._population.begin(everybody, seeds, customers)
        show_simulator(policy, self._population)
        self._generator = np.random.default_rng([seed, int(customers[0])])
        columns = event_columns(scenario)
        self._columns = {name: columns.index(name) for name in ("action", "purchases")}

    @property
    def masks(self) -> NDArray[np.bool_]:
        """Which actions are allowed now, ``(n, n_actions)``."""
        return self._population.out.masks > 0

    @property
    def running(self) -> NDArray[np.bool_]:
        """Whose journey is not seen to be over, ``(n,)``."""
        return self._population.state.ended[: len(self._customers)] == 0

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Who has not left, known only to the simulator, ``(n,)``."""
        return self._population.read("alive")[:, 0] > 0

    @property
    def carried_out(self) -> NDArray[np.int64]:
        """Actions of the last period, ``(n,)``; a forbidden one became waiting."""
        return self._population.out.events[:, self._columns["action"]].astype(np.int64)

    @property
    def purchases(self) -> NDArray[np.float64]:
        """Purchases of the last period, ``(n,)``."""
        return self._population.out.events[:, self._columns["purchases"]].copy()

    def choose(self) -> NDArray[np.int64]:
        """What the policy chooses for the coming period, ``(n,)``."""
        out = self._population.out
        return choose(
            self._policy,
            out.observations,
            out.masks,
            self._customers,
            self._seed,
            self.period,
            self._generator,
        )

    def live(self, actions: NDArray[np.int64]) -> Outcome:
        """Live one period with these actions, ``(n,)``; the next call overwrites the outcome."""
        self.period += 1
        return self._population.step(actions, kernel.DISABLED)


def find_action(scenario: Scenario, action: Any, field: str = "action") -> int:
    """The number of an action given by name or number.

    Raises:
        ActionError: If the scenario has no such action; the message calls it ``field``.
    """
    names, n = [each.name for each in scenario.actions], scenario.n_actions
    if isinstance(action, str):
        if action not in names:
            hint = nearest(action, names)
            raise ActionError(f"{field} must be an action of {scenario.name}, got {action!r}{hint}")
        return names.index(action)
    if not _is_whole(action) or not 0 <= action < n:
        raise ActionError(f"{field} must be a name or a number in [0, {n}), got {action!r}")
    return int(action)


def check_window(scenario: Scenario, period: Any, horizon: Any) -> int:
    """How many periods are followed from ``period`` on; ``None`` means to the journey's end.

    Raises:
        PolicyError: If the period is not in the journey, or the periods followed reach beyond it.
    """
    end = scenario.horizon
    if not _is_whole(period) or not 0 <= period < end:
        raise PolicyError(f"period must be a whole number in [0, {end}), got {period!r}")
    if horizon is None:
        return end - int(period)
    if not _is_whole(horizon) or not 1 <= horizon <= end - period:
        raise PolicyError(
            f"horizon must be a whole number in [1, {end - period}], got {horizon!r}, "
            f"followed from period {period} of {end}"
        )
    return int(horizon)


def check_count(field: str, count: Any) -> None:
    """Check how many of something are wanted.

    Raises:
        PolicyError: If it is no whole number of at least 1; the message calls it ``field``.
    """
    if not _is_whole(count) or count < 1:
        raise PolicyError(f"{field} must be a whole number >= 1, got {count!r}")


def _is_whole(given: Any) -> bool:
    return isinstance(given, (int, np.integer)) and not isinstance(given, bool)
