"""The desk: what is asked waits in a queue, and one clerk answers whole batches of it.

While one batch is being forced onto the disk the next one gathers, so the busier the service, the
larger the batches, and the less a decision costs. Whoever would have to wait too long is turned
away at once. Nobody is answered before the log is on the disk.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nba_gym.errors import LogError, NbaGymError, RequestError, ServiceError, StoreError
from nba_gym.serving.chain import orjson
from nba_gym.serving.decider import Decider, Made
from nba_gym.serving.decision_log import DecisionLog, Item
from nba_gym.serving.erasure import erase_customer
from nba_gym.serving.lineup import Lineup
from nba_gym.serving.memory import Memory, take_back
from nba_gym.serving.metrics import logger
from nba_gym.serving.records import moment, outcome_item, render_answer
from nba_gym.serving.requests import Outcome, Question
from nba_gym.serving.store import Changes

MOST_AT_ONCE = 64
"""Requests in a batch."""
STANDING = 0.3
"""Seconds that the queue must not have been empty before anyone in it is turned away.

A queue that stands means more is asked than can be answered; one that a pause has left drains by
itself (Nichols and Jacobson 2012, Controlling queue delay)."""
TURNED_AWAY = RequestError("the service is busy; try again in a second", 503)
STOPPED = RequestError("the service is stopping", 503)
UNRECORDED = RequestError("the decision cannot be recorded now", 503)


@dataclass(frozen=True, slots=True)
class Erase:
    """A request to erase a customer."""

    customer: str


Result = bytes | RequestError
Reply = Callable[[list[tuple["Call", Result]]], None]


@dataclass(slots=True, eq=False)
class Call:
    """Something that waits to be answered.

    Attributes:
        asked: What is asked.
        handle: Whatever the caller needs to recognise it by.
        since: When it came, by the monotonic clock.
    """

    asked: Question | Outcome | Erase
    handle: Any
    since: float = field(default_factory=time.monotonic)

    @property
    def key(self) -> str | None:
        """Its idempotency key."""
        return None if isinstance(self.asked, Erase) else self.asked.key


@dataclass(slots=True)
class _Batch:
    """What a batch has come to so far."""

    items: list[Item] = field(default_factory=list[Item])
    news: Changes = field(default_factory=Changes)
    results: list[tuple[Call, Result]] = field(default_factory=list[tuple[Call, Result]])


class Desk:
    """Answers what is asked, one batch after the other, on a thread of its own.

    Args:
        decider: Makes decisions.
        log: Where they are recorded.
        memory: What is remembered of customers and answers.
        lineup: The policies that decide.
        stateless: Callers keep the histories.
        reply: Told what has been answered, on the clerk's thread.
        longest_queue: Requests that may wait; more are turned away.
        longest_wait: Seconds after which one that waits in a standing queue is turned away.

    Attributes:
        lineup: May be replaced at any time; a batch sees one or the other.
        counts: Decisions on record since the start, by arm and action.
    """

    def __init__(
        self,
        decider: Decider,
        log: DecisionLog,
        memory: Memory,
        lineup: Lineup,
        reply: Reply,
        *,
        stateless: bool = False,
        longest_queue: int = 48,
        longest_wait: float = 0.03,
    ) -> None:
        self.decider = decider
        self.log = log
        self.memory = memory
        self.lineup = lineup
        self.stateless = stateless
        self.counts: Counter[tuple[str, int]] = Counter()
        self._reply = reply
        self._longest_queue, self._longest_wait = longest_queue, longest_wait
        self._waiting: deque[Call] = deque()
        self._bell = threading.Event()
        self._closing = False
        self._empty_at = 0.0
        self._thread = threading.Thread(target=self._work, name="clerk", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    @property
    def full(self) -> bool:
        """Whether who comes now would be turned away."""
        return len(self._waiting) >= self._longest_queue or self.memory.full

    @property
    def queue(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def trouble(self) -> str:
        """Why nothing can be decided now; empty if it can."""
        return self.log.trouble or self.memory.trouble

    def ask(self, call: Call) -> None:
        """Put a call in the queue.

        Raises:
            RequestError: If too many wait already, or the service stops.
        """
        if self._closing:
            raise STOPPED
        if self.full:
            raise TURNED_AWAY
        self._waiting.append(call)
        self._bell.set()

    def close(self) -> None:
        """Answer all that waits, and stop."""
        self._closing = True
        self._bell.set()
        self._thread.join()

    def _work(self) -> None:
        while True:
            self._bell.wait()
            self._bell.clear()
            self._empty_at = time.monotonic()
            while self._waiting:
                calls = self._take()
                results: list[tuple[Call, Result]]
                try:
                    results = self._answer(calls)
                except Exception:
                    # a fault of ours must not leave everybody waiting; none of these is on record
                    logger.exception("a batch could not be decided")
                    results = [(call, UNRECORDED) for call in calls]
                self._reply(results)
            if self._closing:
                return

    def _take(self) -> list[Call]:
        """The next batch; an erasure is one of its own, so that nothing is on its way meanwhile."""
        calls = [self._waiting.popleft()]
        while self._waiting and len(calls) < MOST_AT_ONCE:
            if isinstance(calls[-1].asked, Erase) or isinstance(self._waiting[0].asked, Erase):
                break
            calls.append(self._waiting.popleft())
        return calls

    def _answer(self, calls: list[Call]) -> list[tuple[Call, Result]]:
        """Answer a batch; whatever goes wrong, everybody gets an answer."""
        late = self._late(calls)
        batch = _Batch(results=[(call, TURNED_AWAY) for call in late])
        rest = [call for call in calls if call not in late]
        try:
            while rest:
                now, rest = _first_of_each(rest)
                self._answer_some(now, batch)
            self._record(batch)
        except (LogError, StoreError, ServiceError) as error:
            unrecorded = RequestError(f"{UNRECORDED}: {_kind(error)}", 503)
            return [(call, TURNED_AWAY if call in late else unrecorded) for call in calls]
        return batch.results

    def _late(self, calls: list[Call]) -> list[Call]:
        """Who has waited too long in a queue that stands; a stop answers everybody."""
        now = time.monotonic()
        if self._closing or now - self._empty_at < STANDING:
            return []
        return [call for call in calls if now - call.since > self._longest_wait]

    def _record(self, batch: _Batch) -> None:
        """Force the batch onto the disk; only then is it remembered and answered."""
        if batch.items:
            batch.news.seq = self.log.append(batch.items)[-1]
            batch.news.at = int(time.time())
            self.memory.tell(batch.news)
            for record, _ in batch.items:
                if record["kind"] == "decision":
                    self.counts[record["arm"], record["action"]] += 1

    def _answer_some(self, calls: list[Call], batch: _Batch) -> None:
        """Answer calls of which no two are about the same customer or under the same key."""
        at = time.time()
        questions: list[tuple[Call, Question]] = []
        for call in calls:
            try:
                asked = call.asked
                before = self._answered_before(call, batch)
                if before is not None:
                    batch.results.append((call, before))
                elif isinstance(asked, Question):
                    questions.append((call, asked))
                elif isinstance(asked, Outcome):
                    self._take_outcome(call, asked, batch, at)
                else:
                    batch.results.append((call, self._erase(asked, at)))
            except RequestError as error:
                batch.results.append((call, error))
        if questions:
            self._decide(questions, batch, at)

    def _answered_before(self, call: Call, batch: _Batch) -> bytes | None:
        """The answer that a key has been given already.

        Raises:
            RequestError: If something else was asked under it.
        """
        asked = call.asked
        if isinstance(asked, Erase) or asked.key is None:
            return None
        before = batch.news.answers.get(asked.key) or self.memory.answer(asked.key)
        if before is None:
            return None
        if before[0] != asked.request:
            raise RequestError("Idempotency-Key must be a new one for another request", 409)
        return before[1]

    def _decide(self, questions: list[tuple[Call, Question]], batch: _Batch, at: float) -> None:
        states: list[bytes | None] = []
        asked: list[tuple[Call, Question]] = []
        for call, question in questions:
            try:
                states.append(self._state_of(question, batch))
                asked.append((call, question))
            except RequestError as error:
                batch.results.append((call, error))
        if not asked:
            return
        made = self._made([question for _, question in asked], states, at)
        for (call, _), each in zip(asked, made, strict=True):
            if isinstance(each, RequestError):
                batch.results.append((call, each))
                continue
            batch.items.append((each.record, each.personal))
            body = self.remember(each, batch.news)
            batch.results.append((call, body))

    def _made(
        self, asked: list[Question], states: list[bytes | None], at: float
    ) -> list[Made | RequestError]:
        """Decisions; a fault of ours over one customer is not the trouble of the others."""
        try:
            return self.decider.decide(asked, states, self.lineup, at)
        except Exception:
            logger.exception("a batch could not be decided")
            if len(asked) == 1:
                return [UNRECORDED]
        return [
            made
            for question, state in zip(asked, states, strict=True)
            for made in self._made([question], [state], at)
        ]

    def remember(self, made: Made, news: Changes) -> bytes:
        """Note what a decision changes, and return its answer."""
        body, customer = self.render(made), made.personal["customer"]
        if not self.stateless:
            news.states[customer] = made.state
        news.decisions[made.record["id"]] = customer
        key = made.personal["key"]
        if key is not None:
            news.answers[key] = made.personal["request"], body
            news.owners[key] = customer
        return body

    def render(self, made: Made) -> bytes:
        """The answer to a decision that is on record."""
        customer = made.personal["customer"]
        token = self.decider.seal(customer, made.state) if self.stateless else None
        return render_answer(
            made.record, made.personal, self.decider.catalogue, self.decider.rules, token
        )

    def _state_of(self, question: Question, batch: _Batch) -> bytes | None:
        """What is remembered of a customer, by us or by whoever asks."""
        if self.stateless:
            if question.history is None:
                return None
            return self.decider.unseal(question.customer, question.history)
        if question.history is not None:
            raise RequestError("history must be left out where the service keeps it")
        held = batch.news.states.get(question.customer)
        return self.memory.state(question.customer) if held is None else held

    def _take_outcome(self, call: Call, outcome: Outcome, batch: _Batch, at: float) -> None:
        customer = batch.news.decisions.get(outcome.decision)
        customer = customer or self.memory.decided(outcome.decision)
        if customer is None:
            raise RequestError("decision must be one that was made here, got none", 404)
        item = outcome_item(outcome, customer, moment(at))
        batch.items.append(item)
        if not outcome.delivered and not self.stateless:
            take_back(batch.news, customer, outcome.decision, self.memory)
        batch.results.append((call, remember_outcome(item, batch.news)))

    def _erase(self, asked: Erase, at: float) -> bytes:
        erased = erase_customer(self.log, asked.customer, moment(at))
        self.memory.erase(asked.customer)
        return orjson.dumps({"erased": erased})


def remember_outcome(item: Item, news: Changes) -> bytes:
    """Note the answer to an outcome that is on record under its key, if it has one; return it."""
    record, personal = item
    body = orjson.dumps({"decision": record["decision"], "recorded": record["time"]})
    if personal is not None:
        news.answers[personal["key"]] = personal["request"], body
        news.owners[personal["key"]] = personal["customer"]
    return body


def _kind(error: NbaGymError) -> str:
    """What is in trouble, in a word that gives nothing away."""
    if isinstance(error, LogError):
        return "log"
    return "store" if isinstance(error, StoreError) else "policy"


def _first_of_each(calls: list[Call]) -> tuple[list[Call], list[Call]]:
    """The first call of every customer and key, and the others."""
    seen: set[tuple[str, str]] = set()
    first: list[Call] = []
    others: list[Call] = []
    for call in calls:
        marks = {("key", call.key or "")} if call.key else set[tuple[str, str]]()
        if isinstance(call.asked, Question):
            marks.add(("customer", call.asked.customer))
        (others if marks & seen else first).append(call)
        seen |= marks
    return first, others
