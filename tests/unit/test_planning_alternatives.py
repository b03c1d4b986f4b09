"""Lawful stand-ins: nothing barred is ranked, ratios are reciprocal, unknown stays unknown."""

from __future__ import annotations

import datetime as dt

import pytest

from chipwise.catalogue import Catalogue
from chipwise.core.errors import Undetermined
from chipwise.planning.alternatives import _release_day, alternatives
from chipwise.planning.availability import FREE_OUTCOMES
from chipwise.rules import check

DAY = dt.date(2023, 11, 21)


@pytest.fixture(scope="module")
def stand_ins(catalogue: Catalogue):
    return alternatives("a800-80-sxm", to="CN", hq="CN", on=DAY, model="llama-2-13b", tpot_s=0.06, catalogue=catalogue)


def test_every_ranked_chip_is_free_when_asked_again(stand_ins, catalogue: Catalogue) -> None:
    assert stand_ins.free
    for entry in stand_ins.free:
        route = "local_purchase" if entry.vendor_country == "CN" else "export_from_us"
        assert check(entry.chip_id, to="CN", hq="CN", on=DAY, route=route, catalogue=catalogue).outcome in FREE_OUTCOMES


def test_controlled_chips_are_counted_and_never_listed(stand_ins) -> None:
    listed = {entry.chip_id for entry in (*stand_ins.free, *stand_ins.counsel)}
    assert not listed & {"h100-sxm", "h800-sxm", "a100-80-sxm", "l40s"}
    assert stand_ins.licence_or_barred > 0


def test_ranked_best_first_within_their_intervals(stand_ins) -> None:
    values = [entry.chips_for_one.value for entry in stand_ins.free]
    assert values == sorted(values)
    for entry in stand_ins.free:
        assert entry.chips_for_one.low <= entry.chips_for_one.value <= entry.chips_for_one.high


def test_home_made_chips_are_left_to_counsel(stand_ins) -> None:
    assert "ascend-910b" in {entry.chip_id for entry in stand_ins.counsel}


def test_nothing_not_yet_released_stands_in(catalogue: Catalogue) -> None:
    before = alternatives("l40", to="CN", hq="CN", on=dt.date(2023, 10, 1), model="llama-2-7b", catalogue=catalogue)
    after = alternatives("l40", to="CN", hq="CN", on=dt.date(2024, 6, 1), model="llama-2-7b", catalogue=catalogue)
    assert "h20-96" not in {entry.chip_id for entry in before.free}
    assert "h20-96" in {entry.chip_id for entry in after.free}


def test_a_chip_without_a_rate_cannot_be_stood_in_for(catalogue: Catalogue) -> None:
    with pytest.raises(Undetermined, match="kunlun-p800"):
        alternatives("kunlun-p800", to="CN", hq="CN", on=DAY, model="llama-2-7b", catalogue=catalogue)


def test_what_a_licence_may_bring_is_listed_by_name_with_both_gates(catalogue: Catalogue) -> None:
    found = alternatives(
        "h20-96", to="CN", hq="CN", on=dt.date(2026, 11, 23), model="qwen3-32b", catalogue=catalogue, count=100
    )
    named = {entry.chip_id: entry for entry in found.by_licence}
    assert named["h200-sxm"].review_policy == "case_by_case_conditional_2026"
    assert named["h200-sxm"].import_gate == "conditional_import"
    assert [entry.chip_id for entry in found.by_licence] == sorted(named)
    assert "b200-sxm" not in named
    assert named["h200-sxm"].chips >= named["h200-sxm"].chips_for_one.value * 100 - 1e-6


def test_what_has_no_rate_stays_undetermined_with_its_reason(stand_ins) -> None:
    ranked = {entry.chip_id for entry in (*stand_ins.free, *stand_ins.counsel, *stand_ins.by_licence)}
    assert stand_ins.undetermined
    assert not ranked & set(stand_ins.undetermined)
    assert all(stand_ins.undetermined.values())


def test_training_ranks_only_what_fits(catalogue: Catalogue) -> None:
    found = alternatives("h800-sxm", to="CN", hq="CN", on=DAY, model="llama-2-70b", work="train", catalogue=catalogue)
    values = [entry.chips_for_one.value for entry in found.free]
    assert values == sorted(values)
    assert all(entry.chips >= 1 for entry in found.free)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2023-11", dt.date(2023, 11, 1)),
        ("2022-Q3 (production)", dt.date(2022, 7, 1)),
        ("2025-H2", dt.date(2025, 7, 1)),
        ("2022-2023", dt.date(2022, 1, 1)),
        ("2019-09-17", dt.date(2019, 9, 17)),
        ("not mass produced", None),
        ("", None),
    ],
)
def test_release_texts_of_the_catalogue(text: str, day: dt.date | None) -> None:
    assert _release_day(text) == day
