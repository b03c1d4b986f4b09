"""Read the shipped tables, once, into one `Catalogue`."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from chipwise.catalogue import build
from chipwise.catalogue.catalogue import Catalogue
from chipwise.catalogue.frozen import FrozenMapping
from chipwise.catalogue.objects import Chip
from chipwise.core.errors import DataError
from chipwise.core.names import nearest_names
from chipwise.files.columns import Column, convert, read_dictionary
from chipwise.files.tables import read_table

FILES = {
    "chips": "catalogue/chips.csv",
    "ranges": "catalogue/ranges.csv",
    "systems": "catalogue/systems.csv",
    "prices": "catalogue/prices.csv",
    "supply": "catalogue/supply.csv",
    "aliases": "catalogue/aliases.csv",
    "models": "models/models.csv",
}
T = TypeVar("T")


def shipped_text(name: str) -> str:
    """Text of one shipped data file, such as ``catalogue/chips.csv``."""
    return resources.files("chipwise.data").joinpath(name).read_text(encoding="utf-8")


@functools.cache
def dictionary() -> Mapping[str, tuple[Column, ...]]:
    """The data dictionary: columns by table."""
    return read_dictionary(shipped_text("catalogue/dictionary.csv"))


def load_catalogue(overlays: Sequence[str | Path] = ()) -> Catalogue:
    """Everything known about chips, systems, prices, supply and models.

    Parameters
    ----------
    overlays : sequence of path
        Folders whose tables add rows or override fields of the shipped ones, later folders winning.

    Returns
    -------
    Catalogue
        Frozen; the one without overlays is read once and shared.

    Raises
    ------
    DataError
        A row that cannot be used, with file, line, column, value and what is allowed.

    Examples
    --------
    >>> load_catalogue().chip("H20 96GB").mem_bytes
    96000000000.0
    """
    catalogue = _shipped()
    if overlays:
        from chipwise.catalogue.overlay import apply_overlay

        for folder in overlays:
            catalogue = apply_overlay(catalogue, Path(folder))
    return catalogue


@functools.cache
def _shipped() -> Catalogue:
    texts = {table: shipped_text(name) for table, name in FILES.items()}
    columns = dictionary()
    rows = {table: read_table(texts[table], columns[table], name=f"{table}.csv") for table in FILES}
    catalogue = Catalogue(
        chips=by_id("chips", chips_from(rows["chips"], rows["ranges"])),
        systems=by_id("systems", map(build.build_system, rows["systems"])),
        prices=tuple(map(build.build_price, rows["prices"])),
        supply=tuple(map(build.build_supply, rows["supply"])),
        models=by_id("models", map(build.build_model, rows["models"])),
        aliases=FrozenMapping({row["alias"]: build.build_alias(row) for row in rows["aliases"]}),
        snapshot=hashlib.sha256("\x00".join(texts.values()).encode()).hexdigest()[:16],
    )
    check_references(catalogue)
    return catalogue


def by_id(table: str, items: Iterable[T]) -> FrozenMapping[str, T]:
    """Items keyed by their id, each id once."""
    out: dict[str, T] = {}
    for item in items:
        key = item.id  # type: ignore[attr-defined]
        if key in out:
            raise DataError(f"{key!r} occurs twice", place=f"{table}.csv")
        out[key] = item
    return FrozenMapping(out)


def chips_from(rows: Sequence[Mapping[str, Any]], ranges: Sequence[Mapping[str, Any]]) -> list[Chip]:
    """Chips with the ranges of their figures, converted to SI by the column the range speaks of."""
    columns = {column.field: column for column in dictionary()["chips"]}
    spans: dict[str, list[dict[str, Any]]] = {}
    for row in ranges:
        column = columns.get(row["field"])
        place = f"ranges.csv {row['chip_id']} {row['field']}"
        if column is None or column.type not in {"number", "integer"}:
            raise DataError(
                "is no number of the chips table", place=place, nearest=nearest_names(row["field"], columns)
            )
        low, high = (convert(repr(row[end]), column, place=place) for end in ("low", "high"))
        if low > high:
            raise DataError(f"low {row['low']:g} is above high {row['high']:g}", place=place)
        spans.setdefault(row["chip_id"], []).append({"attribute": column.attribute, "low": low, "high": high})
    return [build.build_chip(row, spans.get(row["id"], ())) for row in rows]


def check_references(catalogue: Catalogue) -> None:
    """Every key names something that exists; no id is both a chip and a system."""
    chips, systems = catalogue.chips, catalogue.systems
    both = sorted(set(chips) & set(systems))
    if both:
        raise DataError(f"{both[0]!r} is both a chip and a system", place="systems.csv")
    _check("chips", "china_variant_of", chips.values(), lambda c: c.china_variant_of, chips)
    _check("systems", "chip_id", systems.values(), lambda s: s.chip_id, chips)
    _check("prices", "item_id", catalogue.prices, lambda p: p.item_id, {**chips, **systems})
    _check("supply", "chip_id", catalogue.supply, lambda s: s.chip_id, chips)
    for alias in catalogue.aliases.values():
        if alias.chip_id and alias.chip_id not in chips:
            raise _dangling(f"aliases.csv {alias.alias}", alias.chip_id, chips)


def check_names(catalogue: Catalogue) -> None:
    """No spelling names two models, and no alias of a chip is the id of another."""
    catalogue.models_by_spelling()
    for alias in catalogue.aliases.values():
        if alias.alias in catalogue.chips and alias.alias != alias.chip_id:
            raise DataError(f"{alias.alias!r} is an id and an alias of {alias.chip_id!r}", place="aliases")


def _check(table: str, field: str, items: Iterable[T], key: Callable[[T], str], known: Mapping[str, Any]) -> None:
    for item in items:
        name = key(item)
        if name and name not in known:
            raise _dangling(f"{table}.csv {item.id} {field}", name, known)  # type: ignore[attr-defined]


def _dangling(place: str, name: str, known: Mapping[str, Any]) -> DataError:
    return DataError(f"{name!r} is in no table", place=place, nearest=nearest_names(name, known))
