"""Operators bound by memory: norms, rotary, activations, embedding, loss, optimizer, cache copies, quantising.

``time = launch + bytes / (share * bandwidth)``, never below ``bytes / bandwidth``.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from chipwise.catalogue.objects import Chip
from chipwise.core.errors import InputError
from chipwise.perf.operators.evaluate import is_scalar
from chipwise.perf.operators.ladder import family_of
from chipwise.perf.operators.objects import (
    FAMILY,
    GENERIC,
    OWN,
    RUNGS,
    OperatorProfile,
    OperatorTime,
    StreamingRate,
)
from chipwise.perf.operators.tables import read_rows, spreads

MEASURED = ("norm", "rotary", "activation", "add", "embedding")
"""Operators with measurements; every other one takes the rates of ``activation``."""

PLAIN = "activation"
OPTIMIZER_BYTES = 28.0
"""Adam with fp32 master weights: gradient 2, weight 2 out, master and two moments 4 in and 4 out each, byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamingRow:
    """One fitted line of one operator on one chip."""

    operator: str
    chip: str
    family: str
    share: float
    launch_s: float


@functools.cache
def _rows() -> tuple[StreamingRow, ...]:
    return tuple(
        StreamingRow(
            operator=row["operator"],
            chip=row["chip"],
            family=row["family"],
            share=float(row["share"]),
            launch_s=float(row["launch_s"]),
        )
        for row in read_rows("streaming.csv")
    )


def streaming_rates(chip: Chip, without: Collection[str] = ()) -> Mapping[str, StreamingRate]:
    """Rates of every memory-bound operator on `chip`, down the ladder."""
    return {name: _rate(chip, name, without) for name in MEASURED}


def _rate(chip: Chip, name: str, without: Collection[str]) -> StreamingRate:
    rows = [row for row in _rows() if row.operator == name and row.chip not in without]
    family = family_of(chip)
    rungs = (
        (OWN, [row for row in rows if row.chip == chip.id]),
        (FAMILY, [row for row in rows if family and row.family == family]),
        (GENERIC, rows),
    )
    evidence, found = next((code, each) for code, each in rungs if each)
    spread = spreads()["streaming", RUNGS[evidence]]
    return StreamingRate(
        share=statistics.median(row.share for row in found),
        launch_s=statistics.median(row.launch_s for row in found),
        low_factor=spread.low_factor,
        high_factor=spread.high_factor,
        evidence=evidence,
        donors=tuple(row.chip for row in found),
    )


def _stream(profile: OperatorProfile, name: str, flop: Any, moved: Any, *, measured: bool = True) -> OperatorTime:
    """Cost of moving `moved` bytes; a vector peak is not modelled, the matrix peak bounds the arithmetic."""
    rate = profile.streaming[name]
    peak = max(profile.peaks.values())
    if is_scalar((flop, moved)):
        if not 0.0 < moved < float("inf"):
            raise InputError(f"an operator moves {moved!r} bytes", allowed="a positive number")
        floor = max(flop / peak, moved / profile.bytes_per_s)
        time = rate.launch_s + floor / min(rate.share, 1.0)
        low = max(time * rate.low_factor, floor)
    else:
        import numpy as np

        flop, moved = np.broadcast_arrays(np.asarray(flop, dtype=np.float64), np.asarray(moved, dtype=np.float64))
        if moved.size and not (moved.min() > 0.0 and np.isfinite(moved.max())):
            raise InputError("an operator moves no bytes", allowed="positive finite dimensions")
        floor = np.maximum(flop / peak, moved / profile.bytes_per_s)
        time = rate.launch_s + floor / min(rate.share, 1.0)
        low = np.maximum(time * rate.low_factor, floor)
    return OperatorTime(
        flop=flop,
        bytes=moved,
        time_s=time,
        low_s=low,
        high_s=time * rate.high_factor,
        evidence=rate.evidence if measured else GENERIC,
    )


def norm(profile: OperatorProfile, tokens: Any, hidden: Any, *, element_bytes: float = 2.0) -> OperatorTime:
    """Root-mean-square or layer norm: one read and one write."""
    size = 1.0 * tokens * hidden
    return _stream(profile, "norm", 4.0 * size, 2.0 * element_bytes * size)


def rotary(
    profile: OperatorProfile,
    tokens: Any,
    heads: Any,
    kv_heads: Any,
    head_dim: Any,
    *,
    element_bytes: float = 2.0,
) -> OperatorTime:
    """Rotary embedding of queries and keys, in place."""
    size = 1.0 * tokens * (heads + kv_heads) * head_dim
    return _stream(profile, "rotary", 3.0 * size, 2.0 * element_bytes * size)


def activation(
    profile: OperatorProfile, tokens: Any, width: Any, *, gated: bool = True, element_bytes: float = 2.0
) -> OperatorTime:
    """Activation function of `width` outputs; a gated one reads twice as much."""
    size = 1.0 * tokens * width
    return _stream(profile, "activation", 5.0 * size, (3.0 if gated else 2.0) * element_bytes * size)


def add(profile: OperatorProfile, tokens: Any, hidden: Any, *, element_bytes: float = 2.0) -> OperatorTime:
    """Residual sum: two reads and a write."""
    size = 1.0 * tokens * hidden
    return _stream(profile, "add", size, 3.0 * element_bytes * size)


def embedding(profile: OperatorProfile, tokens: Any, hidden: Any, *, element_bytes: float = 2.0) -> OperatorTime:
    """Look-up of input rows: one read and one write."""
    size = 1.0 * tokens * hidden
    return _stream(profile, "embedding", 0.0 * size, 2.0 * element_bytes * size)


def cross_entropy(profile: OperatorProfile, tokens: Any, vocab: Any, *, element_bytes: float = 2.0) -> OperatorTime:
    """Loss over logits: two reads (maximum and sum, then gradient) and one write. Not measured as such."""
    size = 1.0 * tokens * vocab
    return _stream(profile, PLAIN, 6.0 * size, 3.0 * element_bytes * size, measured=False)


def optimizer_step(
    profile: OperatorProfile, parameters: Any, *, bytes_per_parameter: float = OPTIMIZER_BYTES
) -> OperatorTime:
    """Adam on `parameters` weights held by this chip. Not measured as such."""
    size = 1.0 * parameters
    return _stream(profile, PLAIN, 12.0 * size, bytes_per_parameter * size, measured=False)


def kv_copy(profile: OperatorProfile, cached_bytes: Any) -> OperatorTime:
    """Copy of `cached_bytes` within the memory of one chip: a read and a write. Not measured as such."""
    moved = 2.0 * cached_bytes
    return _stream(profile, PLAIN, 0.0 * moved, moved, measured=False)


def quantise(
    profile: OperatorProfile, elements: Any, *, from_bytes: float = 2.0, to_bytes: float = 1.0
) -> OperatorTime:
    """Scale and narrow: one read of `from_bytes`, one write of `to_bytes` an element. Not measured as such."""
    size = 1.0 * elements
    return _stream(profile, PLAIN, 3.0 * size, (from_bytes + to_bytes) * size, measured=False)


def dequantise(
    profile: OperatorProfile, elements: Any, *, from_bytes: float = 1.0, to_bytes: float = 2.0
) -> OperatorTime:
    """Widen: one read of `from_bytes`, one write of `to_bytes` an element. Not measured as such."""
    return quantise(profile, elements, from_bytes=from_bytes, to_bytes=to_bytes)
