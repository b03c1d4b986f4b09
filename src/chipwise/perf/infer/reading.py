"""What a measured serving point says: formats, lengths, layouts; blanks take documented defaults, named in a note."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chipwise.catalogue.objects import Chip, Model
from chipwise.core.errors import ChipwiseError
from chipwise.perf.infer.audit import chips_of, number
from chipwise.perf.infer.setup import Layout, Setup, build_setup
from chipwise.perf.infer.terms import TUNED_YEAR
from chipwise.perf.machine import WEIGHT_BYTES, kv_precision_of, weight_precision_of
from chipwise.perf.tables import read_rows
from chipwise.perf.training_rows import package_share

ENGINES = {
    "vllm": "vllm",
    "vllm-ascend": "vllm-ascend",
    "mindie": "vllm",
    "tensorrt-llm": "tensorrt-llm",
    "sglang": "sglang",
    "llama.cpp": "llama.cpp",
    "optimum-habana": "eager",
}
QUANT_NAMES = {"nvfp4": "fp4", "uint4": "int4", "w8a8_int8": "int8", "q8_0": "int8", "unset": ""}
SATURATED = ("offline_all_at_once", "all_at_once", "max_load_inflight_batching", "max_load")
TUNED = ("max_load_inflight_batching", "max_load")
LOADS = (*SATURATED, "closed_loop_concurrency", "poisson_server", "static_batch")
_REQUESTS = re.compile(r"\b(\d+) requests")
MEAN_OF_NOMINAL = 0.9
"""Mean length over the nominal one in InferenceX (``random-range-ratio`` 0.8)."""

DOUBTFUL_ROWS = ("inf08079", "inf08080", "inf08081", "inf08082", "inf08083")
"""Rows whose model is doubtful in the source: predicted, but they must not teach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingCase:
    """One measured point as the model sees it.

    Parameters
    ----------
    setups : tuple of Setup
        The layout of the row, or every layout it leaves open.
    units : float
        Chips as the row counts them; rates per chip are over these.
    packages : float
        Catalogue packages used.
    regime : str
        ``closed``, ``static``, ``max_load``, ``backlog``, ``mlperf_offline`` or ``server``.
    years : float
        Age of an MLPerf submission against the year its regime was taught at, years; 0 for everything else.
    equal : bool
        Every request has the stated lengths.
    doubtful : bool
        The stated format or model cannot be right; the row is predicted but must not teach.
    rate_fault : str
        Why the row's own throughput must not be scored; empty where it may.
    """

    id: str
    source: str
    chip: Chip
    setups: tuple[Setup, ...]
    units: float
    packages: float
    input_tokens: float
    output_tokens: float
    regime: str
    concurrency: float | None
    batch: float | None
    requests: float | None
    slo_tpot_s: float | None
    slo_ttft_s: float | None
    doubtful: bool
    rate_fault: str
    notes: str
    years: float = 0.0
    equal: bool = False


@functools.cache
def _benchmark_lengths() -> tuple[tuple[str, float | None, float | None], ...]:
    rows = read_rows("benchmark_lengths.csv")
    return tuple((row["prefix"], number(row, "input_tokens"), number(row, "output_tokens")) for row in rows)


@functools.cache
def _benchmark_requests() -> tuple[tuple[str, float, float, float], ...]:
    """Requests in all of a documented throughput benchmark, by name of the source and lengths."""
    rows = read_rows("benchmark_requests.csv")
    return tuple(
        (row["prefix"], float(row["input_tokens"]), float(row["output_tokens"]), float(row["requests"])) for row in rows
    )


def regime_of(row: Mapping[str, str]) -> str:
    """Regime of a row; empty where it is not modelled."""
    load = row.get("load_type") or ""
    if load not in LOADS:
        return ""
    if load == "closed_loop_concurrency":
        return "closed"
    if load == "static_batch":
        return "static"
    if load == "poisson_server":
        return "server"
    if load == "offline_all_at_once":
        return "mlperf_offline"
    return "backlog" if load == "all_at_once" else "max_load"


def read_serving_case(row: Mapping[str, str], catalogue: Any, *, without: tuple[str, ...] = ()) -> ServingCase | str:
    """Turn one row in the columns of the facts into a case, or say what is missing or not modelled."""
    regime = regime_of(row)
    if not regime:
        return f"not modelled: {row.get('load_type') or 'blank load_type'}"
    if row.get("disaggregated") == "yes":
        return "not modelled: disaggregated"
    try:
        chip, model = catalogue.chip(row.get("chip_id") or ""), catalogue.model(row.get("model") or "")
    except ChipwiseError as error:
        return f"unknown: {error.message}"
    lengths = _lengths(row)
    if isinstance(lengths, str):
        return lengths
    units, squared = chips_of(row)
    if not units:
        units = (number(row, "tp") or 0.0) * (number(row, "dp") or 1.0) * (number(row, "pp") or 1.0)
        if not units:
            return "missing: chips"
    share = package_share(row, catalogue)
    name = (row.get("engine") or "").casefold()
    engine = ENGINES.get(name, "vllm")
    layouts, note = _layouts(row, model, max(1.0, units * share), squared)
    try:
        precision, weights = _weights(row, chip, model)
        precision, weights = _fitting(row, chip, model, precision, weights)
        kv, cache = _cache(row, chip, precision)
        setups = tuple(
            build_setup(
                chip,
                model,
                layout,
                precision=precision,
                kv_precision=kv,
                engine=engine,
                catalogue=catalogue,
                without=without,
                block=(row.get("act_quant") or "").casefold() == "fp8_block",
            )
            for layout in layouts
        )
    except ChipwiseError as error:
        return f"missing: {error.message}"
    plain = "" if name in ENGINES else f"engine constants of vLLM for {name or 'a blank engine'}"
    return ServingCase(
        id=row.get("id") or "",
        source=row.get("source_id") or "",
        chip=chip,
        setups=setups,
        units=units,
        packages=units * share,
        input_tokens=lengths[0],
        output_tokens=lengths[1],
        regime=regime,
        concurrency=number(row, "concurrency"),
        batch=number(row, "batch"),
        requests=_requests(row),
        slo_tpot_s=_seconds(row, "slo_tpot_ms"),
        slo_ttft_s=_seconds(row, "slo_ttft_ms"),
        doubtful=row.get("id") in DOUBTFUL_ROWS or weights.startswith("stated weights exceed"),
        rate_fault="faulty: chips counted as the square of the expert group" if squared else "",
        years=_years(row),
        equal=row.get("kind") != "inferencex" and "means over" not in (row.get("notes") or ""),
        notes="; ".join(text for text in (lengths[2], weights, cache, note, plain) if text),
    )


def _requests(row: Mapping[str, str]) -> float | None:
    """Requests of a run that has all of them at its start, where the row or the benchmark says so."""
    match = _REQUESTS.search(row.get("notes") or "")
    if match:
        return float(match.group(1))
    lengths = number(row, "isl"), number(row, "osl")
    for prefix, *these, requests in _benchmark_requests():
        if (row.get("source_id") or "").startswith(prefix) and tuple(these) == lengths:
            return requests
    return None


def _years(row: Mapping[str, str]) -> float:
    """Years of software since `TUNED_YEAR`; 0 where no tuned submission."""
    date = (row.get("date") or "").split("-")
    if not (row.get("kind") or "").startswith("mlperf") or not date[0].isdigit():
        return 0.0
    month = float(date[1]) if len(date) > 1 and date[1].isdigit() else 6.5
    return float(date[0]) + (month - 0.5) / 12.0 - TUNED_YEAR


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
    if row.get("kind") == "inferencex" and given_in and given_out:
        note = "lengths drawn evenly from 80 to 100 % of the nominal ones"
        given_in, given_out = MEAN_OF_NOMINAL * given_in, MEAN_OF_NOMINAL * given_out
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
        return "w8", ""
    if name == "fp8" and not chip.rates.get("fp8"):
        return "w8", "no fp8 rate: weights read narrow, multiplied in 16 bits"
    if name:
        return weight_precision_of(chip, model, name), ""
    if (row.get("kind") or "").startswith("mlperf"):
        for candidate in ("fp4", "fp8", "int8"):
            if chip.rates.get(candidate):
                return candidate, f"weight format blank: MLPerf on this chip is usually {candidate}"
    return weight_precision_of(chip, model, "auto"), "weight format blank: the model's own"


def _cache(row: Mapping[str, str], chip: Chip, precision: str) -> tuple[str, str]:
    """Cache precision of a row and, where blank, the engine's default."""
    stated = (row.get("kv_quant") or "").casefold()
    if stated:
        return kv_precision_of("fp8" if stated.startswith("fp8") else "auto"), ""
    mlperf = (row.get("kind") or "").startswith("mlperf")
    if precision in ("fp8", "fp4") and ((row.get("engine") or "").casefold() == "tensorrt-llm" or mlperf):
        return "fp8", "cache format blank: fp8, as such checkpoints have it"
    if precision in ("fp8", "fp4") and chip.architecture == "Blackwell":
        return "fp8", "cache format blank: fp8, as the engines' recipes for Blackwell have it"
    return "16-bit", ""


def _fitting(row: Mapping[str, str], chip: Chip, model: Model, precision: str, note: str) -> tuple[str, str]:
    """The stated format, or the model's own where the stated one is larger than all the memory named."""
    units, native = number(row, "chips"), weight_precision_of(chip, model, "auto")
    if not units or not chip.mem_bytes or WEIGHT_BYTES[native] >= WEIGHT_BYTES[precision]:
        return precision, note
    if model.params_total * WEIGHT_BYTES[precision] <= units * chip.mem_bytes:
        return precision, note
    return native, f"stated weights exceed all memory named: the model's own format ({native}) taken"


def _layouts(row: Mapping[str, str], model: Model, packages: float, squared: bool) -> tuple[list[Layout], str]:
    """The layout of the row, or every power-of-two group it leaves open."""
    if (row.get("engine") or "").casefold() == "llama.cpp":
        return [Layout()], ""
    tensor, expert, data, stages = (int(number(row, name) or 1) for name in ("tp", "ep", "dp", "pp"))
    most = max(1, math.ceil(packages))
    moe = bool(model.n_experts)
    if not number(row, "tp"):
        widest = min(most, 64)
        groups = [2**power for power in range(7) if 2**power <= widest]
        sliced = [Layout(tensor=group) for group in groups]
        copies = [Layout(data=group, expert=group) for group in groups if moe and group > 1]
        return [*sliced, *copies], "layout blank: best power-of-two group, attention whole or in copies"
    if squared:
        tensor, data = (most, 1) if tensor > 1 else (1, most)
    else:  # dies, where two make a package
        share = min(1.0, packages / max(number(row, "chips") or packages, 1.0))
        tensor = max(1, min(math.ceil(tensor * share), most))
    if not moe or data == 1:
        data = 1
    elif tensor * data > most:
        tensor = max(1, most // data)
    group = tensor * data
    expert = expert if moe and expert <= group and group % expert == 0 else (group if moe and expert > 1 else 1)
    stages = max(1, min(stages, most // group))
    first = Layout(tensor=tensor, data=data, expert=expert, pipeline=stages)
    if moe and not number(row, "ep") and data == 1 and tensor > 1 and row.get("load_type") in TUNED:
        whole = Layout(tensor=tensor, expert=tensor, pipeline=stages)
        apart = Layout(data=tensor, expert=tensor, pipeline=stages)
        return [first, whole, apart], "division of experts blank: best of width, expert and attention copies"
    return [first], ""
