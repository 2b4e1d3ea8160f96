"""What a service remembers of its customers: an index of the log, in SQLite or PostgreSQL.

The decision log is what counts. A store is brought up to date a moment after the log, in one
transaction that says how far it has come; after a crash the rest is read from the log again.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from nba_gym.errors import MissingExtraError, StoreError


@dataclass
class Changes:
    """What a stretch of the log changes in a store.

    Attributes:
        seq: Last record of the stretch.
        states: Folded history by customer.
        answers: ``(request, body)`` by the key of an answered call: the hash of what was asked,
            and the answer.
        decisions: Customer by id of a decision.
        owners: Customer by the key of an answered call, so that erasure finds it.
        at: Time of the stretch, in seconds since 1970.
    """

    seq: int = -1
    states: dict[str, bytes] = field(default_factory=dict[str, bytes])
    answers: dict[str, tuple[str, bytes]] = field(default_factory=dict[str, tuple[str, bytes]])
    decisions: dict[str, str] = field(default_factory=dict[str, str])
    owners: dict[str, str] = field(default_factory=dict[str, str])
    at: int = 0

    def __len__(self) -> int:
        return len(self.states) + len(self.answers) + len(self.decisions)


class Store(Protocol):
    """Where customers are remembered."""

    def applied(self) -> int:
        """Number of the last record that is in the store, -1 if none is."""
        ...

    def state(self, customer: str) -> bytes | None:
        """Folded history of a customer."""
        ...

    def answer(self, key: str) -> tuple[str, bytes] | None:
        """What was asked and answered under a key."""
        ...

    def decided(self, decision: str) -> str | None:
        """The customer that a decision was about."""
        ...

    def apply(self, changes: Changes) -> None:
        """Bring the store up to date, wholly or not at all."""
        ...

    def erase(self, customer: str) -> None:
        """Forget a customer."""
        ...

    def forget_answers(self, before: int) -> None:
        """Forget the keys of calls answered before a time, in seconds since 1970."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS customers (customer TEXT PRIMARY KEY, state {blob} NOT NULL);
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, customer TEXT NOT NULL, request TEXT NOT NULL, body {blob} NOT NULL,
    at BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS decisions (id TEXT PRIMARY KEY, customer TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS answers_customer ON answers (customer);
CREATE INDEX IF NOT EXISTS answers_at ON answers (at);
CREATE INDEX IF NOT EXISTS decisions_customer ON decisions (customer);
"""
_META = "SELECT value FROM meta WHERE name = ?"
_SET_META = (
    "INSERT INTO meta (name, value) VALUES (?, ?) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_SET_STATE = (
    "INSERT INTO customers (customer, state) VALUES (?, ?) "
    "ON CONFLICT (customer) DO UPDATE SET state = excluded.state"
)
_ADD_ANSWER = (
    "INSERT INTO answers (key, customer, request, body, at) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (key) DO NOTHING"
)
_ADD_DECISION = "INSERT INTO decisions (id, customer) VALUES (?, ?) ON CONFLICT (id) DO NOTHING"
_ONE_WRITER = 7_262_110
"""Number of the lock in PostgreSQL that one service holds as long as it is connected."""
_PATIENCE_S = 2.0


class SqlStore:
    """The store on a database of either kind; they differ in a few words only.

    It reads and writes on connections of its own, so that a decision does not wait while the store
    is brought up to date. A connection that fails is given up and made again at the next call.

    Args:
        connect: Makes a connection that commits by itself but for transactions begun by hand; told
            whether it is the one that writes.
        place: What stands for a value in a statement.
        error: What the database's library raises.
        belongs: What the histories are of, e.g. the hash of the scenario; None for any.
        after_erasure: A statement that leaves nothing of what was erased anywhere else.

    Raises:
        StoreError: If it cannot be reached, or is another world's.
    """

    def __init__(
        self,
        connect: Callable[[bool], Any],
        place: str,
        error: type[Exception],
        belongs: str | None,
        after_erasure: str = "",
    ) -> None:
        self._connect = connect
        self._after_erasure = after_erasure
        self._place = place
        self._error = error
        self._connections: dict[bool, Any] = {}
        self._locks = {True: threading.Lock(), False: threading.Lock()}
        with self._using(writes=True) as connection:
            before = self._run(connection, _META, ("belongs",)).fetchone()
            if before is None and belongs is not None:
                self._run(connection, _SET_META, ("belongs", belongs))
        if before is not None and belongs is not None and before[0] != belongs:
            self.close()
            raise StoreError(
                "store must be of the scenario that the policy is for, got one of another; name "
                "another folder or URL"
            )

    def applied(self) -> int:
        """Number of the last record that is in the store, -1 if none is."""
        row = self._one(_META, "applied")
        return -1 if row is None else int(row[0])

    def state(self, customer: str) -> bytes | None:
        """Folded history of a customer."""
        row = self._one("SELECT state FROM customers WHERE customer = ?", customer)
        return None if row is None else bytes(row[0])

    def answer(self, key: str) -> tuple[str, bytes] | None:
        """What was asked and answered under a key."""
        row = self._one("SELECT request, body FROM answers WHERE key = ?", key)
        return None if row is None else (str(row[0]), bytes(row[1]))

    def decided(self, decision: str) -> str | None:
        """The customer that a decision was about."""
        row = self._one("SELECT customer FROM decisions WHERE id = ?", decision)
        return None if row is None else str(row[0])

    def apply(self, changes: Changes) -> None:
        """Bring the store up to date, wholly or not at all."""
        answers = [
            (key, changes.owners[key], request, body, changes.at)
            for key, (request, body) in changes.answers.items()
        ]
        with self._using(writes=True) as connection:
            self._run(connection, "BEGIN")
            self._many(connection, _SET_STATE, list(changes.states.items()))
            self._many(connection, _ADD_ANSWER, answers)
            self._many(connection, _ADD_DECISION, list(changes.decisions.items()))
            self._run(connection, _SET_META, ("applied", str(changes.seq)))
            self._run(connection, "COMMIT")

    def erase(self, customer: str) -> None:
        """Forget a customer."""
        with self._using(writes=True) as connection:
            for table in ("customers", "answers", "decisions"):
                self._run(connection, f"DELETE FROM {table} WHERE customer = ?", (customer,))
            if self._after_erasure:
                self._run(connection, self._after_erasure).fetchall()

    def forget_answers(self, before: int) -> None:
        """Forget the keys of calls answered before a time, in seconds since 1970."""
        with self._using(writes=True) as connection:
            self._run(connection, "DELETE FROM answers WHERE at < ?", (before,))

    def close(self) -> None:
        """Let go."""
        for writes in (True, False):
            with self._locks[writes]:
                self._give_up(writes)

    @contextmanager
    def _using(self, *, writes: bool) -> Generator[Any, None, None]:
        with self._locks[writes]:
            try:
                if writes not in self._connections:
                    self._connections[writes] = self._connect(writes)
                yield self._connections[writes]
            except self._error as error:
                self._give_up(writes)
                said = str(error).strip().partition("\n")[0]
                raise StoreError(f"store must be a database that answers, got: {said}") from None

    def _give_up(self, writes: bool) -> None:
        connection = self._connections.pop(writes, None)
        if connection is not None:
            with suppress(self._error):
                connection.close()  # what was begun and not committed is undone

    def _run(self, connection: Any, statement: str, values: tuple[Any, ...] = ()) -> Any:
        return connection.execute(statement.replace("?", self._place), values)

    def _many(self, connection: Any, statement: str, rows: list[tuple[Any, ...]]) -> None:
        if rows:
            connection.cursor().executemany(statement.replace("?", self._place), rows)

    def _one(self, statement: str, value: str) -> Any:
        with self._using(writes=False) as connection:
            return self._run(connection, statement, (value,)).fetchone()


def open_sqlite(path: Path, belongs: str | None) -> SqlStore:
    """A store in a file.

    Args:
        path: The file; made if it is not there.
        belongs: What its histories are of, e.g. the hash of the scenario; None for any.

    Raises:
        StoreError: If it cannot be opened or belongs to something else.
    """

    def connect(writes: bool) -> sqlite3.Connection:
        # made by us, so that it and the files beside it were never anybody else's to read
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        if writes:
            # the log is what survives: here it is enough that some earlier moment stays whole
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = ON")  # what is erased is overwritten
            connection.executescript(_TABLES.format(blob="BLOB"))
        return connection

    emptied = "PRAGMA wal_checkpoint(TRUNCATE)"
    store = SqlStore(connect, "?", sqlite3.Error, belongs, emptied)
    path.chmod(0o600)
    return store


def open_postgres(url: str, belongs: str | None) -> SqlStore:
    """A store in PostgreSQL.

    Args:
        url: Where, as ``postgresql://user:password@host/database``.
        belongs: What its histories are of; None for any.

    Raises:
        MissingExtraError: If psycopg is not installed.
        StoreError: If it cannot be opened, another service uses it, or it belongs to another world.
    """
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtraError("a store in PostgreSQL", "postgres") from error

    def connect(writes: bool) -> Any:
        # a server that does not answer must not hold up decisions for longer than this
        patience: dict[str, Any] = {"tcp_user_timeout": 5_000, "keepalives_idle": 5}
        patience |= {"connect_timeout": 10}
        if not writes:
            patience["options"] = "-c statement_timeout=5000"
        connection = psycopg.connect(url, autocommit=True, **patience)
        if writes:
            _lock(connection)
            for statement in _TABLES.format(blob="BYTEA").split(";"):
                if statement.strip():
                    connection.execute(statement.encode())
        return connection

    return SqlStore(connect, "%s", psycopg.Error, belongs)


def _lock(connection: Any) -> None:
    """Be the one service that uses a database, as long as this connection lasts."""
    until = time.monotonic() + _PATIENCE_S
    while connection.execute("SELECT pg_try_advisory_lock(%s)", (_ONE_WRITER,)).fetchone() != (
        True,
    ):
        # the server may not have noticed yet that a service before this one has gone
        if time.monotonic() > until:
            connection.close()
            raise StoreError("store must be used by one service, another one is connected")
        time.sleep(0.1)


def open_store(where: str | Path, belongs: str | None) -> Store:
    """A store by its URL or file; see :func:`open_sqlite` and :func:`open_postgres`."""
    if isinstance(where, str) and where.startswith(("postgres://", "postgresql://")):
        return open_postgres(where, belongs)
    return open_sqlite(Path(where), belongs)
