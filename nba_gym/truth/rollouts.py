"""The n-step rollout oracle: try every action on copies of the customer, with other luck.

It sees the hidden state, so it knows the odds; it does not see the luck that the customer will
have. Copies draw their luck from a stream of their own, and the patience that decides when they
leave (equation 21b of the model) is drawn anew, uniform for whoever is still here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer import kernel
from nba_gym.customer.populate import AnyPopulation
from nba_gym.customer.population import Population
from nba_gym.errors import PolicyError, check_least
from nba_gym.lanes import LANES
from nba_gym.policies.asking import choose, sees_everything, show_simulator
from nba_gym.policies.protocol import Policy
from nba_gym.policies.simple import NoContact
from nba_gym.randomness import policy_luck
from nba_gym.scenario.schema import Scenario
from nba_gym.truth.expected import expected_profit
from nba_gym.truth.privileged import Privileged, best_allowed
from nba_gym.truth.snapshot import Columns, Snapshot, snapshot_of, tiles_of_rows

_STREAM = np.uint64(0x5EED_0FC0_91E5)
"""Part of the seed of what copies draw, so that it is never that of a world."""
_GOLDEN, _SCRAMBLE = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
"""Constants of SplitMix64 (Steele, Lea & Flood 2014)."""
_DRAW_BITS = np.uint64(40)
"""Copies have the customer's number with the number of the draw above this bit."""


class RolloutOracle(Privileged[tuple[Population, "Copies"]]):
    """The allowed action with the highest profit over the next periods, on average over copies.

    The profit of the present period is exact (equation 38), that of the periods after it is the
    mean over copies that live on under a base policy. With one period it is the myopic oracle. All
    actions of a customer are tried with the same luck, so that they differ by what they do.

    A decision costs ``actions * draws * (periods - 1)`` periods of life, and as many decisions of
    the base policy.

    Args:
        base: Who acts on the copies after this period; waiting by default.
        periods: Periods that count, the present one included.
        draws: Copies of a customer for each allowed action.
        margin: An action must beat waiting by this much, in currency.
        most: Copies that live side by side, rounded down to a multiple of 64; it caps memory.

    Raises:
        PolicyError: If periods or draws are below 1, or most is below 64.

    Source: Bertsekas, Tsitsiklis & Wu (1997), "Rollout algorithms for combinatorial optimization",
    Journal of Heuristics 3, 245-262.
    """

    def __init__(
        self,
        base: Policy | None = None,
        *,
        periods: int = 8,
        draws: int = 8,
        margin: float = 0.0,
        most: int = 65_536,
    ) -> None:
        check_least(1, periods=periods, draws=draws)
        check_least(LANES, most=most)
        super().__init__(f"rollout oracle, {periods} periods")
        self.base = NoContact() if base is None else base
        self.periods = periods
        self.draws = draws
        self.margin = margin
        self.most = most // LANES * LANES
        self._copies: Copies | None = None

    def look(self, population: AnyPopulation) -> tuple[Population, Copies]:
        """The customers, and room for copies of them.

        Raises:
            PolicyError: If the world is a tabular one.
        """
        if not isinstance(population, Population):
            raise PolicyError(
                f"a rollout oracle needs customers with mechanisms, got "
                f"{population.scenario.name!r}, a tabular world: its optimum is known"
            )
        if self._copies is None or self._copies.scenario != population.scenario:
            self._copies = Copies(population.scenario, self.base, self.most)
        return population, self._copies

    def act(
        self,
        observations: NDArray[np.float32],
        masks: NDArray[Any],
        generator: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Choose for every customer, ``(n,)``."""
        population, copies = self.seen
        values = expected_profit(population)
        if self.periods > 1:
            values += copies.later(population, masks > 0, self.periods, self.draws)
        return best_allowed(values, masks, self.margin)


class Copies:
    """Room for copies of customers to live on in.

    Args:
        scenario: The world.
        base: Who acts on them.
        most: How many live side by side.
    """

    def __init__(self, scenario: Scenario, base: Policy, most: int) -> None:
        self.scenario = scenario
        self._base = base
        self._columns = Columns(scenario)
        self._most = most
        self._rooms: dict[int, Population] = {}

    def later(
        self, population: Population, allowed: NDArray[np.bool_], periods: int, draws: int
    ) -> NDArray[np.float64]:
        """Mean discounted profit after the present period, ``(n, n_actions)``.

        Args:
            population: Customers, who are not changed.
            allowed: Actions to try, ``(n, n_actions)``; 0 elsewhere, and for who has gone.
            periods: Periods that count, the present one included.
            draws: Copies for each action.
        """
        running = population.state.ended[: population.n] == 0
        here = running & (self._columns.read(before := snapshot_of(population), "alive") > 0.0)
        who, what = np.nonzero(allowed & here[:, None])
        seeds, customers = population.who()
        tenure = self._columns.read(before, "tenure").astype(np.uint64)
        seeds = _other_stream(seeds, tenure)
        total = np.zeros(len(who) * draws)
        for first in range(0, len(total), self._most):
            at = np.arange(first, min(first + self._most, len(total)))
            lane, draw = at // draws, (at % draws).astype(np.uint64)
            of = who[lane]
            number = customers[of] | (draw + np.uint64(1)) << _DRAW_BITS
            total[at] = self._live(before.take(of), what[lane], seeds[of], number, periods)
        values = np.zeros(allowed.shape)
        values[who, what] = total.reshape(-1, draws).mean(axis=1)
        return values

    def _live(
        self,
        start: Snapshot,
        actions: NDArray[np.int64],
        seeds: NDArray[np.uint64],
        customers: NDArray[np.uint64],
        periods: int,
    ) -> NDArray[np.float64]:
        """What copies earn after a first period with ``actions``, ``(n,)``."""
        room = self._room(len(actions))
        fill = np.minimum(np.arange(room.n), len(actions) - 1)  # the last fills what is left
        seeds, customers = seeds[fill], customers[fill]
        stream, tenure = int(seeds[0]), int(self._columns.read(start, "tenure")[0])
        lanes = start.take(fill)
        # (0, 1]: what is left of an unknown patience is uniform for whoever is still here
        self._columns.write(lanes, "patience", 1.0 - policy_luck(stream, customers, tenure))
        for part, rows in zip(room.state, tiles_of_rows(lanes), strict=True):
            part[...] = rows
        identity = np.stack([seeds.reshape(-1, LANES), customers.reshape(-1, LANES)], axis=1)
        room.state.identity[...] = identity.reshape(len(identity), -1)
        room.begin(np.zeros(room.n, dtype=np.bool_), seeds, customers)  # observes everybody
        show_simulator(self._base, room)
        generator, value = np.random.default_rng([stream, tenure]), np.zeros(room.n)
        out = room.step(actions[fill], kernel.DISABLED)
        for t in range(1, periods):
            chosen = choose(
                self._base, out.observations, out.masks, customers, stream, tenure + t, generator
            )
            out = room.step(chosen, kernel.DISABLED)
            value += self.scenario.discount**t * out.rewards
        return value[: len(actions)]

    def _room(self, n: int) -> Population:
        """Room for ``n`` copies: a power of two, so that there are few rooms."""
        size = min(self._most, LANES << max(0, (n - 1).bit_length() - LANES.bit_length() + 1))
        if size not in self._rooms:
            hidden = sees_everything(self._base)
            self._rooms[size] = Population(self.scenario, size, hidden=hidden)
        return self._rooms[size]


def _other_stream(seeds: NDArray[np.uint64], periods: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Seeds for copies, another one each period, far from those of any world; ``(n,)``."""
    mixed = (seeds ^ _STREAM) + (periods + np.uint64(1)) * _GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _SCRAMBLE
    return mixed ^ (mixed >> np.uint64(31))
