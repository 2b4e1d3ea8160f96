"""Simulate millions of customers part by part, on several threads or on the nodes of a cluster.

What is finished is kept, so whatever stops it, the same call goes on.
"""

from __future__ import annotations

import math
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.compiled import source_digest
from nba_gym.errors import PolicyError, check_least
from nba_gym.evaluation.bulk.live import Batch, StoppedError
from nba_gym.evaluation.bulk.store import Store
from nba_gym.evaluation.bulk.totals import Totals
from nba_gym.evaluation.cluster import Cluster
from nba_gym.files import whole_file
from nba_gym.policies.checks import check_policy, check_world
from nba_gym.policies.protocol import Policy, StochasticPolicy
from nba_gym.records.event_files import EventPart
from nba_gym.records.sums import Sums
from nba_gym.scenario.load import load_scenario, scenario_hash
from nba_gym.scenario.schema import Scenario
from nba_gym.threads import one_blas_thread, processors

SIDE_BY_SIDE = 8_192
"""Customers that a thread simulates side by side; more leave the fast caches."""
OF_TOTALS, OF_EVENTS = 131_072, 32_768
"""Most customers of a part: what is done again at most after a stop, and those of an event file."""
TRIES = 4
"""How often a part is tried whose node is lost."""
PARTS = 16
"""Parts that there are at least, where each is worth a thread's while."""
GLANCE = 0.2
"""Seconds between two looks at how far the threads are."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Bulk:
    """What is simulated, and how.

    Attributes:
        customers: How many customers.
        first: Number of the first.
        seed: Seed of the world.
        periods: Periods of each journey; all of the scenario's by default.
        events: Whether the event log is kept, too.
        part: Customers of a part, which bounds what is in memory at a time; by default as many as
            keep all threads busy.
        side_by_side: Customers that a thread simulates at a time.
        threads: Threads; one a processor by default.
    """

    customers: int
    first: int = 0
    seed: int = 0
    periods: int | None = None
    events: bool = False
    part: int | None = None
    side_by_side: int = SIDE_BY_SIDE
    threads: int | None = None

    def check(self, scenario: Scenario) -> None:
        """Check that all numbers can be used in a world.

        Raises:
            PolicyError: Naming the first that cannot.
        """
        check_least(1, customers=self.customers, side_by_side=self.side_by_side)
        check_least(1, part=self.of_part)
        check_least(0, first=self.first)
        check_world(self.seed, self.threads)
        if self.periods is not None and not 1 <= self.periods <= scenario.horizon:
            raise PolicyError(
                f"periods must be in [1, {scenario.horizon}], the horizon of {scenario.name}, "
                f"got {self.periods}"
            )
        if self.events and scenario.tabular is not None:
            raise PolicyError(
                f"scenario must have event logs, got {scenario.name!r}, a tabular world of states"
            )

    @property
    def of_part(self) -> int:
        """Customers of a part; whole batches by default, whatever the number of threads."""
        if self.part is not None:
            return self.part
        batches = max(1, self.customers // PARTS // SIDE_BY_SIDE)
        return min(OF_EVENTS if self.events else OF_TOTALS, batches * SIDE_BY_SIDE)

    @property
    def n_parts(self) -> int:
        """Number of parts."""
        return -(-self.customers // self.of_part)

    def numbers(self, part: int) -> NDArray[np.uint64]:
        """Numbers of the customers of a part."""
        begin = part * self.of_part
        end = min(self.customers, begin + self.of_part)
        return np.arange(self.first + begin, self.first + end, dtype=np.uint64)


def simulate(
    policy: Policy,
    scenario: str | Path | Scenario,
    bulk: Bulk,
    out: str | Path,
    *,
    about: Mapping[str, Any] | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    cluster: Cluster | None = None,
) -> Totals:
    """Simulate many customers, and go on where an earlier call was stopped.

    What comes out is the same to the bit for any number of threads, customers side by side, stops
    on the way, and on a cluster, as long as the policy draws nothing from the generator it is
    given (one that says probabilities does not).

    Args:
        policy: Chooses the actions; several threads ask it at a time.
        scenario: The world.
        bulk: What is simulated, and how.
        out: Folder for the parts and what they come to.
        about: What identifies the policy, as plain values; its name by default. An earlier run of
            another policy is not gone on with.
        fresh: Begin anew.
        progress: Called with customers done and customers in all; a customer who lived half of the
            periods counts half.
        cluster: Does the parts, a processor each, instead of threads here.

    Returns:
        The totals; they are also in ``out``.

    Raises:
        PolicyError: If a number is out of range, or the policy answers with something else.
        DataError: If the folder holds another simulation, or something else, or the policy cannot
            travel to a cluster.
        LostError: If nodes of the cluster are lost again and again.
    """
    scenario = load_scenario(scenario)
    check_policy("policy", policy)
    bulk.check(scenario)
    periods = bulk.periods or scenario.horizon
    identity = {
        "scenario": {"name": scenario.name, "hash": scenario_hash(scenario)},
        "policy": dict(about or {"name": policy.name}),
        "customers": bulk.customers,
        "first": bulk.first,
        "seed": bulk.seed,
        "periods": periods,
        "part": bulk.of_part,
        "events": bulk.events,
        "source": source_digest()[:16],
    }
    store = Store(Path(out), identity, bulk.n_parts, events=bulk.events, fresh=fresh)
    with one_blas_thread():
        _Run(policy, scenario, bulk, periods, store, progress, cluster).go()
    totals = Totals(scenario, store.total(scenario, periods))
    totals.save(Path(out), identity)
    return totals


class _Run:
    """The threads of one run, and how far they are."""

    def __init__(
        self,
        policy: Policy,
        scenario: Scenario,
        bulk: Bulk,
        periods: int,
        store: Store,
        progress: Progress | None,
        cluster: Cluster | None,
    ) -> None:
        self._policy, self._scenario, self._bulk, self._periods = policy, scenario, bulk, periods
        self._store, self._progress, self._cluster = store, progress, cluster
        self._stop = threading.Event()
        self._desks = threading.local()
        self._lived: dict[int, int] = {}  # customers and periods, by thread
        if cluster is not None:
            self._sent = cluster.put((policy, scenario, bulk, periods))
            self._threads = self._of_kernel = cluster.workers
            return
        threads = bulk.threads or processors()
        # a policy that is shown the simulator can be shown one at a time: share each step instead
        bound = hasattr(policy, "bind")
        self._threads, self._of_kernel = (1, threads) if bound else (threads, 1)

    def go(self) -> None:
        """Do all parts that are not done."""
        missing = [part for part in range(self._bulk.n_parts) if not self._store.is_done(part)]
        done = self._bulk.customers - sum(len(self._bulk.numbers(part)) for part in missing)
        self._tell(done)
        with ThreadPoolExecutor(self._threads) as pool:
            do = self._do if self._cluster is None else self._have_done
            waiting = {pool.submit(do, part) for part in missing}
            try:
                while waiting:
                    finished, waiting = wait(waiting, GLANCE, FIRST_COMPLETED)
                    for future in finished:
                        future.result()
                    self._tell(done + math.floor(sum(self._lived.values()) / self._periods))
            finally:
                self._stop.set()
                pool.shutdown(cancel_futures=True)

    def _tell(self, done: int) -> None:
        if self._progress is not None:
            self._progress(done, self._bulk.customers)

    def _do(self, part: int) -> None:
        """One part, from birth to its files."""
        if self._stop.is_set():
            raise StoppedError
        sums, events = _live(self._desk(), self._scenario, self._bulk, self._periods, part)
        if events is not None:
            files = self._store.files(part)
            events.write(files["births"], files["events"])
        self._store.keep(part, sums)

    def _have_done(self, part: int) -> None:
        """One part by the cluster, from birth to its files."""
        cluster = self._cluster
        if self._stop.is_set() or cluster is None:
            raise StoppedError
        sums, files = cluster.result(cluster.begin(_live_there, self._sent, part, tries=TRIES))
        for name, data in files.items():
            with whole_file(self._store.files(part)[name]) as draft:
                draft.write_bytes(data)
        self._store.keep(part, sums)
        me, lived = threading.get_ident(), len(self._bulk.numbers(part)) * self._periods
        self._lived[me] = self._lived.get(me, 0) + lived

    def _desk(self) -> Batch:
        """What this thread works with."""
        if not hasattr(self._desks, "batch"):
            me = threading.get_ident()
            self._lived[me] = 0

            def lived(customers: int) -> None:
                self._lived[me] += customers

            self._desks.batch = Batch(
                self._policy,
                self._scenario,
                self._bulk.seed,
                self._periods,
                threads=self._of_kernel,
                stop=self._stop,
                lived=lived,
            )
        return self._desks.batch


def _live(
    batch: Batch, scenario: Scenario, bulk: Bulk, periods: int, part: int
) -> tuple[Sums, EventPart | None]:
    """What the customers of a part come to, and what happened to them if that is to be kept."""
    numbers, sums = bulk.numbers(part), Sums.nobody(scenario, periods)
    events = None
    if bulk.events:
        by_lot = isinstance(batch.policy, StochasticPolicy)
        events = EventPart(scenario, len(numbers), periods, by_lot=by_lot)
    for at in range(0, len(numbers), bulk.side_by_side):
        batch.live(numbers[at : at + bulk.side_by_side], sums, events)
    return sums, events


def _live_there(
    sent: tuple[Policy, Scenario, Bulk, int], part: int
) -> tuple[Sums, dict[str, bytes]]:
    """The same on a node of a cluster: totals, and the bytes of the files of events."""
    policy, scenario, bulk, periods = sent
    with one_blas_thread():
        batch = Batch(
            policy,
            scenario,
            bulk.seed,
            periods,
            threads=1,
            stop=threading.Event(),
            lived=lambda _: None,
        )
        sums, events = _live(batch, scenario, bulk, periods, part)
    if events is None:
        return sums, {}
    with tempfile.TemporaryDirectory() as place:
        births, lived = Path(place) / "births", Path(place) / "events"
        events.write(births, lived)
        return sums, {"births": births.read_bytes(), "events": lived.read_bytes()}
