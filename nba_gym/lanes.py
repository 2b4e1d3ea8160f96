"""The worktable: where the numbers of a small group of customers lie while a period is lived.

The kernel takes ``LANES`` customers at a time ("a tile") and keeps everything about them on one
flat scratch array: quantity ``LOYALTY`` of lane ``j`` lies at ``table[LOYALTY + j]``. What exists
once for every need or channel lies in a block of its own, reached through ``need_block(table, k)``
and ``channel_block(table, c)``: ``of_need[AWARENESS + j]``. Within the table and within a block
every place is a constant, and a loop over lanes (``for j in range(used(width))``) has a length that
the compiler knows to be a multiple of ``STEP``; that is what lets it work on several customers with
one instruction while the equations stay scalar, and what keeps a single customer cheap.

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

LANES = 32
"""Customers per tile. A power of two, so that a lane is found with a shift."""
STEP = 8
"""Lanes are computed in groups of so many: as many as the widest processors take at once."""
MAX_NEEDS = 8
"""Largest number of needs in a scenario."""
MAX_CHANNELS = 8
"""Largest number of channels in a scenario."""

CUSTOMER_ROWS, NEED_ROWS, CHANNEL_ROWS, WORD_ROWS = 176, 40, 12, 4 + MAX_CHANNELS
"""Room for quantities: of a customer, of each need, of each channel; and for bit histories."""

_NEEDS_AT = CUSTOMER_ROWS * LANES
_CHANNELS_AT = _NEEDS_AT + MAX_NEEDS * NEED_ROWS * LANES
NEED_SIZE, CHANNEL_SIZE = NEED_ROWS * LANES, CHANNEL_ROWS * LANES
"""Distance between the blocks of two needs, and of two channels."""
TABLE_SIZE = _CHANNELS_AT + MAX_CHANNELS * CHANNEL_SIZE
WORDS_SIZE = WORD_ROWS * LANES

Array = NDArray[Any]
Kind = Literal["customer", "need", "channel", "word"]
_ROOM: dict[Kind, int] = {
    "customer": CUSTOMER_ROWS,
    "need": NEED_ROWS,
    "channel": CHANNEL_ROWS,
    "word": WORD_ROWS,
}
_FIRST_BLOCK: dict[Kind, int] = {
    "customer": 0,
    "need": _NEEDS_AT,
    "channel": _CHANNELS_AT,
    "word": 0,
}


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
    """All blocks of needs, beginning at one quantity of the first."""
    return table[_NEEDS_AT + place : _CHANNELS_AT]


@scalar
def channel_blocks(table: Array) -> Array:
    """All blocks of channels."""
    return table[_CHANNELS_AT:]


@scalar
def channel_block(table: Array, c: int) -> Array:
    """The part of the worktable that belongs to channel ``c``."""
    at = _CHANNELS_AT + c * CHANNEL_SIZE
    return table[at : at + CHANNEL_SIZE]


@scalar
def row(table: Array, place: int) -> Array:
    """The lanes of one quantity, by its absolute place."""
    return table[place : place + LANES]


@dataclass(frozen=True)
class Place:
    """A quantity on the worktable.

    Attributes:
        name: Name of the quantity.
        kind: Whether it exists once a customer, or for every need or channel.
        index: Number of its row within its block.
        meaning: What the number means, with its unit and range.
        stored: Whether it is kept from one period to the next.
        constant: Whether it is kept from birth on without a change.
    """

    name: str
    kind: Kind
    index: int
    meaning: str
    stored: bool
    constant: bool

    def absolute(self, n_needs: int, n_channels: int) -> list[int]:
        """Absolute places on the table of the rows in use: one, or one a need or channel."""
        count = {"need": n_needs, "channel": n_channels}.get(self.kind, 1)
        size = _ROOM[self.kind] * LANES
        return [_FIRST_BLOCK[self.kind] + i * size + self.index * LANES for i in range(count)]


@dataclass
class PlaceBook:
    """Hands out places in one kind of block, one after the other.

    Attributes:
        kind: The kind of block.
        first: Number of the first row this book may give away.
        places: What was given away so far, by name.
    """

    kind: Kind
    first: int = 0
    places: dict[str, Place] = field(default_factory=dict[str, Place])

    def place(
        self, name: str, meaning: str, *, stored: bool = False, constant: bool = False
    ) -> int:
        """Reserve a row for a quantity and return its offset within the block.

        Raises:
            IndexError: If the block is full; make room in this module.
        """
        if self.end >= _ROOM[self.kind]:
            raise IndexError(f"no room for {name!r}: {self.kind} blocks have {self.end} rows")
        taken = Place(name, self.kind, self.end, meaning, stored or constant, constant)
        self.places[name] = taken
        return taken.index * LANES

    @property
    def end(self) -> int:
        """Number of the first row not yet given away."""
        return self.first + len(self.places)


TRAY_ROWS, SHEET_ROWS = 40, 256
"""Room for the card a lane picks, and for the observation of a lane."""


class Scratch:
    """The worktable of one thread.

    Attributes:
        table: Quantities, ``(TABLE_SIZE,)``.
        words: Bit histories, ``(WORDS_SIZE,)``.
        tray: Cards on their way to the table, ``(TRAY_ROWS * LANES,)``.
        sheet: Observations on their way from it, ``(SHEET_ROWS * LANES,)``, float32.
    """

    def __init__(self) -> None:
        self.table = np.zeros(TABLE_SIZE)
        self.words = np.zeros(WORDS_SIZE, dtype=np.uint64)
        self.tray = np.zeros(TRAY_ROWS * LANES)
        self.sheet = np.zeros(SHEET_ROWS * LANES, dtype=np.float32)

    @property
    def arrays(self) -> tuple[Array, Array, Array, Array]:
        """All of them, in the order above."""
        return self.table, self.words, self.tray, self.sheet
