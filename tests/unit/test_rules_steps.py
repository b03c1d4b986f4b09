"""The eleven findings behind an answer, layer by layer, and the words that carry them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from chipwise.rules import check

CN = {"to": "CN", "hq": "CN"}
SG = {"to": "SG", "hq": "SG"}
FINDINGS = Path(__file__).parents[1] / "situations" / "rules" / "steps" / "findings.yaml"


@pytest.mark.parametrize("entry", yaml.safe_load(FINDINGS.read_text(encoding="utf-8")))
def test_findings_layer_by_layer(entry):
    steps = check(entry["item"], **entry["question"]).steps
    assert [step.finding.replace(", ", ",") for step in steps] == entry["findings"]


def reason(item, layer, **question):
    return next(step.reason for step in check(item, **question).steps if step.layer == layer)


@pytest.mark.parametrize(
    ("item", "question", "layer", "words"),
    [
        (
            "a800-80-sxm",
            CN | {"on": "2023-10-22"},
            "classification",
            "Here: not met (compute (TPP) 4,992, transfer rate to other chips 464 GB/s)",
        ),
        ("l4", CN | {"on": "2024-02-01"}, "classification", "(1) not met (compute (TPP) 1,936 to 1,940); (2) met"),
        ("l40", CN | {"on": "2024-02-01"}, "classification", "in ECCN 3A090.b"),
        ("l20", CN | {"on": "2024-02-01"}, "classification", "(4) not met"),
        (
            "rtx-4090d",
            CN | {"on": "2024-02-01"},
            "classification",
            "leaves out an item that is not designed or marketed for data centers and has compute (TPP) below 4,800",
        ),
        ("rtx-4090", CN | {"on": "2024-02-01"}, "classification", "It is not designed or marketed for data centers"),
        (
            "rtx-6000-ada",
            CN | {"on": "2024-02-01"},
            "classification",
            "Whether it is designed or marketed for data centers is open",
        ),
        (
            "gaudi3",
            CN | {"on": "2024-06-01"},
            "classification",
            "cannot be said (compute (TPP) 26,848, compute density not known)",
        ),
        ("kunlun-r200", CN | {"on": "2024-06-01"}, "classification", "Which of these holds cannot be said"),
        ("dgx-h100", CN | {"on": "2024-06-01"}, "classification", "A system takes the class of the chip inside"),
        ("h100-sxm", CN | {"on": "2022-08-01"}, "classification", "No control on advanced chips had begun"),
        ("a800-80-sxm", CN | {"on": "2023-10-23"}, "classification", "the vendor letter in step 6 does"),
        ("a800-80-sxm", CN | {"on": "2023-10-23"}, "letters", "by its test, for this place and party"),
        ("h20-96", CN | {"on": "2025-06-01"}, "letters", "by name"),
        ("a800-80-sxm", CN | {"on": "2025-06-01"}, "letters", "Press reports say"),
        ("h100-sxm", {"to": "AE", "hq": "AE", "on": "2023-09-15"}, "letters", "does not settle it"),
        ("b200-sxm", {"to": "CH", "hq": "CH", "on": "2025-05-15"}, "destination", "it is not enforced"),
        (
            "h200-sxm",
            CN | {"on": "2026-02-01", "route": "reexport"},
            "licence_review_policy",
            "it is for shipments from the United States",
        ),
        (
            "h200-sxm",
            {"to": "SG", "hq": "CN", "on": "2026-02-01"},
            "licence_review_policy",
            "it is for shipments from the United States",
        ),
        ("gaudi3", CN | {"on": "2026-02-01"}, "licence_review_policy", "is not below its lines"),
        ("h800-sxm", CN | {"on": "2026-02-01"}, "licence_review_policy", "was not sold in the United States"),
        ("a100-80-sxm", CN | {"on": "2026-02-01"}, "licence_review_policy", "is open"),
        (
            "l20",
            CN | {"on": "2025-10-15", "buyer": "owned_by_listed_party", "listed_ownership_pct": 60.0},
            "party_screening",
            "60 percent",
        ),
        ("mlu370-s4", CN | {"on": "2024-06-01"}, "subject_to_EAR", "China (CN)"),
        ("h200-sxm", CN | {"on": "2026-02-01"}, "destination_country_law", "conditional import"),
        (
            "t4",
            SG | {"on": "2024-02-01", "end_use": "school timetable"},
            "part744_end_use",
            "raises none of these tests",
        ),
        ("t4", SG | {"on": "2024-02-01"}, "part744_end_use", "No end use was stated"),
    ],
)
def test_reasons_carry_the_deciding_words(item, question, layer, words):
    assert words in reason(item, layer, **question)


@pytest.mark.parametrize(
    ("item", "question", "words"),
    [
        ("b200-sxm", {"to": "CH", "hq": "CH", "on": "2025-05-14"}, "not enforced"),
        ("l40", {"to": "CH", "hq": "CH", "on": "2026-05-14"}, "not enforced"),
        ("h200-sxm", CN | {"on": "2026-02-01"}, "does not fit"),
        ("h200-sxm", {"to": "SA", "hq": "SA", "on": "2026-02-01"}, "does not fit"),
        ("rtx-4090", CN | {"on": "2026-02-01"}, "does not fit"),
        ("h100-sxm", CN | {"on": "2026-01-14"}, "does not fit"),
    ],
)
def test_reasons_say_nothing_beside_the_point(item, question, words):
    assert all(words not in step.reason for step in check(item, **question).steps)


def test_the_memory_exception_is_told_by_its_line():
    import datetime as dt

    from chipwise.rules import CaseSpec, verdict_of
    from chipwise.rules.wording import number

    def told(density):
        case = CaseSpec(
            on=dt.date(2025, 2, 15), to="CN", hq="CN", item_kind="hbm_stack", mem_bw_density=(density, density)
        )
        return verdict_of(case).steps[7].finding

    assert (told(3.29), told(3.3)) == ("hbm_maybe", "hbm_closed")
    assert number(3.3) == "3.3"


def test_near_lines_and_open_questions_stand_in_the_summary():
    from chipwise.rules.report import summary_lines

    near = "\n".join(summary_lines(check("a10", **CN, on="2024-06-01")))
    assert "compute density 3.18" in near
    assert "-0.5%" in near
    far = "\n".join(summary_lines(check("t4", **CN, on="2024-06-01")))
    assert "near a line" not in far
    asked = "\n".join(summary_lines(check("h100-sxm", to="SG", on="2024-06-01")))
    assert "open question" in asked
    assert "recheck" not in asked
    assert "recheck" in "\n".join(summary_lines(check("t4", **SG, on="2026-11-24")))
    assert "straddles it" in "\n".join(summary_lines(check("ascend-910b", to="MY", hq="MY", on="2024-06-01")))
    gate = "\n".join(summary_lines(check("h200-sxm", **CN, on="2026-02-01")))
    assert "Chinese side" in gate


def test_flips_of_hardware_held_name_a_day_on_which_it_was_free():
    flips = check("a800-80-sxm", **CN, on="2024-06-15", route="continued_use_no_shipment").flips
    held = [flip for flip in flips if "acquired" in flip.what]
    assert [flip.outcome for flip in held] == ["NLR"]
    assert "2023-08-01" in held[0].what
    never = check("b200-sxm", to="MY", hq="CN", on="2026-06-15", route="continued_use_no_shipment").flips
    assert not [flip for flip in never if "acquired" in flip.what and "2023" not in flip.what]


def test_flips_by_law_name_the_provision():
    flips = check("a800-80-sxm", **CN, on="2024-06-15").flips
    law = [flip for flip in flips if flip.kind == "law"]
    assert any("88 FR 73458" in flip.what for flip in law)
    assert all(flip.outcome != "licence_required" or flip.licence_required == "yes" for flip in law)


@pytest.mark.parametrize(
    ("question", "rule"),
    [
        ({"to": "SG", "hq": "CN", "on": "2024-05-15"}, "nac-notice"),
        ({"to": "CN", "hq": "CN", "on": "2024-05-15"}, "nac-notice"),
        ({"to": "AE", "hq": "AE", "on": "2024-05-15"}, "aca-far"),
        ({"to": "AE", "hq": "AE", "on": "2024-01-15"}, "nac-far"),
        ({"to": "CN", "hq": "CN", "on": "2024-05-15", "route": "in_country_transfer"}, "aca-in-country"),
        ({"to": "CN", "hq": "CN", "on": "2024-01-15", "route": "in_country_transfer"}, "nac-in-country"),
        ({"to": "SG", "hq": "CN", "on": "2024-01-15", "route": "in_country_transfer"}, "nac-headquarters"),
    ],
)
def test_the_exception_step_names_its_rule(question, rule):
    step = check("l40", **question).steps[7]
    assert step.rule_id == rule
    assert "740.8" in step.citation
