"""Typed reading of whole CSV tables, column by column.

A column is converted in one pass; when anything in it is unusual the column is read cell by cell, which accepts what
is right and tells table, line, column and what is allowed for what is not.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from typing import Any

from chipwise.core.errors import DataError
from chipwise.core.names import nearest_names
from chipwise.files.columns import MAX_CELL, Column, convert, default_of


def read_table(text: str, columns: Sequence[Column], *, name: str) -> list[dict[str, Any]]:
    """Read a whole CSV text into one mapping of attribute to value per row.

    Parameters
    ----------
    text : str
        CSV with a heading; a leading byte-order mark is ignored.
    columns : sequence of Column
        The table's part of the dictionary; columns missing from the file take their default.
    name : str
        Name of the file for messages.

    Raises
    ------
    DataError
        Unknown or repeated heading, wrong number of cells, or a cell that breaks its column's rule.
    """
    lines = csv.reader(text.lstrip("\ufeff").splitlines(keepends=True))
    numbers: list[int] = []
    rows: list[list[str]] = []
    try:
        header = next(lines, None)
        if header is None:
            raise DataError("the table is empty", place=name, allowed="a heading and rows")
        present = _present(header, columns, name)
        for cells in lines:
            if not cells:
                continue
            if len(cells) != len(header):
                place = f"{name} line {lines.line_num}"
                raise DataError(f"{len(cells)} cells under {len(header)} headings", place=place)
            rows.append(cells)
            numbers.append(lines.line_num)
    except csv.Error as error:
        raise DataError(f"not a CSV table: {error}", place=f"{name} line {lines.line_num}") from None
    if not rows:
        return []
    made = [
        _column(column, cells, numbers, name) for column, cells in zip(present, zip(*rows, strict=True), strict=True)
    ]
    absent = [column for column in columns if column.field not in header]
    made += [[default_of(column)] * len(rows) for column in absent]
    attributes = [column.attribute for column in (*present, *absent)]
    return [dict(zip(attributes, values, strict=True)) for values in zip(*made, strict=True)]


def _present(header: Sequence[str], columns: Sequence[Column], name: str) -> list[Column]:
    """The columns of the heading, in its order."""
    known = {column.field: column for column in columns}
    seen: set[str] = set()
    for heading in header:
        if heading not in known or heading in seen:
            problem = "is repeated" if heading in seen else "is no column of this table"
            raise DataError(f"heading {heading[:80]!r} {problem}", place=name, nearest=nearest_names(heading, known))
        seen.add(heading)
    missing = [column.field for column in columns if column.required and column.field not in seen]
    if missing:
        raise DataError(f"columns missing: {', '.join(missing)}", place=name)
    return [known[heading] for heading in header]


def _column(column: Column, cells: Sequence[str], numbers: Sequence[int], name: str) -> list[Any]:
    """All cells of one column as typed values."""
    if not (column.required and "" in cells):
        made = _at_once(column, cells)
        if made is not None:
            return made
    return [convert(cell, column, place=f"{name} line {line}") for cell, line in zip(cells, numbers, strict=True)]


def _at_once(column: Column, cells: Sequence[str]) -> list[Any] | None:
    """The whole column when every cell has the plain form of its type, else None."""
    default = default_of(column)
    if column.type in {"number", "integer"}:
        return _numbers(column, cells, default)
    if column.type == "choice":
        if not set(cells) - {""} <= set(column.choices):
            return None
    elif column.type in {"names", "flag", "day", "date"}:
        try:
            distinct = {cell: convert(cell, column, place="") for cell in set(cells) - {""}}
        except DataError:
            return None
        return [distinct[cell] if cell else default for cell in cells]
    elif len(max(cells, key=len)) > MAX_CELL:
        return None
    return [cell or default for cell in cells]


def _numbers(column: Column, cells: Sequence[str], default: Any) -> list[Any] | None:
    """Digits and points only, all within bounds; anything else is left to the careful reading."""
    given = [cell for cell in cells if cell]
    if not given:
        return [default] * len(cells)
    digits = "".join(given)
    if column.type == "integer":
        if not digits.isdecimal() or len(max(given, key=len)) > 9:
            return None
        values: list[Any] = [int(cell) if cell else None for cell in cells]
    elif not digits.replace(".", "").isdecimal() or max(given, key=len).count(".") > 1:
        return None
    else:
        try:
            values = [float(cell) if cell else None for cell in cells]
        except ValueError:
            return None
    known = [value for value in values if value is not None]
    low, high = column.low, column.high
    if low is not None and (min(known) < low or (column.open_low and min(known) == low)):
        return None
    if high is not None and max(known) > high:
        return None
    if column.type == "number" and column.exponent:
        values = [float(cell + column.exponent) if cell else None for cell in cells]
    elif column.factor != 1.0:
        values = [None if value is None else value * column.factor for value in values]
    return values if default is None else [default if value is None else value for value in values]


def check_unique(keys: Iterable[str], *, name: str) -> None:
    """Raise `DataError` when a key occurs twice."""
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise DataError(f"{key!r} occurs twice", place=name)
        seen.add(key)
