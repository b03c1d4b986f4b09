"""Operators by name, with the dimensions each takes: what a command line or a page offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chipwise.core.errors import InputError
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
from chipwise.perf.operators.linear import CHUNK, STATE_BYTES, linear_decode, linear_prefill
from chipwise.perf.operators.matrix import gemm, logits
from chipwise.perf.operators.mixed import attention_mixed
from chipwise.perf.operators.objects import OperatorProfile, OperatorTime
from chipwise.perf.operators.precision import ATTENTION, PRECISIONS, canonical

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
        table=_none,
    )


def _moved(cost: Callable[[OperatorProfile, Dims], OperatorTime], *optional: str, **defaults: float) -> Entry:
    """Memory-bound operator whose widths are its own."""
    return Entry(defaults=defaults, optional=optional, settings=(), cost=lambda p, d, _: cost(p, d), table=_none)


_HEADS = {"heads": 64.0, "kv-heads": 8.0, "head-dim": 128.0}

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
        defaults={"sequences": 1.0, "tokens": 4096.0, **_HEADS, "context": 0.0},
        optional=("window", "density"),
        settings=("dtype", "kv_dtype"),
        cost=_prefill,
        table=_prefill_table,
    ),
    "attention-decode": Entry(
        defaults={"sequences": 64.0, "context": 4096.0, **_HEADS},
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
            **_HEADS,
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
        table=_none,
    ),
    "norm": _streamed(
        lambda p, d, e: streaming.norm(p, d["tokens"], d["hidden"], element_bytes=e), tokens=4096.0, hidden=8192.0
    ),
    "rotary": _streamed(
        lambda p, d, e: streaming.rotary(p, d["tokens"], d["heads"], d["kv-heads"], d["head-dim"], element_bytes=e),
        tokens=4096.0,
        **_HEADS,
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
"""Operators by the name the command line takes."""
