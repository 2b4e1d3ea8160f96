"""What a service remembers of customers and answers: in memory first, then in the store."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Protocol, TypeVar

from nba_gym.errors import StoreError
from nba_gym.serving.store import Changes, Store

MOST_REMEMBERED = 100_000
"""Customers and answers kept in memory beside the store, each."""
MOST_WAITING = 200_000
"""Changes that may wait for a store that does not answer; then no more are taken."""
KEPT_FOR = 24 * 3600
"""Seconds for which the answer to a call with an idempotency key is kept."""
MARK = 8
"""Bytes in front of a folded history: which decision contacts in this period, if any."""
_PAUSE = 0.1
_V = TypeVar("_V")


class Memory:
    """The state of customers, up to date with the log at any moment.

    What was decided is remembered at once and brought to the store a little later, by a thread of
    its own. Only one thread may ask and tell.

    Args:
        store: Where to remember for good.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._states: OrderedDict[str, bytes] = OrderedDict()
        self._answers: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._decisions: OrderedDict[str, str] = OrderedDict()
        self._waiting, self._leaving = Changes(), Changes()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._forgotten_at = 0.0
        self.trouble = ""
        self._thread = threading.Thread(target=self._keep_up, name="store", daemon=True)
        self._thread.start()

    @property
    def full(self) -> bool:
        """Whether so much waits for the store that nothing more may be decided."""
        return len(self._waiting) + len(self._leaving) > MOST_WAITING

    def state(self, customer: str) -> bytes | None:
        """What is remembered of a customer.

        Raises:
            StoreError: If the store does not answer.
        """
        found = self._find("states", self._states, customer)
        return self._store.state(customer) if found is None else found

    def answer(self, key: str) -> tuple[str, bytes] | None:
        """The hash of what was asked under a key, and the answer.

        Raises:
            StoreError: If the store does not answer.
        """
        found = self._find("answers", self._answers, key)
        return self._store.answer(key) if found is None else found

    def decided(self, decision: str) -> str | None:
        """The customer that a decision was about.

        Raises:
            StoreError: If the store does not answer.
        """
        found = self._find("decisions", self._decisions, decision)
        return self._store.decided(decision) if found is None else found

    def tell(self, news: Changes) -> None:
        """Remember what has been recorded."""
        _remember(self._states, news.states.items())
        _remember(self._answers, news.answers.items())
        _remember(self._decisions, news.decisions.items())
        with self._lock:
            _add(self._waiting, news)

    def flush(self) -> None:
        """Wait until the store is up to date, or is in trouble."""
        while (self._waiting or self._leaving) and not self.trouble:
            self._wake.set()
            time.sleep(0.005)

    def erase(self, customer: str) -> None:
        """Forget a customer, here and in the store.

        Raises:
            StoreError: If the store does not answer.
        """
        self.flush()
        if self.trouble:
            raise StoreError(self.trouble)
        self._states.pop(customer, None)
        # answers hold what was said about the customer; whose they are only the store knows
        self._answers.clear()
        self._decisions.clear()
        self._store.erase(customer)

    def close(self) -> None:
        """Bring the store up to date, if it answers, and let it go."""
        self.flush()
        self._closing = True
        self._wake.set()
        self._thread.join()
        self._store.close()

    def _find(self, what: str, held: OrderedDict[str, _V], name: str) -> _V | None:
        found = held.get(name)
        if found is None:
            with self._lock:
                for changes in (self._waiting, self._leaving):
                    found = found or getattr(changes, what).get(name)
        return found

    def _keep_up(self) -> None:
        while not self._closing:
            self._wake.wait(_PAUSE)
            self._wake.clear()
            try:
                self._bring()
                self.trouble = ""
            except StoreError as error:
                self.trouble = str(error)
                time.sleep(_PAUSE)

    def _bring(self) -> None:
        with self._lock:
            if not self._leaving:
                self._leaving, self._waiting = self._waiting, Changes()
        if self._leaving:
            self._store.apply(self._leaving)
            with self._lock:
                self._leaving = Changes()
        now = time.time()
        if now - self._forgotten_at > KEPT_FOR / 24:
            self._store.forget_answers(int(now) - KEPT_FOR)
            self._forgotten_at = now


class Remembers(Protocol):
    """A store, or the memory in front of it."""

    def state(self, customer: str) -> bytes | None:
        """What is remembered of a customer."""
        ...


def take_back(news: Changes, customer: str, decision: str, before: Remembers) -> None:
    """Let a customer be contacted again in this period: what was decided has not been done.

    Args:
        news: What has changed so far; changed.
        customer: Whom the decision was about.
        decision: Its id; if a later one decided a contact, that one still counts.
        before: What is remembered besides.
    """
    state = news.states.get(customer) or before.state(customer)
    if state is not None and state[:MARK] == mark_of(decision):
        news.states[customer] = bytes(MARK) + state[MARK:]


def mark_of(decision: str) -> bytes:
    """The mark that a decision to contact leaves on a customer's state until the period is over."""
    return bytes.fromhex(decision[-2 * MARK :])


def _add(changes: Changes, news: Changes) -> None:
    changes.seq, changes.at = news.seq, news.at
    changes.states.update(news.states)
    changes.answers.update(news.answers)
    changes.owners.update(news.owners)
    changes.decisions.update(news.decisions)


def _remember(held: OrderedDict[str, _V], news: Iterable[tuple[str, _V]]) -> None:
    for name, value in news:
        held[name] = value
        held.move_to_end(name)
    while len(held) > MOST_REMEMBERED:
        held.popitem(last=False)
