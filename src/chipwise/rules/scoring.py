"""Compare the answer to one case with the answers expected of it."""

from __future__ import annotations

from typing import Any

from chipwise.core.errors import RedFlag
from chipwise.rules.cases import EXPECTED, CaseRow
from chipwise.rules.check import verdict_of
from chipwise.rules.rulebook import Rulebook
from chipwise.rules.vocabulary import FREE_OUTCOMES

ANSWERS = ("classification", "licence_required", "outcome", "review_policy")


def scored(row: CaseRow, rulebook: Rulebook) -> dict[str, Any]:
    """One row with its four answers, and whether they agree with the expected ones where all are given.

    Returns
    -------
    dict
        ``agrees`` is None without expected answers; a contested row also agrees when the outcome is
        ``needs_counsel``. ``exact`` says that all four are the listed ones; ``free_where_licence`` marks the one error
        that must never happen.
    """
    out: dict[str, Any] = {"id": row.id, **dict.fromkeys(ANSWERS), "agrees": None, "free_where_licence": False}
    if row.case is None:
        return out | {"error": row.error.line() if row.error is not None else "no case"}
    try:
        verdict = verdict_of(row.case, rulebook)
    except RedFlag as error:
        return out | {"error": error.line()}
    out |= {name: getattr(verdict, name) for name in ANSWERS}
    if verdict.question:
        out["open_question"] = verdict.question
    if all(name in row.expected for name in EXPECTED):
        wanted = [row.expected[name] for name in EXPECTED]
        same = [out[name] for name in ANSWERS] == wanted
        out["exact"] = same
        out["agrees"] = same or (row.contested and verdict.outcome == "needs_counsel")
        out["free_where_licence"] = verdict.outcome in FREE_OUTCOMES and wanted[1] == "yes"
    return out
