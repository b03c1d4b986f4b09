"""Withhold models, chips, generations, vendors and rounds from the inference model; ablate it; calibrate it.

    python tools/withhold_inference.py FACTS

Figures are means over groups (source, chip, evidence, regime) of the median error of the figures withheld.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

import numpy as np

from chipwise.perf.infer.calibrate import deviations, shrunk, variances_table
from fit_inference import METRICS, Point, fit, groups, predict, read_points
from score_inference import error

ROUNDS = {"mlperf-inference-v5.1": "MLPerf v5.1", "trtllm-perf-overview-v1.0": "TensorRT-LLM tables v1.0"}
"""Later rounds of a benchmark whose earlier round stays in."""

ALONE = ("mi300x", "ascend-910b", "ascend-910c", "xeon-6787p", "xeon-6980p", "mi355x")
"""Chips on the data sheet of a vendor with others on it."""

NOTHING = 1e-9

ABLATIONS: dict[str, dict[str, float]] = {
    "whole model": {},
    "no engine time per step": {f"step_s.{engine}": NOTHING for engine in ("vllm", "tensorrt-llm", "sglang")},
    "no launches per layer": {f"layer_s.{engine}": NOTHING for engine in ("vllm", "tensorrt-llm", "sglang")},
    "no host time per request": {f"sequence_s.{engine}": NOTHING for engine in ("vllm", "tensorrt-llm", "sglang")},
    "prompts not shared by decodes": {"prompt_share": NOTHING},
    "no collectives": {"collective": NOTHING},
    "even routing": {"skew": NOTHING},
    "no wait of attention copies": {"copies": NOTHING},
    "no queue, wave or step of equal requests": {"queue": NOTHING, "wave": NOTHING, "lock": NOTHING},
    "no progress of tuned submissions": {"progress": 1.0},
}

DRAWS = 200


def withheld(points: Sequence[Point], key: Callable[[Point], Hashable | None]) -> dict[Hashable, list[float]]:
    """Errors by metric and regime class of what each value of `key` keeps back; None is never kept back."""
    found: dict[Hashable, list[float]] = defaultdict(list)
    for value in sorted({key(point) for point in points} - {None}, key=str):
        mine = [point for point in points if key(point) == value]
        values = fit([point for point in points if key(point) != value])
        for group, logs in groups(mine, predict(mine, values)).items():
            found[group[4], group[3]].append(error(logs))
    return found


def show(label: str, found: dict[Hashable, list[float]]) -> None:
    """One line a metric and regime."""
    for (metric, regime), errors in sorted(found.items(), key=str):
        if metric != METRICS[2] or regime == "closed":
            print(f"{label:34s} {metric:20s} {regime:15s} {np.mean(errors):6.1%} of {len(errors):2d} groups")
    rates = [e for (metric, regime), errors in found.items() for e in errors if metric == METRICS[0] != regime]
    if rates:
        print(f"{label:34s} {'tokens/s, every regime':36s} {np.mean(rates):6.1%} of {len(rates):2d} groups")


def replay(points: Sequence[Point]) -> None:
    """Error of a data-sheet chip's other figures after a few of its own, the chip withheld from the fit."""
    chips = sorted({point.case.chip.id for point in points if point.parts.setup.sheet})
    errors: dict[int, list[float]] = defaultdict(list)
    known = variances_table()["sheet", "speed"]
    for chip in chips:
        mine = [point for point in points if point.case.chip.id == chip]
        values = fit([point for point in points if point.case.chip.id != chip])
        logs = [
            (point.case.regime, found["speed"])
            for point, predicted in zip(mine, predict(mine, values), strict=True)
            if "speed" in (found := deviations(point.case, point.measured, predicted))
        ]
        if len(logs) < 5:
            continue
        shuffled = np.random.default_rng(1)
        for count in (0, 1, 3):
            draws = []
            for _ in range(DRAWS):
                order = shuffled.permutation(len(logs))
                own, rest = [logs[i] for i in order[:count]], [logs[i] for i in order[count:]]
                shift = {regime: shrunk(own, regime, known).value if own else 0.0 for regime, _ in rest}
                draws.append(error(np.array([log - shift[regime] for regime, log in rest])))
            errors[count].append(float(np.mean(draws)))
            print(f"calibration {chip:15s} {count} own points: {errors[count][-1]:6.1%} on the others of {len(logs)}")
    for count, each in errors.items():
        print(f"calibration mean of {len(each)} chips, {count} own points: {np.mean(each):6.1%}")


def ablate(points: Sequence[Point]) -> None:
    """In-fit error without one part of the model, the rest fitted anew."""
    for label, fixed in ABLATIONS.items():
        found = groups(points, predict(points, fit(points, fixed=fixed)))
        parts = []
        for metric, regime in ((METRICS[1], "closed"), (METRICS[2], "closed"), (METRICS[0], "max_load")):
            parts.append(np.mean([error(logs) for key, logs in found.items() if key[3:] == (regime, metric)]))
        print(
            f"ablation   {label:42s} TPOT {parts[0]:6.1%}  TTFT {parts[1]:6.1%}  tokens/s at full load {parts[2]:6.1%}"
        )


def main() -> None:
    """Read, withhold, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("facts", type=Path)
    args = parser.parse_args()
    points, _, _ = read_points(args.facts)
    show("a model", withheld(points, lambda p: p.parts.setup.model.id))
    show("a later round", withheld(points, lambda p: ROUNDS.get(p.case.source)))
    show("a chip with kernel tables", withheld(points, lambda p: None if p.parts.setup.evidence else p.case.chip.id))
    show("a generation (Blackwell)", withheld(points, lambda p: _blackwell(p)))
    show(
        "a data-sheet chip with siblings",
        withheld(points, lambda p: p.case.chip.id if p.case.chip.id in ALONE else None),
    )
    show("a vendor", withheld(points, lambda p: None if p.case.chip.vendor == "NVIDIA" else p.case.chip.vendor))
    replay(points)
    ablate(points)


def _blackwell(point: Point) -> str | None:
    return "Blackwell" if point.case.chip.architecture == "Blackwell" else None


if __name__ == "__main__":
    main()
