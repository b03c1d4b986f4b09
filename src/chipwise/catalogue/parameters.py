"""Number of weights of a model, from its shape alone.

Every function counts weights only (no optimiser state, no cache); blocks that predict further tokens and towers for
pictures or sound are left out.
"""

from __future__ import annotations

import re

from chipwise.catalogue.shapes import AttentionGroup, ModelShape, parse_sizes
from chipwise.core.errors import Undetermined

_V4 = re.compile(r"deepseek_v4_attention: (.*)$")


def parameter_count(shape: ModelShape) -> float:
    """All weights: tables, attention, linear layers, MLPs, experts, norms and the model's own terms.

    Parameters
    ----------
    shape : ModelShape

    Returns
    -------
    float
        Weights.

    Raises
    ------
    Undetermined
        A linear layer or special attention of a kind for which no formula is known.

    Notes
    -----
    V vocabulary, h hidden, f MLP width, m = 3 matrices if gated else 2, H and K heads of width d:
    ``V h (2 if untied) + positions h + sum_n (2 h H d + 2 h K d) + layers (m h f) + experts + norms``.
    """
    return (
        table_parameters(shape)
        + attention_parameters(shape)
        + linear_parameters(shape)
        + dense_mlp_parameters(shape)
        + expert_parameters(shape)
        + norm_parameters(shape)
        + shape.extra_params
    )


def table_parameters(shape: ModelShape) -> float:
    """Embedding table, output head if separate, learned positions."""
    tables = 1 if shape.tied_embeddings else 2
    return float(tables * shape.vocab * shape.hidden + shape.learned_positions * shape.hidden)


def _norm_size(shape: ModelShape) -> int:
    return shape.hidden * (2 if shape.norm == "layernorm" else 1)


def norm_parameters(shape: ModelShape) -> float:
    """Norms of all layers and the last one."""
    return float(_norm_size(shape) * (shape.norms_per_layer * shape.layers + 1))


def attention_parameters(shape: ModelShape) -> float:
    """Softmax attention of all layers, with biases, norms on queries and keys, and sparse indexers."""
    v4 = _V4.search(shape.special)
    if v4:
        return _compressed_attention(shape, v4.group(1))
    return sum(
        _mla(shape, group) if group.kind == "mla" else _group(shape, group) for group in shape.attention_groups
    ) + _indexer(shape)


def _group(shape: ModelShape, group: AttentionGroup) -> float:
    h, n = shape.hidden, group.layers
    queries, keys = group.heads * group.head_dim, group.kv_heads * group.head_dim
    values, out = group.kv_heads * group.value_dim, group.heads * group.value_dim
    own_kv = float(n - group.reuse_kv)
    if "kv_shared_over_layers=" in shape.special:
        own_kv /= int(shape.special.partition("kv_shared_over_layers=")[2].split(";")[0])
    projections = h * queries * (2 if "attn_output_gate" in shape.special else 1) + out * h
    total = n * projections + own_kv * h * (keys if group.k_eq_v else keys + values)
    if "relative_position_matrix" in shape.special:
        total += n * h * queries
    if "low_rank_q=" in shape.special:
        rank = int(shape.special.partition("low_rank_q=")[2].split(";")[0])
        total += n * (h * rank + rank + rank * queries - h * queries)
    if shape.qkv_bias:
        total += n * queries + own_kv * (keys + values)
    if shape.o_bias:
        total += n * h
    if shape.qk_norm == "head":
        total += 2 * n * group.head_dim
    elif shape.qk_norm == "full":
        total += n * (queries + keys)
    return float(total)


def _mla(shape: ModelShape, group: AttentionGroup) -> float:
    h, heads = shape.hidden, group.heads
    nope, rope, value = shape.mla_qk_nope_dim or 0, shape.mla_qk_rope_dim or 0, shape.mla_v_dim or 0
    rank, latent = shape.mla_q_lora_rank, shape.mla_kv_lora_rank or 0
    queries = h * rank + rank + rank * heads * (nope + rope) if rank else h * heads * (nope + rope)
    per_layer = queries + h * (latent + rope) + latent + latent * heads * (nope + value) + heads * value * h
    if "attn_output_gate" in shape.special:
        per_layer += h * heads * value
    return float(per_layer * group.layers)


def _indexer(shape: ModelShape) -> float:
    if not shape.index_layers:
        return 0.0
    rank = shape.mla_q_lora_rank or shape.hidden
    heads, width = shape.index_heads or 0, shape.index_head_dim or 0
    per_layer = rank * heads * width + shape.hidden * width + 2 * width + shape.hidden * heads
    return float(per_layer * shape.index_layers)


def _compressed_attention(shape: ModelShape, text: str) -> float:
    """One latent KV head, a low-rank query, a grouped low-rank output, compressors and hyper-connections.

    `text` reads ``q_rank=..,o_rank=..,o_groups=..,head=..,hyper_connections=..,ratios 4:a 128:b none:c``, where a
    and b layers compress 4:1 (with an indexer) and 128:1.
    """
    named, _, ratios = text.partition(",ratios ")
    sizes = dict(parse_sizes(named, place="special"))
    layers = {key: int(count) for key, _, count in (part.partition(":") for part in ratios.split())}
    h, heads, rank, width = shape.hidden, shape.heads, sizes["q_rank"], sizes["head"]
    streams = sizes["hyper_connections"]
    mixes = (2 + streams) * streams
    core = h * rank + rank + rank * heads * width + h * width + width + heads
    core += heads * width * sizes["o_rank"] + sizes["o_groups"] * sizes["o_rank"] * h
    hyper = 2 * (streams * h * mixes + mixes + 3)
    total = shape.layers * (core + hyper)
    total += layers.get("128", 0) * (2 * h * width + 128 * width + width)
    index_heads, index_width = shape.index_heads or 0, shape.index_head_dim or 0
    four = 4 * h * width + 8 * width + width
    four += rank * index_heads * index_width + h * index_heads + 4 * h * index_width + 9 * index_width
    return float(total + layers.get("4", 0) * four)


def linear_parameters(shape: ModelShape) -> float:
    """Linear and state-space layers."""
    if not shape.linear_layers:
        return 0.0
    sizes = dict(shape.linear_detail)
    formula = _LINEAR.get(shape.linear_kind)
    if formula is None:
        raise Undetermined(f"no parameter formula for linear layers of kind {shape.linear_kind!r}")
    return float(shape.linear_layers * formula(shape, sizes))


def _mamba1(shape: ModelShape, sizes: dict[str, int]) -> int:
    h, inner, state, rank, conv = shape.hidden, sizes["inner"], sizes["state"], sizes["dt_rank"], sizes["conv"]
    return (
        2 * h * inner
        + inner * (conv + 1)
        + inner * (rank + 2 * state)
        + rank * inner
        + inner
        + inner * state
        + inner
        + inner * h
    )


def _mamba2(shape: ModelShape, sizes: dict[str, int]) -> int:
    h, heads = shape.hidden, sizes["heads"]
    inner = heads * sizes["head_dim"]
    streams = inner + 2 * sizes["groups"] * sizes["state"]
    return h * (inner + streams + heads) + streams * (sizes["conv"] + 1) + 3 * heads + inner + inner * h


def _gated_deltanet(shape: ModelShape, sizes: dict[str, int]) -> int:
    h, heads = shape.hidden, sizes["v_heads"]
    keys, values = sizes["k_heads"] * sizes["k_dim"], heads * sizes["v_dim"]
    return (
        h * (2 * keys + 2 * values)
        + 2 * h * heads
        + sizes["conv"] * (2 * keys + values)
        + 2 * heads
        + sizes["v_dim"]
        + values * h
    )


def _kimi_delta(shape: ModelShape, sizes: dict[str, int]) -> int:
    h, heads, width = shape.hidden, sizes["heads"], sizes["head_dim"]
    inner = heads * width
    low_rank_gate = h * width + width * inner
    output_gate = h * inner if "attn_output_gate" in shape.special else low_rank_gate
    gates = low_rank_gate + output_gate
    return 4 * h * inner + sizes["conv"] * 3 * inner + gates + h * heads + heads + inner + width


def _lightning(shape: ModelShape, sizes: dict[str, int]) -> int:
    h, inner = shape.hidden, sizes["heads"] * sizes["head_dim"]
    return 5 * h * inner + inner


_LINEAR = {
    "mamba1": _mamba1,
    "mamba2": _mamba2,
    "gated-deltanet": _gated_deltanet,
    "kimi-delta": _kimi_delta,
    "lightning": _lightning,
}


def _matrices(shape: ModelShape) -> int:
    return 3 if shape.gated_mlp else 2


def dense_mlp_parameters(shape: ModelShape) -> float:
    """Dense MLPs of all layers that have one."""
    m, h, f, n = _matrices(shape), shape.hidden, shape.ffn_hidden, shape.dense_mlp_layers
    if "mlp_width_varies_per_layer" in shape.special:
        return 0.0
    total = n * (m * h * f + ((m - 1) * f + h if shape.mlp_bias else 0))
    if "mlp_alt=" in shape.special:
        count, width = (int(part) for part in shape.special.partition("mlp_alt=")[2].split(";")[0].split("x"))
        total += count * m * h * (width - f)
    return float(total)


def expert_parameters(shape: ModelShape) -> float:
    """Routed and shared experts, routers and latent projections of all mixture layers."""
    if not shape.moe_layers or not shape.n_experts:
        return 0.0
    m, h = _matrices(shape), shape.hidden
    inner = shape.expert_latent_dim or h
    per_layer = shape.n_experts * m * inner * shape.expert_ffn_hidden + m * h * shape.shared_ffn_hidden
    per_layer += h * shape.n_experts
    if shape.expert_latent_dim:
        per_layer += 2 * h * shape.expert_latent_dim
    if "expert_bias" in shape.special:
        per_layer += shape.n_experts * ((m - 1) * shape.expert_ffn_hidden + h) + shape.n_experts
    if "shared_expert_gate" in shape.special:
        per_layer += h
    return float(shape.moe_layers * per_layer)


def expert_matrices(shape: ModelShape) -> float:
    """Weights of one routed expert, with its biases."""
    m, inner = _matrices(shape), shape.expert_latent_dim or shape.hidden
    total = m * inner * shape.expert_ffn_hidden
    if "expert_bias" in shape.special:
        total += (m - 1) * shape.expert_ffn_hidden + shape.hidden
    return float(total)
