"""Memory-bound operators: a share of bandwidth and a launch time per chip, from measured layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chipwise.catalogue import load_catalogue
from chipwise.perf.operators.ladder import family_of
from tools.operator_columns import groups, read_columns
from tools.operator_layers import SERVING_SIM, SHAPES, VIDUR, simulator_columns

Array = NDArray[np.float64]

VIDUR_COLUMNS = {
    "norm": "input_layernorm_ms",
    "rotary": "attn_rope_ms",
    "activation": "mlp_act_ms",
    "add": "add_ms",
    "embedding": "emb_ms",
}
SIM_LAYERS = {
    "input_layernorm": "norm",
    "layernorm": "norm",
    "rope": "rotary",
    "rotary_emb": "rotary",
    "act_fn": "activation",
    "embedding": "embedding",
}


CACHED_AT_MOST = 0.25
"""Tables with more rows than this faster than memory were measured inside the cache and tell nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Measured times of one operator on one chip."""

    operator: str
    chip: str
    bytes: Array
    time_s: Array
    bandwidth: float
    source: str


def moved_bytes(operator: str, tokens: Array, shape: tuple[Array, ...], split: Array) -> Array:
    """Bytes of one call, as the operators of the package count them; `split` is the tensor-parallel width."""
    hidden, width, heads, caches, dim = shape
    if operator in ("norm", "embedding"):
        return 4.0 * tokens * hidden
    if operator == "add":
        return 6.0 * tokens * hidden
    if operator == "rotary":
        return 4.0 * tokens * (heads + caches) * dim / split
    return 6.0 * tokens * width / split


def vidur_streams(folder: Path) -> Iterator[Stream]:
    """Layers of Vidur."""
    columns = read_columns(folder / "operators" / "vidur_linear_ops.parquet")
    catalogue = load_catalogue()
    for (chip,), rows in groups(columns, ("chip",)):
        heads, hidden = columns["n_head"][rows], columns["n_embd"][rows]
        shape = (hidden, columns["n_expanded_embd"][rows], heads, columns["n_kv_head"][rows], hidden / heads)
        gated = columns["model"][rows] != "phi-2"
        for operator, name in VIDUR_COLUMNS.items():
            time = columns[name][rows] * 1e-3
            size = moved_bytes(
                operator, columns["num_tokens"][rows], shape, columns["num_tensor_parallel_workers"][rows]
            )
            keep = np.isfinite(time) & (time > 0) & gated
            found = catalogue.chip(chip)
            assert found.mem_bytes_per_s is not None
            yield Stream(
                operator=operator,
                chip=found.id,
                bytes=size[keep],
                time_s=time[keep],
                bandwidth=found.mem_bytes_per_s,
                source=f"{VIDUR} (MIT)",
            )


def simulator_streams(folder: Path) -> Iterator[Stream]:
    """Layers of LLMServingSim, both editions."""
    catalogue = load_catalogue()
    for columns in simulator_columns(folder):
        parts: dict[tuple[str, str], list[tuple[Array, Array]]] = {}
        for (chip, model, layer), rows in groups(columns, ("chip", "model", "layer")):
            if model not in SHAPES or layer not in SIM_LAYERS:
                continue
            shape: tuple[Any, ...] = SHAPES[model]
            size = moved_bytes(SIM_LAYERS[layer], columns["tokens"][rows], shape, columns["split"][rows])
            parts.setdefault((chip, SIM_LAYERS[layer]), []).append((size, columns["seconds"][rows]))
        for (chip, operator), each in sorted(parts.items()):
            found = catalogue.chip(chip)
            assert found.mem_bytes_per_s is not None
            size, time = (np.concatenate([pair[place] for pair in each]) for place in (0, 1))
            keep = (time > 0) & (size > 0)
            yield Stream(
                operator=operator,
                chip=found.id,
                bytes=size[keep],
                time_s=time[keep],
                bandwidth=found.mem_bytes_per_s,
                source=f"{SERVING_SIM} (MIT)",
            )


def all_streams(folder: Path) -> list[Stream]:
    """Every measured memory-bound operator; the first source of a chip and operator wins."""
    found: dict[tuple[str, str], Stream] = {}
    for stream in (*vidur_streams(folder), *simulator_streams(folder)):
        cached = float(np.mean(stream.time_s < stream.bytes / stream.bandwidth))
        if len(stream.time_s) >= 30 and cached <= CACHED_AT_MOST:
            found.setdefault((stream.operator, stream.chip), stream)
    return [found[key] for key in sorted(found)]


def fit_stream(stream: Stream) -> tuple[float, float]:
    """Share of bandwidth and launch time of least absolute log error, over a grid of shares."""
    best = (np.inf, 1.0, 1e-6)
    ideal = stream.bytes / stream.bandwidth
    for share in np.arange(0.10, 1.001, 0.01):
        launch = float(np.median(np.maximum(stream.time_s - ideal / share, 0.0)))
        for scale in (0.7, 0.85, 1.0, 1.2, 1.5):
            wrong = float(np.mean(np.abs(np.log((ideal / share + launch * scale + 1e-7) / stream.time_s))))
            if wrong < best[0]:
                best = (wrong, float(share), launch * scale + 1e-7)
    return best[1], best[2]


def streaming_rows(facts: Path) -> list[dict[str, Any]]:
    """Rows of ``streaming.csv``."""
    catalogue = load_catalogue()
    rows = []
    for stream in all_streams(facts / "inference"):
        share, launch = fit_stream(stream)
        rows.append(
            {
                "operator": stream.operator,
                "chip": stream.chip,
                "family": family_of(catalogue.chip(stream.chip)),
                "share": f"{share:.2f}",
                "launch_s": f"{launch:.3e}",
                "points": len(stream.time_s),
                "source": stream.source,
            }
        )
    return rows
