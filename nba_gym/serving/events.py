"""From a customer's own event records and consent to what a policy is shown.

``Records`` reads records of one world: births, events, consent, histories of earlier calls. They
are folded by the functions of ``nba_gym.records``, the very ones that the simulator runs, so what
a policy sees in service is what it saw in training, to the bit. Masks and reasons come from
``nba_gym.engagement.rules``.

A record of a period is a table of what happened, by the columns of an event log; what is left out
did not happen. Actions, needs and channels may be named.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from nba_gym.engagement.rules import compile_rules
from nba_gym.errors import DataError, RecordError
from nba_gym.lanes import LANES, rows_of
from nba_gym.records.events import BIRTH_EVENTS, event_columns
from nba_gym.records.log import range_of
from nba_gym.records.places import KEPT_CHANNELS
from nba_gym.replay import Tables
from nba_gym.scenario.schema import Scenario
from nba_gym.serving.folding import Room, fold_tiles, look_tiles
from nba_gym.serving.histories import Histories, HistoryForm

MOST_PERIODS = 2_000
"""Periods that one call may fold for one customer."""
_QUIET = {"need_bought": -1.0}


class Seen(NamedTuple):
    """What a policy is shown of some customers.

    Attributes:
        observations: ``(n, n_features)`` float32.
        masks: 1 where an action is allowed, ``(n, n_actions)`` int8.
        conditions: Rules broken now, as bits, ``(n,)`` uint64; ``Records.reasons`` tells them.
    """

    observations: NDArray[np.float32]
    masks: NDArray[np.int8]
    conditions: NDArray[np.uint64]


class Records:
    """Reads and folds the records of one world; may be used by several threads at once.

    Args:
        scenario: The world (``Engine.folder.scenario``).

    Attributes:
        columns: Columns of the events of a period.
        birth_columns: Columns of a birth record.
        quiet: A period in which nothing happened, ``(n_columns,)``.
        ranges: Lowest and highest value of each column, and whether it holds whole numbers.
        names: Names that may stand for numbers, by column.
        form: How histories are kept between calls.

    Raises:
        DataError: If the world is a table, which has no events.
    """

    def __init__(self, scenario: Scenario) -> None:
        if scenario.tabular is not None:
            raise DataError(f"scenario must have events, got {scenario.name!r}, a tabular world")
        self.scenario = scenario
        self.columns = event_columns(scenario)
        self.birth_columns = event_columns(scenario, BIRTH_EVENTS)
        self.form = HistoryForm(scenario)
        self._rules = compile_rules(scenario)
        self._tables = Tables.of(scenario)
        self.quiet = np.array([_QUIET.get(name, 0.0) for name in self.columns])
        self._at = {name: i for i, name in enumerate(self.columns)}
        self.ranges = {
            name: range_of(name, scenario) for name in (*self.columns, *self.birth_columns)
        }
        self.names = _names(scenario)
        k, c = scenario.n_needs, scenario.n_channels
        consents = KEPT_CHANNELS.places["consent"].absolute(k, c)
        self._consent_rows = np.array(consents) // LANES
        self._sizes = rows_of("kept", k, c), rows_of("bits", k, c)
        self._own = threading.local()

    # --- reading ----------------------------------------------------------------------------------

    def birth(self, record: Mapping[str, Any]) -> NDArray[np.float64]:
        """A birth record as numbers, ``(n_birth_columns,)``; what is left out is 0.

        Args:
            record: By column: ``start_phase`` (period of the year at acquisition),
                ``start_commitment`` (periods until a contract may be ended), and
                ``start_consent.<channel>``.

        Raises:
            RecordError: For a column that is not known, or a value that cannot be.
        """
        row = np.zeros(len(self.birth_columns))
        for name, value in record.items():
            if name not in self.birth_columns:
                raise RecordError("birth", f"of the columns {', '.join(self.birth_columns)}", name)
            row[self.birth_columns.index(name)] = self._number(name, value)
        return row

    def events(
        self, records: Sequence[Mapping[str, Any]], *, lived: int = 0, now: int | None = None
    ) -> NDArray[np.float64]:
        """Records of periods as numbers, ``(periods, n_columns)``, quiet periods filled in.

        Args:
            records: What happened, a record a period. A record may say its ``period`` (0 is that
                of acquisition); records then must be in order, and periods without one are quiet.
            lived: Periods that were folded before.
            now: Periods since acquisition, if the last ones may have been quiet.

        Raises:
            RecordError: For a column that is not known, a value that cannot be, or periods out of
                order.
        """
        rows: list[NDArray[np.float64]] = []
        for i, record in enumerate(records):
            period = record.get("period", lived + len(rows))
            if isinstance(period, bool) or not isinstance(period, int):
                raise RecordError("period", "a whole number", period)
            self._fill(rows, lived, period)
            try:
                rows.append(self._row(record))
            except RecordError as error:
                raise RecordError(f"events[{i}].{error.field}", error.rule, error.got) from None
        if now is not None:
            self._fill(rows, lived, now)
        return np.stack(rows) if rows else np.empty((0, len(self.columns)))

    def _fill(self, rows: list[NDArray[np.float64]], lived: int, until: int) -> None:
        """Append quiet periods."""
        if not lived + len(rows) <= until <= lived + MOST_PERIODS:
            rule = f"in [{lived + len(rows)}, {lived + MOST_PERIODS}], the periods that may follow"
            raise RecordError("period", rule, until)
        rows += [self.quiet] * (until - lived - len(rows))

    def _row(self, record: Mapping[str, Any]) -> NDArray[np.float64]:
        row = self.quiet.copy()
        for name, value in record.items():
            if name == "period":
                continue
            if name not in self._at:
                raise RecordError("column", f"one of {', '.join(self.columns)}", name)
            row[self._at[name]] = self._number(name, value)
        if row[self._at["purchases"]] > 0.0 > row[self._at["need_bought"]]:
            raise RecordError("need_bought", "given where purchases are", "none")
        return row

    def _number(self, name: str, value: Any) -> float:
        """One value as a number, by name where names are known."""
        known = self.names.get(name)
        if isinstance(value, str) and known is not None:
            if value not in known:
                raise RecordError(name, f"one of {', '.join(known)}", value)
            return known[value]
        low, high, whole = self.ranges[name]
        rule = f"a {'whole ' if whole else ''}number in [{low:g}, {high:g}]"
        if not isinstance(value, (bool, int, float)) or not low <= value <= high:
            raise RecordError(name, rule, value)
        if whole and value != int(value):
            raise RecordError(name, rule, value)
        return float(value)

    def consent(self, given: Mapping[str, Any]) -> NDArray[np.float32]:
        """What the register says now, ``(n_channels,)``; a channel left out has no consent.

        Raises:
            RecordError: For a channel that is not known, or something else than yes or no.
        """
        names = [channel.name for channel in self.scenario.channels]
        row = np.zeros(len(names), dtype=np.float32)
        for name, value in given.items():
            if name not in names:
                raise RecordError("consent", f"by channel, of {', '.join(names)}", name)
            if not isinstance(value, (bool, int)) or value not in (0, 1):
                raise RecordError(f"consent.{name}", "true or false", value)
            row[names.index(name)] = value
        return row

    # --- folding ----------------------------------------------------------------------------------

    def fold(
        self,
        births: NDArray[np.float64],
        events: Sequence[NDArray[np.float64]],
        *,
        before: Histories | None = None,
        consent: NDArray[np.float32] | None = None,
    ) -> Histories:
        """Histories after some events.

        Args:
            births: Birth records of all customers, ``(n, n_birth_columns)``; read for those who
                have no history yet.
            events: Events of each, ``(periods, n_columns)``, as ``Records.events`` reads them.
            before: Histories of earlier calls; none by default. Customers of tenure below 0
                (``HistoryForm.nobody``) have none.
            consent: What the register says now, ``(n, n_channels)``. Contact is then permitted
                where it says so and no opt-out is among ``events``. Without it consent is what
                birth records and opt-outs come to, as in the simulation.

        Returns:
            The histories; ``before`` stays as it is.

        Raises:
            RecordError: If a customer is moved out of the pipeline.
        """
        ends = np.concatenate([[0], np.cumsum([len(each) for each in events])]).astype(np.int64)
        flat = np.concatenate(events) if ends[-1] else np.zeros((1, len(self.columns)))
        return self.fold_rows(births, flat, ends, before=before, consent=consent)

    def fold_rows(
        self,
        births: NDArray[np.float64],
        events: NDArray[np.float64],
        ends: NDArray[np.int64],
        *,
        before: Histories | None = None,
        consent: NDArray[np.float32] | None = None,
    ) -> Histories:
        """The same for events in one table, one customer after the other.

        Args:
            births: As for ``fold``.
            events: ``(rows, n_columns)``, at least one row.
            ends: Where the rows of each customer begin, and where the last end, ``(n + 1,)``.
            before: As for ``fold``.
            consent: As for ``fold``.
        """
        after = self.form.nobody(len(births)) if before is None else before.copy()
        born = after.kept[:, 0] < 0.0
        if consent is not None:
            births = births.copy()
            births[:, 2:] = 1.0
            after.kept[:, self._consent_rows] = 1.0
        # Numba would compile anew for memory that is strided or may not be written
        births = np.require(births, np.float64, ["C", "W"])
        events = np.require(events, np.float64, ["C", "W"])
        fold_tiles(births, born, events, ends, self._tables, self._room(), after.kept, after.bits)
        if consent is not None:
            after.kept[:, self._consent_rows] *= consent
        self.form.check(after)
        return after

    def look(self, histories: Histories) -> Seen:
        """What histories show, and what is allowed."""
        n = len(histories.kept)
        seen = Seen(
            np.empty((n, len(self._tables.features)), dtype=np.float32),
            np.empty((n, self.scenario.n_actions), dtype=np.int8),
            np.empty(n, dtype=np.uint64),
        )
        look_tiles(histories.kept, histories.bits, self._tables, self._room(), *seen)
        return seen

    def reasons(self, conditions: int) -> dict[str, list[str]]:
        """Why actions are not allowed, each as "stage: reason", by name; allowed ones left out.

        Args:
            conditions: Of one customer, from ``Seen.conditions``.
        """
        told = {
            action.name: self._rules.explain(int(conditions), i)
            for i, action in enumerate(self.scenario.actions)
        }
        return {name: why for name, why in told.items() if why}

    def _room(self) -> Room:
        room: Room | None = getattr(self._own, "room", None)
        if room is None:
            room = self._own.room = Room.of(self.scenario)
        return room


def _names(scenario: Scenario) -> dict[str, dict[str, float]]:
    """Names that may stand for numbers, by column."""

    def numbered(rows: Sequence[Any], first: int) -> dict[str, float]:
        return {cast(str, row.name): float(i + first) for i, row in enumerate(rows)}

    return {
        "action": numbered(scenario.actions, 0),
        "need_bought": numbered(scenario.needs, 0),
        "basket": numbered(scenario.needs, 1),
        "visit": numbered(scenario.channels, 1),
    }
