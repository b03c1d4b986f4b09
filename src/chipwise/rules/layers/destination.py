"""Does the place, or the headquarters, bring the item under a licence requirement of the list?"""

from __future__ import annotations

from typing import NamedTuple

from chipwise.rules.law import Law, Reach
from chipwise.rules.objects import CaseSpec


class ListFinding(NamedTuple):
    """Whether the list asks for a licence; None when it cannot be said, with the question."""

    required: bool | None
    rule: Reach | None
    question: str = ""


def by_place(case: CaseSpec, law: Law, entry: str) -> ListFinding:
    """The destination test of the list entry."""
    unsettled: Reach | None = None
    for rule in law.requirements:
        if rule.destinations is None or entry not in rule.classes:
            continue
        inside = rule.destinations.get(case.to)
        if inside:
            return _window(case, rule)
        if inside is None and unsettled is None:
            unsettled = rule
    if unsettled is not None:
        return ListFinding(None, unsettled, "country_unknown" if case.to not in law.near else "group_unsettled")
    return ListFinding(False, None)


def by_headquarters(case: CaseSpec, law: Law, entry: str, hq_near: bool | None) -> ListFinding:
    """The headquarters test: seat of the party or of its ultimate parent, in any country but those excepted.

    Parameters
    ----------
    hq_near : bool or None
        Whether the headquarters lie in Macau or Country Group D:5; None where the groups leave it open.
    """
    for rule in law.requirements:
        if rule.headquarters is None or entry not in rule.classes or case.to in rule.not_in:
            continue
        if hq_near:
            return _window(case, rule)
        if hq_near is None:
            return ListFinding(None, rule, "headquarters_unsettled")
    return ListFinding(False, None)


def _window(case: CaseSpec, rule: Reach) -> ListFinding:
    """A requirement between its effective and its compliance date is left to a person."""
    if rule.compliance_from is not None and case.on < rule.compliance_from:
        return ListFinding(None, rule, "compliance_window_hbm" if "c" in rule.classes else "compliance_window_foundry")
    return ListFinding(True, rule)


def open_requirement(case: CaseSpec, law: Law, entry: str, hq_near: bool | None) -> Reach | None:
    """A requirement whose reach is unsettled and that would bite here."""
    for rule in law.open_requirements:
        if entry not in rule.classes or case.to in rule.not_in:
            continue
        if rule.everywhere or (rule.headquarters is not None and hq_near is not False):
            return rule
    return None
