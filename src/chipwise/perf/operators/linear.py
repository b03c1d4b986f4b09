"""Linear attention and state-space layers: a state of keys by values per head in place of a cache.

No kernel of this kind is tabled: times are borrowed, evidence is the data sheet, intervals are widened by `UNTABLED`.
"""

from __future__ import annotations

from typing import Any

from chipwise.core.errors import InputError
from chipwise.perf.operators.evaluate import is_scalar, largest
from chipwise.perf.operators.objects import GENERIC, RUNGS, Number, OperatorProfile, OperatorTime
from chipwise.perf.operators.streaming import PLAIN
from chipwise.perf.operators.tables import spreads

UNTABLED = 2.0
"""Factor either way on the 90 % interval of what the times are borrowed from; an assumption, nothing measured it."""

CHUNK = 64.0
"""Tokens worked on at once in prefill, as the usual kernels do."""

STATE_BYTES = 4.0
"""Bytes of one element of the state: fp32."""

ELEMENTS = {"bf16": 2.0, "fp16": 2.0, "fp8": 1.0}
"""Bytes of one element of queries, keys, values and outputs."""


def _element(dtype: str) -> float:
    found = ELEMENTS.get(dtype)
    if found is None:
        raise InputError(f"linear attention in {dtype!r} is not known", place="dtype", allowed=", ".join(ELEMENTS))
    return found


def linear_prefill(
    profile: OperatorProfile,
    sequences: Any,
    tokens: Any,
    heads: Any,
    key_dim: Any,
    value_dim: Any,
    *,
    chunk: Any = CHUNK,
    state_bytes: float = STATE_BYTES,
    dtype: str = "bf16",
) -> OperatorTime:
    """Chunked linear attention or state-space scan over `tokens` a sequence.

    Parameters
    ----------
    sequences, tokens, heads, key_dim, value_dim : float or array
        Heads of one chip; state of a head is `key_dim` x `value_dim` (a state-space layer: state size x head width).
    chunk : float or array
        Tokens of a chunk; quadratic inside, recurrent between.
    state_bytes : float
        Bytes of one element of the state.
    dtype : str
        ``bf16``, ``fp16`` or ``fp8``: of the rows and of the arithmetic; the state keeps its own.

    Raises
    ------
    InputError
        A dimension is not positive, or the precision is none of these.
    Undetermined
        The chip has no attention law at that precision to borrow.

    Notes
    -----
    FLOP a token and head: ``2 C (dk + dv) + 4 dk dv``. Bytes: queries, keys, values, outputs once and the state in and
    out once. Time by the law of attention prefill at that precision; the widening covers states kept per chunk.
    """
    _positive(sequences, tokens, heads, key_dim, value_dim, chunk, state_bytes)
    pairs = 1.0 * sequences * heads
    flop = pairs * tokens * (2.0 * chunk * (key_dim + value_dim) + 4.0 * key_dim * value_dim)
    rows = 2.0 * _element(dtype) * pairs * tokens * (key_dim + value_dim)
    moved = rows + 2.0 * state_bytes * pairs * key_dim * value_dim
    surface = profile.surface("prefill", "fp8" if dtype == "fp8" else "bf16", "128")
    time = surface.law.time_s(flop, moved, surface.peak_flop_per_s, surface.bytes_per_s)
    spread = spreads()["prefill", RUNGS[GENERIC]]
    floor = largest(flop / surface.peak_flop_per_s, moved / surface.bytes_per_s)
    return _borrowed(flop, moved, largest(time, floor), floor, spread.low_factor, spread.high_factor)


def linear_decode(
    profile: OperatorProfile,
    sequences: Any,
    heads: Any,
    key_dim: Any,
    value_dim: Any,
    *,
    state_bytes: float = STATE_BYTES,
    dtype: str = "bf16",
) -> OperatorTime:
    """State update and read-out of one new token in each sequence; the length of the context does not matter.

    Parameters
    ----------
    sequences, heads, key_dim, value_dim, state_bytes, dtype
        As for `linear_prefill`.

    Notes
    -----
    FLOP a head: ``5 dk dv`` (decay, outer product, read-out). Bytes: the state read and written, and the token's rows.
    Time by the memory-bound rate of activations.
    """
    _positive(sequences, heads, key_dim, value_dim, state_bytes)
    pairs = 1.0 * sequences * heads
    flop = 5.0 * pairs * key_dim * value_dim
    moved = 2.0 * state_bytes * pairs * key_dim * value_dim + 2.0 * _element(dtype) * pairs * (key_dim + value_dim)
    rate = profile.streaming[PLAIN]
    floor = largest(flop / max(profile.peaks.values()), moved / profile.bytes_per_s)
    spread = spreads()["streaming", RUNGS[GENERIC]]
    time = rate.launch_s + floor / min(rate.share, 1.0)
    return _borrowed(flop, moved, time, floor, spread.low_factor, spread.high_factor)


def _borrowed(flop: Number, moved: Number, time: Number, floor: Number, low: float, high: float) -> OperatorTime:
    return OperatorTime(
        flop=flop,
        bytes=moved,
        time_s=time,
        low_s=largest(time * low / UNTABLED, floor),
        high_s=time * high * UNTABLED,
        evidence=GENERIC,
    )


def _positive(*values: Any) -> None:
    if is_scalar(values):
        good = all(0.0 < value < float("inf") for value in values)
    else:
        import numpy as np

        good = all(bool(np.all((np.asarray(value) > 0) & np.isfinite(value))) for value in values)
    if not good:
        raise InputError("a dimension of an operator is not positive", allowed="positive finite numbers")
