"""What a step of a model multiplies: every matrix product, attention core and mixture of experts, layer by layer."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from chipwise.catalogue.objects import Model
from chipwise.catalogue.shapes import AttentionGroup, ModelShape
from chipwise.core.errors import Undetermined


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One matrix product of a token with weights ``(k, n)``, in `count` layers.

    Parameters
    ----------
    kind : {"attention", "dense", "router", "head"}
        Which weights: they may be stored in different formats.
    split : {"n", "k", ""}
        Dimension that tensor parallelism divides; empty where every chip does the whole.
    """

    kind: str
    n: float
    k: float
    count: float
    split: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts:
    """Routed experts: `layers` of them, each token choosing `chosen` of `count`."""

    layers: float
    hidden: float
    width: float
    chosen: float
    count: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Everything one token passes through.

    Parameters
    ----------
    attention : tuple of AttentionGroup
    experts : Experts or None
    narrow : float
        Width of feed-forward activations, elements a token and dense layer.
    dense_layers : float
    state_elems : float
        Fixed state of linear layers, elements a request.
    index : (layers, elements, kept tokens) or None
        Sparse indexer: layers with one, cached elements a token, tokens it keeps.
    """

    layers: float
    hidden: float
    vocab: float
    products: tuple[Product, ...]
    attention: tuple[AttentionGroup, ...]
    experts: Experts | None
    narrow: float
    dense_layers: float
    state_elems: float
    index: tuple[float, float, float] | None


@functools.lru_cache(maxsize=256)
def work_of(model: Model) -> Work:
    """Products and cores of one model.

    Raises
    ------
    Undetermined
        The dimensions of the model are not published.
    """
    shape = model.shape
    if shape is None or not model.has_shape:
        raise Undetermined(f"{model.id} has no published shape", place=f"models/{model.id}")
    products: list[Product] = []
    for group in shape.attention_groups:
        products += _attention(shape, group)
    products += _linear(shape)
    products += _feed_forward(shape)
    products.append(_product("head", shape.vocab, shape.hidden, 1, "n"))
    experts = None
    if shape.n_experts and shape.top_k and shape.moe_layers:
        experts = Experts(
            layers=float(shape.moe_layers),
            hidden=float(shape.expert_latent_dim or shape.hidden),
            width=float(shape.expert_ffn_hidden),
            chosen=float(shape.top_k),
            count=float(shape.n_experts),
        )
    index = None
    if shape.index_topk and shape.index_head_dim:
        layers = float(shape.index_layers or shape.full_attn_layers or shape.layers)
        index = (layers, float(shape.index_head_dim), float(shape.index_topk))
    return Work(
        layers=float(shape.layers),
        hidden=float(shape.hidden),
        vocab=float(shape.vocab),
        products=tuple(product for product in products if product.n and product.k and product.count),
        attention=shape.attention_groups,
        experts=experts,
        narrow=float(shape.ffn_hidden or shape.shared_ffn_hidden),
        dense_layers=float(shape.dense_mlp_layers if shape.n_experts else shape.layers),
        state_elems=model.state_elems_per_sequence,
        index=index,
    )


def _product(kind: str, n: float, k: float, count: float, split: str) -> Product:
    return Product(kind=kind, n=float(n), k=float(k), count=float(count), split=split)


def _attention(shape: ModelShape, group: AttentionGroup) -> list[Product]:
    hidden, count = shape.hidden, group.layers
    if group.kind == "mla":
        rank, rope = shape.mla_kv_lora_rank or 0, shape.mla_qk_rope_dim or 0
        queries = group.heads * group.head_dim
        first = (shape.mla_q_lora_rank or 0) + rank + rope
        up = [_product("attention", queries, shape.mla_q_lora_rank or hidden, count, "n")]
        values = group.heads * ((shape.mla_qk_nope_dim or 0) + group.value_dim)
        return [
            _product("attention", first, hidden, count, ""),
            *up,
            _product("attention", values, rank, count, "n"),
            _product("attention", hidden, group.heads * group.value_dim, count, "k"),
        ]
    own = max(count - group.reuse_kv, 0)
    gate = group.heads * group.head_dim if "attn_output_gate" in shape.special else 0
    keys = group.kv_heads * (group.head_dim + (0 if group.k_eq_v else group.value_dim)) * own / count
    return [
        _product("attention", group.heads * group.head_dim + gate + keys, hidden, count, "n"),
        _product("attention", hidden, group.heads * group.value_dim, count, "k"),
    ]


def _linear(shape: ModelShape) -> list[Product]:
    """Projections of linear-attention and state-space layers, about as wide as their own heads."""
    if not shape.linear_layers:
        return []
    sizes, count = dict(shape.linear_detail), shape.linear_layers
    if shape.linear_kind.startswith("mamba"):
        inner = sizes.get("inner") or sizes.get("heads", 0) * sizes.get("head_dim", 0)
        return [
            _product("attention", 2 * inner, shape.hidden, count, "n"),
            _product("attention", shape.hidden, inner, count, "k"),
        ]
    keys = sizes.get("k_heads", sizes.get("heads", 0)) * sizes.get("k_dim", sizes.get("head_dim", 0))
    values = sizes.get("v_heads", sizes.get("heads", 0)) * sizes.get("v_dim", sizes.get("head_dim", 0))
    return [
        _product("attention", 2 * keys + 2 * values, shape.hidden, count, "n"),
        _product("attention", shape.hidden, values, count, "k"),
    ]


def _feed_forward(shape: ModelShape) -> list[Product]:
    gates = 2.0 if shape.gated_mlp else 1.0
    dense = shape.dense_mlp_layers if shape.n_experts else shape.layers
    found = [
        _product("dense", gates * shape.ffn_hidden, shape.hidden, dense, "n"),
        _product("dense", shape.hidden, shape.ffn_hidden, dense, "k"),
    ]
    if shape.n_experts:
        wide = shape.shared_ffn_hidden
        found += [
            _product("dense", gates * wide, shape.hidden, shape.moe_layers, "n"),
            _product("dense", shape.hidden, wide, shape.moe_layers, "k"),
            _product("router", shape.n_experts, shape.hidden, shape.moe_layers, ""),
        ]
        if shape.expert_latent_dim:
            found.append(_product("dense", 2.0 * shape.expert_latent_dim, shape.hidden, shape.moe_layers, "n"))
    return found
