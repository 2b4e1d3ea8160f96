"""Hostile requests by the hundred thousand: ``make serve-fuzz``.

Raw bytes, abused headers and bodies, values that are nearly right, and slow clients, all at once on
one service that also answers decent callers. No answer may be of 5xx but 503, no decent caller may
be refused a decision, and memory must stay within bounds.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from nba_gym.scenario.load import load_scenario
from nba_gym.serving.chain import verify
from tests.serving.load import decide_request
from tests.serving.policies import write_policy
from tests.serving.processes import Server

_STATUS = re.compile(rb"HTTP/1\.1 (\d\d\d) ")
_COUNTED = re.compile(rb'nba_requests_total\{.*status="(5\d\d)"\} (\S+)')
_ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    1e308,
    -1e308,
    5e-324,
    2**63,
    10**40,
    "",
    "x" * 5_000,
    "\u0000",
    "\U0001f600",
    "é" * 64,
    [],
    {},
    [[[[[]]]]],
    {"a": {"b": {}}},
]
_TEXTS = [b"NaN", b"Infinity", b"-Infinity", b"1e999", b'"\\ud800"', b"01", b"{", b"\xff", b"'x'"]


class Fuzzer:
    """Makes hostile requests.

    Args:
        generator: Whom they are drawn from.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator

    def request(self) -> bytes:
        """One connection's worth of bytes: mostly a request, sometimes several, sometimes none."""
        kinds = [
            lambda: self.generator.bytes(int(self.generator.integers(1, 600))),
            lambda: self._flipped(decide_request(1)),
            self._with_header,
            lambda: self._cut(decide_request(2)),
            lambda: decide_request(3)[:-10] + b"}" * 10,
            lambda: b"".join(
                self._post(self._body()) for _ in range(int(self.generator.integers(1, 5)))
            ),
            lambda: self._post(self._body()),
        ]
        return self._pick(kinds)()

    def _pick(self, choices: Any) -> Any:
        return choices[int(self.generator.integers(len(choices)))]

    def _flipped(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(int(self.generator.integers(1, 8))):
            changed[int(self.generator.integers(len(changed)))] = int(self.generator.integers(256))
        return bytes(changed)

    def _cut(self, data: bytes) -> bytes:
        return data[: int(self.generator.integers(1, len(data)))]

    def _body(self) -> bytes:
        """A question with something odd in the place of something usual."""
        body: dict[str, Any] = {"customer": "fuzz", "consent": {"email": True}, "events": [{}]}
        field = self._pick(
            [
                "customer",
                "consent",
                "events",
                "asking",
                "channel",
                "birth",
                "period",
                "history",
                "more",
            ]
        )
        body[field] = self._pick(_ODD)
        if self.generator.random() < 0.3:
            body["events"] = [
                {self._pick(["sent", "action", "list_spend", "visit", "x"]): self._pick(_ODD)}
            ]
        text = json.dumps(body).encode()
        if self.generator.random() < 0.3:
            text = text.replace(b"true", self._pick(_TEXTS), 1)
        if self.generator.random() < 0.1:
            text = self._flipped(text)
        return text

    def _post(self, body: bytes) -> bytes:
        path = self._pick(
            [
                b"/v1/decide",
                b"/v1/outcome",
                b"/v2/models/retail/infer",
                b"/v1/%00",
                b"/v2",
                b"/admin/v1/swap",
                b"//",
                b"/v1/decide?x=%ff",
                b"*",
            ]
        )
        method = self._pick([b"POST"] * 6 + [b"GET", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT"])
        head = b"%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" % (
            method,
            path,
        )
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body

    def _with_header(self) -> bytes:
        header = self._pick(
            [
                b"Content-Length: -1",
                b"Content-Length: 99999999999999999999",
                b"Content-Length: 5\r\nContent-Length: 6",
                b"Transfer-Encoding: chunked\r\nContent-Length: 3",
                b"Transfer-Encoding: gzip",
                b"Transfer-Encoding: chunked",
                b"Expect: 100-continue",
                b"Upgrade: websocket\r\nConnection: upgrade",
                b"Connection: close",
                b"Idempotency-Key: " + b"k" * int(self.generator.integers(1, 400)),
                b"Idempotency-Key: \xff\xfe",
                b"Authorization: Bearer " + b"x" * 3_000,
                b"Content-Type: application/x-www-form-urlencoded",
                b"X: " + b"y" * int(self.generator.integers(1, 40_000)),
                b"X: y\r\n" * int(self.generator.integers(1, 200)) + b"Y: z",
                b"Host: evil.example",
                b"X:\x00y",
                b" folded: yes",
            ]
        )
        body = self._body()
        head = b"POST /v1/decide HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        if b"ength" not in header and b"Transfer" not in header:
            head += b"Content-Length: %d\r\n" % len(body)
        return head + header + b"\r\n\r\n" + body


def attack(port: int, n: int, seed: int, found: Counter[int]) -> None:
    """Send hostile requests one after the other, and count what comes back."""
    fuzzer = Fuzzer(np.random.default_rng(seed))
    sent = 0
    while sent < n:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as wire:
            wire.settimeout(0.02)
            for _ in range(20):  # several on one connection, as long as it is held open
                wire.sendall(fuzzer.request())
                sent += 1
                answer = b""
                with suppress(TimeoutError):
                    while part := wire.recv(65_536):
                        answer += part
                        if len(part) < 65_536 and answer.endswith((b"}", b">")):
                            break
                    if not part:
                        found.update(int(status) for status in _STATUS.findall(answer))
                        break
                found.update(int(status) for status in _STATUS.findall(answer))
    found[-1] += sent


def dawdle(port: int, stop: threading.Event, n: int) -> None:
    """Hold connections and send a byte now and then."""
    held: list[socket.socket] = []
    request = decide_request(4)
    at = 0
    while not stop.is_set():
        while len(held) < n:
            with suppress(OSError):
                held.append(socket.create_connection(("127.0.0.1", port), timeout=2))
        for wire in list(held):
            try:
                wire.send(request[at % len(request) : at % len(request) + 1])
            except OSError:
                wire.close()
                held.remove(wire)
        at += 1
        stop.wait(0.05)
    for wire in held:
        wire.close()


def run(
    policy: Path, data: Path, n: int, attackers: int
) -> tuple[Counter[int], list[float], Counter[int]]:
    """Attack a service; statuses, memory in MiB before and after, statuses of decent callers."""
    found: Counter[int] = Counter()
    decent: Counter[int] = Counter()
    with Server(policy, data, "--connections", "200", "--receive-s", "1") as server:
        attack(server.port, 500, 0, Counter())
        memory = [server.memory_mib()]
        stop = threading.Event()
        threads = [threading.Thread(target=dawdle, args=(server.port, stop, 20))]
        counts: list[Counter[int]] = [Counter() for _ in range(attackers)]
        threads += [
            threading.Thread(target=attack, args=(server.port, n // attackers, 1 + i, counts[i]))
            for i in range(attackers)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads[1:]):
            body = {"customer": "decent", "consent": {}}
            status, _, _ = server.call("POST", "/v1/decide", body)
            decent[status] += 1
            time.sleep(0.05)
        stop.set()
        for thread in threads:
            thread.join()
        memory.append(server.memory_mib())
        for count in counts:
            found.update(count)
        _, text, _ = server.call("GET", "/metrics")
        for status, number in re.findall(_COUNTED, text):
            if status != b"503":
                found[int(status)] += int(float(number))
        server.stop()
    verify(data)
    return found, memory, decent


def served(decent: Counter[int]) -> bool:
    """Whether decent callers got their decisions, busy moments aside."""
    return not decent.keys() - {200, 503} and decent[200] > 10 * decent[503]


def schemathesis(policy: Path, data: Path, examples: int) -> int:
    """Requests made from the description of the interface; schemathesis' exit status."""
    with Server(policy, data, "--queue", "512") as server:
        command = [sys.executable, "-m", "schemathesis.cli", "run"]
        command += [
            f"http://127.0.0.1:{server.port}/openapi.json",
            "--checks",
            "not_a_server_error",
        ]
        command += ["--max-examples", str(examples), "--no-color", "--phases", "fuzzing,coverage"]
        command += ["--generation-deterministic", "--exclude-path", "/v2/health/ready"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=data)
        tail = done.stdout.splitlines()[-25:]
        print("\n".join(tail))
        return done.returncode


def main() -> None:
    """Attack, print what came back, and say with the exit status whether the limits were kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--attackers", type=int, default=4)
    parser.add_argument("--examples", type=int, default=200)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        policy = write_policy(load_scenario("retail"), folder / "policy")
        found, memory, decent = run(
            policy, folder / "data", arguments.requests, arguments.attackers
        )
        sent = found.pop(-1)
        told = ", ".join(f"{status}: {n:,}" for status, n in sorted(found.items()))
        print(f"{sent:,} hostile requests: {told}")
        print(f"memory {memory[0]:.0f} -> {memory[1]:.0f} MiB; decent callers: {dict(decent)}")
        described = schemathesis(policy, folder / "described", arguments.examples)
    errors = sum(n for status, n in found.items() if status >= 500 and status != 503)
    kept = not errors and served(decent) and memory[1] <= memory[0] + 200 and not described
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
