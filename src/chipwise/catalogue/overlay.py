"""A user's folder laid over the catalogue: rows that add, rows that override.

The folder holds any of ``chips``, ``systems``, ``prices``, ``models`` as ``.yaml`` or ``.csv``. A row with a known id
changes only the fields it gives; a row with a new id must give what identifies it. Nothing is borrowed from another
row: what is not given is unknown.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chipwise.catalogue import build
from chipwise.catalogue.catalogue import Catalogue
from chipwise.catalogue.derive import derive
from chipwise.catalogue.frozen import FrozenMapping
from chipwise.catalogue.load import check_names, check_references, dictionary
from chipwise.catalogue.objects import Alias, Chip, Model, Price, System
from chipwise.catalogue.shapes import ModelShape, parse_groups, parse_sizes
from chipwise.core.errors import DataError
from chipwise.files.columns import Column, default_of
from chipwise.files.rows import GivenRow, read_csv_rows, read_yaml_rows

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,79}")
TABLES = ("chips", "systems", "prices", "models")
_EXTRA: Mapping[str, tuple[str, ...]] = {"chips": ("aliases",), "models": ("config",)}
_SHAPE = frozenset(field.name for field in dataclasses.fields(ModelShape))
_DERIVED = (
    "params_total",
    "params_active",
    "params_matmul_active",
    "params_attn",
    "params_embedding_table",
    "kv_elems_per_token",
    "kv_elems_per_token_window",
    "index_elems_per_token",
    "state_elems_per_sequence",
    "attn_score_dim_full",
    "attn_score_dim_window",
)


def apply_overlay(catalogue: Catalogue, folder: Path) -> Catalogue:
    """A new catalogue with the rows of `folder` laid over `catalogue`.

    Raises
    ------
    DataError
        The folder holds no table, or a row cannot be used; names file, line, field, value and what is allowed.
    """
    if not folder.is_dir():
        raise DataError("no such folder", place=str(folder), allowed="a folder with chips.yaml, systems.csv, ...")
    files = [
        path
        for table in TABLES
        for ending in (".csv", ".yaml", ".yml")
        if (path := folder / f"{table}{ending}").exists()
    ]
    if not files:
        allowed = ", ".join(f"{table}.yaml or .csv" for table in TABLES)
        raise DataError("the folder holds no table", place=str(folder), allowed=allowed)
    digest = hashlib.sha256(catalogue.snapshot.encode())
    for path in files:
        catalogue = _LAYERS[path.stem](catalogue, _rows(path))
        digest.update(path.name.encode() + path.read_bytes())
    catalogue = dataclasses.replace(
        catalogue, snapshot=digest.hexdigest()[:16], overlays=(*catalogue.overlays, folder.name)
    )
    check_references(catalogue)
    check_names(catalogue)
    return catalogue


def _rows(path: Path) -> list[GivenRow]:
    columns = dictionary()[path.stem]
    key_field = columns[0].field
    if path.suffix == ".csv":
        rows = read_csv_rows(path, columns, key_field)
    else:
        rows = read_yaml_rows(path, columns, key_field, _EXTRA.get(path.stem, ()))[0]
    for row in rows:
        if not _ID.fullmatch(row.key):
            raise DataError(
                f"{row.key[:60]!r} is no id", place=row.place, allowed="letters, digits and . _ + -, up to 80"
            )
    return rows


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


def _chips(catalogue: Catalogue, rows: list[GivenRow]) -> Catalogue:
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
    values = {name: value for name, value in row.values.items() if name != "id"}
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


def _systems(catalogue: Catalogue, rows: list[GivenRow]) -> Catalogue:
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


def _prices(catalogue: Catalogue, rows: list[GivenRow]) -> Catalogue:
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


def _models(catalogue: Catalogue, rows: list[GivenRow]) -> Catalogue:
    models = dict(catalogue.models)
    for row in rows:
        models[row.key] = _changed_model(models[row.key], row) if row.key in models else _new_model(row)
    return dataclasses.replace(catalogue, models=FrozenMapping(models))


def _new_model(row: GivenRow) -> Model:
    source = _source(row)
    assumed: dict[str, Any] = {
        "id": row.key,
        "name": row.key,
        "family": row.key,
        "kind": "moe" if row.values.get("n_experts") else "dense",
        "evidence": f"user file {source}",
        "confidence": "low",
        "sources": f"user file {source}",
    }
    if "config" in row.extra:
        from chipwise.catalogue.hf_config import read_config

        folder = Path(row.place.rpartition(":")[0]).parent
        if not isinstance(row.extra["config"], str):
            raise DataError("is no file name", place=f"{row.place}.config", allowed="path of a config.json")
        imported = read_config(folder / row.extra["config"])
        assumed |= {name: getattr(imported.shape, name) for name in _SHAPE}
        assumed |= {"kind": imported.kind, "max_context": imported.max_context}
        assumed |= {"attention_groups": imported.shape.attention_groups, "linear_detail": imported.shape.linear_detail}
    return completed_model(_complete(row, dictionary()["models"], assumed), row.values, origin=source)


def completed_model(values: Mapping[str, Any], given: Mapping[str, Any], origin: str) -> Model:
    """A model from a row of the models table; what follows from the shape is computed unless it was given."""
    row = dict(values)
    shape = build.build_shape(row)
    if shape is not None:
        follows = dataclasses.asdict(derive(shape))
        row.update({name: follows[name] for name in _DERIVED if given.get(name) is None})
    return build.build_model(row, origin=origin)


def _changed_model(model: Model, row: GivenRow) -> Model:
    values = {name: value for name, value in row.values.items() if name != "id"}
    shape = model.shape
    place = row.place
    changes = {name: value for name, value in values.items() if name in _SHAPE and value is not None}
    for name, parse in (("attention_groups", parse_groups), ("linear_detail", parse_sizes)):
        if name in changes:
            changes[name] = parse(changes[name], place=place)
    if changes:
        if shape is None:
            raise DataError("the shape of this model is not known", place=place, allowed="a new id with a whole shape")
        shape = dataclasses.replace(shape, **changes)
        values = {**dataclasses.asdict(derive(shape)), **values}
    kept = {field.name for field in dataclasses.fields(Model)}
    values = {name: value for name, value in values.items() if name in kept}
    values.setdefault("sources", f"{model.sources}; user file {_source(row)}")
    return dataclasses.replace(model, **values, shape=shape, origin=_source(row))


_LAYERS: Mapping[str, Callable[[Catalogue, list[GivenRow]], Catalogue]] = {
    "chips": _chips,
    "systems": _systems,
    "prices": _prices,
    "models": _models,
}
