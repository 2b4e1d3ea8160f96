"""A service without network that tests ask directly."""

import json
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np

from nba_gym.errors import RequestError
from nba_gym.scenario.load import scenario_hash
from nba_gym.scenario.schema import Scenario
from nba_gym.serving.decider import Decider
from nba_gym.serving.decision_log import DecisionLog, opening
from nba_gym.serving.desk import Call, Desk, Erase
from nba_gym.serving.lineup import Lineup
from nba_gym.serving.memory import Memory
from nba_gym.serving.records import moment
from nba_gym.serving.recovery import bring_up_to_date
from nba_gym.serving.requests import Question, Reader, read_outcome
from nba_gym.serving.store import open_store

WAIT = 240.0
"""Seconds for an answer: the first one may wait for kernels to be compiled."""


def question(reader: Reader, key: str | None = None, **fields: Any) -> Question:
    """A checked question about a customer who consents to everything, unless said otherwise."""
    sent = {"customer": "c-1", "consent": dict.fromkeys(reader.outbound, True)} | fields
    return reader.question(json.dumps(sent).encode(), key)


class Bench:
    """Log, store and desk of one service; answers come back in the thread that asks."""

    def __init__(self, folder: Path, scenario: Scenario, lineup: Lineup, **options: Any) -> None:
        self.folder, self.scenario, self.lineup = folder, scenario, lineup
        self.reader = Reader(scenario)
        self.options = options
        self.begin()

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def begin(self) -> None:
        where = self.options.pop("store", self.folder / "store.sqlite")
        self.log = DecisionLog(self.folder, segment_bytes=self.options.pop("segment_bytes", 2**26))
        self.store = open_store(where, scenario_hash(self.scenario))
        self.memory = Memory(self.store)
        decider = Decider(self.scenario, np.random.default_rng(5), b"s" * 32)
        self.desk = Desk(
            decider,
            self.log,
            self.memory,
            self.lineup,
            self._reply,
            longest_wait=WAIT,
            **self.options,
        )
        self.caught_up = bring_up_to_date(self.store, self.folder, self.desk)
        actions = [action.name for action in self.scenario.actions]
        self.log.append([opening({"actions": actions})])
        self.desk.start()

    def end(self) -> None:
        self.desk.close()
        self.memory.close()
        self.log.close()

    def crash(self) -> None:
        """End without bringing the store up to date."""
        self.desk.close()
        self.memory._closing = True
        self.memory._thread.join()
        self.memory._store.close()
        self.log.close()

    def ask_later(self, asked: Any) -> "Future[bytes]":
        future: Future[bytes] = Future()
        self.desk.ask(Call(asked, future))
        return future

    def ask(self, asked: Any) -> dict[str, Any]:
        return json.loads(self.ask_later(asked).result(WAIT))

    def decide(self, key: str | None = None, **fields: Any) -> dict[str, Any]:
        return self.ask(question(self.reader, key, **fields))

    def report(self, decision: str, key: str | None = None, **fields: Any) -> dict[str, Any]:
        return self.ask(read_outcome(json.dumps({"decision": decision} | fields).encode(), key))

    def erase(self, customer: str) -> dict[str, Any]:
        return self.ask(Erase(customer))

    @staticmethod
    def _reply(results: Any) -> None:
        assert threading.current_thread().name == "clerk"
        for call, result in results:
            if isinstance(result, RequestError):
                call.handle.set_exception(result)
            else:
                call.handle.set_result(result)


def now() -> str:
    return moment(0.0)
