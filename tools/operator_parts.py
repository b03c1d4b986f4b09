"""What the error of a rung is made of: common to a chip, to a table, smooth over shape, and noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tools.operator_scores import Score

Array = NDArray[np.float64]

TRIM = (0.02, 0.98)
PAIRS = 4000
NEAR = 0.6
"""Octaves within which two shapes are near enough for their difference to be noise."""

LENGTHS = (1.0, 2.0, 4.0, 8.0)
EVEN = {"common": 0.25, "table": 0.25, "smooth": 0.25, "noise": 0.25, "length": 2.0}
"""Where there are no residuals to take apart (an assumption)."""


def components(scores: Sequence[Score]) -> Mapping[str, float]:
    """Shares of the variance of log(measured / predicted), chips weighted equally, and length of the smooth part."""
    scores = [score for score in scores if len(score.log_error) > 10]
    if not scores:
        return EVEN
    chips = sorted({score.chip for score in scores})
    trimmed = {id(score): np.clip(score.log_error, *np.quantile(score.log_error, TRIM)) for score in scores}
    by_chip = [[trimmed[id(score)] for score in scores if score.chip == chip] for chip in chips]
    middles = [np.array([each.mean() for each in tables]) for tables in by_chip]
    common = float(np.mean([each.mean() ** 2 for each in middles]))
    table = float(np.mean([each.var() for each in middles]))
    within = float(np.mean([np.mean([each.var() for each in tables]) for tables in by_chip]))
    gaps, halves = _pairs([score for score in scores if score.places is not None], trimmed)
    close = gaps < NEAR
    noise = min(float(halves[close].mean()), within) if close.sum() > 50 else 0.5 * within
    length = _length(gaps, halves, noise, within)
    total = common + table + within
    return {
        "common": common / total,
        "table": table / total,
        "smooth": (within - noise) / total,
        "noise": noise / total,
        "length": length,
    }


def _pairs(scores: Sequence[Score], trimmed: Mapping[int, Array]) -> tuple[Array, Array]:
    """Distance in octaves and half the squared difference of pairs of rows of one table."""
    gaps, halves = [np.zeros(0)], [np.zeros(0)]
    random = np.random.default_rng(7)
    for score in scores:
        assert score.places is not None
        value = trimmed[id(score)]
        first, second = random.integers(0, len(value), (2, PAIRS))
        gap = np.sqrt(((score.places[first] - score.places[second]) ** 2).sum(axis=1))
        keep = first != second
        gaps.append(gap[keep])
        halves.append(0.5 * (value[first] - value[second])[keep] ** 2)
    return np.concatenate(gaps), np.concatenate(halves)


def _length(gaps: Array, halves: Array, noise: float, within: float) -> float:
    """Length of ``noise + (within - noise) (1 - exp(-gap / length))`` nearest to the pairs, by octave of distance."""
    if not len(gaps):
        return EVEN["length"]
    edges = np.array([0.0, 0.6, 1.5, 3.0, 5.0, 8.0, 12.0, 30.0])
    place = np.digitize(gaps, edges)
    found = [(gaps[place == at].mean(), halves[place == at].mean()) for at in np.unique(place)]
    wrong = [
        sum((half - noise - (within - noise) * (1.0 - np.exp(-gap / length))) ** 2 for gap, half in found)
        for length in LENGTHS
    ]
    return LENGTHS[int(np.argmin(wrong))]


def harness_spread(others: Sequence[Score]) -> dict[str, float]:
    """Root mean square of the median log error of other projects' timings against the best kernels, by kind."""
    found: dict[str, list[float]] = {}
    for score in others:
        if score.regime == "best":
            kind = score.operator if score.operator == "gemm" else "attention"
            found.setdefault(kind, []).append(float(np.median(score.log_error)))
    return {kind: float(np.sqrt(np.mean(np.square(values)))) for kind, values in found.items()}
