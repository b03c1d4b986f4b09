"""Operators by name, with the dimensions each takes: what a command line or a page offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chipwise.perf.operators import streaming
from chipwise.perf.operators.attention import attention_decode, attention_prefill, mla_decode, mla_prefill
from chipwise.perf.operators.coordinates import (
    UNBOUNDED,
    decode_coordinates,
    latent_decode_coordinates,
    latent_prefill_coordinates,
    moe_coordinates,
    prefill_coordinates,
)
from chipwise.perf.operators.experts import moe
from chipwise.perf.operators.ladder import OPERATORS
from chipwise.perf.operators.linear import CHUNK, linear_decode, linear_prefill
from chipwise.perf.operators.matrix import gemm, logits
from chipwise.perf.operators.objects import OperatorProfile, OperatorTime
from chipwise.perf.operators.precision import ATTENTION, PRECISIONS, canonical

Dims = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is not a dimension."""

    dtype: str = "bf16"
    kv_dtype: str = "bf16"
    routing: str = "balanced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One operator of the sheet: dimensions with defaults (a Llama-3-70B-like layer), and how to cost it."""

    defaults: Mapping[str, float]
    optional: tuple[str, ...]
    cost: Callable[[OperatorProfile, Dims, Settings], OperatorTime]
    table: Callable[[Dims, Settings], tuple[str, str, str, tuple[Any, ...]] | None]


def _none(_: Dims, __: Settings) -> None:
    return None


def _gemm_table(d: Dims, s: Settings) -> tuple[str, str, str, tuple[Any, ...]]:
    return "gemm", canonical(s.dtype), "", (d["m"], d["n"] * d.get("groups", 1.0), d["k"])


def _prefill_table(d: Dims, s: Settings) -> tuple[str, str, str, tuple[Any, ...]]:
    arithmetic, cache = canonical(s.dtype), canonical(s.kv_dtype)
    window = d.get("window", UNBOUNDED)
    place = prefill_coordinates(
        d["sequences"], d["tokens"], d["heads"], d["kv-heads"], d["context"], window, 1.0, 1.0, 1.0, cache
    )
    return "prefill", ATTENTION[arithmetic, cache], _width(d["head-dim"]), place[:3]


def _decode_table(d: Dims, s: Settings) -> tuple[str, str, str, tuple[Any, ...]]:
    cache = canonical(s.kv_dtype)
    window = d.get("window", UNBOUNDED)
    place = decode_coordinates(d["sequences"], d["context"], d["heads"], d["kv-heads"], window, 1.0, 1.0, 1.0, cache)
    return "decode", cache, _width(d["head-dim"]), place[:3]


def _width(head_dim: float) -> str:
    return min(OPERATORS["decode"].variants, key=lambda width: abs(float(width) - head_dim))


def _latent_prefill_table(d: Dims, s: Settings) -> tuple[str, str, str, tuple[Any, ...]]:
    cache = canonical(s.kv_dtype)
    place = latent_prefill_coordinates(d["sequences"], d["tokens"], d["heads"], d["context"], cache)
    return "mla_prefill", cache, "", place[:3]


def _latent_decode_table(d: Dims, s: Settings) -> tuple[str, str, str, tuple[Any, ...]]:
    cache = canonical(s.kv_dtype)
    return "mla_decode", cache, "", latent_decode_coordinates(d["sequences"], d["context"], d["heads"], cache)[:3]


def _moe_table(d: Dims, s: Settings) -> tuple[str, str, str, tuple[Any, ...]]:
    name = canonical(s.dtype)
    place = moe_coordinates(
        d["tokens"],
        d["hidden"],
        d["width"],
        d["top-k"],
        d["experts"],
        d["tensor"],
        d["expert-parallel"],
        PRECISIONS[name].widths,
        s.routing,
    )
    return "moe", name, s.routing, place[:3]


def _prefill(p: OperatorProfile, d: Dims, s: Settings) -> OperatorTime:
    return attention_prefill(
        p,
        d["sequences"],
        d["tokens"],
        d["heads"],
        d["kv-heads"],
        d["head-dim"],
        context=d["context"],
        window=d.get("window"),
        density=d.get("density", 1.0),
        dtype=s.dtype,
        kv_dtype=s.kv_dtype,
    )


def _decode(p: OperatorProfile, d: Dims, s: Settings) -> OperatorTime:
    return attention_decode(
        p,
        d["sequences"],
        d["context"],
        d["heads"],
        d["kv-heads"],
        d["head-dim"],
        window=d.get("window"),
        density=d.get("density", 1.0),
        kv_dtype=s.kv_dtype,
    )


def _moe(p: OperatorProfile, d: Dims, s: Settings) -> OperatorTime:
    return moe(
        p,
        d["tokens"],
        d["hidden"],
        d["width"],
        d["top-k"],
        d["experts"],
        tensor=d["tensor"],
        expert_parallel=d["expert-parallel"],
        dtype=s.dtype,
        routing=s.routing,
    )


def _streamed(cost: Callable[[OperatorProfile, Dims], OperatorTime], **defaults: float) -> Entry:
    return Entry(defaults=defaults, optional=(), cost=lambda p, d, _: cost(p, d), table=_none)


_HEADS = {"heads": 64.0, "kv-heads": 8.0, "head-dim": 128.0}

_STATE = {"heads": 64.0, "key-dim": 128.0, "value-dim": 128.0}

OPERATIONS: dict[str, Entry] = {
    "gemm": Entry(
        defaults={"m": 4096.0, "n": 8192.0, "k": 8192.0},
        optional=("groups",),
        cost=lambda p, d, s: gemm(p, d["m"], d["n"], d["k"], dtype=s.dtype, groups=d.get("groups")),
        table=_gemm_table,
    ),
    "logits": Entry(
        defaults={"tokens": 4096.0, "hidden": 8192.0, "vocab": 128256.0},
        optional=(),
        cost=lambda p, d, s: logits(p, d["tokens"], d["hidden"], d["vocab"], dtype=s.dtype),
        table=lambda d, s: ("gemm", canonical(s.dtype), "", (d["tokens"], d["vocab"], d["hidden"])),
    ),
    "attention-prefill": Entry(
        defaults={"sequences": 1.0, "tokens": 4096.0, **_HEADS, "context": 0.0},
        optional=("window", "density"),
        cost=_prefill,
        table=_prefill_table,
    ),
    "attention-decode": Entry(
        defaults={"sequences": 64.0, "context": 4096.0, **_HEADS},
        optional=("window", "density"),
        cost=_decode,
        table=_decode_table,
    ),
    "mla-prefill": Entry(
        defaults={"sequences": 1.0, "tokens": 4096.0, "heads": 128.0, "context": 0.0},
        optional=(),
        cost=lambda p, d, s: mla_prefill(
            p, d["sequences"], d["tokens"], d["heads"], context=d["context"], kv_dtype=s.kv_dtype
        ),
        table=_latent_prefill_table,
    ),
    "mla-decode": Entry(
        defaults={"sequences": 64.0, "context": 4096.0, "heads": 128.0},
        optional=(),
        cost=lambda p, d, s: mla_decode(p, d["sequences"], d["context"], d["heads"], kv_dtype=s.kv_dtype),
        table=_latent_decode_table,
    ),
    "moe": Entry(
        defaults={
            "tokens": 4096.0,
            "hidden": 7168.0,
            "width": 2048.0,
            "top-k": 8.0,
            "experts": 256.0,
            "tensor": 1.0,
            "expert-parallel": 8.0,
        },
        optional=(),
        cost=_moe,
        table=_moe_table,
    ),
    "linear-prefill": Entry(
        defaults={"sequences": 1.0, "tokens": 4096.0, **_STATE},
        optional=("chunk",),
        cost=lambda p, d, _: linear_prefill(
            p, d["sequences"], d["tokens"], d["heads"], d["key-dim"], d["value-dim"], chunk=d.get("chunk", CHUNK)
        ),
        table=lambda _, __: ("prefill", "bf16", "128", ()),
    ),
    "linear-decode": Entry(
        defaults={"sequences": 64.0, **_STATE},
        optional=(),
        cost=lambda p, d, _: linear_decode(p, d["sequences"], d["heads"], d["key-dim"], d["value-dim"]),
        table=_none,
    ),
    "norm": _streamed(lambda p, d: streaming.norm(p, d["tokens"], d["hidden"]), tokens=4096.0, hidden=8192.0),
    "rotary": _streamed(
        lambda p, d: streaming.rotary(p, d["tokens"], d["heads"], d["kv-heads"], d["head-dim"]),
        tokens=4096.0,
        **_HEADS,
    ),
    "activation": _streamed(
        lambda p, d: streaming.activation(p, d["tokens"], d["width"]), tokens=4096.0, width=28672.0
    ),
    "add": _streamed(lambda p, d: streaming.add(p, d["tokens"], d["hidden"]), tokens=4096.0, hidden=8192.0),
    "embedding": _streamed(lambda p, d: streaming.embedding(p, d["tokens"], d["hidden"]), tokens=4096.0, hidden=8192.0),
    "loss": _streamed(lambda p, d: streaming.cross_entropy(p, d["tokens"], d["vocab"]), tokens=4096.0, vocab=128256.0),
    "optimizer": _streamed(lambda p, d: streaming.optimizer_step(p, d["parameters"]), parameters=1e9),
    "kv-copy": _streamed(lambda p, d: streaming.kv_copy(p, d["bytes"]), bytes=1e9),
    "quantise": _streamed(lambda p, d: streaming.quantise(p, d["tokens"] * d["hidden"]), tokens=4096.0, hidden=8192.0),
    "dequantise": _streamed(
        lambda p, d: streaming.dequantise(p, d["tokens"] * d["hidden"]), tokens=4096.0, hidden=8192.0
    ),
}
"""Operators by the name the command line takes."""
