"""The tables of a run: the plan's rows as columns of plain values, ready for Parquet.

Every table has its columns whether or not it has rows, so that an empty stock reads back like a full one. Units stand
in the names; a verdict's reasons stay whole as JSON text in one column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chipwise.core.tabular import Kind, Table, table_of

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
    return table_of(LINE_COLUMNS, ({"part": part, **line} for part in ("now", "periods") for line in body[part]))


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
    return table_of(BRANCH_COLUMNS, rows)


def verdicts_table(plan: Mapping[str, Any]) -> Table:
    """One row per market line and stock item; `verdict` holds the whole verdict as JSON."""
    rows = []
    for row in plan.get("verdicts") or []:
        verdict = row.get("verdict") or {}
        kept = ("classification", "licence_required", "review_policy", "exception", "citations")
        rows.append({**{name: verdict.get(name) for name in kept}, **row})
    return table_of(VERDICT_COLUMNS, rows)


def facts_table(plan: Mapping[str, Any]) -> Table:
    """One row per fact; `value` as text, `value_number` where it is a number."""
    rows = []
    for fact in plan.get("facts") or []:
        low, high = fact.get("range") or (None, None)
        value = fact.get("value")
        shown = None if value is None else str(value)
        rows.append({**fact, "value": shown, "value_number": value, "low": low, "high": high})
    return table_of(FACT_COLUMNS, rows)


def plan_tables(plan: Mapping[str, Any]) -> dict[str, Table]:
    """File stem → table, for every table of a run."""
    return {name: build(plan) for name, build in PLAN_TABLES.items()}


PLAN_TABLES: dict[str, Callable[[Mapping[str, Any]], Table]] = {
    "lines": lines_table,
    "branches": branches_table,
    "verdicts": verdicts_table,
    "yields": lambda plan: table_of(YIELD_COLUMNS, plan.get("yields") or []),
    "facts": facts_table,
    "sensitivity": lambda plan: table_of(SENSITIVITY_COLUMNS, plan.get("sensitivity") or []),
}
"""Name of a table of a plan → how it is read off the content of plan.json."""

SENSE_COLUMNS: dict[str, Kind] = {
    "sense": "text",
    "binding": "flag",
    "years": "number",
    "low": "number",
    "high": "number",
    "p10": "number",
    "median": "number",
    "p90": "number",
    "probability_at_least_one_year": "number",
    "probability_zero": "number",
    "ends_on": "date",
    "binding_share": "number",
    "undetermined": "text",
}
DRIVER_COLUMNS: dict[str, Kind] = {
    "sense": "text",
    "input": "text",
    "label": "text",
    "rank_correlation": "number",
}
SENSES = ("programme", "flagship", "squeeze", "wear")


def senses_table(runway: Mapping[str, Any]) -> Table:
    """One row per sense of runway; years, and shares of the draws."""
    shares = runway.get("binding_shares") or {}
    return table_of(
        SENSE_COLUMNS,
        (
            {**runway[name], "sense": name, "binding": runway["binding"] == name, "binding_share": shares.get(name)}
            for name in SENSES
        ),
    )


def drivers_table(runway: Mapping[str, Any]) -> Table:
    """One row per sense and input: how strongly the input moves it."""
    rows = ({**driver, "sense": name} for name in SENSES for driver in runway[name].get("drivers") or [])
    return table_of(DRIVER_COLUMNS, rows)


RUNWAY_TABLES: dict[str, Callable[[Mapping[str, Any]], Table]] = {
    "senses": senses_table,
    "drivers": drivers_table,
    "inputs": facts_table,
}
"""Name of a table of a runway → how it is read off its `to_dict` with the facts of its inputs as ``facts``."""
