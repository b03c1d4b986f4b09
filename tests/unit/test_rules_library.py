"""Timelines, differences, pictures, arrays, and reading the rulebook."""

from __future__ import annotations

import datetime as dt
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from chipwise.catalogue import load_catalogue
from chipwise.core.errors import RuleError
from chipwise.rules import load_rulebook
from chipwise.rules.items import case_for, item_fields
from chipwise.rules.library import entries, map_points
from chipwise.rules.picture import Point, map_svg, timeline_svg
from chipwise.rules.timeline import differences, timeline
from chipwise.rules.vector import Party, decide_many, sweep

DAY = dt.date(2022, 8, 1)


def stretches(item, to="CN", hq="CN", first=DAY, last=None):
    book = load_rulebook()
    return timeline(case_for(item, on=DAY, to=to, hq=hq, rulebook=book), book, first, last)


def test_the_a800_timeline_has_its_three_stretches():
    found = stretches("a800-80-sxm")
    assert [(s.first.isoformat(), s.answer.outcome) for s in found] == [
        ("2022-08-01", "NLR"),
        ("2023-10-23", "licence_required"),
        ("2023-11-17", "licence_required"),
    ]
    assert [s.until for s in found[:-1]] == [s.first for s in found[1:]]
    assert found[-1].until is None
    assert found[1].to_dict()["classification"] == "letter_controlled"


def test_a_timeline_can_be_cut_at_both_ends():
    found = stretches("a800-80-sxm", first=dt.date(2023, 10, 23), last=dt.date(2023, 11, 16))
    assert [s.answer.classification for s in found] == ["letter_controlled"]


def test_differences_between_two_days_are_the_answers_that_changed():
    book, catalogue = load_rulebook(), load_catalogue()
    days = dt.date(2026, 2, 2), dt.date(2026, 2, 3)
    found = list(differences(*days, book, catalogue, chips=["h100-sxm", "t4"], destinations=["KH", "CN"]))
    assert [(change.chip_id, change.to) for change in found] == [("h100-sxm", "KH")]
    assert found[0].to_dict()["after"]["review_policy"] == "presumption_of_approval"
    assert not list(differences(days[1], days[1], book, catalogue, chips=["h100-sxm"]))


def test_differences_can_compare_two_laws():
    book, catalogue = load_rulebook(), load_catalogue()
    day = dt.date(2024, 6, 1)
    other = load_rulebook("no-october-2023")
    found = list(differences(day, day, book, catalogue, chips=["a800-80-sxm"], destinations=["CN"], other=other))
    assert (found[0].before.outcome, found[0].after.outcome) == ("licence_required", "NLR")


def test_pictures_are_well_formed_and_show_what_they_say():
    title = "A & B <test>"
    picture = timeline_svg(stretches("h20-96"), title, dt.date(2026, 9, 24))
    root = ET.fromstring(picture)
    words = " ".join(node.text or "" for node in root.iter())
    assert title in words
    assert "2025-04-09" in words
    assert "Not legal advice" in words


def test_the_map_draws_the_lines_of_its_day():
    book = load_rulebook()
    points = map_points(load_catalogue(), book)
    names = {point.name for point in points}
    assert "h20-96" in names
    assert not names & {"gaudi3", "rtx-pro-6000d", "mi308x", "rtx-5090d", "kunlun-m100"}
    later = ET.fromstring(map_svg(book.law(dt.date(2024, 1, 1)), points, dt.date(2024, 1, 1)))
    first = ET.fromstring(map_svg(book.law(dt.date(2023, 1, 1)), points, dt.date(2023, 1, 1)))
    before = ET.fromstring(map_svg(book.law(dt.date(2022, 9, 1)), [Point("x", 1000.0, 2.0, None)], dt.date(2022, 9, 1)))
    lines = [sum(node.tag.endswith("}line") for node in root.iter()) for root in (before, first, later)]
    assert lines == [0, 1, 6]
    labels = {node.text for node in later.iter() if node.tag.endswith("}text")}
    assert {"1600", "2400", "4800", "5.92", "3.2", "1.6"} <= labels
    assert {node.text for node in before.iter() if node.tag.endswith("}text")} >= {"x"}


def test_the_library_lists_rules_once_with_their_dates():
    known = entries(load_rulebook())
    assert known["acs-2023-10"]["effective"] == dt.date(2023, 11, 17)
    assert known["a_tpp"]["table"] == "parameters"
    assert known["class_a"]["table"] == "tests"
    assert known["nac-notice"]["table"] == "exceptions"
    assert known["headquarters-2023"]["effective"] == dt.date(2023, 11, 17)


def test_a_grid_gives_codes_that_read_back_as_words():
    book, catalogue = load_rulebook(), load_catalogue()
    items = [
        case_for(chip, on=DAY, to="US", hq="US", rulebook=book, catalogue=catalogue) for chip in ("h100-sxm", "t4")
    ]
    parties = [Party(to="CN", hq="CN"), Party(to="SG"), Party(to="DE", hq="DE")]
    days = [dt.date(2023, 11, 16), dt.date(2023, 11, 17), dt.date(2024, 1, 1)]
    found = sweep(items, parties, days, book)
    assert found.outcome.shape == (2, 3, 3)
    assert found.answer_at(0, 0, 0) == ("3a090_2022", "yes", "licence_required", "presumption_of_denial")
    assert found.answer_at(0, 1, 2)[2] == "needs_counsel"
    assert found.answer_at(1, 0, 2)[2] == "NLR"
    assert found.case_at(1, 1, 2).chip_id == "t4"
    columns = {"items": items, "parties": parties, "days": days, "item": [0, 1], "party": [0, 2], "day": [2, 0]}
    codes = decide_many(columns, book)
    assert codes.shape == (4, 2)
    assert codes[2, 1] == found.outcome[1, 2, 0]
    with pytest.raises(RuleError, match="no column 'day'"):
        decide_many({name: value for name, value in columns.items() if name != "day"}, book)


@pytest.mark.parametrize(
    ("chip", "available"),
    [
        ("h200-sxm", True),
        ("a100-80-sxm", None),
        ("tpu-v6e", False),
        ("h800-sxm", False),
        ("vr200", False),
        ("b30a", False),
        ("l40s", True),
    ],
)
def test_sale_in_the_united_states_is_read_from_the_catalogue(chip, available):
    assert item_fields(load_catalogue().chip(chip), load_rulebook())["available_in_us"] is available


@pytest.mark.parametrize(
    ("change", "available"),
    [
        ({"released": "2026-01"}, False),
        ({"released": "2026-01-15"}, True),
        ({"released": "2026-01-16"}, False),
        ({"released": "2025-H1"}, True),
        ({"released": "2025-2026"}, True),
        ({"released": "", "announced": "2024-03"}, True),
        ({"released": "", "announced": ""}, None),
        ({"status": "announced"}, False),
        ({"end_of_sale": "2025"}, None),
        ({"china_variant_of": "b200-sxm"}, False),
        ({"vendor": "Google"}, False),
    ],
)
def test_sale_in_the_united_states_turns_on_release_and_end(change, available):
    chip = replace(load_catalogue().chip("h200-sxm"), **change)
    assert item_fields(chip, load_rulebook())["available_in_us"] is available


@pytest.mark.parametrize(
    ("chip", "design"),
    [("h20-96", True), ("rtx-4090", False), ("rtx-6000-ada", None), ("rtx-4090-48mod", None), ("epyc-9755", True)],
)
def test_design_for_data_centers_is_read_from_the_market(chip, design):
    assert item_fields(load_catalogue().chip(chip), load_rulebook())["data_center_design"] is design


def test_figures_of_a_chip_are_intervals_in_the_units_of_the_law():
    fields = item_fields(load_catalogue().chip("l20"), load_rulebook())
    assert fields["tpp"] == pytest.approx((1912.0, 1913.6))
    assert fields["io_GBps"] == (64.0, 64.0)
    assert fields["dram_GBps"] == (864.0, 864.0)
    locked = item_fields(load_catalogue().chip("rtx-5090d"), load_rulebook())
    assert locked["tpp"][1] == float("inf")


def test_a_day_before_the_rulebook_is_refused():
    with pytest.raises(RuleError, match="before the rulebook"):
        load_rulebook().law(dt.date(2022, 2, 23))
    assert load_rulebook().law(dt.date(2022, 2, 24)).tests == {}
