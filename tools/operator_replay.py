"""Replay own timings: give a few rows of a table that was left out, judge the rest of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chipwise.catalogue import load_catalogue
from chipwise.perf.operators._kernels import interpolate
from chipwise.perf.operators.objects import RUNGS, Surface
from chipwise.perf.operators.posterior import Timing, updated
from chipwise.perf.operators.profile import operator_profile
from chipwise.perf.operators.tables import index
from tools.build_operator_tables import ordered
from tools.operator_rows import AICONFIGURATOR, Measured, layer_tables, simulator_attention

Array = NDArray[np.float64]

COUNTS = (0, 1, 3, 10)
"""Timings given."""

DRAWS = 5
JUDGED = 300
NEAR = 2.0
"""Octaves from the nearest timing within which a shape counts as near."""

VARIANTS = ("", "128", "balanced")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Judged rows of one table after some timings of it.

    Parameters
    ----------
    log_error : (n,) float64
        Logarithm of measured over predicted.
    width : (n,) float64
        Half the logarithm of the interval's ends over each other.
    gap : (n,) float64
        Octaves to the nearest timing; infinite where there is none.
    """

    operator: str
    chip: str
    rung: str
    count: int
    log_error: Array
    inside: NDArray[np.bool_]
    width: Array
    gap: Array


def replays(facts: Path) -> list[Replay]:
    """Chips without tables, and chips with tables timed by another harness."""
    found: list[Replay] = []
    for table in ordered(facts):
        if table.variant in VARIANTS and "window" not in table.operator:
            chip = load_catalogue().chip(table.chip)
            surface = operator_profile(chip, without=(chip.id,)).surfaces.get(table.key[:3])
            if surface is not None:
                found += replay(surface, table)
    tabled = {row.chip for row in index() if row.source.startswith(AICONFIGURATOR)}
    for table in (*layer_tables(facts / "inference", ()), *simulator_attention(facts / "inference")):
        if table.chip in tabled:
            profile = operator_profile(load_catalogue().chip(table.chip))
            found += replay(profile.surface(table.operator, table.precision, table.variant), table)
    return found


def replay(surface: Surface, table: Measured) -> Iterator[Replay]:
    """One table, `DRAWS` draws of every count of timings."""
    for draw in range(DRAWS):
        rows = np.random.default_rng(draw).permutation(len(table.best_s))
        judged = rows[max(COUNTS) :][:JUDGED]
        points = [np.ascontiguousarray(axis[judged]) for axis in table.points]
        for count in COUNTS:
            if count == 0 and draw:
                continue
            given = rows[:count]
            found = updated({surface.key: surface}, _timings(surface, table, given))[surface.key] if count else surface
            time = np.maximum(interpolate(found.nodes, found.grid, *points), table.floor_s[judged])
            low, high = time * found.low_factor, time * found.high_factor
            if found.band is not None:
                low = interpolate(found.band.low, found.grid, *points)
                high = interpolate(found.band.high, found.grid, *points)
            low, high = np.maximum(low, table.floor_s[judged]), np.maximum(high, table.floor_s[judged])
            measured = table.best_s[judged]
            yield Replay(
                operator=table.operator,
                chip=table.chip,
                rung=RUNGS[surface.evidence],
                count=count,
                log_error=np.log(measured / time),
                inside=(measured >= low) & (measured <= high),
                width=0.5 * np.log(high / low),
                gap=_gaps(table, judged, given),
            )


def _timings(surface: Surface, table: Measured, rows: NDArray[np.int64]) -> list[Timing]:
    points = [np.ascontiguousarray(axis[rows]) for axis in table.points]
    time = np.maximum(interpolate(surface.nodes, surface.grid, *points), table.floor_s[rows])
    ratio = np.log(table.best_s[rows] / time)
    places = zip(*(axis.tolist() for axis in points), strict=True)
    return [
        Timing(key=surface.key, at=(x, y, z), log_ratio=float(value))
        for (x, y, z), value in zip(places, ratio, strict=True)
    ]


def _gaps(table: Measured, judged: NDArray[np.int64], given: NDArray[np.int64]) -> Array:
    if not len(given):
        return np.full(len(judged), np.inf)
    here, there = (np.log2(np.stack([axis[rows] for axis in table.points], axis=1)) for rows in (judged, given))
    return np.sqrt(((here[:, None, :] - there[None, :, :]) ** 2).sum(axis=2)).min(axis=1)


def replay_rows(found: Sequence[Replay]) -> list[list[object]]:
    """One row an operator, rung and number of timings; tables weighted equally."""
    rows: list[list[object]] = []
    for operator, rung in sorted({(one.operator, RUNGS.index(one.rung)) for one in found}):
        for count in COUNTS:
            some = [one for one in found if (one.operator, one.rung, one.count) == (operator, RUNGS[rung], count)]
            error = [float(np.median(np.abs(np.expm1(-one.log_error)))) for one in some]
            width = float(np.exp(np.median(np.concatenate([one.width for one in some]))))
            close = np.concatenate([one.width[one.gap < NEAR] for one in some])
            near = f"×/÷ {np.exp(np.median(close)):.2f}" if len(close) > 20 else "–"
            inside = float(np.mean([one.inside.mean() for one in some]))
            tables = len({(one.chip, len(one.log_error)) for one in some})
            rows.append(
                [
                    operator,
                    RUNGS[rung],
                    count,
                    f"{100 * np.mean(error):.1f} %",
                    f"{100 * inside:.0f} %",
                    f"×/÷ {width:.2f}",
                    near,
                    tables,
                ]
            )
    return rows
