"""Communication of one step: seconds per group, before what overlaps is taken off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chipwise.perf.train.objects import Device, Layout, Number, Shape
from chipwise.perf.train.terms import Terms

INSIDE_HOP = 0.25
"""Step of a ring over scale-up links relative to one over the network: 3.4 against 14 microseconds (NCCL's own)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Seconds on the links.

    Parameters
    ----------
    tensor, tensor_forward, context, expert : Number
        Of one micro-batch on the mean stage; `tensor_forward` is what a recomputed forward pass adds.
    send : Number
        One activation from stage to stage.
    reduce : Number
        Gradients and weights once a step.
    shard : Number
        Gathering and scattering of sharded weights and gradients, one micro-batch.
    """

    tensor: Number
    tensor_forward: Number
    context: Number
    expert: Number
    send: Number
    reduce: Number
    shard: Number


def link_rate(device: Device, terms: Terms, group: Number) -> Number:
    """Scale-up byte/s a group of `group` reaches: straight lines over doublings between the figures of a device."""
    doublings = np.log2(np.maximum(group, 2.0))
    reached = device.gather2 + (device.gather4 - device.gather2) * np.minimum(doublings - 1.0, 1.0)
    reached = reached + (device.gather8 - device.gather4) * np.clip(doublings - 2.0, 0.0, 1.0)
    reached = reached + (device.gather64 - device.gather8) * np.clip((doublings - 3.0) / 3.0, 0.0, 1.0)
    return terms.link * device.link_bytes_per_s * reached


def latency(group: Number, terms: Terms) -> Number:
    """Seconds of a small collective: a start, and a little more with every doubling of the group."""
    return terms.latency_s * (0.75 + 0.25 * np.log2(np.maximum(group, 1.0)))


def ring(
    size: Number, group: Number, stride: Number, device: Device, terms: Terms, net: Number = -1.0
) -> tuple[Number, Number]:
    """Seconds to gather (or scatter) `size` bytes over `group` units that stand `stride` apart, and its latency.

    Notes
    -----
    Inside a scale-up domain over its links, the rest over the network of every unit at once.
    """
    inner = np.clip(device.domain / stride, 1.0, group)
    inner = np.where(net == 1.0, 1.0, inner)
    outer = group / inner
    inside = size * (inner - 1.0) / inner / link_rate(device, terms, inner)
    across = size / inner * (outer - 1.0) / outer / (terms.network * device.network_bytes_per_s)
    steps = latency(group, terms) + terms.hop_s * (outer - 1.0 + INSIDE_HOP * (group - outer) * (outer > 1.0))
    return inside + across, steps


def communication(shape: Shape, layout: Layout, device: Device, terms: Terms) -> Traffic:
    """Traffic of one step."""
    tokens = layout.mbs * layout.seq / layout.cp
    share = 1.0 / layout.pp
    hidden_bytes = 2.0 * tokens * shape.hidden
    tensor, tensor_forward = _tensor(shape, layout, device, terms, hidden_bytes)
    shard, reduce = _data(shape, layout, device, terms)
    return Traffic(
        tensor=tensor * share,
        tensor_forward=tensor_forward * share,
        context=_context(shape, layout, device, terms, tokens) * share,
        expert=_expert(shape, layout, device, terms, tokens) * share,
        send=_send(layout, device, terms, hidden_bytes),
        reduce=reduce,
        shard=shard * share,
    )


def _tensor(shape: Shape, layout: Layout, device: Device, terms: Terms, hidden_bytes: Number) -> tuple[Number, Number]:
    """An all-reduce (or its two halves) after every block half, forward and backward."""
    seconds, steps = ring(hidden_bytes, layout.tp, 1.0, device, terms, layout.tp_net)
    halves = shape.full_layers + shape.window_layers + shape.linear_layers + shape.dense_layers
    halves = halves + shape.moe_layers * np.where((layout.etp > 1.0) | (shape.shared_width > 0), 1.0, 0.0)
    one = np.where(layout.tp > 1.0, 2.0 * seconds + np.where(layout.sp > 0, 2.0, 1.0) * steps, 0.0)
    again = np.where((layout.sp > 0) & (layout.regather > 0), 0.5, 0.0)
    return halves * one * (2.0 + again), halves * one


def _context(shape: Shape, layout: Layout, device: Device, terms: Terms, tokens: Number) -> Number:
    """Keys and values passed round, forward once and backward twice."""
    size = 2.0 * tokens * shape.kv_width / np.minimum(layout.tp, np.maximum(shape.kv_width / shape.head_dim / 2.0, 1.0))
    seconds, steps = ring(size * layout.cp, layout.cp, layout.tp, device, terms)
    return np.where(layout.cp > 1.0, 3.0 * (shape.full_layers + shape.window_layers) * (seconds + steps), 0.0)


def _expert(shape: Shape, layout: Layout, device: Device, terms: Terms, tokens: Number) -> Number:
    """Dispatch and combine, forward and backward; a token goes once to each unit that holds any of its experts."""
    ep = np.maximum(layout.ep, 1.0)
    reached = np.minimum(shape.top_k, ep * (1.0 - (1.0 - 1.0 / ep) ** shape.top_k))
    size = 2.0 * tokens / layout.tp * layout.etp * reached * shape.expert_input
    inner = np.clip(device.domain / layout.etp, 1.0, ep)
    inside = size * (inner - 1.0) / ep / link_rate(device, terms, inner)
    nodes = np.maximum(ep / inner, 1.0)
    across = np.minimum(size * (ep - inner) / ep, size / np.maximum(reached, 1.0) * (nodes - 1.0))
    across = across / (terms.network * device.network_bytes_per_s)
    one = np.maximum(inside, across) + latency(ep, terms)
    return np.where(ep > 1.0, 4.0 * shape.moe_layers * one, 0.0)


def _send(layout: Layout, device: Device, terms: Terms, hidden_bytes: Number) -> Number:
    size = hidden_bytes / np.where((layout.sp > 0) | (layout.scatter_send > 0), layout.tp, 1.0)
    near = (layout.tp * layout.cp * layout.pp <= device.domain) & (layout.pp_net != 1.0)
    rate = np.where(
        near, terms.link * device.link_bytes_per_s * device.gather8, terms.network * device.network_bytes_per_s
    )
    return np.where(layout.pp > 1.0, size / rate + terms.latency_s, 0.0)


def _data(shape: Shape, layout: Layout, device: Device, terms: Terms) -> tuple[Number, Number]:
    """Sharded traffic of one micro-batch over all stages, and what is exchanged once a step on one stage."""
    group = layout.dp * layout.cp
    edge = shape.params_table * 2.0 / layout.tp / layout.pp
    dense = shape.params_dense / layout.tp / layout.pp + edge
    expert = shape.params_expert / (layout.ep * layout.etp) / layout.pp
    expert_group = np.maximum(group * layout.tp / (layout.ep * layout.etp), 1.0)
    shard = np.clip(layout.shard, 1.0, group)
    stride = layout.tp
    gather, steps = ring(2.0 * dense, shard, stride, device, terms, layout.dp_net)
    gather_expert, _ = ring(2.0 * expert, np.minimum(expert_group, shard), layout.ep * layout.etp, device, terms)
    each = gather + gather_expert
    layers = shape.layers / layout.pp
    times = np.where(layout.zero >= 3, 2.0, 0.0) + np.where(layout.zero >= 2, 1.0, 0.0)
    sharded = np.where(shard > 1.0, times * (each + steps * layers), 0.0)
    # Gradients are scattered at their width and weights gathered at two bytes, or gradients reduced in two halves.
    width = layout.gradient_bytes
    full, _ = ring(width * dense, group, stride, device, terms, layout.dp_net)
    full_expert, _ = ring(width * expert, expert_group, layout.ep * layout.etp, device, terms)
    # Groups that shard inside and repeat outside sum their shards over the groups; trees, so no hop from rank to rank.
    tree = latency(group, terms)
    across, _ = ring(width * (dense + expert) / shard, group / shard, stride * shard, device, terms)
    bucket = np.where(layout.bucket > 0, layout.bucket, np.maximum(4e7, 1e6 * group))
    calls = np.maximum((dense + expert) / bucket, 1.0)
    split = (width / 2.0 + 1.0) * (gather + gather_expert) + 2.0 * calls * steps + 2.0 * across
    once = np.where(layout.zero >= 1, split, 2.0 * (full + full_expert) + tree)
    once = np.where(layout.zero >= 2, np.where(layout.zero >= 3, 2.0 * across, 2.0 * across + 0.5 * full), once)
    trained = 1.0 - 0.98 * layout.adapter
    return sharded * layout.pp * np.where(layout.adapter > 0, 2.0 / 3.0, 1.0), np.where(
        group > 1.0, once, 0.0
    ) * trained
