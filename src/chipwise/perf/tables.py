"""Readers of the shipped tables; each is read once."""

from __future__ import annotations

import csv
import functools
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass

from chipwise.core.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """One named number with its range and source."""

    id: str
    value: float
    low: float
    high: float
    unit: str
    source: str
    note: str


def read_rows(name: str) -> list[dict[str, str]]:
    """Rows of ``chipwise/data/perf/<name>``.

    Raises
    ------
    DataError
        The table is not in the package.
    """
    path = importlib.resources.files("chipwise") / "data" / "perf" / name
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError("the table is not in this installation", place=f"data/perf/{name}") from None
    return list(csv.DictReader(text.splitlines()))


@functools.cache
def constants() -> Mapping[str, Constant]:
    """Every constant of the serving model by id."""
    return {row["id"]: _constant(row) for row in read_rows("constants.csv")}


def constant(name: str) -> float:
    """Central value of the constant `name`."""
    return constants()[name].value


def _constant(row: Mapping[str, str]) -> Constant:
    value = float(row["value"])
    return Constant(
        id=row["id"],
        value=value,
        low=float(row["low"] or value),
        high=float(row["high"] or value),
        unit=row["unit"],
        source=row["source"],
        note=row["note"],
    )
