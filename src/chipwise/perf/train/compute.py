"""Time of the arithmetic of one micro-batch: matrix products, attention core, passes over memory.

Symbols: ``m, n, k`` rows, columns and depth of a product; ``f, d, w`` forward, input gradient, weight gradient;
``t`` tokens of a micro-batch on one context-parallel rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from chipwise.perf.train.objects import Device, Layout, Number, Shape, Stack
from chipwise.perf.train.terms import Terms

WAVE_ELEMENTS = 4.0e6
"""Outputs that the tiles of one wave of a large chip cover: about 130 tiles of 128 x 256."""

WATTS_RANGE = (0.6, 2.0)
"""Power per FLOP/s, relative, of the chips that were measured; nothing is extrapolated beyond."""

CEILING, SHARPNESS = 0.95, 8.0
"""No product runs above this share of the dense peak, and how sharply the reach bends towards it."""

BLOCK_CASTS = 0.5
"""More bytes for casts with a scale per block: read once, written along rows and along columns with their scales."""

GATHERED_PASSES = 6.0
"""Reads and writes of a token's activation for dispatch and combine, forward."""


class Passes(NamedTuple):
    """Seconds forward, for the input gradient and for the weight gradient."""

    forward: Number
    inputs: Number
    weights: Number

    def plus(self, other: Passes, times: Number = 1.0) -> Passes:
        """Sum, the other one `times` times."""
        return Passes(*(mine + times * theirs for mine, theirs in zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Seconds of one micro-batch on the mean stage.

    Parameters
    ----------
    block : Passes
        Matrix products of all blocks of the stage.
    experts : Number
        Forward part of `block.forward` that grouped expert products take.
    core : Passes
        Attention core.
    core_again : Number
        Forward time of the core done again where only the core is recomputed.
    stream, stream_forward : Number
        Passes over memory between products, all and forward only.
    cast, permute, accumulate : Number
    logits, logits_stage : Number
        The output head with its loss, all passes: spread over stages, and as the last stage has it.
    """

    block: Passes
    core: Passes
    core_again: Number
    stream: Number
    stream_forward: Number
    cast: Number
    permute: Number
    accumulate: Number
    logits: Number
    logits_stage: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What a device reaches, FLOP/s and byte/s."""

    gemm: Number
    gemm16: Number
    ridge: Number
    ridge16: Number
    core: Number
    plain_core: Number
    stream: Number


def rates(shape: Shape, layout: Layout, device: Device, stack: Stack, terms: Terms) -> Rates:
    """Rates that do not depend on the size of an operator."""
    pace = device.reach * np.clip(device.watts_per_tflop, *WATTS_RANGE) ** terms.watts * stack.power_share**terms.power
    pace = (
        pace
        / (1.0 + terms.youth * np.exp(-np.maximum(stack.age_years, 0.0)))
        / (1.0 + (terms.community - 1.0) * stack.community)
    )
    by_bits = np.where(
        stack.element_bits >= 16, terms.gemm16, np.where(stack.element_bits >= 8, terms.gemm8, terms.gemm4)
    )
    length = layout.seq / (layout.seq + terms.flash_length)
    width = (np.minimum(shape.head_dim, 128.0) / 128.0) ** terms.head_width
    core = terms.flash * terms.flash_step ** (stack.flash - 2.0) * length * width
    # Inputs and outputs of a product are two bytes wide even where it multiplies narrower numbers.
    usual = np.where(stack.element_bits >= 16, 0.83, np.where(stack.element_bits >= 8, 0.62, 0.54))
    fast = _bent(_anchored(device.kernel, usual, terms) * by_bits * pace)
    return Rates(
        gemm=device.peak * fast,
        gemm16=device.peak16 * _bent(_anchored(device.kernel16, 0.83, terms) * terms.gemm16 * pace),
        ridge=terms.ridge * device.peak / device.bytes_per_s,
        ridge16=terms.ridge * device.peak16 / device.bytes_per_s,
        core=device.peak16 * _bent(core * pace),
        plain_core=device.peak16 * _bent(terms.plain_core * pace),
        stream=0.85 * device.bytes_per_s / terms.elementwise / (1.0 + (terms.community - 1.0) * stack.community),
    )


def _bent(reach: Number) -> Number:
    """A share of the peak that stays below `CEILING`."""
    return reach / (1.0 + (reach / CEILING) ** SHARPNESS) ** (1.0 / SHARPNESS)


def _anchored(kernel: Number, usual: Number, terms: Terms) -> Number:
    """Tabled reach of the chip, drawn towards what is usual at the precision."""
    return usual * (kernel / usual) ** terms.anchor


def product(m: Number, n: Number, k: Number, rate: Number, ridge: Number, terms: Terms) -> Passes:
    """Forward and both gradients of an ``(m, k) x (k, n)`` product.

    Notes
    -----
    ``2 m n k / rate x (1 + ridge (1/m + 1/n + 1/k) + area / outputs)``: operands that must be read, and tiles that
    fill no whole wave.
    """
    ideal = 2.0 * m * n * k / rate
    m, n, k = (np.maximum(value, 1e-9) for value in (m, n, k))
    shared = 1.0 + ridge * (1.0 / m + 1.0 / n + 1.0 / k)
    area = terms.area * WAVE_ELEMENTS
    return Passes(
        ideal * (shared + area / (m * n)), ideal * (shared + area / (m * k)), ideal * (shared + area / (k * n))
    )


def micro_batch(shape: Shape, layout: Layout, device: Device, stack: Stack, terms: Terms) -> Work:
    """Arithmetic of one micro-batch on the mean stage."""
    reach = rates(shape, layout, device, stack, terms)
    tokens = layout.mbs * layout.seq / layout.cp
    fast, ridge = reach.gemm, reach.ridge
    attention = _attention_products(shape, layout, tokens, fast, ridge, terms)
    feed = product(tokens, (shape.matrices - 1.0) * shape.ffn / layout.tp, shape.hidden, fast, ridge, terms).plus(
        product(tokens, shape.hidden, shape.ffn / layout.tp, fast, ridge, terms)
    )
    linear = product(tokens, shape.linear_weights / shape.hidden / layout.tp, shape.hidden, fast, ridge, terms)
    experts = _expert_products(shape, layout, tokens, fast, ridge, terms, stack)
    softmax_layers = shape.full_layers + shape.window_layers
    share = 1.0 / layout.pp
    block = Passes(0.0, 0.0, 0.0).plus(attention, softmax_layers * share).plus(feed, shape.dense_layers * share)
    block = block.plus(linear, shape.linear_layers * share).plus(experts, shape.moe_layers * share)
    core, again = _core(shape, layout, stack, device, reach, tokens, terms)
    forward_bytes, cast_bytes, permuted = _traffic(shape, layout, tokens, terms)
    narrow = stack.element_bits < 16
    logits = product(tokens, shape.vocab / layout.tp, shape.hidden, reach.gemm16, reach.ridge16, terms)
    loss = 24.0 * tokens * shape.vocab / layout.tp / reach.stream
    frozen = 1.0 - layout.adapter
    head = (logits.forward + logits.inputs + frozen * logits.weights + loss) * shape.heads_of_loss
    return Work(
        block=Passes(block.forward, block.inputs, block.weights * frozen),
        core=core,
        core_again=again,
        stream=2.6 * forward_bytes / reach.stream * share,
        stream_forward=forward_bytes / reach.stream * share,
        cast=np.where(
            narrow, terms.cast * (1.0 + BLOCK_CASTS * stack.blocks) * cast_bytes / (0.85 * device.bytes_per_s), 0.0
        )
        * share,
        permute=2.0 * terms.permute * progress(stack, terms) * permuted / reach.stream * share,
        accumulate=(np.cbrt(block.weights**3 + _accumulate(shape, layout, device, terms) ** 3) - block.weights)
        * frozen,
        logits=head * share,
        logits_stage=head,
    )


def _attention_products(
    shape: Shape, layout: Layout, tokens: Number, rate: Number, ridge: Number, terms: Terms
) -> Passes:
    tp = layout.tp
    up_depth = np.maximum(shape.latent_down / 2.0, 1.0)
    out = product(tokens, shape.qkv_width / tp, shape.hidden, rate, ridge, terms)
    out = out.plus(product(tokens, shape.hidden, shape.out_width / tp, rate, ridge, terms))
    out = out.plus(product(tokens, shape.latent_down, shape.hidden, rate, ridge, terms))
    return out.plus(product(tokens, shape.latent_up / up_depth / tp, up_depth, rate, ridge, terms))


def progress(stack: Stack, terms: Terms) -> Number:
    """Overheads of experts relative to those at the start of 2025."""
    return terms.moe_year ** -np.minimum(stack.moe_years, 2.0)


def _expert_products(
    shape: Shape, layout: Layout, tokens: Number, rate: Number, ridge: Number, terms: Terms, stack: Stack
) -> Passes:
    """Router, shared expert and grouped products of the experts held here."""
    held = np.maximum(shape.experts / layout.ep, 1.0)
    rows = tokens * shape.top_k * layout.etp / layout.tp
    per_expert = rows / held
    width = shape.expert_width / layout.etp
    depth = shape.expert_input
    slow = 1.0 + (terms.expert - 1.0) * progress(stack, terms)
    slow = slow * (1.0 + (terms.natural - 1.0) * stack.natural)
    one = product(per_expert, (shape.matrices - 1.0) * width, depth, rate, ridge, terms).plus(
        product(per_expert, depth, width, rate, ridge, terms)
    )
    shared = product(tokens, (shape.matrices - 1.0) * shape.shared_width / layout.tp, shape.hidden, rate, ridge, terms)
    shared = shared.plus(product(tokens, shape.hidden, shape.shared_width / layout.tp, rate, ridge, terms))
    router = product(tokens / layout.tp, shape.experts, shape.hidden, rate, ridge, terms)
    return shared.plus(router).plus(one, held * slow)


def _core(
    shape: Shape, layout: Layout, stack: Stack, device: Device, reach: Rates, tokens: Number, terms: Terms
) -> tuple[Passes, Number]:
    seq, share = layout.seq, tokens / layout.tp / layout.pp
    window = np.minimum(np.where(shape.window > 0, shape.window, seq), seq)
    seen = window - window * window / (2.0 * seq)
    fused = (
        2.0 * share * (shape.full_layers * shape.core_full * seq / 2.0 + shape.window_layers * shape.core_window * seen)
    )
    fused = fused / reach.core
    whole = 2.0 * share * seq * (shape.full_layers * shape.core_full + shape.window_layers * shape.core_window)
    scores = 2.0 * share * seq * shape.heads * (shape.full_layers + shape.window_layers)
    plain = whole / reach.plain_core + terms.plain_passes / 3.0 * scores / (0.85 * device.bytes_per_s)
    written = stack.flash < 1
    forward = np.where(written, plain, fused)
    backward = np.where(written, 2.0 * plain, 2.5 * fused)
    return Passes(forward, backward, 0.0 * forward), layout.recompute_core * np.where(written, plain, 0.0)


def _traffic(shape: Shape, layout: Layout, tokens: Number, terms: Terms) -> tuple[Number, Number, Number]:
    """Bytes of forward passes between products, of casts, and of permutation, over all layers."""
    tp, whole = layout.tp, np.where(layout.sp > 0, layout.tp, 1.0)
    softmax = shape.full_layers + shape.window_layers
    wide = (shape.matrices + 1.0) * (shape.dense_layers * shape.ffn + shape.moe_layers * shape.shared_width)
    inside = softmax * 3.0 * (shape.qkv_width + shape.out_width) + wide
    inside = inside + shape.linear_layers * (6.0 + 12.0 * terms.scan) * shape.linear_weights / shape.hidden
    routed = shape.moe_layers * shape.top_k * (shape.matrices + 1.0) * shape.expert_width
    forward = 2.0 * tokens * (6.0 * shape.hidden * shape.layers / whole * 1.5 + (inside + routed) / tp)
    inputs = softmax * (2.0 * shape.hidden + shape.qkv_width + shape.out_width) / tp
    inputs = inputs + shape.linear_layers * 4.0 * shape.hidden / tp
    inputs = (
        inputs + (shape.dense_layers * shape.ffn + shape.moe_layers * shape.shared_width) * (shape.matrices + 1.0) / tp
    )
    inputs = (
        inputs + shape.moe_layers * shape.top_k * (shape.matrices * shape.expert_width + 2.0 * shape.expert_input) / tp
    )
    casts = 3.0 * tokens * inputs
    permuted = GATHERED_PASSES * 2.0 * tokens * shape.moe_layers * shape.top_k * shape.expert_input / tp
    return forward, casts, permuted


def _accumulate(shape: Shape, layout: Layout, device: Device, terms: Terms) -> Number:
    """Reading and writing 32-bit gradients once a micro-batch."""
    own = shape.params_dense / layout.tp + shape.params_expert / (layout.ep * layout.etp)
    return terms.accumulate * 8.0 * own / layout.pp / (0.85 * device.bytes_per_s)
