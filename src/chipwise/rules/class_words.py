"""From list entries and letters to the class word of the vocabulary."""

from __future__ import annotations

from chipwise.rules.law import Law
from chipwise.rules.layers import classify, subject
from chipwise.rules.objects import CaseSpec


def classification(case: CaseSpec, law: Law, entries: tuple[classify.Entry, ...], letter: str) -> str:
    """The class word: of the entry if one decides, else what a letter makes of it.

    Notes
    -----
    Where figures leave several entries possible, the word is the lowest that is established; the outcome then says
    `needs_counsel` whenever it matters, and `possible_classifications` lists all.
    """
    names = frozenset(entry.entry for entry in entries)
    origin = subject.subject_of(case, law, names)
    if origin == "presumed_in_breach":
        return "prc_3a090_presumed"
    if "none" in names and letter in ("yes", "reported") and not _design_open(case, entries):
        return "letter_controlled" if letter == "yes" else "letter_controlled_reported"
    if _design_open(case, entries):
        if "a" in names:
            return "4a090_dc_disputed" if case.item_kind == "system" else "3a090_a_dc_disputed"
        return "3a090_b" if "b" in names else "at_only"
    return min((_word(case, entry) for entry in entries), key=_RANKS.index)


def _design_open(case: CaseSpec, entries: tuple[classify.Entry, ...]) -> bool:
    """Whether the design for data centers, and not a figure, is what leaves the class open."""
    if len({entry.data_center for entry in entries}) == 1 and case.data_center_design is not None:
        return False
    per_design = {design: {e.entry for e in entries if e.data_center is design} for design in (True, False)}
    settled = all(len(found) == 1 for found in per_design.values())
    return settled and (per_design[True] != per_design[False] or per_design[True] == {"a"})


_RANKS = (
    "at_only",
    "hbm_not_controlled",
    "no_presumption",
    "3a090_2022",
    "3a090_b",
    "3a090_a_non_dc",
    "4a090_dc_disputed",
    "3a090_a",
    "4a090_a",
    "3a090_c",
    "3a090_a_presumed",
)
_WORDS = {
    "none": "at_only",
    "ic_2022": "3a090_2022",
    "b": "3a090_b",
    "c": "3a090_c",
    "hbm_free": "hbm_not_controlled",
    "presumed": "3a090_a_presumed",
    "overcome": "at_only",
    "no_presumption": "no_presumption",
    "unmeasured": "no_presumption",
}


def _word(case: CaseSpec, entry: classify.Entry) -> str:
    if entry.entry != "a":
        return _WORDS[entry.entry]
    if case.item_kind == "system":
        return "4a090_a" if entry.data_center else "4a090_dc_disputed"
    return "3a090_a" if entry.data_center else "3a090_a_non_dc"


def possible_classifications(case: CaseSpec, law: Law) -> tuple[str, ...]:
    """Every class word the known facts allow, lowest first; letters are left aside."""
    words = {_word(case, entry) for entry in classify.entries_of(case, law)}
    return tuple(sorted(words, key=_RANKS.index))
