"""The data dictionary: what every column of a table is, and how a cell is read by it.

A cell becomes text, a number in SI, a whole number, a yes or no, a day, or None when blank. Every complaint names
place, value given and what is allowed.
"""

from __future__ import annotations

import csv
import datetime as dt
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chipwise.core.errors import DataError
from chipwise.core.names import nearest_names
from chipwise.files.units import parse_number, parse_unit

TYPES = ("text", "names", "choice", "flag", "integer", "number", "date", "when", "day")
_DATE = re.compile(r"^\d{4}(-(\d{2}(-\d{2})?|Q[1-4]|H[12]))?$")
_TRUE = frozenset({"y", "yes", "1", "true"})
_FALSE = frozenset({"n", "no", "0", "false"})
MAX_CELL = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One line of the data dictionary.

    Parameters
    ----------
    field, attribute : str
        Heading in the file, and attribute of the object it fills (``rates.bf16`` fills a key of a mapping).
    type : str
        One of `TYPES`, or ``key:<table>`` for a reference.
    unit : str
        Unit of the file; the object holds SI.
    low, high : float or None
        Bounds in the unit of the file; `open_low` excludes the low end.
    choices : tuple of str
        Allowed words; empty when free.
    factor, exponent : float, str
        Factor to SI, and its decimal exponent (``e12``) where it is a power of ten, so that no digit is lost.
    """

    table: str
    field: str
    attribute: str
    type: str
    unit: str
    default: str
    low: float | None
    high: float | None
    open_low: bool
    choices: tuple[str, ...]
    required: bool
    meaning: str
    factor: float
    exponent: str = ""

    @property
    def allowed(self) -> str:
        """What may stand in the column, in words."""
        if self.choices:
            return " | ".join(self.choices)
        words = {"integer": "a whole number", "number": "a number", "day": "YYYY-MM-DD"}.get(self.type, "text")
        if self.type.startswith("key:"):
            words = f"an id of the table {self.type[4:]}"
        if self.type == "when":
            words = "a date, possibly partial, with words"
        if self.type == "names":
            words = "names separated by |"
        if self.type == "flag":
            words = "yes or no"
        if self.type == "date":
            words = "YYYY, YYYY-Qn, YYYY-Hn, YYYY-MM or YYYY-MM-DD"
        if self.low is not None:
            words += f" {'above' if self.open_low else 'from'} {self.low:g}"
        if self.high is not None:
            words += f" up to {self.high:g}"
        return f"{words} ({self.unit})" if self.unit else words


def read_dictionary(text: str) -> dict[str, tuple[Column, ...]]:
    """Read the data dictionary; columns by table, in order."""
    tables: dict[str, list[Column]] = {}
    for row in csv.DictReader(text.splitlines()):
        tables.setdefault(row["table"], []).append(_column(row))
    return {table: tuple(columns) for table, columns in tables.items()}


def _column(row: Mapping[str, str]) -> Column:
    place = f"dictionary {row['table']}.{row['field']}"
    kind = row["type"]
    if kind not in TYPES and not kind.startswith("key:"):
        raise DataError(f"{kind!r} is no type", place=place, allowed=" | ".join(TYPES))
    bounds = row["bounds"]
    choices: tuple[str, ...] = ()
    low = high = None
    if "|" in bounds:
        choices = tuple(bounds.split("|"))
    elif bounds:
        first, _, last = bounds.lstrip(">=").partition("..")
        low = parse_number(first, place=place) if first else None
        high = parse_number(last, place=place) if last else None
    factor = parse_unit(row["unit"], place=place).factor
    power = round(math.log10(factor))
    return Column(
        table=row["table"],
        field=row["field"],
        attribute=row["attribute"],
        type=kind,
        unit=row["unit"],
        default=row["default"],
        low=low,
        high=high,
        open_low=bounds.startswith(">") and not bounds.startswith(">="),
        choices=choices,
        required=row["required"] == "y",
        meaning=row["meaning"],
        factor=factor,
        exponent=f"e{power}" if power and factor == 10.0**power else "",
    )


def convert(cell: str, column: Column, *, place: str) -> Any:
    """One cell as its typed value in SI; blank gives the default."""
    if not cell:
        if column.required:
            raise DataError("is blank", place=f"{place} {column.field}", allowed=column.allowed)
        return default_of(column)
    return _PARSERS.get(column.type, _text)(cell, column, place)


def default_of(column: Column) -> Any:
    """What a blank cell of the column means: its default, nothing, or the empty text."""
    if column.default:
        return _PARSERS.get(column.type, _text)(column.default, column, "dictionary")
    if column.type == "names":
        return ()
    return None if column.type in {"flag", "integer", "number", "day"} else ""


def _bad(cell: str, column: Column, place: str) -> DataError:
    nearest = nearest_names(cell, column.choices) if column.choices else ()
    return DataError(
        f"{cell[:80]!r} cannot stand here", place=f"{place} {column.field}", allowed=column.allowed, nearest=nearest
    )


def _text(cell: str, column: Column, place: str) -> str:
    if len(cell) > MAX_CELL:
        raise DataError(f"{len(cell)} characters", place=f"{place} {column.field}", allowed=f"up to {MAX_CELL}")
    return cell


def _names(cell: str, column: Column, place: str) -> tuple[str, ...]:
    return tuple(entry.strip() for entry in _text(cell, column, place).split("|") if entry.strip())


def _choice(cell: str, column: Column, place: str) -> str:
    if cell not in column.choices:
        raise _bad(cell, column, place)
    return cell


def _flag(cell: str, column: Column, place: str) -> bool:
    word = cell.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise _bad(cell, column, place)


def _number(cell: str, column: Column, place: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        raise _bad(cell, column, place) from None
    low, high = column.low, column.high
    outside = (low is not None and (value < low or (column.open_low and value == low))) or (
        high is not None and value > high
    )
    if outside or not math.isfinite(value) or "_" in cell:
        raise _bad(cell, column, place)
    if column.exponent and "e" not in cell and "E" not in cell:
        return float(cell + column.exponent)
    return value * column.factor


def _integer(cell: str, column: Column, place: str) -> int:
    if cell.isdecimal() and len(cell) < 10 and column.low is not None and column.high is not None:
        whole = int(cell)
        if column.low <= whole <= column.high:
            return whole
    value = _number(cell, column, place)
    if value != int(value):
        raise _bad(cell, column, place)
    return int(value)


def _date(cell: str, column: Column, place: str) -> str:
    if not _DATE.match(cell):
        raise _bad(cell, column, place)
    if len(cell) >= 7 and cell[5] not in "QH":
        _day(cell if len(cell) == 10 else f"{cell}-01", column, place)
    return cell


def _day(cell: str, column: Column, place: str) -> dt.date:
    try:
        return dt.date.fromisoformat(cell)
    except ValueError:
        raise _bad(cell, column, place) from None


_PARSERS: dict[str, Callable[[str, Column, str], Any]] = {
    "names": _names,
    "choice": _choice,
    "flag": _flag,
    "integer": _integer,
    "number": _number,
    "date": _date,
    "day": _day,
}
