"""Slow, obvious twins of the operators: one shape at a time, nodes found by walking the axis."""

from __future__ import annotations

import itertools
import math

from chipwise.perf.operators.objects import MixedKernel, OperatorProfile, Surface
from chipwise.perf.operators.precision import CACHE_BYTES, PRECISIONS

Cost = tuple[float, float, float, float, float]
"""FLOP, bytes, time, low, high."""


def bracket(nodes: list[float], value: float) -> tuple[int, float]:
    """Index of the node at or below, and the fraction of the way to the next."""
    value = min(max(value, nodes[0]), nodes[-1])
    place = 0
    while place + 2 < len(nodes) and nodes[place + 1] <= value:
        place += 1
    return place, (value - nodes[place]) / (nodes[place + 1] - nodes[place])


def table_time(surface: Surface, point: tuple[float, float, float]) -> float:
    """Sum of eight corners by their weights; in proportion past the last node.

    Axes that grow together leave the table together: at its edge, or as many doublings as it takes, whichever is less.
    """
    partner, excess = surface.grid.partner, point[0] / 2.0 ** surface.grid.axes[0].high
    if partner is None or excess <= 1.0:
        return inside_time(surface, point)
    ways = []
    for by in (excess, 2.0 ** math.ceil(math.log2(excess))):
        x, y, z = (value / by if at in (0, partner) else value for at, value in enumerate(point))
        ways.append(by * inside_time(surface, (x, y, z)))
    return min(ways)


def inside_time(surface: Surface, point: tuple[float, float, float]) -> float:
    """Sum of eight corners by their weights; in proportion past the last node of axes that do."""
    axes = [[float(node) for node in axis.nodes()] for axis in surface.grid.axes]
    places = [bracket(nodes, value) for nodes, value in zip(axes, point, strict=True)]
    total = 0.0
    for corner in itertools.product((0, 1), repeat=3):
        weight, index = 1.0, []
        for side, (place, fraction) in zip(corner, places, strict=True):
            weight *= fraction if side else 1.0 - fraction
            index.append(place + side)
        total += weight * float(surface.nodes[tuple(index)])
    for value, nodes, scaled in zip(point, axes, surface.scaled, strict=True):
        if scaled:
            total *= max(value / nodes[-1], 1.0)
    return total


def bounded(surface: Surface, time_s: float, flop: float, moved: float) -> Cost:
    """Time and interval, kept to the data sheet."""
    floor = max(flop / surface.peak_flop_per_s, moved / surface.bytes_per_s)
    time_s = max(time_s, floor)
    return flop, moved, time_s, max(time_s * surface.low_factor, floor), time_s * surface.high_factor


def gemm(profile: OperatorProfile, m: float, n: float, k: float, dtype: str) -> Cost:
    """One product, its weight read once."""
    surface = profile.surface("gemm", dtype)
    widths = PRECISIONS[dtype].widths
    flop = 2.0 * m * n * k
    moved = m * k * widths.activation + k * n * widths.weight + m * n * widths.output
    least = 128.0 if dtype == "fp8_block" else 0.0
    return bounded(surface, table_time(surface, (m, max(n, least), max(k, least))), flop, moved)


def prefill(
    profile: OperatorProfile, sequences: int, new: int, heads: int, kv_heads: int, dim: int, before: int, window: int
) -> Cost:
    """Causal attention, the keys of every query counted one by one; `window` 0 is none."""
    seen = [min(before + place + 1, window or 10**12) for place in range(new)]
    flop = 4.0 * sequences * heads * dim * sum(seen)
    keys = min(before + new, (window or 10**12) + new)
    moved = 4.0 * sequences * heads * new * dim + 4.0 * sequences * kv_heads * keys * dim
    whole = [before + place + 1 for place in range(new)]
    full = profile.surface("prefill", "bf16", str(dim))
    time_s = table_time(full, (sequences * heads, new, sum(whole) / new))
    if window:
        inner = profile.surface("prefill_window", "bf16", str(dim))
        time_s = min(time_s, table_time(inner, (sequences * heads, new, sum(seen) / new)))
        return bounded(inner, time_s, flop, moved)
    return bounded(full, time_s, flop, moved)


def decode(
    profile: OperatorProfile, sequences: int, context: int, heads: int, kv_heads: int, dim: int, cache: str
) -> Cost:
    """One token a sequence over a cache."""
    surface = profile.surface("decode", cache, str(dim))
    flop = 4.0 * sequences * heads * context * dim
    moved = 2.0 * sequences * kv_heads * context * dim * CACHE_BYTES[cache] + 4.0 * sequences * heads * dim
    return bounded(surface, table_time(surface, (sequences * heads, context, sequences * kv_heads)), flop, moved)


def moe(
    profile: OperatorProfile, tokens: int, hidden: int, width: int, top_k: int, experts: int, parallel: int
) -> Cost:
    """Balanced bf16 experts split over `parallel` chips."""
    surface = profile.surface("moe", "bf16", "balanced")
    untouched = 1.0
    for _ in range(tokens):
        untouched *= 1.0 - top_k / experts
    touched = experts * (1.0 - untouched) / parallel
    rows = tokens * top_k / parallel
    flop = 3 * 2.0 * rows * hidden * width
    moved = 3 * touched * hidden * width * 2.0 + 2.0 * min(rows, tokens) * hidden
    point = (max(rows, 1.0) * hidden, max(touched, 1.0) * hidden, float(width))
    return bounded(surface, table_time(surface, point), flop, moved)


def close(first: Cost, second: tuple[float, ...]) -> bool:
    """Whether two costs agree to rounding."""
    return all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(first, second, strict=True))


def fused(
    kernel: MixedKernel,
    peak: float,
    bandwidth: float,
    alone: float,
    sizes: tuple[float, ...],
    head_dim: float,
    element: float,
) -> float:
    """Fused attention of a mixed batch, block by block in words: what works, what is longest, what is read."""
    prompts, new, before, sequences, context, heads, caches = sizes
    key_on_one_worker = 4.0 * head_dim * kernel.rows / (peak / kernel.blocks)
    prompt_tiles = prompts * heads * max(new / kernel.rows, 1.0)
    work = max(alone, prompt_tiles * (before + new / 2.0) * key_on_one_worker / kernel.blocks)
    work += sequences * heads * context * key_on_one_worker / kernel.blocks
    longest = max(context, before + new) * key_on_one_worker
    together = max(kernel.blocks / sequences, 1.0)
    reads = max(heads / caches / together, 1.0)
    fits = 0.0
    if kernel.cache_bytes:
        fits = kernel.cache_bytes / (min(sequences, kernel.blocks) * context * element)
    spilt = min(max(2.0 * (1.0 - fits), 0.0), 1.0)
    read = sequences * caches * context * element * (1.0 + (reads - 1.0) * spilt)
    memory = read / (bandwidth * kernel.share)
    p = kernel.exponent
    return float((work**p + longest**p + memory**p) ** (1.0 / p))
