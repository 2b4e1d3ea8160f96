"""What an agent is rewarded for, where that is not profit: to see what becomes of the customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from nba_gym.customer.populate import AnyPopulation
from nba_gym.records.events import event_columns

Floats = NDArray[np.float64]
_EVENTS = {
    "purchases": "purchases",
    "responses": "responded",
    "contacts": "sent",
    "opt_outs": "opted_out",
}


@dataclass(frozen=True)
class Reward:
    """The worth of a period: a weighted sum of what it brought; events must be recorded.

    Attributes:
        profit: Weight of the profit, in 1/currency.
        purchases: Weight of a purchase.
        responses: Weight of a click, an answer or a talk.
        contacts: Weight of an outbound contact.
        opt_outs: Weight of a channel that the customer closed.
        loyalty: Weight of the change of loyalty; that of who left is 0. Firms cannot see it.
    """

    profit: float = 0.0
    purchases: float = 0.0
    responses: float = 0.0
    contacts: float = 0.0
    opt_outs: float = 0.0
    loyalty: float = 0.0

    def before(self, population: AnyPopulation) -> Floats:
        """What must be remembered of a period before it is lived, ``(n,)``."""
        if not self.loyalty:
            return np.zeros(population.n)
        here = population.read("alive")[:, 0] > 0
        return np.where(here, population.read("loyalty")[:, 0], 0.0).astype(np.float64)

    def of_period(
        self, population: AnyPopulation, before: Floats, begun: NDArray[np.bool_] | None = None
    ) -> Floats:
        """The worth of the period that was just lived, ``(n,)``.

        Args:
            population: The customers after it.
            before: What :meth:`before` told.
            begun: Whose place was taken by the next customer. The loyalty of who was seen to leave
                is lost; of whose journey ended otherwise, what changed in the last period is not
                known any more, and counts as 0.
        """
        out, columns = population.out, event_columns(population.scenario)
        worth = self.profit * out.rewards
        for term, event in _EVENTS.items():
            if weight := getattr(self, term):
                worth = worth + weight * out.events[:, columns.index(event)]
        if self.loyalty:
            change = self.before(population) - before
            if begun is not None:
                change = np.where(begun, np.where(out.terminated, -before, 0.0), change)
            worth = worth + self.loyalty * change
        return worth


class Earn(VecEnvWrapper):
    """Customers whose periods are worth what a :class:`Reward` says.

    Args:
        venv: The customers, their events recorded.
        reward: What a period is worth.
    """

    def __init__(self, venv: VecEnv, reward: Reward) -> None:
        super().__init__(venv)
        self._reward = reward
        self._population: AnyPopulation = cast(Any, venv.unwrapped).population
        self._before = np.zeros(venv.num_envs)

    def reset(self) -> NDArray[np.float32]:
        return cast(NDArray[np.float32], self.venv.reset())

    def step_async(self, actions: NDArray[Any]) -> None:
        self._before = self._reward.before(self._population)
        self.venv.step_async(actions)

    def step_wait(self) -> Any:
        seen, _, dones, infos = self.venv.step_wait()
        worth = self._reward.of_period(self._population, self._before, dones)
        return seen, worth.astype(np.float32), dones, infos


class Earnings:
    """What customers are worth by a :class:`Reward`; for ``rollout(..., watch=)``."""

    def __init__(self, reward: Reward, discount: float) -> None:
        self._reward, self._discount = reward, discount
        self._parts: list[Floats] = []
        self._before = np.zeros(0)

    def __call__(self, t: int, population: AnyPopulation) -> None:
        if t == 0:
            self._parts.append(np.zeros(population.n))
        else:
            worth = self._reward.of_period(population, self._before)
            self._parts[-1] += self._discount ** (t - 1) * worth
        self._before = self._reward.before(population)

    @property
    def values(self) -> Floats:
        """Discounted worth of each customer, ``(n,)``."""
        return np.concatenate(self._parts)
