"""Scores of predictions against measured rows; nothing is fitted here."""

from __future__ import annotations

import csv
import gzip
import importlib.resources
import io
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chipwise.core.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRow:
    """One measured figure and what was predicted for it.

    Parameters
    ----------
    measured, predicted, low, high : float or None
        In the unit of `metric`; no prediction where `status` says what is missing.
    status : str
        ``ok``, ``predicted out of memory`` or what is missing.
    """

    id: str
    group: str
    metric: str
    measured: float | None
    predicted: float | None
    low: float | None
    high: float | None
    evidence: str
    status: str

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def counts(self) -> bool:
        """Whether the row enters the score."""
        return self.status == "ok" and self.predicted is not None and bool(self.measured)


def read_measured(path: str | Path | None, columns: Sequence[str], shipped: Sequence[str] = ()) -> list[dict[str, str]]:
    """Rows of a CSV file that has at least `columns`, or of the shipped tables where none is named.

    Parameters
    ----------
    shipped : sequence of str
        Files of ``data/measured`` that are read where `path` is None.

    Raises
    ------
    InputError
        None there, not text, or a column missing.
    """
    if path is None:
        return [row for name in shipped for row in _shipped_rows(name)]
    try:
        with Path(path).open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(f"no column {missing[0]!r}", place=str(path), allowed=", ".join(columns))
            return list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot be read: {error}", place=str(path), allowed="a CSV file in UTF-8") from None


def _shipped_rows(name: str) -> Iterable[dict[str, str]]:
    data = (importlib.resources.files("chipwise") / "data" / "measured" / name).read_bytes()
    return csv.DictReader(io.StringIO(gzip.decompress(data).decode("utf-8"), newline=""))


def summarise(rows: Iterable[ScoredRow]) -> dict[str, Any]:
    """Errors and coverage of the rows that count.

    Returns
    -------
    dict
        ``n`` measured figures, ``n_predicted``, ``median_ape`` and ``mape`` (shares), ``bias`` (median of predicted
        over measured, less one) and ``coverage90`` (share of measured figures inside the 90 % interval).
    """
    rows = [row for row in rows if row.measured]
    errors, signed, covered = [], [], []
    for row in rows:
        if not row.counts or row.predicted is None or row.measured is None:
            continue
        signed.append(row.predicted / row.measured - 1.0)
        errors.append(abs(signed[-1]))
        if row.low is not None and row.high is not None:
            covered.append(row.low <= row.measured <= row.high)
    return {
        "n": len(rows),
        "n_predicted": len(errors),
        "median_ape": statistics.median(errors) if errors else None,
        "mape": statistics.fmean(errors) if errors else None,
        "bias": statistics.median(signed) if signed else None,
        "coverage90": sum(covered) / len(covered) if covered else None,
    }


def group_means(by_group: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Means over groups, each weighing the same: of the median error and of the coverage."""
    medians = [score["median_ape"] for score in by_group.values() if score["median_ape"] is not None]
    coverage = [score["coverage90"] for score in by_group.values() if score["coverage90"] is not None]
    return {
        "groups": len(medians),
        "mean_of_group_medians": statistics.fmean(medians) if medians else None,
        "mean_group_coverage90": statistics.fmean(coverage) if coverage else None,
    }


def score(rows: Sequence[ScoredRow]) -> dict[str, Any]:
    """The whole result of a validation, ready for JSON: overall, by group, by metric, and every row."""
    by_group = _split(rows, "group")
    metrics = {}
    for metric in sorted({row.metric for row in rows}):
        members = [row for row in rows if row.metric == metric]
        metrics[metric] = {**summarise(members), **group_means(_split(members, "group"))}
    return {
        **summarise(rows),
        **group_means(by_group),
        "by": by_group,
        "by_metric": metrics,
        "rows": [row.to_dict() for row in rows],
    }


def _split(rows: Sequence[ScoredRow], field: str) -> dict[str, dict[str, Any]]:
    names = sorted({str(getattr(row, field)) for row in rows})
    return {name: summarise(row for row in rows if getattr(row, field) == name) for name in names}


def cell(row: Mapping[str, str], column: str) -> float | None:
    """The cell as a positive finite number; None where blank or anything else."""
    try:
        value = float(row.get(column) or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None
