"""Matrix products inside measured model layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.operator_columns import Array, read_columns

VIDUR = "Vidur layer timings"
SERVING_SIM = "LLMServingSim layer timings"

SHAPES = {
    "Llama-3.1-8B": (4096.0, 14336.0, 32.0, 8.0, 128.0),
    "Llama-3.1-70B": (8192.0, 28672.0, 64.0, 8.0, 128.0),
    "Qwen3-32B": (5120.0, 25600.0, 64.0, 8.0, 128.0),
}
"""Hidden, feed-forward width, heads, cache heads and head dimension of the dense models measured."""

Layers = dict[str, Array]
UNGATED = ("phi-2",)
TOKENS_KEPT = 64


def sample_tokens(tokens: Array) -> NDArray[np.int64]:
    """Rows at `TOKENS_KEPT` or so distinct token counts, spread evenly in logarithm."""
    distinct = np.unique(tokens)
    wanted = np.geomspace(distinct[0], distinct[-1], TOKENS_KEPT)
    kept = distinct[np.unique(np.searchsorted(distinct, wanted).clip(0, len(distinct) - 1))]
    return np.flatnonzero(np.isin(tokens, kept))


def _stack(parts: list[tuple[Array, Array, Array, Array, Array]], source: str) -> Layers:
    chip, m, n, k, seconds = (np.concatenate([part[place] for part in parts]) for place in range(5))
    keep = np.isfinite(seconds) & (seconds > 0)
    milliseconds = seconds[keep] * 1e3
    return {
        "chip": chip[keep],
        "m": m[keep],
        "n": n[keep],
        "k": k[keep],
        "best_ms": milliseconds,
        "median_ms": milliseconds,
        "n_runs": np.ones(keep.sum()),
        "source": np.full(int(keep.sum()), source),
    }


def vidur_layers(folder: Path) -> Layers:
    """Projections and feed-forward products of Vidur; gate and up are one product."""
    columns = read_columns(folder / "operators" / "vidur_linear_ops.parquet")
    heads, caches, hidden = columns["n_head"], columns["n_kv_head"], columns["n_embd"]
    split, width, tokens = columns["num_tensor_parallel_workers"], columns["n_expanded_embd"], columns["num_tokens"]
    dim = hidden / heads
    matrices = np.where(np.isin(columns["model"], UNGATED), 1.0, 2.0)
    shapes = {
        "attn_pre_proj_ms": ((heads + 2.0 * np.maximum(caches, split)) * dim / split, hidden),
        "attn_post_proj_ms": (hidden, heads * dim / split),
        "mlp_up_proj_ms": (matrices * width / split, hidden),
        "mlp_down_proj_ms": (hidden, width / split),
    }
    parts = [(columns["chip"], tokens, n, k, columns[name] * 1e-3) for name, (n, k) in shapes.items()]
    return _stack(parts, VIDUR)


def simulator_columns(folder: Path) -> tuple[Layers, Layers]:
    """Both editions of LLMServingSim in one spelling: tokens, seconds, layer, split."""
    first = read_columns(folder / "operators" / "llmservingsim_v0_layers.parquet")
    first["tokens"], first["seconds"] = first["input"], first["latency_ns"] * 1e-9
    first["layer"], first["split"] = first["layer_name"], first["tp_size"]
    second = read_columns(folder / "operators" / "llmservingsim_vllm019_layers.parquet")
    second["seconds"] = second["time_us"] * 1e-6
    second["split"] = np.where(second["tp_dir"] == "tp2", 2.0, 1.0)
    return first, second


def simulator_layers(folder: Path) -> Iterator[Layers]:
    """Projections and feed-forward products of LLMServingSim, dense models."""
    for columns in simulator_columns(folder):
        parts = []
        for model, (hidden, width, heads, caches, dim) in SHAPES.items():
            for layer, (n, k, n_split) in _layer_shapes(hidden, width, heads, caches, dim).items():
                rows = (columns["model"] == model) & (columns["layer"] == layer)
                if not rows.any():
                    continue
                split = columns["split"][rows]
                wide = n / split if n_split else n + 0.0 * split
                deep = k + 0.0 * split if n_split else k / split
                parts.append((columns["chip"][rows], columns["tokens"][rows], wide, deep, columns["seconds"][rows]))
        yield _stack(parts, SERVING_SIM)


def _layer_shapes(
    hidden: float, width: float, heads: float, caches: float, dim: float
) -> dict[str, tuple[float, float, bool]]:
    """Columns, depth, and whether a split divides the columns."""
    return {
        "q_proj": (heads * dim, hidden, True),
        "k_proj": (caches * dim, hidden, True),
        "v_proj": (caches * dim, hidden, True),
        "qkv_proj": ((heads + 2.0 * caches) * dim, hidden, True),
        "o_proj": (hidden, heads * dim, False),
        "gate_proj": (width, hidden, True),
        "up_proj": (width, hidden, True),
        "gate_up_proj": (2.0 * width, hidden, True),
        "down_proj": (hidden, width, False),
    }
