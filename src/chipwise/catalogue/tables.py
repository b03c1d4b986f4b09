"""The catalogue as tables in SI units: the columns of the data dictionary, under the names the objects use.

A table written out, changed and laid over the catalogue again (as Parquet) says the same; the columns in `COMPUTED`
are left out on the way back in, because they follow from the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chipwise.catalogue.catalogue import Catalogue
from chipwise.catalogue.load import dictionary
from chipwise.catalogue.measures import performance_density, tpp
from chipwise.catalogue.objects import Chip
from chipwise.catalogue.shapes import groups_text
from chipwise.core.tabular import Kind, Table, table_of

COMPUTED: Mapping[str, Mapping[str, Kind]] = {
    "chips": {"tpp": "number", "performance_density": "number", "origin": "text"},
    "systems": {"origin": "text"},
    "prices": {"origin": "text"},
    "supply": {"origin": "text"},
    "models": {"origin": "text"},
}
"""Columns of each table that follow from the others or only say where a row comes from."""
_KINDS: Mapping[str, Kind] = {"number": "number", "integer": "number", "flag": "flag", "day": "date"}


def chips_table(catalogue: Catalogue) -> Table:
    """One row per chip; rates in FLOP/s (OP/s for integers) as ``rates.<precision>``, bandwidth in byte/s."""
    return _table("chips", catalogue.chips.values())


def systems_table(catalogue: Catalogue) -> Table:
    """One row per server, rack or instance."""
    return _table("systems", catalogue.systems.values())


def prices_table(catalogue: Catalogue) -> Table:
    """One row per price observation; street and resale rows are market facts, never offers."""
    return _table("prices", catalogue.prices)


def supply_table(catalogue: Catalogue) -> Table:
    """One row per supply observation; orders and approvals are not deliveries."""
    return _table("supply", catalogue.supply)


def models_table(catalogue: Catalogue) -> Table:
    """One row per model, with its whole shape."""
    return _table("models", catalogue.models.values())


CATALOGUE_TABLES: dict[str, Callable[[Catalogue], Table]] = {
    "chips": chips_table,
    "systems": systems_table,
    "prices": prices_table,
    "supply": supply_table,
    "models": models_table,
}
"""Name of a table → how it is read off a catalogue."""


def _table(name: str, items: Iterable[Any]) -> Table:
    columns = {column.attribute: _KINDS.get(column.type, "text") for column in dictionary()[name]}
    kinds = {**columns, **COMPUTED.get(name, {})}
    above_zero = {column.attribute for column in dictionary()[name] if column.low is not None and column.low > 0}
    rows = []
    for item in items:
        row = {key: figure_of(item, key) for key in kinds}
        rows.append({key: None if value == 0 and key in above_zero else value for key, value in row.items()})
    return table_of(kinds, rows)


def figure_of(item: Any, name: str) -> Any:
    """A figure of an object by its attribute in the dictionary; None for NaN and for what does not exist."""
    if name.startswith("rates."):
        return item.rates.get(name.removeprefix("rates."))
    if name.endswith("_bidir") and not hasattr(item, name):
        one_way = getattr(item, name.replace("_bidir", "_per_dir"))
        return None if one_way is None else 2.0 * one_way
    if isinstance(item, Chip) and name in ("tpp", "performance_density"):
        return tpp(item) if name == "tpp" else performance_density(item)
    value = getattr(item, name) if hasattr(item, name) else getattr(getattr(item, "shape", None), name, None)
    if name == "attention_groups" and not isinstance(value, str):
        value = getattr(item.shape, name, None)
    if isinstance(value, tuple):
        return _tuple_text(name, value)
    return None if isinstance(value, float) and value != value else value


def _tuple_text(name: str, value: tuple[Any, ...]) -> str:
    """Names joined as the tables write them; groups of attention and sizes in the words of the shape."""
    if name == "attention_groups":
        return groups_text(value)
    if name == "linear_detail":
        return ", ".join(f"{key}={size}" for key, size in value)
    return "|".join(map(str, value))
