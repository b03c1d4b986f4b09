"""From a catalogue model, or from printed columns, to the shape of a step."""

from __future__ import annotations

from collections.abc import Mapping

from chipwise.catalogue.objects import Model
from chipwise.catalogue.parameters import linear_parameters
from chipwise.catalogue.shapes import ModelShape
from chipwise.core.errors import Undetermined
from chipwise.perf.train.objects import Shape


def shape_of_model(model: Model, *, mtp: float = 0.0) -> Shape:
    """Shape of a catalogue model.

    Parameters
    ----------
    mtp : float
        Prediction blocks trained beside it.

    Raises
    ------
    Undetermined
        Only the size of the model is known.
    """
    detail = model.shape
    if detail is None or not model.layers or not detail.hidden:
        raise Undetermined(f"{model.id} is known by its size only", place=f"models/{model.id}")
    softmax = sum(group.layers for group in detail.attention_groups)
    wide = _attention(detail, model)
    experts = float(detail.n_experts or 0) if detail.moe_layers else 0.0
    routed = _expert_weights(detail) * experts * detail.moe_layers
    tables = model.params_embedding_table * (1.0 if detail.tied_embeddings else 2.0)
    blocks = detail.layers + mtp
    grown = blocks / detail.layers
    full = sum(group.layers for group in detail.attention_groups if group.kind != "window")
    return Shape(
        layers=blocks,
        hidden=float(detail.hidden),
        vocab=float(detail.vocab),
        full_layers=full * grown,
        window_layers=(softmax - full) * grown,
        window=float(detail.sliding_window or 0),
        linear_layers=detail.linear_layers * grown,
        linear_weights=linear_parameters(detail) / detail.linear_layers if detail.linear_layers else 0.0,
        dense_layers=detail.dense_mlp_layers * grown if not detail.moe_layers else float(detail.dense_mlp_layers),
        ffn=float(detail.ffn_hidden),
        matrices=3.0 if detail.gated_mlp else 2.0,
        moe_layers=detail.moe_layers + (mtp if detail.moe_layers else 0.0),
        experts=experts,
        top_k=float(detail.top_k or 0) if detail.moe_layers else 0.0,
        expert_width=float(detail.expert_ffn_hidden),
        shared_width=float(detail.shared_ffn_hidden or detail.n_shared_experts * detail.expert_ffn_hidden),
        expert_input=float(detail.expert_latent_dim or detail.hidden),
        head_dim=float(detail.head_dim or detail.hidden / max(detail.heads, 1)),
        heads=float(detail.heads),
        heads_of_loss=1.0 + mtp,
        params_dense=max(model.params_total - routed - tables, 1.0),
        params_expert=routed * (1.0 + (mtp / detail.moe_layers if detail.moe_layers else 0.0)),
        params_table=model.params_embedding_table,
        tied=1.0 if detail.tied_embeddings else 0.0,
        **wide,
    )


def _expert_weights(detail: ModelShape) -> float:
    matrices = 3.0 if detail.gated_mlp else 2.0
    return matrices * float(detail.expert_latent_dim or detail.hidden) * detail.expert_ffn_hidden


def _attention(detail: ModelShape, model: Model) -> dict[str, float]:
    """Widths of the projections and of the core, averaged over softmax layers."""
    groups = detail.attention_groups
    count = max(sum(group.layers for group in groups), 1)
    full = [group for group in groups if group.kind != "window"]
    windowed = [group for group in groups if group.kind == "window"]
    out = sum(group.layers * group.heads * group.value_dim for group in groups) / count
    kv = sum(group.layers * group.kv_heads * (group.head_dim + group.value_dim) for group in groups) / count
    down = up = 0.0
    if detail.mla_kv_lora_rank and all(group.kind == "mla" for group in groups):
        rope, rank = float(detail.mla_qk_rope_dim or 0), float(detail.mla_kv_lora_rank)
        per_head = float((detail.mla_qk_nope_dim or 0) + (detail.mla_v_dim or 0))
        query = detail.heads * float((detail.mla_qk_nope_dim or 0) + rope)
        down, up, qkv = rank + rope, rank * detail.heads * per_head, query
        if detail.mla_q_lora_rank:
            down, up, qkv = down + detail.mla_q_lora_rank, up + detail.mla_q_lora_rank * query, 0.0
        kv = detail.heads * (per_head + rope)
    elif any(group.kind in ("mla", "compressed") for group in groups):
        qkv = max(model.params_attn / count / detail.hidden - out, out)
    else:
        qkv = sum(group.layers * group.heads * group.head_dim for group in groups) / count + kv
    return {
        "qkv_width": qkv,
        "out_width": out,
        "latent_down": down,
        "latent_up": up,
        "kv_width": kv,
        "core_full": _core(full),
        "core_window": _core(windowed),
    }


def _core(groups: list) -> float:  # type: ignore[type-arg]
    count = sum(group.layers for group in groups)
    return (
        sum(group.layers * group.heads * (group.head_dim + group.value_dim) for group in groups) / count
        if count
        else 0.0
    )


def shape_of_columns(columns: Mapping[str, float]) -> Shape | None:
    """Shape from printed dimensions; None where one that decides the work is missing.

    Parameters
    ----------
    columns : mapping of str to float
        ``layers, hidden, ffn_hidden, gated_mlp, heads, kv_heads, head_dim, vocab`` and, for mixtures of experts and
        latent attention, their own; only known figures are present.
    """
    have = columns.get
    layers, hidden, heads, vocab = (have(name, 0.0) for name in ("layers", "hidden", "heads", "vocab"))
    experts, ffn = have("n_experts", 0.0), have("ffn_hidden", 0.0)
    if not (layers and hidden and heads and vocab) or not (ffn or experts):
        return None
    if experts and not (have("expert_ffn_hidden") and have("top_k")):
        return None
    mtp = have("mtp_layers", 0.0)
    matrices = 3.0 if have("gated_mlp") else 2.0
    dense_layers = min(have("first_dense_layers", 0.0), layers) if experts else layers + mtp
    moe_layers = layers + mtp - dense_layers if experts else 0.0
    wide, attention_weights = _printed_attention(columns)
    width = have("expert_ffn_hidden", 0.0)
    shared = have("n_shared_experts", 0.0) * width
    routed = moe_layers * experts * matrices * hidden * width
    dense = (layers + mtp) * attention_weights + dense_layers * matrices * hidden * ffn
    dense += moe_layers * (matrices * hidden * shared + hidden * experts)
    return Shape(
        layers=layers + mtp,
        hidden=hidden,
        vocab=vocab,
        full_layers=layers + mtp,
        window_layers=0.0,
        window=0.0,
        linear_layers=0.0,
        linear_weights=0.0,
        dense_layers=dense_layers,
        ffn=ffn,
        matrices=matrices,
        moe_layers=moe_layers,
        experts=experts,
        top_k=have("top_k", 0.0),
        expert_width=width,
        shared_width=shared,
        expert_input=hidden,
        heads=heads,
        heads_of_loss=1.0 + mtp,
        params_dense=dense,
        params_expert=routed,
        params_table=hidden * vocab,
        tied=0.0,
        **wide,
    )


def _printed_attention(columns: Mapping[str, float]) -> tuple[dict[str, float], float]:
    have = columns.get
    hidden, heads = columns["hidden"], columns["heads"]
    width = have("head_dim") or hidden / heads
    rank = have("mla_kv_lora_rank", 0.0)
    if not rank:
        kv = 2.0 * (have("kv_heads") or heads) * width
        qkv, core = heads * width + kv, 2.0 * heads * width
        return _widths(qkv, heads * width, 0.0, 0.0, kv, core, width), hidden * (qkv + heads * width)
    nope, rope, value = (have(name, 0.0) for name in ("mla_qk_nope_dim", "mla_qk_rope_dim", "mla_v_dim"))
    query_rank = have("mla_q_lora_rank", 0.0)
    query = heads * (nope + rope)
    down, up = query_rank + rank + rope, rank * heads * (nope + value) + query_rank * query
    qkv = 0.0 if query_rank else query
    weights = hidden * (down + qkv + heads * value) + up
    core = heads * (nope + rope + value)
    return _widths(qkv, heads * value, down, up, heads * (nope + rope + value), core, nope + rope), weights


def _widths(
    qkv: float, out: float, down: float, up: float, kv: float, core: float, head_dim: float
) -> dict[str, float]:
    return {
        "qkv_width": qkv,
        "out_width": out,
        "latent_down": down,
        "latent_up": up,
        "kv_width": kv,
        "core_full": core,
        "core_window": 0.0,
        "head_dim": head_dim,
    }
