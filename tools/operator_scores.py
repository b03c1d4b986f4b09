"""Predict measured kernels from tables they had no part in, and the intervals that follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chipwise.catalogue import load_catalogue
from chipwise.perf.operators._kernels import interpolate
from chipwise.perf.operators.ladder import OPERATORS, family_of
from chipwise.perf.operators.objects import RUNGS, Surface
from chipwise.perf.operators.profile import operator_profile
from chipwise.perf.operators.shaping import padded, shaped
from chipwise.perf.operators.tables import index
from tools.build_operator_tables import fit_table, ordered
from tools.operator_mixed import mixed_scores
from tools.operator_parts import components, harness_spread
from tools.operator_rows import AICONFIGURATOR, Measured, grid_of, layer_tables, simulator_attention
from tools.operator_streams import all_streams

Array = NDArray[np.float64]
ROWS_PER_TABLE = 2000
HELD_OUT = 0.2
COVERAGE = {"chip": 0.90, "family": 0.93, "generic": 0.93}
"""Share of residuals an interval spans; a little more where only a few chips tell."""

LEAST_SHAPES = 5
"""Distinct shapes a table needs for holding some out to mean anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Logarithms of measured over predicted time of one table left out in one way.

    `places` holds base-2 logarithms of the table coordinates, (n, 3).
    """

    operator: str
    precision: str
    variant: str
    chip: str
    family: str
    regime: str
    rung: str
    log_error: Array
    below_floor: float
    places: Array | None = None

    @property
    def relative(self) -> Array:
        """Predicted over measured, less one, absolute."""
        return np.abs(np.expm1(-self.log_error))


def kind_of(operator: str) -> str:
    """Operators under one bar."""
    return operator if operator in ("gemm", "moe", "streaming", "mixed") else "attention"


def sample(count: int, seed: int) -> NDArray[np.int64]:
    """Row numbers of a table to score."""
    return np.sort(np.random.default_rng(seed).permutation(count)[:ROWS_PER_TABLE])


def left_out_shapes(table: Measured) -> Score:
    """Fit without a fifth of the shapes; predict those."""
    keys, place = np.unique(table.fold_key, return_inverse=True)
    held = np.random.default_rng(1).permutation(len(keys)) < max(1, round(HELD_OUT * len(keys)))
    out = held[place]
    _, times = fit_table(table, ~out)
    flop, moved = OPERATORS[table.operator].node_work(table.precision, table.variant)
    floor = np.maximum(flop / table.peak, moved / table.bandwidth)
    nodes = padded(shaped(times, floor, OPERATORS[table.operator].grid, grid_of(table)))
    rows = np.flatnonzero(out)
    rows = rows[sample(len(rows), 2)]
    points = (np.ascontiguousarray(axis[rows]) for axis in table.points)
    predicted = np.maximum(interpolate(nodes, grid_of(table), *points), table.floor_s[rows])
    return _score(table, "shape", "chip", predicted, rows)


def _score(table: Measured, regime: str, rung: str, predicted: Array, rows: NDArray[np.int64]) -> Score:
    return Score(
        operator=table.operator.removesuffix("_window"),
        precision=table.precision,
        variant=table.variant,
        chip=table.chip,
        family=family_of(load_catalogue().chip(table.chip)),
        regime=regime,
        rung=rung,
        log_error=np.log(table.best_s[rows] / predicted),
        below_floor=float(np.mean(table.best_s < table.floor_s)),
        places=np.log2(np.stack([axis[rows] for axis in table.points], axis=1)),
    )


def at_surface(surface: Surface, table: Measured, rows: NDArray[np.int64]) -> Array:
    """Predicted times of some rows of a table."""
    points = [np.ascontiguousarray(axis[rows]) for axis in table.points]
    time = interpolate(surface.nodes, surface.grid, *points)
    return np.maximum(time, table.floor_s[rows])


def left_out_chip(table: Measured, *, whole_family: bool) -> Score | None:
    """Predict a table from the tables of other chips, or of other families."""
    chip = load_catalogue().chip(table.chip)
    family = family_of(chip)
    without = {row.chip for row in index() if row.family == family} if whole_family else {chip.id}
    profile = operator_profile(chip, without=frozenset(without))
    surface = profile.surfaces.get((table.operator, table.precision, table.variant))
    if surface is None:
        return None
    rows = sample(len(table.best_s), 3)
    regime = "family" if whole_family else "chip"
    return _score(table, regime, RUNGS[surface.evidence], at_surface(surface, table, rows), rows)


def streaming_scores(facts: Path) -> Iterator[Score]:
    """Memory-bound operators, own line and ladder."""
    catalogue = load_catalogue()
    for stream in all_streams(facts / "inference"):
        chip = catalogue.chip(stream.chip)
        for regime, without in (("shape", frozenset[str]()), ("chip", frozenset({chip.id}))):
            rate = operator_profile(chip, without=without).streaming[stream.operator]
            floor = stream.bytes / stream.bandwidth
            predicted = np.maximum(rate.launch_s + floor / min(rate.share, 1.0), floor)
            rows = sample(len(floor), 4)
            yield Score(
                operator="streaming",
                precision=stream.operator,
                variant="",
                chip=chip.id,
                family=family_of(chip),
                regime=regime,
                rung=RUNGS[rate.evidence],
                log_error=np.log(stream.time_s / predicted)[rows],
                below_floor=float(np.mean(stream.time_s < floor)),
            )


def all_scores(facts: Path) -> list[Score]:
    """Every table left out in every way."""
    scores: list[Score] = []
    for table in ordered(facts):
        if len(np.unique(table.fold_key)) >= LEAST_SHAPES:
            scores.append(left_out_shapes(table))
        for whole_family in (False, True):
            found = left_out_chip(table, whole_family=whole_family)
            if found is not None:
                scores.append(found)
    return [*scores, *streaming_scores(facts), *mixed_batch_scores(facts)]


def mixed_batch_scores(facts: Path) -> Iterator[Score]:
    """Mixed batches of prompts and decoding sequences: models left out on their own chip, and chips left out."""
    for score in mixed_scores(facts):
        yield Score(
            operator="mixed",
            precision="bf16",
            variant=score.group,
            chip=score.chip,
            family=family_of(load_catalogue().chip(score.chip)),
            regime=score.regime,
            rung="chip" if score.regime == "shape" else "generic",
            log_error=score.log_error,
            below_floor=0.0,
        )


def quantiles(scores: Sequence[Score], levels: Sequence[float]) -> Array:
    """Quantiles of the log error, chips weighted equally, then tables of a chip."""
    chips: dict[str, int] = {}
    for score in scores:
        chips[score.chip] = chips.get(score.chip, 0) + 1
    values = np.concatenate([score.log_error for score in scores])
    weights = np.concatenate(
        [np.full(len(score.log_error), 1.0 / chips[score.chip] / len(score.log_error)) for score in scores]
    )
    order = np.argsort(values, kind="stable")
    cumulative = (np.cumsum(weights[order]) - 0.5 * weights[order]) / weights.sum()
    return np.interp(levels, cumulative, values[order])


def of_rung(scores: Sequence[Score], operator: str, rung: str) -> list[Score]:
    """Scores that tell how far to trust one rung: the generic one from whole families left out."""
    regime = {"chip": "shape", "family": "chip", "generic": "family"}[rung]
    if operator == "streaming" and rung == "generic":
        regime = "chip"
    if operator == "mixed" and rung != "chip":  # two chips, of two families: one left out tells of both rungs
        return [score for score in scores if score.operator == operator and score.regime == "chip"]
    return [score for score in scores if score.operator == operator and score.regime == regime and score.rung == rung]


def interval(scores: Sequence[Score], operator: str, rung: str, without: str = "") -> tuple[float, float] | None:
    """90 % factors of one operator at one rung, from every chip but one."""
    found = [score for score in of_rung(scores, operator, rung) if score.chip != without]
    if not found:
        return None
    tail = 0.5 * (1.0 - COVERAGE[rung])
    low, high = np.exp(quantiles(found, (tail, 1.0 - tail)))
    return float(low), float(high)


def spread_rows(
    facts: Path, scores: Sequence[Score] | None = None, others: Sequence[Score] | None = None
) -> list[dict[str, Any]]:
    """Rows of ``spread.csv``."""
    scores = all_scores(facts) if scores is None else scores
    harness = harness_spread(other_sources(facts) if others is None else others)
    rows = []
    for operator in sorted({score.operator for score in scores}):
        previous = (1.0, 1.0)
        for rung in RUNGS:
            found = interval(scores, operator, rung) or previous
            previous = (min(found[0], previous[0]), max(found[1], previous[1]))
            each = of_rung(scores, operator, rung)
            median = float(np.median(np.concatenate([s.relative for s in each]))) if each else float("nan")
            rows.append(
                {
                    "operator": operator,
                    "rung": rung,
                    "low_factor": f"{previous[0]:.3f}",
                    "high_factor": f"{previous[1]:.3f}",
                    "median_error": f"{median:.3f}" if each else "",
                    "tables": len(each),
                    **{name: f"{value:.3f}" for name, value in components(each).items()},
                    "harness": f"{harness.get(kind_of(operator), max(harness.values())):.3f}",
                }
            )
    return rows


def coverage(scores: Sequence[Score], operators: Sequence[str], regime: str) -> tuple[float, float]:
    """Share of measurements inside an interval made without their chip, and its median width as a factor."""
    inside, width = [], []
    for score in scores:
        if score.operator not in operators or score.regime != regime:
            continue
        factors = interval(scores, score.operator, score.rung, without=score.chip)
        if factors is None:
            continue
        low, high = np.log(factors)
        inside.append(np.mean((score.log_error >= low) & (score.log_error <= high)))
        width.append((high - low) / 2.0)
    return float(np.mean(inside)), float(np.exp(np.median(width)))


def pooled(scores: Sequence[Score], pick: Callable[[Score], bool]) -> tuple[float, float, float, int]:
    """Median over rows, mean over tables' medians, worst table, tables."""
    found = [score for score in scores if pick(score)]
    if not found:
        return (float("nan"),) * 3 + (0,)
    medians = [float(np.median(score.relative)) for score in found]
    rows = np.concatenate([score.relative for score in found])
    return float(np.median(rows)), float(np.mean(medians)), max(medians), len(found)


def other_sources(facts: Path) -> list[Score]:
    """Tables of chips that have their own, against timings of other projects; `regime` is the choice of kernels."""
    folder = facts / "inference"
    tabled = {row.chip for row in index() if row.source.startswith(AICONFIGURATOR)}
    tables = [table for table in layer_tables(folder, ()) if table.chip in tabled]
    tables += [table for table in simulator_attention(folder) if table.chip in tabled]
    scores = []
    for table in tables:
        rows = sample(len(table.best_s), 5)
        for kernels in ("best", "median"):
            profile = operator_profile(load_catalogue().chip(table.chip), kernels=kernels)
            surface = profile.surface(table.operator, table.precision, table.variant)
            score = _score(table, kernels, RUNGS[surface.evidence], at_surface(surface, table, rows), rows)
            scores.append(replace(score, variant=table.source))
    return scores
