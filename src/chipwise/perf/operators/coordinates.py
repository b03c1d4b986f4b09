"""Where an operator lies in its table, and what it computes and moves: plain arithmetic on numbers or arrays."""

from __future__ import annotations

import math
from typing import Any

from chipwise.perf.operators.evaluate import Work, largest, least
from chipwise.perf.operators.ladder import CACHED_SCORE, CACHED_VALUE, LATENT_SCORE, LATENT_VALUE
from chipwise.perf.operators.law import GATED_MATRICES, Widths, decode_work, prefill_work
from chipwise.perf.operators.precision import CACHE_BYTES

NATURAL_TOKENS = 0.5
"""Skewed routing leaves experts idle: those read count as if this share of the tokens were spread evenly (assumed)."""

LEAST_SHARE = 1e-300
"""Keeps the logarithm finite where every expert is chosen."""

UNBOUNDED = 1e12
"""Window of attention without one, tokens."""


def visible_keys(new: Any, before: Any, window: Any) -> Any:
    """Keys a new token sees on average: causal, after `before` cached tokens, under a window.

    Examples
    --------
    >>> visible_keys(4.0, 0.0, 1e12)
    2.5
    >>> visible_keys(4.0, 100.0, 8.0)
    8.0
    """
    growing = least(largest(window - before, 0.0), new)
    seen = growing * before + 0.5 * growing * (growing + 1.0) + (new - growing) * window
    return least(seen / new, window)


def prefill_coordinates(
    sequences: Any,
    new: Any,
    heads: Any,
    caches: Any,
    before: Any,
    window: Any,
    density: Any,
    score: float,
    value: float,
    cache: str,
) -> Work:
    """Table coordinates, FLOP and bytes of prefill."""
    pairs = sequences * heads
    seen = largest(visible_keys(new, before, window) * density, 1.0)
    flop, moved = prefill_work(pairs, new, seen, score, value)
    keys = least(before + new, window + new)
    moved = moved + sequences * caches * keys * (score + value) * CACHE_BYTES[cache] * density
    return pairs, new, seen, flop, moved


def decode_coordinates(
    sequences: Any,
    context: Any,
    heads: Any,
    caches: Any,
    window: Any,
    density: Any,
    score: float,
    value: float,
    cache: str,
) -> Work:
    """Table coordinates, FLOP and bytes of one decode token a sequence."""
    pairs, stored = sequences * heads, sequences * caches
    seen = largest(least(context, window) * density, 1.0)
    flop, moved = decode_work(pairs, seen, stored, score, value, (score + value) * CACHE_BYTES[cache])
    return pairs, seen, stored, flop, moved


def latent_prefill_coordinates(sequences: Any, new: Any, heads: Any, before: Any, cache: str) -> Work:
    """Table coordinates, FLOP and bytes of latent attention in prefill."""
    return prefill_coordinates(sequences, new, heads, heads, before, UNBOUNDED, 1.0, LATENT_SCORE, LATENT_VALUE, cache)


def latent_decode_coordinates(sequences: Any, context: Any, heads: Any, cache: str) -> Work:
    """Table coordinates, FLOP and bytes of latent attention in decode: one cached vector for all heads."""
    pairs = sequences * heads
    flop, moved = decode_work(pairs, context, sequences, CACHED_SCORE, CACHED_VALUE, CACHED_SCORE * CACHE_BYTES[cache])
    return pairs, context, sequences, flop, moved


def experts_touched(tokens: Any, chosen: Any, count: Any) -> Any:
    """Experts that at least one of `tokens` evenly routed tokens needs.

    Notes
    -----
    ``count * (1 - (1 - chosen / count)^tokens)``.

    Examples
    --------
    >>> round(experts_touched(1.0, 8.0, 256.0), 6)
    8.0
    """
    spared = largest(1.0 - chosen / count, LEAST_SHARE)
    if type(spared) is float and type(tokens) in (int, float):
        return count * (1.0 - math.exp(tokens * math.log(spared)))
    import numpy as np

    power = np.log(spared)
    power = np.exp(power * tokens)
    return count - count * power


def moe_coordinates(
    tokens: Any,
    hidden: Any,
    width: Any,
    chosen: Any,
    count: Any,
    tensor: Any,
    parallel: Any,
    widths: Widths,
    routing: str,
) -> Work:
    """Table coordinates, FLOP and bytes on the fullest chip of the group."""
    rows = tokens * least(chosen, count) / parallel
    touched = experts_touched(tokens, chosen, count) / parallel
    read = touched
    if routing != "balanced":
        read = experts_touched(largest(tokens * NATURAL_TOKENS, 1.0), chosen, count) / parallel
    share = width / tensor
    work = 2.0 * GATED_MATRICES * hidden * share
    moved = (0.5 * widths.weight) * read * work + 2.0 * least(rows, tokens) * hidden
    return largest(rows, 1.0) * hidden, largest(touched, 1.0) * hidden, share, rows * work, moved
