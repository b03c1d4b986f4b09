"""The law of one stretch of days: every dated table read at that date and made ready for the tests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from chipwise.core.errors import RuleError
from chipwise.core.names import nearest_names
from chipwise.rules.dated import Geography, Places, Row, in_force, value_on
from chipwise.rules.logic import Comparison, NumericTest
from chipwise.rules.objects import MEASURES


class Reach(NamedTuple):
    """A requirement in force: the classes it reaches, by place or by headquarters."""

    id: str
    classes: frozenset[str]
    destinations: Places | None
    headquarters: Places | None
    everywhere: bool
    not_in: frozenset[str]
    compliance_from: dt.date | None
    question: str
    row: Row


class Addressee(NamedTuple):
    """One vendor that received a letter."""

    confidence: str
    named: frozenset[str]
    filed: NumericTest | None
    reported: NumericTest | None
    data_center_only: bool


class Letter(NamedTuple):
    """A vendor letter in force."""

    id: str
    addressees: Mapping[str, Addressee]
    others: bool
    other_test: NumericTest | None
    destinations: Places
    open_destinations: Places | None
    headquarters: Places | None
    policy: str
    named_policy: str
    row: Row


class Review(NamedTuple):
    """One row of the review policies."""

    id: str
    classes: frozenset[str]
    near_only: bool
    routes: frozenset[str] | None
    destinations: Places | None
    headquarters: Places | None
    test: NumericTest | None
    available_in_us: bool
    policy: str
    row: Row


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Law:
    """Everything in force on the days from `first` to before `until`."""

    first: dt.date
    until: dt.date | None
    parameters: Mapping[str, float]
    tests: Mapping[str, NumericTest]
    class_measures: tuple[str, ...]
    near: Places
    requirements: tuple[Reach, ...]
    open_requirements: tuple[Reach, ...]
    embargoes: Mapping[str, Row]
    exceptions: tuple[Row, ...]
    exception_open: tuple[Row, ...]
    review: tuple[Review, ...]
    notes: tuple[Row, ...]
    letters: tuple[Letter, ...]
    affiliates: str
    affiliates_row: Row
    carve_outs: tuple[Row, ...]
    named_licences: tuple[Row, ...]
    end_uses: tuple[Row, ...]
    prc: Row | None
    makers_subject: frozenset[str]
    authorised_designers: Places
    duties: tuple[Row, ...]
    gate: tuple[Row, ...]


def compile_test(name: str, row: Row, parameters: Mapping[str, float]) -> NumericTest:
    """Read ``measure operator parameter`` rows; a row with a parameter not in force never holds."""
    rows = []
    for limb in row["any"]:
        compared = [_comparison(name, text) for text in limb]
        if all(parameter in parameters for _, _, parameter in compared):
            rows.append(tuple(Comparison(m, op, parameters[parameter], parameter) for m, op, parameter in compared))
    return tuple(rows)


def _comparison(name: str, text: str) -> tuple[str, str, str]:
    parts = str(text).split()
    if len(parts) != 3 or parts[1] not in (">=", ">", "<", "<="):
        raise RuleError(f"{text!r} is not a comparison", place=f"tests.{name}", allowed="measure >= parameter")
    if parts[0] not in MEASURES:
        raise RuleError(
            f"{parts[0]!r} is not a measure", place=f"tests.{name}", nearest=nearest_names(parts[0], MEASURES)
        )
    return parts[0], parts[1], parts[2]


def build_law(tables: Mapping[str, Any], day: dt.date, until: dt.date | None) -> Law:
    """Read every table at one day."""
    geography = Geography(tables["country_groups"], day)
    parameters = {
        name: float(value)
        for name, row in tables["parameters"].items()
        if (value := value_on(row["values"], day)) is not None
    }
    tests = {name: compile_test(name, row, parameters) for name, row in tables["tests"].items() if in_force(row, day)}
    scope, parties = tables["scope"], tables["parties"]

    def active(rows: Sequence[Row]) -> tuple[Row, ...]:
        return tuple(row for row in rows if in_force(row, day))

    near = geography.places(scope["near"]) or {}
    prc = parties.get("prc_presumption")
    return Law(
        first=day,
        until=until,
        parameters=parameters,
        tests=tests,
        class_measures=_measures(tests),
        near=near,
        requirements=tuple(_reach(row, geography) for row in active(scope["requirements"])),
        open_requirements=tuple(_reach(row, geography) for row in active(scope["open_requirements"])),
        embargoes={code: row for row in active(scope["embargoes"]) for code in row["codes"]},
        exceptions=active(scope["exceptions"]),
        exception_open=active(scope["exception_open"]),
        review=tuple(_review(row, geography, tests) for row in active(scope["review"])),
        notes=active(scope["notes"]),
        letters=tuple(_letter(row, geography, tests, day) for row in active(tables["letters"])),
        affiliates=(value_on(parties["affiliates"]["status"], day) or {"is": "none"})["is"],
        affiliates_row=parties["affiliates"],
        carve_outs=active(parties["carve_outs"]),
        named_licences=active(parties["named_licences"]),
        end_uses=tuple(parties["end_uses"]),
        prc=prc if prc is not None and in_force(prc, day) else None,
        makers_subject=frozenset(parties["makers_taken_as_subject"]),
        authorised_designers=_designers(parties.get("authorised_designers"), geography, day),
        duties=active(tables["duties"]),
        gate=active(tables["china_gate"]["items"]),
    )


_CLASS_TESTS = ("class_2022", "class_a", "class_b", "outside_if_not_data_center")


def _measures(tests: Mapping[str, NumericTest]) -> tuple[str, ...]:
    """The measures that decide the class of a circuit that day."""
    used = [part.measure for name in _CLASS_TESTS for row in tests.get(name, ()) for part in row]
    return tuple(dict.fromkeys(used))


def _designers(row: Row | None, geography: Geography, day: dt.date) -> Places:
    return {} if row is None or not in_force(row, day) else (geography.places(row["headquarters"]) or {})


def _reach(row: Row, geography: Geography) -> Reach:
    return Reach(
        id=row["id"],
        classes=frozenset(row["classes"]),
        destinations=geography.places(row.get("destinations")),
        headquarters=geography.places(row.get("headquarters")),
        everywhere=bool(row.get("everywhere")),
        not_in=frozenset(row.get("not_in", ())),
        compliance_from=row.get("compliance_from"),
        question=row.get("question", ""),
        row=row,
    )


def _review(row: Row, geography: Geography, tests: Mapping[str, NumericTest]) -> Review:
    return Review(
        id=row["id"],
        classes=frozenset(row["classes"]),
        near_only=row.get("reach") == "near",
        routes=frozenset(row["routes"]) if "routes" in row else None,
        destinations=geography.places(row.get("destinations")),
        headquarters=geography.places(row.get("headquarters")),
        test=tests.get(row["test"], ()) if "test" in row else None,
        available_in_us=bool(row.get("available_in_us")),
        policy=row["policy"],
        row=row,
    )


def _letter(row: Row, geography: Geography, tests: Mapping[str, NumericTest], day: dt.date) -> Letter:
    def test(name: str | None) -> NumericTest | None:
        return tests.get(name) if name else None

    addressees = {
        vendor: Addressee(
            confidence=entry["confidence"],
            named=frozenset(entry.get("named", ())),
            filed=test(entry.get("filed_test")),
            reported=test(entry.get("reported_test")),
            data_center_only=bool(entry.get("data_center_only")),
        )
        for vendor, entry in row["addressees"].items()
        if entry["from"] <= day
    }
    return Letter(
        id=row["id"],
        addressees=addressees,
        others=row["others"] == "open" and in_force({"until": row.get("others_until")}, day),
        other_test=test(row.get("other_test")),
        destinations=geography.places(row["destinations"]) or {},
        open_destinations=geography.places(row.get("open_destinations")),
        headquarters=geography.places(row.get("headquarters")),
        policy=value_on(row["policies"], day) or "not_published",
        named_policy=value_on(row.get("named_policies"), day) or "",
        row=row,
    )
