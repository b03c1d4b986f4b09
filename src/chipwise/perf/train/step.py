"""One training step over arrays of layouts: what runs, what waits, what is hidden."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chipwise.perf.train.compute import Work, micro_batch, progress
from chipwise.perf.train.objects import Device, Layout, Number, Shape, Stack
from chipwise.perf.train.terms import Terms
from chipwise.perf.train.traffic import Traffic, communication

PARTS = (
    "matrix products",
    "attention core",
    "recomputation",
    "memory passes",
    "output head",
    "launch",
    "tensor traffic",
    "context traffic",
    "expert traffic",
    "sharded traffic",
    "pipeline bubble",
    "stage imbalance",
    "pipeline traffic",
    "data traffic",
    "optimizer",
    "offload",
    "stragglers",
)
"""Parts of a step; they add up to it."""

OPERATIONS = {"attention": 12.0, "dense": 9.0, "linear": 22.0}
"""Framework operations of one block half, forward; backward as many again. Those of experts: `Terms.routed_ops`."""

BEHIND = 0.25
"""Share of traffic that runs behind a product and still delays it: it takes memory bandwidth and units."""

PADDED = 0.5
"""Operations of experts that take a fixed number of tokens, relative to those that take any number."""


FINE_START = 0.3
"""Work of dropping the first activations relative to a whole layer: norms and activation functions are cheap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Seconds of one step and of its parts."""

    time_s: Number
    parts: dict[str, Number]


def step_time(shape: Shape, layout: Layout, device: Device, stack: Stack, terms: Terms) -> Step:
    """Time of one optimizer step.

    Parameters
    ----------
    shape, layout, device, stack : objects of numbers or arrays
    terms : Terms

    Returns
    -------
    Step

    Notes
    -----
    A micro-batch takes ``(gpu^3 + host^3)^(1/3)``: a launch is hidden behind long kernels and binds short ones.
    Bubble: ``(pp - 1) / (accum vpp)``. Fully sharded traffic: ``(compute^4 + traffic^4)^(1/4)`` plus an exposed
    share. Stragglers are a share per doubling of the units that wait for each other; stages only wait for a neighbour.
    """
    work = micro_batch(shape, layout, device, stack, terms)
    traffic = communication(shape, layout, device, terms)
    again = _again(work, traffic, layout, device, terms)
    tensor = _tensor_exposed(layout, device, terms) * traffic.tensor
    context, expert = terms.exposed_cp * traffic.context, terms.exposed_ep * progress(stack, terms) * traffic.expert
    memory = work.stream + work.cast + work.permute + work.accumulate
    products = work.block.forward + work.block.inputs + work.block.weights
    core = work.core.forward + work.core.inputs
    busy = products + core + memory + work.logits + again + tensor + context + expert
    host = _host(shape, layout, device, stack, terms)
    running = np.cbrt(busy**3 + host**3) + np.where(device.compiled > 0, 0.0, terms.gap_s / terms.host_op_s) * host
    sharded = (running**4 + traffic.shard**4) ** 0.25 - running + terms.exposed_fsdp * traffic.shard
    stalls = _stalls(shape, layout, device, stack, terms)
    running = running + stalls
    one = running + sharded
    excess = _imbalance(shape, layout, work, busy, one, terms)
    bubble = layout.bubble * (layout.pp - 1.0) / layout.vpp * (one + excess)
    sends = np.where(layout.pp > 1.0, 2.0 * layout.vpp * (layout.accum + layout.pp - 1.0), 0.0) * traffic.send
    data = _data_exposed(layout, one, traffic, terms)
    update = _optimizer(shape, layout, device, terms)
    offload = _offload(shape, layout, device, work)
    count = layout.accum
    parts: dict[str, Number] = {
        "matrix products": count * products,
        "attention core": count * core,
        "recomputation": count * again,
        "memory passes": count * memory,
        "output head": count * work.logits,
        "launch": count * (running - busy),
        "tensor traffic": count * tensor,
        "context traffic": count * context,
        "expert traffic": count * expert,
        "sharded traffic": count * sharded,
        "pipeline bubble": bubble,
        "stage imbalance": count * excess,
        "pipeline traffic": terms.exposed_pp * sends,
        "data traffic": data,
        "optimizer": update,
        "offload": offload,
    }
    total = sum(parts.values())
    parts["stragglers"] = total * terms.straggler * np.log2(np.maximum(layout.units / layout.pp, 1.0))
    return Step(time_s=total + parts["stragglers"], parts=parts)


def _again(work: Work, traffic: Traffic, layout: Layout, device: Device, terms: Terms) -> Number:
    forward = work.block.forward + work.core.forward + work.stream_forward
    done = layout.recompute * np.where(layout.fine > 0, FINE_START + (1.0 - FINE_START) * layout.recompute, 1.0)
    full = done * (forward + _tensor_exposed(layout, device, terms) * traffic.tensor_forward)
    return full + np.where(layout.recompute > 0, 0.0, work.core_again)


def _tensor_exposed(layout: Layout, device: Device, terms: Terms) -> Number:
    """Exposed share: as usual; none hidden; pipelined; ring; backward traffic behind the weight gradients.

    The last waits for every forward transfer; with sequence parallelism six of ten halves are waited for.
    """
    overlap = layout.tp_overlap
    waited = np.where(layout.sp > 0, 0.6, 0.5)
    behind = waited + (1.0 - waited) * BEHIND
    usual = np.where(device.pieces > 0, terms.exposed_tp, behind)
    chosen = np.where(overlap == 2, 0.9 * usual, np.where(overlap == 3, behind, usual))
    return np.where(overlap == 0, 1.0, np.where(overlap == 1, 0.5 * (1.0 + usual), chosen))


def _host(shape: Shape, layout: Layout, device: Device, stack: Stack, terms: Terms) -> Number:
    """Host time of one micro-batch on the mean stage."""
    calls = (shape.full_layers + shape.window_layers) * OPERATIONS["attention"]
    routed = terms.routed_ops * np.where(stack.padded > 0, PADDED, 1.0)
    calls = calls + shape.dense_layers * OPERATIONS["dense"] + shape.moe_layers * routed
    calls = calls + shape.linear_layers * OPERATIONS["linear"]
    passes = 2.0 + layout.recompute
    extra = 1.0 + 0.3 * (stack.element_bits < 16) + 0.2 * (layout.zero >= 3) + 0.2 * (layout.tp > 1)
    quick = np.where(device.compiled > 0, terms.compiled, np.where(stack.graphs > 0, terms.graphs, 1.0))
    return terms.host_op_s * quick * calls / layout.pp * passes * extra


def _stalls(shape: Shape, layout: Layout, device: Device, stack: Stack, terms: Terms) -> Number:
    """Waits for the counts of routed tokens, which the host must read before it launches the experts."""
    quick = np.where((device.compiled > 0) | (stack.graphs > 0) | (stack.padded > 0), 0.0, 1.0)
    passes = 2.0 + layout.recompute
    return terms.sync_s * progress(stack, terms) * quick * passes * shape.moe_layers / layout.pp


def _imbalance(shape: Shape, layout: Layout, work: Work, busy: Number, one: Number, terms: Terms) -> Number:
    """What the slowest stage takes beyond the mean: layers round up, and the last stage has the output head.

    Notes
    -----
    Where layers do not divide, the last stage is given the fewer.
    """
    chunks = layout.pp * layout.vpp
    per_chunk = np.ceil(shape.layers / chunks - 1e-9)
    short = per_chunk * chunks - shape.layers
    layer = (busy - work.logits) * layout.pp / shape.layers
    most = per_chunk * layout.vpp
    last = np.maximum(most - short, 0.0) * layer + work.logits_stage
    slowest = np.maximum(most * layer, last)
    return np.where(layout.pp > 1.0, terms.imbalance * np.maximum(slowest - one, 0.0), 0.0)


def _data_exposed(layout: Layout, one: Number, traffic: Traffic, terms: Terms) -> Number:
    """A share of what fits behind one micro-batch (its backward pass, where no weights are gathered), and the rest.

    The window is the time the micro-batch takes, so that a faster device never makes the step longer. Interleaved
    stages finish one chunk after the other, each behind `pp` micro-batches of the next.
    """
    chunks = np.where(layout.vpp > 1.0, layout.pp * (layout.vpp - 1.0) / layout.vpp, 0.0)
    window = one * np.maximum(np.where(layout.zero >= 1, 1.0, 2.0 / 3.0), np.minimum(chunks, layout.accum))
    exposed = terms.exposed_dp * np.minimum(traffic.reduce, window) + np.maximum(traffic.reduce - window, 0.0)
    usual = np.where(layout.dp_overlap == 1, np.maximum(0.8 * exposed, traffic.reduce - window), exposed)
    return np.where(layout.dp_overlap == 0, traffic.reduce, usual)


def own_weights(shape: Shape, layout: Layout) -> tuple[Number, Number]:
    """Weights on one unit before sharding over data ranks: dense with tables, experts."""
    table = np.where(
        layout.pp > 1.0, shape.params_table / layout.tp, (2.0 - shape.tied) * shape.params_table / layout.tp
    )
    dense = shape.params_dense / layout.tp / layout.pp + table
    return dense, shape.params_expert / (layout.ep * layout.etp) / layout.pp


def optimizer_shards(layout: Layout) -> tuple[Number, Number]:
    """Ranks over which optimizer states of dense weights and of experts are split."""
    shard = np.where(layout.zero >= 1, np.clip(layout.shard, 1.0, layout.dp * layout.cp), 1.0)
    expert = np.maximum(shard * layout.tp / (layout.ep * layout.etp), 1.0)
    return shard, np.where(layout.zero >= 1, expert, 1.0)


def _optimizer(shape: Shape, layout: Layout, device: Device, terms: Terms) -> Number:
    dense, expert = own_weights(shape, layout)
    split, split_expert = optimizer_shards(layout)
    trained = (dense / split + expert / split_expert) * (1.0 - 0.98 * layout.adapter)
    touched = 28.0 * trained + layout.gradient_bytes * (dense + expert) * (1.0 - layout.adapter) / np.where(
        layout.zero >= 2, split, 1.0
    )
    offloaded = layout.offload_optimizer * 16.0 * trained / device.host_bytes_per_s
    return terms.step_s + terms.optimizer * touched / (0.85 * device.bytes_per_s) + offloaded


def _offload(shape: Shape, layout: Layout, device: Device, work: Work) -> Number:
    """Weights and activations that come from host memory, less what fits behind the arithmetic."""
    from chipwise.perf.train.memory import layer_activation_bytes

    dense, expert = own_weights(shape, layout)
    weights = 2.0 * 2.0 * (dense + expert) * layout.offload_weights
    kept = 2.0 * layer_activation_bytes(shape, layout) * shape.layers / layout.pp * layout.offload_activations
    moved = (weights + kept) / device.host_bytes_per_s
    window = work.block.forward + work.block.inputs + work.block.weights
    return layout.accum * (0.15 * np.minimum(moved, window) + np.maximum(moved - window, 0.0))
