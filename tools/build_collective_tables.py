"""Write the collective curves and the power coefficients from the facts.

Usage: ``python tools/build_collective_tables.py FACTS_DIR``

Curves: one row per (fabric, collective, library, payload, group size); the times stand at powers of two of the
message in bytes. The source tables name their size column differently from what it holds: AIConfigurator's
``message_size`` counts elements, Vidur's ``size_elements`` counts bytes. `check_conventions` proves both on the data:
under the other reading the link would carry more than it can, or two payloads would disagree.
"""

from __future__ import annotations

import csv
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping
from math import exp, log, log2
from pathlib import Path

import numpy as np

from chipwise.catalogue import load_catalogue

DATA = Path(__file__).resolve().parents[1] / "src" / "chipwise" / "data" / "perf"
ELEMENT_BYTES = {"half": 2, "bfloat16": 2, "int8": 1}
PAYLOAD = {"half": "16-bit", "bfloat16": "16-bit", "int8": "8-bit"}
NAMES = {"alltoall": "all_to_all"}
VIDUR = {
    ("a100_dgx", "send_recv", 2, 2): "a100-80-sxm",
    ("h100_dgx", "send_recv", 2, 2): "h100-sxm",
    ("a100_pairwise_nvlink", "send_recv", 2, 2): "a100-bridge",
    ("a100_pairwise_nvlink", "all_reduce", 2, 2): "a100-bridge",
    ("h100_pairwise_nvlink", "all_reduce", 2, 2): "h100-bridge",
}
"""Vidur tables that are shipped: (topology, collective, workers, workers per node) to fabric. The others judge."""

COLUMNS = ("fabric", "collective", "library", "payload", "group", "first_log2_bytes", "times_us", "source")
Key = tuple[str, str, str, str, int]
Curve = dict[int, float]


def read_aiconfigurator(facts: Path) -> dict[Key, Curve]:
    """Time, s, by key and message bytes; the engine tables give a best and a median curve."""
    curves: dict[Key, Curve] = defaultdict(dict)
    with (facts / "inference" / "operators" / "collectives.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            size = int(row["message_size"]) * ELEMENT_BYTES[row["dtype"]]
            op = NAMES.get(row["op_name"], row["op_name"])
            key = (row["chip"], op, PAYLOAD[row["dtype"]], int(row["num_gpus"]))
            fabric, op, payload, group = key
            if row["source"] == "nccl":
                curves[fabric, op, "nccl", payload, group][size] = float(row["best_ms"]) / 1e3
            else:
                curves[fabric, op, "engine", payload, group][size] = float(row["best_ms"]) / 1e3
                curves[fabric, op, "engine-median", payload, group][size] = float(row["median_ms"]) / 1e3
    return dict(curves)


def read_vidur(facts: Path) -> dict[tuple[str, str, int, int], Curve]:
    """Time, s, by (topology, collective, workers, workers per node) and message bytes."""
    curves: dict[tuple[str, str, int, int], Curve] = defaultdict(dict)
    with (facts / "inference" / "operators" / "vidur_collectives.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = (row["topology"], row["collective"], int(row["num_workers"]), int(row["devices_per_node"]))
            curves[key][int(row["size_elements"])] = float(row["median_ms"]) / 1e3
    return dict(curves)


def on_powers_of_two(curve: Mapping[int, float]) -> Curve:
    """Time at every power of two the curve spans: log-log between medians of thirds of an octave."""
    bins: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for size, time in curve.items():
        bins[round(3 * log2(size))].append((log2(size), log(time)))
    points = [tuple(map(statistics.median, zip(*bins[index], strict=True))) for index in sorted(bins)]
    out: Curve = {}
    for power in range(round(points[0][0]), round(points[-1][0]) + 1):
        right = next((i for i, point in enumerate(points) if point[0] >= power), len(points) - 1)
        (x0, y0), (x1, y1) = points[max(right - 1, 0)], points[max(right, 1)]
        out[2**power] = exp(y0 + (y1 - y0) * (power - x0) / (x1 - x0))
    return out


def check_conventions(curves: Mapping[Key, Curve], vidur: Mapping[tuple[str, str, int, int], Curve]) -> None:
    """Stop if the data contradict the reading of the size columns.

    Three tests: the two payloads agree at equal bytes and not at equal elements; with the message as the whole
    buffer of a rank no link carries more than its data sheet, with it as one rank's shard A100 would carry five
    times that; Vidur's sizes as elements would put 1.5 times the data sheet on A100 and H100 links.
    """
    pairs = []
    for (fabric, op, library, payload, group), curve in curves.items():
        other = curves.get((fabric, op, library, "8-bit", group), {}) if payload == "16-bit" else {}
        if library == "nccl":
            pairs += [abs(log(curve[size] / other[size])) for size in curve if size in other and size >= 2**24]
    if statistics.median(pairs) > 0.05:
        raise SystemExit("payloads disagree at equal bytes: message_size is not a count of elements")
    top = max(curves["a100-80-sxm", "all_gather", "nccl", "16-bit", 8])
    rate = top / curves["a100-80-sxm", "all_gather", "nccl", "16-bit", 8][top]
    if not (rate * 7 / 8 < 300e9 < rate * 7):
        raise SystemExit("all-gather sizes are not the gathered whole")
    for topology, link in (("a100_dgx", 300e9), ("h100_dgx", 450e9)):
        curve = vidur[topology, "send_recv", 2, 2]
        if not (max(curve) / curve[max(curve)] < link < 2 * max(curve) / curve[max(curve)]):
            raise SystemExit(f"{topology}: sizes are not bytes")


def write_curves(facts: Path) -> int:
    """Write ``curves.csv``; returns the number of curves."""
    curves, vidur = read_aiconfigurator(facts), read_vidur(facts)
    check_conventions(curves, vidur)
    rows = [(key, curve, "aiconfigurator") for key, curve in curves.items()]
    for (topology, op, workers, per_node), fabric in VIDUR.items():
        curve = on_powers_of_two(vidur[topology, op, workers, per_node])
        rows.append(((fabric, op, "nccl", "16-bit", workers), curve, "vidur"))
    target = DATA / "collectives" / "curves.csv"
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for key, curve, source in sorted(rows):
            sizes = sorted(curve)
            first = round(log2(sizes[0]))
            if sizes != [2**power for power in range(first, first + len(sizes))]:
                raise SystemExit(f"{key}: sizes are no run of powers of two")
            writer.writerow([*key, first, " ".join(f"{curve[size] * 1e6:.5g}" for size in sizes), source])
    return len(rows)


POWER_SOURCE = "AIConfigurator GEMM power tables (Apache-2.0), facts/inference/operators/gemm_power.parquet"
PRECISION = {"bfloat16": "16-bit", "fp8": "8-bit", "fp8_block": "8-bit", "nvfp4": "4-bit"}
WIDTH = {"bfloat16": 2.0, "fp8": 1.0, "fp8_block": 1.0, "nvfp4": 0.5625}
RATE = {"16-bit": "bf16", "8-bit": "fp8", "4-bit": "fp4"}
TIME_EDGES_S = (20e-6, 100e-6, 1e-3)


def read_power(facts: Path) -> dict[tuple[str, str], np.ndarray]:
    """Rows of (compute utilisation, memory utilisation, power over limit, weight) by chip and precision.

    The four ranges of kernel time that `TIME_EDGES_S` bounds weigh the same: small kernels are most of the table and
    little of a step.
    """
    import pyarrow.parquet as parquet

    table = parquet.read_table(facts / "inference" / "operators" / "gemm_power.parquet").to_pydict()
    columns = {name: np.array(values) for name, values in table.items()}
    chips = load_catalogue().chips
    found: dict[tuple[str, str], list[np.ndarray]] = defaultdict(list)
    for chip, dtype in sorted(set(zip(table["chip"], table["gemm_dtype"], strict=True))):
        rows = (columns["chip"] == chip) & (columns["gemm_dtype"] == dtype)
        m, n, k, time_ms, power, limit = (
            columns[name][rows].astype(float) for name in ("m", "n", "k", "time_ms", "power_w", "power_limit_w")
        )
        time = time_ms / 1e3
        row = chips[chip]
        compute = 2.0 * m * n * k / time / row.rates[RATE[PRECISION[dtype]]]
        memory = (WIDTH[dtype] * (n * k + m * k) + 2.0 * m * n) / time / row.mem_bytes_per_s
        bucket = np.digitize(time, TIME_EDGES_S)
        weight = 1.0 / np.bincount(bucket, minlength=4)[bucket]
        sound = (power > 0) & (compute < 1.05) & (memory < 3.0)
        found[chip, PRECISION[dtype]].append(np.c_[compute, memory.clip(0, 1), power / limit, weight][sound])
    return {key: np.concatenate(parts) for key, parts in found.items()}


def fit_power(rows: np.ndarray) -> tuple[float, float, float]:
    """Base, compute and memory shares of the limit: least weighted absolute error of the logarithm."""
    compute, memory, share, weight = rows[:: max(1, len(rows) // 6000)].T
    best = np.array([0.35, 0.8, 0.3])

    def loss(at: np.ndarray) -> float:
        predicted = np.clip(at[0] + at[1] * compute + at[2] * memory, 0.02, 1.0)
        return float(np.sum(weight * np.abs(np.log(predicted / share))))

    step, lowest = 0.16, loss(best)
    while step > 0.004:
        tries = [best + step * way for way in np.vstack([np.eye(3), -np.eye(3)])]
        tries = [one for one in tries if one.min() >= 0.0]
        values = [loss(one) for one in tries]
        if min(values) < lowest:
            lowest, best = min(values), tries[int(np.argmin(values))]
        else:
            step /= 2.0
    return float(best[0]), float(best[1]), float(best[2])


def power_factor(rows: np.ndarray, at: tuple[float, float, float]) -> float:
    """Factor either way that holds 90 % of the weight."""
    error = np.abs(np.log(np.clip(at[0] + at[1] * rows[:, 0] + at[2] * rows[:, 1], 0.02, 1.0) / rows[:, 2]))
    order = np.argsort(error)
    total = np.cumsum(rows[order, 3])
    return float(np.exp(error[order][np.searchsorted(total, 0.9 * total[-1])]))


def write_power(facts: Path) -> int:
    """Write ``power/board.csv``: one row per chip and precision, and one for chips that were not measured.

    The general row is the mean of the chips; its factor is the worst found for a chip by the mean of the others.
    """
    rows = read_power(facts)
    fitted = {key: fit_power(part) for key, part in rows.items()}
    lines = [
        [
            *key,
            *(f"{value:.3f}" for value in fitted[key]),
            f"{power_factor(rows[key], fitted[key]):.3f}",
            len(rows[key]),
        ]
        for key in sorted(rows)
    ]
    for precision in RATE:
        same = [key for key in fitted if key[1] == precision]
        mean = tuple(float(np.mean([fitted[key][part] for key in same])) for part in range(3))
        worst = []
        for key in same:
            others = [fitted[other] for other in same if other != key]
            rest = tuple(float(np.mean([other[part] for other in others])) for part in range(3))
            worst.append(power_factor(rows[key], rest))
        lines.append(["", precision, *(f"{value:.3f}" for value in mean), f"{max(worst):.3f}", 0])
    with (DATA / "power" / "board.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["chip", "precision", "base", "compute", "memory", "factor", "points", "source"])
        writer.writerows([*line, POWER_SOURCE] for line in lines)
    return len(lines)


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    facts = Path(sys.argv[1])
    print(f"{write_curves(facts)} curves, {write_power(facts)} power rows")


if __name__ == "__main__":
    main()
