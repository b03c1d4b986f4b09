"""A collective on one group of one machine as a list of stages, each with its curve."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chipwise.perf.collectives.book import CurveBook
from chipwise.perf.collectives.ladder import Curve, tier_curve
from chipwise.perf.collectives.objects import Floats, bytes_on_the_wire
from chipwise.perf.topology.objects import Machine, Tier


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """One tier's part: time at every knot less its latency, and the message of the stage per byte of the whole."""

    time_s: Floats
    knots: tuple[float, ...]
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recipe:
    """Stages of one collective on one group: all latencies, and the longest stage beside the others.

    Parameters
    ----------
    latency_s : float
        Sum over the stages.
    wire : float
        Bytes each chip sends per byte of message.
    evidence : int
        Weakest rung among the stages.
    factor : (KNOTS,) float64
        Widest 90 % factor among them, at every knot of the first stage's message: their errors go together.
    floor_s_per_byte : float
        Least time per byte of message: no interval reaches below what the links can carry.
    """

    stages: tuple[Stage, ...]
    latency_s: float
    wire: float
    evidence: int
    factor: Floats
    factor_knots: tuple[float, ...]
    floor_s_per_byte: float


NOTHING = Recipe(
    stages=(), latency_s=0.0, wire=0.0, evidence=0, factor=np.ones(2), factor_knots=(1.0, 1.0), floor_s_per_byte=0.0
)
"""A group of one."""


@functools.lru_cache(maxsize=8192)
def recipe_of(
    book: CurveBook, machine: Machine, name: str, library: str, payload: str, group: int, per_domain: int | None
) -> Recipe:
    """Stages of `name` on `group` chips.

    Raises
    ------
    InputError
        The group does not fit the machine.
    Undetermined
        A tier it needs is not known.

    Notes
    -----
    With counts n1, n2, … per tier from the inside, tier i handles message / (n1 … n(i-1)); an all-to-all sends the
    share message x n1 … ni / group within tier i. The library cuts a message in pieces and keeps all tiers busy, so
    large messages take as long as the slowest tier, small ones the sum of the latencies. Its rings pass through every
    server: between servers they carry (n - 1)/n of the message for the n chips reached so far, over all adapters.
    """
    if group == 1:
        return NOTHING
    layers = ((machine.tier_of_span(group), 2.0),) if name == "send_recv" else machine.layers(group, per_domain)
    parts: list[tuple[Curve, float]] = []
    inside = 1.0
    for tier, count in layers:
        curve = tier_curve(book, tier, _blocks(machine, tier), name, library, payload, count)
        scale = inside * count / group if name == "all_to_all" else 1.0 / inside
        if tier.kind == "network" and name not in ("all_to_all", "send_recv"):
            scale *= bytes_on_the_wire(name, inside * count) / bytes_on_the_wire(name, count)
        parts.append((curve, scale))
        inside *= count
    overlapped = len(parts) > 1 and name != "all_to_all"
    stages = []
    for curve, scale in parts:
        time = curve.time_s - curve.time_s[0] if overlapped else curve.time_s
        stages.append(Stage(time_s=time, knots=tuple(time.tolist()), scale=scale))
    factor = _widest(parts)
    return Recipe(
        stages=tuple(stages),
        latency_s=sum(float(curve.time_s[0]) for curve, _ in parts) if overlapped else 0.0,
        wire=bytes_on_the_wire(name, group),
        evidence=max(int(curve.rung) for curve, _ in parts),
        factor=factor,
        factor_knots=tuple(factor.tolist()),
        floor_s_per_byte=max(curve.floor_s_per_byte * scale for curve, scale in parts),
    )


def _widest(parts: Sequence[tuple[Curve, float]]) -> Floats:
    """Widest factor of the stages where the first handles 2**0, 2**1 … bytes."""
    knots = np.arange(len(parts[0][0].factor), dtype=np.float64)
    first = parts[0][1]
    factors = [np.interp(knots + math.log2(scale / first), knots, curve.factor) for curve, scale in parts]
    return np.asarray(np.max(factors, axis=0), dtype=np.float64)


def _blocks(machine: Machine, tier: Tier) -> int:
    """Blocks of the next inner tier that `tier` joins."""
    position = machine.tiers.index(tier)
    below = machine.tiers[position - 1].chips if position else 1
    return max(1, round(tier.chips / below))
