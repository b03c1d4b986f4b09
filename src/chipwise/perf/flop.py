"""Model FLOP by one convention: causal attention, no recomputation, input table not counted.

References
----------
Kaplan et al. 2020 (2 FLOP per weight and token forward, twice that backward); Korthikanti et al. 2022 for the
attention core; the causal half follows the mask.
"""

from __future__ import annotations

from collections.abc import Mapping

from chipwise.catalogue.objects import Model

BACKWARD_AND_FORWARD = 3.0
"""A training step costs the forward pass and twice that backward."""


def mean_visible_keys(seq_len: float, window: float | None) -> float:
    """Keys a query sees on average under a causal mask over `seq_len` tokens, or under a sliding window.

    Examples
    --------
    >>> mean_visible_keys(4096, None)
    2048.0
    """
    if not window or window >= seq_len:
        return seq_len / 2.0
    return window - window * window / (2.0 * seq_len)


def forward_flop_per_token(model: Model, seq_len: float) -> float:
    """Forward FLOP per token, averaged over a causal sequence of `seq_len` tokens."""
    return 2.0 * model.params_matmul_active + _causal_core(model, seq_len)


def training_flop_per_token(model: Model, seq_len: float) -> float:
    """Forward and backward FLOP per token.

    Notes
    -----
    ``6 * params_matmul_active + 3 * causal attention core``; a recomputed forward is overhead, not work.
    """
    return BACKWARD_AND_FORWARD * forward_flop_per_token(model, seq_len)


def adapter_flop_per_token(model: Model, seq_len: float) -> float:
    """FLOP per token of adapter (LoRA) tuning: frozen weights need no weight gradient, the core is whole."""
    return 4.0 * model.params_matmul_active + BACKWARD_AND_FORWARD * _causal_core(model, seq_len)


def _causal_core(model: Model, seq_len: float) -> float:
    full = model.attn_score_dim_full * mean_visible_keys(seq_len, None)
    window = model.attn_score_dim_window * mean_visible_keys(seq_len, model.sliding_window)
    return 2.0 * (full + window)


def shape_flop_per_token(shape: Mapping[str, float], *, adapter: bool = False) -> float | None:
    """Training FLOP per token from a printed shape; None where a needed field is missing.

    Parameters
    ----------
    shape : mapping of str to float
        Columns ``layers, hidden, ffn_hidden, gated_mlp, heads, kv_heads, head_dim, vocab, seq_len`` and, for
        mixtures of experts and latent attention, their own; only known figures are present.
    adapter : bool
        LoRA: no weight gradients.
    """
    needed = ("layers", "hidden", "heads", "vocab", "seq_len")
    if any(not shape.get(name) for name in needed):
        return None
    feed_forward = _feed_forward_weights(shape)
    if feed_forward is None:
        return None
    hidden, layers = shape["hidden"], shape["layers"]
    attention, core_dim = _attention_weights(shape)
    blocks = layers + shape.get("mtp_layers", 0.0)
    weights = blocks * attention + feed_forward + hidden * shape["vocab"] * (1.0 + shape.get("mtp_layers", 0.0))
    weights += 2.0 * hidden * hidden * shape.get("mtp_layers", 0.0)
    core = 2.0 * blocks * core_dim * shape["seq_len"] / 2.0
    return (4.0 if adapter else 6.0) * weights + BACKWARD_AND_FORWARD * core


def _attention_weights(shape: Mapping[str, float]) -> tuple[float, float]:
    """Weights of one layer's projections and its core dimension (scores plus values, all heads)."""
    hidden, heads = shape["hidden"], shape["heads"]
    rank = shape.get("mla_kv_lora_rank")
    if rank:
        nope, rope, value = (shape.get(name, 0.0) for name in ("mla_qk_nope_dim", "mla_qk_rope_dim", "mla_v_dim"))
        query_rank = shape.get("mla_q_lora_rank")
        query = heads * (nope + rope)
        weights = hidden * query_rank + query_rank * query if query_rank else hidden * query
        weights += hidden * (rank + rope) + rank * heads * (nope + value) + heads * value * hidden
        return weights, heads * (nope + rope + value)
    width = shape.get("head_dim") or hidden / heads
    kv_heads = shape.get("kv_heads") or heads
    return 2.0 * hidden * heads * width + 2.0 * hidden * kv_heads * width, 2.0 * heads * width


def _feed_forward_weights(shape: Mapping[str, float]) -> float | None:
    """Weights multiplied per token in all feed-forward blocks; None where the width is not known."""
    hidden, layers = shape["hidden"], shape["layers"]
    matrices = 3.0 if shape.get("gated_mlp") else 2.0
    experts = shape.get("n_experts")
    if not experts:
        width = shape.get("ffn_hidden")
        return layers * matrices * hidden * width if width else None
    width, chosen = shape.get("expert_ffn_hidden"), shape.get("top_k")
    if not width or not chosen:
        return None
    dense_layers = shape.get("first_dense_layers", 0.0)
    if dense_layers and not shape.get("ffn_hidden"):
        return None
    active = (chosen + shape.get("n_shared_experts", 0.0)) * matrices * hidden * width + hidden * experts
    dense = dense_layers * matrices * hidden * shape.get("ffn_hidden", 0.0)
    return (layers + shape.get("mtp_layers", 0.0) - dense_layers) * active + dense
