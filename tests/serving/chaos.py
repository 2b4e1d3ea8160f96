"""Kill, swap and stop a service under load: ``make serve-chaos``.

``kill -9`` again and again: nothing that was acknowledged may be missing, and the chain must hold.
Swaps with corrupt candidates among them: every answer is of one policy, none an error. SIGTERM: all
that was asked is answered.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from nba_gym.scenario.load import load_scenario
from nba_gym.serving.chain import read_chain, verify
from nba_gym.serving.keys import new_key, write_keys
from tests.serving.load import YES
from tests.serving.policies import write_policy
from tests.serving.processes import Server


class Callers:
    """Some callers who never pause: what they were told, and what broke.

    Args:
        port: Where.
        n: How many.
        authorization: Their key.
    """

    def __init__(self, port: int, n: int, authorization: str = "") -> None:
        self.told: list[dict[str, Any]] = []
        self.statuses: Counter[int] = Counter()
        self.broken = 0
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._call, args=(port, i, authorization)) for i in range(n)
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _call(self, port: int, number: int, authorization: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        sent = 0
        while not self._stop.is_set():
            body = json.dumps({"customer": f"c-{number}-{sent % 50}", "consent": YES})
            headers = {"content-type": "application/json", "idempotency-key": f"{number}-{sent}"}
            headers |= {"authorization": authorization} if authorization else {}
            try:
                connection.request("POST", "/v1/decide", body, headers)
                answer = connection.getresponse()
                data = answer.read()
            except (OSError, http.client.HTTPException):
                self.broken += 1
                break
            sent += 1
            self.statuses[answer.status] += 1
            if answer.status == 200:
                self.told.append(json.loads(data))
            if answer.getheader("connection") == "close":
                break
        connection.close()


def recorded(data: Path) -> set[str]:
    """Ids of all decisions on record."""
    return {str(entry.record.get("id")) for entry in read_chain(data)}


def kill_again_and_again(policy: Path, data: Path, times: int, seed: int) -> tuple[int, int]:
    """Decisions acknowledged and, of these, missing after so many ``kill -9`` at random moments."""
    generator = np.random.default_rng(seed)
    acknowledged: dict[str, str] = {}
    for _ in range(times):
        with Server(policy, data) as server:
            callers = Callers(server.port, 6)
            time.sleep(float(generator.uniform(0.05, 0.6)))
            server.kill()
            callers.end()
        acknowledged |= {each["decision"]: json.dumps(each) for each in callers.told}
        verify(data)
    missing = set(acknowledged) - recorded(data)
    return len(acknowledged), len(missing)


def corrupt(folder: Path, generator: np.random.Generator) -> None:
    """Spoil a policy folder in one of several ways."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    victim = files[int(generator.integers(len(files)))]
    data = bytearray(victim.read_bytes())
    way = int(generator.integers(4))
    if way == 0:
        data[int(generator.integers(len(data)))] ^= 1 << int(generator.integers(8))
    elif way == 1:
        del data[len(data) // 2 :]
    elif way == 2:
        (folder / "extra.bin").write_bytes(b"not listed")
    if way == 3:
        victim.unlink()
    else:
        victim.write_bytes(bytes(data))


def swap_again_and_again(
    policies: list[Path], folder: Path, times: int, seed: int
) -> dict[str, int]:
    """Swap under load, every second candidate spoilt; what came of it, by kind."""
    generator = np.random.default_rng(seed)
    made = {role: new_key(role, role) for role in ("client", "admin")}
    write_keys(folder / "keys.json", [key for _, key in made.values()])
    key = {role: f"Bearer {text}" for role, (text, _) in made.items()}
    candidates = folder / "candidates"
    candidates.mkdir()
    for i, policy in enumerate(policies):
        shutil.copytree(policy, candidates / f"sound-{i}")
    options = ["--keys", str(folder / "keys.json"), "--policies", str(candidates)]
    found: Counter[str] = Counter()
    digests: set[str] = set()
    with Server(policies[0], folder / "data", *options) as server:
        callers = Callers(server.port, 3, key["client"])
        for i in range(times):
            name = f"sound-{i // 2 % len(policies)}"
            if i % 2:
                shutil.copytree(candidates / name, candidates / f"bad-{i}")
                corrupt(candidates / f"bad-{i}", generator)
                name = f"bad-{i}"
            status, told, _ = server.call(
                "POST", "/admin/v1/swap", {"policy": name}, authorization=key["admin"]
            )
            found[f"{'corrupt' if i % 2 else 'sound'} answered {status}"] += 1
            digests |= {told["policy"]} if status == 200 else set()
            shutil.rmtree(candidates / f"bad-{i}", ignore_errors=True)
        callers.end()
        server.stop()
    told = {each["policy"] for each in callers.told}
    found["decisions"] = len(callers.told)
    found["of unknown policies"] = len(told - digests)
    found["broken"] = callers.broken
    found.update({f"decide answered {status}": n for status, n in callers.statuses.items()})
    of_log = {
        e.record["id"]: e.record["policy"] for e in read_chain(folder / "data") if "id" in e.record
    }
    found["other policy on record"] = sum(
        of_log[each["decision"]] != each["policy"] for each in callers.told
    )
    return dict(found)


def stop_under_load(policy: Path, data: Path) -> tuple[int, int, int]:
    """Decisions acknowledged, callers cut off, and acknowledged ones missing, at SIGTERM."""
    with Server(policy, data) as server:
        callers = Callers(server.port, 12)
        time.sleep(1.0)
        server.stop()
        callers.end()
    verify(data)
    missing = {each["decision"] for each in callers.told} - recorded(data)
    return len(callers.told), callers.broken, len(missing)


def main() -> None:
    """Do all of it, and say with the exit status whether anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--swaps", type=int, default=200)
    parser.add_argument("--stops", type=int, default=5)
    arguments = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder, retail = Path(name), load_scenario("retail")
        policies = [write_policy(retail, folder / f"policy-{i}", i) for i in range(3)]
        known, missing = kill_again_and_again(policies[0], folder / "killed", arguments.kills, 1)
        print(f"{arguments.kills} kills: {known:,} decisions acknowledged, {missing} missing")
        (folder / "swapped").mkdir()
        found = swap_again_and_again(policies, folder / "swapped", arguments.swaps, 2)
        print(f"{arguments.swaps} swaps: {found}")
        wrong += missing + found["of unknown policies"] + found["other policy on record"]
        wrong += found.get("corrupt answered 200", 0) + found["broken"]
        wrong += sum(
            n
            for kind, n in found.items()
            if kind.startswith("decide answered 5") and not kind.endswith("503")
        )
        for i in range(arguments.stops):
            known, cut_off, missing = stop_under_load(policies[0], folder / f"stopped-{i}")
            print(f"stop: {known:,} acknowledged, {cut_off} callers cut off, {missing} missing")
            wrong += cut_off + missing
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
