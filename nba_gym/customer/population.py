"""A batch of simulated customers: the arrays, and the calls into the compiled kernel.

This is the engine under every environment. It knows nothing of Gymnasium.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer import kernel
from nba_gym.customer import places as hidden_half
from nba_gym.customer.arrays import N_LEAVING, Outcome, Rules, Shelf, State, addresses
from nba_gym.customer.look_up import season_cards
from nba_gym.customer.workshop import Workshop
from nba_gym.engagement.rules import RuleBook, compile_rules
from nba_gym.lanes import HIDDEN_AT, LANES, Place, rows_of
from nba_gym.records import places as visible_half
from nba_gym.records.catalogue import action_cards
from nba_gym.records.events import event_places
from nba_gym.records.features import Feature, feature_table
from nba_gym.scenario.parameters import Parameters, pack
from nba_gym.scenario.schema import Scenario

KEPT_BOOKS = (
    visible_half.KEPT,
    hidden_half.KEPT,
    hidden_half.FATE,
    visible_half.KEPT_NEEDS,
    hidden_half.KEPT_NEEDS,
    visible_half.KEPT_CHANNELS,
)
BORN_BOOKS = (hidden_half.BORN, hidden_half.BORN_NEEDS, hidden_half.BORN_CHANNELS)
HIDDEN_BOOKS = (
    hidden_half.BORN,
    hidden_half.KEPT,
    hidden_half.BORN_NEEDS,
    hidden_half.KEPT_NEEDS,
    hidden_half.BORN_CHANNELS,
)
_NOBODY, _NO_ACTIONS = np.zeros(0, dtype=np.bool_), np.zeros(0, dtype=np.int64)
CUSTOMERS_PER_THREAD = 1024
"""Below this many customers a second thread costs more than it saves."""


class Population:
    """``n`` customers of a scenario, living in step.

    Args:
        scenario: The world.
        n: Number of customers.
        hidden: Whether observations also show the hidden half (for oracles).
        record: Whether events are kept after each step.
        threads: Threads of the kernel; ``None`` for as many as pay, at most one a core. The
            journeys do not depend on it.

    Attributes:
        scenario: The world.
        n: Number of customers.
        features: What the columns of an observation mean.
        rule_book: The engagement policy, compiled.
        out: What the last step reported; the next step overwrites it, unless it is given a
            ``fresh_outcome`` first.
    """

    def __init__(
        self,
        scenario: Scenario,
        n: int,
        *,
        hidden: bool = False,
        record: bool = False,
        threads: int | None = None,
    ) -> None:
        self.scenario = scenario
        self.n = n
        self.rule_book: RuleBook = compile_rules(scenario)
        self.parameters: Parameters = pack(scenario)
        columns = feature_table(scenario)
        shown = hidden_table(scenario) if hidden else []
        self.features: tuple[Feature, ...] = tuple(
            [feature for feature, _ in columns] + [feature for feature, *_ in shown]
        )
        self.rules = self._pack_rules([at for _, at in columns], shown)
        self.n_tiles = -(-n // LANES)
        self.state = self._new_state()
        self.record = record
        self._unseen = (
            np.empty((n, len(self.rules.features)), dtype=np.float32),
            np.empty((n, len(self.rules.blocked_by)), dtype=np.int8),
            np.empty((n if record else 0, len(self.rules.event_offsets))),
        )
        self.out = self.new_outcome()
        self.threads = self._choose_threads(threads)
        self._settle_in()

    def _pack_rules(self, places: list[int], hidden: list[tuple[Feature, Place, int]]) -> Rules:
        world, book = self.parameters, self.rule_book
        pairs: dict[str, list[list[int]]] = {"kept": [], "born": []}
        features = list(places)
        for i, (_, place, at) in enumerate(hidden):
            pairs[place.sheet].append([at, HIDDEN_AT + i * LANES])
            features.append(HIDDEN_AT + i * LANES)
        shown = {key: np.array(rows, dtype=np.int64).reshape(-1, 2) for key, rows in pairs.items()}
        return Rules(
            world=world.world,
            cards=action_cards(world.actions),
            channels=world.channels,
            needs=world.needs,
            excitation=world.excitation,
            season_cards=season_cards(world.seasons),
            waves=world.waves,
            spend_noise=world.spend_noise,
            personas=world.personas,
            traits=world.traits,
            links=world.links,
            blocked_by=book.blocked_by,
            blocked_padded=book.padded,
            windows=book.windows,
            shut=book.shut,
            hidden_kept=shown["kept"],
            hidden_born=shown["born"],
            features=np.array(features, dtype=np.int64),
            event_offsets=np.array(event_places(self.scenario), dtype=np.int64),
        )

    def _new_state(self) -> State:
        tiles, k, c = self.n_tiles, self.scenario.n_needs, self.scenario.n_channels
        return State(
            values=np.zeros((tiles, rows_of("kept", k, c) * LANES), dtype=np.float32),
            constants=np.zeros((tiles, rows_of("born", k, c) * LANES), dtype=np.float32),
            bits=np.zeros((tiles, rows_of("bits", k, c) * LANES), dtype=np.uint32),
            identity=np.zeros((tiles, 2 * LANES), dtype=np.uint64),
            conditions=np.zeros(tiles * LANES, dtype=np.uint64),
            ended=np.ones(tiles * LANES, dtype=np.uint8),
        )

    def __getstate__(self) -> dict[str, Any]:
        """All but what belongs to this object alone."""
        own = ("_workshop", "_shelf")
        return {name: value for name, value in self.__dict__.items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy finds its own arrays, never those of the original."""
        self.__dict__.update(state)
        arrays = self.out[:-1]
        self._unseen = arrays[N_LEAVING:]
        self.out = self.out._replace(desk=addresses(arrays))
        self._settle_in()

    def _settle_in(self) -> None:
        """Worktables, threads and spare arrays of this object's own."""
        self._workshop = Workshop(self.rules, self.state, self.n, self.threads)
        self._shelf = Shelf(self.new_outcome())

    def new_outcome(self) -> Outcome:
        """Arrays of its own for what leaves the environment; scratch for the rest is shared."""
        n, rules = self.n, self.rules
        arrays = (
            np.empty((n, len(rules.features)), dtype=np.float32),
            np.empty((n, len(rules.blocked_by)), dtype=np.int8),
            np.empty((n, kernel.N_LINES)),
            np.empty(n),
            np.empty(n, dtype=np.bool_),
            np.empty(n, dtype=np.bool_),
            np.empty(n, dtype=np.bool_),
            *self._unseen,
        )
        return Outcome._make((*arrays, addresses(arrays)))

    def fresh_outcome(self) -> Outcome:
        """The same, but from memory that was used before if nobody holds any of it."""
        return self._shelf.take(self.new_outcome)

    def who(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Seed and number of every customer, ``(n,)`` each, as copies."""
        identity = self.state.identity
        seeds, customers = identity[:, :LANES], identity[:, LANES:]
        return seeds.flatten()[: self.n], customers.flatten()[: self.n]

    def memory(self) -> dict[str, NDArray[Any]]:
        """All that is kept from one period to the next, as copies by name; see ``State``."""
        return {name: array.copy() for name, array in self.state._asdict().items()}

    def recall(self, memory: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what :meth:`memory` told, and observe everybody."""
        for name, array in self.state._asdict().items():
            array[...] = memory[name]
        self._observe_all()

    def copy_places(self, sources: NDArray[Any]) -> None:
        """Let every place go on as a copy of another one, and observe everybody.

        Copies keep seed and number of the customer, so their luck is the same: they differ by what
        is done to them only.

        Args:
            sources: Which place each of them copies, ``(n,)``.
        """
        lanes = np.arange(self.n_tiles * LANES)
        lanes[: self.n] = sources
        for array in self.state:
            tiles = array.reshape(self.n_tiles, -1, LANES).transpose(0, 2, 1)
            rows = tiles.reshape(len(lanes), -1)[lanes]
            copies = rows.reshape(self.n_tiles, LANES, -1).transpose(0, 2, 1)
            array[...] = copies.reshape(array.shape)
        self._observe_all()

    def _observe_all(self) -> None:
        seeds, customers = self.who()
        self.out = self.new_outcome()
        self.begin(np.zeros(self.n, dtype=np.bool_), seeds, customers)

    def _choose_threads(self, wanted: int | None) -> int:
        if wanted is None:
            cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
            wanted = min(cores, self.n // CUSTOMERS_PER_THREAD)
        return max(1, min(wanted, self.n_tiles))

    def begin(
        self, newborn: NDArray[np.bool_], seeds: NDArray[np.uint64], customers: NDArray[np.uint64]
    ) -> None:
        """Let customers be born where ``newborn`` is true, and observe everybody.

        Args:
            newborn: Which places begin a new journey, ``(n,)``.
            seeds: The world's seed by place, ``(n,)``; read where ``newborn``.
            customers: The customer's number by place, ``(n,)``; read where ``newborn``.
        """
        places = np.flatnonzero(newborn)
        tile, lane = places // LANES, places % LANES
        self.state.identity[tile, lane] = seeds[places]
        self.state.identity[tile, LANES + lane] = customers[places]
        self._workshop.run(
            kernel.BEGIN, np.ascontiguousarray(newborn, dtype=np.bool_), _NO_ACTIONS, self.out
        )

    def step(self, actions: NDArray[np.int64], mode: int) -> Outcome:
        """Live one period.

        Args:
            actions: Chosen actions, ``(n,)``; a forbidden one becomes waiting.
            mode: ``DISABLED``, ``NEXT_STEP`` or ``SAME_STEP`` of the kernel.

        Returns:
            ``self.out``; the next step overwrites it.
        """
        # compiled code is told where the actions lie, not what kind of numbers they are
        chosen = np.ascontiguousarray(actions, dtype=np.int64)
        self._workshop.run(mode, _NOBODY, chosen, self.out)
        return self.out

    def broken_rules(self, i: int) -> list[list[str]]:
        """Why customer ``i`` may not get an action now, one list an action; empty if allowed."""
        conditions = int(self.state.conditions[i])
        return [self.rule_book.explain(conditions, a) for a in range(self.scenario.n_actions)]

    def read(self, name: str) -> NDArray[Any]:
        """A stored quantity of all customers by name, e.g. ``"loyalty"``; for tests and plots.

        Returns:
            ``(n, 1)``, or ``(n, needs)`` or ``(n, channels)`` for quantities by need or channel.

        Raises:
            KeyError: If nothing of that name is stored.
        """
        array, at = self._find(name)
        lanes = array[:, at, :].transpose(0, 2, 1)
        return lanes.reshape(-1, len(at))[: self.n]

    def write(self, name: str, values: Any) -> None:
        """Set a stored quantity of all customers by name; for experiments and tests.

        Args:
            name: As for :meth:`read`.
            values: Broadcast to the shape that :meth:`read` returns.
        """
        array, at = self._find(name)
        full = np.zeros((self.n_tiles * LANES, len(at)), dtype=np.float32)
        full[: self.n] = values
        array[:, at, :] = full.reshape(-1, LANES, len(at)).transpose(0, 2, 1)

    def _find(self, name: str) -> tuple[NDArray[np.float32], list[int]]:
        """The array that keeps a quantity, ``(n_tiles, rows, LANES)``, and its rows there."""
        for books, kept in ((KEPT_BOOKS, self.state.values), (BORN_BOOKS, self.state.constants)):
            for book in books:
                if name in book.places:
                    at = book.places[name].absolute(self.scenario.n_needs, self.scenario.n_channels)
                    return kept.reshape(self.n_tiles, -1, LANES), [place // LANES for place in at]
        raise KeyError(name)


def hidden_table(scenario: Scenario) -> list[tuple[Feature, Place, int]]:
    """The hidden half as features, for ``observe="everything"``; raw, not scaled."""
    suffixes = {
        "need": [f".{need.name}" for need in scenario.needs],
        "channel": [f".{channel.name}" for channel in scenario.channels],
    }
    columns: list[tuple[Feature, Place, int]] = []
    for book in HIDDEN_BOOKS:
        for place in book.places.values():
            absolute = place.absolute(scenario.n_needs, scenario.n_channels)
            for suffix, at in zip(suffixes.get(book.kind, [""]), absolute, strict=True):
                name = f"hidden.{place.name}{suffix}"
                feature = Feature(name, -np.inf, np.inf, "raw", place.meaning)
                columns.append((feature, place, at))
    return columns
