"""Rows and columns of plain values, and their way into Arrow and pandas.

A table has its columns whether or not it has rows, so that an empty one reads back like a full one. Units stand in
the names of the columns.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from chipwise.core.errors import InputError, UnknownName
from chipwise.core.names import nearest_names

Kind = Literal["text", "number", "date", "flag"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Columns with their kinds, and rows as tuples in the order of the columns."""

    columns: Mapping[str, Kind]
    rows: Sequence[tuple[Any, ...]]


def number(value: Any) -> float | None:
    """A JSON number; ``"inf"`` is infinity, everything else that is no number is None."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return float(value)
    return {"inf": math.inf, "-inf": -math.inf}.get(str(value))


def day(value: Any) -> dt.date | None:
    """A full ISO date, else None."""
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _flag(value: Any) -> bool | None:
    return None if value is None else bool(value)


_AS: dict[Kind, Callable[[Any], Any]] = {"text": _text, "number": number, "date": day, "flag": _flag}


def table_of(columns: Mapping[str, Kind], rows: Iterable[Mapping[str, Any]]) -> Table:
    """A table from mappings; what a row lacks is empty, what is no column is left out."""
    return Table(
        columns=columns,
        rows=[tuple(_AS[kind](row.get(name)) for name, kind in columns.items()) for row in rows],
    )


def chosen(tables: Mapping[str, Callable[[], Table]], name: str | None) -> Table:
    """The table of that name, or the first when no name is given.

    Raises
    ------
    UnknownName
        When there is no such table; names those that are.
    """
    wanted = next(iter(tables)) if name is None else name
    if wanted not in tables:
        raise UnknownName(
            f"no table is called {wanted!r}",
            place="table",
            allowed=" | ".join(tables),
            nearest=nearest_names(wanted, tables),
        )
    return tables[wanted]()


def arrow_table(table: Table) -> Any:
    """The table as a ``pyarrow.Table``: text, 64-bit floats, days and flags, with nulls."""
    import pyarrow as pa

    types = {"text": pa.string(), "number": pa.float64(), "date": pa.date32(), "flag": pa.bool_()}
    schema = pa.schema([(name, types[kind]) for name, kind in table.columns.items()])
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
    arrays = [pa.array(list(column), type=field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def pandas_frame(table: Table) -> Any:
    """The table as a ``pandas.DataFrame``; days become ``datetime64`` so that they sort and plot.

    Raises
    ------
    InputError
        When pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise InputError(
            "pandas is not installed",
            place="to_pandas",
            allowed="`pip install pandas`, or chipwise.to_arrow, which needs nothing more",
        ) from None
    frame = arrow_table(table).to_pandas()
    for name, kind in table.columns.items():
        if kind == "date":
            frame[name] = pd.to_datetime(frame[name])
    return frame
