"""Training yields against measured runs, each source group predicted without its own rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chipwise.core.errors import Undetermined
from chipwise.perf.peaks import peak_spread
from chipwise.perf.tables import constant
from chipwise.perf.training import widened
from chipwise.perf.training_rows import TrainingCase, read_case
from chipwise.perf.utilisation import Utilisation, utilisation
from chipwise.validation.score import ScoredRow, cell, read_measured, score

COLUMNS = ("run_id", "source_group", "model", "chip_id", "n_chips", "seq_len", "precision")
METRICS = ("tokens_per_s_per_chip", "step_time_s")


def validate_training(path: str | Path | None = None) -> dict[str, Any]:
    """Judge training yields on a table of measured runs, without fitting to it.

    Parameters
    ----------
    path : path
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
    The utilisation used for a row is recomputed without its source group where the shipped table learnt from it.
    """
    from chipwise.catalogue import load_catalogue

    rows = read_measured(path, COLUMNS)
    catalogue = load_catalogue()
    return score([scored for row in rows for scored in score_row(row, catalogue)])


def score_row(row: Mapping[str, str], catalogue: Any) -> list[ScoredRow]:
    """One scored row per measured metric of a run; a single row with the reason where there is nothing to score."""
    measured = {metric: value for metric in METRICS if (value := cell(row, metric)) is not None}
    case = read_case(row, catalogue)
    if isinstance(case, str):
        return [_unscored(row, metric, value, case) for metric, value in measured.items()] or [
            _unscored(row, "step_time_s", None, case)
        ]
    if not measured:
        return [_unscored(row, "step_time_s", None, "missing: step_time_s or tokens_per_s_per_chip")]
    if case.unsound:
        return [_unscored(row, metric, value, f"unsound: {case.unsound}") for metric, value in measured.items()]
    try:
        share = utilisation(case.chip, case.utilisation_class, chips=case.chips or 1.0, without=case.source_group)
    except Undetermined as error:
        return [_unscored(row, metric, value, error.message) for metric, value in measured.items()]
    return [_scored(row, case, share, metric, value) for metric, value in measured.items()]


def _unscored(row: Mapping[str, str], metric: str, measured: float | None, status: str) -> ScoredRow:
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


def _scored(row: Mapping[str, str], case: TrainingCase, share: Utilisation, metric: str, measured: float) -> ScoredRow:
    speed = case.peak_flop_per_s / case.flop_per_token * case.per_unit
    low = share.low * (constant("natural_routing_low") if case.utilisation_class.endswith("moe") else 1.0)
    low, high = widened(share.value, low, share.high, peak_spread(case.chip, case.precision))
    span = [speed * value for value in (low, share.value, high)]
    if metric == "step_time_s":
        if case.tokens_per_step is None or case.chips is None:
            return _unscored(row, metric, measured, "missing: gbs" if case.chips else "missing: n_chips")
        units = case.chips / case.per_unit
        span = sorted(case.tokens_per_step / (units * value) for value in span)
    return ScoredRow(
        id=case.run_id,
        group=case.source_group,
        metric=metric,
        measured=measured,
        predicted=span[1],
        low=span[0],
        high=span[2],
        evidence="; ".join((f"{share.evidence} ({share.rung})", *case.assumed)),
        status="ok",
    )
