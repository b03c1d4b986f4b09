"""Turn typed rows of the tables into frozen objects."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

from chipwise.catalogue.frozen import FrozenMapping
from chipwise.catalogue.objects import Alias, Chip, Model, Price, Supply, System
from chipwise.catalogue.shapes import ModelShape, parse_groups, parse_sizes
from chipwise.core.errors import DataError
from chipwise.core.units import BITS_BY_PRECISION

Row = Mapping[str, Any]
_SHAPE_FIELDS = tuple(field.name for field in dataclasses.fields(ModelShape))
_MODEL_FIELDS = tuple(field.name for field in dataclasses.fields(Model) if field.name not in {"shape", "origin"})
_FROM_SHAPE = (
    "params_active",
    "params_matmul_active",
    "params_embedding_table",
    "kv_elems_per_token",
    "kv_elems_per_token_window",
    "state_elems_per_sequence",
    "attn_score_dim_full",
    "attn_score_dim_window",
)
_PAIRS_TO_MODEL = ("params_attn", "params_mtp", "index_elems_per_token")


def build_chip(row: Row, ranges: Iterable[Row] = (), origin: str = "") -> Chip:
    """One chip from its row and its ranges (already SI)."""
    plain = dict(row)
    rates = {name: rate for name in BITS_BY_PRECISION if (rate := plain.pop(f"rates.{name}")) is not None}
    bidirectional = plain.pop("link_bytes_per_s_bidir")
    one_way = None if bidirectional is None else bidirectional / 2.0
    if bidirectional is None and plain["link_name"] == "none":
        one_way = 0.0
    spans = {entry["attribute"]: (entry["low"], entry["high"]) for entry in ranges}
    return Chip(
        **plain,
        rates=FrozenMapping(rates),
        link_bytes_per_s_per_dir=one_way,
        rate_ranges=FrozenMapping({key[6:]: span for key, span in spans.items() if key.startswith("rates.")}),
        field_ranges=FrozenMapping({key: span for key, span in spans.items() if not key.startswith("rates.")}),
        origin=origin,
    )


def build_system(row: Row, origin: str = "") -> System:
    """One system from its row."""
    plain = dict(row)
    bidirectional = plain.pop("fabric_bytes_per_s_bidir")
    one_way = None if bidirectional is None else bidirectional / 2.0
    return System(**plain, fabric_bytes_per_s_per_dir=one_way, origin=origin)


def build_price(row: Row, origin: str = "") -> Price:
    """One price observation from its row."""
    return Price(**row, origin=origin)


def build_supply(row: Row, origin: str = "") -> Supply:
    """One supply observation from its row."""
    return Supply(**row, origin=origin)


def build_alias(row: Row) -> Alias:
    """One spelling from its row."""
    return Alias(**row)


def build_shape(row: Row) -> ModelShape | None:
    """The dimensions of a row of the models table; None where the row gives no layers or no width."""
    if row["layers"] is None or row["hidden"] is None or row["vocab"] is None:
        return None
    place = f"models {row['id']}"
    values = {key: row[key] for key in _SHAPE_FIELDS if row[key] is not None}
    for name, parse in (("attention_groups", parse_groups), ("linear_detail", parse_sizes)):
        if isinstance(row[name], str):
            values[name] = parse(row[name], place=place)
    for name in ("ffn_hidden", "heads", "kv_heads", "head_dim"):
        values.setdefault(name, 0)
    if not values.get("moe_layers") and not values.get("dense_mlp_layers"):
        values.setdefault("gated_mlp", False)
    for name in ("gated_mlp", "tied_embeddings"):
        if name not in values:
            raise DataError("is blank", place=f"{place} {name}", allowed="1 | 0")
    return ModelShape(**values)


def build_model(row: Row, origin: str = "") -> Model:
    """One model from its row; what a missing shape would give is NaN."""
    shape = build_shape(row)
    values = {key: row[key] for key in _MODEL_FIELDS}
    if values["params_total"] is None:
        values["params_total"] = math.nan if values["params_published"] is None else values["params_published"]
    for key in _FROM_SHAPE:
        if values[key] is None:
            if shape is not None:
                raise DataError("is blank", place=f"models {row['id']} {key}", allowed="a number from the shape")
            values[key] = math.nan
    for key in _PAIRS_TO_MODEL:
        values[key] = values[key] or 0.0
    return Model(**values, shape=shape, origin=origin)
