"""Serving yield in closed form: the best replica of a chip, its batch and its tokens per second."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from chipwise.catalogue.objects import Chip, Model
from chipwise.core.errors import InputError
from chipwise.core.fact import Estimate
from chipwise.perf.load import Load, batch_within, largest_batch
from chipwise.perf.machine import Machine, build_machine, kv_precision_of, measured_relative, weight_precision_of
from chipwise.perf.objects import ServingYield
from chipwise.perf.step import Replica, build_replica, cache_room_bytes, request_cache_bytes
from chipwise.perf.tables import constant, read_rows
from chipwise.perf.training import resolve, widened

DEFAULT_ENGINE = "vllm"


def estimate_serving(
    chip: str | Chip,
    model: str | Model,
    *,
    input_tokens: float | None = None,
    output_tokens: float | None = None,
    tpot_s: float | None = None,
    ttft_s: float | None = None,
    weight_precision: str = "auto",
    kv_precision: str = "auto",
    catalogue: Any = None,
) -> ServingYield:
    """What one chip serves at full load.

    Parameters
    ----------
    chip, model : str or object
        Name (any spelling of the catalogue) or object.
    input_tokens, output_tokens : float, optional
        Mean request; the Azure 2023 conversation trace by default (1,155 in, 211 out).
    tpot_s, ttft_s : float, optional
        Targets, s: time per output token and time to the first token.
    weight_precision : {"auto", "bf16", "fp16", "fp8", "int8", "fp4", "int4"}
        ``auto`` is 16-bit unless the model is published in a lower format for which the chip has a rate.
    kv_precision : {"auto", "bf16", "fp16", "fp8", "int8"}
        ``auto`` is 16-bit.
    catalogue : Catalogue, optional
        Where names are looked up; the shipped one by default.

    Returns
    -------
    ServingYield
        With ``feasible=False`` and `why_not` where nothing fits or no batch meets the targets.

    Raises
    ------
    Undetermined
        Peak, memory size or bandwidth of the chip is not published.
    OutsideModelRange
        The chip serves from on-chip memory.

    Notes
    -----
    A decode step reads the weights once and each request's cache; the batch is the largest that fits and meets the
    targets; among power-of-two groups of the scale-up domain or server the one with most tokens/s per chip is taken.
    """
    tokens_in = positive(constant("request_input_tokens") if input_tokens is None else input_tokens, "input_tokens")
    tokens_out = positive(
        constant("request_output_tokens") if output_tokens is None else output_tokens, "output_tokens"
    )
    for name, target in (("tpot_s", tpot_s), ("ttft_s", ttft_s)):
        if target is not None:
            positive(target, name)
    if catalogue is None:
        from chipwise.catalogue import load_catalogue

        catalogue = load_catalogue()
    chip, model = resolve(chip, model, catalogue)
    precision, kv = weight_precision_of(chip, model, weight_precision), kv_precision_of(kv_precision)
    machine = machine_of(chip, precision, catalogue)
    best = best_replica(machine, model, kv, tokens_in, tokens_out, tpot_s, ttft_s)
    if best is None:
        return _infeasible(chip, model, machine, kv, tokens_in, tokens_out, tpot_s, ttft_s)
    share = constant("saturation_share" if tpot_s is None and ttft_s is None else "latency_target_share")
    return _serving_yield(chip, *best, kv, tokens_in, tokens_out, share)


def best_replica(
    machine: Machine,
    model: Model,
    kv_precision: str,
    input_tokens: float,
    output_tokens: float,
    tpot_s: float | None,
    ttft_s: float | None,
) -> tuple[Replica, Load, int] | None:
    """Group with most tokens/s per chip (the smaller of equals), its load, and the requests it could hold."""
    best: tuple[Replica, Load, int] | None = None
    for replica, most in replicas(machine, model, kv_precision, input_tokens, output_tokens):
        load = batch_within(replica, most, input_tokens, output_tokens, tpot_s, ttft_s)
        if load is not None and (best is None or _per_chip(replica, load) > _per_chip(best[0], best[1]) * 1.001):
            best = replica, load, most
    return best


def positive(value: float, place: str) -> float:
    """`value` if it is a positive finite number, else an error that names it."""
    if not 0 < value < float("inf"):
        raise InputError(f"{value!r} is not positive", place=place, allowed="a positive number")
    return value


def machine_of(chip: Chip, precision: str, catalogue: Any) -> Machine:
    """The chip with its usual server and the chip whose kernels stand for its own."""
    relative = measured_relative(chip, precision)
    return build_machine(chip, catalogue.chip(relative) if relative else None, catalogue.server_of(chip.id), precision)


def replicas(
    machine: Machine, model: Model, kv_precision: str, input_tokens: float, output_tokens: float
) -> Iterator[tuple[Replica, int]]:
    """Power-of-two groups that hold weights and at least one request, with the most requests each may run."""
    cap = int(constant(f"engine_batch_cap.{DEFAULT_ENGINE}"))
    chips = 1
    while chips <= machine.group_limit and chips <= (model.heads or chips):
        replica = build_replica(machine, model, chips, kv_precision, DEFAULT_ENGINE)
        fits = largest_batch(replica, input_tokens, output_tokens)
        if fits:
            yield replica, min(fits, cap)
        chips *= 2


def _per_chip(replica: Replica, load: Load) -> float:
    return load.output_tokens_per_s / replica.chips


@functools.cache
def spread() -> dict[tuple[str, str], tuple[float, float]]:
    """(low, high) factors of measured over predicted by rung and metric."""
    rows = read_rows("serving_spread.csv")
    return {(row["rung"], row["metric"]): (float(row["low"]), float(row["high"])) for row in rows}


def interval(machine: Machine, chip: Chip, metric: str, value: float) -> tuple[float, float]:
    """90 % interval of a predicted `metric`, joined with the range of the chip's own figures."""
    low, high = spread()[machine.efficiency.rung, metric]
    bandwidth, span = chip.mem_bytes_per_s, chip.field_ranges.get("mem_bytes_per_s")
    if bandwidth and span:
        slow, fast = bandwidth / span[0], span[1] / bandwidth
        own = (slow, fast) if metric == "output_tps_per_chip" else (fast, slow)
        return widened(value, value * low, value * high, own)
    return value * low, value * high


def bound_of(load: Load, most: int, cap: int) -> str:
    """What stops one more request, or what the step waits for when only the engine's own limit does."""
    if load.batch < most:
        return "latency target"
    if most < cap:
        return "memory capacity"
    return "compute" if load.step.compute + load.prefill_s > load.step.memory else "memory bandwidth"


def _estimate(
    machine: Machine,
    chip: Chip,
    metric: str,
    value: float,
    unit: str,
    facts: tuple[str, ...],
    parts: Mapping[str, float] | None = None,
) -> Estimate:
    low, high = interval(machine, chip, metric, value)
    return Estimate(
        value=value,
        low=low,
        high=high,
        unit=unit,
        method=f"closed form; operator efficiencies from rung {machine.efficiency.rung!r}",
        evidence=machine.efficiency.evidence,
        breakdown=parts or {},
        facts=facts,
    )


def _serving_yield(
    chip: Chip,
    replica: Replica,
    load: Load,
    most: int,
    kv_precision: str,
    input_tokens: float,
    output_tokens: float,
    share: float,
) -> ServingYield:
    machine = replica.machine
    output = share * _per_chip(replica, load)
    facts = (*machine.facts, f"models/{replica.model.id}#params_total", "perf/constants#saturation_share")
    parts = {
        "compute_s": load.step.compute,
        "memory_s": load.step.memory,
        "collective_s": load.step.collective,
        "overhead_s": load.step.overhead,
        "prefill_s": load.prefill_s,
    }

    rate = _estimate(machine, chip, "output_tps_per_chip", output, "token/s", facts)
    context = input_tokens + output_tokens / 2.0
    each = request_cache_bytes(replica, context) / context
    return ServingYield(
        chip_id=chip.id,
        model_id=replica.model.id,
        feasible=True,
        why_not="",
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        weight_precision=machine.weight_precision,
        kv_precision=kv_precision,
        chips_per_replica=replica.chips,
        batch=load.batch,
        tpot_s=_estimate(machine, chip, "tpot_mean_ms", load.tpot_s, "s", facts, parts),
        ttft_s=_estimate(machine, chip, "ttft_mean_ms", load.ttft_s, "s", facts),
        tokens_per_s_per_chip=rate.scaled(1.0 + input_tokens / output_tokens),
        output_tokens_per_s_per_chip=rate,
        kv_tokens_capacity=cache_room_bytes(replica) / each if each else 0.0,
        bound=bound_of(load, most, int(constant(f"engine_batch_cap.{DEFAULT_ENGINE}"))),
        evidence=machine.efficiency.evidence,
        facts=facts,
        breakdown=parts,
        notes=_notes(chip, machine),
    )


def _notes(chip: Chip, machine: Machine) -> tuple[str, ...]:
    notes = []
    if machine.efficiency.rung in ("vendor", "generic"):
        notes.append(
            "no kernel of this chip or its family was measured: data sheet times what other chips reach; "
            "its software may reach less"
        )
    if chip.rate_ranges or chip.field_ranges:
        notes.append("the chip's figures are a range; the interval carries it")
    return tuple(notes)


def _infeasible(
    chip: Chip,
    model: Model,
    machine: Machine,
    kv_precision: str,
    input_tokens: float,
    output_tokens: float,
    tpot_s: float | None,
    ttft_s: float | None,
) -> ServingYield:
    groups = [replica.chips for replica, _ in replicas(machine, model, kv_precision, input_tokens, output_tokens)]
    largest = 1
    while largest * 2 <= machine.group_limit:
        largest *= 2
    replica = build_replica(machine, model, largest, kv_precision, DEFAULT_ENGINE)
    if groups:
        best = batch_within(replica, 1, input_tokens, output_tokens, None, None)
        assert best is not None
        targets = [f"TPOT {tpot_s * 1e3:g} ms"] if tpot_s is not None else []
        targets += [f"TTFT {ttft_s * 1e3:g} ms"] if ttft_s is not None else []
        why = f"even one request misses {' and '.join(targets)}: "
        why += f"TPOT {best.tpot_s * 1e3:.0f} ms, TTFT {best.ttft_s * 1e3:.0f} ms on {largest} chip(s)"
    else:
        held = largest * machine.memory_bytes
        why = (
            f"{replica.weight_bytes_total / 1e9:,.0f} GB of {machine.weight_precision} weights and one request "
            f"do not fit {largest} chip(s) with {held / 1e9:,.0f} GB for an engine"
        )
        why += "; no server or scale-up domain of this chip is known" if machine.group_limit == 1 else ""
    return ServingYield(
        chip_id=chip.id,
        model_id=model.id,
        feasible=False,
        why_not=why,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        weight_precision=machine.weight_precision,
        kv_precision=kv_precision,
        chips_per_replica=largest,
        batch=0,
        tpot_s=None,
        ttft_s=None,
        tokens_per_s_per_chip=None,
        output_tokens_per_s_per_chip=None,
        kv_tokens_capacity=max(0.0, cache_room_bytes(replica)) / max(replica.kv_bytes_per_token, 1.0),
        bound="latency target" if groups else "memory capacity",
        evidence=machine.efficiency.evidence,
        facts=machine.facts,
        breakdown={},
        notes=_notes(chip, machine),
    )
