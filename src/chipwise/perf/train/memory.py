"""Memory of one unit by part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chipwise.perf.train.objects import Layout, Number, Shape, Stack
from chipwise.perf.train.step import optimizer_shards, own_weights

RESERVE_BYTES = 1.5e9
"""Context, libraries and communication buffers of one process."""

FRAGMENTED = 0.04
"""Share of everything else lost between allocations."""


NARROW = 0.72
"""Activations kept where the inputs of the products are kept at eight bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes on the fullest unit, by part."""

    weights: Number
    gradients: Number
    optimizer: Number
    activations: Number
    temporary: Number
    fragmentation: Number
    reserve: Number

    @property
    def total(self) -> Number:
        """All parts together."""
        return (
            self.weights
            + self.gradients
            + self.optimizer
            + self.activations
            + self.temporary
            + self.fragmentation
            + self.reserve
        )


def layer_activation_bytes(shape: Shape, layout: Layout, flash: Number = 2.0) -> Number:
    """Bytes one micro-batch leaves behind in a mean layer for its backward pass, nothing recomputed."""
    tokens = layout.mbs * layout.seq / layout.cp
    tp, whole = layout.tp, np.where(layout.sp > 0, layout.tp, 1.0)
    softmax, count = shape.full_layers + shape.window_layers, shape.layers
    attention = 2.0 * (shape.qkv_width + 2.0 * shape.latent_down + shape.out_width)
    attention = attention + np.where(shape.latent_down > 0, 2.0 * (2.0 * shape.core_full + shape.kv_width), 0.0)
    scores = np.where((flash < 1) & (layout.recompute_core <= 0), 5.0 * shape.heads * layout.seq, 4.0 * shape.heads)
    inside = softmax * (attention + scores) + shape.dense_layers * 2.0 * shape.ffn * shape.matrices
    inside = inside + shape.linear_layers * 6.0 * shape.linear_weights / shape.hidden
    routed = 2.0 * shape.top_k * (shape.matrices * shape.expert_width + 2.0 * shape.expert_input)
    inside = inside + shape.moe_layers * (routed + 2.0 * shape.matrices * shape.shared_width)
    outside = 8.0 * shape.hidden * count
    inside = inside + np.where(layout.regather > 0, 0.0, 4.0 * shape.hidden * count * (tp - 1.0))
    kept = np.where(layout.adapter > 0, 0.6, 1.0)
    return tokens * kept * (inside / tp + outside / whole) / count


def memory(shape: Shape, layout: Layout, stack: Stack) -> Memory:
    """Memory of the fullest unit (first stage).

    Notes
    -----
    Activations follow Korthikanti et al. 2022 with the score matrix left out where attention is fused. In flight on
    the first stage: ``pp`` micro-batches, times ``1 + (pp - 1) / (pp vpp)`` interleaved.
    """
    dense, expert = own_weights(shape, layout)
    own = dense + expert
    split, split_expert = optimizer_shards(layout)
    trained = 1.0 - 0.98 * layout.adapter
    full = layout.zero >= 3
    wide = np.where((layout.adapter > 0) & (stack.element_bits < 16), 1.0, 2.0)
    held = np.where(full, dense / split + expert / split_expert, own)
    graded = np.where(layout.zero >= 2, dense / split + expert / split_expert, own)
    states = 12.0 * (dense / split + expert / split_expert) * trained
    per_layer = layer_activation_bytes(shape, layout, stack.flash) * np.where(stack.element_bits < 16, NARROW, 1.0)
    tokens = layout.mbs * layout.seq / layout.cp
    whole = np.where(layout.sp > 0, layout.tp, 1.0)
    kept_input = 2.0 * tokens * shape.hidden / whole
    mean = (1.0 - layout.recompute) * per_layer + layout.recompute * kept_input
    ahead = np.where(layout.vpp > 1.0, 1.0 + (layout.pp - 1.0) / (layout.pp * layout.vpp), 1.0)
    flying = np.minimum(layout.pp * ahead * layout.in_flight, np.maximum(layout.accum, 1.0))
    held_layers = shape.layers / layout.pp
    activations = flying * held_layers * mean * (1.0 - 0.9 * layout.offload_activations)
    loss = 6.0 * tokens * shape.vocab / layout.tp
    temporary = np.maximum(np.where(layout.pp > 1.0, 0.0, loss), np.where(layout.recompute > 0, per_layer, 0.0))
    temporary = temporary + np.where(full, 4.0 * own / np.maximum(held_layers, 1.0), 0.0)
    weights = wide * held * (1.0 - layout.offload_weights)
    gradients = layout.gradient_bytes * graded * trained
    states = states * (1.0 - layout.offload_optimizer)
    known = weights + gradients + states + activations + temporary
    return Memory(
        weights=weights,
        gradients=gradients,
        optimizer=states,
        activations=activations,
        temporary=temporary,
        fragmentation=FRAGMENTED * known,
        reserve=RESERVE_BYTES + 0.0 * known,
    )
