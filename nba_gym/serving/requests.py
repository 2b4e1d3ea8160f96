"""What may be asked: JSON read strictly, and checked field by field.

Messages name field and rule, and never what was sent: it may be personal, or not even text.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import RecordError, RequestError
from nba_gym.records.log import range_of
from nba_gym.scenario.schema import Scenario
from nba_gym.serving.chain import orjson
from nba_gym.serving.events import Records

LONGEST_NAME = 128
"""Characters of a customer's number, a key or a decision."""
MOST_EVENTS = 600
"""Periods that one request may tell of."""
LONGEST_HISTORY = 16_384
"""Characters of a folded history."""
_LARGEST = 3.0e38
_BIRTH = ("phase", "commitment")


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A checked request for a decision.

    Attributes:
        customer: Whom it is about.
        consent: Whether each channel may be used, ``n_channels`` long; inbound ones need none.
        asking: ``any``, ``outbound`` or ``inbound``.
        channel: Index of the inbound channel that the customer is on, from 1; 0 is as recorded.
        events: One row of event columns a period, ``(periods, n_columns)``.
        birth: Birth record, ``(n_birth_columns,)``.
        history: Folded history that an earlier answer gave, or None.
        period: Periods that the caller believes to be folded already, or None.
        key: Idempotency key, or None.
        request: SHA-256 of what was sent.
    """

    customer: str
    consent: tuple[bool, ...]
    asking: str
    channel: int
    events: NDArray[np.float64]
    birth: NDArray[np.float64]
    history: str | None
    period: int | None
    key: str | None
    request: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A checked report of what came of a decision.

    Attributes:
        decision: Its id.
        reward: What it was worth, in currency.
        delivered: Whether what was decided was also done.
        key: Idempotency key, or None.
        request: SHA-256 of what was sent.
    """

    decision: str
    reward: float
    delivered: bool
    key: str | None
    request: str


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RequestError("an object must not hold a key twice, got one that does")
    return found


_TWINS = json.JSONDecoder(object_pairs_hook=_refuse_twins)


def read_object(body: bytes) -> dict[str, Any]:
    """Strict JSON: an object of UTF-8, no NaN, no infinity, no lone surrogate, no key twice.

    Raises:
        RequestError: Saying what the rule is.
    """
    try:
        found = orjson.loads(body)
        # orjson is strict but keeps the last of two equal keys in silence
        _TWINS.decode(body.decode())
    except (orjson.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise RequestError("body must be JSON in UTF-8 with finite numbers", 400) from None
    except RequestError:
        raise
    except ValueError:  # a number of more digits than Python reads
        raise RequestError("numbers must be of ordinary size, got a longer one", 400) from None
    if not isinstance(found, dict):
        raise RequestError("body must be a JSON object, got something else")
    return cast(dict[str, Any], found)


class Reader:
    """Reads requests about the customers of one world.

    Args:
        scenario: The world.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.records = Records(scenario)
        self.ranges = {name: range_of(name, scenario) for name in self.records.columns}
        if scenario.pipeline.stages == 0:
            self.ranges["stage_move"] = (0.0, 0.0, True)
        births = [f"start_{name}" for name in _BIRTH]
        self.birth_ranges = {
            name: range_of(column, scenario) for name, column in zip(_BIRTH, births, strict=True)
        }
        self._staged = scenario.pipeline.stages > 0
        self._channels = [channel.name for channel in scenario.channels]
        self._inbound = {
            channel.name: i + 1
            for i, channel in enumerate(scenario.channels)
            if channel.direction == "inbound"
        }
        self.outbound = [c.name for c in scenario.channels if c.direction == "outbound"]

    def question(self, body: bytes, key: str | None) -> Question:
        """Read what was sent to ``/v1/decide``.

        Args:
            body: What was sent.
            key: The header ``Idempotency-Key``.

        Raises:
            RequestError: Naming the first field that breaks a rule.
        """
        sent = read_object(body)
        _only(sent, "body", _QUESTION, ("customer", "consent"))
        asking = sent.get("asking", "any")
        if asking not in ("any", "outbound", "inbound"):
            _must("asking", "be any, outbound or inbound")
        return Question(
            customer=_name(sent.get("customer"), "customer"),
            consent=self._consent(sent.get("consent")),
            asking=asking,
            channel=self._channel(sent.get("channel"), asking),
            events=self._events(sent.get("events", [])),
            birth=self._birth(sent.get("birth", {})),
            history=_history(sent.get("history")),
            period=_period(sent.get("period")),
            key=key,
            request=hashlib.sha256(body).hexdigest(),
        )

    def _consent(self, sent: Any) -> tuple[bool, ...]:
        if not isinstance(sent, dict):
            _must("consent", "be an object that says true or false for each outbound channel")
        given = cast(dict[str, Any], sent)
        _only(given, "consent", self.outbound)
        for name, value in given.items():
            if not isinstance(value, bool):
                _must(f"consent.{name}", "be true or false")
        # a channel that is not spoken of is one without consent; an inbound one needs none
        return tuple(given.get(name, name in self._inbound) for name in self._channels)

    def _channel(self, sent: Any, asking: str) -> int:
        if sent is None:
            if asking == "inbound":
                _must("channel", "be named where asking is inbound")
            return 0
        if asking == "outbound" or not isinstance(sent, str) or sent not in self._inbound:
            known = ", ".join(self._inbound) or "none in this world"
            _must("channel", f"be the inbound channel that the customer is on ({known})")
        return self._inbound[sent]

    def _events(self, sent: Any) -> NDArray[np.float64]:
        if not isinstance(sent, list) or len(cast(list[Any], sent)) > MOST_EVENTS:
            _must("events", f"be a list of at most {MOST_EVENTS} periods")
        rows = cast(list[Any], sent)
        for row in rows:
            if not isinstance(row, dict) or "period" in row:
                _must("events", f"hold objects of {', '.join(self.records.columns)}")
            if not self._staged and cast(dict[str, Any], row).get("stage_move"):
                _must("stage_move", "be 0 in a world without a pipeline")
        try:
            return self.records.events(rows)
        except RecordError as error:
            _must(error.field, f"be {error.rule}")

    def _birth(self, sent: Any) -> NDArray[np.float64]:
        if not isinstance(sent, dict):
            _must("birth", "be an object")
        given = cast(dict[str, Any], sent)
        _only(given, "birth", self.birth_ranges)
        try:
            return self.records.birth({f"start_{name}": given[name] for name in given})
        except RecordError as error:
            _must(error.field.replace("start_", "birth."), f"be {error.rule}")


_QUESTION = (
    "customer",
    "consent",
    "asking",
    "channel",
    "events",
    "birth",
    "history",
    "period",
)
_OUTCOME = ("decision", "reward", "delivered")


def read_outcome(body: bytes, key: str | None) -> Outcome:
    """Read what was sent to ``/v1/outcome``.

    Raises:
        RequestError: Naming the first field that breaks a rule.
    """
    sent = read_object(body)
    _only(sent, "body", _OUTCOME, ("decision",))
    delivered = sent.get("delivered", True)
    if not isinstance(delivered, bool):
        _must("delivered", "be true or false")
    return Outcome(
        decision=_name(sent.get("decision"), "decision"),
        reward=_number(sent.get("reward", 0), (-1e12, 1e12, False), "", "reward"),
        delivered=delivered,
        key=key,
        request=hashlib.sha256(body).hexdigest(),
    )


def read_swap(body: bytes) -> str:
    """Read what was sent to ``/admin/v1/swap``: the name of a policy.

    Raises:
        RequestError: Naming the field that breaks a rule.
    """
    sent = read_object(body)
    _only(sent, "body", ("policy",), ("policy",))
    return _name(sent.get("policy"), "policy")


def read_erasure(body: bytes) -> str:
    """Read what was sent to ``/admin/v1/erase``: the customer.

    Raises:
        RequestError: Naming the field that breaks a rule.
    """
    sent = read_object(body)
    _only(sent, "body", ("customer",), ("customer",))
    return _name(sent.get("customer"), "customer")


def _must(field: str, rule: str) -> NoReturn:
    raise RequestError(f"{field} must {rule}, got something else")


def _only(
    sent: dict[str, Any], where: str, known: Iterable[str], needed: Sequence[str] = ()
) -> None:
    for name in sent:
        if name not in known:
            _must(where, f"hold only {', '.join(known)}")
    for name in needed:
        if name not in sent:
            raise RequestError(f"{name} must be given, got none")


def _name(sent: Any, field: str) -> str:
    if not isinstance(sent, str) or not 1 <= len(sent) <= LONGEST_NAME or not sent.isprintable():
        _must(field, f"be a printable text of 1 to {LONGEST_NAME} characters")
    return sent


def check_key(sent: str | None) -> str | None:
    """An idempotency key as a caller sends it; none is none.

    Raises:
        RequestError: If it is empty, too long or not ASCII.
    """
    if sent is not None and not (1 <= len(sent) <= LONGEST_NAME and sent.isascii()):
        _must("Idempotency-Key", f"be of 1 to {LONGEST_NAME} ASCII characters")
    return sent


def _number(sent: Any, limits: tuple[float, float, bool], where: str, name: str) -> float:
    low, high, whole = limits
    usual = type(sent) in (int, float) and math.isfinite(sent)
    if not usual or not low <= sent <= min(high, _LARGEST) or (whole and sent != int(sent)):
        rule = f"be a {'whole ' if whole else ''}number in [{low:g}, {high:g}]"
        _must(f"{where}.{name}" if where else name, rule)
    return float(sent)


def _period(sent: Any) -> int | None:
    return None if sent is None else int(_number(sent, (0.0, 1e6, True), "", "period"))


def _history(sent: Any) -> str | None:
    if sent is None:
        return None
    if not isinstance(sent, str) or not 1 <= len(sent) <= LONGEST_HISTORY or not sent.isascii():
        _must("history", f"be one that an answer gave, of at most {LONGEST_HISTORY} characters")
    return sent
