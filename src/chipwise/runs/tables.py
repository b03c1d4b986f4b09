"""The tables of a run: the plan's rows as columns of plain values, ready for Parquet.

Every table has its columns whether or not it has rows, so that an empty stock reads back like a full one. Units stand
in the names; a verdict's reasons stay whole as JSON text in one column.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "number", "date", "flag"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Columns with their kinds, and rows as tuples in the order of the columns."""

    columns: Mapping[str, Kind]
    rows: Sequence[tuple[Any, ...]]


def number(value: Any) -> float | None:
    """A JSON number; ``"inf"`` is infinity, everything else that is no number is None."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return float(value)
    return {"inf": math.inf, "-inf": -math.inf}.get(str(value))


def day(value: Any) -> dt.date | None:
    """A full ISO date, else None."""
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _flag(value: Any) -> bool | None:
    return None if value is None else bool(value)


_AS: dict[Kind, Callable[[Any], Any]] = {"text": _text, "number": number, "date": day, "flag": _flag}


def _table(columns: Mapping[str, Kind], rows: Iterable[Mapping[str, Any]]) -> Table:
    return Table(
        columns=columns,
        rows=[tuple(_AS[kind](row.get(name)) for name, kind in columns.items()) for row in rows],
    )


LINE_COLUMNS: dict[str, Kind] = {
    "part": "text",
    "action": "text",
    "chip": "text",
    "system": "text",
    "count": "number",
    "when": "date",
    "arrives": "date",
    "cost_usd": "number",
    "to": "text",
    "hq": "text",
    "outcome": "text",
    "licence_probability": "number",
    "branch": "text",
    "probability": "number",
    "workload": "text",
    "market": "text",
    "note": "text",
}
BRANCH_COLUMNS: dict[str, Kind] = {
    "branch": "text",
    "probability": "number",
    "demand_path": "text",
    "month": "date",
    "state": "text",
    "series": "text",
    "value": "number",
}
VERDICT_COLUMNS: dict[str, Kind] = {
    "role": "text",
    "market": "text",
    "item": "text",
    "chip": "text",
    "access": "text",
    "to": "text",
    "hq": "text",
    "on": "date",
    "usable": "flag",
    "because": "text",
    "outcome": "text",
    "classification": "text",
    "licence_required": "text",
    "review_policy": "text",
    "exception": "text",
    "citations": "text",
    "verdict": "text",
}
YIELD_COLUMNS: dict[str, Kind] = {
    "chip": "text",
    "workload": "text",
    "status": "text",
    "value": "number",
    "low": "number",
    "high": "number",
    "unit": "text",
    "evidence": "text",
    "method": "text",
    "reason": "text",
    "breakdown": "text",
    "facts": "text",
}
FACT_COLUMNS: dict[str, Kind] = {
    "id": "text",
    "value": "text",
    "value_number": "number",
    "unit": "text",
    "low": "number",
    "high": "number",
    "source": "text",
    "status": "text",
    "as_of": "text",
    "checked_on": "date",
    "note": "text",
}
SENSITIVITY_COLUMNS: dict[str, Kind] = {
    "quantity": "text",
    "label": "text",
    "unit": "text",
    "central": "number",
    "value": "number",
    "chips_bought_now": "number",
    "chips_bought_expected": "number",
    "cost_usd": "number",
    "missed_share": "number",
    "objective_usd": "number",
    "source": "text",
}


def lines_table(plan: Mapping[str, Any]) -> Table:
    """What to do now and later; `part` is ``now`` or ``periods``."""
    body = plan["plan"]
    return _table(LINE_COLUMNS, ({"part": part, **line} for part in ("now", "periods") for line in body[part]))


def branches_table(plan: Mapping[str, Any]) -> Table:
    """One row per branch, month and series."""
    rows = (
        {
            "branch": branch["id"],
            "probability": branch["probability"],
            "demand_path": branch["demand_path"],
            "month": month,
            "state": state,
            "series": name,
            "value": value,
        }
        for branch in plan["plan"]["branches"]
        for name, values in branch["series"].items()
        for month, state, value in zip(branch["months"], branch["states"], values, strict=True)
    )
    return _table(BRANCH_COLUMNS, rows)


def verdicts_table(plan: Mapping[str, Any]) -> Table:
    """One row per market line and stock item; `verdict` holds the whole verdict as JSON."""
    rows = []
    for row in plan.get("verdicts") or []:
        verdict = row.get("verdict") or {}
        kept = ("classification", "licence_required", "review_policy", "exception", "citations")
        rows.append({**{name: verdict.get(name) for name in kept}, **row})
    return _table(VERDICT_COLUMNS, rows)


def facts_table(plan: Mapping[str, Any]) -> Table:
    """One row per fact; `value` as text, `value_number` where it is a number."""
    rows = []
    for fact in plan.get("facts") or []:
        low, high = fact.get("range") or (None, None)
        value = fact.get("value")
        shown = None if value is None else str(value)
        rows.append({**fact, "value": shown, "value_number": value, "low": low, "high": high})
    return _table(FACT_COLUMNS, rows)


def plan_tables(plan: Mapping[str, Any]) -> dict[str, Table]:
    """File stem → table, for every table of a run."""
    return {
        "lines": lines_table(plan),
        "branches": branches_table(plan),
        "verdicts": verdicts_table(plan),
        "yields": _table(YIELD_COLUMNS, plan.get("yields") or []),
        "facts": facts_table(plan),
        "sensitivity": _table(SENSITIVITY_COLUMNS, plan.get("sensitivity") or []),
    }
