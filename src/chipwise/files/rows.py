"""A user's rows from YAML, checked against the data dictionary; only what was given is returned.

In YAML a key may be the column's heading (``mem_gb: 96``) or the heading without its unit, and then the value
carries it (``mem: 96 GB``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chipwise.core.errors import DataError
from chipwise.core.names import nearest_names
from chipwise.files.columns import Column, convert
from chipwise.files.units import parse_quantity
from chipwise.files.yaml_tree import NodePath, YamlTree, read_yaml

_SUFFIXES = ("_tflops", "_tops", "_gbs", "_gb", "_mb", "_mm2", "_w", "_gbps_each", "_gbps_per_chip", "_t", "_b")
_SYNONYMS = {"source": "sources", "bandwidth": "mem_bw_gbs", "memory": "mem_gb", "power": "tdp_w"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenRow:
    """One row as the user gave it.

    Parameters
    ----------
    key : str
        Id of the row.
    values : mapping of attribute to value
        SI; holds only what was given (None where YAML says null).
    ranges : mapping of attribute to (low, high)
        Ranges given with ``{value: .., range: [low, high]}``.
    extra : mapping
        Keys the caller said it handles itself, unconverted.
    places : mapping of attribute to str
        Where each value stands, for messages.
    place : str
        Where the row starts.
    """

    key: str
    values: Mapping[str, Any]
    place: str
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)


def read_yaml_rows(
    path: Path, columns: Sequence[Column], key_field: str, extra: Sequence[str] = ()
) -> tuple[list[GivenRow], YamlTree]:
    """Rows of a YAML file: a mapping of id to fields.

    Raises
    ------
    InputError
        With file, line, key, value and what is allowed.
    """
    tree = read_yaml(path)
    if not isinstance(tree.value, dict):
        raise DataError("the file is no mapping", place=tree.place(()), allowed="one entry per id: `my-chip:`")
    names = spellings(columns)
    return [_yaml_row(tree, str(key), entry, key, names, key_field, extra) for key, entry in tree.value.items()], tree


def spellings(columns: Sequence[Column]) -> dict[str, tuple[Column, bool]]:
    """Key to column, and whether a bare number may stand under it."""
    names: dict[str, tuple[Column, bool]] = {}
    by_field = {column.field: column for column in columns}
    for column in columns:
        for suffix in _SUFFIXES:
            if column.unit and column.field.endswith(suffix):
                names.setdefault(column.field.removesuffix(suffix), (column, False))
    for word, heading in _SYNONYMS.items():
        if heading in by_field:
            names.setdefault(word, (by_field[heading], not by_field[heading].unit))
    names.update({column.field: (column, True) for column in columns})
    return names


def _yaml_row(
    tree: YamlTree,
    key: str,
    entry: Any,
    path_key: str | int,
    names: Mapping[str, tuple[Column, bool]],
    key_field: str,
    extra: Sequence[str],
) -> GivenRow:
    path: NodePath = (path_key,)
    if not isinstance(entry, dict):
        raise DataError(f"{entry!r} is no mapping", place=tree.place(path), allowed="fields of the row")
    values: dict[str, Any] = {}
    ranges: dict[str, tuple[float, float]] = {}
    places: dict[str, str] = {}
    others: dict[str, Any] = {}
    for name, value in entry.items():
        place = tree.place((*path, name))
        if name in extra:
            others[name] = value
            continue
        column, bare = names.get(str(name), (None, False))
        if column is None or column.field == key_field:
            known = [*names, *extra]
            raise DataError(f"{name!r} is no field here", place=place, nearest=nearest_names(str(name), known))
        if column.attribute in values:
            raise DataError(f"{column.field} is given twice", place=place)
        places[column.attribute] = place
        if isinstance(value, dict):
            value, span = _ranged(value, column, bare, place)
            ranges[column.attribute] = span
        values[column.attribute] = None if value is None else _value(value, column, bare, place)
    return GivenRow(key=key, values=values, ranges=ranges, extra=others, places=places, place=tree.place(path))


def _ranged(entry: Mapping[Any, Any], column: Column, bare: bool, place: str) -> tuple[Any, tuple[float, float]]:
    span = entry.get("range")
    if set(entry) != {"value", "range"} or not isinstance(span, list) or len(span) != 2 or column.type != "number":
        raise DataError("cannot stand here", place=place, allowed="a value, or {value: .., range: [low, high]}")
    low, high = (_value(end, column, bare, place) for end in span)
    middle = _value(entry["value"], column, bare, place)
    if not low <= middle <= high:
        raise DataError("the value lies outside its range", place=place, allowed="low <= value <= high")
    return entry["value"], (low, high)


def _value(value: Any, column: Column, bare: bool, place: str) -> Any:
    """One YAML value as the column's typed value in SI."""
    shown = place.rpartition(" ")[0] or place
    if column.type in {"number", "integer"}:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and column.unit and not bare:
            raise DataError(f"{value!r} has no unit", place=place, allowed=f"{value!r} {column.unit}")
        return convert(repr(parse_quantity(value, column.unit, place=place)), column, place=shown)
    if isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, dt.date):
        text = value.isoformat()
    elif isinstance(value, list) and column.type == "names":
        text = "|".join(str(part) for part in value)
    elif isinstance(value, (str, int, float)):
        text = str(value).strip()
    else:
        raise DataError(f"{str(value)[:60]!r} cannot stand here", place=place, allowed=column.allowed)
    return convert(text, column, place=shown)
