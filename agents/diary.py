"""MLflow, where it is wanted: settings and curve of a training in one database, nothing hosted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nba_gym.errors import MissingExtraError

Tell = Callable[[int, dict[str, float]], None]


@contextmanager
def diary(
    out: Path, settings: dict[str, Any], *, wanted: bool, resume: bool = False
) -> Iterator[Tell | None]:
    """Something to tell the curve to, if it is wanted.

    Args:
        out: Folder of the run, whose name the run gets; ``mlflow.db`` (SQLite) lies beside it.
        settings: Settings of the training.
        wanted: Whether there is to be one.
        resume: Whether a training goes on: it is then one run, however often it was stopped.

    Raises:
        MissingExtraError: If it is wanted and MLflow is not installed.
    """
    if not wanted:
        yield None
        return
    try:
        import mlflow  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingExtraError("--mlflow", "mlflow") from error
    tracker: Any = mlflow
    tracker.set_tracking_uri(f"sqlite:///{(out.parent / 'mlflow.db').resolve()}")
    tracker.set_experiment("nba_gym")
    kept = out / "mlflow-run"
    known = kept.read_text().strip() if resume and kept.is_file() else None
    with tracker.start_run(run_id=known, run_name=None if known else out.name) as run:
        kept.write_text(f"{run.info.run_id}\n")
        tracker.log_params(settings)
        yield lambda steps, seen: tracker.log_metrics(seen, step=steps)
