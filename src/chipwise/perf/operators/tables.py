"""Readers of the shipped operator tables; each is read once."""

from __future__ import annotations

import csv
import functools
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chipwise.core.errors import DataError
from chipwise.perf.operators.law import Law

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATIO_STEPS = 1024.0
"""Stored steps per factor of two of a node's ratio to its law."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One measured table: where its nodes are, its law, and where it comes from.

    Parameters
    ----------
    family : str
        Vendor, architecture and kind of memory of the chip.
    grid, row : str, int
        File of the nodes and place in it.
    points : int
        Measured shapes behind it.
    middle_over_best : float
        Time of the middle engine and version over the fastest.
    """

    operator: str
    precision: str
    variant: str
    chip: str
    family: str
    grid: str
    row: int
    points: int
    law: Law
    middle_over_best: float
    source: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """90 % interval of one operator at one rung, as factors of the time, its median error, and what it is made of.

    Parameters
    ----------
    common, table, smooth, noise : float
        Shares of the variance of log(measured / predicted): common to a chip, to a table, varying smoothly over shape,
        and from shape to shape. They add up to 1.
    length : float
        Octaves of shape over which the smooth part fades.
    harness : float
        Standard deviation, in logarithm, between the timings of one harness and another; not part of the interval.
    """

    low_factor: float
    high_factor: float
    median_error: float
    common: float
    table: float
    smooth: float
    noise: float
    length: float
    harness: float


def read_rows(name: str) -> list[dict[str, str]]:
    """Rows of ``chipwise/data/perf/operators/<name>``.

    Raises
    ------
    DataError
        The table is not in the package.
    """
    path = importlib.resources.files("chipwise") / "data" / "perf" / "operators" / name
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError("the table is not in this installation", place=f"data/perf/operators/{name}") from None
    return list(csv.DictReader(text.splitlines()))


@functools.cache
def index() -> tuple[TableRow, ...]:
    """Every measured table."""
    return tuple(_table_row(row) for row in read_rows("tables.csv"))


def _table_row(row: Mapping[str, str]) -> TableRow:
    return TableRow(
        operator=row["operator"],
        precision=row["precision"],
        variant=row["variant"],
        chip=row["chip"],
        family=row["family"],
        grid=row["grid"],
        row=int(row["row"]),
        points=int(row["points"]),
        law=Law(
            compute=float(row["compute"]),
            memory=float(row["memory"]),
            exponent=float(row["exponent"]),
            launch_s=float(row["launch_s"]),
        ),
        middle_over_best=float(row["middle_over_best"]),
        source=row["source"],
        licence=row["licence"],
    )


@functools.cache
def ratios(grid: str) -> NDArray[np.int16]:
    """Stored node ratios of every table of one grid, ``(tables, nodes…)``."""
    import numpy as np

    path = importlib.resources.files("chipwise") / "data" / "perf" / "operators" / f"{grid}.npy"
    with importlib.resources.as_file(path) as local:
        return np.asarray(np.load(local))


@functools.cache
def spreads() -> Mapping[tuple[str, str], Spread]:
    """Interval by (operator, rung)."""
    return {
        (row["operator"], row["rung"]): Spread(
            low_factor=float(row["low_factor"]),
            high_factor=float(row["high_factor"]),
            median_error=float(row["median_error"] or "nan"),
            **{name: float(row[name]) for name in ("common", "table", "smooth", "noise", "length", "harness")},
        )
        for row in read_rows("spread.csv")
    }
