"""Which measured points are screened out before any is scored: by row, by physics, and by tables that fail as a whole.

A row rule needs the row alone (`chipwise.perf.infer.audit`). A physical rule needs the chip and the model. Where more
than half of a table breaks a rule of either kind, nothing in it can be told from the rest and all of it is doubtful.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from chipwise.core.errors import ChipwiseError
from chipwise.perf.infer.audit import audit, chips_of, number, wandering
from chipwise.perf.infer.capacity import driver_memory_bytes
from chipwise.perf.infer.reading import ServingCase, read_serving_case
from chipwise.perf.infer.setup import Setup, cache_bytes_per_chip, weight_bytes_per_chip
from chipwise.perf.infer.step import lone_prompt_parts

TABLE = ("source_id", "chip_id")
"""What counts as one table: rows of one load with these in common share a harness."""

CLOSED = "closed_loop_concurrency"

MAJORITY = 0.5
"""Share of a table that must fail before the rest of it is doubtful."""

SLACK = 1.1
"""How far a time may lie under the sum of the fastest measured kernels: tables are smooth, kernels are not."""

DOUBTFUL = "most of its table breaks a physical rule"

NOT_A_FAULT = ("the same figures", "speculative", "perhaps speculative")
"""Reasons that say nothing about whether the figures are true."""

UNRECORDED = "perhaps speculative decoding: a later run of one set-up much faster"

FASTER = 1.25
"""How much faster one campaign of a source runs a set-up than another before something unrecorded must differ."""

Row = Mapping[str, str]


def screen(rows: Iterable[Row], catalogue: Any) -> dict[str, str]:
    """Reason by row id for every row that must not be scored.

    Notes
    -----
    Adds to `audit`, for closed loops with both times:

    - more arithmetic than the data sheet's peak;
    - prompts that alone take longer than there is time, by the fastest kernels measured on that chip;
    - caches of the requests being decoded larger than all memory beside the weights, at one byte an element;
    - tables (`TABLE`) of which more than half fails: faults above, those of `audit` except repeats and speculation,
      and a first token that comes much sooner under more load.
    """
    rows = list(rows)
    found = audit(rows)
    for row in rows:
        if row.get("load_type") == CLOSED and (row.get("id") or "") not in found:
            reason = _impossible(row, catalogue)
            if reason:
                found[row.get("id") or ""] = reason
    for name in _unrecorded(rows, catalogue, found):
        found[name] = UNRECORDED
    suspicious = {name for name, reason in found.items() if not reason.startswith(NOT_A_FAULT)} | wandering(rows)
    for names in _doubtful(rows, suspicious, found):
        found.update({name: DOUBTFUL for name in names if name not in found})
    return found


def _unrecorded(rows: Sequence[Row], catalogue: Any, found: Mapping[str, str]) -> list[str]:
    """Rows of campaigns that run the set-ups of another campaign at a time per token no engine gains in months.

    A campaign is one engine version on one day, of one source, chip, engine, model and weight format; a set-up is that
    with its chips, lengths and requests in flight, however experts are divided. Only models published with heads for
    multi-token prediction count.
    """
    campaigns: dict[tuple[str, ...], dict[tuple[str, ...], dict[tuple[Any, ...], float]]] = defaultdict(dict)
    members: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for row in rows:
        gap, wanted, name = number(row, "tpot_mean_ms"), number(row, "concurrency"), row.get("id") or ""
        if (
            not gap
            or not wanted
            or row.get("disaggregated") == "yes"
            or row.get("load_type") != CLOSED
            or name in found
        ):
            continue
        try:
            model = catalogue.model(row.get("model") or "")
        except ChipwiseError:
            continue
        if model.shape is None or not model.shape.mtp_layers:
            continue
        kind = (*(row.get(part) or "" for part in ("source_id", "chip_id", "engine", "weight_quant")), model.id)
        campaign = (row.get("engine_version") or "", row.get("date") or "")
        point = (chips_of(row)[0], row.get("isl"), row.get("osl"), wanted)
        campaigns[kind].setdefault(campaign, {})[point] = gap
        members[(*kind, *campaign)].append(name)
    unsaid = []
    for kind, found_here in campaigns.items():
        for run, times in found_here.items():
            ratios = [
                max(other[point] / gap for other in found_here.values() if point in other)
                for point, gap in times.items()
                if any(point in other for other in found_here.values() if other is not times)
            ]
            if ratios and median(ratios) > FASTER:
                unsaid += members[(*kind, *run)]
    return unsaid


def _closed(row: Row) -> bool:
    return row.get("load_type") == CLOSED and row.get("disaggregated") != "yes"


def _doubtful(rows: Sequence[Row], suspicious: set[str], found: Mapping[str, str]) -> list[list[str]]:
    tables: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for row in rows:
        name = row.get("id") or ""
        if _closed(row) and not found.get(name, "").startswith(NOT_A_FAULT):
            tables[tuple(row.get(column) or "" for column in TABLE)].append(name)
    return [names for names in tables.values() if sum(name in suspicious for name in names) > MAJORITY * len(names)]


def _impossible(row: Row, catalogue: Any) -> str:
    first, gap = number(row, "ttft_mean_ms"), number(row, "tpot_mean_ms")
    case = read_serving_case(row, catalogue) if first and gap and number(row, "concurrency") else ""
    if isinstance(case, str) or not first or not gap or not case.concurrency or case.rate_fault:
        return ""
    rate = case.concurrency / ((first + gap * (case.output_tokens - 1.0)) / 1e3)
    try:
        reasons = {_reason(case, setup, rate, gap / 1e3) for setup in case.setups}
    except ChipwiseError:
        return ""
    return "" if "" in reasons else min(reasons)


def _reason(case: ServingCase, setup: Setup, rate: float, gap_s: float) -> str:
    """Why a rate cannot be, on one layout; empty where it can."""
    copies = max(case.packages / setup.layout.chips, 1.0)
    flop = 2.0 * setup.model.params_active * (case.input_tokens + case.output_tokens)
    peak = max(setup.chip.rates.get(name) or 0.0 for name in ("bf16", "fp16", "int8", "fp8", "fp4"))
    if setup.precision not in ("fp4",):
        peak = max(setup.chip.rates.get(name) or 0.0 for name in ("bf16", "fp16", "int8", "fp8"))
    if peak and rate * flop > peak * case.packages:
        return "more arithmetic than the chip's peak"
    if setup.evidence == 0:
        lone = lone_prompt_parts(setup, case.input_tokens)
        work = float(lone.gemm + lone.attention + lone.experts) / (setup.layout.data * setup.layout.pipeline)
        if rate / copies * work > SLACK:
            return "prompts faster than the fastest kernels measured"
    decoding = rate / copies * gap_s * case.output_tokens / setup.layout.data
    least = float(cache_bytes_per_chip(setup, case.input_tokens + case.output_tokens / 2.0))
    least = least / 2.0 if setup.kv_precision == "16-bit" else least
    if decoding * least > driver_memory_bytes(setup) - weight_bytes_per_chip(setup) > 0.0:
        return "more cache than memory"
    return ""
