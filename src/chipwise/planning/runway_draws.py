"""Monte Carlo over the ranges of the inputs.

Each input has its own random stream, keyed by its name: a draw does not depend on which other inputs there are, in
what order they are drawn, or on how many workers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chipwise.planning.runway_ranges import InputRange, RunwayInputs
from chipwise.planning.runway_senses import SENSES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Draws of one sense in brief: years at quantiles, probabilities, and the rank correlation with each input.

    Quantiles are NaN where they fall on draws that are not known; so is `at_least_one_year` when any is not.
    """

    p05: float
    p10: float
    median: float
    p90: float
    p95: float
    at_least_one_year: float
    zero: float
    drivers: tuple[tuple[InputRange, float], ...]


def draw_values(inputs: RunwayInputs, draws: int, seed: int) -> dict[str, Array]:
    """Draw every input `draws` times; an input without a range stays one number."""
    import numpy as np

    return {
        entry.name: draw_range(entry, draws, seed) if entry.drawn else np.asarray(entry.value)
        for entry in inputs.ranges()
    }


def draw_range(entry: InputRange, draws: int, seed: int) -> Array:
    """Draw one input: (draws,) float64 in its unit, the same for the same name and seed whatever else is drawn."""
    import zlib

    import numpy as np

    key = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(entry.name.encode()),))
    uniform = np.random.default_rng(key).random(draws)
    if entry.distribution == "log-uniform":
        return np.asarray(np.exp(np.log(entry.low) + uniform * np.log(entry.high / entry.low)))
    return np.asarray(entry.low + uniform * (entry.high - entry.low))


def spread(years: Array, ranks_by_name: Mapping[str, Array], used: Iterable[InputRange]) -> Spread:
    """Sum up the draws of one sense; `drivers` are sorted by the size of the rank correlation.

    Draws that are NaN (not ended yet, and no telling when) sort after all others and rank as one.
    """
    import math

    import numpy as np

    from chipwise.planning._runway_kernels import rank_correlation, ranks

    unknown = np.isnan(years)
    years = np.where(unknown, np.inf, years)
    order = np.argsort(years)
    ordered, year_ranks, count = years[order], ranks(years, order), len(years)
    ordered[count - int(unknown.sum()) :] = np.nan
    drivers = [
        (entry, rank_correlation(ranks_by_name[entry.name], year_ranks))
        for entry in used
        if entry.name in ranks_by_name
    ]
    drivers = [pair for pair in drivers if not math.isnan(pair[1])]
    p05, p10, median, p90, p95 = (
        float(ordered[max(math.ceil(q * count) - 1, 0)]) for q in (0.05, 0.10, 0.50, 0.90, 0.95)
    )
    return Spread(
        p05=p05,
        p10=p10,
        median=median,
        p90=p90,
        p95=p95,
        at_least_one_year=math.nan if unknown.any() else float(np.mean(years >= 1.0)),
        zero=float(np.mean(years == 0.0)),
        drivers=tuple(sorted(drivers, key=lambda pair: (-abs(pair[1]), pair[0].name))),
    )


def rank_inputs(values: Mapping[str, Array]) -> dict[str, Array]:
    """Ranks of every input that was drawn."""
    from chipwise.planning._runway_kernels import ranks

    return {name: ranks(drawn) for name, drawn in values.items() if drawn.ndim}


def binding_shares(years: Mapping[str, Array]) -> dict[str, float]:
    """Share of draws in which each sense ends first; ties go to the earlier sense, unbounded or unknown to none."""
    import numpy as np

    senses = [sense for sense in SENSES if sense in years]
    stacked = np.stack(np.broadcast_arrays(*[years[sense] for sense in senses]))
    stacked = np.where(np.isnan(stacked), np.inf, stacked)
    first = stacked.argmin(axis=0)
    ends = np.isfinite(stacked.min(axis=0))
    return {sense: float(np.mean(ends & (first == index))) for index, sense in enumerate(senses)}
