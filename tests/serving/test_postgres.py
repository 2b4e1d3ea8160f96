"""The store in a real PostgreSQL, where one is installed."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from nba_gym.errors import StoreError
from nba_gym.serving.store import Changes, open_store
from tests.serving.services import Bench


def _programs() -> Path | None:
    found = shutil.which("pg_ctl")
    if found:
        return Path(found).parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A database of its own, on a socket in its own folder; no port is opened."""
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL is installed")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    folder = Path("/tmp") / f"nba-gym-postgres-{os.getpid()}"  # a socket's path must be short
    folder.mkdir(mode=0o755)
    as_user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to be run by root
        try:
            user = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL cannot be run by root, and there is no user postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    data = str(folder / "data")
    settings = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"

    def run(*command: str) -> None:
        subprocess.run([*as_user, *command], check=True, capture_output=True, timeout=60, cwd="/")

    run(str(programs / "initdb"), "-D", data, "-A", "trust", "-U", "nba", "--no-sync")
    run(str(programs / "pg_ctl"), "-D", data, "-o", settings, "-w", "-l", f"{folder}/log", "start")
    yield f"postgresql://nba@/postgres?host={folder}"
    run(str(programs / "pg_ctl"), "-D", data, "-m", "immediate", "stop")
    shutil.rmtree(folder)


def test_customers_are_remembered_in_postgresql(url, tmp_path, retail, lineup):
    import psycopg

    bench = Bench(tmp_path, retail, lineup, store=url)
    told = [bench.decide(f"k-{i}", customer=f"c-{i % 5}", events=[{}]) for i in range(20)]
    bench.erase("c-3")
    bench.end()
    bench.options["store"] = url
    bench.begin()
    again = [bench.decide(f"k-{i}", customer=f"c-{i % 5}", events=[{}]) for i in range(20)]
    assert [a for a in again if a["customer"] != "c-3"] == [
        t for t in told if t["customer"] != "c-3"
    ]
    assert bench.decide(customer="c-1")["period"] == 4
    with pytest.raises(StoreError, match="one service"):
        open_store(url, None)
    bench.end()
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT customer FROM customers ORDER BY customer").fetchall()
    assert [row[0] for row in rows] == [f"c-{i}" for i in range(5)]


def test_a_lost_connection_is_made_again(url):
    import psycopg

    store = open_store(url, None)
    store.apply(Changes(7, {"ann": b"history"}, at=1))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
    with pytest.raises(StoreError, match="answers"):
        store.apply(Changes(8, {"ann": b"newer"}, at=1))
    assert store.state("ann") == b"history"
    store.apply(Changes(8, {"ann": b"newer"}, at=1))
    assert (store.state("ann"), store.applied()) == (b"newer", 8)
    store.close()


def test_a_database_that_does_not_answer_is_told_in_a_line():
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with pytest.raises(StoreError, match="answers") as error:
        open_store("postgresql://nba:secret@127.0.0.1:1/none", "x")
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)
