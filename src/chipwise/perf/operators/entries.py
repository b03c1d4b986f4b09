"""What an operator of the command line is, and the memory-bound ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chipwise.core.errors import InputError
from chipwise.perf.operators import streaming
from chipwise.perf.operators.objects import OperatorProfile, OperatorTime

Dims = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is not a dimension."""

    dtype: str = "bf16"
    kv_dtype: str = "bf16"
    routing: str = "balanced"
    mixing: str = "fused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One operator of the sheet: dimensions with defaults (a Llama-3-70B-like layer), and how to cost it.

    `settings` names the fields of `Settings` that change it.
    """

    defaults: Mapping[str, float]
    optional: tuple[str, ...]
    settings: tuple[str, ...]
    cost: Callable[[OperatorProfile, Dims, Settings], OperatorTime]
    table: Callable[[Dims, Settings], tuple[str, str, str, tuple[Any, ...]] | None]


HEADS = {"heads": 64.0, "kv-heads": 8.0, "head-dim": 128.0}
"""Heads of a Llama-3-70B-like layer."""


def none(_: Dims, __: Settings) -> None:
    """No table."""
    return


ELEMENT_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0}
"""Bytes per element that memory-bound operators read and write, by precision."""


def _element(d: Dims, s: Settings) -> float:
    if "element-bytes" in d:
        return d["element-bytes"]
    if s.dtype not in ELEMENT_BYTES:
        raise InputError(
            f"elements in {s.dtype!r} have no fixed width",
            place="--dtype",
            allowed=f"{', '.join(ELEMENT_BYTES)}, or --element-bytes",
        )
    return ELEMENT_BYTES[s.dtype]


def _streamed(cost: Callable[[OperatorProfile, Dims, float], OperatorTime], **defaults: float) -> Entry:
    """Memory-bound operator on elements of a precision."""
    return Entry(
        defaults=defaults,
        optional=("element-bytes",),
        settings=("dtype",),
        cost=lambda p, d, s: cost(p, d, _element(d, s)),
        table=none,
    )


def _moved(cost: Callable[[OperatorProfile, Dims], OperatorTime], *optional: str, **defaults: float) -> Entry:
    """Memory-bound operator whose widths are its own."""
    return Entry(defaults=defaults, optional=optional, settings=(), cost=lambda p, d, _: cost(p, d), table=none)


MEMORY_BOUND: dict[str, Entry] = {
    "norm": _streamed(
        lambda p, d, e: streaming.norm(p, d["tokens"], d["hidden"], element_bytes=e), tokens=4096.0, hidden=8192.0
    ),
    "rotary": _streamed(
        lambda p, d, e: streaming.rotary(p, d["tokens"], d["heads"], d["kv-heads"], d["head-dim"], element_bytes=e),
        tokens=4096.0,
        **HEADS,
    ),
    "activation": _streamed(
        lambda p, d, e: streaming.activation(p, d["tokens"], d["width"], element_bytes=e), tokens=4096.0, width=28672.0
    ),
    "activation-plain": _streamed(
        lambda p, d, e: streaming.activation(p, d["tokens"], d["width"], gated=False, element_bytes=e),
        tokens=4096.0,
        width=28672.0,
    ),
    "add": _streamed(
        lambda p, d, e: streaming.add(p, d["tokens"], d["hidden"], element_bytes=e), tokens=4096.0, hidden=8192.0
    ),
    "embedding": _streamed(
        lambda p, d, e: streaming.embedding(p, d["tokens"], d["hidden"], element_bytes=e), tokens=4096.0, hidden=8192.0
    ),
    "loss": _streamed(
        lambda p, d, e: streaming.cross_entropy(p, d["tokens"], d["vocab"], element_bytes=e),
        tokens=4096.0,
        vocab=128256.0,
    ),
    "optimizer": _moved(
        lambda p, d: streaming.optimizer_step(
            p, d["parameters"], bytes_per_parameter=d.get("bytes-per-parameter", streaming.OPTIMIZER_BYTES)
        ),
        "bytes-per-parameter",
        parameters=1e9,
    ),
    "kv-copy": _moved(lambda p, d: streaming.kv_copy(p, d["bytes"]), bytes=1e9),
    "quantise": _moved(
        lambda p, d: streaming.quantise(
            p, d["tokens"] * d["hidden"], from_bytes=d.get("from-bytes", 2.0), to_bytes=d.get("to-bytes", 1.0)
        ),
        "from-bytes",
        "to-bytes",
        tokens=4096.0,
        hidden=8192.0,
    ),
    "dequantise": _moved(
        lambda p, d: streaming.dequantise(
            p, d["tokens"] * d["hidden"], from_bytes=d.get("from-bytes", 1.0), to_bytes=d.get("to-bytes", 2.0)
        ),
        "from-bytes",
        "to-bytes",
        tokens=4096.0,
        hidden=8192.0,
    ),
}
"""Memory-bound operators by the name the command line takes."""
