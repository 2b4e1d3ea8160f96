"""A service in a process of its own, as users run it, and plain ways to talk to it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any


class Server:
    """``nba-gym serve`` in a process of its own.

    Args:
        policy: Policy folder.
        data: Folder of the log; standard error goes to ``errors.txt`` in it.
        *options: Further options of the command.
    """

    def __init__(self, policy: Path, data: Path, *options: str) -> None:
        self.data = data
        data.mkdir(parents=True, exist_ok=True)
        self._errors = (data / "errors.txt").open("ab")
        command = [sys.executable, "-m", "nba_gym.cli", "serve", str(policy), "--data", str(data)]
        self.process = subprocess.Popen(
            [*command, "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        if not line.startswith("http"):
            self.kill()
            raise RuntimeError(f"the server did not start: {(data / 'errors.txt').read_text()}")
        self.port = int(line.strip().rstrip("/").rpartition(":")[2])

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._errors.close()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def stop(self) -> int:
        """Ask it to stop, and wait."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(90)

    def logs(self) -> list[dict[str, Any]]:
        lines = (self.data / "errors.txt").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def memory_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return float(status.split("VmRSS:")[1].split()[0]) / 1024.0

    def call(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """One request: status, parsed body and headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if sent is not None:
            given.setdefault("content-type", "application/json")
        try:
            connection.request(method, path, sent, given)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        told = {name.lower(): value for name, value in answer.getheaders()}
        is_json = told.get("content-type", "").startswith("application/json")
        return answer.status, json.loads(data) if is_json and data else data, told

    def raw(self, data: bytes, *, wait: float = 5.0) -> bytes:
        """Whatever comes back for some bytes, until the other side closes or is quiet."""
        got = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            with suppress(ConnectionError):  # the answer may come, and the end, before all is sent
                connection.sendall(data)
            try:
                while True:
                    part = connection.recv(65_536)
                    if not part:
                        break
                    got += part
                    connection.settimeout(0.3)
            except (TimeoutError, ConnectionError):
                pass
        return got


def wait_for(condition: Any, seconds: float = 10.0) -> bool:
    """Whether a condition comes about in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())
