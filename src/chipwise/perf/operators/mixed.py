"""Attention over prompts and decoding sequences in one kernel, as engines with chunked prefill run it.

One kernel works through blocks of (sequence, head, tile of rows). A decoding sequence fills one row of a tile but pays
for all of it, is not cut along its context, and its query heads read the shared cache one by one: the batch costs more
than a prefill and a decode kernel one after the other.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from chipwise.catalogue.objects import Chip
from chipwise.core.errors import InputError
from chipwise.perf.operators.attention import attention_decode, attention_prefill
from chipwise.perf.operators.evaluate import largest, least
from chipwise.perf.operators.ladder import family_of
from chipwise.perf.operators.objects import (
    FAMILY,
    GENERIC,
    OWN,
    RUNGS,
    MixedKernel,
    Number,
    OperatorProfile,
    OperatorTime,
)
from chipwise.perf.operators.precision import CACHE_BYTES, canonical
from chipwise.perf.operators.tables import read_rows, spreads

KERNELS = ("fused", "separate")
SPILL = 2.0
"""How fast heads that do not run side by side come to read the cache from memory again, past the size of the on-chip
cache: twice the share of the data that does not fit, at most all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedRow:
    """Four numbers of the kernel on one chip."""

    chip: str
    family: str
    rows: float
    blocks: float
    exponent: float
    share: float


@functools.cache
def _rows() -> tuple[MixedRow, ...]:
    return tuple(
        MixedRow(
            chip=row["chip"],
            family=row["family"],
            rows=float(row["rows"]),
            blocks=float(row["blocks"]),
            exponent=float(row["exponent"]),
            share=float(row["share"]),
        )
        for row in read_rows("mixed.csv")
    )


def mixed_kernel(chip: Chip, without: Collection[str] = ()) -> MixedKernel | None:
    """The kernel's numbers down the ladder; None where every measured chip is left out."""
    rows = [row for row in _rows() if row.chip not in without]
    family = family_of(chip)
    rungs = (
        (OWN, [row for row in rows if row.chip == chip.id]),
        (FAMILY, [row for row in rows if family and row.family == family]),
        (GENERIC, rows),
    )
    evidence, found = next(((code, each) for code, each in rungs if each), (GENERIC, []))
    if not found:
        return None
    spread = spreads()["mixed", RUNGS[evidence]]

    def middle(name: str) -> float:
        return math.exp(sum(math.log(getattr(row, name)) for row in found) / len(found))

    return MixedKernel(
        rows=middle("rows"),
        blocks=middle("blocks"),
        exponent=middle("exponent"),
        share=middle("share"),
        cache_bytes=chip.llc_bytes,
        low_factor=spread.low_factor,
        high_factor=spread.high_factor,
        evidence=evidence,
        donors=tuple(row.chip for row in found),
    )


def attention_mixed(
    profile: OperatorProfile,
    prompts: Any,
    new_tokens: Any,
    sequences: Any,
    context: Any,
    heads: Any,
    kv_heads: Any,
    head_dim: float,
    *,
    prompt_context: Any = 0.0,
    dtype: str = "bf16",
    kv_dtype: str = "bf16",
    kernel: str = "fused",
) -> OperatorTime:
    """Attention core over `prompts` chunks of `new_tokens` and one token of each of `sequences`, in one step.

    Parameters
    ----------
    prompts, new_tokens : float or array
        Chunks in the batch and tokens of each; both parts must be present.
    sequences, context : float or array
        Decoding sequences, and tokens in the cache of each (their mean where they differ: time is nearly linear in it).
    heads, kv_heads : float or array
        Of one chip.
    head_dim, dtype, kv_dtype
        As for `attention_prefill`.
    prompt_context : float or array
        Tokens already in the cache of each prompt.
    kernel : {"fused", "separate"}
        One kernel for both (FlashAttention as vLLM calls it where prefill is chunked), or one after the other
        (TensorRT-LLM): then the sum of the two operators.

    Returns
    -------
    OperatorTime

    Raises
    ------
    InputError, Undetermined
        As for `attention_prefill`; `kernel` is neither.

    Notes
    -----
    One block needs ``4 d rows blocks / peak`` a key: a tile of `rows` rows on one of `blocks` workers. Time is
    ``(work^p + longest block^p + memory^p)^(1/p)``; memory counts the cache up to once a query head, as far as fewer
    than a group of heads run side by side and the cache on the chip does not hold what they share. Never below either
    part alone, nor below the data sheet. Measured under vLLM 0.19 on RTX 4090 and RTX PRO 6000 only: on every other
    chip it is the same kernel with that chip's peak, bandwidth and cache. Kernels that cut decode along the context
    (FlashAttention-3 on Hopper) will be faster, by as much as the two parts apart; outside the measured families the
    interval reaches down to them.

    Examples
    --------
    >>> from chipwise.catalogue import load_catalogue
    >>> from chipwise.perf.operators import operator_profile
    >>> profile = operator_profile(load_catalogue().chip("rtx-pro-6000-server"))
    >>> both = attention_mixed(profile, 1, 512, 64, 4096, 32, 8, 128)
    >>> apart = attention_mixed(profile, 1, 512, 64, 4096, 32, 8, 128, kernel="separate")
    >>> both.time_s > apart.time_s
    True
    """
    if kernel not in KERNELS:
        raise InputError(f"{kernel!r} is no way to mix", place="kernel", allowed=", ".join(KERNELS))
    prefill = attention_prefill(
        profile, prompts, new_tokens, heads, kv_heads, head_dim, context=prompt_context, dtype=dtype, kv_dtype=kv_dtype
    )
    decode = attention_decode(profile, sequences, context, heads, kv_heads, head_dim, kv_dtype=kv_dtype)
    flop, moved = prefill.flop + decode.flop, prefill.bytes + decode.bytes
    evidence = max(prefill.evidence, decode.evidence)
    if kernel == "separate":
        return OperatorTime(
            flop=flop,
            bytes=moved,
            time_s=prefill.time_s + decode.time_s,
            low_s=prefill.low_s + decode.low_s,
            high_s=prefill.high_s + decode.high_s,
            evidence=evidence,
        )
    found = profile.mixed
    if found is None:
        raise InputError("no chip is left to take the mixed kernel from", place="without")
    peak = profile.surface("prefill", _precision(dtype, kv_dtype), "128").peak_flop_per_s
    element = 2.0 * head_dim * CACHE_BYTES[canonical(kv_dtype)]
    time = fused_time(
        found,
        peak,
        profile.bytes_per_s,
        prefill.time_s,
        (prompts, new_tokens, prompt_context, sequences, context, heads, kv_heads),
        head_dim,
        element,
    )
    floor = largest(flop / peak, moved / profile.bytes_per_s)
    time = largest(largest(time, floor), largest(prefill.time_s, decode.time_s))
    low = time * found.low_factor
    if found.evidence == GENERIC:
        low = least(low, largest(prefill.low_s, decode.low_s))
    return OperatorTime(
        flop=flop,
        bytes=moved,
        time_s=time,
        low_s=largest(low, floor),
        high_s=time * found.high_factor,
        evidence=max(evidence, found.evidence),
    )


def _precision(dtype: str, kv_dtype: str) -> str:
    first, second = canonical(dtype), canonical(kv_dtype)
    return first if first == second else f"{first}/{second}"


def fused_time(
    kernel: MixedKernel,
    peak: float,
    bandwidth: float,
    alone: Number,
    sizes: tuple[Number, ...],
    head_dim: float,
    element: float,
) -> Number:
    """Time of the fused kernel, s, before its bounds.

    Parameters
    ----------
    alone : float or array
        Time of the prompts by themselves, s.
    sizes : seven floats or arrays
        Prompts, new tokens, tokens before them, sequences, context, heads, cache heads.
    element : float
        Bytes of one token of one cache head.
    """
    prompts, new, before, sequences, context, heads, caches = sizes
    worker = 4.0 * head_dim * kernel.rows * kernel.blocks / peak
    tiles = largest(new / kernel.rows, 1.0)
    reading = prompts * heads * tiles * (before + 0.5 * new) * (worker / kernel.blocks)
    decoding = sequences * heads * context * (worker / kernel.blocks)
    longest = worker * largest(1.0 * context, before + new)
    group = heads / caches
    again = largest(least(group, group * sequences / kernel.blocks), 1.0)
    out: Number = 1.0
    if kernel.cache_bytes:
        held = least(1.0 * sequences, kernel.blocks) * context * element
        out = least(largest(SPILL * (1.0 - kernel.cache_bytes / held), 0.0), 1.0)
    traffic = sequences * caches * context * element * (1.0 + (again - 1.0) * out) / (bandwidth * kernel.share)
    p = kernel.exponent
    total = (largest(alone, reading) + decoding) ** p + longest**p + traffic**p
    return total ** (1.0 / p)
