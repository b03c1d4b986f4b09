"""Search over a space of layouts: memory first, then time, block by block; the best are kept."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chipwise.perf.train.memory import memory
from chipwise.perf.train.objects import Device, Layout, Shape, Stack
from chipwise.perf.train.resolve import MEMORY_SHARE
from chipwise.perf.train.space import Block, Option
from chipwise.perf.train.step import optimizer_shards, own_weights, step_time
from chipwise.perf.train.terms import Terms

CHUNK = 16384
"""Layouts evaluated at a time."""

HOST_BYTES = 512.0 * 2**30
"""Host memory one unit may use for what is offloaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a search holds fixed."""

    shape: Shape
    device: Device
    stack: Stack
    terms: Terms
    seq: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Outcome of a search.

    Parameters
    ----------
    space : int
        Layouts of the space.
    evaluated : int
        Layouts decided, by proof or by evaluation.
    pruned : int
        Decided without a time: links that do not reach, memory that does not suffice.
    feasible : int
    seconds : float
    layouts : tuple of Layout
        Best first.
    times_s : tuple of float
    """

    space: int
    evaluated: int
    pruned: int
    feasible: int
    seconds: float
    layouts: tuple[Layout, ...]
    times_s: tuple[float, ...]


def grid(axes: tuple[tuple[Option, ...], ...]) -> dict[str, Any]:
    """Fields of every combination of options, as flat arrays."""
    sizes = [len(axis) for axis in axes]
    total = int(np.prod(sizes)) if sizes else 1
    out: dict[str, Any] = {}
    inner = total
    for axis in axes:
        inner //= len(axis)
        place = np.arange(total) // inner % len(axis)
        for position, (name, _) in enumerate(axis[0]):
            out[name] = np.array([option[position][1] for option in axis])[place]
    return out


def layout_of(block: Block, seq: float, values: dict[str, Any]) -> Layout:
    """Layout of arrays from the fields of a block and of a grid."""
    fields = {name: float(value) for name, value in block.fixed}
    fields |= values
    dp, mbs = fields["dp"], fields.get("mbs", 1.0)
    fields["accum"] = block.batch / (dp * mbs)
    fields["shard"] = dp * fields.get("cp", 1.0)
    return Layout(seq=seq, **fields)


def links_reach(block: Block, device: Device, timed: dict[str, Any]) -> Any:
    """Which combinations of links reach their groups."""
    fixed = dict(block.fixed)
    tp, pp, dp = (float(fixed[name]) for name in ("tp", "pp", "dp"))
    domain = float(device.domain)
    right = np.ones(max((len(value) for value in timed.values()), default=1), dtype=bool)
    for name, span in (("tp_net", tp), ("pp_net", tp * pp), ("dp_net", tp * pp * dp)):
        if name in timed and span > domain:
            right &= timed[name] != 0.0
    return right


def fits(setting: Setting, layout: Layout) -> Any:
    """Whether a layout fits device and host memory."""
    room = MEMORY_SHARE * setting.device.mem_bytes
    right = memory(setting.shape, layout, setting.stack).total <= room
    off = layout.offload_optimizer
    if np.any(off):
        dense, expert = own_weights(setting.shape, layout)
        split, split_expert = optimizer_shards(layout)
        right = right & (off * 12.0 * (dense / split + expert / split_expert) <= HOST_BYTES)
    return right


def seconds_of(setting: Setting, layout: Layout) -> Any:
    """Step times."""
    return step_time(setting.shape, layout, setting.device, setting.stack, setting.terms).time_s


def search(setting: Setting, blocks: Iterable[Block], *, top: int = 10) -> Found:
    """The fastest layouts of a space.

    Notes
    -----
    Per block: links that cannot reach are struck out; memory is worked out on the axes it depends on; time only for
    what is left. Nothing feasible is skipped, so the first layout is the best of the space under the model. Batches
    differ between blocks only where data ranks do not divide the batch: the order is by time per sequence.
    """
    began = time.perf_counter()
    space = pruned = feasible = 0
    best: list[tuple[float, float, Layout, int]] = []
    for block in blocks:
        space += block.size
        timed = grid(block.timed)
        reach = links_reach(block, setting.device, timed)
        times = {name: value[reach] for name, value in timed.items()}
        ways = int(reach.sum())
        held = grid(block.held)
        right = np.flatnonzero(np.broadcast_to(fits(setting, layout_of(block, setting.seq, held)), _length(held)))
        count = right.size * ways
        pruned += block.size - count
        feasible += count
        for start in range(0, count, CHUNK):
            place = np.arange(start, min(start + CHUNK, count))
            values = {name: value[right[place // ways]] for name, value in held.items()}
            values |= {name: value[place % ways] for name, value in times.items()}
            layout = layout_of(block, setting.seq, values)
            seconds = np.broadcast_to(seconds_of(setting, layout), place.size)
            bar = best[-1][0] if len(best) >= top else np.inf
            better = np.flatnonzero(seconds / block.batch < bar)
            if better.size > top:
                better = better[np.argpartition(seconds[better], top - 1)[:top]]
            best += [(float(seconds[i]) / block.batch, float(seconds[i]), layout, int(i)) for i in better]
            best = sorted(best, key=lambda entry: entry[0])[:top]
    return Found(
        space=space,
        evaluated=space,
        pruned=pruned,
        feasible=feasible,
        seconds=time.perf_counter() - began,
        layouts=tuple(one_layout(layout, place) for _, _, layout, place in best),
        times_s=tuple(seconds for _, seconds, _, _ in best),
    )


def _length(held: dict[str, Any]) -> int:
    return max((len(value) for value in held.values()), default=1)


def one_layout(layout: Layout, place: int) -> Layout:
    """One row of a layout of arrays, as numbers."""
    fields = {item.name: getattr(layout, item.name) for item in dataclasses.fields(layout)}
    return Layout(
        **{name: float(value[place]) if getattr(value, "ndim", 0) else float(value) for name, value in fields.items()}
    )


def pareto(times: Any, memories: Any) -> Any:
    """Indices no other beats in both, by time."""
    order = np.lexsort((memories, times))
    least = np.minimum.accumulate(memories[order])
    keep = np.r_[True, memories[order][1:] < least[:-1]]
    return order[keep]
