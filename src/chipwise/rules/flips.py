"""What would change the answer: facts not settled, dates, and law. Never a way round a line."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator
from dataclasses import replace

from chipwise.rules.decide import decide
from chipwise.rules.law import Law, Reach
from chipwise.rules.objects import Answer, CaseSpec, Flip
from chipwise.rules.rulebook import Rulebook, rulebook_of, without_rows
from chipwise.rules.vocabulary import MOVEMENT


@functools.lru_cache(maxsize=256)
def flips_of(case: CaseSpec, answer: Answer, rulebook: Rulebook) -> tuple[Flip, ...]:
    """Facts whose other reading changes the answer, the nearest days on which it differs, and the law it rests on.

    Notes
    -----
    Only facts of the case that may be mistaken or unknown are varied: the seat of the parent company, the design for
    data centers, the route as declared. Figures are never varied, and no order of preference is given.
    """
    return (*_facts(case, answer, rulebook), *_dates(case, answer, rulebook), *_law(case, answer, rulebook))


def _answer(case: CaseSpec, rulebook: Rulebook) -> Answer:
    return decide(case, rulebook)


def _differs(found: Answer, answer: Answer) -> bool:
    """Whether licence, outcome or policy differ; two answers left to a person do not."""
    if found.outcome == answer.outcome == "needs_counsel":
        return False
    return found[1:4] != answer[1:4]


def _variants(case: CaseSpec) -> Iterator[tuple[str, CaseSpec]]:
    if case.hq == "unknown":
        yield (
            "if headquarters and ultimate parent are shown to lie in Macau or Country Group D:5",
            replace(case, hq="CN"),
        )
        yield (
            "if headquarters and ultimate parent are shown to lie outside Macau and Country Group D:5",
            replace(case, hq="US"),
        )
    elif case.hq != "CN":
        yield "if the ultimate parent is in fact headquartered in China", replace(case, hq="CN")
    if case.item_kind in ("chip", "system"):
        for design, text in (
            (True, "if the item is in fact designed or marketed for data centers"),
            (False, "if the item is in fact not designed or marketed for data centers"),
        ):
            if case.data_center_design is not design:
                yield text, replace(case, data_center_design=design)
    if case.route == "export_from_us":
        yield (
            "if the item is in fact shipped from a country other than the United States",
            replace(case, route="reexport"),
        )


def _held(case: CaseSpec, rulebook: Rulebook) -> Iterator[tuple[str, CaseSpec]]:
    """For hardware held, the latest earlier stretch in which it could be had without a licence."""
    if MOVEMENT[case.route] != "held" or case.acquired_on is not None:
        return
    for day in reversed([day for day in rulebook.dates if day <= case.on]):
        variant = replace(case, acquired_on=day)
        if _answer(variant, rulebook).outcome == "NLR":
            yield f"if it was acquired when no licence was needed, as on {day.isoformat()}", variant
            return


def _facts(case: CaseSpec, answer: Answer, rulebook: Rulebook) -> Iterator[Flip]:
    for what, variant in (*_variants(case), *_held(case, rulebook)):
        found = _answer(variant, rulebook)
        if _differs(found, answer):
            yield Flip(kind="fact", what=what, outcome=found.outcome, licence_required=found.licence_required)


def _dates(case: CaseSpec, answer: Answer, rulebook: Rulebook) -> Iterator[Flip]:
    before = [day - dt.timedelta(days=1) for day in rulebook.dates if rulebook.coverage_from < day <= case.on]
    for day in reversed(before):
        found = _answer(case.at(day), rulebook)
        if _differs(found, answer):
            yield _dated(day, f"until {day.isoformat()} the answer was different", found)
            break
    for day in (day for day in rulebook.dates if day > case.on):
        found = _answer(case.at(day), rulebook)
        if _differs(found, answer):
            yield _dated(day, f"from {day.isoformat()} the answer is different, as the rulebook stands", found)
            break


def _dated(day: dt.date, what: str, found: Answer) -> Flip:
    return Flip(kind="date", what=what, outcome=found.outcome, licence_required=found.licence_required, on=day)


@functools.lru_cache(maxsize=64)
def _without(rulebook: Rulebook, provision: str) -> Rulebook:
    return rulebook_of(without_rows(rulebook.tables, {provision}), f"{rulebook.name} without {provision}")


def _law(case: CaseSpec, answer: Answer, rulebook: Rulebook) -> Iterator[Flip]:
    """Provisions in force that day without which the answer would differ."""
    for name in _provisions_used(case, rulebook):
        found = _answer(case, _without(rulebook, name))
        if _differs(found, answer):
            what = f"if {rulebook.provision(name).get('citation', name)} were not in force"
            yield Flip(kind="law", what=what, outcome=found.outcome, licence_required=found.licence_required)


def _provisions_used(case: CaseSpec, rulebook: Rulebook) -> tuple[str, ...]:
    """Provisions behind the requirements, letters, embargoes and exceptions that reach the place or the party."""
    law = rulebook.law(case.on)
    reaches = [rule.row for rule in law.requirements if _reaches(rule, case, law)]
    reaches += [letter.row for letter in law.letters if letter.destinations.get(case.to) is not False]
    reaches += [row for code, row in law.embargoes.items() if code == case.to]
    names = [str(row.get("provision") or row.get("id")) for row in reaches]
    return tuple(name for name in dict.fromkeys(names) if rulebook.provision(name))


def _reaches(rule: Reach, case: CaseSpec, law: Law) -> bool:
    by_place = rule.destinations is not None and rule.destinations.get(case.to) is not False
    return by_place or (rule.headquarters is not None and law.near.get(case.hq) is not False)
