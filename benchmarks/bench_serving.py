"""How fast the serving simulator is: ``python -m benchmarks.bench_serving [--ten-million]``.

Prints one JSON line per race: requests/s and simulated tokens/s of one core at iteration level, the ratio to a plain
stepping twin on the same step times, and how far percentiles are from the twin's. Compilation is not counted.
"""

from __future__ import annotations

import csv
import importlib.resources
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from chipwise.serving import Operation, generate, preset, simulate, step_cost
from chipwise.serving.long_run import simulate_long
from chipwise.serving.simulation import Part
from chipwise.serving.trace import Trace, build_trace
from tests.reference.serving_twin import Request, Twin

REPEATS = 5
TWIN_REQUESTS = 3_000


def main() -> None:
    """Every race in turn."""
    for race in (iteration_level, fleet):
        for line in race():
            print(json.dumps(line), flush=True)
    if "--ten-million" in sys.argv:
        print(json.dumps(ten_million(10_000_000)), flush=True)


def part(model: str = "llama-2-7b") -> Part:
    """One A100-80GB under Sarathi: chunk 512, at most 128 running, blocks of 16."""
    cost = step_cost("a100-80-sxm", model, chips=1)
    return cost, preset("sarathi", kv_tokens=cost.kv_capacity_tokens, block_tokens=16)


def best(trace: Trace, fleet: Any, **options: Any) -> tuple[float, Any]:
    """Least CPU seconds of a few runs, and the last result."""
    seconds, result = [], None
    for _ in range(REPEATS):
        begun = time.process_time()
        result = simulate(trace, fleet, **options)
        seconds.append(time.process_time() - begun)
    return float(np.median(seconds)), result


def iteration_level() -> Any:
    """512 + 128 tokens, Poisson 6/s, against the twin on the same step times."""
    one = part()
    simulate(generate("poisson:6:512:128:10"), one)
    twin_s, shares = twin_of(one)
    for count in (1_000, 5_000, 100_000):
        trace = generate(f"poisson:6:512:128:{count}", seed=42)
        seconds, result = best(trace, one)
        yield {
            "race": "R5 iteration level, 512 + 128 tokens",
            "requests": count,
            "cpu_s": round(seconds, 4),
            "requests_per_s": round(count / seconds),
            "million_tokens_per_s": round(trace.tokens / seconds / 1e6, 1),
            "steps": result.steps,
            "events": result.events,
            "times_the_twin": round(count / seconds / (TWIN_REQUESTS / twin_s), 1),
            "largest_percentile_gap_to_twin": shares,
        }


def twin_of(one: Part) -> tuple[float, float]:
    """CPU seconds of the stepping twin, and the largest relative gap of any percentile."""
    trace = generate(f"poisson:6:512:128:{TWIN_REQUESTS}", seed=42)
    requests = [Request(i, float(trace.arrival_s[i] - trace.arrival_s[0]), 512, 128) for i in range(len(trace))]
    begun = time.process_time()
    Twin(*one).run(requests)
    seconds = time.process_time() - begun
    ours = simulate(trace, one)
    theirs = {
        "ttft": np.array([r.first - r.arrival for r in requests]),
        "latency": np.array([r.end - r.arrival for r in requests]),
    }
    gaps = []
    for name, values in (("ttft", ours.ttft_s), ("latency", ours.latency_s)):
        for percent in (50, 90, 99):
            expected = np.percentile(theirs[name], percent)
            gaps.append(abs(np.percentile(values, percent) / expected - 1.0))
    return seconds, float(max(gaps))


def fleet() -> Any:
    """200 requests/s over 19 replicas for short and 5 for long requests, lengths of the Azure trace."""
    count, draw = 300_000, np.random.default_rng(42)
    place = importlib.resources.files("chipwise") / "data" / "traces" / "azure_cdf.csv"
    rows = list(csv.DictReader(place.read_text(encoding="utf-8").splitlines()))
    edges = [0.0, *(float(row["total_tokens"]) for row in rows)]
    shares = [0.0, *(float(row["cumulative_fraction"]) for row in rows)]
    total = np.maximum(8, np.interp(draw.random(count), shares, edges))
    outputs = np.maximum(1, 0.155 * total).astype(int)
    arrival = np.cumsum(draw.exponential(1 / 200.0, size=count))
    trace = build_trace("azure lengths", arrival, total.astype(int) - outputs, outputs)
    cost = step_cost("a100-80-sxm", "llama-3.1-8b", chips=1)
    one = cost, preset("vllm", kv_tokens=cost.kv_capacity_tokens, prefix_cache=False)
    operation = Operation(pools=(0,) * 19 + (1,) * 5, threshold_tokens=6144)
    for router in ("length split", "round robin"):
        seconds, result = best(trace, [one] * 24, router=router, operation=operation)
        yield {
            "race": "R6 fleet of 24 at iteration level",
            "router": router,
            "requests": count,
            "cpu_s": round(seconds, 3),
            "requests_per_s": round(count / seconds),
            "million_tokens_per_s": round(trace.tokens / seconds / 1e6, 1),
            "ttft_p99_s": round(float(np.percentile(result.ttft_s, 99)), 3),
        }


def ten_million(count: int, each: int = 500_000) -> dict[str, Any]:
    """Ten million requests in chunks, with progress on standard error and a checkpoint after each chunk."""

    def chunk(k: int) -> Trace | None:
        if k * each >= count:
            return None
        trace = generate(f"poisson:6:512:128:{each}", seed=1000 + k)
        arrival = (k + trace.arrival_s / trace.arrival_s[-1]) * each / 6.0
        return build_trace("long", arrival, trace.input_tokens, trace.output_tokens)

    def show(done: int, total: int, message: str) -> None:
        print(f"[{done:,}/{total:,}] {message}", file=sys.stderr, flush=True)

    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        found = simulate_long(chunk, [part()], Path(folder), total=count, on_progress=show)
    return {
        "race": "ten million requests in bounded memory",
        "requests": found["requests"],
        "done": found["done"],
        "simulation_s": round(found["seconds"], 2),
        "cpu_s_with_files": round(time.process_time() - begun, 2),
        "requests_per_s": round(found["requests"] / found["seconds"]),
        "peak_rss_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2),
    }


if __name__ == "__main__":
    main()
