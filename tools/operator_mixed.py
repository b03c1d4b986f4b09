"""Fit the fused attention kernel of mixed batches, and judge it on chips and models left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chipwise.catalogue import load_catalogue
from chipwise.perf.operators import attention_decode, attention_prefill, operator_profile
from chipwise.perf.operators.ladder import family_of, peak_of
from chipwise.perf.operators.mixed import fused_time
from chipwise.perf.operators.objects import OWN, MixedKernel
from tools.operator_columns import groups, read_columns
from tools.operator_layers import SERVING_SIM

Array = NDArray[np.float64]

HEADS = {"Llama-3.1-8B": (32.0, 8.0), "Qwen3-32B": (64.0, 8.0), "Qwen3-30B-A3B-Instruct-2507": (32.0, 4.0)}
"""Query and cache heads of the models measured."""

HEAD_DIM, ELEMENT = 128.0, 512.0
ROWS_PER_GROUP = 1500
START = np.log([64.0, 150.0, 2.0, 0.9])
PRIOR = np.array([0.5, 0.5, 0.3, 0.2])
PRIOR_WEIGHT = 4.0
PARTS = 4
"""Parts a chip with one model is cut into, by the size of its chunks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """Mixed batches of one model on one chip.

    Parameters
    ----------
    sizes : seven (n,) float64
        As `fused_time` takes them.
    alone_s, apart_s : (n,) float64
        Predicted prefill by itself, and prefill and decode one after the other.
    """

    chip: str
    group: str
    sizes: tuple[Array, ...]
    alone_s: Array
    decode_s: Array
    time_s: Array
    peak: float
    bandwidth: float
    cache_bytes: float | None

    @property
    def apart_s(self) -> Array:
        """Prefill and decode one after the other."""
        return self.alone_s + self.decode_s


def mixed_batches(facts: Path) -> list[Mixed]:
    """Measured mixed batches by chip, model and split; at most `ROWS_PER_GROUP` of each."""
    columns = read_columns(facts / "inference" / "operators" / "llmservingsim_vllm019_layers.parquet")
    both = (columns["prefill_chunk"] > 0) & (columns["n_decode"] > 0) & (columns["kv_decode"] > 0)
    found = []
    for (chip, model, split), rows in groups(columns, ("chip", "model", "tp_dir")):
        rows = rows[both[rows] & (columns["table"][rows] == "attention")]
        rows = np.sort(rows[np.random.default_rng(6).permutation(len(rows))[:ROWS_PER_GROUP]])
        heads, caches = (each / (2.0 if split == "tp2" else 1.0) for each in HEADS[model])
        item = load_catalogue().chip(chip)
        peak = peak_of(item, "16-bit")
        assert peak is not None
        assert item.mem_bytes_per_s is not None
        new, before, sequences, context = (
            columns[name][rows] for name in ("prefill_chunk", "kv_prefill", "n_decode", "kv_decode")
        )
        one = np.ones(len(rows))
        profile = operator_profile(item)
        alone = attention_prefill(profile, one, new, heads, caches, HEAD_DIM, context=before).time_s
        decode = attention_decode(profile, sequences, context, heads, caches, HEAD_DIM).time_s
        found.append(
            Mixed(
                chip=item.id,
                group=f"{model} {split}",
                sizes=(one, new, before, sequences, context, heads * one, caches * one),
                alone_s=alone,
                decode_s=decode,
                time_s=columns["time_us"][rows] * 1e-6,
                peak=peak,
                bandwidth=item.mem_bytes_per_s,
                cache_bytes=item.llc_bytes,
            )
        )
    return found


def kernel_of(theta: Array, cache_bytes: float | None) -> MixedKernel:
    """Kernel of the logarithms of its four numbers."""
    rows, blocks, exponent, share = (float(value) for value in np.exp(theta))
    return MixedKernel(
        rows=rows,
        blocks=blocks,
        exponent=exponent,
        share=share,
        cache_bytes=cache_bytes,
        low_factor=1.0,
        high_factor=1.0,
        evidence=OWN,
        donors=(),
    )


def predicted(theta: Array, batch: Mixed) -> Array:
    """Times as the operator gives them, s."""
    kernel = kernel_of(theta, batch.cache_bytes)
    time = fused_time(kernel, batch.peak, batch.bandwidth, batch.alone_s, batch.sizes, HEAD_DIM, ELEMENT)
    return np.maximum(time, np.maximum(batch.alone_s, batch.decode_s))


def fit(batches: Sequence[Mixed]) -> Array:
    """Least absolute log error, each batch of rows counting the same, near `START` where they do not tell."""
    weights = np.concatenate([np.full(len(batch.time_s), 200.0 / len(batch.time_s)) for batch in batches])

    def error(theta: Array) -> Array:
        return np.concatenate([np.log(predicted(theta, batch) / batch.time_s) for batch in batches])

    theta = START.copy()
    for _ in range(40):
        wrong = error(theta)
        slope = np.stack([(error(theta + step) - wrong) / 1e-4 for step in np.eye(4) * 1e-4], axis=1)
        weight = weights / np.maximum(np.abs(wrong), 0.05)
        hessian = (slope * weight[:, None]).T @ slope + np.diag(PRIOR_WEIGHT / PRIOR**2)
        gradient = (slope * weight[:, None]).T @ wrong + PRIOR_WEIGHT * (theta - START) / PRIOR**2
        move = np.clip(-np.linalg.solve(hessian, gradient), -0.3, 0.3)
        theta = theta + move
        if np.abs(move).max() < 1e-4:
            break
    return theta


def mixed_rows(facts: Path) -> list[dict[str, Any]]:
    """Rows of ``mixed.csv``."""
    batches = mixed_batches(facts)
    rows = []
    for chip in sorted({batch.chip for batch in batches}):
        own = [batch for batch in batches if batch.chip == chip]
        values = np.exp(fit(own))
        rows.append(
            {
                "chip": chip,
                "family": family_of(load_catalogue().chip(chip)),
                **{
                    name: f"{value:.4g}"
                    for name, value in zip(("rows", "blocks", "exponent", "share"), values, strict=True)
                },
                "points": sum(len(batch.time_s) for batch in own),
                "source": f"{SERVING_SIM} (MIT)",
            }
        )
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedScore:
    """Logarithms of measured over predicted, and the same for the sum of two kernels."""

    chip: str
    group: str
    regime: str
    log_error: Array
    sum_error: Array


def _pieces(own: Sequence[Mixed]) -> list[tuple[str, list[Mixed], list[Mixed]]]:
    """Name, kept and left out: whole models, or quarters of the chunk sizes of the only one."""
    if len({batch.group.split(" ")[0] for batch in own}) > 1:
        names = sorted({batch.group.split(" ")[0] for batch in own})
        return [
            (name, [b for b in own if not b.group.startswith(name)], [b for b in own if b.group.startswith(name)])
            for name in names
        ]
    (whole,) = own
    sizes = np.unique(whole.sizes[1])
    part = np.searchsorted(sizes, whole.sizes[1]) % PARTS
    return [(f"chunks {at}", [_some(whole, part != at)], [_some(whole, part == at)]) for at in range(PARTS)]


def _some(batch: Mixed, keep: NDArray[np.bool_]) -> Mixed:
    return replace(
        batch,
        sizes=tuple(each[keep] for each in batch.sizes),
        alone_s=batch.alone_s[keep],
        decode_s=batch.decode_s[keep],
        time_s=batch.time_s[keep],
    )


def mixed_scores(facts: Path) -> list[MixedScore]:
    """Models left out on their own chip, and whole chips left out."""
    batches = mixed_batches(facts)
    scores = []
    for chip in sorted({batch.chip for batch in batches}):
        own = [batch for batch in batches if batch.chip == chip]
        others = [batch for batch in batches if batch.chip != chip]
        for name, kept, out in _pieces(own):
            scores += [_score(fit(kept), batch, name, "shape") for batch in out]
        far = fit(others)
        scores += [_score(far, batch, batch.group, "chip") for batch in own]
    return scores


def _score(theta: Array, batch: Mixed, group: str, regime: str) -> MixedScore:
    return MixedScore(
        chip=batch.chip,
        group=group,
        regime=regime,
        log_error=np.log(batch.time_s / predicted(theta, batch)),
        sum_error=np.log(batch.time_s / batch.apart_s),
    )
