"""One model on one chip under a named load: fixed concurrency, saturation, static batch, arrivals, MLPerf."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from chipwise.core.errors import InputError, OutsideModelRange
from chipwise.core.fact import Estimate
from chipwise.perf.infer.answer import Answer, Goodput, NotServed
from chipwise.perf.infer.asked_load import REGIMES, Asked, check, completed, lengths_of
from chipwise.perf.infer.bill import cost_of, over, power_of_chip
from chipwise.perf.infer.compiled import Compiled, compiled
from chipwise.perf.infer.layouts import cannot_be, space, too_long
from chipwise.perf.infer.open_loop import open_load
from chipwise.perf.infer.operate import most_running, prepared
from chipwise.perf.infer.options import Options
from chipwise.perf.infer.own_points import bounds
from chipwise.perf.infer.question import Question
from chipwise.perf.infer.setup import Layout, facts_of
from chipwise.perf.infer.states import State, merit, states_of
from chipwise.perf.infer.terms import engine_constant
from chipwise.perf.infer.versions import host_factor
from chipwise.perf.infer.why import why_not
from chipwise.perf.machine import group_limit, kv_precision_of, weight_precision_of
from chipwise.perf.operators import EVIDENCE


def answer_load(asked: Asked, catalogue: Any) -> Answer | NotServed:
    """What the set-up, or the best layout for the load, yields.

    Raises
    ------
    InputError
        A load, number or layout that cannot be.
    Undetermined
        A needed figure of the chip is not published.
    """
    asked = completed(asked)
    check(asked)
    limit = group_limit(asked.chip, catalogue.server_of(asked.chip.id))
    lengths = lengths_of(asked)
    if asked.layout is not None:
        refused = cannot_be(asked.model, asked.layout, chips=asked.chips, tensor_limit=limit, engine=asked.engine)
        if refused:
            raise InputError(refused, place="--layout", allowed="a layout an engine takes")
        layouts: tuple[Layout, ...] = (asked.layout,)
    else:
        layouts = space(asked.model, asked.chips, tensor_limit=limit, input_tokens=lengths[0], engine=asked.engine)
    factor, said = host_factor(asked.engine, asked.engine_version)
    options = dataclasses.replace(asked.options, host_factor=factor * asked.options.host_factor)
    precision = weight_precision_of(asked.chip, asked.model, asked.weight_precision)
    found = prepared(
        compiled(
            asked.chip,
            asked.model,
            layouts,
            precision=precision,
            kv_precision=kv_precision_of(asked.kv_precision),
            engine=asked.engine,
            catalogue=catalogue,
            draft=options.draft_tokens,
        ),
        options,
    )
    states = list(states_of(asked, options, found))
    if not states:
        return NotServed(model_id=asked.model.id, chip_id=asked.chip.id, cause=_nothing(asked, options, found, lengths))
    best = max(states, key=lambda state: merit(asked, state, found))
    if asked.load.startswith("mlperf"):
        said_formats = (
            f"MLPerf lengths, targets and usual formats: {precision} weights, fp8 cache where the chip has fp8"
        )
        best = dataclasses.replace(best, notes=(*best.notes, said_formats))
    own = ("calibrated on own measured points",) if asked.calibration is not None else ()
    version = (f"{asked.engine} {asked.engine_version}: {said}",) if said else ()
    notes = (*best.notes, *own, *too_long(asked.model, sum(lengths)), *version)
    return _answer(asked, found, best, lengths, notes, catalogue)


def _held_tokens(found: Compiled, place: int, context: float) -> float:
    """Tokens whose cache one copy holds, in requests of `context` tokens, in whole blocks."""
    each = float(found.cache_bytes(place, context)) / context
    if each <= 0.0:
        return float("inf")
    block = engine_constant(found.setup.engine, "block_tokens")
    return float(found.room[place] / each // block * block * found.data[place])


def _nothing(asked: Asked, options: Options, found: Compiled, lengths: tuple[float, float]) -> str:
    """Why no layout carries the load."""
    question = Question(
        model=asked.model,
        chip=asked.chip,
        decode_chip=asked.chip,
        chips=asked.chips,
        input_tokens=lengths[0],
        output_tokens=lengths[1],
        engines=(asked.engine,),
        weight_precisions=(),
        kv_precisions=(),
        tensor_limits=(1, 1),
        catalogue=None,
        tpot_s=None if asked.load == "open" else asked.tpot_s,
        ttft_s=None if asked.load == "open" else asked.ttft_s,
        load=REGIMES[asked.load],
        options=options,
    )
    place = int(np.argmax(found.room * found.chips))
    cause = why_not(found, place, question)
    if cause:
        return cause
    if asked.load == "open":
        every = np.arange(len(found.setups))
        most = most_running(found, options, every, *lengths)
        rate = (asked.rate or 0.0) / (asked.chips // found.chips[place])
        try:
            open_load(found, options, place, rate, *lengths, most=float(most[place]), variation=asked.variation)
        except OutsideModelRange as error:
            return error.message
    return f"a batch of {asked.batch:g} does not fit: {float(most_running(found, options, place, *lengths)):g} do"


def _answer(
    asked: Asked,
    found: Compiled,
    state: State,
    lengths: tuple[float, float],
    notes: tuple[str, ...],
    catalogue: Any,
) -> Answer:
    setup, place = found.setups[state.place], state.place
    evidence, facts = EVIDENCE[setup.evidence], facts_of(setup)

    def estimate(metric: str, value: float, unit: str) -> Estimate:
        low, high = bounds(asked.calibration, setup.evidence, setup.chip, REGIMES[asked.load], metric, value)
        method = "closed form on the operator tables and the engine's own time"
        return Estimate(value=value, low=low, high=high, unit=unit, method=method, evidence=evidence, facts=facts)

    prompt, output = lengths
    tpot, ttft = estimate("tpot_mean_ms", state.tpot_s, "s"), estimate("ttft_mean_ms", state.ttft_s, "s")
    stay = state.ttft_s + state.tpot_s * (output - 1.0)
    latency = dataclasses.replace(
        tpot,
        value=stay,
        low=ttft.low + tpot.low * (output - 1.0),
        high=ttft.high + tpot.high * (output - 1.0),
        method="time to the first token and the gaps after it",
    )
    rate = estimate("output_tps_per_chip", state.rate * output / setup.layout.chips, "token/s")
    if asked.load == "open":
        rate = dataclasses.replace(rate, low=rate.value, high=rate.value, method="as many as arrive")
    power = power_of_chip(
        setup,
        catalogue,
        requests_per_s=state.rate,
        batch=max(state.batch, 1.0),
        input_tokens=prompt,
        output_tokens=output,
    )
    cost, priced = cost_of(asked.chip.id, rate, catalogue, asked.usd_per_chip_hour)
    good = None
    if state.within is not None:
        good = Goodput(
            share=state.within,
            requests_per_s=state.within * state.rate * state.copies,
            tpot_s=asked.tpot_s,
            ttft_s=asked.ttft_s,
        )
    return Answer(
        model_id=asked.model.id,
        chip_id=asked.chip.id,
        engine=asked.engine,
        load=asked.load,
        layout=setup.layout,
        copies=state.copies,
        batch=state.batch,
        in_flight=state.rate * state.copies * stay,
        input_tokens=prompt,
        output_tokens=output,
        weight_precision=setup.precision,
        kv_precision=setup.kv_precision,
        requests_per_s=state.rate * state.copies,
        tpot_s=tpot,
        tpot_with_first_s=latency.scaled(1.0 / output),
        ttft_s=ttft,
        latency_s=latency,
        output_tokens_per_s_per_chip=rate,
        goodput=good,
        cache_tokens=_held_tokens(found, place, prompt + output / 2.0),
        cache_room_bytes=float(found.room[place]),
        weight_bytes=float(found.weights[place]),
        power_w=power,
        energy_j_per_token=None
        if power is None
        else over(power, rate, 1.0, "J", "draw of a chip with its share of the server over its output tokens"),
        usd_per_million_tokens=cost,
        evidence=evidence,
        facts=facts,
        breakdown={"step_s": state.step_s, "prompts_s": max(state.tpot_s - state.step_s, 0.0)},
        notes=(*notes, priced),
    )
