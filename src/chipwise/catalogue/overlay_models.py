"""A user's models: a whole shape, a Hugging Face configuration, or a change to a shipped row.

What follows from the shape is computed. A plain dense model needs only its dimensions: that all its layers have full
attention and one MLP is what the columns left blank say. Anything else must be written out.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chipwise.catalogue import build
from chipwise.catalogue.derive import Derived, derive
from chipwise.catalogue.objects import Model
from chipwise.catalogue.shapes import ModelShape, parse_groups, parse_sizes
from chipwise.core.errors import DataError
from chipwise.files.rows import GivenRow

_SHAPE = frozenset(field.name for field in dataclasses.fields(ModelShape))
_MODEL = tuple(field.name for field in dataclasses.fields(Model) if field.name not in {"shape", "origin"})
_DERIVED = tuple(field.name for field in dataclasses.fields(Derived))
_PARSED = (("attention_groups", parse_groups), ("linear_detail", parse_sizes))
_NEEDED = ("layers", "hidden", "ffn_hidden", "heads", "kv_heads", "head_dim", "vocab")


def assumed_of_model(row: GivenRow, source: str) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """What a new row need not give, and what counts as given: the row, over the configuration it names."""
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
    return assumed, row.values


def completed_model(values: Mapping[str, Any], given: Mapping[str, Any], *, origin: str, place: str) -> Model:
    """A model from a row of the models table; what follows from the shape is computed unless it was given.

    Raises
    ------
    DataError
        When a shape was begun and a dimension is missing, or its layers do not add up.
    """
    row = dict(values)
    if any(row[name] is not None for name in _NEEDED if name in given):
        row.update(_plain_layers(row, place))
    shape = build.build_shape(row)
    if shape is not None:
        check_layers(shape, place)
        follows = dataclasses.asdict(derive(shape))
        row.update({name: follows[name] for name in _DERIVED if given.get(name) is None})
    return build.build_model(row, origin=origin)


def _plain_layers(row: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The layers of a model that has only full attention and one kind of MLP, where they are blank."""
    if row["attention_groups"] or row["linear_layers"]:
        return {}
    missing = [name for name in _NEEDED if row[name] is None]
    if missing:
        raise DataError(f"the shape lacks {', '.join(missing)}", place=place, allowed="all dimensions, or none of them")
    if row["mla_kv_lora_rank"] or row["sliding_window"] or row["attention"] not in ("", "mha", "gqa", "mqa"):
        allowed = 'the layers by kind, such as "full:n=12,H=40,K=8,d=128;win4096:n=36,H=40,K=8,d=128"'
        raise DataError("attention_groups is blank", place=place, allowed=allowed)
    layers, heads, kv_heads = row["layers"], row["heads"], row["kv_heads"]
    kind = "mha" if kv_heads == heads else "mqa" if kv_heads == 1 else "gqa"
    found: dict[str, Any] = {
        "attention": row["attention"] or kind,
        "attention_groups": f"full:n={layers},H={heads},K={kv_heads},d={row['head_dim']}",
        "full_attn_layers": layers,
    }
    if row["moe_layers"] is None and row["n_experts"] is None:
        found["dense_mlp_layers"] = layers
    elif row["moe_layers"] is None or row["dense_mlp_layers"] is None:
        raise DataError("moe_layers or dense_mlp_layers is blank", place=place, allowed="both, adding up to layers")
    return found


def check_layers(shape: ModelShape, place: str) -> None:
    """Layers by kind add up to the layers of a model that has no peculiarity (`special`) and no linear layers."""
    if shape.special or shape.linear_layers:
        return
    for what, count in (
        ("attention_groups", sum(group.layers for group in shape.attention_groups)),
        ("moe_layers + dense_mlp_layers", shape.moe_layers + shape.dense_mlp_layers),
    ):
        if count != shape.layers:
            raise DataError(f"{what} speak of {count} layers, `layers` of {shape.layers}", place=place, allowed="equal")


def changed_model(model: Model, row: GivenRow) -> Model:
    """A shipped model with the fields of a row changed; what follows from its shape is computed again."""
    values = {name: value for name, value in row.values.items() if name != "id"}
    source = Path(row.place.rpartition(":")[0] or row.place).name
    values.setdefault("sources", f"{model.sources}; user file {source}")
    if model.shape is None:
        known = {name: _known(getattr(model, name)) for name in _MODEL}
        blank = dict.fromkeys(_SHAPE | {"dense_mlp_layers"}) | {"attention_groups": "", "linear_detail": ""}
        given = {name: value for name, value in values.items() if value is not None and value != known.get(name)}
        return completed_model({**blank, **known, **given}, given, origin=source, place=row.place)
    changes = {name: value for name, value in values.items() if name in _SHAPE and value is not None}
    for name, parse in _PARSED:
        if isinstance(changes.get(name), str):
            changes[name] = parse(changes[name], place=row.place)
    shape = dataclasses.replace(model.shape, **changes)
    if shape != model.shape:
        check_layers(shape, row.place)
        values = {**dataclasses.asdict(derive(shape)), **values}
    kept: dict[str, Any] = {
        name: "" if value is None and isinstance(getattr(model, name), str) else value
        for name, value in values.items()
        if name in _MODEL
    }
    return dataclasses.replace(model, **kept, shape=shape, origin=source)


def _known(value: Any) -> Any:
    """A figure of a model without a shape: NaN is blank."""
    return None if isinstance(value, float) and math.isnan(value) else value
