"""Open-loop load on a service: requests at a constant rate, timed from when they were meant to go.

``python -m tests.serving.load`` measures the decision service: a rate it must hold, its capacity,
and three times that. What waits in this program because all connections are busy counts as waiting.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import shutil
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from nba_gym.scenario.load import load_scenario
from nba_gym.serving.bundle import read_folder
from nba_gym.serving.chain import verify
from tests.serving.policies import write_policy
from tests.serving.processes import Server

YES = {"email": True, "push": True, "sms": True, "mail": True}
LONGEST = 5.0
"""Seconds after which a request counts as timed out."""


@dataclass
class Measured:
    """What came of a stretch of load.

    Attributes:
        offered: Requests a second.
        statuses: Answers by status; 0 is a broken connection, 1 no answer in time.
        accepted_ms: Milliseconds from the intended moment to the answer, of answers of 200.
        seconds: How long it lasted.
        ids: Decisions acknowledged.
    """

    offered: float
    statuses: Counter[int] = field(default_factory=Counter[int])
    accepted_ms: list[float] = field(default_factory=list[float])
    seconds: float = 0.0
    ids: list[str] = field(default_factory=list[str])

    def quantile(self, share: float) -> float:
        return float(np.quantile(self.accepted_ms, share)) if self.accepted_ms else float("nan")

    def line(self) -> str:
        done = self.statuses[200] / max(self.seconds, 1e-9)
        told = ", ".join(f"{status}: {n}" for status, n in sorted(self.statuses.items()))
        return (
            f"offered {self.offered:,.0f}/s, accepted {done:,.0f}/s, "
            f"p50 {self.quantile(0.5):.2f} ms, p99 {self.quantile(0.99):.2f} ms, "
            f"p99.9 {self.quantile(0.999):.2f} ms ({told})"
        )


class _Connection(asyncio.Protocol):
    """One connection with one request on its way at a time."""

    def __init__(self, load: _Load) -> None:
        self.load = load
        self.due = 0.0
        self.busy = False
        self.buffer = b""
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.load.free_up(self)

    def send(self, due: float, request: bytes) -> None:
        self.due, self.busy = due, True
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        at = head.index(b"content-length:") + 15
        stop = head.find(b"\r\n", at)
        size = int(head[at : stop if stop > 0 else end])
        if len(self.buffer) < end + 4 + size:
            return
        body, self.buffer, self.busy = self.buffer[end + 4 :], b"", False
        self.load.answered(int(head[9:12]), self.due, body)
        if b"connection: close" in head:
            self.transport.close()
        else:
            self.load.free_up(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.load.lost(self)


class _Load:
    """The load of one stretch.

    Connections take turns, the one that has rested longest first: a service may close what has
    said nothing for a while.

    Args:
        requests: What is sent, one after the other and then from the start again.
        keep_ids: Note the decisions acknowledged.
    """

    def __init__(self, measured: Measured, requests: Sequence[bytes], keep_ids: bool) -> None:
        self.measured, self.requests, self.keep_ids = measured, requests, keep_ids
        self.free: deque[_Connection] = deque()
        self.waiting: deque[tuple[float, bytes]] = deque()
        self.open = 0
        self.stopping = False

    def free_up(self, connection: _Connection) -> None:
        if self.waiting:
            connection.send(*self.waiting.popleft())
        else:
            self.free.append(connection)

    def answered(self, status: int, due: float, body: bytes) -> None:
        took = time.perf_counter() - due
        self.measured.statuses[status if took < LONGEST else 1] += 1
        if status == 200:
            self.measured.accepted_ms.append(1000.0 * took)
            if self.keep_ids:
                self.measured.ids.append(json.loads(body)["decision"])

    def lost(self, connection: _Connection) -> None:
        self.open -= 1
        if connection in self.free:
            self.free.remove(connection)
        if connection.busy:
            self.measured.statuses[0] += 1

    def offer(self, due: float, number: int) -> None:
        request = self.requests[number % len(self.requests)]
        if self.free:
            self.free.popleft().send(due, request)
        else:
            self.waiting.append((due, request))


def decide_request(number: int, customers: int = 20_000, authorization: str = "") -> bytes:
    """A request of a usual size: a customer with one period of events."""
    events = [{"action": 1, "sent": 1, "responded": number % 2, "signal.shoes": 1}]
    sent = {"customer": f"customer-{number % customers}", "consent": YES, "events": events}
    body = json.dumps(sent).encode()
    head = "POST /v1/decide HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += f"Authorization: {authorization}\r\n" if authorization else ""
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _run(port: int, load: _Load, rate: float, seconds: float, connections: int) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(load), "127.0.0.1", port)
        load.open += 1
    begun, number = time.perf_counter(), 0
    total = int(rate * seconds)
    while number < total and load.open:
        due = int((time.perf_counter() - begun) * rate)
        for number_ in range(number, min(due + 1, total)):
            load.offer(begun + number_ / rate, number_)
        number = max(number, min(due + 1, total))
        await asyncio.sleep(0.0003)
    load.measured.seconds = time.perf_counter() - begun
    until = time.perf_counter() + LONGEST
    while load.measured.statuses.total() < number and time.perf_counter() < until:
        if not load.open:
            break
        await asyncio.sleep(0.01)
    load.measured.statuses[1] += max(0, number - load.measured.statuses.total())
    for connection in load.free:
        connection.transport.close()


@contextmanager
def _undisturbed() -> Generator[None]:
    """No search for garbage meanwhile: its pauses would be this program's, not the service's."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _written(request: Callable[[int], bytes], most: int) -> list[bytes]:
    """Requests written out beforehand, so that the stretch itself only sends them."""
    return [request(number) for number in range(min(most, 100_000))]


def offer(
    port: int,
    rate: float,
    seconds: float,
    *,
    connections: int = 64,
    keep_ids: bool = False,
    request: Callable[[int], bytes] = decide_request,
) -> Measured:
    """Offer requests at a constant rate.

    Args:
        port: Where.
        rate: Requests a second.
        seconds: For how long.
        connections: Connections they share.
        keep_ids: Note the decisions acknowledged.
        request: Makes the bytes of the n-th request, the same again after 100,000.
    """
    measured = Measured(rate)
    load = _Load(measured, _written(request, max(1, int(rate * seconds))), keep_ids)
    with _undisturbed():
        uvloop.run(_run(port, load, rate, seconds, connections))
    return measured


def capacity(
    port: int, seconds: float, request: Callable[[int], bytes] = decide_request, n: int = 48
) -> float:
    """Answers a second when a few connections never pause: each asks again at once."""
    measured = Measured(0.0)
    written = _written(request, 20_000)
    begun = time.perf_counter()

    async def run() -> None:
        loop = asyncio.get_running_loop()

        class Closed(_Load):
            def free_up(self, connection: _Connection) -> None:
                if time.perf_counter() - begun < seconds:
                    number = measured.statuses.total() % len(written)
                    connection.send(time.perf_counter(), written[number])
                else:
                    connection.transport.close()

        load = Closed(measured, written, False)
        for _ in range(n):
            await loop.create_connection(lambda: _Connection(load), "127.0.0.1", port)
        await asyncio.sleep(seconds + 0.2)

    with _undisturbed():
        uvloop.run(run())
    return measured.statuses[200] / seconds


def post(path: str, body: Any) -> bytes:
    """The bytes of one request."""
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def beside(policy: Path, folder: Path, own: int, rate: float, seconds: float) -> dict[str, str]:
    """Other servers on the same model in the same run: one row of features a request.

    Args:
        policy: Policy folder.
        folder: Where they may write.
        own: Port of our service, which answers the same request under ``/v2``.
        rate: Requests a second that each is offered.
        seconds: For how long.
    """
    from tests.serving.test_others import SERVERS, free_port, served

    golden = read_folder(policy).golden
    rows = {"observations": golden.observations[:1], "masks": golden.masks[:1]}
    kinds = {"observations": "FP32", "masks": "INT8"}
    tensors = [
        {"name": n, "shape": list(x.shape), "datatype": kinds[n], "data": x.ravel().tolist()}
        for n, x in rows.items()
    ]
    found: dict[str, str] = {}

    def measure(name: str, port: int, sent: bytes) -> None:
        offer(port, rate / 4, 2.0, request=lambda _: sent)
        steady = offer(port, rate, seconds, request=lambda _: sent)
        most = capacity(port, seconds, lambda _: sent, 16)
        found[name] = f"{most:,.0f} answers/s at most; {steady.line()}"
        print(f"{name}: {found[name]}")

    measure("our /v2, no record", own, post("/v2/models/retail/infer", {"inputs": tensors}))
    if not (SERVERS / "mlserver").exists():
        print("MLServer and mlflow are not installed: make serve-others does it")
        return found
    copy, port = Path(shutil.copytree(policy, folder / "others" / "policy")), free_port()
    ports = {f"MLSERVER_{kind}_PORT": str(free_port()) for kind in ("GRPC", "METRICS")}
    settings = {"MLSERVER_HTTP_PORT": str(port), "MLSERVER_PARALLEL_WORKERS": "0"} | ports
    here = f"http://127.0.0.1:{port}/v2/models/policy"
    with served([f"{SERVERS}/mlserver", "start", "."], f"{here}/ready", copy, **settings):
        measure("MLServer", port, post("/v2/models/policy/infer", {"inputs": tensors}))
    port = free_port()
    command = [f"{SERVERS}/mlflow", "models", "serve", "-m", ".", "--env-manager", "local"]
    command += ["-p", str(port), "-w", "1"]
    tracking = f"file:{copy.parent}/runs"
    with served(command, f"http://127.0.0.1:{port}/ping", copy, MLFLOW_TRACKING_URI=tracking):
        inputs = {name: row.tolist() for name, row in rows.items()}
        measure("mlflow models serve", port, post("/invocations", {"inputs": inputs}))
    return found


def main() -> None:
    """Measure, print, and say with the exit status whether the limits were kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", type=Path, default=None)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--out", type=Path, default=Path("runs/serve-bench.json"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        policy = arguments.policy or write_policy(load_scenario("retail"), Path(folder) / "policy")
        with Server(policy, Path(folder) / "data") as server:
            offer(server.port, arguments.rate / 2, 2.0)
            steady = offer(server.port, arguments.rate, arguments.seconds)
            print(f"steady:   {steady.line()}")
            most = capacity(server.port, arguments.seconds / 3)
            print(f"capacity: {most:,.0f} decisions/s")
            overload = offer(server.port, 3.0 * most, arguments.seconds / 3, connections=256)
            print(f"overload: {overload.line()}")
            print(f"memory:   {server.memory_mib():.0f} MiB")
            others = beside(policy, Path(folder), server.port, 100.0, arguments.seconds / 3)
            server.stop()
            print(f"log:      {verify(Path(folder) / 'data').records:,} records hold together")
    kept = {
        "steady p50 <= 3 ms": steady.quantile(0.5) <= 3.0,
        "steady p99 <= 15 ms": steady.quantile(0.99) <= 15.0,
        "steady all accepted": set(+steady.statuses) == {200},
        "overload only 200, 429, 503": set(+overload.statuses) <= {200, 429, 503},
        "overload accepted p99 <= 50 ms": overload.quantile(0.99) <= 50.0,
    }
    for rule, holds in kept.items():
        print(f"  {'ok  ' if holds else 'MISS'} {rule}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = {
        "steady": steady.line(),
        "capacity": most,
        "overload": overload.line(),
        "kept": kept,
    }
    told["others"] = others
    arguments.out.write_text(json.dumps(told, indent=2) + "\n")
    sys.exit(0 if all(kept.values()) else 1)


if __name__ == "__main__":
    main()
