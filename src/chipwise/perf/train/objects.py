"""What the model of a training step reads: shape, layout, device, stack and free terms.

Every figure may be a number or an array; they broadcast against each other, so one call answers for one layout, for
many layouts of one model, or for many different runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Number = float | NDArray[np.float64]
else:
    Number = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A decoder as its step sees it.

    Parameters
    ----------
    layers : float
        Blocks that a pipeline deals out, prediction blocks (MTP) included.
    full_layers, window_layers, linear_layers, dense_layers, moe_layers : float
        Blocks with full attention, sliding-window attention, linear attention or state space, a dense feed-forward
        part, and experts.
    window : float
        Tokens of the sliding window.
    qkv_width, out_width : float
        Columns of the fused query-key-value projection; rows of the output projection.
    latent_down, latent_up : float
        Latent attention: columns of the down projections; weights of the up projections.
    core_full, core_window : float
        Heads x (query-key width + value width) of the core.
    head_dim, heads, kv_width : float
        Query-key width of a head; heads; columns of keys and values together.
    linear_weights : float
        Weights of one linear layer.
    matrices : float
        3 for gated feed-forward parts, 2 for plain ones.
    experts, top_k, expert_width, shared_width, expert_input : float
        Experts, experts a token visits, width of one, summed width of the shared ones, width of their input.
    heads_of_loss : float
        Times the logits are computed: 1 plus prediction blocks.
    params_dense, params_expert, params_table : float
        Weights outside the experts and tables; weights of experts; weights of one embedding table.
    tied : float
        1 where table and head are one.
    """

    layers: Number
    hidden: Number
    vocab: Number
    full_layers: Number
    window_layers: Number
    window: Number
    linear_layers: Number
    linear_weights: Number
    dense_layers: Number
    ffn: Number
    matrices: Number
    moe_layers: Number
    experts: Number
    top_k: Number
    expert_width: Number
    shared_width: Number
    expert_input: Number
    qkv_width: Number
    out_width: Number
    latent_down: Number
    latent_up: Number
    core_full: Number
    core_window: Number
    head_dim: Number
    heads: Number
    kv_width: Number
    heads_of_loss: Number
    params_dense: Number
    params_expert: Number
    params_table: Number
    tied: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a run is laid out over its units (chips, or dies where a die is a device).

    Parameters
    ----------
    seq : float
        Tokens of a sequence.
    tp, pp, vpp, dp, cp, ep, etp : float
        Tensor, pipeline, chunks per stage, data, context, expert and expert-tensor ways; ``units = tp pp cp dp``.
    sp : float
        1 with sequence parallelism.
    zero : float
        0 none, 1 optimizer, 2 and gradients, 3 and weights (fully sharded).
    shard : float
        Size of the group that shards; at most ``dp * cp``.
    mbs, accum : float
        Sequences of a micro-batch; micro-batches of a step.
    recompute, recompute_core : float
        Share of activations dropped and computed again; 1 where only the attention core is.
    fine : float
        1 where the cheapest parts of every layer are dropped first, 0 where whole layers are.
    bubble : float
        Bubble relative to 1F1B: 1 for 1F1B and interleaved, less for zero-bubble schedules.
    in_flight : float
        Activations held relative to 1F1B: 0.5 for V-half, 0.33 for V-min.
    gradient_bytes : float
        Width of a gradient, in memory and on the links.
    bucket : float
        Weights of one collective of a sharded optimizer; 0 as Megatron has it, growing with the ranks.
    adapter : float
        1 where the weights are frozen and adapters are trained.
    tp_overlap, dp_overlap : float
        -1 as usual on the device, 0 none, 1 pipelined, 2 ring, 3 backward traffic behind weight gradients; -1 as
        usual, 0 none, 1 overlapped.
    regather : float
        1 where inputs are gathered again in the backward pass of sequence parallelism, 0 where they are kept whole.
    scatter_send : float
        1 where a stage sends each tensor-parallel rank its part only.
    offload_weights, offload_activations, offload_optimizer : float
        Share kept in host memory.
    tp_net, pp_net, dp_net : float
        Links that carry the traffic: -1 the fastest that reach, 0 scale-up, 1 network.
    """

    seq: Number
    tp: Number = 1.0
    pp: Number = 1.0
    vpp: Number = 1.0
    dp: Number = 1.0
    cp: Number = 1.0
    ep: Number = 1.0
    etp: Number = 1.0
    sp: Number = 0.0
    zero: Number = 1.0
    shard: Number = 1.0
    mbs: Number = 1.0
    accum: Number = 1.0
    recompute: Number = 0.0
    recompute_core: Number = 0.0
    fine: Number = 0.0
    bubble: Number = 1.0
    in_flight: Number = 1.0
    gradient_bytes: Number = 4.0
    bucket: Number = 0.0
    adapter: Number = 0.0
    tp_overlap: Number = -1.0
    dp_overlap: Number = -1.0
    regather: Number = 1.0
    scatter_send: Number = 0.0
    offload_weights: Number = 0.0
    offload_activations: Number = 0.0
    offload_optimizer: Number = 0.0
    tp_net: Number = -1.0
    pp_net: Number = -1.0
    dp_net: Number = -1.0

    @property
    def units(self) -> Number:
        """Devices of the run."""
        return self.tp * self.pp * self.cp * self.dp


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One unit of a layout and its links, data sheet.

    Parameters
    ----------
    peak, peak16 : float
        Dense FLOP/s at the precision of the matrix products, and at 16 bits.
    bytes_per_s, mem_bytes : float
    link_bytes_per_s, network_bytes_per_s, host_bytes_per_s : float
        One direction: scale-up, scale-out, to host memory.
    domain : float
        Units joined by the scale-up links.
    gather2, gather4, gather8, gather64 : float
        Share of the scale-up links that a gather in groups of so many reaches.
    watts_per_tflop : float
        Board power over 16-bit TFLOP/s, relative to 0.7; 1 where unknown.
    kernel, kernel16 : float
        Share of the peak that the best tabled kernel reaches in a large product, at both precisions.
    reach : float
        Compute reached relative to the general law (family and chip).
    compiled : float
        1 where the whole step is compiled (TPU, Trainium, Gaudi).
    pieces : float
        1 where the usual stack cuts products in pieces to hide tensor traffic.
    """

    peak: Number
    peak16: Number
    bytes_per_s: Number
    mem_bytes: Number
    link_bytes_per_s: Number
    network_bytes_per_s: Number
    host_bytes_per_s: Number
    domain: Number
    gather2: Number
    gather4: Number
    gather8: Number
    gather64: Number
    watts_per_tflop: Number
    kernel: Number
    kernel16: Number
    reach: Number
    compiled: Number
    pieces: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Software and numerics.

    Parameters
    ----------
    element_bits : float
        16, 8 or 4: inputs of the matrix products.
    blocks : float
        1 where inputs carry a scale per block (mxfp8, nvfp4): rows and columns are quantised apart.
    flash : float
        Generation of the fused attention kernel; 0 where scores are written out.
    community : float
        1 for a stack that its chip's vendor has not tuned.
    graphs : float
        1 with whole-step CUDA graphs.
    padded : float
        1 where experts take a fixed number of tokens and the rest are dropped: no count has to be read on the host.
    natural : float
        1 where experts are routed as the data says, 0 where routing is forced to be even.
    age_years : float
        From the release of the architecture to the run.
    moe_years : float
        From the start of 2025, when mixtures of experts became a vendor benchmark, to the run; at least 0.
    power_share : float
        Power limit over board power.
    """

    element_bits: Number = 16.0
    blocks: Number = 0.0
    flash: Number = 2.0
    community: Number = 0.0
    graphs: Number = 0.0
    padded: Number = 0.0
    natural: Number = 0.0
    age_years: Number = 3.0
    moe_years: Number = 1.0
    power_share: Number = 1.0


Group = TypeVar("Group", Shape, Layout, Device, Stack)


def stacked(parts: list[Group]) -> Group:
    """Objects of numbers as one object of arrays."""
    import numpy as np

    kind = type(parts[0])
    return kind(**{item.name: np.array([float(getattr(part, item.name)) for part in parts]) for item in fields(kind)})


def taken(group: Group, index: Any) -> Group:
    """Rows `index` of an object of arrays; plain numbers stay."""
    out: Mapping[str, Any] = {
        item.name: value[index] if getattr(value := getattr(group, item.name), "ndim", 0) else value
        for item in fields(group)
    }
    return type(group)(**out)
