"""Lives as few bytes: whole numbers with a scale, column by column, all of it compressed."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer.populate import populate
from nba_gym.engagement.rules import compile_rules
from nba_gym.evaluation.explorer.lives import Lives
from nba_gym.records.events import event_columns
from nba_gym.records.ledger import LINES
from nba_gym.scenario.schema import Scenario

_MOST = 32_767
_CENT, _PER_CENT, _FINE = 0.01, 0.01, 0.001


class Packed:
    """Arrays laid end to end, and a directory that says where each is and how it is scaled."""

    def __init__(self) -> None:
        self.directory: dict[str, dict[str, Any]] = {}
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, name: str, values: NDArray[Any], step: float = 1.0) -> None:
        """Add numbers as whole multiples of ``step``, or of more where they are too large for it.

        Args:
            name: What the page finds them by.
            values: The numbers; the last axis is what lies closest together.
            step: Smallest difference to keep.
        """
        largest = float(np.abs(values).max(initial=0.0))
        scale = max(step, largest / _MOST)
        whole = np.rint(values / scale)
        kind = "int8" if largest / scale <= 127.0 else "int16"
        self._put(name, whole.astype(kind), scale)

    def add_words(self, name: str, words: NDArray[np.uint64]) -> None:
        """Add words of 64 bits, the lower halves before the upper ones."""
        halves = np.stack([words & np.uint64(0xFFFFFFFF), words >> np.uint64(32)])
        self._put(name, halves.astype(np.uint32), 1.0)

    def _put(self, name: str, array: NDArray[Any], scale: float) -> None:
        start = -(-self._size // 4) * 4  # typed arrays begin at multiples of their size
        data = b"\0" * (start - self._size) + array.astype(array.dtype.newbyteorder("<")).tobytes()
        entry = {"kind": array.dtype.name, "at": start, "shape": array.shape, "scale": scale}
        self.directory[name] = entry
        self._parts.append(data)
        self._size += len(data)

    @property
    def text(self) -> str:
        """Everything, compressed, as text for a page."""
        return base64.b64encode(gzip.compress(b"".join(self._parts), 9, mtime=0)).decode()


def pack_lives(lives: Mapping[str, Lives], scenario: Scenario) -> Packed:
    """The lives under several policies; time is the last axis, so that what repeats is close."""
    packed = Packed()
    n_features = len(populate(scenario, 1).features)
    for i, each in enumerate(lives.values()):
        run = each.outcome
        packed.add(f"{i}.actions", each.actions.T)
        packed.add(f"{i}.seen", _by_column(each.seen[:, :, :n_features]), _PER_CENT)
        packed.add_words(f"{i}.blocked", each.blocked.T)
        packed.add(f"{i}.expected", _by_column(each.expected), _CENT)
        if each.own is not None:
            lowest = np.finfo(np.float32).min / 2.0  # what forbidden actions are given
            own = np.where(each.own > lowest, each.own, 0.0)
            packed.add(f"{i}.own", _by_column(own), _FINE)
        if each.worth is not None:
            packed.add(f"{i}.worth", each.worth.T, _CENT)
        for k, name in enumerate(event_columns(scenario)):
            column = each.events[:, :, k].T
            whole = bool(np.all(column == np.rint(column)))  # counts and numbers of things stay so
            packed.add(f"{i}.event.{name}", column, 1.0 if whole else _CENT)
        packed.add(f"{i}.ledger", _by_column(each.ledger), _CENT)
        for name, values in each.hidden.items():
            packed.add(f"{i}.hidden.{name}", values.T, _FINE)
        packed.add(f"{i}.value", run.value, _CENT)
        for name in ("lifetime", "contacts", "opt_outs", "purchases"):
            packed.add(f"{i}.{name}", getattr(run, name))
    first = next(iter(lives.values()))
    packed.add("persona", first.outcome.persona)
    for name, values in first.traits.items():
        packed.add(f"trait.{name}", values, _FINE)
    return packed


def _by_column(values: NDArray[Any]) -> NDArray[Any]:
    """``(T, n, columns)`` as ``(columns, n, T)``."""
    return values.transpose(2, 1, 0)


def about(lives: Mapping[str, Lives], scenario: Scenario, seed: int) -> dict[str, Any]:
    """All that the page must know beside the numbers, as plain values."""
    first = next(iter(lives.values()))
    features = populate(scenario, 1).features
    return {
        "scenario": scenario.name,
        "period": scenario.period,
        "currency": scenario.currency,
        "discount": scenario.discount,
        "horizon": scenario.horizon,
        "seed": seed,
        "customers": [int(number) for number in first.outcome.customers],
        "policies": [{"name": name, "own": _own(each)} for name, each in lives.items()],
        "personas": [persona.name for persona in scenario.personas],
        "needs": [need.name for need in scenario.needs],
        "channels": [channel.name for channel in scenario.channels],
        "actions": [
            {"name": a.name, "kind": a.kind, "channel": a.channel} for a in scenario.actions
        ],
        "features": [{"name": f.name, "unit": f.unit, "meaning": f.meaning} for f in features],
        "lines": list(LINES),
        "hidden": list(first.hidden),
        "traits": list(first.traits),
        "rules": _rules(scenario),
    }


def _own(lives: Lives) -> str:
    return "" if lives.own is None else lives.own_unit


def _rules(scenario: Scenario) -> list[list[tuple[int, str]]]:
    """By action, the bits that forbid it and what each says."""
    if scenario.tabular is not None:
        return [[(a, "state: not possible in this state")] for a in range(scenario.n_actions)]
    book = compile_rules(scenario)
    return [
        [(bit, f"{stage}: {book.reasons[bit]}") for bit, stage in sorted(stages.items())]
        for stages in book.stages
    ]
