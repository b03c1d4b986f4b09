"""The four answers: the layers in order, over every reading that the known facts allow.

A fact that is not known (headquarters, design for data centers, a figure) makes more than one reading possible. Each is
judged; where they agree, that is the answer, and where they do not, the answer is `needs_counsel`. So an unknown fact
never becomes free.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from chipwise.rules.class_words import classification
from chipwise.rules.law import Law
from chipwise.rules.layers import classify, destination, enduse, exceptions, letters, parties, review, subject
from chipwise.rules.objects import Answer, CaseSpec
from chipwise.rules.vocabulary import MOVEMENT, POLICIES, strictest

if TYPE_CHECKING:
    from chipwise.rules.rulebook import Rulebook


class Reading(NamedTuple):
    """One possible state of the facts."""

    entry: str
    data_center: bool
    hq_near: bool | None
    question: str = ""


class Ruling(NamedTuple):
    """What one reading gives; `letter` is the reach of a letter, for the class."""

    licence: str
    outcome: str
    policy: str
    exception: str = ""
    question: str = ""
    letter: str = "no"


FREE = Ruling("no", "NLR", "not_applicable")


def decide(case: CaseSpec, rulebook: Rulebook) -> Answer:
    """Answer one case under the law of its day."""
    law = rulebook.law(case.on)
    entries = classify.entries_of(case, law)
    seats = headquarters_readings(case, law)
    readings = [Reading(e.entry, e.data_center, near, e.question) for e in entries for near in seats]
    rulings = [judge(case, law, reading, rulebook) for reading in readings]
    ruling = rulings[0]
    letter = ruling.letter
    if len(rulings) > 1:
        letter = _letter_of(readings, rulings)
        if len({(r.licence, r.outcome) for r in rulings}) > 1:
            ruling = _counsel(_disagreement(case, readings, rulings))
        else:
            ruling = ruling._replace(policy=strictest(*(r.policy for r in rulings if r.policy), "not_applicable"))
    if ruling.outcome == "needs_counsel":
        ruling = ruling._replace(policy=_question_policy(ruling, rulings, rulebook.tables["open_questions"]))
    word = classification(case, law, entries, letter)
    if word == "letter_controlled" and ruling.outcome == "licence_required" and len(rulings) > 1:
        ruling = ruling._replace(policy=_letter_policy(readings, rulings, ruling.policy))
    return Answer(word, ruling.licence, ruling.outcome, ruling.policy, ruling.exception, ruling.question)


def headquarters_readings(case: CaseSpec, law: Law) -> tuple[bool | None, ...]:
    """Whether the headquarters lie in Macau or D:5: one reading when known, both when not.

    A die goes to its designer, so the designer's seat counts beside the buyer's.
    """
    hq = exceptions.seat_of_named_party(case, law)
    if hq == "unknown" and not case.designer_hq:
        return False, True
    near = False if hq == "unknown" else law.near.get(hq)
    if near is False and case.designer_hq:
        return (law.near.get(case.designer_hq),)
    return (near,)


def judge(case: CaseSpec, law: Law, reading: Reading, rulebook: Rulebook) -> Ruling:
    """The ruling of one reading of the facts."""
    movement = MOVEMENT[case.route]
    origin = subject.subject_of(case, law, frozenset({reading.entry}))
    if origin == "presumed_in_breach":
        return _prohibition(case, law)
    if movement == "cloud":
        return _cloud(case, law, reading)
    if origin == "foreign_made":
        return _counsel("foreign_made")
    if movement == "held":
        return _held(case, law, reading, rulebook)
    embargo = law.embargoes.get(case.to)
    if embargo is not None:
        return _embargoed(case, law, reading, embargo["policy"])
    if case.to == "US":
        return FREE
    return _transaction(case, law, reading, rulebook.newest_source)


def _counsel(question: str, policy: str = "", letter: str = "no") -> Ruling:
    return Ruling("undetermined", "needs_counsel", policy, "", question, letter)


def _prohibition(case: CaseSpec, law: Law) -> Ruling:
    """General Prohibition 10: an act with a chip presumed made in breach."""
    if case.route == "acquired_for_analysis":
        return _counsel("analysis_only")
    conflict = law.prc["conflict_codes"] if law.prc is not None else ()
    if case.to in conflict or case.hq in conflict or case.hq == "unknown":
        return _counsel("prohibition_conflict")
    return Ruling("undetermined", "prohibited_GP10_risk", "not_applicable")


def _cloud(case: CaseSpec, law: Law, reading: Reading) -> Ruling:
    """Remote use is no export; a party headquartered in Macau or D:5 is left to a person."""
    if case.to in law.embargoes or case.hq in law.embargoes:
        return _counsel("embargo_cloud")
    if reading.hq_near is not False:
        return _counsel("cloud_access")
    question = enduse.end_use_question(case, law)
    return _counsel(question) if question else FREE


def _held(case: CaseSpec, law: Law, reading: Reading, rulebook: Rulebook) -> Ruling:
    """Hardware kept in use: nothing moves; what matters is how it came there."""
    if case.to == "US":
        return FREE
    if case.to in law.embargoes:
        return _counsel("hardware_held")
    today = _transaction(case, law, reading, rulebook.newest_source)
    if today.outcome == "NLR":
        return today
    if case.acquired_on is not None and case.acquired_on <= case.on:
        then = replace(case, on=case.acquired_on, route="export_from_us", acquired_on=None)
        if decide(then, rulebook).outcome == "NLR":
            return FREE
    return _counsel("hardware_held", letter=today.letter)


def _embargoed(case: CaseSpec, law: Law, reading: Reading, policy: str) -> Ruling:
    letter = letters.letter_finding(case, law, reading.data_center, reading.hq_near)
    return Ruling("yes", "licence_required", strictest(policy, _policy(case, law, reading)), letter=letter.reach)


def _policy(case: CaseSpec, law: Law, reading: Reading) -> str:
    hq = exceptions.seat_of_named_party(case, law)
    row = review.review_row(case, law, reading.entry, reading.data_center, reading.hq_near is not False, hq)
    return row.policy if row is not None else "not_applicable"


def _transaction(case: CaseSpec, law: Law, reading: Reading, newest_source: dt.date) -> Ruling:
    """Export, reexport or transfer to a place under no embargo."""
    party = parties.party_finding(case, law, newest_source)
    letter = letters.letter_finding(case, law, reading.data_center, reading.hq_near)
    if party.caught:
        return Ruling("yes", "licence_required", law.affiliates_row["policy"], letter=letter.reach)
    found = destination.by_place(case, law, reading.entry)
    if not found.required:
        seat = destination.by_headquarters(case, law, reading.entry, reading.hq_near)
        if seat.required or found.required is False:
            found = seat
    if found.required is None:
        return _counsel(found.question, _policy(case, law, reading), letter.reach)
    if found.required:
        return _required(case, law, reading, party, letter)
    return _not_required(case, law, reading, party, letter)


def _required(
    case: CaseSpec, law: Law, reading: Reading, party: parties.PartyFinding, letter: letters.LetterFinding
) -> Ruling:
    """The list asks for a licence: a freed party, an exception, or a review."""
    policy = _policy(case, law, reading)
    near_hq = reading.hq_near is not False
    use = enduse.end_use_question(case, law)
    question = party.question or use
    if exceptions.carve_out(case, law, reading.hq_near) is not None:
        if question:
            return _counsel(question, policy)
        return Ruling("no", "licence_free_named_party", "not_applicable")
    if exceptions.named_licence(case, law) is not None:
        return _counsel("named_licence", policy)
    if reading.question:
        return _counsel(reading.question, policy)
    exception = exceptions.exception_of(case, law, reading.entry, reading.data_center, near_hq)
    if letter.reach == "yes" or exception is None or use:
        barred = law.affiliates_row["policy"] if question else policy
        return Ruling("yes", "licence_required", strictest(policy, barred))
    question = question or exceptions.exception_question(case, law, near_hq)
    if letter.reach != "no":
        question = question or letter.question
    if question:
        return _counsel(question, policy)
    return Ruling("yes", str(exception["outcome"]), "not_applicable", str(exception["exception"]))


def _not_required(
    case: CaseSpec, law: Law, reading: Reading, party: parties.PartyFinding, letter: letters.LetterFinding
) -> Ruling:
    """The list asks for nothing here: letters, parties, uses and unsettled law may still."""
    if letter.reach == "yes":
        return Ruling("yes", "licence_required", letter.policy, letter="yes")
    question = party.question or enduse.end_use_question(case, law) or reading.question
    unsettled = destination.open_requirement(case, law, reading.entry, reading.hq_near)
    if unsettled is not None:
        question = question or unsettled.question
    if letter.reach != "no":
        question = question or letter.question
    if case.to not in law.near:
        question = question or "country_unknown"
    return _counsel(question, letter=letter.reach) if question else FREE


def _letter_of(readings: list[Reading], rulings: list[Ruling]) -> str:
    """How far a letter surely reaches the item where the list does not: for the class."""
    reaches = {ruling.letter for reading, ruling in zip(readings, rulings, strict=True) if reading.entry == "none"}
    return next((reach for reach in ("no", "open", "reported", "yes") if reach in reaches), "no")


def _disagreement(case: CaseSpec, readings: list[Reading], rulings: list[Ruling]) -> str:
    """What the readings disagree over: headquarters, design for data centers, a figure, or their own question."""
    if case.firmware_locked:
        return "firmware_locked"
    if case.item_kind == "foundry_die":
        return "die_unmeasured"
    answers = [(ruling.licence, ruling.outcome) for ruling in rulings]
    own = next((ruling.question for ruling in rulings if ruling.question), "")
    by_seat = [(reading.entry, reading.data_center) for reading in readings]
    if not own and _splits(by_seat, answers):
        return "headquarters_unknown"
    if own:
        return own
    by_figure = [(reading.data_center, reading.hq_near) for reading in readings]
    return "figure_unknown" if _splits(by_figure, answers) else "data_center_design"


def _splits(keys: Sequence[tuple[object, object]], answers: Sequence[tuple[str, str]]) -> bool:
    """Whether readings that agree in `keys` still differ in their answers."""
    seen: dict[tuple[object, object], tuple[str, str]] = {}
    return any(seen.setdefault(key, answer) != answer for key, answer in zip(keys, answers, strict=True))


def _letter_policy(readings: list[Reading], rulings: list[Ruling], policy: str) -> str:
    """The policy of the readings in which the letter alone decides."""
    own = [ruling.policy for reading, ruling in zip(readings, rulings, strict=True) if reading.entry == "none"]
    return strictest(*own) if own else policy


def _question_policy(ruling: Ruling, rulings: list[Ruling], questions: Mapping[str, Mapping[str, str]]) -> str:
    """The policy that goes with an open question: its own, or the strictest of the readings."""
    own = questions.get(ruling.question, {}).get("policy", "strictest")
    if own != "strictest":
        return own
    known = [r.policy for r in rulings if r.policy in POLICIES]
    return strictest("not_applicable", *known)
