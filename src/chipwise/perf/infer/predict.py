"""From a case to its figures: operator parts once, then the closed forms."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from chipwise.catalogue.objects import Chip
from chipwise.core.errors import ChipwiseError
from chipwise.perf.infer.capacity import cache_room_per_chip, most_requests
from chipwise.perf.infer.load import Load, closed_loop, saturated, static_batch
from chipwise.perf.infer.reading import ServingCase
from chipwise.perf.infer.setup import Setup
from chipwise.perf.infer.step import Parts, decode_parts, lone_prompt_parts, prompt_parts
from chipwise.perf.infer.terms import Terms, Use, engine_constant, term_names, terms_of
from chipwise.perf.operators.evaluate import largest, least
from chipwise.perf.tables import read_rows
from chipwise.perf.training import widened

RUNGS = ("chip", "family", "sheet")
"""Evidence of the matrix kernels, by code."""

SERVER_KNOTS = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
"""Batches tried under a latency target."""

TPOT_TAIL, TTFT_TAIL = 1.2, 2.5
"""What the 99th percentile is over the mean; targets are stated at the former."""

WAVE_SHARE = 0.25
"""Prompts that arrive together, as a share of the requests in flight: waves of equal requests persist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseParts:
    """Operator time of a case on one layout: nothing here depends on a fitted term.

    Parameters
    ----------
    wanted, batch : float or array
        Requests of one copy, in all and running together.
    rate_scale : float
        From one copy's rate to the row's rate per chip.
    """

    setup: Setup
    decode: Parts
    prompt: Parts
    lone: Parts
    wanted: Any
    batch: Any
    rate_scale: float
    names: dict[str, tuple[Use, ...]]


def names_of(setup: Setup, regime: str, years: float = 0.0) -> dict[str, tuple[Use, ...]]:
    """Terms that one layout uses in one regime; `years` as in `term_names`."""
    return term_names(
        setup.engine,
        sheet=setup.sheet,
        vendor=setup.chip.vendor,
        cpu=setup.chip.mem_type.upper().startswith(("DDR", "MRDIMM")),
        precision=setup.precision,
        regime=regime,
        settled=regime == "closed",
        years=years,
    )


def case_parts(case: ServingCase, setup: Setup) -> CaseParts | str:
    """Parts of one layout of a case, or why it cannot run there."""
    copies = max(case.packages / setup.layout.chips, 1.0)
    scale = copies / case.units
    if case.regime == "static":
        return _static_parts(case, setup, scale)
    most = most_requests(setup, case.input_tokens, case.output_tokens)
    if not most:
        return "predicted out of memory"
    cap = engine_constant(setup.engine, "batch_cap")
    if case.regime == "closed":
        if not case.concurrency:
            return "missing: concurrency"
        wanted: Any = max(1.0, case.concurrency / copies)
        batch: Any = min(wanted, most)
    elif case.regime == "server":
        import numpy as np

        limit = min(most, cap * setup.layout.data)
        batch = np.array([float(b) for b in SERVER_KNOTS if b < limit] + [limit])
        wanted = batch
    else:
        if case.regime in ("mlperf_offline", "max_load"):
            cap = max(cap, 1024.0)
        batch = min(most, cap * setup.layout.data)
        for known in (case.concurrency, case.requests if case.regime in ("backlog", "max_load") else None):
            if known:
                batch = min(batch, max(1.0, known / copies))
        wanted = batch
    return _parts(case, setup, wanted, batch, scale)


def chunk_of(setup: Setup, batch: Any, prompt: float) -> Any:
    """Prompt tokens of one step: at most the engine's chunk, at least the prompts that arrive together."""
    return least(engine_constant(setup.engine, "chunk_tokens"), largest(prompt, WAVE_SHARE * batch * prompt))


def _static_parts(case: ServingCase, setup: Setup, scale: float) -> CaseParts | str:
    batch = case.batch or 1.0
    if setup.engine == "llama.cpp":  # layers on several cards: one works at a time
        scale = 1.0 / case.units
    elif cache_room_per_chip(setup) <= 0:
        return "predicted out of memory"
    return _parts(case, setup, batch, batch, scale)


def _parts(case: ServingCase, setup: Setup, wanted: Any, batch: Any, scale: float) -> CaseParts:
    prompt = case.input_tokens
    chunk = chunk_of(setup, batch, prompt)
    if case.regime == "static":
        chunk = min(engine_constant(setup.engine, "chunk_tokens"), max(prompt, batch * prompt))
    return CaseParts(
        setup=setup,
        decode=decode_parts(setup, batch, prompt + case.output_tokens / 2.0),
        prompt=prompt_parts(setup, batch, prompt, chunk),
        lone=lone_prompt_parts(setup, prompt),
        wanted=wanted,
        batch=batch,
        rate_scale=scale,
        names=names_of(setup, case.regime, case.years),
    )


@functools.cache
def spread() -> dict[tuple[str, str, str], tuple[float, float]]:
    """(low, high) factors of measured over predicted by rung, regime and metric, from sources left out of the fit."""
    return {
        (row["rung"], row["regime"], row["metric"]): (float(row["low"]), float(row["high"]))
        for row in read_rows("infer/spread.csv")
    }


def interval(evidence: int, chip: Chip, regime: str, metric: str, value: float) -> tuple[float, float]:
    """90 % interval of a predicted `metric`, joined with the range of the chip's own figures."""
    low, high = spread()[RUNGS[evidence], regime, metric]
    bandwidth, span = chip.mem_bytes_per_s, chip.field_ranges.get("mem_bytes_per_s")
    if bandwidth and span:
        slow, fast = bandwidth / span[0], span[1] / bandwidth
        own = (slow, fast) if metric == "output_tps_per_chip" else (fast, slow)
        return widened(value, value * low, value * high, own)
    return value * low, value * high


def load_of(case: ServingCase, parts: CaseParts, terms: Terms) -> Load | None:
    """State of one copy; None where no batch meets the case's targets, which are 99th percentiles."""
    work = parts.setup.work
    data = float(parts.setup.layout.data)
    shared: dict[str, Any] = {"output_tokens": case.output_tokens, "layers": work.layers}
    if case.regime == "static":
        return static_batch(parts.decode, parts.prompt, parts.lone, terms, batch=parts.batch, **shared)
    shared["copies_of_attention"] = data
    if case.regime == "closed":
        return closed_loop(
            parts.decode,
            parts.prompt,
            parts.lone,
            terms,
            wanted=parts.wanted,
            most=parts.batch,
            equal=float(case.equal),
            **shared,
        )
    load = saturated(parts.decode, parts.prompt, parts.lone, terms, batch=parts.batch, **shared)
    if case.regime != "server":
        return load
    return within(
        load,
        case.slo_tpot_s / TPOT_TAIL if case.slo_tpot_s else None,
        case.slo_ttft_s / TTFT_TAIL if case.slo_ttft_s else None,
    )


def within(load: Load, tpot_s: float | None, ttft_s: float | None) -> Load | None:
    """The load at the largest batch that meets the targets, between the knots by linear interpolation."""
    import numpy as np

    tpot, ttft = np.asarray(load.tpot_s), np.asarray(load.ttft_s)
    worst = np.zeros(tpot.shape)
    if tpot_s:
        worst = np.maximum(worst, tpot / tpot_s)
    if ttft_s:
        worst = np.maximum(worst, ttft / ttft_s)
    worst = np.maximum.accumulate(worst)
    if worst[0] > 1.0:
        return None
    place = int(np.searchsorted(worst, 1.0, side="right"))
    share = 0.0
    if place < worst.size:
        share = (1.0 - worst[place - 1]) / (worst[place] - worst[place - 1])

    def at(values: Any) -> float:
        values = np.broadcast_to(values, tpot.shape)
        first = values[place - 1]
        return float(first if place == worst.size else first + share * (values[place] - first))

    return Load(
        in_flight=at(load.in_flight),
        tpot_s=at(tpot),
        ttft_s=at(ttft),
        requests_per_s=at(load.requests_per_s),
        output_tokens=load.output_tokens,
        step_s=at(load.step_s),
        prompt_s=at(load.prompt_s),
    )


def best_of(case: ServingCase, values: Any = None) -> tuple[CaseParts, Load] | str:
    """Layout with most tokens/s of those the case leaves open, and its load."""
    best: tuple[CaseParts, Load] | None = None
    why = "predicted out of memory"
    for setup in case.setups:
        try:
            parts = case_parts(case, setup)
        except ChipwiseError as error:
            why = f"missing: {error.message}"
            continue
        if isinstance(parts, str):
            why = parts
            continue
        load = load_of(case, parts, terms_of(parts.names, values))
        if load is None:
            why = "predicted to miss its latency target at any batch"
            continue
        rate = load.output_tokens_per_s * parts.rate_scale
        if best is None or rate > best[1].output_tokens_per_s * best[0].rate_scale:
            best = parts, load
    return best if best is not None else why


def figures(case: ServingCase, parts: CaseParts, load: Load) -> dict[str, float]:
    """Central value by metric in the units of the facts; only what the regime defines."""
    found = {"output_tps_per_chip": float(load.output_tokens_per_s * parts.rate_scale)}
    if case.regime in ("closed", "static", "server") or case.concurrency:
        found["tpot_mean_ms"] = float(load.tpot_s) * 1e3
    if case.regime in ("closed", "static") or (case.regime == "server" and case.slo_ttft_s):
        found["ttft_mean_ms"] = float(load.ttft_s) * 1e3
    return found
