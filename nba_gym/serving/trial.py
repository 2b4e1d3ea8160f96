"""Try a policy out in a process of its own, with limits on memory and processor time.

What a graph holds is read beforehand; this is for what reading cannot say: how much memory it asks
for, how long it takes, whether it brings the runtime down. The process starts without the
surroundings of this one (``python -I``), is handed the very bytes that were checked, and must give
the golden answers back.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import BundleError
from nba_gym.serving.bundle import PolicyFolder
from nba_gym.serving.contents import GRAPH, OUTPUTS
from nba_gym.serving.self_test import self_test

MEMORY_BYTES = 1 << 30
"""Address space that the trial may take; the runtime with a small policy takes a seventh of it."""
CPU_SECONDS = 20
WALL_SECONDS = 60.0
ROWS = 1_024
"""Rows of the trial, the golden ones again and again: as many as the service asks for at once."""
ANSWER_BYTES = 64 << 20
"""Longest answer: what the golden rows can amount to and more."""
_SCRIPT = Path(__file__).with_name("trial_process.py")


class _Answer:
    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.ranking, self.scores = arrays["ranking"], arrays["scores"]
        self.probabilities, self.values = arrays["probabilities"], arrays["value"][:, 0]


def try_out(folder: PolicyFolder) -> None:
    """Run the golden vectors in a limited process.

    Args:
        folder: What was read.

    Raises:
        BundleError: If the process dies, takes too much memory or time, or answers otherwise than
            the golden vectors say.
    """
    given = io.BytesIO()
    golden = folder.golden
    graph = np.frombuffer(folder.graph, dtype=np.uint8)
    n = len(golden.observations)
    rows = np.arange(max(n, ROWS)) % n
    many = {"observations": golden.observations[rows], "masks": golden.masks[rows]}
    np.savez(given, allow_pickle=False, graph=graph, **many)
    limits = [str(MEMORY_BYTES), str(CPU_SECONDS)]
    keep = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(_SCRIPT), *limits],
            input=given.getvalue(),
            capture_output=True,
            timeout=WALL_SECONDS,
            env=keep | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BundleError(
            f"{GRAPH} must answer its trial within {WALL_SECONDS:g} s, got no answer"
        ) from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        why = said[-1][:300] if said else f"ended by signal {-done.returncode}"
        limit = f"{MEMORY_BYTES >> 20:,} MiB and {CPU_SECONDS} s of processor time"
        raise BundleError(f"{GRAPH} must pass its trial within {limit}, got: {why}")
    if len(done.stdout) > ANSWER_BYTES:
        raise BundleError(f"{GRAPH} must answer its trial in short, got {len(done.stdout):,} bytes")
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as arrays:
        answer = _Answer({name: arrays[name][:n] for name in OUTPUTS})
    self_test(golden, lambda features, masks: answer)
