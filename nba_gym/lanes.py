"""The worktable: where the numbers of a small group of customers lie while a period is lived.

The kernel takes ``LANES`` customers at a time ("a tile"). Whatever concerns them lies in rows of
``LANES`` numbers, on sheets of six kinds:

``table``
    what exists for one period only: events, luck, odds (single precision, scratch);
``purse``
    the money of one period (double precision, scratch), so that sums of it are exact;
``kept``
    what is kept from one period to the next (single precision, worked on where it is stored);
``born``
    traits, drawn at birth (single precision, only read);
``bits``
    histories of yes and no, one bit a period;
``view``
    the features of an observation (single precision, scratch).

Quantity ``LOYALTY`` of lane ``j`` is ``kept[LOYALTY + j]``. What exists once for every need or
channel lies in a block of its own: ``kept_need = need_kept(kept, k)``, ``kept_need[NEED + j]``.
Within a block every place is a constant, and a loop over lanes (``for j in range(used(width))``)
has a length that the compiler knows to be a multiple of ``STEP``; that is what lets it work on
several customers with one instruction while the equations stay scalar, and what keeps a single
customer cheap.

The places are handed out by :class:`PlaceBook`, which also keeps what each quantity means. The
visible half has its books in ``nba_gym.records.places``; the hidden half continues the numbering in
``nba_gym.customer.places``, which records may not import: what the firm cannot know, its records
cannot name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nba_gym.compiled import scalar

LANES = 64
"""Customers per tile. A power of two, so that a lane is found with a shift."""
STEP = 16
"""Lanes are computed in groups of so many: as many as the widest processors take at once."""
MAX_NEEDS = 8
"""Largest number of needs in a scenario."""
MAX_CHANNELS = 8
"""Largest number of channels in a scenario."""

Array = NDArray[Any]
Kind = Literal["customer", "need", "channel"]
Sheet = Literal["table", "purse", "kept", "born", "view", "bits"]

ROOM: dict[Sheet, dict[Kind, int]] = {
    "table": {"customer": 128, "need": 28, "channel": 2},
    "purse": {"customer": 9, "need": 0, "channel": 0},
    "kept": {"customer": 25, "need": 6, "channel": 3},
    "born": {"customer": 7, "need": 1, "channel": 1},
    "view": {"customer": 22, "need": 5, "channel": 4},
    "bits": {"customer": 3, "need": 1, "channel": 1},
}
"""Rows of each sheet: of a customer, of each need and of each channel."""

HIDDEN_ROOM = 64
"""Room for rows of the hidden half among the features, for oracles."""

_T, _K, _B, _V = (ROOM[sheet] for sheet in ("table", "kept", "born", "view"))
NEED_SIZE = _T["need"] * LANES
"""Distance between the blocks of two needs on the table."""
_CHANNEL_SIZE = _T["channel"] * LANES
_NEEDS_AT = _T["customer"] * LANES
_CHANNELS_AT = _NEEDS_AT + MAX_NEEDS * NEED_SIZE
_KEPT_NEEDS_AT, _KEPT_NEED, _KEPT_CHANNEL = (_K[k] * LANES for k in ("customer", "need", "channel"))
_BORN_NEEDS_AT, _BORN_NEED, _BORN_CHANNEL = (_B[k] * LANES for k in ("customer", "need", "channel"))
_VIEW_NEEDS_AT, _VIEW_NEED, _VIEW_CHANNEL = (_V[k] * LANES for k in ("customer", "need", "channel"))
_BITS_NEEDS_AT = ROOM["bits"]["customer"] * LANES
_VIEW_CHANNELS_AT = _VIEW_NEEDS_AT + MAX_NEEDS * _VIEW_NEED
HIDDEN_AT = _VIEW_CHANNELS_AT + MAX_CHANNELS * _VIEW_CHANNEL
TABLE_SIZE = _CHANNELS_AT + MAX_CHANNELS * _CHANNEL_SIZE
VIEW_SIZE = HIDDEN_AT + HIDDEN_ROOM * LANES


def rows_of(sheet: Sheet, n_needs: int, n_channels: int) -> int:
    """Rows of a sheet with so many needs and channels."""
    room = ROOM[sheet]
    return room["customer"] + n_needs * room["need"] + n_channels * room["channel"]


@scalar
def used(width: int) -> int:
    """``width`` again, in a form that shows the compiler its limits: a multiple of ``STEP``."""
    return width & (2 * LANES - STEP)


@scalar
def lanes_for(count: int) -> int:
    """Lanes to compute for ``count`` customers: the next multiple of ``STEP``."""
    return (count + STEP - 1) // STEP * STEP


@scalar
def need_block(table: Array, k: int) -> Array:
    """The part of the worktable that belongs to need ``k``."""
    at = _NEEDS_AT + k * NEED_SIZE
    return table[at : at + NEED_SIZE]


@scalar
def need_blocks(table: Array, place: int) -> Array:
    """The parts of all needs, beginning at one quantity of the first."""
    return table[_NEEDS_AT + place : _CHANNELS_AT]


@scalar
def channel_block(table: Array, c: int) -> Array:
    """The part of the worktable that belongs to channel ``c``."""
    at = _CHANNELS_AT + c * _CHANNEL_SIZE
    return table[at : at + _CHANNEL_SIZE]


@scalar
def need_kept(kept: Array, k: int) -> Array:
    """The part of what is kept that belongs to need ``k``."""
    at = _KEPT_NEEDS_AT + k * _KEPT_NEED
    return kept[at : at + _KEPT_NEED]


@scalar
def channel_kept(kept: Array, n_needs: int, c: int) -> Array:
    """The part of what is kept that belongs to channel ``c``."""
    at = _KEPT_NEEDS_AT + n_needs * _KEPT_NEED + c * _KEPT_CHANNEL
    return kept[at : at + _KEPT_CHANNEL]


@scalar
def channel_bits(bits: Array, n_needs: int, c: int) -> Array:
    """The history of contacts on channel ``c``; the rows of the needs come before."""
    at = _BITS_NEEDS_AT + (n_needs + c) * LANES
    return bits[at : at + LANES]


@scalar
def need_bits(bits: Array, k: int) -> Array:
    """The history of calls to action on need ``k``."""
    at = _BITS_NEEDS_AT + k * LANES
    return bits[at : at + LANES]


@scalar
def need_born(born: Array, k: int) -> Array:
    """The part of the traits that belongs to need ``k``."""
    at = _BORN_NEEDS_AT + k * _BORN_NEED
    return born[at : at + _BORN_NEED]


@scalar
def channels_born(born: Array, n_needs: int) -> Array:
    """The part of the traits that belongs to channels: one row each."""
    return born[_BORN_NEEDS_AT + n_needs * _BORN_NEED :]


@scalar
def need_view(view: Array, k: int) -> Array:
    """The features of need ``k``."""
    at = _VIEW_NEEDS_AT + k * _VIEW_NEED
    return view[at : at + _VIEW_NEED]


@scalar
def channel_view(view: Array, c: int) -> Array:
    """The features of channel ``c``."""
    at = _VIEW_CHANNELS_AT + c * _VIEW_CHANNEL
    return view[at : at + _VIEW_CHANNEL]


@scalar
def row(table: Array, place: int) -> Array:
    """The lanes of one quantity, by its absolute place."""
    return table[place : place + LANES]


@dataclass(frozen=True)
class Place:
    """A quantity on one of the sheets.

    Attributes:
        name: Name of the quantity.
        sheet: The sheet it lies on.
        kind: Whether it exists once a customer, or for every need or channel.
        index: Number of its row within its block.
        meaning: What the number means, with its unit and range.
    """

    name: str
    sheet: Sheet
    kind: Kind
    index: int
    meaning: str

    def absolute(self, n_needs: int, n_channels: int) -> list[int]:
        """Places of its rows on the sheet: one, or one a need or channel."""
        room = ROOM[self.sheet]
        fixed = self.sheet in ("table", "purse", "view")
        needs = MAX_NEEDS if fixed else n_needs
        first = {
            "customer": 0,
            "need": room["customer"],
            "channel": room["customer"] + needs * room["need"],
        }[self.kind]
        count = {"customer": 1, "need": n_needs, "channel": n_channels}[self.kind]
        return [(first + i * room[self.kind] + self.index) * LANES for i in range(count)]


@dataclass
class PlaceBook:
    """Hands out places in one kind of block of a sheet, one after the other.

    Attributes:
        sheet: The sheet.
        kind: The kind of block.
        first: Number of the first row this book may give away.
        places: What was given away so far, by name.
    """

    sheet: Sheet
    kind: Kind
    first: int = 0
    places: dict[str, Place] = field(default_factory=dict[str, Place])

    def place(self, name: str, meaning: str) -> int:
        """Reserve a row for a quantity and return its offset within the block.

        Raises:
            IndexError: If the block is full; make room in this module.
        """
        room = ROOM[self.sheet][self.kind]
        if self.end >= room:
            raise IndexError(f"no room for {name!r}: {self.sheet} has {room} {self.kind} rows")
        taken = Place(name, self.sheet, self.kind, self.end, meaning)
        self.places[name] = taken
        return taken.index * LANES

    @property
    def end(self) -> int:
        """Number of the first row not yet given away."""
        return self.first + len(self.places)


TRAY_ROWS, SHEET_ROWS = 40, 256
"""Room for the card a lane picks, and for the observation of a lane."""
AHEAD_SIZE = 24
"""Room for an order of memory."""
CRADLE_SIZE = 64
"""Room for the uniforms of one birth, and for its traits."""


class Scratch:
    """The worktable of one thread.

    Attributes:
        table: Quantities of one period, ``(TABLE_SIZE,)``, float32.
        purse: Money of one period, float64.
        view: Features, row by row, ``(VIEW_SIZE,)``, float32.
        tray: Cards on their way to the table, ``(TRAY_ROWS * LANES,)``, float32.
        ahead: Memory to be asked for soon, see ``nba_gym.fetching``.
        cradle: Uniforms and traits of one birth, ``(2 * CRADLE_SIZE,)``, float64.
        sheet: Observations on their way to the outside, ``(SHEET_ROWS * LANES,)``, float32.
    """

    def __init__(self) -> None:
        self.table = np.zeros(TABLE_SIZE, dtype=np.float32)
        self.purse = np.zeros(ROOM["purse"]["customer"] * LANES)
        self.view = np.zeros(VIEW_SIZE, dtype=np.float32)
        self.tray = np.zeros(TRAY_ROWS * LANES, dtype=np.float32)
        self.sheet = np.zeros(SHEET_ROWS * LANES, dtype=np.float32)
        self.cradle = np.zeros(2 * CRADLE_SIZE)
        self.ahead = np.zeros(AHEAD_SIZE, dtype=np.int64)

    @property
    def arrays(self) -> tuple[Array, ...]:
        """All of them, in the order above."""
        return self.table, self.purse, self.view, self.tray, self.sheet, self.cradle, self.ahead
