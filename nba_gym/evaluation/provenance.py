"""Where numbers come from: versions, machine, command and commit, as plain values."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("nba_gym", "numpy", "numba", "scipy", "gymnasium", "torch", "stable-baselines3")
"""Packages whose version may change what a simulation or a training comes to."""


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str | None]:
    """Versions of packages; ``None`` for one that is not installed."""
    return {name: _version(name) for name in packages}


def machine() -> dict[str, Any]:
    """The machine: system, kind of processor, cores, Python."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def commit(folder: Path) -> str | None:
    """The git commit that a folder is at, with ``+`` if something was changed since.

    ``None`` where there is no git, or the folder is in no repository.
    """
    told = [_git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain", "-uno")]
    if told[0] is None:
        return None
    return told[0] + ("+" if told[1] else "")


def command_line() -> list[str]:
    """What runs now, as one would type it again, wherever the checkout is."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is None:
        return [Path(sys.argv[0]).name, *sys.argv[1:]]
    return ["python", "-m", spec.name.removesuffix(".__main__"), *sys.argv[1:]]


def provenance(folder: Path) -> dict[str, Any]:
    """All of it for a run from a checkout at ``folder``, with the command and the time."""
    return {
        "command": command_line(),
        "commit": commit(folder),
        "versions": versions(),
        "machine": machine(),
        "begun": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    """Model of the processor, as the system calls it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _git(folder: Path, *command: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *command], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
