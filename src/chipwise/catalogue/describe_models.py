"""Models as lists of figures, ready for a table, for JSON, or as an entry of a user's models.yaml."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

from chipwise.catalogue.catalogue import Catalogue
from chipwise.catalogue.objects import Model
from chipwise.catalogue.shapes import ModelShape, groups_text
from chipwise.catalogue.when import date_span
from chipwise.core.errors import UnknownName
from chipwise.core.fact import Fact
from chipwise.core.names import nearest_names

FIGURES: Mapping[str, str] = {
    "params_total": "weights",
    "params_published": "weights",
    "params_active": "weights",
    "params_active_published": "weights",
    "params_matmul_active": "weights",
    "params_attn": "weights",
    "params_embedding_table": "weights",
    "params_mtp": "weights",
    "layers": "",
    "hidden": "",
    "ffn_hidden": "",
    "heads": "",
    "kv_heads": "",
    "head_dim": "",
    "vocab": "",
    "n_experts": "",
    "top_k": "",
    "max_context": "tokens",
    "sliding_window": "tokens",
    "kv_elems_per_token": "elements",
    "kv_elems_per_token_window": "elements",
    "index_elems_per_token": "elements",
    "state_elems_per_sequence": "elements",
    "attn_score_dim_full": "",
    "attn_score_dim_window": "",
    "train_tokens": "tokens",
}
"""Figures of a model with their units."""

COMPUTED = frozenset(
    {
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
    }
)
CONFIDENCE = ("high", "medium", "low")
_STATUS = {"high": "official", "medium": "estimated", "low": "assumed", "estimate": "assumed", "test": "assumed"}


def model_fact(model: Model, field: str) -> Fact:
    """One figure of a model with its source and status; id ``models/<id>#<field>``.

    Raises
    ------
    UnknownName
        When a model has no such figure.
    """
    if field not in FIGURES:
        raise UnknownName(f"a model has no figure {field!r}", place=model.id, nearest=nearest_names(field, FIGURES))
    value = getattr(model, field)
    unknown = isinstance(value, float) and value != value
    return Fact(
        id=f"models/{model.id}#{field}",
        value=None if unknown else value,
        unit=FIGURES[field],
        source=f"computed from the shape ({model.sources})" if field in COMPUTED else model.sources,
        as_of=model.release_date,
        status=_STATUS[model.confidence],  # type: ignore[arg-type]
        note=model.evidence,
    )


def select_models(
    catalogue: Catalogue,
    *,
    vendor: str = "",
    country: str = "",
    family: str = "",
    kind: str = "",
    on: dt.date | None = None,
    confidence: str = "",
    tests: bool = False,
) -> tuple[Model, ...]:
    """Models that meet every given condition, in the order of the table; tiny test shapes only on request.

    Parameters
    ----------
    on : datetime.date
        Released by that day; a partial date counts from its first day, a row without a date does not count.
    confidence : str
        Least confidence in the shape: ``high``, ``medium`` or ``low``.
    """
    worst = CONFIDENCE.index(confidence.lower()) if confidence else len(CONFIDENCE)

    def released(model: Model) -> bool:
        span = date_span(model.release_date)
        return on is None or (span is not None and span[0] <= on)

    return tuple(
        model
        for model in catalogue.models.values()
        if vendor.casefold() in model.vendor.casefold()
        and family.casefold() in model.family.casefold()
        and (not country or country.casefold() in model.vendor_country.casefold().split("/"))
        and (not kind or model.kind == kind)
        and released(model)
        and (tests or model.confidence != "test")
        and (not confidence or model.confidence in CONFIDENCE[: worst + 1])
    )


def model_line(model: Model) -> dict[str, Any]:
    """The short form of a model."""
    return {
        "id": model.id,
        "name": model.name,
        "vendor": model.vendor,
        "vendor_country": model.vendor_country,
        "release_date": model.release_date,
        "kind": model.kind,
        "attention": model.attention,
        "params_total": model.params_total,
        "params_active": model.params_active,
        "layers": model.layers,
        "hidden": model.hidden,
        "kv_elems_per_token": model.kv_elems_per_token,
        "max_context": model.max_context,
        "confidence": model.confidence,
    }


def decode_flop_per_token(model: Model, context: int) -> float:
    """Forward FLOP for one token at `context` tokens: 2 x multiplied weights + 2 x score widths x context.

    A sparse attention reads at most `index_topk` keys in its main attention; its indexer is not counted here.
    """
    keys = float(context)
    if model.shape is not None and model.shape.index_topk and model.shape.attention == "mla-sparse":
        keys = min(keys, float(model.shape.index_topk))
    near = min(float(context), float(model.sliding_window or context))
    return 2.0 * model.params_matmul_active + 2.0 * (
        model.attn_score_dim_full * keys + model.attn_score_dim_window * near
    )


def describe_model(model: Model) -> dict[str, Any]:
    """Everything known about a model, as plain data."""
    facts = [model_fact(model, field) for field in FIGURES]
    out = {
        **model_line(model),
        "family": model.family,
        "aliases": list(model.aliases),
        "native_precision": model.native_precision,
        "evidence": model.evidence,
        "sources": model.sources,
        "notes": model.notes,
        "origin": model.origin,
        "facts": [fact.to_dict() for fact in facts if fact.value not in (None, 0, 0.0)],
        "shape": None if model.shape is None else shape_columns(model.shape),
    }
    if model.has_shape:
        out["flop_per_token"] = {str(context): decode_flop_per_token(model, context) for context in (0, 4096, 32768)}
        out["kv_bytes_per_token"] = {
            name: width * (model.kv_elems_per_token + model.index_elems_per_token)
            for name, width in (("16 bit", 2.0), ("8 bit", 1.0))
        }
    return out


def shape_columns(shape: ModelShape) -> dict[str, Any]:
    """A shape as columns of the models table, without those at their default."""
    out: dict[str, Any] = {}
    for field in dataclasses.fields(shape):
        value = getattr(shape, field.name)
        if field.default is not dataclasses.MISSING and value == field.default:
            continue
        if field.name == "attention_groups":
            value = groups_text(value)
        elif field.name == "linear_detail":
            value = ",".join(f"{name}={size}" for name, size in value)
        elif field.name == "extra_params":
            out["extra_params_b"] = value / 1e9
            continue
        out[field.name] = value
    return out


def overlay_entry(model_id: str, name: str, kind: str, shape: ModelShape, max_context: int | None, source: str) -> str:
    """A model as an entry of a user's models.yaml."""
    columns: dict[str, Any] = {"name": name, "family": model_id, "vendor": "unknown", "type": kind}
    if max_context is not None:
        columns["max_context"] = max_context
    columns |= shape_columns(shape)
    columns["sources"] = source
    lines = [f"{model_id}:"]
    for key, value in columns.items():
        text = ("yes" if value else "no") if isinstance(value, bool) else value
        if isinstance(text, str):
            text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        lines.append(f"  {key}: {text}")
    return "\n".join(lines) + "\n"
