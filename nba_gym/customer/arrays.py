"""The arrays that the compiled kernel works on: a scenario, its customers, what a step reports."""

from __future__ import annotations

from typing import NamedTuple

from nba_gym.scenario.parameters import Array


class Rules(NamedTuple):
    """The scenario as arrays; see ``Parameters`` and ``RuleBook`` for most of their shapes.

    Attributes:
        cards: The catalogue as ``look_up.action_cards``.
        season_cards: The seasons as ``look_up.season_cards``.
        runs: Stored quantities that follow each other on the worktable and in ``State.values``:
            place on the table, place in the tile and number of numbers, ``(n_runs, 3)``.
        constant_runs: The same for ``State.constants``.
        bit_run: The same, one row, for ``State.bits``.
        features: Place of each feature on the worktable, ``(n_features,)``.
        pieces: Where the pieces of an observation begin, see ``turning.piece_starts``.
        event_offsets: Place of each event on the worktable, ``(n_events,)``.
    """

    world: Array
    actions: Array
    cards: Array
    channels: Array
    needs: Array
    excitation: Array
    season_cards: Array
    waves: Array
    spend_noise: Array
    personas: Array
    traits: Array
    links: Array
    blocked_by: Array
    windows: Array
    shut: Array
    runs: Array
    constant_runs: Array
    bit_run: Array
    features: Array
    pieces: Array
    event_offsets: Array


class State(NamedTuple):
    """The customers: all that is kept from one period to the next.

    Attributes:
        values: Quantities that change, ``(n_tiles, n_values * LANES)``, float32.
        constants: Quantities fixed at birth, ``(n_tiles, n_constants * LANES)``, float32.
        bits: Bit histories, ``(n_tiles, n_bits * LANES)``, uint32.
        identity: Seed and customer number, ``(n_tiles, 2 * LANES)``, uint64.
        conditions: Broken rules, ``(n_tiles * LANES,)``, uint64.
        ended: 1 once a journey is over, ``(n_tiles * LANES,)``, uint8.
    """

    values: Array
    constants: Array
    bits: Array
    identity: Array
    conditions: Array
    ended: Array


class Outcome(NamedTuple):
    """What a step reports, one row a customer.

    Attributes:
        observations: Features, ``(n, n_features)``, float32.
        masks: Allowed actions, ``(n, n_actions)``, int8.
        ledger: Ledger lines of the period, ``(n, n_lines)``, float64.
        rewards: Their sums, ``(n,)``, float64.
        terminated: The customer was seen to leave, ``(n,)``, bool.
        truncated: The horizon was reached, ``(n,)``, bool.
        forbidden: The chosen action was not allowed and waiting took its place, ``(n,)``, bool.
        final_observations: Last observation of journeys begun anew, ``(n, n_features)``.
        final_masks: Last action masks of journeys begun anew, ``(n, n_actions)``.
        events: Events of the period, ``(n or 0, n_events)``, float64.
    """

    observations: Array
    masks: Array
    ledger: Array
    rewards: Array
    terminated: Array
    truncated: Array
    forbidden: Array
    final_observations: Array
    final_masks: Array
    events: Array
