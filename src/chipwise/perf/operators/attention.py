"""Attention: prefill and decode, multi-head and grouped, windowed, and latent."""

from __future__ import annotations

from typing import Any

from chipwise.core.errors import InputError
from chipwise.perf.operators.coordinates import (
    UNBOUNDED,
    decode_coordinates,
    latent_decode_coordinates,
    latent_prefill_coordinates,
    prefill_coordinates,
)
from chipwise.perf.operators.evaluate import Work, evaluate, is_scalar
from chipwise.perf.operators.ladder import HEAD_WIDTHS
from chipwise.perf.operators.law import prefill_work
from chipwise.perf.operators.objects import Number, OperatorProfile, OperatorTime
from chipwise.perf.operators.precision import ATTENTION, CACHE_BYTES, canonical

_NODES = tuple(float(width) for width in HEAD_WIDTHS)


def attention_prefill(
    profile: OperatorProfile,
    sequences: Any,
    new_tokens: Any,
    heads: Any,
    kv_heads: Any,
    head_dim: float,
    *,
    context: Any = 0.0,
    window: Any = None,
    density: Any = 1.0,
    dtype: str = "bf16",
    kv_dtype: str = "bf16",
) -> OperatorTime:
    """Attention core over `new_tokens` a sequence, causal.

    Parameters
    ----------
    sequences, new_tokens, heads, kv_heads : float or array
        Heads of one chip. Broadcast against each other.
    head_dim : float
        One number; between the tabled 64, 128, 192, 256 and 512 times are interpolated.
    context : float or array
        Tokens already in the cache of each sequence.
    window : float or array, optional
        Sliding window, tokens.
    density : float or array
        Share of the visible blocks that is kept (block-sparse attention).
    dtype, kv_dtype : str
        ``bf16``, ``fp16`` or ``fp8``; the cache may be narrower than the arithmetic.

    Returns
    -------
    OperatorTime

    Raises
    ------
    Undetermined
        The chip has no rate at that precision.
    InputError
        A dimension is not positive, or the precision is not tabled.
    """
    first, second = canonical(dtype), canonical(kv_dtype)
    precision = ATTENTION.get((first, second))
    if precision is None:
        raise InputError(
            f"attention in {dtype} with a cache in {kv_dtype} is not tabled",
            place="dtype",
            allowed="bf16 with bf16, bf16 with fp8, fp8 with fp8",
        )
    if window is None and is_scalar((context, density)) and context == 0.0 and density == 1.0:

        def whole(b: Any, q: Any, h: Any, k: Any, width: float) -> Work:
            pairs, seen = b * h, 0.5 * (q + 1.0)
            flop, moved = prefill_work(pairs, q, seen, width, width)
            return pairs, q, seen, flop, moved + b * k * q * (2.0 * width * CACHE_BYTES[second])

        return _with_width(profile, "prefill", precision, head_dim, whole, (sequences, new_tokens, heads, kv_heads))
    if window is None:

        def work(b: Any, q: Any, h: Any, k: Any, before: Any, share: Any, width: float) -> Work:
            return prefill_coordinates(b, q, h, k, before - 1.0, UNBOUNDED, share, width, width, second)

        inputs = (sequences, new_tokens, heads, kv_heads, context + 1.0, density)
        return _with_width(profile, "prefill", precision, head_dim, work, inputs)

    def windowed(b: Any, q: Any, h: Any, k: Any, before: Any, share: Any, span: Any, width: float) -> Work:
        inside = prefill_coordinates(b, q, h, k, before - 1.0, span, share, width, width, second)
        x, y, z, *_ = prefill_coordinates(b, q, h, k, before - 1.0, UNBOUNDED, share, width, width, second)
        return (*inside, x, y, z)  # type: ignore[return-value]

    bounded = (sequences, new_tokens, heads, kv_heads, context + 1.0, density, window)
    return _with_width(profile, "prefill", precision, head_dim, windowed, bounded, capped=True)


def attention_decode(
    profile: OperatorProfile,
    sequences: Any,
    context: Any,
    heads: Any,
    kv_heads: Any,
    head_dim: float,
    *,
    window: Any = None,
    density: Any = 1.0,
    kv_dtype: str = "bf16",
) -> OperatorTime:
    """Attention core of one new token in each sequence.

    Parameters
    ----------
    sequences, context, heads, kv_heads : float or array
        Context counts the new token. Heads of one chip.
    head_dim, window, density, kv_dtype
        As for `attention_prefill`.
    """
    cache = canonical(kv_dtype)
    if cache not in CACHE_BYTES:
        raise InputError(f"a cache in {kv_dtype!r} is not tabled", place="kv_dtype", allowed=", ".join(CACHE_BYTES))
    if window is None:

        def work(b: Any, c: Any, h: Any, k: Any, share: Any, width: float) -> Work:
            return decode_coordinates(b, c, h, k, c, share, width, width, cache)

        return _with_width(profile, "decode", cache, head_dim, work, (sequences, context, heads, kv_heads, density))

    def windowed(b: Any, c: Any, h: Any, k: Any, share: Any, span: Any, width: float) -> Work:
        inside = decode_coordinates(b, c, h, k, span, share, width, width, cache)
        x, y, z, *_ = decode_coordinates(b, c, h, k, c, share, width, width, cache)
        return (*inside, x, y, z)  # type: ignore[return-value]

    inputs = (sequences, context, heads, kv_heads, density, window)
    return _with_width(profile, "decode", cache, head_dim, windowed, inputs, capped=True)


def _with_width(
    profile: OperatorProfile,
    operator: str,
    precision: str,
    head_dim: float,
    work: Any,
    inputs: tuple[Any, ...],
    *,
    capped: bool = False,
) -> OperatorTime:
    """Evaluate at one head dimension, between tabled ones by linear interpolation."""
    width = float(head_dim)
    if not 0.0 < width < float("inf"):
        raise InputError(f"head dimension {head_dim!r}", place="head_dim", allowed="a positive number")
    inside = min(max(width, _NODES[0]), _NODES[-1])
    place = max(index for index, node in enumerate(_NODES) if node <= inside)
    first = _at_node(profile, operator, precision, place, width, work, inputs, capped)
    if _NODES[place] == inside:
        return first if width <= _NODES[-1] else _grown(first, width / _NODES[-1])
    second = _at_node(profile, operator, precision, place + 1, width, work, inputs, capped)
    share = (inside - _NODES[place]) / (_NODES[place + 1] - _NODES[place])
    return OperatorTime(
        flop=first.flop,
        bytes=first.bytes,
        time_s=first.time_s + (second.time_s - first.time_s) * share,
        low_s=first.low_s + (second.low_s - first.low_s) * share,
        high_s=first.high_s + (second.high_s - first.high_s) * share,
        evidence=max(first.evidence, second.evidence),
    )


def _at_node(
    profile: OperatorProfile,
    operator: str,
    precision: str,
    place: int,
    width: float,
    work: Any,
    inputs: tuple[Any, ...],
    capped: bool,
) -> OperatorTime:
    def at_width(*values: Number) -> Work:
        found: Work = work(*values, width)
        return found

    full = profile.surface(operator, precision, HEAD_WIDTHS[place])
    if not capped:
        return evaluate(full, at_width, inputs)
    return evaluate(profile.surface(f"{operator}_window", precision, HEAD_WIDTHS[place]), at_width, inputs, cap=full)


def _grown(cost: OperatorTime, factor: float) -> OperatorTime:
    return OperatorTime(
        flop=cost.flop,
        bytes=cost.bytes,
        time_s=cost.time_s * factor,
        low_s=cost.low_s * factor,
        high_s=cost.high_s * factor,
        evidence=cost.evidence,
    )


def mla_prefill(
    profile: OperatorProfile,
    sequences: Any,
    new_tokens: Any,
    heads: Any,
    *,
    context: Any = 0.0,
    kv_dtype: str = "bf16",
) -> OperatorTime:
    """Latent attention core in prefill, causal; heads of 128 + 64 for scores and 128 for values."""
    cache = canonical(kv_dtype)

    def work(b: Any, q: Any, h: Any, before: Any) -> Work:
        return latent_prefill_coordinates(b, q, h, before - 1.0, cache)

    return evaluate(profile.surface("mla_prefill", cache), work, (sequences, new_tokens, heads, context + 1.0))


def mla_decode(
    profile: OperatorProfile, sequences: Any, context: Any, heads: Any, *, kv_dtype: str = "bf16"
) -> OperatorTime:
    """Latent attention core of one new token in each sequence; 512 + 64 cached elements a token."""
    cache = canonical(kv_dtype)

    def work(b: Any, c: Any, h: Any) -> Work:
        return latent_decode_coordinates(b, c, h, cache)

    return evaluate(profile.surface("mla_decode", cache), work, (sequences, context, heads))
