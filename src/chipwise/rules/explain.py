"""The steps behind an answer, rebuilt layer by layer in plain sentences."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping
from typing import Any

from chipwise.rules.decide import Reading, headquarters_readings, judge
from chipwise.rules.geography import country_names
from chipwise.rules.layers import classify, destination, duties, enduse, exceptions, letters, parties, subject
from chipwise.rules.law import Law
from chipwise.rules.objects import Answer, CaseSpec, Step
from chipwise.rules.rulebook import Rulebook
from chipwise.rules.vocabulary import EXCEPTION_OUTCOMES, MOVEMENT
from chipwise.rules.wording import ENTRY_WORDS, place_text, standing_text, test_text

LAYERS = (
    "subject_to_EAR",
    "party_screening",
    "classification",
    "destination",
    "headquarters",
    "letters",
    "part744_end_use",
    "exception",
    "licence_review_policy",
    "tariff_and_other_duties",
    "destination_country_law",
)


@functools.lru_cache(maxsize=256)
def steps_of(case: CaseSpec, answer: Answer, rulebook: Rulebook) -> tuple[Step, ...]:
    """Every layer in order, with finding, reason and citation."""
    law = rulebook.law(case.on)
    reading = chosen_reading(case, law, answer, rulebook.newest_source)
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


def chosen_reading(case: CaseSpec, law: Law, answer: Answer, newest_source: dt.date) -> Reading:
    """The reading that gives the answer, or the first one where the readings disagree."""
    entries = classify.entries_of(case, law)
    readings = [
        Reading(e.entry, e.data_center, near, e.question) for e in entries for near in headquarters_readings(case, law)
    ]
    for reading in readings:
        ruling = judge(case, law, reading, newest_source)
        if (ruling.licence, ruling.outcome) == (answer.licence_required, answer.outcome):
            return reading
    return readings[-1]


def _step(layer: str, finding: str, reason: str, rulebook: Rulebook, row: Mapping[str, Any] | None = None) -> Step:
    row = row or {}
    provision = rulebook.provision(str(row.get("provision", row.get("id", ""))))
    citation = row.get("citation") or provision.get("citation") or ""
    start, end = row.get("from", provision.get("effective")), row.get("until", provision.get("until"))
    return Step(
        layer=layer,
        finding=finding,
        reason=reason,
        citation=str(citation),
        effective_from=start if isinstance(start, dt.date) else None,
        effective_until=end if isinstance(end, dt.date) else None,
        rule_id=str(row.get("id") or row.get("provision") or ""),
    )


def _subject(case: CaseSpec, law: Law, reading: Reading, rulebook: Rulebook) -> Step:
    found = subject.subject_of(case, law, frozenset({reading.entry}))
    if found == "presumed_in_breach":
        reason = "A Chinese chip that meets 3A090 is presumed to have been made in breach of the US rules: buying, using, servicing or financing it anywhere risks General Prohibition 10."
        return _step(LAYERS[0], found, reason, rulebook, law.prc)
    if found == "foreign_made":
        reason = f"The maker sits in {case.maker_country}. Whether the item is subject to the US rules turns on how it was made; a person must say."
        return _step(LAYERS[0], found, reason, rulebook, {"citation": "15 CFR 734.3, 734.9(h)", "id": "subject"})
    reason = "Taken as subject to the US rules: designed in the United States, or made with its technology (foreign direct product)."
    return _step(LAYERS[0], found, reason, rulebook, {"citation": "15 CFR 734.3, 734.9(h)", "id": "subject"})


def _parties(case: CaseSpec, law: Law, rulebook: Rulebook) -> Step:
    found = parties.party_finding(case, law, rulebook.newest_source)
    if found.caught and case.on_user_list:
        reason = "The buyer's name is on the list you gave: treated as a listed party."
    elif found.caught:
        reason = f"Owned {case.listed_ownership_pct:g} percent by listed parties: the buyer takes its owner's restrictions."
    elif found.caught is None:
        reason = str(rulebook.tables["open_questions"][found.question]["text"])
    else:
        reason = "No party list ships with chipwise and none was searched. Any free answer holds only if every party is screened elsewhere."
    row = law.affiliates_row if case.buyer == "owned_by_listed_party" else {"citation": "15 CFR Part 744, Supplements 4 and 6"}
    return _step(LAYERS[1], "caught" if found.caught else (found.question or "not_performed"), reason, rulebook, row)


def _item(case: CaseSpec, law: Law, answer: Answer, rulebook: Rulebook) -> Step:
    entries = classify.entries_of(case, law)
    names = tuple(dict.fromkeys(entry.entry for entry in entries))
    parts = []
    if case.item_kind == "system":
        parts.append("A system takes the class of the chip inside; compute is not added up.")
    name = _deciding_test(case, law, names)
    row = rulebook.tables["tests"].get(name, {}) if name else {}
    if name and name in law.tests:
        parts.append(test_text(case, law.tests[name])[:1].upper() + test_text(case, law.tests[name])[1:] + ".")
    elif case.item_kind in ("chip", "system"):
        parts.append("No control on advanced chips was in force on this day.")
    parts.append(_design_text(case, law))
    parts.append("So it is " + ", or ".join(ENTRY_WORDS[entry] for entry in names) + ".")
    if len(names) > 1:
        parts.append("Which of these holds cannot be said from the facts given.")
    citation = {**row, "id": name, "citation": rulebook.provision(row.get("provision", "")).get("citation", "")}
    return _step(LAYERS[2], answer.classification, " ".join(part for part in parts if part), rulebook, citation)


def _deciding_test(case: CaseSpec, law: Law, names: tuple[str, ...]) -> str:
    if case.item_kind == "hbm_stack":
        return "class_c"
    if case.item_kind == "foundry_die":
        return ""
    if "class_2022" in law.tests:
        return "class_2022"
    if names == ("none",) and case.data_center_design is False and case.tpp[1] < law.parameters.get("exclusion_tpp", 0.0):
        return "outside_if_not_data_center"
    if names in (("b",), ("none",)) and "class_b" in law.tests:
        return "class_b"
    return "class_a"


def _design_text(case: CaseSpec, law: Law) -> str:
    if case.item_kind not in ("chip", "system") or "class_a" not in law.tests:
        return ""
    return {
        True: "It is designed or marketed for data centers.",
        False: "It is not designed or marketed for data centers.",
        None: "Whether it is designed or marketed for data centers is open.",
    }[case.data_center_design]


def _destination(case: CaseSpec, law: Law, reading: Reading, rulebook: Rulebook) -> Step:
    place = place_text(case.to, dict(country_names(rulebook)))
    if case.asked_to and case.asked_to != case.to:
        place += f", as which {case.asked_to} is treated"
    embargo = law.embargoes.get(case.to)
    if embargo is not None:
        return _step(LAYERS[3], "embargo", f"{place}: every item on the control list needs a licence.", rulebook, embargo)
    if MOVEMENT[case.route] in ("held", "cloud"):
        return _step(LAYERS[3], "no_shipment", f"Nothing is shipped to {place}.", rulebook)
    found = destination.by_place(case, law, reading.entry)
    if found.required:
        row = found.rule.row if found.rule else None
        return _step(LAYERS[3], "licence", f"Items of this class need a licence for {place}.", rulebook, row)
    if found.required is None:
        text = str(rulebook.tables["open_questions"][found.question]["text"])
        return _step(LAYERS[3], found.question, f"{place}: {text}", rulebook, found.rule.row if found.rule else None)
    return _step(LAYERS[3], "no_licence", f"Items of this class need no licence for {place} as a place.", rulebook)


def _headquarters(case: CaseSpec, law: Law, reading: Reading, rulebook: Rulebook) -> Step:
    seat = exceptions.seat_of_named_party(case, law)
    rules = [rule for rule in law.requirements if rule.headquarters is not None and reading.entry in rule.classes]
    if not rules:
        return _step(LAYERS[4], "no_test", "No headquarters test reaches items of this class on this day.", rulebook)
    row = rules[0].row
    if case.to in rules[0].not_in:
        return _step(LAYERS[4], "no_licence", "The headquarters test does not reach places inside the United States.", rulebook, row)
    if seat == "unknown":
        reason = "The headquarters of the buyer and of its ultimate parent are not known; they are never taken to be the destination."
        return _step(LAYERS[4], "unknown", reason, rulebook, row)
    near = law.near.get(seat)
    finding = {True: "licence", False: "no_licence", None: "headquarters_unsettled"}[near]
    text = standing_text(seat, law)
    end = " — so a licence is needed wherever the buyer takes the item." if near else "."
    return _step(LAYERS[4], finding, f"Headquarters or ultimate parent: {text}{end}", rulebook, row)


def _letters(case: CaseSpec, law: Law, reading: Reading, rulebook: Rulebook) -> Step:
    found = letters.letter_finding(case, law, reading.data_center, reading.hq_near)
    if found.letter is None:
        return _step(LAYERS[5], "none", "No known vendor letter reaches this sale.", rulebook)
    row = found.letter.row
    if found.reach == "yes":
        reason = f"A letter to {case.vendor} reaches this item, place and party" + (" by name." if found.named else " by its test.")
    elif found.reach == "reported":
        reason = f"Press reports say a letter to {case.vendor} reaches this item; no filing names it."
    else:
        reason = str(rulebook.tables["open_questions"][found.question]["text"])
    return _step(LAYERS[5], found.reach, reason, rulebook, row)


def _end_use(case: CaseSpec, law: Law, rulebook: Rulebook) -> Step:
    question = enduse.end_use_question(case, law)
    if not question:
        text = "No end use was stated." if not case.end_use else "The stated end use raises none of the Part 744 tests by its words."
        return _step(LAYERS[6], "none", text + " Military, weapons and supercomputer uses are barred whatever the class.", rulebook, {"citation": "15 CFR Part 744", "id": "part-744"})
    row = next(row for row in law.end_uses if row["question"] == question)
    return _step(LAYERS[6], question, str(rulebook.tables["open_questions"][question]["text"]), rulebook, row)


def _exception(case: CaseSpec, law: Law, reading: Reading, answer: Answer, rulebook: Rulebook) -> Step:
    if answer.outcome == "licence_free_named_party":
        row = exceptions.carve_out(case, law, reading.hq_near)
        return _step(LAYERS[7], "named_party", "The rule itself frees this party.", rulebook, row)
    if answer.outcome in EXCEPTION_OUTCOMES:
        row = exceptions.exception_of(case, law, reading.entry, reading.data_center, reading.hq_near is not False)
        notice = " after prior notice" if answer.outcome == "exception_with_notification" else " without prior notice"
        reason = f"License Exception {answer.exception} lifts the requirement{notice}: the item is in .b, or is not designed for data centers."
        return _step(LAYERS[7], answer.exception, reason, rulebook, row)
    if answer.licence_required == "no":
        return _step(LAYERS[7], "not_needed", "No requirement, so no exception is needed.", rulebook)
    if answer.outcome == "needs_counsel":
        entry = rulebook.tables["open_questions"].get(answer.question, {})
        return _step(LAYERS[7], "needs_counsel", f"A person must decide: {entry.get('text', '')}", rulebook)
    if reading.entry == "c":
        return _step(LAYERS[7], "none_shown", _hbm_exception(case, law), rulebook, {"citation": "15 CFR 740.25", "id": "HBM"})
    return _step(LAYERS[7], "none", "No licence exception lifts this requirement.", rulebook, {"citation": "15 CFR 740.2, 740.8"})


def _hbm_exception(case: CaseSpec, law: Law) -> str:
    line = law.parameters.get("hbm_exception_density", 0.0)
    if case.mem_bw_density[1] < line:
        return f"Below {line:g} GB/s per mm² License Exception HBM may be open if the packaging-site conditions hold; that is not shown here."
    return f"At or above {line:g} GB/s per mm²: License Exception HBM is closed."


def _review(case: CaseSpec, law: Law, answer: Answer, rulebook: Rulebook) -> Step:
    words = {
        "policy_of_denial": "An application would be refused.",
        "presumption_of_denial": "An application would normally be refused.",
        "case_by_case_conditional_2026": "An application would be weighed case by case if the conditions of January 2026 hold.",
        "case_by_case": "An application would be weighed case by case.",
        "presumption_of_approval": "An application would normally be granted on the formal text; practice may differ.",
        "not_published": "No review policy has been published.",
        "not_applicable": "There is no licence to review.",
    }
    rows = [entry.row for entry in law.review if entry.policy == answer.review_policy]
    row = rows[0] if rows and answer.licence_required == "yes" else None
    return _step(LAYERS[8], answer.review_policy, words[answer.review_policy], rulebook, row)


def _duties(case: CaseSpec, law: Law, answer: Answer, rulebook: Rulebook) -> Step:
    rows = duties.duties_of(case, law, answer)
    if not rows:
        return _step(LAYERS[9], "none", "No further duty is known.", rulebook)
    lines = [duties.duty_text(row, rulebook.tables["scope"]) for row in rows]
    first = dict(rows[0]) | {"citation": "; ".join(dict.fromkeys(str(row["citation"]) for row in rows))}
    return _step(LAYERS[9], ", ".join(str(row["id"]) for row in rows), " ".join(lines), rulebook, first)


def _gate(case: CaseSpec, rulebook: Rulebook) -> Step:
    from chipwise.rules.china_gate import gate_of

    gate = gate_of(case, rulebook)
    if not gate["applies"]:
        return _step(LAYERS[10], "not_asked", "Only the Chinese side is recorded; the law of the destination was not looked at.", rulebook)
    facts = " ".join(f"{item['date']}: {item['fact']}." for item in gate["items"])
    text = f"Chinese side, apart from the US answer: {gate['status'].replace('_', ' ')}. {facts}".strip()
    return _step(LAYERS[10], gate["status"], text, rulebook, {"id": "china-side", "citation": "press reports; see items"})
