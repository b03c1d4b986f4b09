"""Build the operator tables of `chipwise.perf.operators` from the folder of facts.

    python tools/build_operator_tables.py FACTS

Writes ``src/chipwise/data/perf/operators/``: ``tables.csv`` (one row a table: law, source, licence), ``gemm.npy``,
``prefill.npy``, ``decode.npy`` and ``moe.npy`` (node ratios), ``streaming.csv`` (memory-bound operators),
``mixed.csv`` (prompts and decoding sequences in one kernel), then ``spread.csv`` (intervals, from rows and chips left
out: `tools.operator_scores`). The same facts give the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from chipwise.catalogue import load_catalogue  # noqa: E402
from chipwise.perf.operators.grids import GRIDS, Grid  # noqa: E402
from chipwise.perf.operators.ladder import OPERATORS, family_of  # noqa: E402
from chipwise.perf.operators.law import Law  # noqa: E402
from chipwise.perf.operators.precision import BLOCK_SCALED  # noqa: E402
from chipwise.perf.operators.shaping import BULK  # noqa: E402
from chipwise.perf.operators.tables import RATIO_STEPS, index, ratios  # noqa: E402
from tools.operator_fit import fit_law, fit_ratio, pad_blocks, rising, support  # noqa: E402
from tools.operator_mixed import mixed_rows  # noqa: E402
from tools.operator_rows import Measured, all_tables, grid_of  # noqa: E402
from tools.operator_streams import streaming_rows  # noqa: E402

DATA = ROOT / "src" / "chipwise" / "data" / "perf" / "operators"
Array = NDArray[np.float64]


def write(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one CSV table and say how many rows it has."""
    DATA.mkdir(parents=True, exist_ok=True)
    with (DATA / name).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{name}: {len(rows)} rows")


def fit_table(table: Measured, rows: NDArray[np.bool_] | None = None) -> tuple[Law, Array]:
    """Law and node times of a table, from all rows or from some."""
    keep = np.ones(len(table.best_s), dtype=bool) if rows is None else rows
    points = tuple(axis[keep] for axis in table.points)
    grid: Grid = grid_of(table)
    law = fit_law(table.flop[keep], table.bytes[keep], table.best_s[keep], table.peak, table.bandwidth)
    flop, moved = OPERATORS[table.operator].node_work(table.precision, table.variant)
    nodes = np.broadcast_to(law.time_s(flop, moved, table.peak, table.bandwidth), grid.shape)
    ratio = fit_ratio(grid, points, nodes, table.best_s[keep])
    floor = np.maximum(flop / table.peak, moved / table.bandwidth)
    wanted = np.maximum(ratio * nodes, floor)
    times = rising(wanted, support(grid, points), bulk=BULK[OPERATORS[table.operator].grid], grid=grid)
    smallest = BLOCK_SCALED.get(table.precision) if table.operator == "gemm" else None
    return law, times if smallest is None else pad_blocks(times, grid, smallest)


def stored_ratio(table: Measured, law: Law, times: Array) -> NDArray[np.int16]:
    """Node times as steps of the logarithm of their ratio to the law."""
    flop, moved = OPERATORS[table.operator].node_work(table.precision, table.variant)
    nodes = law.time_s(flop, moved, table.peak, table.bandwidth)
    steps = np.rint(np.log2(times / nodes) * RATIO_STEPS)
    return np.clip(steps, -32000, 32000).astype(np.int16)


def middle_over_best(table: Measured) -> float:
    """Geometric mean of the middle over the best kernel where several were measured."""
    several = table.runs > 1
    if several.sum() < 50:
        return 1.0
    return float(np.exp(np.mean(np.log(table.median_s[several] / table.best_s[several]))))


def build(facts: Path) -> None:
    """Fit and write every table."""
    entries: list[dict[str, Any]] = []
    nodes: dict[str, list[NDArray[np.int16]]] = {name: [] for name in GRIDS}
    catalogue = load_catalogue()
    for table in ordered(facts):
        law, times = fit_table(table)
        grid = OPERATORS[table.operator].grid
        entries.append(
            {
                "operator": table.operator,
                "precision": table.precision,
                "variant": table.variant,
                "chip": table.chip,
                "family": family_of(catalogue.chip(table.chip)),
                "grid": grid,
                "row": len(nodes[grid]),
                "points": len(table.best_s),
                "compute": law.compute,
                "memory": law.memory,
                "exponent": law.exponent,
                "launch_s": law.launch_s,
                "middle_over_best": f"{middle_over_best(table):.4f}",
                "source": table.source,
                "licence": table.licence,
            }
        )
        nodes[grid].append(stored_ratio(table, law, times))
    write("tables.csv", entries)
    for name, each in nodes.items():
        np.save(DATA / f"{name}.npy", np.stack(each))
        print(f"{name}.npy: {len(each)} tables, {(DATA / f'{name}.npy').stat().st_size / 1e6:.2f} MB")
    write("streaming.csv", streaming_rows(facts))
    index.cache_clear()
    ratios.cache_clear()
    write("mixed.csv", mixed_rows(facts))


def ordered(facts: Path) -> Iterator[Measured]:
    """Every table by operator, precision, variant and chip."""
    yield from sorted(all_tables(facts / "inference"), key=lambda table: table.key)


def main() -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("facts", type=Path)
    parser.add_argument("--keep-spread", action="store_true", help="do not score; keep spread.csv as it is")
    given = parser.parse_args()
    build(given.facts)
    if not given.keep_spread:
        from tools.operator_scores import spread_rows

        write("spread.csv", spread_rows(given.facts))


if __name__ == "__main__":
    main()
