"""Time of one decode step and of one prefill, in closed form.

Symbols: n chips in the replica, B requests decoding, c tokens of context. Operator time is
``(compute**p + memory**p)**(1/p)``: p of about 2 for 16-bit arithmetic, 1.2 below, where no sharp roofline is seen.
"""

from __future__ import annotations

from dataclasses import dataclass

from chipwise.catalogue.objects import Model
from chipwise.perf.flop import attention_flop_per_token, mean_visible_keys
from chipwise.perf.machine import KV_BYTES, WEIGHT_BYTES, Machine
from chipwise.perf.tables import constant

PREFILL_CHUNK = 2048.0
"""Prompt tokens an engine puts into one step; short prompts share the reading of the weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One copy of a model on `chips` chips: everything a step needs as plain numbers.

    Parameters
    ----------
    dense_weights, expert_weights : float
        Weights multiplied for every token; all routed experts together.
    active_share : float
        Chosen experts over all experts.
    dense_bytes, expert_bytes : float
        Bytes per weight of either.
    kv_bytes_per_token, window_bytes_per_token, state_bytes : float
        Cache of one request over all chips: growing, held for the last `window` tokens, fixed.
    """

    machine: Machine
    model: Model
    chips: int
    engine: str
    dense_weights: float
    expert_weights: float
    experts: float
    active_share: float
    dense_bytes: float
    expert_bytes: float
    kv_bytes_per_token: float
    window_bytes_per_token: float
    window: float
    state_bytes: float
    weight_bytes_total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """Seconds of one step by cause; `total` is not their plain sum, since compute and memory overlap."""

    total: float
    compute: float
    memory: float
    collective: float
    overhead: float


def build_replica(machine: Machine, model: Model, chips: int, kv_precision: str, engine: str) -> Replica:
    """Lay one copy of `model` on `chips` chips of `machine`."""
    experts, chosen = float(model.n_experts or 0), float(model.top_k or 0)
    share = chosen / experts if experts else 0.0
    tied = model.shape is not None and model.shape.tied_embeddings
    table = 0.0 if tied else model.params_embedding_table
    routed = (
        max(0.0, (model.params_total - table - model.params_matmul_active) / (1.0 - share)) if 0 < share < 1 else 0.0
    )
    low_bit = machine.weight_precision in ("fp4", "int4")
    expert_bytes = WEIGHT_BYTES[machine.weight_precision]
    dense_bytes = WEIGHT_BYTES["16-bit"] if low_bit and routed else expert_bytes
    kv = KV_BYTES[kv_precision] * _kv_copies(model, chips)
    return Replica(
        machine=machine,
        model=model,
        chips=chips,
        engine=engine,
        dense_weights=model.params_matmul_active - routed * share,
        expert_weights=routed,
        experts=experts,
        active_share=share,
        dense_bytes=dense_bytes,
        expert_bytes=expert_bytes,
        kv_bytes_per_token=kv * (model.kv_elems_per_token + model.index_elems_per_token),
        window_bytes_per_token=kv * model.kv_elems_per_token_window,
        window=float(model.sliding_window or 0),
        state_bytes=WEIGHT_BYTES["16-bit"] * model.state_elems_per_sequence,
        weight_bytes_total=(model.params_total - routed) * dense_bytes + routed * expert_bytes,
    )


def _kv_copies(model: Model, chips: int) -> float:
    """Copies of the cache when there are fewer KV heads than chips; latent caches are split by request instead."""
    if model.attention.startswith("mla") or not model.kv_heads or chips <= model.kv_heads:
        return 1.0
    return chips / model.kv_heads


def request_cache_bytes(replica: Replica, context: float) -> float:
    """Cache of one request with `context` tokens, byte."""
    window = replica.window_bytes_per_token * min(context, replica.window)
    return replica.kv_bytes_per_token * context + window + replica.state_bytes


def cache_room_bytes(replica: Replica) -> float:
    """Memory left for caches beside weights and activations; negative where the weights do not fit."""
    room = replica.chips * (replica.machine.memory_bytes - constant("activation_bytes"))
    return room - replica.weight_bytes_total


def _operator(compute: float, memory: float, exponent: float) -> float:
    return float((compute**exponent + memory**exponent) ** (1.0 / exponent))


def _matrix_time(replica: Replica, tokens: float) -> tuple[float, float, float]:
    """(time, compute part, memory part) of every matrix product for `tokens` tokens."""
    machine, n = replica.machine, replica.chips
    compute = 2.0 * replica.dense_weights * tokens / (n * machine.gemm_flop_per_s)
    memory = replica.dense_weights * replica.dense_bytes / (n * machine.gemm_bytes_per_s)
    total = _operator(compute, memory, machine.exponent)
    if replica.expert_weights:
        share = replica.active_share
        touched = min(1.0, (1.0 - (1.0 - share) ** tokens) * constant("expert_imbalance"))
        expert_compute = 2.0 * replica.expert_weights * share * tokens / (n * machine.moe_flop_per_s)
        expert_memory = replica.expert_weights * touched * replica.expert_bytes / (n * machine.moe_bytes_per_s)
        total += _operator(expert_compute, expert_memory, machine.exponent)
        compute, memory = compute + expert_compute, memory + expert_memory
    return total, compute, memory


def collective_time(replica: Replica, tokens: float) -> float:
    """Two all-reduces per layer over the group, s."""
    n, model, machine = replica.chips, replica.model, replica.machine
    if n == 1:
        return 0.0
    kind = "switch" if n <= machine.domain and machine.link_bytes_per_s else "bus"
    rate = machine.link_bytes_per_s if kind == "switch" else machine.bus_bytes_per_s
    assert rate is not None
    doublings = n.bit_length() - 1
    latency = constant(f"collective_latency_s.{kind}") * doublings * constant("collective_scale")
    volume = 2.0 * (n - 1) / n * tokens * float(model.hidden or 0) * 2.0
    exposed = constant(f"collective_exposed.{kind}") * volume / rate
    return 2.0 * float(model.layers or 0) * (latency + exposed)


def overhead_time(replica: Replica, sequences: float) -> float:
    """Engine, launch and per-sequence host time of one step, s."""
    engine, layers = replica.engine, float(replica.model.layers or 0)
    return (
        constant(f"engine_step_s.{engine}")
        + layers * constant(f"layer_launch_s.{engine}")
        + sequences * constant(f"sequence_s.{engine}")
    )


def decode_step(replica: Replica, batch: float, context: float) -> StepTime:
    """One step that gives each of `batch` requests one token, at mean `context`."""
    machine, n = replica.machine, replica.chips
    matrices, compute, memory = _matrix_time(replica, batch)
    core = batch * _decode_core_flop(replica.model, context) / (n * machine.attention_flop_per_s)
    cache = batch * request_cache_bytes(replica, context) / (n * machine.attention_bytes_per_s)
    attention = _operator(core, cache, machine.exponent)
    collective, overhead = collective_time(replica, batch), overhead_time(replica, batch)
    return StepTime(
        total=matrices + attention + collective + overhead,
        compute=compute + core,
        memory=memory + cache,
        collective=collective,
        overhead=overhead,
    )


def _decode_core_flop(model: Model, context: float) -> float:
    """Attention FLOP of one new token; latent attention is absorbed into wide keys when decoding."""
    if model.attention.startswith("mla") and model.heads:
        return 2.0 * model.heads * model.kv_elems_per_token * constant("mla_decode_width") * context
    return attention_flop_per_token(model, context)


def prefill_time(replica: Replica, tokens: float) -> float:
    """Time to read one prompt of `tokens` tokens alone, s."""
    return _prompt_work(replica, tokens, tokens) + overhead_time(replica, 1.0)


def shared_prefill_time(replica: Replica, tokens: float) -> float:
    """Time a prompt takes from the engine under load: short prompts ride in one chunk and share its weights."""
    chunk = max(tokens, PREFILL_CHUNK)
    return _prompt_work(replica, chunk, tokens) * tokens / chunk


def _prompt_work(replica: Replica, tokens: float, prompt: float) -> float:
    machine, model = replica.machine, replica.model
    matrices, _, _ = _matrix_time(replica, tokens)
    full = model.attn_score_dim_full * mean_visible_keys(prompt, None)
    window = model.attn_score_dim_window * mean_visible_keys(prompt, model.sliding_window)
    core = tokens * 2.0 * (full + window) / (replica.chips * machine.attention_flop_per_s)
    return matrices + core + collective_time(replica, tokens)
