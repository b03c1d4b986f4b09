"""Shares of the data sheet that an engine's own layers reach: ``python -m tools.build_step_rates FACTS``.

From per-layer timings of dense models under one engine: weights read at one token (memory), matrix products at 2,048
tokens (compute), decode and prefill attention as slopes over context, and mixed attention over its parts.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from chipwise.catalogue import load_catalogue

TARGET = Path(__file__).resolve().parent.parent / "src" / "chipwise" / "data" / "perf" / "step_rates.csv"
SOURCE = "LLMServingSim layer profiles under vLLM 0.19, Copyright (c) 2024 CASYS Lab at KAIST, MIT"
MATRICES = ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")
MODELS = {"Llama-3.1-8B": "llama-3.1-8b"}


def main(facts: Path) -> None:
    """Write one row per chip and rate."""
    catalogue = load_catalogue()
    rows = pq.read_table(facts / "inference" / "operators" / "llmservingsim_vllm019_layers.parquet").to_pylist()
    out = []
    for chip_id in sorted({row["chip"] for row in rows}):
        chip = catalogue.chip(chip_id)
        mine = [row for row in rows if row["chip"] == chip_id and row["tp_dir"] == "tp1" and row["model"] in MODELS]
        for name, value, count in rates(mine, chip, catalogue.model(MODELS["Llama-3.1-8B"])):
            out.append({"chip": chip.id, "rate": name, "value": f"{value:.4f}", "n": count, "source": SOURCE})
            print(chip.id, name, f"{value:.4f}", count)
    with TARGET.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["chip", "rate", "value", "n", "source"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(out)


def rates(rows: list[dict[str, Any]], chip: Any, model: Any) -> list[tuple[str, float, int]]:
    """Rates of one chip from the layers of one dense model."""
    layers: dict[str, dict[float, float]] = defaultdict(dict)
    for row in rows:
        if row["layer"]:
            layers[row["layer"]][row["tokens"] or row["sequences"]] = row["time_us"] * 1e-6
    head = model.vocab * model.hidden
    weights = model.params_matmul_active - head
    read = sum(layers[name][1.0] for name in MATRICES)
    most = max(t for t in layers["qkv_proj"] if t <= 2048)
    work = sum(layers[name][most] for name in MATRICES)
    peak, band = chip.rates["bf16"], chip.mem_bytes_per_s
    attention = [row for row in rows if row["table"] == "attention"]
    kv, pair = 2.0 * model.kv_elems_per_token / model.layers, 2.0 * model.attn_score_dim_full / model.layers
    decode = [row for row in attention if not row["prefill_chunk"] and row["n_decode"] * row["kv_decode"] > 20_000]
    prefill = [row for row in attention if not row["n_decode"]]
    per_token = slope(
        [(1.0, row["n_decode"], row["n_decode"] * row["kv_decode"]) for row in decode], [r["time_us"] for r in decode]
    )
    per_pair = slope(
        [(1.0, r["prefill_chunk"], r["prefill_chunk"] * (r["kv_prefill"] + r["prefill_chunk"] / 2)) for r in prefill],
        [r["time_us"] for r in prefill],
    )
    mixed = mixed_ratio(attention)
    return [
        ("gemm_memory", 2.0 * weights / model.layers / read / band, len(MATRICES)),
        ("gemm_compute", 2.0 * weights / model.layers * most / work / peak, len(MATRICES)),
        ("decode_attention", kv / (per_token * 1e-6) / band, len(decode)),
        ("prefill_attention", pair / (per_pair * 1e-6) / peak, len(prefill)),
        ("mixed_attention", mixed[0], mixed[1]),
    ]


def slope(inputs: list[tuple[float, ...]], times: list[float]) -> float:
    """Last coefficient of a linear law fitted to relative errors."""
    x, y = np.array(inputs), np.array(times)
    return float(np.linalg.lstsq(x / y[:, None], np.ones(len(y)), rcond=None)[0][-1])


def mixed_ratio(attention: list[dict[str, Any]]) -> tuple[float, int]:
    """Time of mixed attention over the sum of its parts, weighted by time, for batches an engine forms."""
    decode = {(r["n_decode"], r["kv_decode"]): r["time_us"] for r in attention if not r["prefill_chunk"]}
    prefill = {(r["prefill_chunk"], r["kv_prefill"]): r["time_us"] for r in attention if not r["n_decode"]}
    whole = parts = 0.0
    count = 0
    for row in attention:
        if row["n_decode"] < 16 or row["prefill_chunk"] < 256:
            continue
        a = decode.get((row["n_decode"], row["kv_decode"]))
        b = prefill.get((row["prefill_chunk"], row["kv_prefill"]))
        if a is not None and b is not None:
            whole, parts, count = whole + row["time_us"], parts + a + b, count + 1
    return whole / parts, count


if __name__ == "__main__":
    main(Path(sys.argv[1]))
