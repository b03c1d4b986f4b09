"""`check` and what it returns: words, reasons, margins, flips, gate, refusals."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import FrozenInstanceError, replace

import pytest

from chipwise.core.errors import RedFlag, RuleError, UnknownName
from chipwise.core.json_text import dumps
from chipwise.rules import check, load_rulebook, verdict_of
from chipwise.rules.redflags import red_flag

CONTRACT = [
    "item",
    "chip_id",
    "to",
    "hq",
    "on",
    "route",
    "buyer",
    "classification",
    "licence_required",
    "outcome",
    "review_policy",
    "exception",
    "steps",
    "margins",
    "flips",
    "citations",
    "party_screening",
    "china_gate",
    "recheck_required",
]


def answer(item, **question):
    return check(item, **question).answer[:4]


def test_a_verdict_holds_every_key_of_the_contract_and_turns_into_json():
    verdict = check("h200-sxm", to="CN", hq="CN", on="2026-03-01")
    told = json.loads(dumps(verdict.to_dict()))
    assert set(CONTRACT) <= set(told)
    assert told["on"] == "2026-03-01"
    assert told["party_screening"] == "not_performed"
    with pytest.raises(FrozenInstanceError):
        verdict.answer = None


@pytest.mark.parametrize(
    ("item", "question", "status"),
    [
        ("l20", {"to": "CN", "hq": "CN", "on": "2024-06-01"}, 0),
        ("rtx-4090", {"to": "CN", "hq": "CN", "on": "2024-06-01"}, 0),
        ("h100-sxm", {"to": "CN", "hq": "CN", "on": "2024-06-01"}, 1),
        ("ascend-910c", {"to": "MY", "hq": "MY", "on": "2025-06-01"}, 1),
        ("h100-sxm", {"to": "SG", "on": "2024-06-01"}, 3),
    ],
)
def test_exit_status_follows_the_outcome(item, question, status):
    assert check(item, **question).exit_status == status


def test_aliases_names_and_systems_resolve():
    assert check("H20", to="CN", hq="CN", on="2024-06-01").chip_id == "h20-96"
    system = check("hgx-h20", to="CN", hq="CN", on="2025-05-01")
    assert (system.chip_id, system.classification, system.case.item_kind) == ("h20-96", "letter_controlled", "system")


def test_hong_kong_is_treated_as_china_and_keeps_its_code():
    verdict = check("h100-sxm", to="HK", hq="HK", on="2024-06-01")
    assert (verdict.to, verdict.case.to, verdict.outcome) == ("HK", "CN", "licence_required")
    assert "as which HK is treated" in verdict.steps[3].reason


def test_lower_case_codes_and_blank_headquarters_are_read():
    assert check("h100-sxm", to="cn", hq="", on="2024-06-01").hq == "unknown"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"to": "China"}, "--to"),
        ({"to": "XX"}, "--to"),
        ({"hq": "ZZ"}, "--hq"),
        ({"route": "by_sea"}, "--route"),
        ({"buyer": "friend"}, "--buyer"),
        ({"on": "2024-13-01"}, "--on"),
        ({"on": "2019-01-01"}, "--on"),
        ({"listed_ownership_pct": 100.1}, "--listed-ownership"),
        ({"listed_ownership_pct": -0.1}, "--listed-ownership"),
    ],
)
def test_bad_words_are_located_and_say_what_is_allowed(change, place):
    question = {"to": "CN", "hq": "CN", "on": "2024-06-01"} | change
    with pytest.raises((RuleError, Exception)) as caught:
        check("h100-sxm", **question)
    assert place in str(caught.value)
    assert "allowed" in str(caught.value)


def test_a_country_name_offers_its_code():
    with pytest.raises(RuleError, match="nearest: DE"):
        check("h100-sxm", to="Germany", on="2024-06-01")


def test_an_unknown_item_offers_the_nearest():
    with pytest.raises(UnknownName, match="h100-sxm"):
        check("h100-smx", to="CN", on="2024-06-01")


def test_design_for_data_centers_can_be_stated():
    question = {"to": "CN", "hq": "CN", "on": "2024-06-01"}
    assert answer("rtx-6000-ada", **question)[2] == "needs_counsel"
    assert answer("rtx-6000-ada", datacenter_design=True, **question)[2] == "licence_required"
    assert answer("rtx-6000-ada", datacenter_design=False, **question)[2] == "exception_with_notification"


def test_hardware_held_is_free_only_when_it_could_be_had_freely_on_the_day_it_was_bought():
    question = {"to": "CN", "hq": "CN", "on": "2024-06-01", "route": "continued_use_no_shipment"}
    assert check("a800-80-sxm", **question).question == "hardware_held"
    assert answer("a800-80-sxm", acquired_on="2023-08-01", **question)[2] == "NLR"
    assert answer("a800-80-sxm", acquired_on="2023-12-01", **question)[2] == "needs_counsel"
    assert answer("a800-80-sxm", acquired_on="2024-06-02", **question)[2] == "needs_counsel"


def test_a_list_of_the_users_own_is_used(tmp_path):
    listed = tmp_path / "parties.txt"
    listed.write_text("Example  Trading Ltd\n\nOther GmbH\n", encoding="utf-8")
    question = {"to": "SG", "hq": "SG", "on": "2024-06-01", "party_list": listed}
    assert answer("t4", buyer_name="example trading ltd", **question)[1:3] == ("yes", "licence_required")
    assert answer("t4", buyer_name="Third SA", **question)[2] == "NLR"
    with pytest.raises(RuleError, match="cannot be read"):
        check("t4", to="SG", on="2024-06-01", party_list=tmp_path / "none.txt")


def test_a_share_of_nothing_or_all_is_a_share():
    question = {"to": "SG", "hq": "SG", "on": "2025-10-15", "buyer": "owned_by_listed_party"}
    assert answer("t4", listed_ownership_pct=0.0, **question)[2] == "NLR"
    assert answer("t4", listed_ownership_pct=100.0, **question)[2] == "licence_required"


def test_known_on_counts_the_day_of_release_not_of_print():
    question = {"to": "CN", "hq": "CN", "on": "2023-12-01"}
    assert answer("l40", known_on="2023-10-16", **question)[2] == "NLR"
    assert answer("l40", known_on="2023-10-17", **question)[2] == "exception_with_notification"


def test_later_guidance_does_not_hide_the_headquarters_test_it_confirms():
    question = {"to": "SG", "hq": "CN", "on": "2023-12-01", "known_on": "2023-11-21"}
    assert answer("h100-sxm", **question)[2] == "licence_required"


def test_known_on_hides_what_was_not_yet_published():
    question = {"to": "CN", "hq": "CN", "on": "2025-04-10"}
    assert answer("h20-96", **question)[2] == "licence_required"
    assert answer("h20-96", known_on="2025-04-14", **question)[2] == "NLR"
    assert answer("h20-96", known_on="2025-04-15", **question)[2] == "licence_required"


def test_a_day_past_the_newest_source_asks_for_a_recheck():
    assert not check("t4", to="SG", hq="SG", on="2026-09-24").recheck_required
    assert check("t4", to="SG", hq="SG", on="2026-09-25").recheck_required


def test_steps_name_every_layer_in_order_with_dates_and_law():
    steps = check("a800-80-sxm", to="CN", hq="CN", on="2023-11-17").steps
    assert [step.layer for step in steps] == [
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
    ]
    item = steps[2]
    assert "4,992" in item.reason
    assert item.effective_from == dt.date(2023, 11, 17)
    assert "88 FR 73458" in item.citation


def test_explanations_say_which_test_decided():
    before = check("a800-80-sxm", to="CN", hq="CN", on="2023-10-22").steps[2].reason
    assert "464 GB/s" in before
    assert "not met" in before
    letter = check("a800-80-sxm", to="CN", hq="CN", on="2023-10-23").steps[5]
    assert letter.finding == "yes"
    assert "NVIDIA" in letter.reason
    named = check("h20-96", to="CN", hq="CN", on="2025-05-01").steps[5]
    assert "by name" in named.reason


def test_margins_give_the_distance_to_each_line_and_mark_the_near_ones():
    margins = {margin.line: margin for margin in check("a10", to="CN", hq="CN", on="2024-06-01").margins}
    near = margins["class_b.b_density"]
    assert near.near
    assert near.relative_low == pytest.approx(2000 / 628 / 3.2 - 1)
    assert not near.straddles
    assert not margins["class_a.a_tpp"].near
    assert margins["class_a.a_tpp"].relative_low == pytest.approx(2000 / 4800 - 1)


def test_a_range_that_straddles_a_line_is_marked():
    margins = {margin.line: margin for margin in check("ascend-910b", to="MY", hq="MY", on="2024-06-01").margins}
    assert margins["class_a.a_tpp"].straddles
    assert (margins["class_a.a_tpp"].low, margins["class_a.a_tpp"].high) == (4480.0, 6400.0)


def test_flips_name_facts_dates_and_law():
    assert {flip.kind for flip in check("l4", to="CN", hq="CN", on="2024-06-01").flips} == {"fact", "date", "law"}
    flips = check("h100-sxm", to="SG", on="2024-06-01").flips
    outcomes = {flip.outcome for flip in flips if flip.kind == "fact"}
    assert outcomes == {"licence_required", "NLR"}
    dated = next(flip for flip in flips if flip.kind == "date")
    assert dated.on == dt.date(2023, 7, 31)


def test_flips_never_touch_the_figures():
    for chip in ("a100-80-sxm", "h20-96", "rtx-4090", "l4"):
        for flip in check(chip, to="CN", hq="CN", on="2025-06-01").flips:
            assert not any(word in flip.what for word in ("TPP", "bandwidth", "density", "reduce", "lower"))


def test_the_chinese_side_stands_beside_the_us_answer():
    verdict = check("h200-sxm", to="CN", hq="CN", on="2026-01-20")
    assert verdict.review_policy == "case_by_case_conditional_2026"
    assert verdict.china_gate["status"] == "reported_closed"
    assert check("h200-sxm", to="CN", hq="CN", on="2026-01-28").china_gate["status"] == "conditional_import"
    assert check("h200-sxm", to="HK", hq="HK", on="2026-01-20").china_gate["applies"] is False
    state = check("l20", to="CN", hq="CN", on="2026-01-20", buyer="state_funded_data_center")
    assert (state.outcome, state.china_gate["status"]) == ("NLR", "domestic_only")
    home = check("ascend-910b", to="CN", hq="CN", on="2026-01-20", buyer="state_funded_data_center")
    assert home.china_gate["status"] == "conflict_of_laws"


def test_duties_follow_the_answer():
    def duties(item, **question):
        return check(item, **question).steps[9].finding

    assert "nac-notice" in duties("rtx-4090", to="CN", hq="CN", on="2024-06-01")
    assert "nac-notice" not in duties("rtx-4090", to="AE", hq="AE", on="2024-06-01")
    assert "conditions-2026" in duties("h200-sxm", to="CN", hq="CN", on="2026-02-01")
    assert "tariff-through-us" in duties("h200-sxm", to="CN", hq="CN", on="2026-02-01")
    assert "tariff-through-us" not in duties("h100-sxm", to="CN", hq="CN", on="2026-02-01")
    imported = {"to": "US", "hq": "US", "route": "import_into_us_for_reexport"}
    assert "tariff-import" in duties("mi325x", on="2026-02-01", **imported)
    assert "tariff-import" not in duties("mi325x", on="2026-01-14", **imported)
    assert "malaysia-held" in duties("l20", to="MY", hq="MY", on="2025-07-14")
    assert duties("l20", to="MY", hq="MY", on="2025-07-13") == "none"


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("buy through a shell company in Singapore", "shell buyer"),
        ("use a front company as the buyer", "shell buyer"),
        ("conceal that the end user is a Chinese lab", "hidden end user"),
        ("file a false end-use certificate", "false end use"),
        ("mislabel the boxes as networking gear", "false end use"),
        ("split the order into small shipments", "split shipments"),
        ("transship via Malaysia to avoid a licence", "transshipment to hide the destination"),
        ("ship to Dubai and then quietly forward them", "transshipment to hide the destination"),
        ("how to get around the export control", "evasion"),
        ("avoid the licence requirement", "evasion"),
    ],
)
def test_requests_to_arrange_round_a_requirement_are_declined(text, flag):
    assert red_flag(text) == flag
    with pytest.raises(RedFlag, match=flag):
        check("h100-sxm", to="SG", hq="SG", on="2024-06-01", end_use=text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "training language models",
        "weather research at a university",
        "split of training and inference work",
        "control of traffic lights",
        "a company that makes paper",
        "order management",
        "route planning for lorries",
    ],
)
def test_ordinary_uses_are_not_flagged(text):
    assert red_flag(text) == ""


def test_a_flag_in_the_buyers_name_is_declined_too():
    with pytest.raises(RedFlag):
        check("t4", to="SG", on="2024-06-01", buyer_name="shell company of Example")


def test_a_case_in_hand_gives_the_same_answer_as_its_name():
    verdict = check("l40s", to="CN", hq="CN", on="2024-06-01")
    assert verdict_of(verdict.case).answer == verdict.answer
    assert verdict_of(replace(verdict.case, item="renamed"), load_rulebook()).answer == verdict.answer


def test_classes_possible_lists_every_class_the_facts_allow():
    assert check("rtx-6000-ada", to="CN", hq="CN", on="2024-06-01").classes_possible == ("3a090_a_non_dc", "3a090_a")
    assert check("gaudi3-hl328", to="CN", hq="CN", on="2024-06-01").classes_possible[0] == "at_only"
    assert check("l20", to="CN", hq="CN", on="2024-06-01").classes_possible == ("at_only",)


@pytest.mark.parametrize(
    ("item", "to", "on", "known_on", "outcome"),
    [
        ("h100-sxm", "CN", "2024-01-01", "2022-10-08", "licence_required"),
        ("a100-80-sxm", "CN", "2024-01-01", "2022-09-30", "licence_required"),
        ("a800-80-sxm", "CN", "2024-01-01", "2022-10-08", "NLR"),
        ("h100-sxm", "KH", "2026-06-01", "2026-01-31", "licence_required"),
        ("h100-sxm", "NI", "2024-06-01", "2024-03-13", "NLR"),
        ("h100-sxm", "NI", "2024-06-01", "2024-03-14", "licence_required"),
        ("h100-sxm", "AE", "2026-08-01", "2026-07-01", "licence_required"),
        ("rtx-4090", "AE", "2026-08-01", "2026-07-01", "exception_no_notification"),
        ("b200-sxm", "CH", "2025-06-01", "2025-03-01", "needs_counsel"),
        ("b200-sxm", "CH", "2025-06-01", "2025-05-13", "NLR"),
    ],
)
def test_what_a_hidden_rule_ended_goes_on(item, to, on, known_on, outcome):
    assert answer(item, to=to, hq=to, on=on, known_on=known_on)[2] == outcome


def test_practice_and_the_chinese_side_are_hidden_until_they_were_known():
    question = {"to": "CN", "hq": "CN", "on": "2026-02-01"}
    assert check("h20-96", known_on="2025-08-10", **question).review_policy == "not_published"
    assert check("h20-96", known_on="2025-08-11", **question).review_policy == "case_by_case"
    assert check("h200-sxm", known_on="2025-12-01", **question).china_gate["status"] == "none_reported"
