"""Time of one serving estimate and of set-ups in arrays.

python -m benchmarks.bench_inference
"""

from __future__ import annotations

import resource
import time

import numpy as np

from chipwise.catalogue import load_catalogue
from chipwise.perf import estimate_serving
from chipwise.perf.infer.search import candidate, setups


def main() -> None:
    """Print CPU times."""
    catalogue = load_catalogue()
    targets = {"tpot_s": 0.03, "ttft_s": 2.0, "weight_precision": "fp8", "input_tokens": 4000.0, "output_tokens": 500.0}
    begun = time.process_time()
    found = estimate_serving("h200-sxm", "qwen3-32b", catalogue=catalogue, **targets)
    print(
        f"first estimate: {time.process_time() - begun:.3f} CPU s, {found.chips_per_replica} chips, batch {found.batch}"
    )
    times = []
    for _ in range(20):
        begun = time.process_time()
        estimate_serving("h200-sxm", "qwen3-32b", catalogue=catalogue, **targets)
        times.append(time.process_time() - begun)
    print(f"warm estimate, every group and batch: {np.median(times) * 1e3:.1f} ms")
    tried = setups(
        catalogue.chip("h200-sxm"),
        catalogue.model("qwen3-32b"),
        precision="fp8",
        kv_precision="16-bit",
        engine="vllm",
        most_chips=8,
        catalogue=catalogue,
    )
    begun = time.process_time()
    for _ in range(20):
        for setup in tried:
            candidate(setup, 4000.0, 500.0, 0.03, 2.0)
    spent = (time.process_time() - begun) / 20 / len(tried)
    print(f"one layout over its batches: {spent * 1e3:.2f} ms")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
