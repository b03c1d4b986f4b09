"""Search for a serving set-up: engines, formats, layouts, batches and chunks, on one pool or on two."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from chipwise.core.errors import InputError, Undetermined
from chipwise.core.fact import Estimate
from chipwise.perf.infer.bill import cost_of_pools
from chipwise.perf.infer.compiled import KNOTS, Compiled, compiled
from chipwise.perf.infer.layouts import ONE_CHIP
from chipwise.perf.infer.load import Load
from chipwise.perf.infer.operate import most_running, operate_knots, prepared
from chipwise.perf.infer.own_points import bounds, factor
from chipwise.perf.infer.points import Points, best_of_each, frontier
from chipwise.perf.infer.pools import Decode, Pools, Prefill, decode_pool, matched, prefill_pool, transfers_s
from chipwise.perf.infer.question import Found, Question
from chipwise.perf.infer.served import Pool, Served
from chipwise.perf.infer.setup import Setup, facts_of
from chipwise.perf.infer.why import Rejected, why_not
from chipwise.perf.operators import EVIDENCE

CHUNKS = (512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0)
"""Prompt tokens of one step that are tried."""

METHOD = "closed form on the operator tables and the engine's own time"


def search_setups(question: Question, *, top: int = 5, pareto: bool = True) -> Found:
    """Every set-up of the space, decided; the best of each layout, the frontier, and why the rest was rejected.

    Parameters
    ----------
    top : int
        Set-ups returned.
    pareto : bool
        Also the frontier.

    Raises
    ------
    Undetermined
        Not one layout can be costed.
    """
    began = time.process_time()
    count = pruned = 0
    points: list[Points] = []
    rejected: list[Rejected] = []
    facts: dict[str, None] = {}
    unknown: Exception | None = None
    for formats in question.formats():
        try:
            tables = _tables(question, formats)
        except (Undetermined, InputError) as error:
            unknown = unknown or error
            rejected.append(Rejected(mode="any", cause=error.message, layout=None, **formats))
            continue
        facts |= dict.fromkeys((*facts_of(tables[0].setup), *facts_of(tables[1].setup)))
        for found in _evaluated(question, tables, formats):
            if isinstance(found, Rejected):
                rejected.append(found)
            else:
                size, out, entry = found
                count, pruned = count + size, pruned + out
                points.append(entry)
    if unknown is not None and all(entry.mode == "any" for entry in rejected) and not points:
        raise unknown
    feasible = sum(int(entry.feasible.sum()) for entry in points)
    return Found(
        space=count,
        evaluated=count,
        pruned=pruned,
        feasible=feasible,
        seconds=time.process_time() - began,
        setups=tuple(best_of_each(points, top)),
        pareto=tuple(frontier(points)) if pareto else (),
        rejected=tuple(rejected),
        facts=tuple(facts),
    )


def _tables(question: Question, formats: dict[str, str]) -> tuple[Compiled, Compiled]:
    """Tables of the prefill side and of the decode side; one for both where chip and layouts are the same."""
    sides: list[Compiled] = []
    for side, chip in enumerate((question.chip, question.decode_chip)):
        made = compiled(
            chip,
            question.model,
            question.layouts(side, formats["engine"]),
            catalogue=question.catalogue,
            draft=question.options.draft_tokens,
            **formats,
        )
        sides.append(prepared(made, question.options))
    return sides[0], sides[1]


def _evaluated(
    question: Question, tables: tuple[Compiled, ...], formats: dict[str, str]
) -> Iterator[tuple[int, int, Points] | Rejected]:
    if "aggregated" in question.modes and not question.mixed:
        found = tables[0]
        if found.unknown:
            yield Rejected(mode="aggregated", layout=None, cause=f"some layouts: {found.unknown}", **formats)
        good: Any = np.zeros(len(found.setups), dtype=bool)
        for chunk in CHUNKS if question.options.chunk_tokens is None else (question.options.chunk_tokens,):
            size, out, entry = aggregated(question, found, formats, chunk)
            good |= np.bincount(entry.family[entry.feasible], minlength=good.size) > 0
            yield size, out, entry
        for place in np.flatnonzero(~good):
            cause = why_not(found, int(place), question)
            yield Rejected(mode="aggregated", layout=found.setups[place].layout, cause=cause, **formats)
    if "disaggregated" in question.modes and formats["engine"] not in ONE_CHIP:
        yield from _disaggregated(question, tables, formats)


def aggregated(question: Question, found: Compiled, formats: dict[str, str], chunk: float) -> tuple[int, int, Points]:
    options = dataclasses.replace(question.options, chunk_tokens=chunk)
    load = operate_knots(found, options, question.input_tokens, question.output_tokens, load=question.load)
    load = _calibrated(question, load)
    every = np.arange(len(found.setups))
    most = most_running(found, options, every, question.input_tokens, question.output_tokens)
    copies = np.floor(question.chips / found.chips)
    fits = (most[:, None] >= KNOTS) & (copies >= 1.0)[:, None]
    gap = load.step_s + load.prompt_s * min(chunk / question.input_tokens, 1e9)
    good = fits & _meets(question, load.tpot_s, load.ttft_s, gap)
    rate = load.requests_per_s * copies[:, None]
    per_chip = rate * question.output_tokens / question.chips

    setups, tpot, ttft = (
        found.setups,
        np.broadcast_to(load.tpot_s, good.shape),
        np.broadcast_to(load.ttft_s, good.shape),
    )

    def tell(at: int) -> Served:
        place, knot = divmod(at, KNOTS.size)
        setup = setups[place]
        pool = Pool(
            role="both",
            chip_id=setup.chip.id,
            layout=setup.layout,
            copies=int(copies[place]),
            batch=float(KNOTS[knot]),
        )
        return _served(
            question,
            formats,
            (pool,),
            setup,
            chunk,
            tpot_s=float(tpot[place, knot]),
            ttft_s=float(ttft[place, knot]),
            gap_s=float(gap[place, knot]),
            rate=float(rate[place, knot]),
        )

    return (
        good.size,
        good.size - int(fits.sum()),
        Points(
            per_chip=per_chip.ravel(),
            per_user=1.0 / tpot.ravel(),
            feasible=good.ravel(),
            family=np.repeat(every, KNOTS.size),
            tell=tell,
        ),
    )


def _calibrated(question: Question, load: Load) -> Load:
    """The load moved by own measured points; its rate follows from its times."""
    own = question.calibration
    if own is None:
        return load
    chip, output = question.chip.id, question.output_tokens
    tpot = load.tpot_s * factor(own, chip, question.load, "tpot_mean_ms")
    ttft = load.ttft_s * factor(own, chip, question.load, "ttft_mean_ms")
    before = load.ttft_s + load.tpot_s * (output - 1.0)
    rate = load.requests_per_s * before / (ttft + tpot * (output - 1.0))
    return dataclasses.replace(load, tpot_s=tpot, ttft_s=ttft, requests_per_s=rate)


def _meets(question: Question, tpot_s: Any, ttft_s: Any, gap_s: Any) -> Any:
    good = np.ones(np.broadcast_shapes(np.shape(tpot_s), np.shape(ttft_s)), dtype=bool)
    for value, target in ((tpot_s, question.tpot_s), (ttft_s, question.ttft_s), (gap_s, question.gap_s)):
        if target is not None:
            good &= value <= target
    return good


def _disaggregated(
    question: Question, tables: tuple[Compiled, ...], formats: dict[str, str]
) -> Iterator[tuple[int, int, Points] | Rejected]:
    first, second = tables
    lengths = (question.input_tokens, question.output_tokens)
    prefill, decode = prefill_pool(first, question.options, *lengths), decode_pool(second, question.options, *lengths)
    if question.calibration is not None:
        reading = factor(question.calibration, question.chip.id, question.load, "ttft_mean_ms")
        writing = factor(question.calibration, question.decode_chip.id, question.load, "tpot_mean_ms")
        own = factor(question.calibration, question.chip.id, question.load, "tpot_mean_ms")
        prefill = dataclasses.replace(prefill, service_s=own * prefill.service_s, alone_s=reading * prefill.alone_s)
        decode = dataclasses.replace(decode, gap_s=writing * decode.gap_s)
    reason = _no_pools(question, prefill, decode)
    if reason:
        yield Rejected(mode="disaggregated", layout=None, cause=reason, **formats)
        return
    try:
        sent = transfers_s(first, second, question.input_tokens, question.chips)
    except Undetermined as error:
        yield Rejected(mode="disaggregated", layout=None, cause=error.message, **formats)
        return
    apart = question.prefill_chips is not None and question.decode_chips is not None
    pools = matched(
        prefill,
        decode,
        question.output_tokens,
        sent,
        chips=None if apart else question.chips,
        prefill_chips=question.prefill_chips,
        decode_chips=question.decode_chips,
        longest_gap_s=question.tpot_s,
    )
    good = pools.fits & _meets(question, pools.tpot_s, pools.ttft_s, pools.tpot_s)
    whole = len(first.setups) * decode.gap_s.size * 16
    per_chip = pools.rate * question.output_tokens / question.chips
    if not good.any():
        yield Rejected(mode="disaggregated", layout=None, cause=_missed(question, pools), **formats)
    yield (
        whole,
        whole - int(pools.fits.sum()),
        Points(
            per_chip=per_chip,
            per_user=1.0 / pools.tpot_s,
            feasible=good,
            family=pools.decode,
            tell=functools.partial(_told, question, formats, (first.setups, second.setups), pools, sent),
        ),
    )


def _no_pools(question: Question, prefill: Prefill, decode: Decode) -> str:
    """Why no pair of pools can be; empty where one can."""
    for name, pool, fits in (("prefill", prefill, prefill.fits), ("decode", decode, decode.fits.any(axis=1))):
        if not fits.any():
            return f"no {name} copy holds weights and one request: {why_not(pool.found, -1, question)}"
    if question.tpot_s is not None and not (decode.fits & (decode.gap_s <= question.tpot_s)).any():
        fastest = decode.gap_s[decode.fits].min()
        return f"the fastest decode copy takes {fastest * 1e3:.1f} ms a token, wanted {question.tpot_s * 1e3:g}"
    return ""


def _missed(question: Question, pools: Pools) -> str:
    if not pools.fits.any():
        return f"{question.chips} chips do not hold a prefill copy and a decode copy"
    least = pools.ttft_s[pools.fits].min()
    return f"no pair meets every target; the shortest time to the first token is {least * 1e3:,.0f} ms"


def _told(
    question: Question,
    formats: dict[str, str],
    setups: tuple[tuple[Setup, ...], tuple[Setup, ...]],
    pools: Pools,
    sent: Any,
    at: int,
) -> Served:
    left, right = int(pools.prefill[at]), int(pools.decode[at])
    reads = Pool(
        role="prefill",
        chip_id=question.chip.id,
        layout=setups[0][left].layout,
        copies=int(pools.readers[at]),
        batch=1.0,
    )
    writes = Pool(
        role="decode",
        chip_id=question.decode_chip.id,
        layout=setups[1][right].layout,
        copies=int(pools.writers[at]),
        batch=float(KNOTS[pools.knot[at]]),
    )
    least = max((setups[0][left], setups[1][right]), key=lambda setup: setup.evidence)
    tpot = float(pools.tpot_s[at])
    return _served(
        question,
        formats,
        (reads, writes),
        least,
        question.input_tokens,
        tpot_s=tpot,
        ttft_s=float(pools.ttft_s[at]),
        gap_s=tpot,
        rate=float(pools.rate[at]),
        sent_s=float(sent[left, right]),
    )


def _served(
    question: Question,
    formats: dict[str, str],
    pools: tuple[Pool, ...],
    setup: Setup,
    chunk: float,
    *,
    tpot_s: float,
    ttft_s: float,
    gap_s: float,
    rate: float,
    sent_s: float | None = None,
) -> Served:
    evidence = EVIDENCE[setup.evidence]

    def estimate(metric: str, value: float, unit: str) -> Estimate:
        low, high = bounds(question.calibration, setup.evidence, setup.chip, question.load, metric, value)
        return Estimate(value=value, low=low, high=high, unit=unit, method=METHOD, evidence=evidence)

    output = question.output_tokens
    per_chip = estimate("output_tps_per_chip", rate * output / question.chips, "token/s")
    used: dict[str, int] = {}
    for pool in pools:
        used[pool.chip_id] = used.get(pool.chip_id, 0) + pool.chips
    return Served(
        mode="aggregated" if len(pools) == 1 else "disaggregated",
        engine=formats["engine"],
        weight_precision=formats["precision"],
        kv_precision=formats["kv_precision"],
        pools=pools,
        chunk_tokens=chunk,
        chips_given=question.chips,
        in_flight=rate * (ttft_s + tpot_s * (output - 1.0)),
        output_tokens=output,
        tpot_s=estimate("tpot_mean_ms", tpot_s, "s"),
        ttft_s=estimate("ttft_mean_ms", ttft_s, "s"),
        longest_gap_s=gap_s,
        requests_per_s=rate,
        output_tokens_per_s_per_chip=per_chip,
        usd_per_million_tokens=cost_of_pools(used, per_chip.scaled(question.chips), question.catalogue),
        sent_s=sent_s,
        evidence=evidence,
    )
