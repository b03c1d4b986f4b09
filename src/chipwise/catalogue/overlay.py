"""A user's folder laid over the catalogue: rows that add, rows that override.

The folder holds any of ``chips``, ``systems``, ``prices``, ``supply``, ``models`` as ``.yaml``, ``.csv`` or
``.parquet``. A row with a known id changes only the fields it gives; a row with a new id must give what identifies
it. Nothing is borrowed from another row: what is not given is unknown. Rows are read one at a time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from chipwise.catalogue import build
from chipwise.catalogue.catalogue import Catalogue
from chipwise.catalogue.frozen import FrozenMapping
from chipwise.catalogue.load import check_names, check_references, dictionary
from chipwise.catalogue.objects import Alias, Chip, Model, Price, Supply, System
from chipwise.catalogue.overlay_models import assumed_of_model, changed_model, completed_model
from chipwise.catalogue.tables import COMPUTED, figure_of
from chipwise.core.errors import DataError
from chipwise.core.names import nearest_names
from chipwise.files.columns import Column, default_of
from chipwise.files.row_streams import chunks, csv_rows, parquet_rows
from chipwise.files.rows import GivenRow, read_yaml_rows

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,79}")
TABLES = ("chips", "systems", "prices", "supply", "models")
ENDINGS = (".csv", ".parquet", ".yaml", ".yml")
_EXTRA: Mapping[str, tuple[str, ...]] = {"chips": ("aliases",), "models": ("config",)}


def apply_overlay(catalogue: Catalogue, folder: Path) -> Catalogue:
    """A new catalogue with the rows of `folder` laid over `catalogue`.

    Raises
    ------
    DataError
        The folder holds no table, or a row cannot be used; names file, line, field, value and what is allowed.
    """
    files = _files(folder)
    digest = hashlib.sha256(catalogue.snapshot.encode())
    for path in files:
        catalogue = _LAYERS[path.stem](catalogue, _rows(path))
        digest.update(path.name.encode())
        for part in chunks(path):
            digest.update(part)
    catalogue = dataclasses.replace(
        catalogue, snapshot=digest.hexdigest()[:16], overlays=(*catalogue.overlays, folder.name)
    )
    check_references(catalogue)
    check_names(catalogue)
    return catalogue


def _files(folder: Path) -> list[Path]:
    """The tables of the folder, in the order in which they are laid on.

    Raises
    ------
    DataError
        There is no such folder, it holds no table, or it holds one with a name that is nearly right.
    """
    try:
        names = sorted(os.listdir(folder))
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        allowed = "a folder with chips.yaml, systems.csv, ..."
        raise DataError(f"no such folder: {reason}", place=str(folder)[:300], allowed=allowed) from None
    for name in names:
        stem, ending = os.path.splitext(name)
        near = nearest_names(stem, TABLES, count=1)
        if ending in ENDINGS and stem not in TABLES and near and len(set(stem) ^ set(near[0])) <= 1:
            raise DataError(f"no table is called {stem!r}", place=str(folder / name), nearest=near)
    files = [folder / f"{table}{ending}" for table in TABLES for ending in ENDINGS if f"{table}{ending}" in names]
    if not files:
        allowed = ", ".join(f"{table}.yaml" for table in TABLES) + ", or the same as .csv or .parquet"
        raise DataError("the folder holds no table", place=str(folder), allowed=allowed)
    return files


def _rows(path: Path) -> Iterator[GivenRow]:
    columns = dictionary()[path.stem]
    key_field = columns[0].field
    rows: Iterable[GivenRow]
    if path.suffix == ".csv":
        rows = csv_rows(path, columns, key_field)
    elif path.suffix == ".parquet":
        rows = parquet_rows(path, columns, key_field, tuple(COMPUTED.get(path.stem, ())))
    else:
        rows = read_yaml_rows(path, columns, key_field, _EXTRA.get(path.stem, ()))[0]
    for row in rows:
        if not _ID.fullmatch(row.key):
            raise DataError(
                f"{row.key[:60]!r} is no id", place=row.place, allowed="letters, digits and . _ + -, up to 80"
            )
        yield row


def _complete(row: GivenRow, columns: tuple[Column, ...], assumed: Mapping[str, Any]) -> dict[str, Any]:
    """All attributes of a new row: given, assumed, or the dictionary's default."""
    out = {column.attribute: default_of(column) for column in columns}
    out.update(assumed)
    out.update({name: value for name, value in row.values.items() if value is not None})
    missing = [column.field for column in columns if column.required and out[column.attribute] in (None, "")]
    if missing:
        raise DataError(f"a new row must also give {', '.join(missing)}", place=row.place)
    return out


def _source(row: GivenRow) -> str:
    return Path(row.place.rpartition(":")[0] or row.place).name


def _chips(catalogue: Catalogue, rows: Iterable[GivenRow]) -> Catalogue:
    chips, aliases = dict(catalogue.chips), dict(catalogue.aliases)
    for row in rows:
        chips[row.key] = _changed_chip(chips[row.key], row) if row.key in chips else _new_chip(row)
        for spelling in _spellings(row):
            aliases[spelling] = Alias(alias=spelling, chip_id=row.key, per_unit=1.0, where_used=_source(row), note="")
    return dataclasses.replace(catalogue, chips=FrozenMapping(chips), aliases=FrozenMapping(aliases))


def _spellings(row: GivenRow) -> tuple[str, ...]:
    given = row.extra.get("aliases", [])
    if not isinstance(given, list) or not all(isinstance(entry, str) and entry for entry in given):
        raise DataError(f"{given!r} is no list of names", place=f"{row.place}.aliases", allowed="[name, name]")
    return tuple(given)


def _ranges(row: GivenRow) -> list[dict[str, Any]]:
    return [{"attribute": name, "low": span[0], "high": span[1]} for name, span in row.ranges.items()]


def _new_chip(row: GivenRow) -> Chip:
    source = _source(row)
    assumed = {
        "id": row.key,
        "name": row.key,
        "status": "shipped",
        "confidence": "C",
        "sources": f"user file {source}",
        "fact_status": "assumed",
    }
    return build.build_chip(_complete(row, dictionary()["chips"], assumed), _ranges(row), origin=source)


def _changed_chip(chip: Chip, row: GivenRow) -> Chip:
    values = {
        name: value
        for name, value in row.values.items()
        if name != "id" and (name in row.ranges or value != figure_of(chip, name))
    }
    changed = tuple(name.removeprefix("rates.").replace("_bidir", "_per_dir") for name in values)
    rates, spans = dict(chip.rates), dict(chip.rate_ranges)
    fields = {name: span for name, span in chip.field_ranges.items() if name not in values}
    for name in [name for name in values if name.startswith("rates.")]:
        value, precision = values.pop(name), name.removeprefix("rates.")
        spans.pop(precision, None)
        rates.pop(precision, None)
        if value is not None:
            rates[precision] = value
    for name, span in row.ranges.items():
        (spans if name.startswith("rates.") else fields)[name.removeprefix("rates.")] = span
    values = _one_way(values, "link_bytes_per_s")
    return dataclasses.replace(
        chip,
        **_with_blanks(chip, values),
        rates=FrozenMapping(rates),
        rate_ranges=FrozenMapping(spans),
        field_ranges=FrozenMapping(fields),
        origin=_source(row),
        overridden=tuple(dict.fromkeys((*chip.overridden, *changed))),
    )


def _one_way(values: dict[str, Any], stem: str) -> dict[str, Any]:
    """Halve a sum over both directions."""
    if f"{stem}_bidir" not in values:
        return values
    both = values[f"{stem}_bidir"]
    kept = {name: value for name, value in values.items() if name != f"{stem}_bidir"}
    return {**kept, f"{stem}_per_dir": None if both is None else both / 2.0}


def _with_blanks(old: object, values: Mapping[str, Any]) -> dict[str, Any]:
    """Null means: not known; for text that is the empty text."""
    return {
        name: "" if value is None and isinstance(getattr(old, name), str) else value for name, value in values.items()
    }


def _systems(catalogue: Catalogue, rows: Iterable[GivenRow]) -> Catalogue:
    systems = dict(catalogue.systems)
    for row in rows:
        systems[row.key] = _changed_system(systems[row.key], row) if row.key in systems else _new_system(row)
    return dataclasses.replace(catalogue, systems=FrozenMapping(systems))


def _new_system(row: GivenRow) -> System:
    source = _source(row)
    assumed = {"id": row.key, "name": row.key, "confidence": "C", "sources": f"user file {source}"}
    return build.build_system(_complete(row, dictionary()["systems"], assumed), origin=source)


def _changed_system(system: System, row: GivenRow) -> System:
    values = _one_way({name: value for name, value in row.values.items() if name != "id"}, "fabric_bytes_per_s")
    values.setdefault("sources", f"{system.sources}; user file {_source(row)}")
    return dataclasses.replace(system, **_with_blanks(system, values), origin=_source(row))


def _prices(catalogue: Catalogue, rows: Iterable[GivenRow]) -> Catalogue:
    prices: dict[str, Price] = {price.id: price for price in catalogue.prices}
    for row in rows:
        source = _source(row)
        if row.key in prices:
            values = {name: value for name, value in row.values.items() if name != "id"}
            prices[row.key] = dataclasses.replace(
                prices[row.key], **_with_blanks(prices[row.key], values), origin=source
            )
        else:
            assumed = {"id": row.key, "source": f"user file {source}", "reliability": "C"}
            prices[row.key] = build.build_price(_complete(row, dictionary()["prices"], assumed), origin=source)
    return dataclasses.replace(catalogue, prices=tuple(prices.values()))


def _supply(catalogue: Catalogue, rows: Iterable[GivenRow]) -> Catalogue:
    supply: dict[str, Supply] = {entry.id: entry for entry in catalogue.supply}
    for row in rows:
        source = _source(row)
        if row.key in supply:
            values = {name: value for name, value in row.values.items() if name != "id"}
            supply[row.key] = dataclasses.replace(
                supply[row.key], **_with_blanks(supply[row.key], values), origin=source
            )
        else:
            assumed = {"id": row.key, "source": f"user file {source}", "reliability": "C"}
            supply[row.key] = build.build_supply(_complete(row, dictionary()["supply"], assumed), origin=source)
    return dataclasses.replace(catalogue, supply=tuple(supply.values()))


def _models(catalogue: Catalogue, rows: Iterable[GivenRow]) -> Catalogue:
    models = dict(catalogue.models)
    for row in rows:
        models[row.key] = changed_model(models[row.key], row) if row.key in models else _new_model(row)
    return dataclasses.replace(catalogue, models=FrozenMapping(models))


def _new_model(row: GivenRow) -> Model:
    assumed, given = assumed_of_model(row, _source(row))
    return completed_model(_complete(row, dictionary()["models"], assumed), given, origin=_source(row), place=row.place)


_LAYERS: Mapping[str, Callable[[Catalogue, Iterable[GivenRow]], Catalogue]] = {
    "chips": _chips,
    "systems": _systems,
    "prices": _prices,
    "supply": _supply,
    "models": _models,
}
