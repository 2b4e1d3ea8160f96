"""Histories of real customers: folded from their events, shown as features and masks.

The very functions at work are those of the simulator (``records``, ``engagement``), so a served
policy sees what it was trained on, to the bit. A folded history is one row of bytes a customer; it
is all that has to be kept of the past.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.compiled import entry, stage
from nba_gym.engagement.rules import compile_rules, update_conditions, write_masks
from nba_gym.lanes import LANES, Scratch, rows_of
from nba_gym.records.catalogue import action_cards, look_up_records
from nba_gym.records.events import BIRTH_EVENTS, event_places
from nba_gym.records.features import feature_table, observe_history
from nba_gym.records.history import begin_history, update_history
from nba_gym.records.places import KEPT, KEPT_CHANNELS, KEPT_NEEDS, STAGE, TENURE, VISITING
from nba_gym.scenario.parameters import pack
from nba_gym.scenario.schema import Scenario
from nba_gym.turning import read_events, write_rows

Array = NDArray[Any]
Histories = NDArray[np.uint8]
"""Folded histories, one row of bytes a customer."""

_BEGIN, _FOLD, _OBSERVE = 0, 1, 2


class _Tables(NamedTuple):
    """The world as arrays, as far as records and rules need it."""

    world: Array
    cards: Array
    channels: Array
    needs: Array
    waves: Array
    blocked_padded: Array
    windows: Array
    shut: Array
    births: Array
    events: Array
    features: Array
    kept: Array
    bits: Array
    consent: Array


class _Sheets(NamedTuple):
    """Scratch of one tile."""

    kept: Array
    bits: Array
    conditions: Array
    table: Array
    purse: Array
    shown: Array
    tray: Array


class Observed(NamedTuple):
    """What the records show of some customers now, one row each.

    Attributes:
        features: ``(n, n_features)``.
        masks: 1 where the engagement rules allow an action, ``(n, n_actions)``.
        conditions: Rules broken now, one word of bits each, ``(n,)``.
    """

    features: NDArray[np.float32]
    masks: NDArray[np.int8]
    conditions: NDArray[np.uint64]


@stage
def _lay_rows(rows: Array, places: Array, sheet: Array, first: int, count: int) -> None:
    """Lay rows ``first ...`` on a sheet, one a lane; lanes without a customer repeat the last."""
    for f in range(places.shape[0]):
        at = places[f]
        for j in range(LANES):
            i = j if j < count else count - 1
            sheet[at + j] = rows[first + i, f]


@stage
def _state_consent(kept: Array, places: Array, consent: Array, first: int, count: int) -> None:
    """Leave only the consent that the firm has on file now as well."""
    for c in range(places.shape[0]):
        at = places[c]
        for j in range(count):
            kept[at + j] = kept[at + j] * np.float32(consent[first + j, c])


@stage
def _state_visits(kept: Array, channel: Array, first: int, count: int) -> None:
    for j in range(count):
        here = np.float32(channel[first + j])
        before = kept[VISITING + j]
        kept[VISITING + j] = here if here > 0.0 else before


def _make_fold(digest: str) -> Callable[..., None]:
    def fold_tiles(
        what: int,
        given: Array,
        kept_rows: Array,
        bit_rows: Array,
        consent: Array,
        channel: Array,
        tables: _Tables,
        sheets: _Sheets,
        out: Observed,
    ) -> None:
        _ = digest  # part of the cache key
        world, channels, needs = tables.world[0], tables.channels, tables.needs
        kept, bits, table, purse = sheets.kept, sheets.bits, sheets.table, sheets.purse
        n, n_needs, n_channels = kept_rows.shape[0], needs.shape[0], channels.shape[0]
        n_actions = out.masks.shape[1]
        for t in range(-(-n // LANES)):
            first = t * LANES
            count = min(LANES, n - first)
            if what == 0:
                read_events(given, tables.births, table, purse, first, count)
                for j in range(LANES):
                    begin_history(table, kept, bits, world, j, n_needs, n_channels)
            else:
                _lay_rows(kept_rows, tables.kept, kept, first, count)
                _lay_rows(bit_rows, tables.bits, bits, first, count)
            if what == 1:
                read_events(given, tables.events, table, purse, first, count)
                look_up_records(table, tables.cards, sheets.tray, n_needs, LANES)
                update_history(
                    table, purse, kept, bits, channels, needs, world, n_needs, n_channels, LANES
                )
            if what < 2:
                write_rows(kept, tables.kept, kept_rows, first, count)
                write_rows(bits, tables.bits, bit_rows, first, count)
            else:
                _state_consent(kept, tables.consent, consent, first, count)
                _state_visits(kept, channel, first, count)
                observe_history(
                    kept,
                    bits,
                    sheets.shown,
                    channels,
                    tables.waves,
                    world,
                    n_needs,
                    n_channels,
                    LANES,
                )
                update_conditions(
                    kept,
                    bits,
                    sheets.conditions,
                    channels,
                    needs,
                    tables.windows,
                    tables.shut,
                    world,
                    n_needs,
                    n_channels,
                    LANES,
                )
                write_rows(sheets.shown, tables.features, out.features, first, count)
                masks = out.masks.reshape(-1)[first * n_actions :]
                write_masks(sheets.conditions, tables.blocked_padded, masks, n_actions, count)
                for j in range(count):
                    out.conditions[first + j] = sheets.conditions[j]

    return fold_tiles


_fold_tiles = entry(_make_fold)


class Folding:
    """Folds and shows histories of the customers of one world; for one thread at a time.

    Args:
        scenario: The world whose catalogue and rules apply.

    Attributes:
        scenario: That world.
        rules: Its engagement rules, compiled.
        features: Names of the columns of the features.
        size: Bytes of a folded history.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.rules = compile_rules(scenario)
        table = feature_table(scenario)
        self.features = [feature.name for feature, _ in table]
        k, c = scenario.n_needs, scenario.n_channels
        kept = [
            place
            for book in (KEPT, KEPT_NEEDS, KEPT_CHANNELS)
            for each in book.places.values()
            for place in each.absolute(k, c)
        ]
        self._tenure, self._stage = kept.index(TENURE), kept.index(STAGE)
        consent = KEPT_CHANNELS.places["consent"].absolute(k, c)
        self._consent = [kept.index(place) for place in consent]
        world, scratch = pack(scenario), Scratch()

        def whole(values: Any) -> NDArray[np.int64]:
            return np.array(values, dtype=np.int64)

        self._tables = _Tables(
            world=world.world,
            cards=action_cards(world.actions),
            channels=world.channels,
            needs=world.needs,
            waves=world.waves,
            blocked_padded=self.rules.padded,
            windows=self.rules.windows,
            shut=self.rules.shut,
            births=whole(event_places(scenario, BIRTH_EVENTS)),
            events=whole(event_places(scenario)),
            features=whole([place for _, place in table]),
            kept=whole(kept),
            bits=whole([i * LANES for i in range(rows_of("bits", k, c))]),
            consent=whole(consent),
        )
        self._sheets = _Sheets(
            kept=np.zeros(rows_of("kept", k, c) * LANES, dtype=np.float32),
            bits=np.zeros(rows_of("bits", k, c) * LANES, dtype=np.uint32),
            conditions=np.zeros(LANES, dtype=np.uint64),
            table=scratch.table,
            purse=scratch.purse,
            shown=scratch.view,
            tray=scratch.tray,
        )
        self._n_kept, self._n_bits = len(kept), len(self._tables.bits)
        self.size = 4 * (self._n_kept + self._n_bits)

    def begin(self, births: NDArray[np.float64]) -> Histories:
        """Histories of new customers, ``(n, size)``.

        Args:
            births: Columns as ``event_columns(scenario, BIRTH_EVENTS)``, ``(n, n_columns)``.
        """
        histories = np.zeros((len(births), self.size), dtype=np.uint8)
        self._run(_BEGIN, births, histories)
        return histories

    def fold(self, histories: Histories, events: NDArray[np.float64]) -> Histories:
        """Histories one period later, ``(n, size)``.

        Args:
            histories: Before, ``(n, size)``.
            events: Columns as ``event_columns(scenario)``, ``(n, n_columns)``, within their ranges.
        """
        after = histories.copy()
        self._run(_FOLD, events, after)
        return after

    def observe(
        self, histories: Histories, consent: NDArray[np.bool_], channel: NDArray[np.int64]
    ) -> Observed:
        """What is known and allowed now.

        Args:
            histories: ``(n, size)``.
            consent: Whether each channel may be used, as the firm has it on file now,
                ``(n, n_channels)``; where the history says no, it stays no.
            channel: Inbound channel that the customer is on, from 1; 0 is as recorded, ``(n,)``.
        """
        n = len(histories)
        out = Observed(
            np.empty((n, len(self.features)), dtype=np.float32),
            np.empty((n, self.scenario.n_actions), dtype=np.int8),
            np.empty(n, dtype=np.uint64),
        )
        self._run(_OBSERVE, None, histories, consent, channel, out)
        return out

    def reopen(self, histories: Histories) -> Histories:
        """Histories in which every channel may be used, ``(n, size)``.

        Consent is the firm's to know, and given with every request: only what customers withdraw in
        the events of the same request must count besides, for they may be newer.
        """
        after, kept = histories.copy(), self._kept(histories)
        kept[:, self._consent] = 1.0
        after[:, : 4 * self._n_kept] = kept.view(np.uint8)
        return after

    def tenure(self, histories: Histories) -> NDArray[np.int64]:
        """Periods folded into each history, ``(n,)``."""
        return self._kept(histories)[:, self._tenure].astype(np.int64)

    def possible(self, histories: Histories) -> NDArray[np.bool_]:
        """Whether each history is one that can have come about: within the pipeline, ``(n,)``."""
        stages = self._kept(histories)[:, self._stage]
        return (stages >= 0.0) & (stages <= self.scenario.pipeline.stages)

    def _kept(self, histories: Histories) -> NDArray[np.float32]:
        return histories[:, : 4 * self._n_kept].copy().view(np.float32)

    def _run(
        self,
        what: int,
        given: NDArray[np.float64] | None,
        histories: Histories,
        consent: NDArray[np.bool_] | None = None,
        channel: NDArray[np.int64] | None = None,
        out: Observed | None = None,
    ) -> None:
        n = len(histories)
        kept = self._kept(histories)
        bits = histories[:, 4 * self._n_kept :].copy().view(np.uint32)
        nothing = Observed(
            np.empty((n, 1), dtype=np.float32),
            np.empty((n, 1), dtype=np.int8),
            np.empty(n, dtype=np.uint64),
        )
        _fold_tiles(
            what,
            np.empty((n, 1)) if given is None else np.ascontiguousarray(given),
            kept,
            bits,
            np.empty((n, 1), dtype=np.bool_) if consent is None else consent,
            np.empty(n, dtype=np.int64) if channel is None else channel,
            self._tables,
            self._sheets,
            nothing if out is None else out,
        )
        if out is None:
            histories[:, : 4 * self._n_kept] = kept.view(np.uint8)
            histories[:, 4 * self._n_kept :] = bits.view(np.uint8)
