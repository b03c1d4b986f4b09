"""Time of one serving estimate, of set-ups in arrays and of the search race.

python -m benchmarks.bench_inference
"""

from __future__ import annotations

import resource
import time

import numpy as np

from chipwise.catalogue import load_catalogue
from chipwise.perf import estimate_serving
from chipwise.perf.infer.compiled import compiled, works
from chipwise.perf.infer.layouts import groups


def main() -> None:
    """Print CPU times."""
    catalogue = load_catalogue()
    targets = {"tpot_s": 0.03, "ttft_s": 2.0, "weight_precision": "fp8", "output_tokens": 500.0}
    begun = time.process_time()
    found = estimate_serving("h200-sxm", "qwen3-32b", catalogue=catalogue, input_tokens=4000.0, **targets)
    print(
        f"first estimate: {time.process_time() - begun:.3f} CPU s, {found.chips_per_replica} chips, batch {found.batch}"
    )
    for model in ("qwen3-32b", "deepseek-v3"):
        times = []
        for turn in range(300):  # lengths and targets differ every time: no result can be remembered
            begun = time.process_time()
            estimate_serving(
                "h200-sxm",
                model,
                catalogue=catalogue,
                input_tokens=1000.0 + 7.0 * turn,
                output_tokens=300.0 + turn,
                tpot_s=0.03 + 1e-4 * turn,
                ttft_s=2.0,
            )
            times.append(time.process_time() - begun)
        print(f"warm estimate of {model}, every group and batch: {np.median(times[1:]) * 1e3:.3f} ms")
    chip, model = catalogue.chip("h200-sxm"), catalogue.model("qwen3-32b")
    tried = compiled(
        chip,
        model,
        groups(model, 8),
        precision="fp8",
        kv_precision="16-bit",
        engine="vllm",
        catalogue=catalogue,
    )
    count, draw = 200_000, np.random.default_rng(0)
    layout = draw.integers(0, len(tried.setups), count)
    batch, prompt, output = (draw.uniform(*span, count) for span in ((1.0, 500.0), (100.0, 8e3), (50.0, 2e3)))
    begun = time.process_time()
    works(tried, layout, batch, prompt, output, 8192.0)
    print(f"set-ups in arrays: {count / (time.process_time() - begun):,.0f} a second")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
