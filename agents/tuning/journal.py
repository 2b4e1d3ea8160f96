"""The journal of a study: a file that is only added to, and that survives whatever stops it."""

from __future__ import annotations

import os
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.study import Study

from agents.checkpoint import Tree, differences, plain
from nba_gym.errors import PolicyError

NAME = "study"


def open_study(path: Path, about: Tree) -> Study:
    """The study in a journal, or a new one.

    Only one process writes to it: workers speak to that one. So a lock that is found, or half a
    line at its end, was left by a process that is no more.

    Args:
        path: The journal.
        about: What the study is: all that its values depend on, as plain values.

    Raises:
        PolicyError: If the journal is of another study, or cannot be read.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    _mend(path)
    lock = JournalFileOpenLock(str(path))  # unlike that by symbolic links it works everywhere
    try:
        storage = JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
        study = optuna.create_study(
            storage=storage, study_name=NAME, direction="maximize", load_if_exists=True
        )
    except (ValueError, KeyError) as error:
        raise PolicyError(f"journal must be one of Optuna's, got {path}: {error}") from None
    check_same(study.user_attrs.get("about"), about, path)
    if "about" not in study.user_attrs:
        study.set_user_attr("about", plain(about))
    return study


def check_same(had: Tree | None, about: Tree, path: Path) -> None:
    """Refuse to go on with another study.

    Raises:
        PolicyError: If what was told of it differs; the error says in what.
    """
    changed = [] if had is None else differences(had, plain(about))
    if changed:
        raise PolicyError(
            f"study must be this one to go on with it, got another one in {path}: "
            f"{', '.join(changed)}; --fresh begins anew"
        )


def _mend(path: Path) -> None:
    """Take away a lock and half a line that a killed process left."""
    Path(f"{path}.lock").unlink(missing_ok=True)
    if not path.exists():
        return
    with path.open("rb+") as file:
        text = file.read()
        whole = text.rfind(b"\n") + 1
        if whole < len(text):
            file.truncate(whole)
            os.fsync(file.fileno())
