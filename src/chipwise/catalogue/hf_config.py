"""Read a Hugging Face ``config.json`` into a model shape.

Only what the configuration says, or what its `model_type` fixes, is used. An unknown type, a missing dimension or an
unknown layer kind is an error that lists what was found; nothing is guessed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chipwise.catalogue.hf_families import FAMILIES, Family
from chipwise.catalogue.hf_fields import Fields
from chipwise.catalogue.hf_layers import experts, groups, indexer, latent, layer_kinds, linear
from chipwise.catalogue.shapes import ModelShape
from chipwise.core.errors import DataError
from chipwise.core.names import nearest_names

MAX_BYTES = 5_000_000
_INNER = ("text_config", "llm_config", "language_config")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedConfig:
    """A configuration read: shape, what else it says, and what was filled from the class default.

    Parameters
    ----------
    model_type : str
        As in the file.
    name : str
        ``_name_or_path`` of the file, or the name of its folder.
    defaults_taken : tuple of str
        Fields the file leaves to the default of its class.
    """

    model_type: str
    name: str
    kind: str
    max_context: int | None
    native_precision: str
    shape: ModelShape
    defaults_taken: tuple[str, ...]


def read_config(path: str | Path) -> ImportedConfig:
    """Read a configuration file.

    Raises
    ------
    DataError
        No file, no JSON object, an unknown `model_type` (lists the fields found), or a missing or bad field.
    """
    target = Path(path)
    place = str(path)
    if target.is_dir():
        target = target / "config.json"
    if not target.is_file():
        raise DataError("no such file", place=place, allowed="the path of a config.json")
    if target.stat().st_size > MAX_BYTES:
        raise DataError("the file is too big", place=place, allowed=f"at most {MAX_BYTES:,} bytes")
    try:
        content = json.loads(target.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}", place=place) from None
    folder = target.resolve().parent.name if target.name == "config.json" else target.stem
    return parse_config(content, place=place, name=folder)


def parse_config(content: Any, *, place: str = "config.json", name: str = "") -> ImportedConfig:
    """Turn the parsed JSON of a configuration into a shape; see `read_config`."""
    if not isinstance(content, dict):
        raise DataError("the file holds no JSON object", place=place, allowed="a Hugging Face config.json")
    outer = content
    for key in _INNER:
        if "hidden_size" not in content and isinstance(content.get(key), dict):
            content = {"model_type": outer.get("model_type", ""), **content[key]}
            content.setdefault("tie_word_embeddings", outer.get("tie_word_embeddings"))
            if content["tie_word_embeddings"] is None:
                del content["tie_word_embeddings"]
    model_type = str(content.get("model_type") or "")
    family = FAMILIES.get(model_type) or FAMILIES.get(model_type.removesuffix("_text"))
    if family is None:
        found = ", ".join(sorted(str(key) for key in content)[:60]) or "none"
        raise DataError(
            f"model_type {model_type!r} is not known; fields found: {found}",
            place=f"{place} model_type",
            nearest=nearest_names(model_type, FAMILIES),
        )
    fields = Fields(content=content, place=place, taken=[])
    shape = _shape(fields, model_type.removesuffix("_text"), family)
    precision = content.get("torch_dtype") or content.get("dtype") or ""
    return ImportedConfig(
        model_type=model_type,
        name=str(outer.get("_name_or_path") or name or model_type),
        kind="moe" if shape.n_experts else "dense",
        max_context=fields.optional("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"),
        native_precision={"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}.get(str(precision), str(precision)),
        shape=shape,
        defaults_taken=tuple(dict.fromkeys(fields.taken)),
    )


def _shape(fields: Fields, model_type: str, family: Family) -> ModelShape:
    layers = fields.needed("num_hidden_layers", "n_layer", "n_layers", "num_layers")
    hidden = fields.needed("hidden_size", "n_embd", "d_model")
    kinds = layer_kinds(fields, family, layers)
    has_mlp = model_type not in {"mamba", "falcon_mamba"}
    positions = fields.optional("max_position_embeddings", "n_positions") or 0
    return ModelShape(
        layers=layers,
        hidden=hidden,
        ffn_hidden=_ffn(fields, model_type, family, hidden) if has_mlp else 0,
        gated_mlp=family.gated and has_mlp,
        vocab=fields.needed("padded_vocab_size", "vocab_size"),
        tied_embeddings=fields.flag("tie_word_embeddings", family.tied),
        qk_norm=_qk_norm(fields, model_type, family),
        qkv_bias=_bias(fields, family.qkv_bias),
        o_bias=_bias(fields, family.o_bias),
        mlp_bias=_bias(fields, family.mlp_bias),
        norm=family.norm,
        norms_per_layer=_norms(fields, model_type, family),
        position=family.position,
        learned_positions=positions + family.positions_extra if family.positions_extra >= 0 else 0,
        special=family.special,
        extra_params=_extra(fields, family, hidden),
        mtp_layers=fields.optional("num_nextn_predict_layers", "num_mtp_modules", low=0) or 0,
        **groups(fields, model_type, kinds, hidden),
        **latent(fields, model_type),
        **indexer(fields, model_type, layers),
        **linear(fields, model_type, kinds, hidden),
        **experts(fields, model_type, layers, kinds),
    )


def _ffn(fields: Fields, model_type: str, family: Family, hidden: int) -> int:
    names = ("intermediate_size_mlp", "intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "ffn_hidden")
    found = fields.optional(*names)
    if found is not None:
        return found
    if model_type == "dbrx":
        return 0
    if model_type == "mpt":
        return round(hidden * fields.number("expansion_ratio", 4.0))
    if family.inner_times_hidden:
        fields.taken.append(f"{names[1]} = {family.inner_times_hidden:g} x hidden")
        return round(hidden * family.inner_times_hidden)
    return fields.needed(*names)


def _bias(fields: Fields, rule: bool | str) -> bool:
    return rule if isinstance(rule, bool) else fields.flag(rule, rule == "add_qkv_bias")


def _qk_norm(fields: Fields, model_type: str, family: Family) -> str:
    if fields.flag("use_qk_norm", False, silent=True) or fields.flag("qk_layernorm", False, silent=True):
        return "full" if model_type in {"cohere", "cohere2", "minimax_m2"} else "head"
    return family.qk_norm


def _norms(fields: Fields, model_type: str, family: Family) -> int:
    if model_type == "falcon":
        return 1 if fields.flag("parallel_attn", True) and not fields.flag("new_decoder_architecture", False) else 2
    return family.norms_per_layer


def _extra(fields: Fields, family: Family, hidden: int) -> float:
    vocab = fields.needed("padded_vocab_size", "vocab_size")
    return float((vocab if family.head_bias else 0) + (2 * hidden if family.table_norm else 0))
