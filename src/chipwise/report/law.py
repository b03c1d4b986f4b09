"""What is allowed and why, as the plan recorded it: outcome, reasons, citations, margins, and what would flip it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chipwise.report import palette, text
from chipwise.report.sources import FactIndex

ACCESS = {"buy": "buy", "rent": "rent", "lease": "lease", "api": "tokens", "held": "held"}


def citation_text(citation: Any) -> str:
    """A citation as one line, whether it came as text or as a row."""
    if isinstance(citation, Mapping):
        return ", ".join(str(value) for value in citation.values() if value)
    return str(citation)


def verdict_rows(plan: Mapping[str, Any], index: FactIndex) -> list[dict[str, Any]]:
    """Every market line and stock item with its verdict."""
    return [verdict_row(row, plan, index, number) for number, row in enumerate(plan.get("verdicts") or [])]


def verdict_row(row: Mapping[str, Any], plan: Mapping[str, Any], index: FactIndex, number: int) -> dict[str, Any]:
    """One verdict as it is printed."""
    verdict = row.get("verdict") or {}
    outcome = str(row.get("outcome") or verdict.get("outcome") or "needs_counsel")
    stock = row.get("role") == "stock"
    steps = [_step(step) for step in verdict.get("steps") or []]
    accepted = plan["scenario"].get("accept_needs_counsel")
    opted_in = outcome == "needs_counsel" and bool(row.get("usable")) and not stock
    return {
        "anchor": f"verdict-{number + 1}",
        "stock": stock,
        "item": str(row.get("item") or row.get("chip") or "type not published"),
        "access": ACCESS.get(str(row.get("access")), str(row.get("access") or "")),
        "market": str(row.get("market") or ""),
        "on": text.date(row.get("on") or verdict.get("on")),
        "to": str(row.get("to") or verdict.get("to") or ""),
        "hq": str(row.get("hq") or verdict.get("hq") or ""),
        "answer": palette.answer(outcome),
        "outcome": outcome,
        "usable": bool(row.get("usable")),
        "because": because(row.get("because")),
        "opted_in": opted_in,
        "reason": str(accepted or "") if opted_in else "",
        "classification": text.words(verdict.get("classification")),
        "licence_required": str(verdict.get("licence_required") or ""),
        "policy": text.words(verdict.get("review_policy")) if outcome == "licence_required" else "",
        "exception": str(verdict.get("exception") or ""),
        "question": text.words(verdict["open_question"]) if verdict.get("open_question") else "",
        "steps": steps,
        "deciding": deciding(verdict.get("steps") or [], outcome),
        "citations": [citation_text(entry) for entry in verdict.get("citations") or []],
        "margins": [_margin(entry) for entry in verdict.get("margins") or []],
        "flips": [_flip(entry) for entry in verdict.get("flips") or []],
        "screening": text.words(verdict.get("party_screening") or "not_performed"),
        "gate": _gate(verdict.get("china_gate")),
        "recheck": bool(verdict.get("recheck_required")),
        "rulebook": str(verdict.get("rulebook") or ""),
        "facts": _facts(row, plan, index),
    }


def because(reason: Any) -> str:
    """The plan's reason; a bare outcome says no more than the answer beside it and is left out."""
    shown = str(reason or "")
    return "" if shown in palette.ANSWERS else shown


def deciding(steps: Sequence[Any], outcome: str) -> str:
    """Reason of the step that settles it: the one that asks for counsel, else the item's class."""
    for step in steps:
        if isinstance(step, Mapping) and outcome == "needs_counsel" and step.get("finding") == outcome:
            return str(step.get("reason") or "")
    for step in steps:
        if isinstance(step, Mapping) and step.get("layer") == "classification":
            return str(step.get("reason") or "")
    return ""


def _facts(row: Mapping[str, Any], plan: Mapping[str, Any], index: FactIndex) -> list[dict[str, str]]:
    chip, market = row.get("chip"), row.get("market")
    prefixes = [f"chips/{chip}#tpp", f"chips/{chip}#performance_density"] if chip else []
    if market:
        prefixes += [f"scenario/{plan['scenario']['id']}#{market}."]
    return index.under(*prefixes)


def _step(step: Any) -> dict[str, str]:
    if not isinstance(step, Mapping):
        return {"layer": "", "finding": "", "reason": str(step), "citation": "", "dates": ""}
    start, end = step.get("effective_from"), step.get("effective_until")
    dates = f"in force from {text.date(start)}" if start else ""
    if end:
        dates += f"{' ' if dates else ''}until {text.date(end)}"
    return {
        "layer": text.words(step.get("layer")),
        "finding": text.words(step.get("finding")),
        "reason": str(step.get("reason") or ""),
        "citation": citation_text(step.get("citation") or ""),
        "dates": dates,
    }


def _margin(margin: Mapping[str, Any]) -> dict[str, Any]:
    unit = str(margin.get("unit") or "")
    low, high = margin.get("low"), margin.get("high")
    figure = text.quantity(low, unit) if low == high else text.interval(low, high, lambda end: text.quantity(end, unit))
    return {
        "line": text.words(margin.get("line")),
        "measure": text.words(margin.get("measure")),
        "figure": figure,
        "threshold": text.quantity(margin.get("threshold"), unit),
        "side": _side(margin),
        "near": bool(margin.get("near") or margin.get("straddles")),
        "citation": citation_text(margin.get("citation") or ""),
    }


def _side(margin: Mapping[str, Any]) -> str:
    """On which side of the line the figure lies; the distance itself is left to ``chipwise check``."""
    low, high = text.as_number(margin.get("relative_low")), text.as_number(margin.get("relative_high"))
    if low is None or high is None:
        return text.UNKNOWN
    if low < 0.0 <= high:
        return "cannot tell: the figure's range spans the line"
    return "below the line" if high < 0.0 else "at or above the line"


def _flip(flip: Any) -> dict[str, str]:
    if not isinstance(flip, Mapping):
        return {"what": str(flip), "kind": "", "outcome": "", "on": ""}
    outcome = str(flip.get("outcome") or "")
    return {
        "kind": text.words(flip.get("kind")),
        "what": str(flip.get("what") or ""),
        "outcome": palette.answer(outcome).short if outcome else "",
        "on": text.date(flip["on"]) if flip.get("on") else "",
    }


def _gate(gate: Any) -> list[dict[str, str]]:
    """The destination's own gate as name and text, whatever its keys."""
    if not gate:
        return []
    if not isinstance(gate, Mapping):
        return [{"name": "", "value": str(gate)}]
    rows = []
    for name, value in gate.items():
        if value in (None, "", [], {}):
            continue
        shown = "; ".join(citation_text(entry) for entry in value) if isinstance(value, list) else citation_text(value)
        if isinstance(value, bool):
            shown = "yes" if value else "no"
        rows.append({"name": text.words(name), "value": shown})
    return rows


def split_by_role(rows: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Market lines, then stock."""
    return [row for row in rows if not row["stock"]], [row for row in rows if row["stock"]]
