"""Serving yield in closed form: the best replica of a chip, its batch and its tokens per second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chipwise.catalogue.objects import Chip, Model
from chipwise.core.errors import InputError
from chipwise.core.fact import Estimate
from chipwise.perf.infer.best import Candidate, best, breakdown, one_request
from chipwise.perf.infer.capacity import cache_tokens
from chipwise.perf.infer.compiled import KNOTS, Compiled, compiled
from chipwise.perf.infer.layouts import groups
from chipwise.perf.infer.own_points import bounds, factor
from chipwise.perf.infer.setup import Setup, cache_bytes_per_chip, facts_of, weight_bytes_per_chip
from chipwise.perf.infer.terms import engine_constant, engines
from chipwise.perf.machine import engine_memory_bytes, group_limit, kv_precision_of, weight_precision_of
from chipwise.perf.objects import ServingYield
from chipwise.perf.operators import EVIDENCE
from chipwise.perf.tables import constant
from chipwise.perf.training import resolve

if TYPE_CHECKING:
    from chipwise.perf.infer.calibrate import ServingCalibration

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
    engine: str = DEFAULT_ENGINE,
    calibration: ServingCalibration | None = None,
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
    engine : str
        Whose host times, memory rule and batch limit are taken.
    calibration : ServingCalibration, optional
        Own measured points: `chipwise.perf.infer.calibrate.read_serving_calibration`.
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
    The batch is the largest that fits and meets the targets; among power-of-two groups of the scale-up domain or
    server, with experts divided by width, by expert or among attention copies, the one with most tokens/s per chip is
    taken. Steps come from `chipwise.perf.infer`.
    """
    tokens_in = positive(constant("request_input_tokens") if input_tokens is None else input_tokens, "input_tokens")
    tokens_out = positive(
        constant("request_output_tokens") if output_tokens is None else output_tokens, "output_tokens"
    )
    if engine not in engines():
        raise InputError(f"{engine!r} is no engine known here", place="engine", allowed=", ".join(engines()))
    for name, target in (("tpot_s", tpot_s), ("ttft_s", ttft_s)):
        if target is not None:
            positive(target, name)
    if catalogue is None:
        from chipwise.catalogue import load_catalogue

        catalogue = load_catalogue()
    chip, model = resolve(chip, model, catalogue)
    precision, kv = weight_precision_of(chip, model, weight_precision), kv_precision_of(kv_precision)
    memory, widest = engine_memory_bytes(chip), group_limit(chip, catalogue.server_of(chip.id))
    request = Request(input_tokens=tokens_in, output_tokens=tokens_out, tpot_s=tpot_s, ttft_s=ttft_s)
    tried = compiled(
        chip,
        model,
        groups(model, widest),
        precision=precision,
        kv_precision=kv,
        engine=engine,
        catalogue=catalogue,
    )
    late = (
        factor(calibration, chip.id, "closed", "tpot_mean_ms"),
        factor(calibration, chip.id, "closed", "ttft_mean_ms"),
    )
    found = best(
        tried,
        tokens_in,
        tokens_out,
        None if tpot_s is None else tpot_s / late[0],
        None if ttft_s is None else ttft_s / late[1],
    )
    return _infeasible(tried, memory, request) if found is None else _serving_yield(tried, found, request, calibration)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Mean request and targets."""

    input_tokens: float
    output_tokens: float
    tpot_s: float | None
    ttft_s: float | None


def positive(value: float, place: str) -> float:
    """`value` if it is a positive finite number, else an error that names it."""
    if not 0 < value < float("inf"):
        raise InputError(f"{value!r} is not positive", place=place, allowed="a positive number")
    return value


def bound_of(found: Candidate, request: Request) -> str:
    """What stops one more request, or what the step waits for when only the engine's own limit does."""
    setup, batch = found.setup, float(found.batch)
    if request.tpot_s is not None or request.ttft_s is not None:
        following = KNOTS[int(KNOTS.searchsorted(batch, side="right")) :]
        if following.size and following[0] <= found.most:
            return "latency target"
    if found.most < engine_constant(setup.engine, "batch_cap") * setup.layout.data:
        return "memory capacity"
    chips = setup.layout.chips
    own = batch / setup.layout.data
    read = weight_bytes_per_chip(setup) + own * float(cache_bytes_per_chip(setup, request.output_tokens))
    peak = setup.profile.peaks.get(setup.precision) or max(
        setup.profile.peaks.get("bf16", 0.0), setup.profile.peaks.get("fp16", 0.0)
    )
    compute = 2.0 * setup.model.params_matmul_active * batch / (chips * peak)
    prompt = float(found.load.prompt_s) * batch / request.output_tokens
    return "compute" if compute + prompt > read / setup.profile.bytes_per_s else "memory bandwidth"


def _estimate(
    found: Candidate,
    metric: str,
    value: float,
    unit: str,
    facts: tuple[str, ...],
    parts: Mapping[str, float] | None = None,
    calibration: ServingCalibration | None = None,
) -> Estimate:
    setup = found.setup
    regime = "max_load" if metric == "output_tps_per_chip" else "closed"
    value *= factor(calibration, setup.chip.id, regime, metric)
    low, high = bounds(calibration, setup.evidence, setup.chip, regime, metric, value)
    return Estimate(
        value=value,
        low=low,
        high=high,
        unit=unit,
        method="closed form on the operator tables and the engine's own time",
        evidence=EVIDENCE[setup.evidence],
        breakdown=parts or {},
        facts=facts,
    )


def _serving_yield(
    tried: Compiled, found: Candidate, request: Request, calibration: ServingCalibration | None
) -> ServingYield:
    setup = found.setup
    facts = facts_of(setup)
    context = request.input_tokens + request.output_tokens / 2.0
    parts = breakdown(tried, found, context)
    rate = _estimate(
        found, "output_tps_per_chip", found.output_tokens_per_s_per_chip, "token/s", facts, None, calibration
    )
    return ServingYield(
        chip_id=setup.chip.id,
        model_id=setup.model.id,
        feasible=True,
        why_not="",
        input_tokens=request.input_tokens,
        output_tokens=request.output_tokens,
        weight_precision=setup.precision,
        kv_precision=setup.kv_precision,
        chips_per_replica=setup.layout.chips,
        batch=found.batch,
        tpot_s=_estimate(found, "tpot_mean_ms", float(found.load.tpot_s), "s", facts, parts, calibration),
        ttft_s=_estimate(found, "ttft_mean_ms", float(found.load.ttft_s), "s", facts, None, calibration),
        tokens_per_s_per_chip=rate.scaled(1.0 + request.input_tokens / request.output_tokens),
        output_tokens_per_s_per_chip=rate,
        kv_tokens_capacity=cache_tokens(setup, context),
        bound=bound_of(found, request),
        evidence=EVIDENCE[setup.evidence],
        facts=facts,
        breakdown=parts,
        notes=_notes(setup),
    )


def _notes(setup: Setup) -> tuple[str, ...]:
    notes = []
    if setup.sheet:
        notes.append(
            "no kernel of this chip or its family was measured: data sheet times what other chips reach; "
            "its software may reach less"
        )
    if setup.chip.rate_ranges or setup.chip.field_ranges:
        notes.append("the chip's figures are a range; the interval carries it")
    return tuple(notes)


def _infeasible(tried: Compiled, memory_bytes: float, request: Request) -> ServingYield:
    """What the widest group says: out of memory, or too slow for the targets."""
    place = max(at for at, setup in enumerate(tried.setups) if setup.layout.data == 1)
    setup = tried.setups[place]
    chips = setup.layout.chips
    alone = float(tried.most_requests(place, request.input_tokens, request.output_tokens)) >= 1.0
    if alone:
        load = one_request(tried, place, request.input_tokens, request.output_tokens)
        targets = [f"TPOT {request.tpot_s * 1e3:g} ms"] if request.tpot_s is not None else []
        targets += [f"TTFT {request.ttft_s * 1e3:g} ms"] if request.ttft_s is not None else []
        why = f"even one request misses {' and '.join(targets)}: "
        why += f"TPOT {float(load.tpot_s) * 1e3:.0f} ms, TTFT {float(load.ttft_s) * 1e3:.0f} ms on {chips} chip(s)"
    else:
        weights = weight_bytes_per_chip(setup) * chips
        why = (
            f"{weights / 1e9:,.0f} GB of {setup.precision} weights and one request "
            f"do not fit {chips} chip(s) with {chips * memory_bytes / 1e9:,.0f} GB for an engine"
        )
        why += "; no server or scale-up domain of this chip is known" if chips == 1 else ""
    context = request.input_tokens + request.output_tokens / 2.0
    return ServingYield(
        chip_id=setup.chip.id,
        model_id=setup.model.id,
        feasible=False,
        why_not=why,
        input_tokens=request.input_tokens,
        output_tokens=request.output_tokens,
        weight_precision=setup.precision,
        kv_precision=setup.kv_precision,
        chips_per_replica=chips,
        batch=0,
        tpot_s=None,
        ttft_s=None,
        tokens_per_s_per_chip=None,
        output_tokens_per_s_per_chip=None,
        kv_tokens_capacity=cache_tokens(setup, context),
        bound="latency target" if alone else "memory capacity",
        evidence=EVIDENCE[setup.evidence],
        facts=facts_of(setup),
        breakdown={},
        notes=_notes(setup),
    )
