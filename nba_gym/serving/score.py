"""Decide for a file of customers: block by block, in bounded memory, whole or not at all.

The file shows what the records say (features and what is allowed), or it holds birth records and
the events lie in a second file; those are folded as in service (``events.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.io.plugins import register_io_source

from nba_gym.errors import DataError, NbaGymError
from nba_gym.files import whole_file
from nba_gym.serving.engine import Engine
from nba_gym.serving.loading import check_chooses
from nba_gym.serving.read_customers import ShownCustomers, TracedCustomers, read_table

BLOCK = 32_768
"""Customers that are read, decided for and written at a time."""
Progress = Callable[[int, int], None]


class Scored(NamedTuple):
    """What was decided for.

    Attributes:
        customers: How many customers.
        strangers: Events of customers who are not among them, and were left aside.
    """

    customers: int
    strangers: int


def score_file(
    engine: Engine,
    customers: str | Path,
    out: str | Path,
    *,
    events: str | Path | None = None,
    top: int = 3,
    block: int = BLOCK,
    progress: Progress | None = None,
) -> Scored:
    """Decide for every customer of a file.

    Args:
        engine: The policy.
        customers: A Parquet file with a column ``customer`` and either all features and
            ``allowed.<action>`` (0 or 1), or birth records, and then perhaps ``consent.<channel>``,
            what the register says now; or the folder of an event log, as ``nba-gym simulate`` or
            ``write_log`` left it.
        out: Parquet file to write, in the order of the customers: ``customer``, ``action``,
            ``probability``, ``score``, ``value``, ``ranked`` (the best that are allowed).
        events: A Parquet file with ``customer``, ``period`` and columns of the event log, in any
            order; sorted by customer it is read once. Or a folder of ``part-*.parquet``.
        top: Most actions in ``ranked``.
        block: Customers at a time; it changes no answer.
        progress: Called with customers done and customers in all.

    Returns:
        How many customers, and how many events were of nobody among them.

    Raises:
        BundleError: If the policy chooses by lot, so that its best score is not what it would do.
        DataError: If a file cannot be used, naming column, rule and value; nothing is written then.
    """
    check_chooses(engine.folder.golden)
    source, target = Path(customers), Path(out)
    if top < 1 or block < 1:
        raise DataError(f"top and block must be at least 1, got {top} and {block}")
    if target.is_dir() or not target.parent.is_dir():
        raise DataError(f"out must be a file in a folder that exists, got {str(target)!r}")
    given = open_customers(engine, source, None if events is None else Path(events))
    told: list[NbaGymError] = []

    def decided(
        columns: list[str] | None, predicate: Any, n_rows: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        done = 0
        try:
            for names, features, masks in given.blocks(block):
                yield _decide(engine, names, features, masks, top)
                done += len(names)
                if progress is not None:
                    progress(done, given.count)
        except NbaGymError as error:
            told.append(error)
            raise

    with whole_file(target) as draft:
        frame = register_io_source(decided, schema=_schema(given.kind))
        try:
            frame.sink_parquet(draft)
        except (pl.exceptions.PolarsError, NbaGymError):
            if told:  # the engine of polars says it in its own words
                raise told[0] from None
            raise
    return Scored(given.count, given.strangers)


def open_customers(
    engine: Engine, source: Path, events: Path | None
) -> ShownCustomers | TracedCustomers:
    """The customers of a file, whichever kind it is of.

    Raises:
        DataError: If it is of neither kind.
    """
    births = next((source / n for n in ("births.parquet", "births") if (source / n).exists()), None)
    if births is not None:
        if events is not None:
            raise DataError(f"events must be left out for a folder, which holds them, got {events}")
        source, events = births, births.with_name(births.name.replace("births", "events"))
    customers = read_table(source, "customers")
    columns = customers.columns
    if "customer" not in columns:
        raise DataError(f"{customers.name} must have the column 'customer', got none")
    if set(engine.features) <= columns.keys():
        if events is not None:
            raise DataError(f"events must be left out where features are given, got {events.name}")
        return ShownCustomers(engine, customers)
    if events is None:
        missing = next(name for name in engine.features if name not in columns)
        raise DataError(
            f"{customers.name} must have all features, or events must be given as well (--events), "
            f"got neither {missing!r} nor events"
        )
    return TracedCustomers(engine, customers, read_table(events, "events"))


def _schema(kind: Any) -> dict[str, Any]:
    return {
        "customer": kind,
        "action": pl.String,
        "probability": pl.Float32,
        "score": pl.Float32,
        "value": pl.Float32,
        "ranked": pl.List(pl.String),
        "policy": pl.String,
    }


def _decide(
    engine: Engine,
    names: pl.Series,
    features: NDArray[np.float32],
    masks: NDArray[np.int8],
    top: int,
) -> pl.DataFrame:
    """One block of the answer."""
    decisions = engine.decide_batch(features, masks)
    best, rows = decisions.actions, np.arange(len(names))
    actions = np.array(engine.actions)
    kept = np.minimum(decisions.allowed, top)
    shown = decisions.ranking[:, :top]
    flat = shown[np.arange(shown.shape[1]) < kept[:, None]]
    ranked = (
        pl.DataFrame({"row": np.repeat(rows, kept), "name": actions[flat]})
        .group_by("row", maintain_order=True)
        .agg("name")["name"]
    )
    return pl.DataFrame(
        {
            "customer": names,
            "action": actions[best],
            "probability": decisions.probabilities[rows, best],
            "score": decisions.scores[rows, best],
            "value": decisions.values,
            "ranked": ranked,
            "policy": np.repeat(engine.digest[:16], len(names)),
        }
    )
