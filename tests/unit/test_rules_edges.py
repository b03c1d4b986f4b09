"""Edges that the situations do not reach: figures in words, keys of what is told, places where stretches begin."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from chipwise.catalogue import load_catalogue
from chipwise.core.errors import RuleError
from chipwise.rules import CaseSpec, check, load_rulebook, verdict_of
from chipwise.rules.cases import case_of_row
from chipwise.rules.decide import decide
from chipwise.rules.items import case_for, item_fields
from chipwise.rules.library import map_points
from chipwise.rules.overlay import apply_overlay
from chipwise.rules.timeline import differences, timeline
from chipwise.rules.vector import Party, decide_many, sweep
from chipwise.rules.wording import number, span_text

DAY = dt.timedelta(days=1)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.254, "0.25"),
        (0.999, "1"),
        (1.004, "1"),
        (3.296, "3.3"),
        (99.94, "99.9"),
        (100.4, "100"),
        (4992.0, "4,992"),
        (7.0, "7"),
        (float("inf"), "unknown"),
    ],
)
def test_a_figure_in_words_keeps_the_digits_that_matter(value, words):
    assert number(value) == words


def test_an_interval_in_words_says_what_is_not_known():
    assert span_text((4990.0, 4990.2)) == "4,990"
    assert span_text((0.5, float("inf"))) == "at least 0.5"


def test_a_stretch_tells_its_answer_under_the_words_of_the_contract():
    book = load_rulebook()
    case = case_for("h100-sxm", on=dt.date(2024, 1, 1), to="SG", hq="unknown", rulebook=book)
    told = timeline(case, book)[-1].to_dict()
    assert set(told) == {
        "from",
        "until",
        "classification",
        "licence_required",
        "outcome",
        "review_policy",
        "open_question",
    }
    assert (told["licence_required"], told["open_question"]) == ("undetermined", "headquarters_unknown")


@pytest.mark.parametrize(
    ("item", "question", "start"),
    [
        ("t4", {"to": "SG", "hq": "SG", "buyer": "owned_by_listed_party", "listed_ownership_pct": 60.0}, "2026-09-25"),
        ("h100-sxm", {"to": "SG", "hq": "CY"}, "2024-05-31"),
        ("h100-sxm", {"to": "KH", "hq": "KH"}, "2026-02-03"),
        ("h100-sxm", {"to": "NI", "hq": "NI"}, "2024-03-15"),
    ],
)
def test_a_stretch_begins_on_the_day_itself(item, question, start):
    """The stay is taken as law up to the newest source; Cyprus is settled again the day after its window."""
    book, day = load_rulebook(), dt.date.fromisoformat(start)
    case = case_for(item, on=day, rulebook=book, **question)
    found = timeline(case, book)
    assert day in {stretch.first for stretch in found}
    for stretch in found:
        assert stretch.answer == check(item, on=stretch.first, **question).answer
        if stretch.until is not None:
            assert stretch.answer == check(item, on=stretch.until - DAY, **question).answer


def test_the_letter_names_a_vendor_by_its_first_word():
    book, chips = load_rulebook(), load_catalogue().chips.values()
    assert any(" " in chip.vendor for chip in chips)
    for chip in chips:
        assert chip.vendor.startswith(item_fields(chip, book)["vendor"])


def test_a_locked_part_keeps_its_lower_figure_and_has_no_upper_one():
    chip = load_catalogue().chip("rtx-5090d")
    from chipwise.catalogue import measures

    low, high = item_fields(chip, load_rulebook())["tpp"]
    assert low == min(measures.tpp_interval(chip)[0], chip.published_tpp)
    assert high == float("inf")
    assert item_fields(replace(chip, id="made-up"), load_rulebook())["tpp"][1] < float("inf")


def test_the_first_missing_column_is_named():
    with pytest.raises(RuleError, match="no column 'items'"):
        decide_many({"items_": []}, load_rulebook())


@pytest.mark.parametrize(
    ("tpp", "near"), [(4703.9, False), (4704.0, True), (4800.0, True), (4896.0, True), (4896.1, False)]
)
def test_a_figure_two_percent_off_a_line_is_near_it_on_both_sides(tpp, near):
    case = CaseSpec(on=dt.date(2024, 6, 1), to="CN", hq="CN", data_center_design=True, tpp=(tpp, tpp))
    margin = next(margin for margin in verdict_of(case).margins if margin.line == "class_a.a_tpp")
    assert margin.near is near


def test_only_figures_that_are_known_have_a_margin():
    case = CaseSpec(on=dt.date(2024, 6, 1), to="CN", hq="CN", tpp=(0.0, 0.0), perf_density=(1.0, float("inf")))
    assert {margin.measure for margin in verdict_of(case).margins} == {"tpp", "perf_density"}


def test_a_change_and_a_flip_are_told_in_plain_types():
    book, days = load_rulebook(), (dt.date(2023, 11, 16), dt.date(2023, 11, 17))
    change = next(differences(*days, book, load_catalogue(), chips=["l4"], destinations=["CN"])).to_dict()
    assert (change["chip"], change["to"]) == ("l4", "CN")
    assert (change["before"]["outcome"], change["after"]["outcome"]) == ("NLR", "licence_required")
    assert set(change["before"]) == set(change["after"]) >= {"classification", "licence_required", "review_policy"}
    flips = [flip.to_dict() for flip in check("l4", to="CN", hq="CN", on="2024-06-01").flips]
    assert all({"kind", "what", "outcome", "licence_required"} <= set(flip) for flip in flips)
    assert {flip["on"] for flip in flips if "on" in flip} >= {"2023-11-16"}


@pytest.mark.parametrize("change", [{"to": "unknown"}, {"to": ""}, {"route_from": "unknown"}])
def test_only_headquarters_may_be_unknown(change):
    with pytest.raises(RuleError, match="no country code"):
        check("t4", **({"to": "SG", "hq": "SG", "on": "2024-06-01"} | change))


def test_a_name_in_place_of_a_code_offers_three_codes_at_most():
    with pytest.raises(RuleError) as caught:
        check("t4", to="Mal", on="2024-06-01")
    assert len(caught.value.nearest) == 3


def test_dies_are_told_apart_in_a_sweep():
    base = CaseSpec(on=dt.date(2025, 6, 1), to="CN", hq="CN", item_kind="foundry_die", packager="unapproved_osat")
    dies = [
        replace(base, die_node_nm=7.0, die_planar=False),
        replace(base, die_node_nm=28.0, die_planar=True),
        replace(base, packager="fabricator", die_node_nm=7.0, die_transistors_bn=29.9, die_has_hbm=True),
    ]
    assert_sweep_equals_single(dies, Party(to="CN", hq="CN", route="export_by_foundry"), base.on)


@pytest.mark.parametrize(
    ("chip", "vendor", "maker", "day"),
    [
        ("h20-96", "NVIDIA", "US", "2025-05-01"),
        ("mi308x", "AMD", "US", "2025-05-01"),
        ("a100-80-sxm", "NVIDIA", "US", "2022-09-05"),
        ("ascend-910b", "Huawei", "CN", "2025-06-01"),
    ],
)
def test_a_chip_named_by_a_letter_or_a_guidance_is_told_apart_from_one_with_its_figures(chip, vendor, maker, day):
    low = CaseSpec(
        on=dt.date.fromisoformat(day),
        to="CN",
        hq="CN",
        chip_id=chip,
        vendor=vendor,
        maker_country=maker,
        tpp=(100.0, 100.0),
        perf_density=(0.1, 0.1),
        dram_GBps=(100.0, 100.0),
        io_GBps=(10.0, 10.0),
        data_center_design=True,
    )
    answers = assert_sweep_equals_single([replace(low, chip_id="other"), low], Party(to="CN", hq="CN"), low.on)
    assert answers[0] != answers[1]


def assert_sweep_equals_single(items, party, day):
    book = load_rulebook()
    found = sweep(items, [party], [day], book)
    answers = [found.answer_at(index, 0, 0) for index in range(len(items))]
    assert answers == [decide(party.on(item, day), book)[:4] for item in items]
    return answers


def test_the_memory_exception_is_closed_when_the_figure_may_lie_over_its_line():
    case = CaseSpec(on=dt.date(2025, 2, 15), to="CN", hq="CN", item_kind="hbm_stack", mem_bw_density=(3.0, 3.5))
    assert verdict_of(case).steps[7].finding == "hbm_closed"


def test_rows_that_are_added_come_before_the_shipped_ones_and_replace_none():
    row = {"id": "first", "classes": ["b"], "from": dt.date(2024, 1, 1), "until": None, "policy": "policy_of_denial"}
    shipped = load_rulebook().tables["scope"]["review"]
    added = apply_overlay(load_rulebook(), {"add": {"scope.review": [row]}}, "mine").tables["scope"]["review"]
    assert [entry["id"] for entry in added] == ["first", *(entry["id"] for entry in shipped)]


def test_an_exclusion_by_another_measure_is_read_too():
    overlay = {"change": {"tests.outside_if_not_data_center": {"any": [["dram_GBps < review_2026_dram"]]}}}
    book = apply_overlay(load_rulebook(), overlay, "by memory")
    question = {"to": "CN", "hq": "CN", "on": "2026-02-01", "datacenter_design": False, "rulebook": book}
    assert check("rtx-4090", **question).classification == "at_only"
    assert check("b200-sxm", **question).classification == "3a090_a_non_dc"


def test_every_stretch_of_law_holds_its_own_days():
    book = load_rulebook()
    laws = [book.law(day) for day in book.dates]
    assert [law.first for law in laws] == list(book.dates)
    assert [law.until for law in laws] == [*book.dates[1:], None]


def test_the_notice_of_an_exception_is_told_with_its_days():
    tables = load_rulebook().tables
    text = next(row["text"] for row in tables["duties"] if row["id"] == "nac-notice")
    asked = [row["notice_days"] for row in tables["scope"]["exceptions"] if "notice_days" in row]
    assert len(asked) >= 2
    assert all(f"{days} days" in text for days in asked)


def test_a_party_ships_from_the_united_states_unless_said_otherwise():
    book, day = load_rulebook(), dt.date(2026, 2, 1)
    item = case_for("h200-sxm", on=day, to="CN", hq="CN", rulebook=book)
    default, reexport = Party(to="CN", hq="CN"), Party(to="CN", hq="CN", route="reexport")
    found = sweep([item], [default, reexport], [day], book)
    assert found.answer_at(0, 0, 0)[3] == check("h200-sxm", to="CN", hq="CN", on=day).review_policy
    assert found.answer_at(0, 1, 0)[3] == "presumption_of_denial"


def test_the_chinese_side_is_not_asked_elsewhere():
    gate = check("h200-sxm", to="SG", hq="CN", on="2026-02-01").china_gate
    assert gate == {"applies": False, "status": "not_applicable", "items": []}


def test_a_chip_is_a_point_only_where_both_figures_are_known():
    book, catalogue = load_rulebook(), load_catalogue()
    points = {point.name: point for point in map_points(catalogue, book)}
    for chip in catalogue.chips.values():
        fields = item_fields(chip, book)
        ends = (*fields["tpp"], *fields["perf_density"])
        known = all(0.0 < end < float("inf") for end in ends)
        assert (chip.id in points) is known
        if known:
            assert (points[chip.id].tpp, points[chip.id].density) == (ends[1], ends[3])


def test_figures_of_every_chip_are_its_own_in_the_units_of_the_law():
    from chipwise.catalogue import measures

    book = load_rulebook()
    for chip in load_catalogue().chips.values():
        fields = item_fields(chip, book)
        assert fields["io_GBps"] == tuple(end / 1e9 for end in measures.io_interval(chip))
        memory = chip.field_ranges.get("mem_bytes_per_s") or (chip.mem_bytes_per_s,) * 2
        if memory[0] is not None:
            assert fields["dram_GBps"] == tuple(end / 1e9 for end in memory)


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        ({"chip": "My chip", "chip_id": "t4"}, "My chip"),
        ({"chip_id": "t4"}, "t4"),
        ({}, "chip"),
    ],
)
def test_a_case_is_called_by_its_name_its_chip_or_its_kind(cells, name):
    row = {"item_kind": "chip", "as_of": "2024-06-01", "destination": "SG", **cells}
    assert case_of_row(row, "row", load_rulebook(), load_catalogue()).item == name


def test_the_sum_of_two_open_figures_is_the_sum_of_their_ends():
    case = CaseSpec(on=dt.date(2025, 6, 1), to="CN", dram_GBps=(100.0, 300.0), io_GBps=(10.0, 50.0))
    assert case.span("dram_plus_io_GBps") == (110.0, 350.0)


def test_density_is_an_interval_where_compute_is_one():
    book, seen = load_rulebook(), 0
    for chip in load_catalogue().chips.values():
        fields = item_fields(chip, book)
        low, high = fields["perf_density"]
        if 0.0 < low < high < float("inf"):
            seen += 1
            assert (low, high) == pytest.approx(tuple(end / chip.die_area_mm2 for end in fields["tpp"]))
    assert seen
