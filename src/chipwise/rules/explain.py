"""The steps behind an answer, rebuilt layer by layer in plain sentences."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping
from typing import Any

from chipwise.rules.china_gate import gate_of
from chipwise.rules.decide import Reading, headquarters_readings, judge
from chipwise.rules.explain_item import item_reason
from chipwise.rules.law import Law
from chipwise.rules.layers import classify, destination, duties, enduse, exceptions, letters, parties, subject
from chipwise.rules.logic import holds
from chipwise.rules.objects import Answer, CaseSpec, Step
from chipwise.rules.rulebook import Rulebook
from chipwise.rules.vocabulary import EXCEPTION_OUTCOMES, MOVEMENT
from chipwise.rules.wording import here_text, place_text, rule_text, sentence

_SCOPE = {"id": "ear-scope", "citation": "15 CFR 734.3, 734.9(h)"}
_LISTS = {"id": "party-lists", "citation": "15 CFR Part 744, Supplements 4, 6 and 7"}
_USES = {"id": "part-744", "citation": "15 CFR Part 744"}
_EXCEPTIONS = {"id": "exceptions", "citation": "15 CFR 740.2, 740.8"}


@functools.lru_cache(maxsize=256)
def steps_of(case: CaseSpec, answer: Answer, rulebook: Rulebook) -> tuple[Step, ...]:
    """Every layer in order, with finding, reason and citation."""
    law = rulebook.law(case.on)
    reading = chosen_reading(case, law, answer, rulebook)
    return (
        _subject(case, law, reading, rulebook),
        _parties(case, law, rulebook),
        _item(case, law, answer, rulebook),
        _destination(case, law, reading, rulebook),
        _headquarters(case, law, reading, rulebook),
        _letters(case, law, reading, rulebook),
        _end_use(case, law, rulebook),
        _exception(case, law, reading, answer, rulebook),
        _review(case, law, answer, rulebook),
        _duties(case, law, answer, rulebook),
        _gate(case, rulebook),
    )


def chosen_reading(case: CaseSpec, law: Law, answer: Answer, rulebook: Rulebook) -> Reading:
    """The reading that gives the answer, or the last one where the readings disagree."""
    entries = classify.entries_of(case, law)
    seats = headquarters_readings(case, law)
    readings = [Reading(e.entry, e.data_center, near, e.question) for e in entries for near in seats]
    for reading in readings:
        ruling = judge(case, law, reading, rulebook)
        if (ruling.licence, ruling.outcome) == (answer.licence_required, answer.outcome):
            return reading
    return readings[-1]


def _step(layer: str, finding: str, reason: str, rulebook: Rulebook, row: Mapping[str, Any] | None = None) -> Step:
    """One step; dates and citation come from the row, or from the provision it rests on."""
    row = row or {}
    provision = rulebook.provision(str(row.get("provision") or row.get("id") or ""))
    start, end = row.get("from", provision.get("effective")), row.get("until", provision.get("until"))
    return Step(
        layer=layer,
        finding=finding,
        reason=reason,
        citation=str(row.get("citation") or provision.get("citation") or ""),
        effective_from=start if isinstance(start, dt.date) else None,
        effective_until=end if isinstance(end, dt.date) else None,
        rule_id=str(row.get("id") or row.get("provision") or ""),
    )


def _question(rulebook: Rulebook, name: str) -> str:
    return str(rulebook.tables["open_questions"].get(name, {}).get("text", ""))


def _subject(case: CaseSpec, law: Law, reading: Reading, rulebook: Rulebook) -> Step:
    layer = "subject_to_EAR"
    found = subject.subject_of(case, law, frozenset({reading.entry}))
    reason = sentence(layer, found, maker=place_text(case.maker_country, rulebook))
    return _step(layer, found, reason, rulebook, law.prc if found == "presumed_in_breach" else _SCOPE)


def _parties(case: CaseSpec, law: Law, rulebook: Rulebook) -> Step:
    layer = "party_screening"
    found = parties.party_finding(case, law, rulebook.newest_source)
    row = law.affiliates_row if case.buyer == "owned_by_listed_party" else _LISTS
    if found.caught is None:
        return _step(layer, found.question, _question(rulebook, found.question), rulebook, row)
    finding = (found.question or "caught") if found.caught else "not_performed"
    share = f"{case.listed_ownership_pct or 0.0:g}"
    return _step(layer, finding, sentence(layer, finding, share=share), rulebook, row)


def _item(case: CaseSpec, law: Law, answer: Answer, rulebook: Rulebook) -> Step:
    reason, test = item_reason(case, law, answer)
    row: Mapping[str, Any] = rulebook.tables["tests"].get(test, {})
    provision = rulebook.provision(str(row.get("provision") or ""))
    cited = {**row, "id": test, "citation": provision.get("citation", "")} if row else None
    return _step("classification", answer.classification, reason, rulebook, cited)


def _destination(case: CaseSpec, law: Law, reading: Reading, rulebook: Rulebook) -> Step:
    layer = "destination"
    place = place_text(case.to, rulebook)
    if case.asked_to and case.asked_to != case.to:
        place += f", as which {case.asked_to} is treated"
    embargo = law.embargoes.get(case.to)
    if embargo is not None:
        return _step(layer, "embargo", sentence(layer, "embargo", place=place), rulebook, embargo)
    if MOVEMENT[case.route] in ("held", "cloud"):
        return _step(layer, "no_shipment", sentence(layer, "no_shipment", place=place), rulebook)
    found = destination.by_place(case, law, reading.entry)
    row = found.rule.row if found.rule is not None else None
    if found.required is None:
        text = sentence(layer, "open", place=place, question=_question(rulebook, found.question))
        return _step(layer, found.question, text, rulebook, row)
    finding = "licence" if found.required else "no_licence"
    notes = [str(note["text"]) for note in law.notes if not found.required and reading.entry in note["classes"]]
    return _step(layer, finding, " ".join((sentence(layer, finding, place=place), *notes)), rulebook, row)


def _headquarters(case: CaseSpec, law: Law, reading: Reading, rulebook: Rulebook) -> Step:
    layer = "headquarters"
    rules = [rule for rule in law.requirements if rule.headquarters is not None and reading.entry in rule.classes]
    if not rules:
        return _step(layer, "no_test", sentence(layer, "no_test"), rulebook)
    seat = exceptions.seat_of_named_party(case, law)
    if case.to in rules[0].not_in:
        finding = "exempt_place"
    elif seat == "unknown":
        finding = "unknown"
    else:
        finding = {True: "licence", False: "no_licence", None: "headquarters_unsettled"}[law.near.get(seat)]
    return _step(layer, finding, sentence(layer, finding, seat=place_text(seat, rulebook)), rulebook, rules[0].row)


def _letters(case: CaseSpec, law: Law, reading: Reading, rulebook: Rulebook) -> Step:
    layer = "letters"
    found = letters.letter_finding(case, law, reading.data_center, reading.hq_near)
    if found.letter is None:
        return _step(layer, "none", sentence(layer, "none"), rulebook)
    addressee = found.letter.addressees.get(case.vendor)
    test = None if addressee is None else (addressee.filed if found.reach == "yes" else addressee.reported)
    words = {
        "vendor": case.vendor,
        "question": _question(rulebook, found.question),
        "rule": rule_text(test) if test else "",
        "here": here_text(case, test) if test else "",
    }
    finding = {"yes": "named" if found.named else "tested", "reported": "reported"}.get(found.reach, "open")
    return _step(layer, found.reach, sentence(layer, finding, **words), rulebook, found.letter.row)


def _end_use(case: CaseSpec, law: Law, rulebook: Rulebook) -> Step:
    layer = "part744_end_use"
    question = enduse.end_use_question(case, law)
    if not question:
        return _step(layer, "none", sentence(layer, "clear" if case.end_use else "none"), rulebook, _USES)
    row = next(row for row in law.end_uses if row["question"] == question)
    return _step(layer, question, sentence(layer, "open", question=_question(rulebook, question)), rulebook, row)


def _exception(case: CaseSpec, law: Law, reading: Reading, answer: Answer, rulebook: Rulebook) -> Step:
    layer = "exception"
    if answer.outcome == "licence_free_named_party":
        row = exceptions.carve_out(case, law, reading.hq_near)
        return _step(layer, "named_party", sentence(layer, "named_party"), rulebook, row)
    if answer.outcome in EXCEPTION_OUTCOMES:
        row = exceptions.exception_of(case, law, reading.entry, reading.data_center, reading.hq_near is not False)
        return _step(layer, answer.exception, sentence(layer, answer.outcome, name=answer.exception), rulebook, row)
    if answer.outcome == "needs_counsel":
        text = sentence(layer, "needs_counsel", question=_question(rulebook, answer.question))
        return _step(layer, "needs_counsel", text, rulebook)
    if answer.licence_required == "no":
        return _step(layer, "not_needed", sentence(layer, "not_needed"), rulebook)
    if reading.entry == "c":
        line = law.parameters.get("hbm_exception_density", 0.0)
        finding = "hbm_maybe" if case.mem_bw_density[1] < line else "hbm_closed"
        row = {"id": "HBM", "citation": "15 CFR 740.25", "provision": "fdp-hbm-2024-12"}
        return _step(layer, finding, sentence(layer, finding, line=f"{line:g}"), rulebook, row)
    return _step(layer, "none", sentence(layer, "none"), rulebook, _EXCEPTIONS)


def _review(case: CaseSpec, law: Law, answer: Answer, rulebook: Rulebook) -> Step:
    layer = "licence_review_policy"
    rows = [entry.row for entry in law.review if entry.policy == answer.review_policy]
    row = rows[0] if rows and answer.licence_required == "yes" else None
    reason = sentence(layer, answer.review_policy)
    note = _conditional_note(case, law) if row is not None else ""
    if note and not (note == "conditional_open") ^ (answer.review_policy == "case_by_case_conditional_2026"):
        reason += " " + sentence(layer, note)
    return _step(layer, answer.review_policy, reason, rulebook, row)


def _conditional_note(case: CaseSpec, law: Law) -> str:
    """Why the conditional review of 2026 does not fit a data-center .a item, or what of it is open; else empty."""
    row = next((entry for entry in law.review if entry.available_in_us), None)
    near = law.near.get(case.to) is True or law.near.get(case.hq) is True
    if row is None or row.test is None or not near or case.data_center_design is not True:
        return ""
    here = row.destinations is None or row.destinations.get(case.to) is True
    if not here or (row.routes is not None and case.route not in row.routes):
        return "conditional_route"
    if holds(row.test, case) is not True:
        return "conditional_figures"
    return {True: "", False: "conditional_sale", None: "conditional_open"}[case.available_in_us]


def _duties(case: CaseSpec, law: Law, answer: Answer, rulebook: Rulebook) -> Step:
    layer = "tariff_and_other_duties"
    rows = duties.duties_of(case, law, answer)
    if not rows:
        return _step(layer, "none", sentence(layer, "none"), rulebook)
    lines = " ".join(duties.duty_text(case, law, row, rulebook.tables["scope"]) for row in rows)
    citation = "; ".join(dict.fromkeys(str(row["citation"]) for row in rows))
    finding = ", ".join(str(row["id"]) for row in rows)
    return _step(layer, finding, lines, rulebook, {"id": rows[0]["id"], "citation": citation})


def _gate(case: CaseSpec, rulebook: Rulebook) -> Step:
    layer = "destination_country_law"
    gate = gate_of(case, rulebook)
    if not gate["applies"]:
        return _step(layer, "not_asked", sentence(layer, "not_asked"), rulebook)
    facts = " ".join(f"{item['date']}: {item['fact']}." for item in gate["items"])
    text = sentence(layer, "recorded", status=gate["status"].replace("_", " "), facts=facts).strip()
    return _step(
        layer, gate["status"], text, rulebook, {"id": "china-side", "citation": "press reports, named in the data"}
    )
