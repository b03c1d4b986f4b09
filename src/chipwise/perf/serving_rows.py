"""Measured serving points: what a row asks, and what the closed form answers."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chipwise.catalogue.objects import Chip, Model
from chipwise.core.errors import ChipwiseError
from chipwise.perf.load import batch_within, largest_batch, under_load
from chipwise.perf.machine import WEIGHT_BYTES, kv_precision_of, weight_precision_of
from chipwise.perf.serving import interval, machine_of
from chipwise.perf.step import (
    Replica,
    build_replica,
    cache_room_bytes,
    decode_step,
    prefill_time,
    shared_prefill_time,
)
from chipwise.perf.tables import constant, read_rows
from chipwise.perf.training_rows import number, package_share

ENGINES = {"vllm": "vllm", "tensorrt-llm": "tensorrt-llm", "sglang": "sglang"}
QUANT_NAMES = {"nvfp4": "fp4", "uint4": "int4", "w8a8_int8": "int8", "q8_0": "int8", "unset": ""}
SATURATED = ("offline_all_at_once", "all_at_once", "max_load_inflight_batching", "max_load")
DOUBTFUL_ROWS = ("inf08079", "inf08080", "inf08081", "inf08082", "inf08083")
"""Rows whose model is doubtful in the source: predicted, but they must not teach."""

START_WAVE = 0.1
"""Prefill a request waits for, per request in flight, when all start at once and waves persist (lessons: 0.2 / 2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingCase:
    """One measured point as the closed form sees it.

    Parameters
    ----------
    replicas : tuple of Replica
        The layout of the row, or every layout it leaves open.
    packages : float
        Catalogue packages used.
    per_unit : float
        Packages per unit the row counts.
    rate_fault : str
        Why the row's throughput must not be scored; empty where it may.
    doubtful : bool
        The stated format cannot be right; the row is predicted but must not teach.
    """

    chip: Chip
    replicas: tuple[Replica, ...]
    packages: float
    per_unit: float
    input_tokens: float
    output_tokens: float
    load_type: str
    concurrency: float | None
    batch: float | None
    slo_tpot_s: float | None
    slo_ttft_s: float | None
    layer_split: bool
    rate_fault: str
    doubtful: bool
    evidence: str


Span = tuple[float, float, float]


@functools.cache
def _benchmark_lengths() -> tuple[tuple[str, float | None, float | None], ...]:
    rows = read_rows("benchmark_lengths.csv")
    return tuple((row["prefix"], number(row, "input_tokens"), number(row, "output_tokens")) for row in rows)


def read_serving_case(row: Mapping[str, str], catalogue: Any) -> ServingCase | str:
    """Turn one row in the columns of the facts into a case, or say what is missing or not modelled."""
    load = row.get("load_type") or ""
    if load not in (*SATURATED, "closed_loop_concurrency", "poisson_server", "static_batch"):
        return f"not modelled: {load or 'blank load_type'}"
    if row.get("disaggregated") == "yes":
        return "not modelled: disaggregated"
    try:
        chip, model = catalogue.chip(row.get("chip_id") or ""), catalogue.model(row.get("model") or "")
    except ChipwiseError as error:
        return f"unknown: {error.message}"
    lengths = _lengths(row)
    if isinstance(lengths, str):
        return lengths
    assumed = [lengths[2]]
    try:
        precision, note = _weights(row, chip, model)
        precision, note = _fitting(row, chip, model, precision, note)
        machine = machine_of(chip, precision, catalogue)
        kv, kv_note = _cache(row, precision)
    except ChipwiseError as error:
        return f"missing: {error.message}"
    assumed += [note, kv_note]
    layout = _layout(row, model, package_share(row, catalogue))
    if isinstance(layout, str):
        return layout
    packages, groups, fault, note = layout
    assumed.append(note)
    name = (row.get("engine") or "").casefold()
    engine = ENGINES.get(name, "vllm")
    if name not in ENGINES:
        assumed.append(f"engine constants of vLLM for {name or 'a blank engine'}")
    return ServingCase(
        chip=chip,
        replicas=tuple(build_replica(machine, model, n, kv, engine) for n in groups),
        packages=packages,
        per_unit=package_share(row, catalogue),
        input_tokens=lengths[0],
        output_tokens=lengths[1],
        load_type=load,
        concurrency=number(row, "concurrency"),
        batch=number(row, "batch"),
        slo_tpot_s=_seconds(row, "slo_tpot_ms"),
        slo_ttft_s=_seconds(row, "slo_ttft_ms"),
        layer_split=name == "llama.cpp",
        rate_fault=fault,
        doubtful=row.get("id") in DOUBTFUL_ROWS or any(text.startswith("stated weights exceed") for text in assumed),
        evidence="; ".join(text for text in (f"{machine.efficiency.evidence}", *assumed) if text),
    )


def _seconds(row: Mapping[str, str], column: str) -> float | None:
    value = number(row, column)
    return value / 1e3 if value else None


def _lengths(row: Mapping[str, str]) -> tuple[float, float, str] | str:
    given_in, given_out, note = number(row, "isl"), number(row, "osl"), ""
    if (not given_in or not given_out) and (row.get("kind") or "").startswith("mlperf"):
        for prefix, default_in, default_out in _benchmark_lengths():
            if (row.get("model") or "").casefold().startswith(prefix):
                note = "benchmark's own lengths"
                given_in, given_out = given_in or default_in, given_out or default_out
    if not given_in:
        return "missing: isl"
    return (given_in, given_out, note) if given_out else "missing: osl"


def _weights(row: Mapping[str, str], chip: Chip, model: Model) -> tuple[str, str]:
    """Weight precision of a row and, where blank, what was assumed."""
    text = (row.get("weight_quant") or "").casefold()
    name = QUANT_NAMES.get(text, text)
    if name == "mxfp4":
        return ("fp4" if chip.rates.get("fp4") else "int4"), ""
    if name in ("fp32", "bf16", "fp16"):
        return "16-bit", "computed as 16-bit" if name == "fp32" else ""
    if "int4" in name or name.startswith(("q4", "q5")):
        return "int4", ""
    if name.startswith("q6"):
        return "int8" if chip.rates.get("int8") else "16-bit", ""
    if name == "fp8" and not chip.rates.get("fp8"):
        return "w8", "no fp8 rate: weights read narrow, multiplied in 16 bits"
    if name:
        return weight_precision_of(chip, model, name), ""
    if (row.get("kind") or "").startswith("mlperf"):
        for candidate in ("fp8", "int8"):
            if chip.rates.get(candidate):
                return candidate, f"weight format blank: MLPerf on this chip is usually {candidate}"
    return weight_precision_of(chip, model, "auto"), "weight format blank: the model's own"


def _cache(row: Mapping[str, str], precision: str) -> tuple[str, str]:
    """Cache precision of a row and, where blank, the engine's default."""
    stated = (row.get("kv_quant") or "").casefold()
    if stated:
        return kv_precision_of("fp8" if stated.startswith("fp8") else "auto"), ""
    if precision in ("fp8", "fp4") and (row.get("engine") or "").casefold() == "tensorrt-llm":
        return "fp8", "cache format blank: fp8, as TensorRT-LLM checkpoints of that precision have it"
    return "16-bit", ""


def _fitting(row: Mapping[str, str], chip: Chip, model: Model, precision: str, note: str) -> tuple[str, str]:
    """The stated format, or the model's own where the stated one is larger than all the memory named."""
    units, native = number(row, "chips"), weight_precision_of(chip, model, "auto")
    if not units or not chip.mem_bytes or WEIGHT_BYTES[native] >= WEIGHT_BYTES[precision]:
        return precision, note
    if model.params_total * WEIGHT_BYTES[precision] <= units * chip.mem_bytes:
        return precision, note
    return native, f"stated weights exceed all memory named: the model's own format ({native}) taken"


def _layout(row: Mapping[str, str], model: Model, share: float) -> tuple[float, list[int], str, str] | str:
    """(packages, group sizes to try, throughput fault, note) or what is missing."""
    units, tp, ep, dp = (number(row, name) for name in ("chips", "tp", "ep", "dp"))
    fault = ""
    if units and ep and ep > 1 and units == ep * ep and "inferencex" in (row.get("source_id") or ""):
        units, tp, fault = ep, ep, "faulty: chips counted as the square of the expert group"
    if not units:
        units = (tp or 0.0) * (dp or 1.0)
        if not units:
            return "missing: chips"
    packages = units * share
    if tp:
        group = tp * (dp or 1.0) if model.n_experts and ep and ep > tp else tp
        return packages, [max(1, math.ceil(min(group, units) * share))], fault, ""
    groups = [2**power for power in range(7) if 2**power <= max(packages, 1.0)]
    return packages, groups, fault, "layout blank: best power-of-two group"


def predict_values(case: ServingCase) -> dict[str, float] | None:
    """Central value by metric in the units of the row, of the best layout it leaves open; None where none fits."""
    best: dict[str, float] | None = None
    for replica in case.replicas:
        found = _predict(case, replica)
        if found is not None and (best is None or found["output_tps_per_chip"] > best["output_tps_per_chip"]):
            best = found
    return best


def predict_case(case: ServingCase) -> dict[str, Span] | str:
    """(low, value, high) by metric in the units of the row, or why there is none."""
    values = predict_values(case)
    if values is None:
        return "predicted out of memory"
    spans = {}
    for metric, value in values.items():
        low, high = interval(case.replicas[0].machine, case.chip, metric, value)
        spans[metric] = (low, value, high)
    return spans


def _predict(case: ServingCase, replica: Replica) -> dict[str, float] | None:
    if case.layer_split:
        return _layer_split(case, replica)
    tokens_in, tokens_out = case.input_tokens, case.output_tokens
    if case.load_type == "static_batch":
        return _static(case, replica)
    most = largest_batch(replica, tokens_in, tokens_out)
    if not most:
        return None
    copies = max(case.packages / replica.chips, 1.0)
    scale = case.per_unit / replica.chips
    if case.load_type == "closed_loop_concurrency":
        if not case.concurrency:
            return None
        return _closed_loop(case, replica, max(1, round(case.concurrency / copies)), most)
    most = min(most, int(constant(f"engine_batch_cap.{replica.engine}")))
    if case.load_type == "poisson_server":
        load = batch_within(replica, most, tokens_in, tokens_out, case.slo_tpot_s, case.slo_ttft_s)
        if load is None:
            return None
        rate = constant("latency_target_share") * load.output_tokens_per_s * scale
        predicted = {"output_tps_per_chip": rate, "tpot_mean_ms": load.tpot_s * 1e3}
        if case.slo_ttft_s is not None:  # without a target the queue may grow at will
            predicted["ttft_mean_ms"] = load.ttft_s * 1e3
        return predicted
    if case.concurrency:
        most = max(1, min(most, round(case.concurrency / copies)))
    load = under_load(replica, most, tokens_in, tokens_out)
    backlog = {"output_tps_per_chip": constant("saturation_share") * load.output_tokens_per_s * scale}
    if case.concurrency:  # how many of a backlog run together is not said otherwise
        backlog["tpot_mean_ms"] = load.tpot_s * 1e3
    return backlog


def _closed_loop(case: ServingCase, replica: Replica, wanted: int, most: int) -> dict[str, float]:
    """`wanted` requests of one replica always in flight; those beyond its memory wait for their turn."""
    batch = min(wanted, most)
    load = under_load(replica, batch, case.input_tokens, case.output_tokens)
    wave = START_WAVE * batch * shared_prefill_time(replica, case.input_tokens)
    ttft = load.ttft_s + wave
    whole = ttft + load.tpot_s * (case.output_tokens - 1.0)
    ttft += whole * (wanted - batch) / batch
    rate = batch * case.output_tokens / whole / replica.chips
    return {
        "output_tps_per_chip": rate * case.per_unit,
        "tpot_mean_ms": load.tpot_s * 1e3,
        "ttft_mean_ms": ttft * 1e3,
    }


def _static(case: ServingCase, replica: Replica) -> dict[str, float] | None:
    """One batch from prompt to end, nothing joining."""
    batch = case.batch or 1.0
    if cache_room_bytes(replica) <= 0:
        return None
    prefill = batch * shared_prefill_time(replica, case.input_tokens) if batch > 1 else 0.0
    prefill = max(prefill, prefill_time(replica, case.input_tokens))
    step = decode_step(replica, batch, case.input_tokens + case.output_tokens / 2.0).total
    rate = batch * case.output_tokens / (prefill + case.output_tokens * step)
    return {
        "output_tps_per_chip": rate / replica.chips * case.per_unit,
        "tpot_mean_ms": step * 1e3,
        "ttft_mean_ms": prefill * 1e3,
    }


def _layer_split(case: ServingCase, replica: Replica) -> dict[str, float] | None:
    """Layers divided over cards: one works at a time, so more cards add memory, not speed."""
    single = build_replica(replica.machine, replica.model, 1, "16-bit", replica.engine)
    if case.packages * single.machine.memory_bytes < single.weight_bytes_total:
        return None
    step = decode_step(single, case.batch or 1.0, case.input_tokens + case.output_tokens / 2.0).total
    rate = (case.batch or 1.0) / step / case.packages
    return {"output_tps_per_chip": rate, "tpot_mean_ms": step * 1e3}
