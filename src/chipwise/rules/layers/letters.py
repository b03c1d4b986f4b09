"""Vendor letters: they bind the vendor that received one, and reach wider than the lists."""

from __future__ import annotations

from typing import Literal, NamedTuple

from chipwise.rules.law import Addressee, Law, Letter
from chipwise.rules.logic import NumericTest, any_of, holds
from chipwise.rules.objects import CaseSpec
from chipwise.rules.vocabulary import MOVEMENT

Reaches = Literal["no", "yes", "reported", "open"]


class LetterFinding(NamedTuple):
    """Whether a letter reaches the sale, with its policy or the question it leaves."""

    reach: Reaches
    letter: Letter | None
    policy: str = "not_published"
    question: str = ""
    named: bool = False


NONE = LetterFinding("no", None)
_RANK = {"yes": 0, "reported": 1, "open": 2, "no": 3}


def letter_finding(case: CaseSpec, law: Law, data_center: bool, hq_near: bool | None) -> LetterFinding:
    """The strongest finding over the letters in force."""
    if case.item_kind not in ("chip", "system") or not law.letters:
        return NONE
    found = [_one(case, letter, data_center, hq_near) for letter in law.letters]
    return min(found, key=lambda finding: _RANK[finding.reach])


def _one(case: CaseSpec, letter: Letter, data_center: bool, hq_near: bool | None) -> LetterFinding:
    reached, unclear = _party(case, letter, hq_near)
    if reached is False:
        return NONE
    addressee = letter.addressees.get(case.vendor)
    if addressee is None:
        return _other_vendor(case, letter, data_center)
    item, named = _item(case, addressee, data_center)
    if item == "no":
        return NONE
    policy = letter.named_policy if named and letter.named_policy else letter.policy
    if item == "yes" and MOVEMENT[case.route] != "cross_border":
        return LetterFinding("open", letter, policy, "letter_resale", named)
    if item == "yes" and reached and not unclear:
        return LetterFinding("yes", letter, policy, "", named)
    if item == "reported" and reached and not unclear:
        return LetterFinding("reported", letter, policy, "letter_unclear", named)
    return LetterFinding("open", letter, policy, "letter_unclear", named)


def _party(case: CaseSpec, letter: Letter, hq_near: bool | None) -> tuple[bool | None, bool]:
    """Whether place or headquarters lie in the letter's reach, and whether that reach is itself unclear."""
    by_hq = hq_near if letter.headquarters is not None else False
    reached = any_of((letter.destinations.get(case.to), by_hq))
    if reached is True or letter.open_destinations is None:
        return reached, False
    unclear = letter.open_destinations.get(case.to)
    return (reached, False) if unclear is False else (None, True)


def _item(case: CaseSpec, addressee: Addressee, data_center: bool) -> tuple[Reaches, bool]:
    """Whether the letter's words or its test reach the item, and whether it is named."""
    named = case.chip_id in addressee.named
    if addressee.data_center_only and not data_center:
        return "no", named
    if addressee.confidence == "open":
        return ("open" if named else "no"), named
    filed = named or (holds(addressee.filed, case) if addressee.filed is not None else False)
    reported = holds(addressee.reported, case) if addressee.reported is not None else False
    if filed:
        return ("yes" if addressee.confidence == "filed" else "reported"), named
    if reported:
        return "reported", named
    return ("no" if filed is False and reported is False else "open"), named


def _other_vendor(case: CaseSpec, letter: Letter, data_center: bool) -> LetterFinding:
    """A vendor that is not known to have a letter, and an item that meets the letter's test."""
    if not letter.others:
        return NONE
    tests = [letter.other_test] if letter.other_test is not None else _filed(letter)
    only_data_center = all(entry.data_center_only for entry in letter.addressees.values())
    if only_data_center and not data_center:
        return NONE
    if any_of([holds(test, case) for test in tests]) is False:
        return NONE
    return LetterFinding("open", letter, letter.policy, "letter_other_vendor")


def _filed(letter: Letter) -> list[NumericTest]:
    return [entry.filed for entry in letter.addressees.values() if entry.filed is not None]
