"""Two kinds of chip in one run: each holds whole pipeline stages, layers dealt so that stages take the same time."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from chipwise.core.errors import InfeasiblePlan, InputError
from chipwise.core.fact import Estimate
from chipwise.perf.peaks import peak_fact_id, peak_spread
from chipwise.perf.train.memory import memory
from chipwise.perf.train.objects import Layout, Shape
from chipwise.perf.train.resolve import MEMORY_SHARE
from chipwise.perf.train.run import Problem, best_run
from chipwise.perf.train.space import divisors
from chipwise.perf.train.spread import RUNGS, interval_factor, rung_of
from chipwise.perf.train.step import step_time


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedPart:
    """What one kind of chip does.

    Parameters
    ----------
    stages, layers : int
        Pipeline stages it holds, and layers in all of them.
    stage_s : float
        Time of one micro-batch in one of them, s.
    mem_bytes : float
    """

    chip_id: str
    chips: int
    tp: int
    stages: int
    layers: int
    stage_s: float
    mem_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedRun:
    """A run on two kinds of chip.

    Parameters
    ----------
    dp, accum : int
        Data ranks, common to both; micro-batches of one sequence.
    recompute : float
        Share of activations done again.
    step_s : Estimate
        Time of one step, s; the interval is that of the chip less is known of.
    tokens_per_s : Estimate
        Of both parts together.
    alone : tuple of (str, float or None)
        Tokens/s of each part by itself with its best layout; None where the model does not fit it.
    parts : tuple of MixedPart
    """

    dp: int
    accum: int
    recompute: float
    step_s: Estimate
    tokens_per_s: Estimate
    alone: tuple[tuple[str, float | None], ...]
    parts: tuple[MixedPart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    """One way to deal layers, before intervals."""

    dp: int
    accum: int
    recompute: float
    step_s: float
    parts: tuple[MixedPart, ...]


RECOMPUTED = (0.0, 0.5, 1.0)
"""Shares of activations done again that are tried: the cheapest parts first."""


def mixed_run(first: Problem, second: Problem) -> MixedRun:
    """The best split of a model over two kinds of chip.

    Parameters
    ----------
    first, second : Problem
        The same model, sequence and batch on each kind, with the chips there are of it.

    Raises
    ------
    InputError
        The two ask for different work.
    InfeasiblePlan
        No split fits.

    Notes
    -----
    Step = (micro-batches + stages - 1) x slowest stage + the larger of what each part adds once a step. Traffic
    between the parts goes over the slower network of the two and is counted with the stage.
    """
    if (first.model.id, first.seq, first.batch) != (second.model.id, second.seq, second.batch):
        raise InputError("two different runs", place="mixed run", allowed="the same model, sequence and batch")
    options = [
        found
        for dp in divisors(first.batch)
        if dp <= min(first.chips, second.chips)
        for recompute in RECOMPUTED
        for found in (_with_ranks(first, second, dp, recompute),)
        if found is not None
    ]
    if not options:
        raise InfeasiblePlan(
            f"{first.model.id} does not fit {first.chips} {first.chip.id} and {second.chips} {second.chip.id} together",
            place="mixed run",
            allowed="more chips, or shorter sequences",
        )
    best = min(options, key=lambda run: run.step_s)
    step = _interval(first, second, best.step_s)
    tokens = float(best.dp * best.accum * first.seq)
    return MixedRun(
        dp=best.dp,
        accum=best.accum,
        recompute=best.recompute,
        step_s=step,
        tokens_per_s=dataclasses.replace(
            step, value=tokens / step.value, low=tokens / step.high, high=tokens / step.low, unit="token/s"
        ),
        alone=tuple((problem.chip.id, _alone(problem)) for problem in (first, second)),
        parts=best.parts,
    )


def _alone(problem: Problem) -> float | None:
    run = best_run(problem)
    return None if run is None else run.tokens_per_step / run.step_s.value


def _interval(first: Problem, second: Problem, seconds: float) -> Estimate:
    """The wider of both intervals, and a little for layers that were dealt here."""
    ends, rungs = [], []
    for problem in (first, second):
        rung = rung_of(problem.chip, problem.terms)
        factor = interval_factor(rung, mixture=bool(problem.model.n_experts), blank=True, said=problem.stack_said)
        down, up = peak_spread(problem.chip, problem.precision)
        ends.append((math.hypot(math.log(factor), math.log(up)), math.hypot(math.log(factor), math.log(down))))
        rungs.append(list(RUNGS).index(rung))
    low, high = (max(end[place] for end in ends) for place in (0, 1))
    return Estimate(
        value=seconds,
        low=seconds * math.exp(-low),
        high=seconds * math.exp(high),
        unit="s",
        method="closed-form stages of both kinds of chip, layers dealt by speed; no mixed run was measured",
        evidence=list(RUNGS.values())[max(rungs)],
        facts=tuple(peak_fact_id(problem.chip, problem.precision) for problem in (first, second)),
    )


def _with_ranks(first: Problem, second: Problem, dp: int, recompute: float) -> _Split | None:
    best: _Split | None = None
    for tp_first in _ways(first, dp):
        for tp_second in _ways(second, dp):
            found = _dealt(first, second, dp, tp_first, tp_second, recompute)
            if found is not None and (best is None or found.step_s < best.step_s):
                best = found
    return best


def _ways(problem: Problem, dp: int) -> list[int]:
    """Tensor ways whose stages are whole: ``chips = dp x tp x stages``."""
    if problem.chips % dp:
        return []
    most = min(int(problem.device.domain), 8)
    return [n for n in divisors(problem.chips // dp) if n <= most and int(problem.shape.heads) % n == 0]


def _dealt(first: Problem, second: Problem, dp: int, tp_first: int, tp_second: int, recompute: float) -> _Split | None:
    """Deal layers in proportion to speed; None where a part would be empty or does not fit."""
    stages = [first.chips // (dp * tp_first), second.chips // (dp * tp_second)]
    layers, accum = int(first.shape.layers), first.batch // dp
    if sum(stages) > layers or sum(stages) > 64:
        return None
    one = [
        _stage(problem, tp, dp, accum, sum(stages), layers, recompute)
        for problem, tp in ((first, tp_first), (second, tp_second))
    ]
    speed = [count / seconds for count, (seconds, _) in zip(stages, one, strict=True)]
    mine = max(stages[0], min(layers - stages[1], round(layers * speed[0] / sum(speed))))
    parts = []
    for problem, tp, count, held, (seconds, once) in zip(
        (first, second), (tp_first, tp_second), stages, (mine, layers - mine), one, strict=True
    ):
        most = math.ceil(held / count)
        used = _held_bytes(problem, tp, dp, accum, sum(stages), most, recompute)
        if used > MEMORY_SHARE * float(problem.device.mem_bytes):
            return None
        parts.append((problem, tp, count, held, seconds * most, once, used))
    slowest = max(part[4] for part in parts)
    return _Split(
        dp=dp,
        accum=accum,
        recompute=recompute,
        step_s=(accum + sum(stages) - 1) * slowest + max(part[5] for part in parts),
        parts=tuple(
            MixedPart(
                chip_id=problem.chip.id, chips=problem.chips, tp=tp, stages=count, layers=held, stage_s=seconds,
                mem_bytes=used,
            )
            for problem, tp, count, held, seconds, _, used in parts
        ),
    )  # fmt: skip


def _layout(problem: Problem, tp: int, dp: int, accum: int, stages: int, recompute: float) -> Layout:
    return Layout(
        seq=float(problem.seq), tp=float(tp), pp=float(stages), dp=float(dp), shard=float(dp), accum=float(accum),
        sp=1.0 if tp > 1 else 0.0, gradient_bytes=2.0, recompute=recompute, fine=1.0,
    )  # fmt: skip


ONCE = ("data traffic", "optimizer", "offload")
WAITING = ("pipeline bubble", "stage imbalance", "stragglers")


def _stage(
    problem: Problem, tp: int, dp: int, accum: int, stages: int, layers: int, recompute: float
) -> tuple[float, float]:
    """Seconds of one layer and micro-batch, and what is added once a step, as if every stage were of this kind."""
    layout = _layout(problem, tp, dp, accum, stages, recompute)
    step = step_time(problem.shape, layout, problem.device, problem.stack, problem.terms)
    once = sum(float(step.parts[name]) for name in ONCE)
    waiting = sum(float(step.parts[name]) for name in WAITING)
    running = float(step.time_s) - once - waiting
    return running / accum * stages / layers, once


def _held_bytes(problem: Problem, tp: int, dp: int, accum: int, stages: int, most: int, recompute: float) -> float:
    """Memory of the fullest unit with `most` layers a stage."""
    layout = _layout(problem, tp, dp, accum, stages, recompute)
    shape: Shape = problem.shape
    share = most * stages / float(shape.layers)
    grown = dataclasses.replace(
        shape,
        **{
            name: getattr(shape, name) * share
            for name in (
                "layers", "full_layers", "window_layers", "linear_layers", "dense_layers", "moe_layers",
                "params_dense", "params_expert",
            )
        },
    )  # fmt: skip
    return float(memory(grown, layout, problem.stack).total)
