"""Equal rows counted once: ten million customers share far fewer histories.

A likelihood depends on the row alone, so it is computed for each different row and weighted by
how many customers have it. Purchases are dated by the day or by the opportunity, which is what
makes rows equal; times without such a grid stay as many as they are.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from nba_gym.calibration.special import FloatArray


def group_rows(
    columns: tuple[FloatArray, ...], counts: FloatArray | None = None
) -> tuple[list[FloatArray], FloatArray]:
    """Count equal rows.

    Args:
        columns: Columns of one length, finite. Each of shape ``(n_rows,)``.
        counts: How many customers each row stands for, >= 0; by default one. Shape ``(n_rows,)``.

    Returns:
        The columns of the different rows that somebody has, in ascending order, so that sums over
        them are the same in every run; and the customers of each. All of shape ``(n_groups,)``.
    """
    names = [str(position) for position in range(len(columns))]
    table = pl.DataFrame(dict(zip(names, columns, strict=True)))
    size = pl.len()
    if counts is not None:
        table = table.with_columns(counts=counts).filter(pl.col("counts") > 0)
        size = pl.col("counts").sum()
    groups = table.group_by(names).agg(customers=size).sort(names)
    return [groups[name].to_numpy() for name in names], groups["customers"].to_numpy().astype(
        np.float64
    )
