"""Measured serving points: what a row asks, and what the model answers with its interval."""

from __future__ import annotations

from chipwise.perf.infer.predict import best_of, figures, interval
from chipwise.perf.infer.reading import ServingCase, read_serving_case

__all__ = ["ServingCase", "Span", "predict_case", "read_serving_case"]

Span = tuple[float, float, float]


def predict_case(case: ServingCase) -> dict[str, Span] | str:
    """(low, value, high) by metric in the units of the row, of the best layout it leaves open, or why there is none."""
    found = best_of(case)
    if isinstance(found, str):
        return found
    parts, load = found
    spans = {}
    for metric, value in figures(case, parts, load).items():
        low, high = interval(parts.setup.evidence, case.chip, case.regime, metric, value)
        spans[metric] = (low, value, high)
    return spans
