"""Why an item falls in its class, in plain sentences."""

from __future__ import annotations

from chipwise.rules.law import Law
from chipwise.rules.layers import classify
from chipwise.rules.objects import Answer, CaseSpec
from chipwise.rules.wording import ENTRY_WORDS, here_text, rule_text, sentence

_LAYER = "classification"


def item_reason(case: CaseSpec, law: Law, answer: Answer) -> tuple[str, str]:
    """The sentences, and the test that decides.

    Returns
    -------
    (reason, test) : (str, str)
        `test` is a name of ``tests.yaml``, or empty where no numeric test decides.
    """
    names = tuple(dict.fromkeys(entry.entry for entry in classify.entries_of(case, law)))
    test = _deciding_test(case, law, names)
    parts = [sentence(_LAYER, "system")] if case.item_kind == "system" else []
    parts.append(_test_text(case, law, test, low=names == ("b",)))
    if case.item_kind in ("chip", "system") and "class_a" in law.tests:
        design = {True: "design_yes", False: "design_no", None: "design_open"}[case.data_center_design]
        parts.append(sentence(_LAYER, design))
    parts.append(sentence(_LAYER, "so", entries=", or ".join(ENTRY_WORDS[entry] for entry in names)))
    if len(names) > 1:
        parts.append(sentence(_LAYER, "several"))
    if answer.classification.startswith("letter_controlled"):
        parts.append(sentence(_LAYER, "letter"))
    return " ".join(parts), test


def _deciding_test(case: CaseSpec, law: Law, names: tuple[str, ...]) -> str:
    """The test that a reader must see: the exclusion, the lowest line missed, or the line met."""
    if case.item_kind == "foundry_die":
        return ""
    if case.item_kind == "hbm_stack":
        return "class_c" if "class_c" in law.tests else ""
    if "class_2022" in law.tests:
        return "class_2022"
    if "class_a" not in law.tests:
        return ""
    below = case.tpp[1] < law.parameters.get("exclusion_tpp", 0.0)
    if names == ("none",) and case.data_center_design is False and below and "outside_if_not_data_center" in law.tests:
        return "outside_if_not_data_center"
    return "class_b" if names in (("b",), ("none",)) and "class_b" in law.tests else "class_a"


def _test_text(case: CaseSpec, law: Law, test: str, *, low: bool) -> str:
    """The test in words; below every line both classes are shown, `low` shows .b alone."""
    if not test:
        return sentence(_LAYER, "die" if case.item_kind == "foundry_die" else "no_control")
    rows = law.tests[test] if test != "class_b" or low else (*law.tests.get("class_a", ()), *law.tests[test])
    words = {"rule": rule_text(rows), "here": here_text(case, rows)}
    if test == "outside_if_not_data_center":
        return sentence(_LAYER, "excluded", **words)
    if test == "class_c":
        return sentence(_LAYER, "hbm", **words)
    return sentence(_LAYER, "one_row" if len(rows) == 1 else "many_rows", **words)
