"""Run the scripts of this folder as notebooks: ``make notebooks``.

Every script is paired with a notebook of the same name (jupytext, py:percent). The script is what
is edited and reviewed; the notebook holds its cells and what they came to.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import tyro
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

HERE = Path(__file__).parent
ROOT = HERE.parent
SECONDS = 600
"""Most that one cell may take."""


@dataclass(frozen=True)
class Arguments:
    """Run notebooks, and write them with what their cells came to."""

    names: tuple[str, ...] = ()
    """numbers or beginnings of names, e.g. 02; all by default"""
    out: Path = HERE
    """folder for the notebooks"""


def main(arguments: Arguments) -> None:
    """Run what was asked for, one after the other; the first cell that fails ends it."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    for script in scripts(arguments.names):
        print(f"{script.name} ...", flush=True)
        notebook = read_script(script)
        try:
            NotebookClient(
                notebook,
                config=_sockets(),
                timeout=SECONDS,
                resources={"metadata": {"path": str(ROOT)}},
            ).execute()
        except CellExecutionError as error:
            sys.exit(f"error: {script.name} must run to its end, got: {error}")
        tidy(notebook)
        path = arguments.out / f"{script.stem}.ipynb"
        jupytext.write(notebook, path)
        print(f"wrote {path}", flush=True)


def scripts(names: tuple[str, ...] = ()) -> list[Path]:
    """The numbered scripts, or those whose names begin so."""
    found = sorted(HERE.glob("[0-9][0-9]_*.py"))
    return [path for path in found if not names or path.name.startswith(names)]


def read_script(path: Path) -> Any:
    """A script as a notebook without outputs; its cells are numbered, so that nothing is drawn."""
    notebook: Any = jupytext.read(path)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02}"
    return notebook


def _sockets() -> Config:
    """A kernel is talked to by files of its own, where the system has such sockets."""
    config = Config()
    config.ConnectionFileMixin.transport = "ipc" if os.name == "posix" else "tcp"
    return config


def tidy(notebook: Any) -> None:
    """Leave out what differs from run to run though nothing changed: times and versions."""
    notebook.metadata.pop("language_info", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)


if __name__ == "__main__":
    main(tyro.cli(Arguments))
