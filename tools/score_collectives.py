"""Judge the collectives on measured tables they did not see, and write docs/validation/collectives.md.

Usage: ``python tools/score_collectives.py FACTS_DIR [--spread] [--no-write]``

Left out in turn: one message size; one table (fabric, collective, library, group size; both payloads); one fabric;
one link family. Intervals are judged with factors computed on the other fabrics only. Vidur's tables of the same
chips, which are not in the shipped curves, show what another stack and driver do. ``--spread`` also writes the
interval factors the package ships (``data/perf/collectives/spread.csv``), from all fabrics; run it after
``build_collective_tables.py``.
"""

from __future__ import annotations

import dataclasses
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil, exp, expm1, log, log2
from pathlib import Path

import numpy as np

from build_collective_tables import DATA, on_powers_of_two, read_vidur
from chipwise.catalogue import load_catalogue
from chipwise.perf.collectives import LIBRARIES, Rung, bytes_on_the_wire, collective
from chipwise.perf.collectives.book import (
    SPREAD_LOG2_BYTES,
    CurveBook,
    CurveKey,
    Fabric,
    SpreadKey,
    curve_through,
    load_book,
    spread_key,
)
from chipwise.perf.collectives.ladder import tier_curve
from chipwise.perf.tables import read_rows
from chipwise.perf.topology import Tier, machine

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "validation" / "collectives.md"
SPREAD = DATA / "collectives" / "spread.csv"
LEVEL = 0.90
FEWEST = 15
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


class _Ones(dict[SpreadKey, tuple[float, float, float]]):
    """A spread table in which every factor is 1, to make curves before the factors are known."""

    def get(self, _key: object, _default: object = None) -> tuple[float, float, float]:
        """One, whatever the key."""
        return 1.0, 1.0, 1.0


def residuals(book: CurveBook, curves: dict[CurveKey, tuple[int, np.ndarray]]) -> Iterator[Residual]:
    """Every residual of every regime."""
    book = dataclasses.replace(book, spread=_Ones())
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


def band_of(one: Residual) -> int:
    """Small, middle or large message: nearest of the three sizes of the spread table."""
    return int(np.argmin([abs(one.log2_bytes - size) for size in SPREAD_LOG2_BYTES]))


def spread_table(found: Iterable[Residual]) -> dict[SpreadKey, tuple[tuple[float, ...], int, str]]:
    """90 % factors by band, points and basis, by (kind, rung, library), complete.

    A band with fewer than `FEWEST` points takes the row's; a row with fewer takes that of NCCL, else the next rung
    that could be judged, else the one before. No rung is narrower than a better one.
    """
    groups: dict[SpreadKey, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in found:
        rung = REGIMES.index(one.regime)
        groups[spread_key(one.kind, rung, one.key[1], one.key[2], one.key[4])][band_of(one)].append(one.error)
    judged: dict[SpreadKey, tuple[tuple[float, ...], int]] = {}
    for key, bands in groups.items():
        every = [error for band in bands.values() for error in band]
        if len(every) >= FEWEST:
            factors = tuple(factor(bands[band] if len(bands[band]) >= FEWEST else every) for band in range(3))
            judged[key] = factors, len(every)
    table = {}
    for kind in ("scaleup", "pcie", "pcie-pair", "bridge"):
        for rung in range(4):
            order = [*range(rung, 4), *range(rung - 1, -1, -1)]
            for library in (*LIBRARIES, "send_recv"):
                tries = [(kind, other, name) for other in order for name in (library, "nccl")]
                best = next(key for key in tries if key in judged)
                basis = f"{REGIMES[best[1]]}, {best[2]}" + ("" if best[1:] == (rung, library) else ": nearest judged")
                factors, points = judged[best]
                better = table[kind, rung - 1, library][0] if rung else factors
                table[kind, rung, library] = tuple(map(max, factors, better)), points, basis
    return table


def nested_coverage(found: list[Residual], regime: str, kind: str) -> tuple[float, float, int] | None:
    """Share of points inside an interval made of the other fabrics; geometric mean factor; points."""
    here = [one for one in found if one.regime == regime and one.kind == kind]
    fabrics = sorted({one.key[0] for one in here})
    if len(fabrics) < 2:
        return None
    inside, widths = 0, []
    for fabric in fabrics:
        table = spread_table(one for one in found if one.key[0] != fabric)
        for one in here:
            if one.key[0] == fabric:
                key = spread_key(kind, REGIMES.index(regime), one.key[1], one.key[2], one.key[4])
                width = float(np.interp(one.log2_bytes, SPREAD_LOG2_BYTES, table[key][0]))
                inside += abs(one.error) <= log(width)
                widths.append(log(width))
    return inside / len(here), exp(float(np.mean(widths))), len(here)


def raw_curves() -> dict[CurveKey, tuple[int, np.ndarray]]:
    """The shipped tables as measured, unsmoothed: first power of two and times, s."""
    out = {}
    for row in read_rows("collectives/curves.csv"):
        key = (row["fabric"], row["collective"], row["library"], row["payload"], int(row["group"]))
        out[key] = (int(row["first_log2_bytes"]), np.array(row["times_us"].split(), dtype=float) * 1e-6)
    return out


def write_spread(found: list[Residual]) -> None:
    """Write the factors of every rung."""
    rows = ["kind,rung,library,small,middle,large,points,basis"]
    for (kind, rung, library), (factors, points, basis) in spread_table(found).items():
        cells = ",".join(f"{value:.3f}" for value in factors)
        rows.append(f'{kind},{rung},{library},{cells},{points},"{basis}"')
    basis = '"assumption: ranges of network_latency_s and network_share"'
    rows += [f"network,3,{library},2.0,2.0,2.0,0,{basis}" for library in (*LIBRARIES, "send_recv")]
    SPREAD.write_text("\n".join(rows) + "\n", encoding="utf-8")


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


def anchors() -> list[str]:
    """Published bus bandwidths on machines that no shipped curve speaks of directly, beside the prediction."""
    lines = []
    for row in read_rows("collectives/anchors.csv"):
        group, size, bus = int(row["group"]), float(row["message_bytes"]), float(row["bus_gbs"]) * 1e9
        rate = float(row["scaleout_bytes_per_s"]) if row["scaleout_bytes_per_s"] else None
        whole = machine(row["machine"], chips=group, catalogue=load_catalogue(), scaleout_bytes_per_s=rate)
        found = collective(row["collective"], whole, size, group)
        time = bytes_on_the_wire(row["collective"], group) * size / bus
        inside = "yes" if found.low_s <= time <= found.high_s else "no"
        note = f"; {row['note']}" if row["note"] else ""
        lines.append(
            f"| {row['machine']} | {row['collective']} | {group} | {bus / 1e9:.0f} | {found.bus_bytes_per_s / 1e9:.0f} "
            f"| {inside} | {Rung(int(found.evidence)).name.lower().replace('_', ' ')} | {row['source']}{note} |"
        )
    return lines


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
        "Written by `python tools/score_collectives.py FACTS_DIR`. Error: |predicted / measured - 1|, median over",
        "points; bias: the median with its sign. Tables: NCCL all-reduce, all-gather, reduce-scatter, all-to-all and",
        "the engines' all-reduce on eight fabrics, groups of 2, 4 and 8 (AIConfigurator, Apache-2.0); send and",
        "receive, and NVLink bridges (Vidur, MIT).",
        "",
        "| left out | link | median error | bias | points |",
        "| --- | --- | --- | --- | --- |",
    ]
    for regime in REGIMES:
        lines.append(f"| {regime} | all | {summary(found, regime=regime)} |")
        lines += [f"| | {kind} | {summary(found, regime=regime, kind=kind)} |" for kind in ("scaleup", "pcie")]
    lines += ["", "Bar: 20 % on chips with tables (one size, one table).", "", "## By fabric", ""]
    lines += ["| fabric | " + " | ".join(REGIMES) + " |", "| --- |" + " --- |" * len(REGIMES)]
    for fabric in sorted({one.key[0] for one in found}):
        mine = [one for one in found if one.key[0] == fabric]
        cells = [summary(mine, regime=regime).split(" | ")[0] for regime in REGIMES]
        lines.append(f"| {fabric} | " + " | ".join(cells) + " |")
    lines += ["", "## 90 % intervals", "", "The factor used for a fabric comes from the other fabrics of its kind.", ""]
    lines += [
        "| left out | link | coverage | geometric mean factor either way | points |",
        "| --- | --- | --- | --- | --- |",
    ]
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
    lines += ["", "## Published figures", "", *PUBLISHED, ""]
    lines += ["| machine | collective | chips | published | predicted | inside 90 % | evidence | source |"]
    lines += ["| --- | --- | --- | --- | --- | --- | --- | --- |", *anchors()]
    return "\n".join([*lines, "", *LIMITS]) + "\n"


PUBLISHED = (
    "Single figures of bus bandwidth, GB/s. No number was fitted to them; that the tiers of a large message overlap,",
    "and that rings pass through every server, was settled on the two rows of four servers.",
)
LIMITS = (
    "## What this does not show",
    "",
    "- No mesh, ring, torus or group above eight chips was measured: those rest on the data sheet, the shape of the",
    "  links and the growth between 4 and 8, with a wider interval that no data has tested.",
    "- Between servers there is no table of a network whose adapters are known. Two numbers, a latency and a share of",
    "  the data sheet, stand in, with a factor of 2 either way. A badly set up network falls outside, and so does the",
    "  reduction of two servers in their switches, which sends half of what a ring does.",
    "- PCIe hosts differ by how cards reach each other (L40S with 8 cards reaches 4 % of its data sheet, RTX PRO 6000",
    "  37 %): a PCIe host without a table of its own is known to within a factor of several.",
    "- The interval of a measured fabric holds for that software. Another stack differs by what the last table shows;",
    "  that harness counts whole microseconds and the launch, so its small messages say little.",
    "- Arc Pro B60 (all-reduce only) misses 20 % when a table is left out, and NVLink bridges, read from one noisy",
    "  source, miss by more.",
)


def main() -> None:
    if len(sys.argv) < 2 or set(sys.argv[2:]) - {"--no-write", "--spread"}:
        raise SystemExit(__doc__)
    if not SPREAD.exists():
        SPREAD.write_text("kind,rung,library,small,middle,large,points,basis\n", encoding="utf-8")
    facts, book = Path(sys.argv[1]), load_book()
    found = list(residuals(book, raw_curves()))
    if "--spread" in sys.argv:
        write_spread(found)
        load_book.cache_clear()
        book = load_book()
    text = document(found, facts, book)
    if "--no-write" not in sys.argv:
        DOCUMENT.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
