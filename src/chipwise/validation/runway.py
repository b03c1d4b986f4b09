"""Score the runway closed forms on a table of cases with known answers (columns of ``runway_cases.csv``)."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import mean, median
from typing import Any

from chipwise.core.errors import DataError
from chipwise.core.names import nearest_names

SHIPPED = "runway_cases.csv"
TWO_DAYS = 2.0 / 365.25
CASE_PEAKS = {"n_A100": 312e12, "n_A800": 312e12, "n_H800": 989e12, "n_910B": 320e12}
"""Dense 16-bit FLOP/s the cases were computed with; the catalogue gives the H800 989.4e12."""
_TIMED = ("growth_per_year", "mfu", "availability")
_NEEDS = {
    "T1": (*CASE_PEAKS, *_TIMED, "attrition_per_year", "training_share", "final_runs_flop_per_year",
           "final_run_share", "t1_years"),
    "T2": (*CASE_PEAKS, *_TIMED, "flagship_run_flop", "run_days", "t2_years"),
    "T3": ("training_share", "attrition_per_year", "active_params_b", "tokens_per_day_t", "token_growth_per_year",
           "serving_utilisation", "fleet_flops", "serving_only_flops", "t3_years"),
    "T4": ("attrition_per_year", "chips_in_service", "spares", "repair_share", "chips_needed", "t4_years"),
}  # fmt: skip
_SHARES = ("mfu", "availability", "training_share", "final_run_share", "attrition_per_year", "repair_share")
_SENSES = {"T1T2": ("T1", "T2"), "T3": ("T3",), "T4": ("T4",)}


def validate_runway(path: str | Path | None = None) -> dict[str, Any]:
    """Predict every case and compare; nothing is fitted.

    Parameters
    ----------
    path : path, optional
        A CSV with the columns of the shipped table, which is used when none is given.

    Returns
    -------
    dict
        ``n, n_predicted, median_ape, mape, bias, coverage90, by, rows``; a row of sense ``T1T2`` gives two rows,
        `bias` is the median signed error, and `coverage90` is None because a closed form has no interval. A relative
        error counts as zero where both sides are unbounded, or where the case is zero and the prediction within two
        days.

    Raises
    ------
    DataError
        The file cannot be read, or a cell is no number; the message names line and column.
    """
    name, lines = _lines(path)
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=2):
        place = f"{name} line {number}"
        sense = line.get("sense") or ""
        if sense not in _SENSES:
            raise DataError(
                f"{sense!r} is no sense", place=f"{place} sense", allowed=" | ".join(_SENSES),
                nearest=nearest_names(sense, _SENSES),
            )  # fmt: skip
        rows += [_score(line, group, place) for group in _SENSES[sense]]
    groups = sorted({row["group"] for row in rows})
    return {
        **_summary(rows),
        "by": {group: _summary([row for row in rows if row["group"] == group]) for group in groups},
        "rows": rows,
    }


def _lines(path: str | Path | None) -> tuple[str, list[dict[str, str]]]:
    from importlib import resources

    name = SHIPPED if path is None else str(path)
    try:
        if path is None:
            text = (resources.files("chipwise") / "data" / "planning" / SHIPPED).read_text(encoding="utf-8")
        else:
            text = Path(path).read_text(encoding="utf-8-sig")
        reader = csv.DictReader(text.splitlines(), strict=True)
        lines = [{key: value or "" for key, value in line.items() if key} for line in reader]
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", place=name, allowed="a CSV file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"is no CSV table: {error}", place=name, allowed="UTF-8 text with a heading") from None
    headings = list(reader.fieldnames or ())
    lacking = [column for column in ("case_id", "sense") if column not in headings]
    if lacking or not lines:
        raise DataError(
            f"columns missing: {', '.join(lacking)}" if lacking else "holds no rows",
            place=name,
            allowed=f"the columns of {SHIPPED}",
        )
    return name, lines


def _score(line: Mapping[str, str], group: str, place: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": line["case_id"],
        "group": group,
        "metric": "years",
        "measured": None,
        "predicted": None,
        "low": None,
        "high": None,
        "evidence": "closed form on the case's inputs",
        "status": "ok",
    }
    absent = [column for column in _NEEDS[group] if not line.get(column, "").strip()]
    if absent:
        return {**row, "status": f"missing: {', '.join(absent)}"}
    case = {column: _number(line[column], f"{place} {column}") for column in _NEEDS[group]}
    if group == "T4":
        end = line.get("support_end_years", "").strip()
        case["support_end_years"] = _number(end, f"{place} support_end_years") if end else math.inf
    measured = case[f"{group.lower()}_years"]
    return {**row, "measured": measured, "predicted": _PREDICTORS[group](case)}


def _number(cell: str, place: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        raise DataError(f"{cell[:40]!r} is no number", place=place, allowed="a number of 0 or more, or inf") from None
    if math.isnan(value) or value < 0.0:
        raise DataError(f"{cell[:40]!r} cannot be used", place=place, allowed="a number of 0 or more, or inf")
    if value > 1.0 and place.rsplit(" ", 1)[-1] in _SHARES:
        raise DataError(f"{cell[:40]!r} is no share", place=place, allowed="0 to 1")
    return value


def _programme(case: Mapping[str, float]) -> float:
    from chipwise.planning import _runway_kernels as kernels

    fleet = sum(case[column] * peak for column, peak in CASE_PEAKS.items())
    supply = kernels.annual_supply_flop(fleet, case["mfu"], case["availability"], case["training_share"])
    demand = case["final_runs_flop_per_year"] / case["final_run_share"] if case["final_run_share"] else math.inf
    return float(kernels.programme_years(supply, demand, case["growth_per_year"], case["attrition_per_year"]))


def _flagship(case: Mapping[str, float]) -> float:
    from chipwise.planning import _runway_kernels as kernels

    cluster = max(case[column] * peak for column, peak in CASE_PEAKS.items())
    largest = kernels.largest_run_flop(cluster, case["mfu"], case["availability"], case["run_days"])
    return float(kernels.flagship_years(largest, case["flagship_run_flop"], case["growth_per_year"]))


def _squeeze(case: Mapping[str, float]) -> float:
    from chipwise.planning import _runway_kernels as kernels

    tokens, active = case["tokens_per_day_t"] * 1e12, case["active_params_b"] * 1e9
    need = kernels.serving_need_flops(active, tokens, case["serving_utilisation"])
    capacity = (1.0 - case["training_share"]) * case["fleet_flops"] + case["serving_only_flops"]
    return float(kernels.squeeze_years(need, capacity, case["token_growth_per_year"], case["attrition_per_year"]))


def _wear(case: Mapping[str, float]) -> float:
    from chipwise.planning import _runway_kernels as kernels

    return float(
        kernels.wear_years(
            case["chips_in_service"],
            case["spares"],
            case["chips_needed"],
            case["attrition_per_year"],
            case["repair_share"],
            case["support_end_years"],
        )
    )


_PREDICTORS: dict[str, Callable[[Mapping[str, float]], float]] = {
    "T1": _programme,
    "T2": _flagship,
    "T3": _squeeze,
    "T4": _wear,
}


def relative_error(measured: float, predicted: float) -> float:
    """Signed error relative to the case; see `validate_runway` for zero and unbounded cases."""
    if measured == predicted or (measured == 0.0 and abs(predicted) <= TWO_DAYS):
        return 0.0
    if math.isinf(measured):
        return -1.0
    return (predicted - measured) / measured if measured else math.inf


def _summary(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    listed = list(rows)
    errors = [relative_error(row["measured"], row["predicted"]) for row in listed if row["predicted"] is not None]
    sizes = [abs(error) for error in errors]
    return {
        "n": len(listed),
        "n_predicted": len(errors),
        "median_ape": median(sizes) if sizes else None,
        "mape": mean(sizes) if sizes else None,
        "bias": median(errors) if errors else None,
        "coverage90": None,
    }
