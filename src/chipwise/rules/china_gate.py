"""The Chinese side: what a buyer in mainland China meets. It stands beside the US answer and never changes it."""

from __future__ import annotations

from typing import Any

from chipwise.rules.objects import CaseSpec
from chipwise.rules.rulebook import Rulebook

NOT_ASKED = {"applies": False, "status": "not_applicable", "items": []}


def gate_of(case: CaseSpec, rulebook: Rulebook) -> dict[str, Any]:
    """Reported Chinese measures on an item, buyer and day.

    Returns
    -------
    dict
        ``applies`` (the destination is mainland China), ``status`` (strictest report, or ``none_reported``), ``items``.
    """
    table = rulebook.tables["china_gate"]
    if (case.asked_to or case.to) != table["destination"]:
        return {**NOT_ASKED}
    rows = [row for row in rulebook.law(case.on).gate if _fits(case, row, table["destination"])]
    rank = table["strictness"]
    status = max((row["status"] for row in rows), key=rank.index, default=rank[0])
    return {
        "applies": True,
        "status": status,
        "note": "Mostly unpublished guidance reported by press; it may stop a deal the US side allows.",
        "items": [
            {"date": row["from"].isoformat(), "fact": row["fact"], "basis": row["basis"], "status": row["status"]}
            for row in rows
        ],
    }


def _fits(case: CaseSpec, row: Any, home: str) -> bool:
    if row.get("makers") and case.maker_country not in row["makers"]:
        return False
    if not row.get("makers") and case.maker_country == home:
        return False
    if row["chips"] and case.chip_id not in row["chips"]:
        return False
    return not row["buyers"] or case.buyer in row["buyers"]
