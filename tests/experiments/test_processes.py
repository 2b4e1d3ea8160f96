"""Processes are timed whole, told when to stop, and quoted when they fail."""

from __future__ import annotations

import sys
import time

import pytest

from experiments.processes import Processes, side_by_side
from nba_gym.errors import DataError


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_time_of_a_process_is_from_before_its_start_until_it_is_gone(tmp_path):
    log = tmp_path / "said.txt"
    own = "import time; a = time.time(); time.sleep(0.3); print(time.time() - a, flush=True)"
    code = f"{own}; import atexit; atexit.register(time.sleep, 0.3)"
    seconds = Processes().run(python(code), log, {})
    assert seconds > float(log.read_text()) + 0.3 > 0.6  # and the start of the interpreter


def test_what_a_process_said_last_is_in_the_error(tmp_path):
    with pytest.raises(DataError, match=r"exit status 3:\nfirst\nlast$"):
        Processes().run(
            python("print('first'); print('last'); raise SystemExit(3)"), tmp_path / "said.txt", {}
        )


def test_the_environment_is_passed_on(tmp_path):
    code = "import os; print(os.environ['OMP_NUM_THREADS']); import experiments"
    Processes().run(python(code), tmp_path / "said.txt", {"OMP_NUM_THREADS": "7"})
    assert (tmp_path / "said.txt").read_text() == "7\n"


def test_all_are_asked_to_stop_once_when_one_task_fails(tmp_path):
    processes, log = Processes(), tmp_path / "said.txt"
    code = (
        "import signal, sys, time;"
        "signal.signal(signal.SIGINT, lambda *_: (print('asked', flush=True), sys.exit(0)));"
        "print('begun', flush=True); time.sleep(60)"
    )

    def long() -> None:
        processes.run(python(code), log, {})

    def failing() -> None:
        while not log.exists() or not log.read_text().endswith("\n"):
            time.sleep(0.01)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side_by_side([long, failing], 2, processes)
    assert log.read_text() == "begun\nasked\n"
    with pytest.raises(KeyboardInterrupt):  # and no more are started
        processes.run(python(""), tmp_path / "other.txt", {})


def test_outcomes_come_in_the_order_of_the_tasks():
    def task(i: int) -> int:
        time.sleep(0.02 * (3 - i))
        return i

    assert side_by_side([lambda i=i: task(i) for i in range(3)], 3, Processes()) == [0, 1, 2]
