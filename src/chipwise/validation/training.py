"""The training model against measured runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chipwise.validation.score import ScoredRow, cell, read_measured, score

COLUMNS = ("run_id", "source_group", "model", "chip_id", "n_chips", "seq_len", "precision")
SHIPPED = ("training.csv.gz", "training_cc_by_sa.csv.gz")
METRICS = ("tokens_per_s_per_chip", "step_time_s", "mem_gb")
GIB = 2.0**30


def validate_training(path: str | Path | None = None) -> dict[str, Any]:
    """Judge the training model on a table of measured runs, without fitting to it.

    Parameters
    ----------
    path : path, optional
        CSV file in the columns of the measured training runs.

    Returns
    -------
    dict
        Scores overall, by source group and by metric, and every row with prediction, interval and status.

    Raises
    ------
    InputError
        No readable file of that form.

    Notes
    -----
    A row with a fault of units or fields carries its prediction and the status ``faulty: …``; only rows with status
    ``ok`` are scored. The shipped terms are used as they are. The evidence of a row says where its source group was
    among those that taught them; cross-validated figures stand in ``docs/validation/training.md``.
    """
    from chipwise.catalogue import load_catalogue
    from chipwise.perf.train.cases import read_run
    from chipwise.perf.train.predict import predict
    from chipwise.perf.train.terms import shipped_terms

    rows, catalogue, terms = read_measured(path, COLUMNS, SHIPPED), load_catalogue(), shipped_terms()
    read = [(row, read_run(row, catalogue, terms)) for row in rows]
    cases = [(row, case) for row, case in read if not isinstance(case, str)]
    predictions = dict(
        zip(map(id, (row for row, _ in cases)), predict([case for _, case in cases], terms), strict=True)
    )
    scored: list[ScoredRow] = []
    for row, case in read:
        if isinstance(case, str):
            scored += _blank(row, case)
        else:
            scored += score_run(row, case, predictions[id(row)])
    return score(scored)


def score_run(row: Mapping[str, str], case: Any, found: Any) -> list[ScoredRow]:
    """One scored row per measured metric of a run; a single row with the reason where there is nothing to score."""
    if case.out_of_memory:
        said = "predicted out of memory" if found.out_of_memory else "predicted to fit"
        return _blank(row, f"ran out of memory; {said}")
    measured = {metric: value for metric in METRICS if (value := cell(row, metric)) is not None}
    if not measured:
        why = f"faulty: {case.faults[0]}" if case.faults else "missing: step_time_s or tokens_per_s_per_chip"
        return _blank(row, why)
    return [_scored(row, case, found, metric, value) for metric, value in measured.items()]


def _scored(row: Mapping[str, str], case: Any, found: Any, metric: str, measured: float) -> ScoredRow:
    from chipwise.perf.train.predict import MEMORY_FACTOR
    from chipwise.perf.train.spread import taught_sources

    status = "predicted out of memory" if found.out_of_memory and metric != "mem_gb" else "ok"
    if case.faults:
        status = f"faulty: {case.faults[0]}"
    if metric == "mem_gb":
        value = found.mem_bytes / (GIB if "gib" in (row.get("mem_kind") or "").casefold() else 1e9)
        low, high = value / MEMORY_FACTOR, value * MEMORY_FACTOR
    elif metric == "step_time_s":
        if case.gbs != case.gbs:
            return _without(row, metric, measured, "missing: gbs")
        value = found.step_s
        low, high = value / found.factor_down, value * found.factor_up
    else:
        value = found.tokens_per_s
        low, high = value / found.factor_up, value * found.factor_down
    evidence = found.evidence + ("; its source taught the terms" if case.group in taught_sources() else "")
    return ScoredRow(
        id=case.run_id,
        group=case.group,
        metric=metric,
        measured=measured,
        predicted=value,
        low=low,
        high=high,
        evidence=evidence,
        status=status,
    )


def _blank(row: Mapping[str, str], status: str) -> list[ScoredRow]:
    measured: dict[str, float | None] = {
        metric: value for metric in METRICS if (value := cell(row, metric)) is not None
    }
    return [
        _without(row, metric, value, status) for metric, value in (list(measured.items()) or [("step_time_s", None)])
    ]


def _without(row: Mapping[str, str], metric: str, measured: float | None, status: str) -> ScoredRow:
    """A row that nothing can be predicted for, with the reason."""
    return ScoredRow(
        id=row.get("run_id") or "",
        group=row.get("source_group") or "",
        metric=metric,
        measured=measured,
        predicted=None,
        low=None,
        high=None,
        evidence="",
        status=status,
    )
