"""Serving figures against measured points: groups are source, chip, evidence and regime.

A row that cannot be true by a general rule (`chipwise.perf.infer.screen`) keeps its prediction, has the rule as its
status and is not scored.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chipwise.perf.infer.screen import screen
from chipwise.perf.operators import EVIDENCE
from chipwise.perf.serving_rows import ServingCase, predict_case, read_serving_case
from chipwise.validation.score import ScoredRow, cell, read_measured, score

COLUMNS = ("id", "source_id", "model", "chip_id", "chips", "load_type", "isl", "osl")
SHIPPED = ("inference.csv.gz", "inference_no_licence.csv.gz")
METRICS = ("output_tps_per_chip", "tpot_mean_ms", "ttft_mean_ms")


def validate_inference(path: str | Path | None = None) -> dict[str, Any]:
    """Judge serving yields on a table of measured points, without fitting to it.

    Parameters
    ----------
    path : path, optional
        CSV file in the columns of the measured inference points; the shipped ones by default.

    Returns
    -------
    dict
        Scores overall, by source and by metric, and every row with prediction, interval and status.

    Raises
    ------
    InputError
        No readable file of that form.

    Notes
    -----
    A blank input length of an MLPerf benchmark, a blank weight format of an MLPerf submission and a blank layout take
    documented defaults, named in `evidence`. What a row leaves open beyond that is its status, not a guess.
    """
    from chipwise.catalogue import load_catalogue

    rows = read_measured(path, COLUMNS, SHIPPED)
    catalogue = load_catalogue()
    dropped = screen(rows, catalogue)
    return score([one for row in rows for one in score_row(row, catalogue, dropped.get(row.get("id") or "", ""))])


def score_row(row: Mapping[str, str], catalogue: Any, dropped: str = "") -> list[ScoredRow]:
    """One scored row per measured metric of a point; a single row with the reason where none was measured.

    `dropped` is why the row must not be scored; empty where it may. It is predicted all the same.
    """
    measured = {metric: value for metric in METRICS if (value := cell(row, metric)) is not None}
    case = read_serving_case(row, catalogue)
    if not measured:
        return [_row(row, METRICS[0], None, None, "", "missing: a measured metric")]
    if isinstance(case, str):
        return [_row(row, metric, value, None, "", case) for metric, value in measured.items()]
    status = f"faulty: {dropped}" if dropped else "ok"
    predicted = predict_case(case)
    if isinstance(predicted, str):
        status = status if dropped else predicted
        return [_row(row, metric, value, None, _evidence(case), status) for metric, value in measured.items()]
    return [_judge(row, case, predicted, metric, value, status) for metric, value in measured.items()]


def _judge(
    row: Mapping[str, str],
    case: ServingCase,
    predicted: Mapping[str, tuple[float, float, float]],
    metric: str,
    measured: float,
    status: str,
) -> ScoredRow:
    if metric not in predicted:
        return _row(row, metric, measured, None, _evidence(case), f"not modelled for {case.regime}")
    if metric == "output_tps_per_chip" and case.rate_fault:
        status = case.rate_fault
    return _row(row, metric, measured, predicted[metric], _evidence(case), status, group_of(case))


def group_of(case: ServingCase) -> str:
    """Source, chip, evidence and regime: groups are scored apart, never pooled."""
    return " / ".join((case.source, case.chip.id, EVIDENCE[case.setups[0].evidence], case.regime))


def _evidence(case: ServingCase) -> str:
    return "; ".join(text for text in (EVIDENCE[case.setups[0].evidence], case.notes) if text)


def _row(
    row: Mapping[str, str],
    metric: str,
    measured: float | None,
    span: tuple[float, float, float] | None,
    evidence: str,
    status: str,
    group: str = "",
) -> ScoredRow:
    low, value, high = span or (None, None, None)
    return ScoredRow(
        id=row.get("id") or "",
        group=group or row.get("source_id") or "",
        metric=metric,
        measured=measured,
        predicted=value,
        low=low,
        high=high,
        evidence=evidence,
        status=status,
    )
