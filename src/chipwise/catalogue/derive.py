"""What follows from a shape: active weights, cache per token, state per sequence, work of attention."""

from __future__ import annotations

import re
from dataclasses import dataclass

from chipwise.catalogue.parameters import (
    attention_parameters,
    expert_matrices,
    linear_parameters,
    norm_parameters,
    parameter_count,
)
from chipwise.catalogue.shapes import AttentionGroup, ModelShape
from chipwise.core.errors import Undetermined

_RATIOS = re.compile(r"ratios ([^;]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """Figures of a model that follow from its shape.

    Parameters
    ----------
    params_total, params_active, params_matmul_active, params_attn, params_embedding_table : float
        Weights: all, used per token, multiplied per token (head included, input table not), attention, one table.
    kv_elems_per_token, kv_elems_per_token_window, index_elems_per_token : float
        Cache elements per token of context, of window, and of a sparse indexer.
    state_elems_per_sequence : float
        Elements of the fixed state of linear layers.
    attn_score_dim_full, attn_score_dim_window : float
        Attention core FLOP per query token = 2 (full * context + window * min(context, sliding_window)).
    """

    params_total: float
    params_active: float
    params_matmul_active: float
    params_attn: float
    params_embedding_table: float
    kv_elems_per_token: float
    kv_elems_per_token_window: float
    index_elems_per_token: float
    state_elems_per_sequence: float
    attn_score_dim_full: float
    attn_score_dim_window: float


def derive(shape: ModelShape) -> Derived:
    """Compute everything that follows from `shape`.

    Raises
    ------
    Undetermined
        A kind of layer for which no formula is known.
    """
    total = parameter_count(shape)
    idle = 0.0
    if shape.n_experts and shape.moe_layers:
        idle = shape.moe_layers * (shape.n_experts - (shape.top_k or 0)) * expert_matrices(shape)
    table = float(shape.vocab * shape.hidden)
    unmultiplied = (0.0 if shape.tied_embeddings else table) + shape.learned_positions * shape.hidden
    kv_full, kv_window, score_full, score_window = _caches(shape)
    index = float((shape.index_layers or 0) * (shape.index_head_dim or 0))
    return Derived(
        params_total=total,
        params_active=total - idle,
        params_matmul_active=total - idle - unmultiplied - norm_parameters(shape),
        params_attn=attention_parameters(shape) + linear_parameters(shape),
        params_embedding_table=table,
        kv_elems_per_token=kv_full,
        kv_elems_per_token_window=kv_window,
        index_elems_per_token=index / 4.0 if _ratios(shape) else index,
        state_elems_per_sequence=_state(shape),
        attn_score_dim_full=score_full,
        attn_score_dim_window=score_window,
    )


def _ratios(shape: ModelShape) -> dict[str, int]:
    match = _RATIOS.search(shape.special)
    parts = (part.partition(":") for part in match.group(1).split()) if match else ()
    return {key: int(count) for key, _, count in parts}


def _caches(shape: ModelShape) -> tuple[float, float, float, float]:
    """Cache elements and score widths: full, window, full, window."""
    ratios = _ratios(shape)
    kv_full = kv_window = score_full = score_window = 0.0
    for group in shape.attention_groups:
        cache = _cache_per_layer(group)
        score = group.heads * (group.head_dim + group.value_dim)
        if group.kind == "compressed":
            share = sum(count / int(ratio) for ratio, count in ratios.items() if ratio != "none")
            kv_full, kv_window = kv_full + share * group.head_dim, kv_window + group.layers * group.head_dim
            score_full, score_window = score_full + share * score, score_window + group.layers * score
        elif group.kind == "window":
            kv_window += cache * (group.layers - group.reuse_kv)
            score_window += score * group.layers
        else:
            kv_full += cache * (group.layers - group.reuse_kv)
            score_full += score * group.layers
    if "kv_shared_over_layers=" in shape.special:
        kv_full /= int(shape.special.partition("kv_shared_over_layers=")[2].split(";")[0])
    return kv_full, kv_window, score_full, score_window


def _cache_per_layer(group: AttentionGroup) -> int:
    return group.cache_dim or group.kv_heads * (group.head_dim + group.value_dim)


def _state(shape: ModelShape) -> float:
    if not shape.linear_layers:
        return 0.0
    sizes, kind = dict(shape.linear_detail), shape.linear_kind
    tail = sizes.get("conv", 1) - 1
    if kind == "mamba1":
        per_layer = sizes["inner"] * (sizes["state"] + tail)
    elif kind == "mamba2":
        inner = sizes["heads"] * sizes["head_dim"]
        per_layer = inner * sizes["state"] + tail * (inner + 2 * sizes["groups"] * sizes["state"])
    elif kind == "gated-deltanet":
        keys, values = sizes["k_heads"] * sizes["k_dim"], sizes["v_heads"] * sizes["v_dim"]
        per_layer = sizes["v_heads"] * sizes["k_dim"] * sizes["v_dim"] + tail * (2 * keys + values)
    elif kind in {"kimi-delta", "lightning"}:
        inner = sizes["heads"] * sizes["head_dim"]
        per_layer = inner * sizes["head_dim"] + tail * 3 * inner
    else:
        raise Undetermined(f"no state formula for linear layers of kind {kind!r}")
    return float(shape.linear_layers * per_layer)
