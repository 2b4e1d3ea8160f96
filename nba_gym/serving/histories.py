"""Folded histories, as they are kept between calls: a few hundred bytes a customer."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import RecordError
from nba_gym.lanes import LANES, rows_of
from nba_gym.records.places import KEPT, KEPT_CHANNELS, KEPT_NEEDS
from nba_gym.scenario.load import scenario_hash
from nba_gym.scenario.schema import Scenario

_HEAD = struct.Struct("<8s")
_MOST = 1e30


class Histories(NamedTuple):
    """What remains of the events of some customers.

    Attributes:
        kept: Quantities, ``(n, n_kept)`` float32; the first is the tenure in periods.
        bits: Yes and no of the last 32 periods, ``(n, n_bits)`` uint32.
    """

    kept: NDArray[np.float32]
    bits: NDArray[np.uint32]

    def copy(self) -> Histories:
        """The same in memory of its own."""
        return Histories(self.kept.copy(), self.bits.copy())

    def tenure(self) -> NDArray[np.int64]:
        """Periods folded so far, ``(n,)``; below 0 where there is no history."""
        return self.kept[:, 0].astype(np.int64)


class HistoryForm:
    """How the histories of one world are written and checked.

    Args:
        scenario: The world.

    Attributes:
        mark: Eight bytes that tell this form from any other.
    """

    def __init__(self, scenario: Scenario) -> None:
        k, c = scenario.n_needs, scenario.n_channels
        self._sizes = rows_of("kept", k, c), rows_of("bits", k, c)
        names = [name for book in (KEPT, KEPT_NEEDS, KEPT_CHANNELS) for name in book.places]
        text = " ".join([scenario_hash(scenario), *map(str, self._sizes), *names])
        self.mark = hashlib.sha256(text.encode()).digest()[:8]
        # what indexes tables in compiled code, or counts, must be a whole number in its range
        limits = {
            "phase": scenario.cycle - 1,
            "open_basket": k,
            "visiting": c,
            "stage": scenario.pipeline.stages,
        }
        self._whole = [
            (name, KEPT.places[name].absolute(k, c)[0] // LANES, float(most))
            for name, most in limits.items()
        ]
        self._consents = np.array(KEPT_CHANNELS.places["consent"].absolute(k, c)) // LANES

    def nobody(self, n: int) -> Histories:
        """Room for customers who have no history yet: their tenure is -1."""
        kept = np.zeros((n, self._sizes[0]), dtype=np.float32)
        kept[:, 0] = -1.0
        return Histories(kept, np.zeros((n, self._sizes[1]), dtype=np.uint32))

    def write(self, histories: Histories, i: int) -> bytes:
        """The history of customer ``i`` as bytes, the same on every machine."""
        kept, bits = histories.kept[i].astype("<f4"), histories.bits[i].astype("<u4")
        return self.mark + kept.tobytes() + bits.tobytes()

    def read(self, data: bytes) -> Histories:
        """One history from its bytes.

        Raises:
            RecordError: If it is of another world or version, or cannot have come about.
        """
        return self.read_many([data])

    def read_many(self, data: Sequence[bytes | None]) -> Histories:
        """Histories from their bytes; where there are none, the customer has none yet.

        Raises:
            RecordError: If one is of another world or version, or cannot have come about.
        """
        n_kept, n_bits = self._sizes
        size = _HEAD.size + 4 * (n_kept + n_bits)
        known = [(i, each) for i, each in enumerate(data) if each is not None]
        for _, each in known:
            if len(each) != size:
                raise RecordError("history", f"of {size} bytes, as in this world", len(each))
            if each[: _HEAD.size] != self.mark:
                raise RecordError("history", "one of this world and version", "another")
        found = self.nobody(len(data))
        if known:
            raw = np.frombuffer(b"".join(each for _, each in known), dtype=np.uint8)
            numbers = raw.reshape(len(known), size)[:, _HEAD.size :].copy()
            read = Histories(
                numbers[:, : 4 * n_kept].copy().view("<f4").astype(np.float32),
                numbers[:, 4 * n_kept :].copy().view("<u4").astype(np.uint32),
            )
            self.check(read)
            rows = [i for i, _ in known]
            found.kept[rows], found.bits[rows] = read
        return found

    def check(self, histories: Histories) -> None:
        """Refuse histories that cannot have come about: they would lead compiled code astray.

        Raises:
            RecordError: Naming the quantity.
        """
        kept = histories.kept
        if not ((kept >= 0.0) & (kept < _MOST)).all():
            raise RecordError("history", "finite and >= 0 throughout", "something else")
        for name, row, most in self._whole:
            column = kept[:, row]
            wrong = (column > most) | (column != np.rint(column))
            if wrong.any():
                rule = f"a whole number in [0, {most:g}]"
                raise RecordError(f"history.{name}", rule, column[int(np.argmax(wrong))])
        consent = kept[:, self._consents]
        if not ((consent == 0.0) | (consent == 1.0)).all():
            raise RecordError("history.consent", "0 or 1", "something else")
