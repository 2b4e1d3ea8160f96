"""Processes of their own, several side by side, that stop when the run is asked to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TypeVar

from nba_gym.errors import DataError

ROOT = Path(__file__).parents[1]
"""The checkout, where ``agents`` and ``experiments`` are found."""
_LAST = 12
"""Lines of what a process said last that an error repeats."""
Outcome = TypeVar("Outcome")


class Processes:
    """Starts processes, and passes the wish to stop on to them once.

    They do not hear Ctrl-C themselves: a training takes it twice as a wish to stop at once, and the
    terminal sends it to everybody.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopping = False

    def run(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> float:
        """Run a command to its end.

        Args:
            command: Program and arguments.
            log: What it says goes there.
            environment: Variables, beside those of this process.

        Returns:
            Wall time from before it is started to after it is gone, in seconds.

        Raises:
            DataError: If it ends with an error.
            KeyboardInterrupt: If it was asked to stop.
        """
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        found = os.environ | {"PYTHONPATH": os.pathsep.join(paths), **environment}
        with log.open("wb") as said:
            begun = time.perf_counter()
            with self._lock:
                if self._stopping:
                    raise KeyboardInterrupt
                process = subprocess.Popen(
                    command,
                    env=found,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                self._running.add(process)
            try:
                code = process.wait()
                seconds = time.perf_counter() - begun
            except BaseException:  # it would go on by itself
                process.send_signal(signal.SIGINT)
                process.wait()
                raise
            finally:
                with self._lock:
                    self._running.discard(process)
        if self._stopping:
            raise KeyboardInterrupt
        if code != 0:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-_LAST:])
            raise DataError(f"{' '.join(command)} must end well, got exit status {code}:\n{last}")
        return seconds

    def stop(self) -> None:
        """Ask all to stop, and start no more."""
        with self._lock:
            self._stopping = True
            for process in self._running:
                process.send_signal(signal.SIGINT)


def side_by_side(
    tasks: Sequence[Callable[[], Outcome]], workers: int, processes: Processes
) -> list[Outcome]:
    """Do all tasks, so many at a time; the first error, or Ctrl-C, stops the others.

    Returns:
        What each of them returned, in their order.

    Raises:
        Exception: What a task raised first, once the others have stopped.
    """
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(task) for task in tasks]
        try:
            for future in as_completed(futures):
                future.result()  # raises what the task raised
        except BaseException:
            for future in futures:
                future.cancel()
            processes.stop()
            raise
        return [future.result() for future in futures]
