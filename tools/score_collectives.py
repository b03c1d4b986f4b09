"""Judge the collectives on measured tables they did not see, and write docs/validation/collectives.md.

Usage: ``python tools/score_collectives.py FACTS_DIR [--spread] [--no-write]``

Left out in turn: one message size; one table (fabric, collective, library, group size; both payloads); one fabric;
one link family. Intervals are judged with factors computed on the other fabrics only. Vidur's tables of the same
chips, which are not in the shipped curves, show what another stack and driver do. ``--spread`` also writes the
interval factors the package ships (``data/perf/collectives/spread.csv``), from all fabrics; run it after
``build_collective_tables.py``.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil, exp, expm1, log, log2
from pathlib import Path

import numpy as np
from build_collective_tables import DATA, on_powers_of_two, read_vidur

from chipwise.perf.collectives.book import CurveBook, CurveKey, Fabric, curve_through, load_book
from chipwise.perf.collectives.ladder import tier_curve
from chipwise.perf.tables import read_rows
from chipwise.perf.topology import Tier

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "validation" / "collectives.md"
SPREAD = DATA / "collectives" / "spread.csv"
LEVEL = 0.90
REGIMES = ("one size left out", "one table left out", "one fabric left out", "one family left out")
SHAPES = {"scaleup": "switch", "pcie": "tree", "bridge": "full mesh"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """Logarithm of predicted over measured at one point."""

    regime: str
    kind: str
    key: CurveKey
    log2_bytes: int
    error: float


def tier_for(fabric: Fabric, *, known: bool) -> Tier:
    """The domain of a measured fabric; with `known` false, as if it had never been measured."""
    chips = 2 if fabric.kind == "bridge" else 8
    return Tier(
        name="domain",
        chips=chips,
        shape=SHAPES[fabric.kind],
        kind=fabric.kind,
        family=fabric.family,
        fabric=fabric.id if known else "",
        bytes_per_s=fabric.bytes_per_s,
    )


def one_size_left_out(first: int, times: np.ndarray, index: int) -> float:
    """Time predicted at one size from the others."""
    if index == 0:
        return float(curve_through(first + 1, times[1:])[first])
    if index == len(times) - 1:
        return float(curve_through(first, times[:-1])[first + index])
    filled = times.copy()
    filled[index] = times[index - 1] + (times[index + 1] - times[index - 1]) / 3.0
    return float(curve_through(first, filled)[first + index])


def same_table(key: CurveKey, other: CurveKey) -> bool:
    """Whether two curves come from one table: both payloads, and best and median of the engines."""
    return (key[0], key[1], key[4]) == (other[0], other[1], other[4]) and key[2][:6] == other[2][:6]


def residuals(book: CurveBook, curves: dict[CurveKey, tuple[int, np.ndarray]]) -> Iterator[Residual]:
    """Every residual of every regime."""
    for key, (first, times) in curves.items():
        fabric = book.fabrics[key[0]]
        mates = [one.id for one in book.fabrics.values() if one.family == fabric.family]
        blocks = tier_for(fabric, known=True).chips
        what = (key[1], key[2], key[3], float(key[4]))
        for index, time in enumerate(times):
            error = log(one_size_left_out(first, times, index) / time)
            yield Residual(regime=REGIMES[0], kind=fabric.kind, key=key, log2_bytes=first + index, error=error)
        held = [
            (REGIMES[1], True, book.without(lambda other, key=key: same_table(other, key))),
            (REGIMES[2], False, book.without(lambda other, key=key: other[0] == key[0])),
            (REGIMES[3], False, book.without(lambda other, mates=mates: other[0] in mates)),
        ]
        for regime, known, rest in held:
            rivals = {other[0] for other in rest.curves if other[1:3] == key[1:3]}
            same_kind = {one.id for one in book.fabrics.values() if one.kind == fabric.kind}
            same_family = rivals & set(mates) - {key[0]}
            needs = {REGIMES[1]: {key[0]} & rivals, REGIMES[2]: same_family, REGIMES[3]: rivals & same_kind}[regime]
            if not needs:
                continue
            curve = tier_curve(rest, tier_for(fabric, known=known), blocks, *what).time_s
            for index, time in enumerate(times):
                error = log(float(curve[first + index]) / time)
                yield Residual(regime=regime, kind=fabric.kind, key=key, log2_bytes=first + index, error=error)


def factor(errors: Iterable[float], level: float = LEVEL) -> float:
    """Factor either way that holds `level` of the errors, with the finite-sample step upward."""
    sizes = sorted(abs(error) for error in errors)
    place = min(ceil((len(sizes) + 1) * level), len(sizes)) - 1
    return exp(sizes[place])


def spread_table(found: Iterable[Residual]) -> dict[tuple[str, int], tuple[float, int]]:
    """90 % factor and number of points by (kind, rung)."""
    groups: dict[tuple[str, int], list[float]] = defaultdict(list)
    for one in found:
        groups[one.kind, REGIMES.index(one.regime)].append(one.error)
    return {key: (factor(errors), len(errors)) for key, errors in groups.items()}


def nested_coverage(found: list[Residual], regime: str, kind: str) -> tuple[float, float, int] | None:
    """Share of points inside an interval whose factor comes from the other fabrics; mean factor; points."""
    here = [one for one in found if one.regime == regime and one.kind == kind]
    fabrics = sorted({one.key[0] for one in here})
    if len(fabrics) < 2:
        return None
    inside, factors = 0, []
    for fabric in fabrics:
        width = factor(one.error for one in here if one.key[0] != fabric)
        mine = [one for one in here if one.key[0] == fabric]
        inside += sum(abs(one.error) <= log(width) for one in mine)
        factors += [width] * len(mine)
    return inside / len(here), float(np.mean(factors)), len(here)


def raw_curves() -> dict[CurveKey, tuple[int, np.ndarray]]:
    """The shipped tables as measured, unsmoothed: first power of two and times, s."""
    out = {}
    for row in read_rows("collectives/curves.csv"):
        key = (row["fabric"], row["collective"], row["library"], row["payload"], int(row["group"]))
        out[key] = (int(row["first_log2_bytes"]), np.array(row["times_us"].split(), dtype=float) * 1e-6)
    return out


def write_spread(found: list[Residual]) -> None:
    """Write the factors; where a rung cannot be judged it takes the next one that can, or a stated range."""
    judged = spread_table(found)
    rows = []
    for kind in ("scaleup", "pcie", "bridge"):
        for rung, regime in enumerate(REGIMES):
            known = [other for other in range(rung, 4) if (kind, other) in judged]
            known = known or [other for other in range(rung, -1, -1) if (kind, other) in judged]
            value, points = judged[kind, known[0]]
            basis = f"{REGIMES[known[0]]}, {points} points" + ("" if known[0] == rung else f" ({regime}: no evidence)")
            rows.append(f'{kind},{rung},{value:.3f},"{basis}"')
    rows.append('network,3,1.8,"assumption: ranges of network_latency_s and network_share"')
    SPREAD.write_text("\n".join(["kind,rung,factor,basis", *rows]) + "\n", encoding="utf-8")


def cross_source(book: CurveBook, facts: Path) -> list[tuple[str, str, int, float, float, int]]:
    """Vidur's all-reduce of the same chips against the shipped curves: all sizes, and 1 MiB or more."""
    rows = []
    for (topology, op, workers, per_node), curve in read_vidur(facts).items():
        fabric = {"a100_dgx": "a100-80-sxm", "h100_dgx": "h100-sxm"}.get(topology)
        if fabric is None or op != "all_reduce" or workers != per_node:
            continue
        measured = on_powers_of_two(curve)
        tier = tier_for(book.fabrics[fabric], known=True)
        predicted = tier_curve(book, tier, 8, op, "nccl", "16-bit", float(workers)).time_s
        errors = {size: log(float(predicted[round(log2(size))]) / time) for size, time in measured.items()}
        large = [abs(error) for size, error in errors.items() if size >= 2**20]
        every = [abs(error) for error in errors.values()]
        rows.append((topology, op, workers, float(np.median(every)), float(np.median(large)), len(every)))
    return rows


def summary(found: list[Residual], **where: str) -> str:
    """``median %, bias %, points`` of the residuals that match."""
    errors = np.array([one.error for one in found if all(getattr(one, key) == value for key, value in where.items())])
    if not errors.size:
        return "– | – | 0"
    return f"{expm1(np.median(np.abs(errors))):.1%} | {expm1(float(np.median(errors))):+.1%} | {errors.size:,}"


def document(found: list[Residual], facts: Path, book: CurveBook) -> str:
    """The validation page."""
    lines = [
        "# Collectives against measured tables",
        "",
        "Written by `python tools/score_collectives.py FACTS_DIR`. Error: |predicted / measured − 1|, median over points;",
        "bias: the median with its sign. Tables: NCCL all-reduce, all-gather, reduce-scatter, all-to-all and the engines'",
        "all-reduce on eight fabrics, groups of 2, 4 and 8 (AIConfigurator, Apache-2.0); send and receive, and NVLink bridges",
        "(Vidur, MIT).",
        "",
        "| left out | link | median error | bias | points |",
        "| --- | --- | --- | --- | --- |",
    ]
    for regime in REGIMES:
        lines.append(f"| {regime} | all | {summary(found, regime=regime)} |")
        for kind in ("scaleup", "pcie"):
            lines.append(f"| | {kind} | {summary(found, regime=regime, kind=kind)} |")
    lines += ["", "Bar: 20 % on chips with tables (one size, one table).", "", "## By fabric", ""]
    lines += ["| fabric | " + " | ".join(REGIMES) + " |", "| --- |" + " --- |" * len(REGIMES)]
    for fabric in sorted({one.key[0] for one in found}):
        mine = [one for one in found if one.key[0] == fabric]
        cells = [summary(mine, regime=regime).split(" | ")[0] for regime in REGIMES]
        lines.append(f"| {fabric} | " + " | ".join(cells) + " |")
    lines += ["", "## 90 % intervals", "", "The factor used for a fabric comes from the other fabrics of its kind.", ""]
    lines += ["| left out | link | coverage | mean factor either way | points |", "| --- | --- | --- | --- | --- |"]
    for regime in REGIMES:
        for kind in ("scaleup", "pcie"):
            got = nested_coverage(found, regime, kind)
            cells = f"{got[0]:.1%} | {got[1]:.2f} | {got[2]:,}" if got else "not judged: one fabric | – | –"
            lines.append(f"| {regime} | {kind} | {cells} |")
    lines += [
        "",
        "## Another source",
        "",
        "Vidur's tables of the same chips (other driver, library and harness; not fitted):",
        "",
    ]
    lines += [
        "| table | collective | chips | median error | from 1 MiB | points |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for topology, op, workers, every, large, count in cross_source(book, facts):
        lines.append(f"| {topology} | {op} | {workers} | {expm1(every):.0%} | {expm1(large):.0%} | {count} |")
    return "\n".join([*lines, "", *LIMITS]) + "\n"


LIMITS = (
    "## What this does not show",
    "",
    "- No mesh, ring, torus or group above eight chips was measured: those rest on the data sheet, the shape of the",
    "  links and the growth between 4 and 8, with a wider interval that no data has tested.",
    "- Between servers there is no table of a network whose adapters are known. Two numbers, a latency and a share of the",
    "  data sheet, stand in; their range is the interval.",
    "- PCIe hosts differ by how cards reach each other (L40S with 8 cards reaches 4 % of its data sheet, RTX PRO 6000 37 %):",
    "  a PCIe host without a table of its own is known to within a factor of several.",
    "- The interval of a measured fabric holds for that software. Another stack differs by what the last table shows.",
)


def main() -> None:
    if len(sys.argv) < 2 or set(sys.argv[2:]) - {"--no-write", "--spread"}:
        raise SystemExit(__doc__)
    facts, book = Path(sys.argv[1]), load_book()
    found = list(residuals(book, raw_curves()))
    if "--spread" in sys.argv:
        write_spread(found)
    text = document(found, facts, book)
    if "--no-write" not in sys.argv:
        DOCUMENT.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
