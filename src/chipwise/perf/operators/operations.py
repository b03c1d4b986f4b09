"""Operators by name, with the dimensions each takes: what a command line or a page offers."""

from __future__ import annotations

from typing import Any

from chipwise.perf.operators.attention import attention_decode, attention_prefill, mla_decode, mla_prefill
from chipwise.perf.operators.coordinates import (
    UNBOUNDED,
    decode_coordinates,
    latent_decode_coordinates,
    latent_prefill_coordinates,
    moe_coordinates,
    prefill_coordinates,
)
from chipwise.perf.operators.entries import HEADS, MEMORY_BOUND, Dims, Entry, Settings, none
from chipwise.perf.operators.experts import moe
from chipwise.perf.operators.ladder import OPERATORS
from chipwise.perf.operators.linear import CHUNK, STATE_BYTES, linear_decode, linear_prefill
from chipwise.perf.operators.matrix import gemm, logits
from chipwise.perf.operators.mixed import attention_mixed
from chipwise.perf.operators.objects import OperatorProfile, OperatorTime
from chipwise.perf.operators.precision import ATTENTION, PRECISIONS, canonical


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


def _mixed(p: OperatorProfile, d: Dims, s: Settings) -> OperatorTime:
    return attention_mixed(
        p,
        d["prompts"],
        d["tokens"],
        d["sequences"],
        d["context"],
        d["heads"],
        d["kv-heads"],
        d["head-dim"],
        prompt_context=d["prompt-context"],
        dtype=s.dtype,
        kv_dtype=s.kv_dtype,
        kernel=s.mixing,
    )


def _mixed_table(d: Dims, s: Settings) -> tuple[str, str, str, tuple[Any, ...]]:
    chunk = {**d, "sequences": d["prompts"], "context": d["prompt-context"]}
    return _prefill_table(chunk, s)


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


_STATE = {"heads": 64.0, "key-dim": 128.0, "value-dim": 128.0}

OPERATIONS: dict[str, Entry] = {
    "gemm": Entry(
        defaults={"m": 4096.0, "n": 8192.0, "k": 8192.0},
        optional=("groups",),
        settings=("dtype",),
        cost=lambda p, d, s: gemm(p, d["m"], d["n"], d["k"], dtype=s.dtype, groups=d.get("groups")),
        table=_gemm_table,
    ),
    "logits": Entry(
        defaults={"tokens": 4096.0, "hidden": 8192.0, "vocab": 128256.0},
        optional=(),
        settings=("dtype",),
        cost=lambda p, d, s: logits(p, d["tokens"], d["hidden"], d["vocab"], dtype=s.dtype),
        table=lambda d, s: ("gemm", canonical(s.dtype), "", (d["tokens"], d["vocab"], d["hidden"])),
    ),
    "attention-prefill": Entry(
        defaults={"sequences": 1.0, "tokens": 4096.0, **HEADS, "context": 0.0},
        optional=("window", "density"),
        settings=("dtype", "kv_dtype"),
        cost=_prefill,
        table=_prefill_table,
    ),
    "attention-decode": Entry(
        defaults={"sequences": 64.0, "context": 4096.0, **HEADS},
        optional=("window", "density"),
        settings=("kv_dtype",),
        cost=_decode,
        table=_decode_table,
    ),
    "attention-mixed": Entry(
        defaults={
            "prompts": 1.0,
            "tokens": 512.0,
            "prompt-context": 0.0,
            "sequences": 64.0,
            "context": 4096.0,
            **HEADS,
        },
        optional=(),
        settings=("dtype", "kv_dtype", "mixing"),
        cost=_mixed,
        table=_mixed_table,
    ),
    "mla-prefill": Entry(
        defaults={"sequences": 1.0, "tokens": 4096.0, "heads": 128.0, "context": 0.0},
        optional=(),
        settings=("kv_dtype",),
        cost=lambda p, d, s: mla_prefill(
            p, d["sequences"], d["tokens"], d["heads"], context=d["context"], kv_dtype=s.kv_dtype
        ),
        table=_latent_prefill_table,
    ),
    "mla-decode": Entry(
        defaults={"sequences": 64.0, "context": 4096.0, "heads": 128.0},
        optional=(),
        settings=("kv_dtype",),
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
        settings=("dtype", "routing"),
        cost=_moe,
        table=_moe_table,
    ),
    "linear-prefill": Entry(
        defaults={"sequences": 1.0, "tokens": 4096.0, **_STATE},
        optional=("chunk", "state-bytes"),
        settings=("dtype",),
        cost=lambda p, d, s: linear_prefill(
            p,
            d["sequences"],
            d["tokens"],
            d["heads"],
            d["key-dim"],
            d["value-dim"],
            chunk=d.get("chunk", CHUNK),
            state_bytes=d.get("state-bytes", STATE_BYTES),
            dtype=s.dtype,
        ),
        table=lambda _, s: ("prefill", "fp8" if s.dtype == "fp8" else "bf16", "128", ()),
    ),
    "linear-decode": Entry(
        defaults={"sequences": 64.0, **_STATE},
        optional=("state-bytes",),
        settings=("dtype",),
        cost=lambda p, d, s: linear_decode(
            p,
            d["sequences"],
            d["heads"],
            d["key-dim"],
            d["value-dim"],
            state_bytes=d.get("state-bytes", STATE_BYTES),
            dtype=s.dtype,
        ),
        table=none,
    ),
    **MEMORY_BOUND,
}
"""Operators by the name the command line takes."""
