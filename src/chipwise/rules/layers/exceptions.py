"""Licence exceptions and parties the rule itself frees."""

from __future__ import annotations

from typing import Any

from chipwise.rules.dated import Row
from chipwise.rules.law import Law
from chipwise.rules.objects import CaseSpec
from chipwise.rules.vocabulary import MOVEMENT


def exception_of(case: CaseSpec, law: Law, entry: str, data_center: bool, near_hq: bool) -> Row | None:
    """The exception open to a list requirement: for .b items, and .a items not for data centers."""
    if entry not in ("a", "b") or (entry == "a" and data_center) or case.item_kind not in ("chip", "system"):
        return None
    by_place = law.near.get(case.to) is True
    movement = MOVEMENT[case.route]
    for row in law.exceptions:
        reach = row["reach"]
        fits = by_place if reach == "near_by_place" else (by_place or near_hq) == (reach == "near")
        if fits and movement in row["movement"]:
            return row
    return None


def exception_question(case: CaseSpec, law: Law, near_hq: bool) -> str:
    """The question that stands in the way of an exception here, or empty."""
    if near_hq:
        return ""
    for row in law.exception_open:
        if case.to in row["codes"]:
            return str(row["question"])
    return ""


def _named(case: CaseSpec, row: Row) -> bool:
    wanted = case.buyer_name.strip().casefold()
    return bool(wanted) and wanted in {str(name).casefold() for name in row["names"]}


def carve_out(case: CaseSpec, law: Law, near_hq: bool | None) -> Row | None:
    """The row that frees this named party at this destination; never a party headquartered in Macau or D:5."""
    for row in law.carve_outs:
        if case.to not in row["destinations"] or _other_seat(case, row, near_hq):
            continue
        if case.buyer in row.get("buyers", ()) or _named(case, row):
            return row
    return None


def _other_seat(case: CaseSpec, row: Row, near_hq: bool | None) -> bool:
    """Whether the party sits somewhere else than the party the rule names."""
    seat: Any = row.get("headquarters")
    if seat is not None and case.hq != "unknown":
        return bool(case.hq != seat)
    return case.hq != "unknown" and near_hq is not False


def named_licence(case: CaseSpec, law: Law) -> Row | None:
    """An announced licence for this party, whose terms a person must read."""
    for row in law.named_licences:
        if case.to in row["destinations"] and _named(case, row):
            return row
    return None


def seat_of_named_party(case: CaseSpec, law: Law) -> str:
    """Headquarters that a rule states for the party, where the case leaves them unknown; else the case's own."""
    if case.hq != "unknown":
        return case.hq
    if case.buyer == "government_agency":
        return case.to
    for row in law.carve_outs:
        if case.to in row["destinations"] and _named(case, row) and row.get("headquarters"):
            return str(row["headquarters"])
    return case.hq
