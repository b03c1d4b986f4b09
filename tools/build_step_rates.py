"""Attention of mixed steps over that of their parts, by chip: ``python -m tools.build_step_rates FACTS``.

From layer timings under one engine.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from chipwise.catalogue import load_catalogue

TARGET = Path(__file__).resolve().parent.parent / "src" / "chipwise" / "data" / "perf" / "step_rates.csv"
SOURCE = "LLMServingSim layer profiles under vLLM 0.19, Copyright (c) 2024 CASYS Lab at KAIST, MIT"
MODELS = ("Llama-3.1-8B",)


def main(facts: Path) -> None:
    """Write one row per chip and rate."""
    catalogue = load_catalogue()
    rows = pq.read_table(facts / "inference" / "operators" / "llmservingsim_vllm019_layers.parquet").to_pylist()
    out = []
    for chip_id in sorted({row["chip"] for row in rows}):
        chip = catalogue.chip(chip_id)
        mine = [row for row in rows if row["chip"] == chip_id and row["tp_dir"] == "tp1" and row["model"] in MODELS]
        value, count = mixed_ratio([row for row in mine if row["table"] == "attention"])
        rate = {"chip": chip.id, "rate": "mixed_attention", "value": f"{value:.4f}", "n": count, "source": SOURCE}
        out.append(rate)
        print(chip.id, f"{value:.4f}", count)
    with TARGET.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["chip", "rate", "value", "n", "source"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(out)


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
