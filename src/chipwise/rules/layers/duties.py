"""Duties beside the licence: notices, records, conditions, tariff bands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chipwise.rules.dated import Row
from chipwise.rules.law import Law
from chipwise.rules.logic import holds
from chipwise.rules.objects import Answer, CaseSpec


def duties_of(case: CaseSpec, law: Law, answer: Answer) -> tuple[Row, ...]:
    """Every duty that goes with the answer."""
    return tuple(row for row in law.duties if _fits(case, law, answer, row))


def _fits(case: CaseSpec, law: Law, answer: Answer, row: Row) -> bool:
    checks = (
        ("outcomes", answer.outcome),
        ("policies", answer.review_policy),
        ("classes", answer.classification),
        ("routes", case.route),
        ("route_from", case.route_from),
        ("destinations", case.to),
        ("buyers", case.buyer),
    )
    if any(name in row and value not in row[name] for name, value in checks):
        return False
    return "test" not in row or holds(law.tests.get(row["test"], ()), case) is not False


def duty_text(case: CaseSpec, law: Law, row: Row, scope: Mapping[str, Any]) -> str:
    """One duty in words, with its conditions; ``May apply`` where a figure straddles its line."""
    text = str(row["text"])
    if "test" in row and holds(law.tests.get(row["test"], ()), case) is None:
        text = f"May apply, as a figure is open: {text}"
    if "conditions" in row:
        text += " " + "; ".join(str(entry) for entry in scope[row["conditions"]]) + "."
    return text
