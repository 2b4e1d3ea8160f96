"""Customers as rows: all that is kept of them, taken out of a population or put into tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer.arrays import State
from nba_gym.customer.population import BORN_BOOKS, KEPT_BOOKS, Population
from nba_gym.lanes import LANES
from nba_gym.scenario.schema import Scenario


class Snapshot(NamedTuple):
    """Customers at one moment, one row each.

    Attributes:
        kept: State and history, ``(n, n_kept)``, float32.
        born: Traits, ``(n, n_born)``, float32.
        bits: Bit histories, ``(n, n_bits)``, uint32.
        conditions: Broken rules, ``(n,)``, uint64.
    """

    kept: NDArray[np.float32]
    born: NDArray[np.float32]
    bits: NDArray[np.uint32]
    conditions: NDArray[np.uint64]

    def take(self, rows: NDArray[Any]) -> Snapshot:
        """Some of the customers, as a copy."""
        return Snapshot(self.kept[rows], self.born[rows], self.bits[rows], self.conditions[rows])


def join(snapshots: Sequence[Snapshot]) -> Snapshot:
    """Customers of one world after those of another snapshot."""
    parts: Any = zip(*snapshots, strict=True)
    return Snapshot(*(np.concatenate(part) for part in parts))


def snapshot_of(population: Population) -> Snapshot:
    """All customers of a population as they are now, as copies."""
    return rows_of_tiles(population.state, population.n)


def rows_of_tiles(state: State, n: int) -> Snapshot:
    """The first ``n`` customers of some tiles."""
    values, constants, bits = _rows(state.values), _rows(state.constants), _rows(state.bits)
    return Snapshot(values[:n], constants[:n], bits[:n], state.conditions[:n].copy())


def tiles_of_rows(snapshot: Snapshot) -> State:
    """The customers in tiles; the last of them fills what is left of the last tile."""
    n = len(snapshot.kept)
    lanes = np.minimum(np.arange(-(-n // LANES) * LANES), n - 1)
    full = snapshot.take(lanes)
    tiles = len(lanes) // LANES
    return State(
        values=_tiles(full.kept),
        constants=_tiles(full.born),
        bits=_tiles(full.bits),
        identity=np.zeros((tiles, 2 * LANES), dtype=np.uint64),
        conditions=full.conditions,
        ended=np.zeros(len(lanes), dtype=np.uint8),
    )


def _rows(tiles: NDArray[Any]) -> NDArray[Any]:
    cut = tiles.reshape(len(tiles), -1, LANES).transpose(0, 2, 1)
    return cut.reshape(len(tiles) * LANES, -1)


def _tiles(rows: NDArray[Any]) -> NDArray[Any]:
    cut = rows.reshape(-1, LANES, rows.shape[1]).transpose(0, 2, 1)
    return np.ascontiguousarray(cut).reshape(len(cut), -1)


class Columns:
    """Where quantities lie in a snapshot, by name.

    Args:
        scenario: The world.
    """

    def __init__(self, scenario: Scenario) -> None:
        size = (scenario.n_needs, scenario.n_channels)
        self._at = {
            name: (sheet, [at // LANES for at in place.absolute(*size)])
            for sheet, books in ((0, KEPT_BOOKS), (1, BORN_BOOKS))
            for book in books
            for name, place in book.places.items()
        }

    def read(self, snapshot: Snapshot, name: str, i: int = 0) -> NDArray[np.float32]:
        """A quantity of every customer, ``(n,)``; of need or channel ``i`` where it has several.

        Raises:
            KeyError: If nothing of that name is kept.
        """
        sheet, at = self._at[name]
        return (snapshot.born if sheet else snapshot.kept)[:, at[i]]

    def write(self, snapshot: Snapshot, name: str, values: Any) -> None:
        """Set a quantity of every customer, in place; arguments as for :meth:`read`."""
        sheet, at = self._at[name]
        (snapshot.born if sheet else snapshot.kept)[:, at[0]] = values
