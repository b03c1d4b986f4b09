"""Time of one serving estimate, of set-ups in arrays and of the search race.

python -m benchmarks.bench_inference
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import numpy as np

from chipwise.catalogue import load_catalogue
from chipwise.core.errors import Undetermined
from chipwise.perf import estimate_serving
from chipwise.perf.infer.compiled import compiled
from chipwise.perf.infer.layouts import groups
from chipwise.perf.infer.operate import operate
from chipwise.perf.infer.options import Options
from chipwise.perf.infer.setup import Layout
from chipwise.perf.predictors import PredictorCase, predictors
from chipwise.perf.predictors.aiconfigurator import installed


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
    operate(tried, Options(), layout, batch, prompt, output)
    print(f"set-ups under load in arrays: {count / (time.process_time() - begun):,.0f} a second")
    race()
    compare()


def race() -> None:
    """The search race in a process of its own: Qwen3-32B FP8 on 32 H200 within 2000 and 30 ms."""
    words = "--model qwen3-32b --chip h200-sxm --chips 32 --isl 4000 --osl 1000 --ttft-ms 2000 --tpot-ms 30"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for mode, reference in (("disaggregated", 1449.0), ("aggregated", 1368.0)):
        command = [
            sys.executable,
            "-c",
            "from chipwise.cli.main import main; main()",
            "serve",
            "search",
            *words.split(),
            "--precision",
            "fp8",
        ]
        done = subprocess.run([*command, "--mode", mode, "--json"], capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        before = after
        answer = json.loads(done.stdout)
        rate = answer["setups"][0]["output_tokens_per_s_per_chip"]["value"]
        print(
            f"search race, {mode}: {rate:,.0f} tokens/s a chip (AIConfigurator {reference:,.0f}: "
            f"{rate / reference - 1.0:+.1%}), {answer['space']:,} set-ups, {spent:.2f} CPU s whole process, "
            f"{after.ru_maxrss / 1024:.0f} MiB"
        )


CASES = (
    ("h200-sxm", "qwen3-32b", "fp8", Layout(tensor=2), "tensorrt-llm", 4000.0, 1000.0, 64.0),
    ("h200-sxm", "qwen3-32b", "fp8", Layout(), "tensorrt-llm", 4000.0, 1000.0, 40.0),
    ("h100-sxm", "llama-3.1-8b", "16-bit", Layout(), "vllm", 1000.0, 300.0, 64.0),
    ("h100-sxm", "llama-3.1-70b", "16-bit", Layout(tensor=4), "vllm", 2000.0, 500.0, 32.0),
    ("b200-sxm", "qwen3-32b", "fp8", Layout(), "tensorrt-llm", 1000.0, 1000.0, 64.0),
)


def compare() -> None:
    """Both predictors on the same cases, where AIConfigurator is installed."""
    if not installed():
        print("aiconfigurator: not installed, no comparison")
        return
    catalogue = load_catalogue()
    for chip, model, precision, layout, engine, prompt, output, flight in CASES:
        case = PredictorCase(
            chip=catalogue.chip(chip),
            model=catalogue.model(model),
            engine=engine,
            layout=layout,
            weight_precision=precision,
            input_tokens=prompt,
            output_tokens=output,
            concurrency=flight,
        )
        texts = []
        for name, each in predictors().items():
            begun = time.process_time()
            try:
                found = each.predict(case)
            except Undetermined as error:
                texts.append(f"{name}: no answer ({error.message})")
                continue
            spent = (time.process_time() - begun) * 1e3
            texts.append(
                f"{name} TPOT {found.tpot_s * 1e3:.1f} TTFT {found.ttft_s * 1e3:,.0f} ms in {spent:,.1f} CPU ms"
            )
        print(f"{model} on {layout.chips} {chip}, {engine}, {flight:g} in flight: " + "; ".join(texts))


if __name__ == "__main__":
    main()
