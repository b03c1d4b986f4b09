"""Speed of the training model: one evaluation, a batch of them, the exhaustive search and a small one."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

RUNS = 5


def cpu_seconds(work: Callable[[], Any]) -> float:
    """Median CPU seconds of several calls, the first not counted."""
    work()
    spent = []
    for _ in range(RUNS):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return sorted(spent)[RUNS // 2]


def paper_case() -> tuple[Any, Any]:
    """GPT-3 175B on 64 A100 with TP 8, PP 8, three chunks and selective recomputation."""
    from chipwise.catalogue import load_catalogue
    from chipwise.perf.train.objects import Layout, Stack
    from chipwise.perf.train.run import problem_of

    catalogue = load_catalogue()
    asked = problem_of(
        catalogue.chip("a100-80-sxm"), catalogue.model("gpt3-175b"), catalogue, chips=64, batch=64, seq=2048,
        precision="fp16", stack=Stack(flash=0.0),
    )  # fmt: skip
    layout = Layout(seq=2048.0, tp=8.0, pp=8.0, vpp=3.0, mbs=1.0, accum=64.0, sp=1.0, recompute_core=1.0)
    return asked, layout


def evaluations() -> dict[str, float]:
    """Full evaluations, time and memory with every part, a second and core."""
    from chipwise.perf.train.memory import memory
    from chipwise.perf.train.step import step_time

    asked, layout = paper_case()

    def full(chosen: Any) -> None:
        step_time(asked.shape, chosen, asked.device, asked.stack, asked.terms)
        memory(asked.shape, chosen, asked.stack)

    draw, size = np.random.default_rng(0), 16384
    many = dataclasses.replace(
        layout,
        **{name: draw.choice([1.0, 2.0, 4.0, 8.0], size) for name in ("tp", "pp", "vpp", "dp", "mbs", "accum")},
        recompute=draw.choice([0.0, 1.0], size),
        zero=draw.choice([0.0, 1.0, 3.0], size),
    )
    single = cpu_seconds(lambda: [full(layout) for _ in range(200)]) / 200
    return {"single_ms": 1e3 * single, "batch_per_s": size / cpu_seconds(lambda: full(many))}


def twin_ratio() -> float:
    """How many times faster a layout is in a batch than in the slow twin of the tests."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "reference"))
    from training_slow import step_seconds

    asked, layout = paper_case()
    layout = dataclasses.replace(layout, recompute_core=0.0)
    stack = dataclasses.replace(asked.stack, flash=2.0)
    slow = cpu_seconds(lambda: step_seconds(asked.shape, layout, asked.device, stack, asked.terms))
    return slow * evaluations()["batch_per_s"]


def searches() -> dict[str, float]:
    """CPU seconds of the exhaustive searches on 4,096 A100, and of a practical one on 256."""
    from chipwise.catalogue import load_catalogue
    from chipwise.perf.train.run import problem_of, search_layouts

    catalogue = load_catalogue()
    cases = {
        "gpt3_4096_full_s": ("gpt3-175b", 4096, 4096, 2048, "full"),
        "megatron_1t_4096_full_s": ("megatron-1t", 4096, 4096, 2048, "full"),
        "llama3_70b_256_practical_s": ("llama-3-70b", 256, 1024, 4096, "practical"),
    }
    found = {}
    for name, (model, chips, batch, seq, space) in cases.items():
        asked = problem_of(
            catalogue.chip("a100-80-sxm"), catalogue.model(model), catalogue, chips=chips, batch=batch, seq=seq
        )
        found[name] = cpu_seconds(lambda asked=asked, space=space: search_layouts(asked, space=space, top=1))
    return found


PEER = "CHIPWISE_CALCULON"
"""Environment variable that names a checkout of Calculon; nothing of it ships here."""


def calculon_rate(folder: Path) -> float:
    """Evaluations a second of Calculon: its own files of the same run, time and memory in full."""
    sys.path.insert(0, str(folder))
    from calculon import System
    from calculon.llm.llm import Llm

    def read(*parts: str) -> Any:
        return json.loads(folder.joinpath(*parts).read_text(encoding="utf-8"))

    machine, logger = System(read("systems", "a100_80g.json")), logging.getLogger("calculon")
    shape = Llm.Application(read("models", "gpt3-175B.json"))
    layout = Llm.Execution.from_json(read("validation", "seqsel", "fig7", "gpt3-175B_seqsel.json"))

    def one() -> None:
        peer = Llm(shape, logger)
        peer.compile(machine, layout)
        peer.run(machine)
        peer.get_stats_json(False)

    return 50 / cpu_seconds(lambda: [one() for _ in range(50)])


def main() -> None:
    """Print every figure."""
    found = {**evaluations(), **searches(), "times_faster_than_the_slow_twin": twin_ratio()}
    for name, value in found.items():
        print(f"{name} {value:,.4g}")
    folder = os.environ.get(PEER)
    if not folder or not Path(folder, "calculon").is_dir():
        print(f"calculon: no checkout named by {PEER}, skipped")
        return
    try:
        rate = calculon_rate(Path(folder))
    except ImportError as error:
        print(f"calculon: {error}, skipped")
        return
    print(f"calculon_per_s {rate:,.4g}")
    print(f"times_faster_than_calculon {found['batch_per_s'] / rate:,.4g}")


if __name__ == "__main__":
    main()
