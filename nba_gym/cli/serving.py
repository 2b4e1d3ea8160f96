"""Commands of the decision service: serve, make keys, look after the decision log."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from nba_gym.cli.common import Json, Name, answer
from nba_gym.errors import ServiceError

Folder = Annotated[Path, tyro.conf.Positional]


@dataclass(frozen=True)
class Serve:
    """Decide for real customers over HTTP, every decision on record before it is answered.

    Try: nba-gym serve runs/first-comparison/policy, and open http://127.0.0.1:8080/
    """

    policy: Folder
    """policy folder of the champion"""
    data: Path = Path("decisions")
    """folder of the decision log, and of the store unless that is in PostgreSQL"""
    store: str = ""
    """instead of SQLite: postgresql://user@host/database"""
    stateless: bool = False
    """callers keep the histories: each answer holds one for the next request"""
    host: str = "127.0.0.1"
    """address to listen on; beyond the loopback keys are needed"""
    port: int = 8080
    """port; 0 lets the system choose"""
    keys: Path | None = None
    """file of keys that nba-gym key wrote"""
    hosts: tuple[str, ...] = ()
    """what the header Host may say; host and port by default"""
    challenger: Path | None = None
    """policy folder of a challenger"""
    share: float = 0.0
    """share of the customers that the challenger decides for"""
    epsilon: float = 0.0
    """probability of drawing an allowed action instead, to learn from"""
    salt: str = ""
    """with another salt the challenger gets other customers"""
    policies: Path | None = None
    """folder from which policies may be swapped in"""
    rate: float = 0.0
    """requests a second with each key; 0 for no limit"""
    burst: float = 100.0
    """requests at once with each key"""
    queue: int = 48
    """requests that may be under way; more decisions are turned away"""
    wait_ms: float = 30.0
    """milliseconds after which a request that waits in a standing queue is turned away"""
    connections: int = 512
    """most connections at a time"""
    receive_s: float = 10.0
    """seconds within which a request must have arrived"""
    inference: bool = True
    """let the bare model be asked under /v2"""
    verify: bool = False
    """check the whole decision log first, as nba-gym decisions verify does; reads all of it"""
    seed: int | None = None
    """seed of exploration; drawn by the system by default"""

    def run(self) -> None:
        """Serve until told to stop."""
        from nba_gym.serving.chain import verify as check_log
        from nba_gym.serving.keys import read_keys
        from nba_gym.serving.server import Serving, make_service, serve
        from nba_gym.serving.service import Setup
        from nba_gym.serving.wire import Limits

        serving = Serving(
            host=self.host,
            port=self.port,
            keys=tuple(read_keys(self.keys)) if self.keys else (),
            hosts=self.hosts,
            rate=self.rate,
            burst=self.burst,
            limits=Limits(
                connections=self.connections, requests=self.queue, receive_s=self.receive_s
            ),
            inference=self.inference,
        )
        setup = Setup(
            data=self.data,
            store=self.store,
            stateless=self.stateless,
            policies=self.policies,
            longest_queue=self.queue,
            longest_wait=self.wait_ms / 1000.0,
            seed=self.seed,
        )
        with serving.bind() as taken:
            if self.verify and self.data.is_dir():
                check_log(self.data)
            service = make_service(
                self.policy,
                setup,
                challenger=self.challenger,
                share=self.share,
                epsilon=self.epsilon,
                salt=self.salt,
            )
            where = f"http://{self.host}"
            serve(service, serving, taken, lambda port: print(f"{where}:{port}/", flush=True))


@dataclass(frozen=True)
class MakeKey:
    """Make a key for the decision service; its file holds only a hash, so it is shown once.

    Try: nba-gym key keys.json shop
    """

    file: Folder
    """file of keys, made if it is not there"""
    name: Name
    """whose it is, for logs and metrics"""
    role: Literal["client", "admin"] = "client"
    """client decides and reports, admin swaps policies and erases customers"""
    json: Json = False

    def run(self) -> None:
        """Print the key."""
        from nba_gym.serving.keys import new_key, read_keys, write_keys

        keys = read_keys(self.file) if self.file.exists() else []
        if self.name in [key.name for key in keys]:
            raise ServiceError(f"name must be a new one, got {self.name!r} ({self.file})")
        text, key = new_key(self.name, self.role)
        write_keys(self.file, [*keys, key])
        result = {"key": text, "name": self.name, "role": self.role, "file": str(self.file)}
        answer("key", result, as_json=self.json, text=lambda: text)


@dataclass(frozen=True)
class Decisions:
    """Look after a decision log: verify its chain, export it, or erase a customer.

    Try: nba-gym decisions verify decisions
    """

    what: Annotated[Literal["verify", "export", "erase"], tyro.conf.Positional]
    """what to do"""
    data: Folder
    """folder of the log"""
    out: Path = Path("decisions.parquet")
    """export: file to write"""
    head: str | None = None
    """verify: hash of a record noted earlier, which must be in the log"""
    customer: str = ""
    """erase: whom"""
    store: str = ""
    """erase: the store if it is in PostgreSQL"""
    json: Json = False

    def run(self) -> None:
        """Do it, and say in a line what came of it."""
        {"verify": self._verify, "export": self._export, "erase": self._erase}[self.what]()

    def _verify(self) -> None:
        from nba_gym.serving.chain import verify

        found = verify(self.data, head=self.head)
        told = (
            f"{found.records:,} records hold together: {found.decisions:,} decisions, "
            f"{found.outcomes:,} outcomes, {found.erased:,} erased; head {found.head}"
        )
        self._answer(asdict(found), told)

    def _export(self) -> None:
        from nba_gym.serving.exporting import export_log

        n = export_log(self.data, self.out)
        result = {"wrote": [str(self.out)], "decisions": n}
        self._answer(result, f"wrote {n:,} decisions to {self.out}")

    def _erase(self) -> None:
        from nba_gym.serving.decision_log import DecisionLog
        from nba_gym.serving.erasure import erase_customer
        from nba_gym.serving.recovery import erase_from_store

        if not self.customer:
            raise ServiceError("customer must be named with --customer, got none")
        kept = self.store or self.data / "store.sqlite"
        if not self.store and not Path(kept).is_file():
            raise ServiceError(
                f"store must be named with --store where it is not {kept}, or histories and "
                "answers would stay there; got none"
            )
        with DecisionLog(self.data) as log:
            at = datetime.now(UTC).isoformat(timespec="microseconds")
            erased = erase_customer(log, self.customer, at)
            erase_from_store(kept, self.customer)
        self._answer({"erased": erased}, f"erased {erased:,} records")

    def _answer(self, result: dict[str, Any], told: str) -> None:
        answer("decisions", result, as_json=self.json, text=lambda: told)
