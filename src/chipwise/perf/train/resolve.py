"""Fill in what a run leaves open: the fastest layout that fits, and the least recomputation that does."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from chipwise.perf.train.memory import memory
from chipwise.perf.train.objects import Device, Layout, Shape, Stack, stacked, taken
from chipwise.perf.train.step import step_time
from chipwise.perf.train.terms import Terms

MEMORY_SHARE = 1.02
"""Share of the data-sheet memory a process can have: DRAM counts in GiB, data sheets say GB, drivers keep 5 %."""

USUAL_ACCUMULATION = 32.0
"""Micro-batches of a step where the batch is not stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Axes of the layout that are free."""

    tp: bool = False
    pp: bool = False
    vpp: bool = False
    mbs: bool = False
    cp: bool = False
    zero: bool = False
    recompute: bool = False

    @property
    def any(self) -> bool:
        """Whether a choice between layouts is left (recomputation follows from memory)."""
        return self.tp or self.pp or self.vpp or self.mbs or self.cp or self.zero


def divisors(number: int, most: int) -> list[int]:
    """Divisors up to `most`, ascending."""
    return [value for value in range(1, min(number, most) + 1) if number % value == 0]


def candidates(shape: Shape, layout: Layout, device: Device, free: Open, units: float, gbs: float) -> list[Layout]:
    """Layouts that agree with what is stated; divisible by construction."""
    count, layers, heads = round(units), round(float(shape.layers)), round(float(shape.heads))
    domain = int(float(device.domain))
    tps = [n for n in (1, 2, 4, 8) if n <= min(domain, count) and heads % n == 0] if free.tp else [int(layout.tp)]
    pps = [n for n in divisors(layers, min(64, count)) if n <= 16] if free.pp else [int(layout.pp)]
    cps = [1, 2, 4, 8, 16] if free.cp else [int(layout.cp)]
    out = []
    for tp, pp, cp in itertools.product(tps, pps, cps):
        if count % (tp * pp * cp):
            continue
        dp = count // (tp * pp * cp)
        chunks = divisors(layers // pp, 16) if free.vpp and pp > 1 else [int(layout.vpp)]
        batch = gbs if gbs == gbs else dp * USUAL_ACCUMULATION
        sizes = [n for n in (1, 2, 4, 8) if n * dp <= batch * (1 + 1e-9)] if free.mbs else [float(layout.mbs)]
        zeros = (1.0, 3.0) if free.zero and pp == 1 else (float(layout.zero),)
        if free.cp and not free.mbs and dp * sizes[0] > batch * (1 + 1e-9):
            continue
        for vpp, mbs, zero in itertools.product(chunks, sizes, zeros):
            if vpp > 1 and batch / (dp * mbs) < pp:
                continue
            sp = 1.0 if free.tp and tp > 1 else float(layout.sp)
            out.append(
                dataclasses.replace(
                    layout,
                    tp=tp,
                    pp=pp,
                    cp=cp,
                    dp=dp,
                    vpp=vpp,
                    mbs=mbs,
                    zero=zero,
                    sp=sp,
                    shard=float(layout.shard) if not free.tp and not free.zero else dp * cp,
                    accum=max(batch / (dp * mbs), 1e-9)
                    if free.mbs or free.tp or free.pp or layout.accum != layout.accum
                    else layout.accum,
                )
            )
    return out or [_as_stated(layout, gbs)]


def _as_stated(layout: Layout, gbs: float) -> Layout:
    """The stated layout with the batch it has, where no even one agrees with what is stated."""
    if gbs != gbs:
        accum = layout.accum if layout.accum == layout.accum else USUAL_ACCUMULATION
        return dataclasses.replace(layout, accum=accum)
    mbs = min(float(layout.mbs), gbs / float(layout.dp))
    return dataclasses.replace(layout, mbs=mbs, accum=max(gbs / (float(layout.dp) * mbs), 1.0))


def least_recompute(shape: Shape, layout: Layout, stack: Stack, room: Any) -> tuple[Layout, Any]:
    """The smallest share of recomputed layers that fits, and whether it then fits.

    Parameters
    ----------
    room : array, byte
    """
    none = memory(shape, dataclasses.replace(layout, recompute=0.0 * room), stack).total
    full = memory(shape, dataclasses.replace(layout, recompute=1.0 + 0.0 * room), stack).total
    spare = np.maximum(none - full, 1.0)
    share = np.clip((none - room) / spare, 0.0, 1.0)
    return dataclasses.replace(layout, recompute=share), full <= room


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One run with open axes."""

    shape: Shape
    layout: Layout
    device: Device
    stack: Stack
    free: Open
    units: float
    gbs: float


def resolve(questions: list[Question], terms: Terms) -> list[tuple[Layout, bool]]:
    """The layout of every question, and whether it fits the memory.

    Notes
    -----
    All candidates of all questions are evaluated in one call.
    """
    owner: list[int] = []
    options: list[Layout] = []
    for number, asked in enumerate(questions):
        found = candidates(asked.shape, asked.layout, asked.device, asked.free, asked.units, asked.gbs)
        owner += [number] * len(found)
        options += found
    index = np.array(owner)
    layout = stacked(options)
    shape = taken(stacked([asked.shape for asked in questions]), index)
    device = taken(stacked([asked.device for asked in questions]), index)
    stack = taken(stacked([asked.stack for asked in questions]), index)
    free = np.array([asked.free.recompute for asked in questions])[index]
    room = MEMORY_SHARE * device.mem_bytes
    eased, fits_eased = least_recompute(shape, layout, stack, room)
    stated_fits = memory(shape, layout, stack).total <= room
    layout = dataclasses.replace(layout, recompute=np.where(free, eased.recompute, layout.recompute))
    fits = np.where(free, fits_eased, stated_fits)
    seconds = step_time(shape, layout, device, stack, terms).time_s
    per_token = seconds / (layout.mbs * layout.accum * layout.dp)
    cost = np.where(fits, per_token, 1e6 * per_token)
    order = np.lexsort((cost, index))
    first = np.r_[True, index[order][1:] != index[order][:-1]]
    share = np.asarray(layout.recompute)
    return [(_one(options[place], float(share[place])), bool(fits[place])) for place in order[first]]


def _one(layout: Layout, recompute: float) -> Layout:
    return dataclasses.replace(layout, recompute=recompute)
