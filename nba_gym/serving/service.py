"""The decision service without its network: log, store, desk and policies, put together."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from nba_gym.errors import RequestError, ServiceError
from nba_gym.scenario.load import scenario_hash
from nba_gym.scenario.schema import Scenario
from nba_gym.serving.decider import Decider
from nba_gym.serving.decision_log import DecisionLog, opening, sync_folder
from nba_gym.serving.desk import Call, Desk, Erase, Result
from nba_gym.serving.lineup import Lineup, Scorer
from nba_gym.serving.loading import Swapper
from nba_gym.serving.memory import Memory
from nba_gym.serving.metrics import Metrics, tell
from nba_gym.serving.recovery import bring_up_to_date
from nba_gym.serving.requests import Outcome, Question, Reader
from nba_gym.serving.store import open_store


@dataclass(frozen=True)
class Setup:
    """How a service decides and remembers.

    Attributes:
        data: Folder of the decision log, and of the store unless that is elsewhere.
        store: URL of a store in PostgreSQL, or empty for SQLite beside the log.
        stateless: Callers keep the histories.
        policies: Folder from which policies may be swapped in, or None.
        longest_queue: Requests that may wait.
        longest_wait: Seconds after which one that waits in a standing queue is turned away.
        seed: Seed of exploration; drawn by the system by default.
    """

    data: Path
    store: str = ""
    stateless: bool = False
    policies: Path | None = None
    longest_queue: int = 48
    longest_wait: float = 0.03
    seed: int | None = None

    def __post_init__(self) -> None:
        """Check what the command line cannot.

        Raises:
            ServiceError: Naming what is out of range.
        """
        if self.seed is not None and self.seed < 0:
            raise ServiceError(f"seed must be at least 0, got {self.seed}")


class Service:
    """A decision service, ready to be asked.

    Args:
        scenario: The world that is served.
        lineup: Who decides.
        setup: How it decides and remembers.
        load: Loads and verifies a policy folder.

    Raises:
        LogError: If the log is another process's, or does not hold together.
        StoreError: If the store cannot be used.
    """

    def __init__(
        self,
        scenario: Scenario,
        lineup: Lineup,
        setup: Setup,
        load: Callable[[Path], tuple[Scorer, Scenario]],
    ) -> None:
        self.scenario = scenario
        self.reader = Reader(scenario)
        self.version = metadata.version("nba_gym")
        self.stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.log = DecisionLog(setup.data)
        try:
            where = setup.store or setup.data / "store.sqlite"
            store = open_store(where, scenario_hash(scenario))
        except BaseException:
            self.log.close()
            raise
        decider = Decider(scenario, np.random.default_rng(setup.seed), read_secret(setup.data))
        self.memory = Memory(store)
        self.desk = Desk(
            decider,
            self.log,
            self.memory,
            lineup,
            self._reply,
            stateless=setup.stateless,
            longest_queue=setup.longest_queue,
            longest_wait=setup.longest_wait,
        )
        caught_up = bring_up_to_date(store, self.log.folder, self.desk)
        self.log.append([opening(_describe(scenario, lineup, setup))])
        self.metrics = Metrics(self.desk)
        self.swapper = Swapper(
            setup.policies, scenario, load, lambda: self.desk.lineup, self._change_lineup
        )
        self.warm_up()
        self.desk.start()
        tell("started", records=self.log.next_seq, caught_up=caught_up, **_policies(lineup))

    def warm_up(self) -> None:
        """Compile and load everything that the first customer would wait for."""
        for body in (
            b'{"customer":"x","consent":{}}',
            b'{"customer":"x","consent":{},"events":[{}]}',
        ):
            question = self.reader.question(body, None)
            made = self.desk.decider.decide([question], [None], self.desk.lineup, 0.0)[0]
            if isinstance(made, RequestError):
                raise ServiceError(f"the policy must decide for a new customer, got: {made}")

    def serve_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer on this loop from now on."""
        self._loop = loop

    async def ask(self, asked: Question | Outcome | Erase) -> bytes:
        """Ask the desk, and wait for the answer; it is on record when this returns.

        Raises:
            RequestError: If there is none.
        """
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.desk.ask(Call(asked, future))
        return await future

    @property
    def ready(self) -> bool:
        """Whether it takes requests and can record them."""
        return not self.stopping and not self.desk.trouble

    def stop(self) -> None:
        """Take no more than what is on its way."""
        self.stopping = True
        tell("stopping")

    def close(self) -> None:
        """Answer what waits, bring the store up to date and let go of everything."""
        self.desk.close()
        self.memory.close()
        self.log.close()
        tell("stopped", records=self.log.next_seq, head=self.log.head)

    def _change_lineup(self, lineup: Lineup) -> None:
        self.desk.lineup = lineup
        tell("swapped", **_policies(lineup))

    def _reply(self, results: list[tuple[Call, Result]]) -> None:
        """On the clerk's thread: wake up whoever waits for these answers."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(_deliver, results, self.metrics)


def _deliver(results: list[tuple[Call, Result]], metrics: Metrics) -> None:
    metrics.batch.observe(len(results))
    for call, result in results:
        future: asyncio.Future[bytes] = call.handle
        if future.done():  # whoever asked has gone
            continue
        if isinstance(result, RequestError):
            future.set_exception(RequestError(str(result), result.status))
        else:
            future.set_result(result)


def read_secret(folder: Path) -> bytes:
    """The secret that histories are sealed with; made at the first call.

    Raises:
        ServiceError: If the file holds another number of bytes.
    """
    path = folder / "secret"
    if not path.exists():
        draft = folder / ".secret.draft"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(folder)
    secret = path.read_bytes()
    if len(secret) != 32:
        raise ServiceError(f"secret must be 32 bytes, got {len(secret)} ({path})")
    return secret


def _policies(lineup: Lineup) -> dict[str, Any]:
    challenger = lineup.challenger
    return {
        "champion": lineup.champion.digest,
        "challenger": challenger.digest if challenger else None,
        "share": lineup.share,
        "epsilon": lineup.epsilon,
    }


def _describe(scenario: Scenario, lineup: Lineup, setup: Setup) -> dict[str, Any]:
    return {
        "version": metadata.version("nba_gym"),
        "scenario": scenario.name,
        "scenario_hash": scenario_hash(scenario),
        "actions": [action.name for action in scenario.actions],
        "stateless": setup.stateless,
        **_policies(lineup),
    }
