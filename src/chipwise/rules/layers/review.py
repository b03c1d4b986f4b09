"""How a licence application would be weighed."""

from __future__ import annotations

from chipwise.rules.law import Law, Review
from chipwise.rules.logic import holds
from chipwise.rules.objects import CaseSpec


def review_class(entry: str, data_center: bool) -> str:
    """The class word of the review table."""
    if entry == "a":
        return "a_dc" if data_center else "a_other"
    return entry


def review_row(case: CaseSpec, law: Law, entry: str, data_center: bool, near_hq: bool, hq: str) -> Review | None:
    """First row of the review table that fits; a condition that is not known does not fit."""
    wanted = review_class(entry, data_center)
    near = near_hq or law.near.get(case.to) is not False
    for row in law.review:
        if wanted not in row.classes or (row.near_only and not near):
            continue
        if row.routes is not None and case.route not in row.routes:
            continue
        if row.destinations is not None and row.destinations.get(case.to) is not True:
            continue
        if row.headquarters is not None and row.headquarters.get(hq) is not True:
            continue
        if row.test is not None and holds(row.test, case) is not True:
            continue
        if row.available_in_us and case.available_in_us is False:
            continue
        return row
    return None
