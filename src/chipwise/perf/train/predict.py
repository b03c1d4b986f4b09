"""Predictions for measured runs: open fields filled in, all runs in one call."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from chipwise.perf.peaks import peak_spread
from chipwise.perf.train.cases import Case
from chipwise.perf.train.memory import memory
from chipwise.perf.train.objects import Layout, stacked
from chipwise.perf.train.resolve import MEMORY_SHARE, Open, Question, resolve
from chipwise.perf.train.spread import RUNGS, interval_factor, rung_of
from chipwise.perf.train.step import step_time
from chipwise.perf.train.terms import Terms

OVERFLOW = 1.05
"""Memory predicted above the room by more than this is called out of memory."""

MEMORY_FACTOR = 1.35
"""90 % interval of a predicted memory, factor either way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the model says of one measured run.

    Parameters
    ----------
    step_s, tokens_per_s : float
        Time of a step; tokens/s per unit the row counts.
    factor_down, factor_up : float
        90 % interval of the time as factors.
    mem_bytes : float
    out_of_memory : bool
    layout : Layout
        With what was chosen.
    evidence : str
    """

    step_s: float
    tokens_per_s: float
    factor_down: float
    factor_up: float
    mem_bytes: float
    out_of_memory: bool
    layout: Layout
    evidence: str


def question_of(case: Case) -> Question:
    """The axes that a case leaves open."""
    known = case.known
    free = Open(
        tp=not known.tp,
        pp=not known.pp,
        vpp=not known.vpp,
        mbs=not known.mbs,
        cp=not known.cp,
        zero=not known.zero,
        recompute=not known.recompute,
    )
    return Question(
        shape=case.shape,
        layout=case.layout,
        device=case.device,
        stack=case.stack,
        free=free,
        units=case.units,
        gbs=case.gbs,
    )


def predict(cases: list[Case], terms: Terms) -> list[Prediction]:
    """Time and memory of every case."""
    if not cases:
        return []
    found = resolve([question_of(case) for case in cases], terms)
    layout = stacked([layout for layout, _ in found])
    shape, stack = stacked([case.shape for case in cases]), stacked([case.stack for case in cases])
    device = stacked([case.device for case in cases])
    seconds = np.asarray(step_time(shape, layout, device, stack, terms).time_s)
    used = np.broadcast_to(memory(shape, layout, stack).total, seconds.shape)
    room = np.asarray(MEMORY_SHARE * device.mem_bytes)
    tokens = np.asarray(layout.mbs * layout.accum * layout.dp * layout.seq)
    return [
        _prediction(case, terms, float(s), float(n), float(m), float(r), chosen)
        for case, s, n, m, r, (chosen, _) in zip(cases, seconds, tokens, used, room, found, strict=True)
    ]


def _prediction(
    case: Case, terms: Terms, seconds: float, tokens: float, used: float, room: float, layout: Layout
) -> Prediction:
    rung = rung_of(case.chip, terms)
    blank = not case.known.full
    factor = math.log(interval_factor(rung, mixture=case.mixture, blank=blank))
    down, up = peak_spread(case.chip, case.precision)
    notes = [f"{RUNGS[rung]}"]
    if blank:
        notes.append("open layout: the best found")
    if not case.known.recompute:
        notes.append("recomputation not stated: the least that fits")
    notes += case.assumed
    return Prediction(
        step_s=seconds,
        tokens_per_s=tokens / seconds / case.row_chips,
        factor_down=math.exp(math.hypot(factor, math.log(up))),
        factor_up=math.exp(math.hypot(factor, math.log(down))),
        mem_bytes=used,
        out_of_memory=used > OVERFLOW * room,
        layout=layout,
        evidence="; ".join(notes),
    )
