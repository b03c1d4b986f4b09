"""What one step of an engine costs, piecewise linear: the bridge from the physics to the simulator.

A step works on ``P`` prompt tokens that see ``A`` (token, earlier token) pairs and on ``D`` decoding requests that see
``C`` cached tokens in all. Its time is

    overhead + batched(P + D) + a P + b A' + d D + e C',   primes: times `mixed_attention` where both are present.

While the batch stays the same only C changes, by D a step: the times form an arithmetic series.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chipwise.core.errors import InputError
from chipwise.core.fact import Evidence
from chipwise.perf.collectives import all_gather, all_reduce, reduce_scatter
from chipwise.perf.flop import attention_flop_per_token
from chipwise.perf.machine import Machine, kv_precision_of, weight_precision_of
from chipwise.perf.peaks import sixteen_bit_precision
from chipwise.perf.serving import machine_of
from chipwise.perf.step import (
    PREFILL_CHUNK,
    Replica,
    _decode_core_flop,
    _matrix_time,
    build_replica,
    cache_room_bytes,
    collective_time,
    request_cache_bytes,
)
from chipwise.perf.tables import constant, read_rows
from chipwise.perf.topology import Machine as Topology
from chipwise.perf.topology import machine as topology
from chipwise.perf.training import resolve

if TYPE_CHECKING:
    from chipwise.catalogue.objects import Chip, Model

KNOTS = (0, 1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096, 8192, 16384)
"""Tokens of a step at which the shared work is computed; linear between."""

BLOCK_TOKENS = 16
"""Tokens of one block of the paged cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCost:
    """Time of a step of one replica, and the memory its cache takes.

    Parameters
    ----------
    overhead_s : float
        Host and launch time of every step.
    per_prefill_token_s : float
        Prompt work beyond `breakpoints`, s/token.
    per_prefill_token_context_s : float
        Attention of a prompt token to one earlier token, s.
    per_decode_seq_s : float
        Host time of a decoding request, s.
    per_decode_context_token_s : float
        Reading one cached token of a decoding request, s.
    breakpoints : tuple of (tokens, s)
        Work all tokens of the step share (matrix products, collectives), linear between and past the last.
    mixed_attention : float
        Factor on attention where prompts and decoding share a step.
    kv_bytes_per_token : float
        Cache of one token over all chips, byte; 0 where the cache does not grow.
    block_tokens : int
    kv_capacity_tokens : int
        Tokens whose cache fits beside the weights.
    power_w : float or None
        Board power of all chips of the replica, where known.
    """

    overhead_s: float
    per_prefill_token_s: float = 0.0
    per_prefill_token_context_s: float = 0.0
    per_decode_seq_s: float = 0.0
    per_decode_context_token_s: float = 0.0
    breakpoints: tuple[tuple[float, float], ...] = ((0.0, 0.0), (1.0, 0.0))
    mixed_attention: float = 1.0
    kv_bytes_per_token: float = 0.0
    block_tokens: int = BLOCK_TOKENS
    kv_capacity_tokens: int = 1 << 40
    power_w: float | None = None
    chip_id: str = ""
    model_id: str = ""
    chips: int = 1
    evidence: Evidence = "scenario"
    facts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        tokens = [knot[0] for knot in self.breakpoints]
        if len(tokens) < 2 or any(a >= b for a, b in itertools.pairwise(tokens)):
            raise InputError("fewer than two breakpoints, or not ascending", place="StepCost.breakpoints")

    def batched_s(self, tokens: float) -> float:
        """Shared work of a step of `tokens` tokens, s."""
        knots = self.breakpoints
        low = max([k for k in range(len(knots) - 1) if knots[k][0] <= tokens], default=0)
        (x0, y0), (x1, y1) = knots[low], knots[low + 1]
        return y0 + (tokens - x0) / (x1 - x0) * (y1 - y0)

    def step_time_s(
        self,
        *,
        prefill_tokens: float = 0.0,
        prefill_pairs: float = 0.0,
        decode_sequences: float = 0.0,
        decode_context_tokens: float = 0.0,
        draft_tokens: int = 0,
        draft_s: float = 0.0,
    ) -> float:
        """Time of one step, s; `draft_tokens` are the speculative tokens of each decoding request."""
        attention = self.per_prefill_token_context_s * prefill_pairs
        attention += self.per_decode_context_token_s * decode_context_tokens
        if prefill_tokens > 0 and decode_sequences > 0:
            attention *= self.mixed_attention
        shared = self.batched_s(prefill_tokens + decode_sequences * (1 + draft_tokens))
        own = self.per_prefill_token_s * prefill_tokens + self.per_decode_seq_s * decode_sequences
        return self.overhead_s + shared + own + attention + (draft_s if draft_tokens and decode_sequences else 0.0)


def step_cost(
    chip: str | Chip,
    model: str | Model,
    *,
    chips: int | None = None,
    engine: str = "vllm",
    weight_precision: str = "auto",
    kv_precision: str = "auto",
    memory_share: float | None = None,
    expert_parallel: int = 1,
    context_tokens: float = 1024.0,
    catalogue: Any = None,
) -> StepCost:
    """Cost of a step of one copy of `model` on `chips` chips, from the closed form.

    Parameters
    ----------
    chips : int, optional
        Chips that hold one copy together (tensor parallel); the fewest that hold weights and cache by default.
    engine : {"vllm", "sglang", "tensorrt-llm"}
        Whose host times are taken.
    memory_share : float, optional
        Share of the memory the engine may fill; the engine's default otherwise.
    expert_parallel : int
        Data-parallel copies that share one set of routed experts, each on its own chips. They step together, so they
        are one replica here: its batch, budget and cache are those of all copies.
    context_tokens : float
        Context at which attention is made linear.

    Raises
    ------
    InputError
        The weights do not fit, or `chips` is no group this chip can form.
    Undetermined
        A needed figure of the chip is not published.
    """
    if catalogue is None:
        from chipwise.catalogue import load_catalogue

        catalogue = load_catalogue()
    chip, model = resolve(chip, model, catalogue)
    precision, kv = weight_precision_of(chip, model, weight_precision), kv_precision_of(kv_precision)
    machine = machine_of(chip, precision, catalogue)
    own = own_rates().get(chip.id, {}) if precision == "16-bit" else {}
    if own:
        machine = _with_own_rates(machine, chip, own)
    replica = _replica(machine, model, kv, engine, chips)
    room = cache_room_bytes(replica)
    if expert_parallel > 1:
        room += replica.expert_weights * replica.expert_bytes * (1.0 - 1.0 / expert_parallel)
    if memory_share is not None:
        extra = machine.memory_bytes * (memory_share / constant("memory_share") - 1.0)
        room += replica.chips * extra
    if room <= 0:
        raise InputError(
            f"{replica.weight_bytes_total / 1e9:,.0f} GB of {precision} weights do not fit {replica.chips} x {chip.id}",
            place="--chips",
            allowed="more chips or a lower weight precision",
        )
    head = float(model.vocab or 0) * float(model.hidden or 0)
    joined = _over_bus(chip, machine, replica.chips * expert_parallel, catalogue)
    grown = request_cache_bytes(replica, context_tokens) / context_tokens
    return StepCost(
        overhead_s=constant(f"engine_step_s.{engine}")
        + float(model.layers or 0) * constant(f"layer_launch_s.{engine}")
        + head * replica.dense_bytes / (replica.chips * machine.gemm_bytes_per_s),
        per_prefill_token_context_s=_pair_s(replica, context_tokens),
        per_decode_seq_s=constant(f"sequence_s.{engine}") / expert_parallel,
        per_decode_context_token_s=_cached_token_s(replica, context_tokens) / expert_parallel,
        breakpoints=_batched(
            replace(replica, dense_weights=replica.dense_weights - head), KNOTS, expert_parallel, joined
        ),
        mixed_attention=own.get("mixed_attention", 1.0),
        kv_bytes_per_token=replica.kv_bytes_per_token,
        kv_capacity_tokens=int(room / grown) * expert_parallel,
        power_w=chip.tdp_w * replica.chips * expert_parallel if chip.tdp_w else None,
        chip_id=chip.id,
        model_id=model.id,
        chips=replica.chips * expert_parallel,
        evidence="measured on this chip" if own else machine.efficiency.evidence,
        facts=(*machine.facts, f"models/{model.id}#params_total"),
    )


@functools.cache
def own_rates() -> Mapping[str, Mapping[str, float]]:
    """Shares of the data sheet reached by an engine's own layers, by chip and rate."""
    out: dict[str, dict[str, float]] = {}
    for row in read_rows("step_rates.csv"):
        out.setdefault(row["chip"], {})[row["rate"]] = float(row["value"])
    return out


def _with_own_rates(machine: Machine, chip: Chip, own: Mapping[str, float]) -> Machine:
    """The machine with the rates its own layers reach under the engine."""
    peak, bandwidth = chip.rates[sixteen_bit_precision(chip)], chip.mem_bytes_per_s
    assert bandwidth is not None
    return replace(
        machine,
        gemm_flop_per_s=peak * own["gemm_compute"],
        gemm_bytes_per_s=bandwidth * own["gemm_memory"],
        attention_flop_per_s=peak * own["prefill_attention"],
        attention_bytes_per_s=bandwidth * own["decode_attention"],
        facts=(*machine.facts, f"perf/step_rates#{chip.id}"),
    )


def _replica(machine: Machine, model: Model, kv: str, engine: str, chips: int | None) -> Replica:
    """One copy on the chips asked for, or on the fewest that leave a quarter of the weights' size for caches."""
    if chips is not None:
        if not 1 <= chips <= machine.group_limit or (model.heads and model.heads % chips):
            raise InputError(
                f"{chips} chips cannot share one copy of {model.id}",
                place="--chips",
                allowed=f"a divisor of {model.heads} heads up to {machine.group_limit} of {machine.chip_id}",
            )
        return build_replica(machine, model, chips, kv, engine)
    count = 1
    while count * 2 <= machine.group_limit and count * 2 <= (model.heads or count):
        replica = build_replica(machine, model, count, kv, engine)
        if cache_room_bytes(replica) > 0.25 * replica.weight_bytes_total:
            return replica
        count *= 2
    return build_replica(machine, model, count, kv, engine)


def _batched(
    replica: Replica, knots: Sequence[int], copies: int, joined: Topology | None
) -> tuple[tuple[float, float], ...]:
    """Matrix products and collectives at each number of tokens.

    The output head is not among them: it is read once a step and multiplied for the sampled tokens only. Of copies that
    step together one usually reads a prompt while the others wait.
    """

    def time(tokens: float) -> float:
        if copies == 1 or not replica.expert_weights:
            return _matrix_time(replica, tokens)[0] + _reduce_s(replica, tokens, joined)
        busiest = min(tokens, max(PREFILL_CHUNK, tokens / copies))
        alone = replace(replica, expert_weights=0.0)
        dense = _matrix_time(alone, busiest)[0] + _reduce_s(replica, busiest, joined)
        group = replace(replica, dense_weights=0.0, chips=replica.chips * copies)
        return dense + _matrix_time(group, tokens)[0] + _exchange_s(replica, tokens, copies, joined)

    times = [(float(tokens), time(float(tokens))) for tokens in knots if tokens]
    return ((0.0, times[0][1]), *times)


def _over_bus(chip: Chip, machine: Machine, chips: int, catalogue: Any) -> Topology | None:
    """The group as measured collectives see it, where it talks over PCIe; None over scale-up links or one chip."""
    if chips == 1 or (machine.link_bytes_per_s is not None and chips <= machine.domain):
        return None
    return topology(chip, chips=chips, catalogue=catalogue)


def _reduce_s(replica: Replica, tokens: float, joined: Topology | None) -> float:
    """Two all-reduces a layer, s: measured ones over PCIe, the closed form over scale-up links."""
    if joined is None or replica.chips == 1:
        return collective_time(replica, tokens)
    message = tokens * float(replica.model.hidden or 0) * 2.0
    once = all_reduce(joined, message, replica.chips, library="engine")
    return 2.0 * float(replica.model.layers or 0) * float(once.time_s)


def _exchange_s(replica: Replica, tokens: float, copies: int, joined: Topology | None) -> float:
    """Gathering the tokens of all copies before the experts and scattering the sums after them, every layer, s."""
    machine, model, group = replica.machine, replica.model, replica.chips * copies
    message = tokens * float(model.hidden or 0) * 2.0
    if joined is not None:
        once = float(all_gather(joined, message, group).time_s) + float(reduce_scatter(joined, message, group).time_s)
        return float(model.layers or 0) * once
    assert machine.link_bytes_per_s is not None
    latency = constant("collective_latency_s.switch") * constant("collective_scale")
    exposed = constant("collective_exposed.switch") * message * (copies - 1) / copies / machine.link_bytes_per_s
    return 2.0 * float(model.layers or 0) * (latency + exposed)


def _pair_s(replica: Replica, context: float) -> float:
    """Attention of one prompt token to one earlier token, s."""
    flop = attention_flop_per_token(replica.model, context) / context
    return flop / (replica.chips * replica.machine.attention_flop_per_s)


def _cached_token_s(replica: Replica, context: float) -> float:
    """Reading one cached token and multiplying it, s; the longer of memory and arithmetic, softly."""
    machine, n = replica.machine, replica.chips
    core = _decode_core_flop(replica.model, context) / (n * machine.attention_flop_per_s)
    memory = request_cache_bytes(replica, context) / (n * machine.attention_bytes_per_s)
    return float((core**machine.exponent + memory**machine.exponent) ** (1.0 / machine.exponent) / context)
