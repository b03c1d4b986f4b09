"""Columns of the measured tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def read_columns(path: Path) -> dict[str, Array]:
    """Columns of a Parquet file as float64 or text arrays."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    out = {}
    for name in table.schema.names:
        column = table[name].combine_chunks()
        if pa.types.is_dictionary(column.type):
            column = column.cast(pa.string())
        values = column.to_numpy(zero_copy_only=False)
        out[name] = values.astype(str) if values.dtype == object else values.astype(np.float64)
    return out


def groups(columns: dict[str, Array], names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], NDArray[np.int64]]]:
    """Row numbers by distinct values of `names`, in sorted order."""
    keys = np.array(["|".join(row) for row in zip(*(columns[name].astype(str) for name in names), strict=True)])
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.r_[True, keys[order][1:] != keys[order][:-1]])
    for rows in np.split(order, starts[1:]):
        yield tuple(keys[rows[0]].split("|")), np.sort(rows)
