"""Score the inference model with each source left out of its fit; print the filter, the groups and the bars.

    python tools/score_inference.py FACTS

Groups are source, chip, evidence and regime. ``bars`` are means over groups of the median error.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chipwise.perf.infer.audit import tally
from chipwise.perf.infer.predict import spread
from fit_inference import METRICS, REGIMES, Point, fit, groups, half_widths, left_out, predict, read_points, rung_of

LEAST_COVERAGE = 0.75
"""Share of a group that its interval should hold."""

LEAST_ROWS = (3, 5)


def error(logs: np.ndarray) -> float:
    """Median of the absolute error, share."""
    return float(np.median(np.abs(np.exp(-logs) - 1.0)))


def bars(found: Mapping[Any, np.ndarray], label: str) -> None:
    """Means over groups: all, and those of at least three and five rows."""
    for metric in METRICS:
        for regime in REGIMES:
            rows = [logs for key, logs in found.items() if key[3:] == (regime, metric)]
            if rows:
                every = np.mean([error(logs) for logs in rows])
                parts = [f"{every:6.1%} of {len(rows):2d} groups"]
                for least in LEAST_ROWS:
                    large = [error(logs) for logs in rows if logs.size >= least]
                    parts.append(f"{np.mean(large):6.1%} of {len(large):2d} of >= {least} rows" if large else "")
                print(f"{label:10s} {metric:20s} {regime:15s} {'  '.join(parts)}")


def hopper(points: Sequence[Point], predictions: Sequence[Mapping[str, float]], label: str) -> None:
    """Dense models on H100 and H200: mean error at fixed concurrency by engine, and of the tables at full load."""
    errors: dict[tuple[str, str], list[float]] = defaultdict(list)
    for point, predicted in zip(points, predictions, strict=True):
        setup = point.parts.setup
        if setup.work.experts is None and setup.chip.id in ("h100-sxm", "h200-sxm"):
            for metric, value in predicted.items():
                if metric in point.measured and point.case.regime in ("closed", "max_load"):
                    off = abs(value / point.measured[metric] - 1.0)
                    errors[f"{point.case.regime} {metric}", setup.engine].append(off)
                    errors[f"{point.case.regime} {metric}", "all"].append(off)
    for (figure, engine), found in sorted(errors.items()):
        off = f"mean {np.mean(found):6.1%}  median {np.median(found):6.1%}"
        print(f"Hopper     {label:10s} {figure:28s} {engine:13s} {off}")


def coverage(found: Mapping[Any, np.ndarray]) -> None:
    """Share of left-out figures inside the shipped interval, and its width."""
    for metric in METRICS:
        for rung in ("chip", "family", "sheet"):
            inside, width, short = [], [], []
            for key, logs in found.items():
                if key[2] == rung and key[4] == metric:
                    low, high = spread()[rung, key[3], metric]
                    hits = (logs >= np.log(low)) & (logs <= np.log(high))
                    inside += hits.tolist()
                    width.append(high / low)
                    if hits.mean() < LEAST_COVERAGE:
                        short.append(f"{key[0]} {key[1]} {key[3]} {hits.mean():.0%} of {hits.size}")
            if inside:
                share, ratio = np.mean(inside), np.median(width)
                print(f"coverage   {metric:20s} {rung:15s} {share:6.1%}  median high/low {ratio:.1f}")
                print(
                    *(f"           below {LEAST_COVERAGE:.0%}: {each}" for each in short),
                    sep="\n",
                    end="\n" if short else "",
                )


def jackknife(found: Mapping[Any, np.ndarray]) -> None:
    """Coverage of intervals made without the source they are asked about."""
    sources = sorted({key[0] for key in found})
    inside: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for source in sources:
        widths = half_widths({key: logs for key, logs in found.items() if key[0] != source})
        for key, logs in found.items():
            if key[0] == source:
                inside[key[4], key[2]] += (np.abs(logs) <= widths[key[2], key[3], key[4]][0]).tolist()
    for (metric, rung), hits in sorted(inside.items()):
        held = f"{np.mean(hits):6.1%} of {len(hits)}"
        print(f"jackknife  {metric:20s} {rung:15s} {held} inside intervals made without the source")


def main() -> None:
    """Read, fit, leave out, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("facts", type=Path)
    args = parser.parse_args()
    begun = time.process_time()
    points, why, dropped = read_points(args.facts)
    for reason, count in tally(dropped):
        print(f"dropped    {count:5d} {reason}")
    for name, count in why.most_common():
        print(f"not scored {count:5d} {name}")
    print(f"scored     {len(points)} rows")
    inside = predict(points, fit(points))
    bars(groups(points, inside), "in sample")
    hopper(points, inside, "in sample")
    others = left_out(points)
    outside = groups(points, others)
    hopper(points, others, "left out")
    bars(outside, "left out")
    print("bias is the median of predicted over measured")
    for key, logs in sorted(outside.items()):
        bias = np.exp(-np.median(logs))
        print(f"  {' / '.join(key):90s} {logs.size:4d} rows  error {error(logs):6.1%}  bias {bias:.2f}")
    coverage(outside)
    jackknife(outside)
    absolute = [
        abs(predicted["ttft_mean_ms"] - point.measured["ttft_mean_ms"])
        for point, predicted in zip(points, inside, strict=True)
        if point.case.regime == "closed" and "ttft_mean_ms" in point.measured and rung_of(point) == "chip" and predicted
    ]
    print(f"TTFT at fixed concurrency, in sample: median absolute error {np.median(absolute):.0f} ms")
    print(f"{time.process_time() - begun:.0f} CPU s")


if __name__ == "__main__":
    main()
