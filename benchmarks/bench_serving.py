"""How fast the serving simulator is: ``python -m benchmarks.bench_serving [--ten-million] [--sizing] [--loads]``.

Prints one JSON line per race: requests/s and simulated tokens/s of one core at iteration level, the ratio to a plain
stepping twin on the same step times, and how far percentiles are from the twin's. Compilation is not counted.
``--sizing`` sizes three chips for an hour of the Azure trace and runs the fleets on 200 fresh draws; ``--loads`` times
what a chip carries.
"""

from __future__ import annotations

import csv
import importlib.resources
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from chipwise.catalogue import load_catalogue
from chipwise.serving import (
    Operation,
    carried_by_chip,
    generate,
    load_workload,
    preset,
    simulate,
    size_fleet,
    step_cost,
)
from chipwise.serving.capacity import Target
from chipwise.serving.generate import resampled
from chipwise.serving.long_run import simulate_long
from chipwise.serving.simulation import Part
from chipwise.serving.sized import SizedFleet
from chipwise.serving.sizing import meets
from chipwise.serving.trace import Trace, build_trace
from tests.reference.serving_twin import Request, Twin

REPEATS = 5
TWIN_REQUESTS = 3_000


def main() -> None:
    """Every race in turn."""
    os.environ["CHIPWISE_CACHE"] = "off"
    for race in (iteration_level, recorded, fleet) if not {"--sizing", "--loads"} & set(sys.argv) else ():
        for line in race():
            print(json.dumps(line), flush=True)
    if "--sizing" in sys.argv:
        for line in sizing():
            print(json.dumps(line), flush=True)
    if "--loads" in sys.argv:
        for line in loads():
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


def recorded() -> Any:
    """The Azure conversation trace on one replica that carries half of it."""
    one = part()
    for copies in (0.2, 0.5):
        trace = load_workload("azure", copies=copies)
        seconds, result = best(trace, one)
        yield {
            "race": "R5 on the Azure conversation trace",
            "copies": copies,
            "requests": len(trace),
            "requests_per_s": round(len(trace) / seconds),
            "million_tokens_per_s": round(trace.tokens / seconds / 1e6, 1),
            "busy": round(result.replicas[0]["busy_share"], 3),
            "ttft_p99_s": round(float(np.percentile(result.ttft_s, 99)), 3),
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


SIZED = (
    ("llama-3.1-8b", "azure", ("h20-96", "l40s", "a100-80-sxm"), 1.0, 0.06, 1.0),
    ("llama-3.1-8b", "azure", ("h20-96", "l20", "h800-sxm"), 2.0, 0.08, 1.0),
    ("llama-2-13b", "azure", ("h20-96", "ascend-910b", "a800-80-sxm"), 2.0, 0.06, 1.0),
)
"""Model, trace, chips, TTFT and TPOT in s, copies of the trace."""


def sizing(fresh: int = 200) -> Any:
    """Time to size three chips, and how often each fleet meets the target on draws it was not sized on."""
    for model, name, chips, ttft_s, tpot_s, copies in SIZED:
        trace = load_workload(name, copies=None if copies == 1.0 else copies)
        begun, wall = time.process_time(), time.perf_counter()
        found = size_fleet(model, trace, chips, slo_ttft_s=ttft_s, slo_tpot_s=tpot_s)
        seconds, wall = time.process_time() - begun, time.perf_counter() - wall
        fleets = {**found.per_chip, **({"mix": found.mixed} if found.mixed else {})}
        met = {label: met_on_fresh_draws(fleet, model, trace, found.target, fresh) for label, fleet in fleets.items()}
        yield {
            "race": "sizing, three chips",
            "model": model,
            "trace": trace.name,
            "copies": copies,
            "requests": len(trace),
            "slo_s": [ttft_s, tpot_s],
            "cpu_s": round(seconds, 1),
            "wall_s": round(wall, 1),
            "chips": {label: dict(fleet.chips) for label, fleet in fleets.items()},
            "why_not": dict(found.why_not),
            "fresh_runs": fresh,
            "share_of_fresh_runs_that_meet_the_slo": met,
        }


def met_on_fresh_draws(fleet: SizedFleet, model: str, trace: Trace, target: Target, runs: int) -> float:
    """Share of runs on draws from seeds the sizing never saw."""
    parts = []
    for chip, layout in fleet.layout.items():
        cost = step_cost(chip, model, chips=layout["chips_per_replica"], weight_precision=layout["weight_precision"])
        replica = preset(
            "vllm",
            max_batch=layout["max_batch"],
            token_budget=layout["token_budget"],
            kv_tokens=cost.kv_capacity_tokens,
            block_tokens=cost.block_tokens,
        )
        parts += [(cost, replica)] * fleet.replicas[chip]
    return sum(meets(parts, resampled(trace, 1_000_000 + k), target)[0] for k in range(runs)) / runs


def loads() -> Any:
    """CPU seconds of one answer to what a chip carries, nothing kept."""
    catalogue = load_catalogue()
    for chip in ("h20-96", "l20", "ascend-910b", "a800-80-sxm"):
        for model in ("llama-2-13b", "llama-2-70b"):
            carried_by_chip(chip, model, slo_ttft_s=2.0, slo_tpot_s=0.06, catalogue=catalogue)
            begun = time.process_time()
            found = carried_by_chip(chip, model, slo_ttft_s=2.0, slo_tpot_s=0.06, catalogue=catalogue)
            each = found.tokens_per_s_per_chip
            yield {
                "race": "what a chip carries",
                "chip": chip,
                "model": model,
                "cpu_s": round(time.process_time() - begun, 3),
                "tokens_per_s": None if each is None else [round(v) for v in (each.value, each.low, each.high)],
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
