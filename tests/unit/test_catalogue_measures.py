"""TPP, performance density and transfer rates against the worked examples of the law and printed figures."""

from __future__ import annotations

import math

import pytest

from chipwise.catalogue import load_catalogue
from chipwise.catalogue.describe import tpp_formula
from chipwise.catalogue.measures import (
    chip_fact,
    io_bytes_per_s_bidirectional,
    io_interval,
    performance_density,
    performance_density_interval,
    tpp,
    tpp_conflicts,
    tpp_interval,
    tpp_parts,
)
from chipwise.core.errors import UnknownName

PRINTED = {
    "a100-80-sxm": 4992,
    "a800-80-sxm": 4992,
    "h20-96": 2368,
    "l40s": 5864,
    "l20": 1912,
    "l2": 1544,
    "rtx-4090": 5285,
    "rtx-4090d": 4708,
    "rtx-5090d": 4750,
    "h100-sxm": 15824,
    "h800-sxm": 15832,
    "h200-sxm": 15824,
    "ascend-910c": 12032,
    "mi300x": 20919,
    "gaudi3": 26848,
    "biren-br100": 16384,
    "mi355x": 60398,
    "mi350x": 55362,
    "maia-100": 18000,
    "gb300": 60000,
    "gaudi2": 6920,
    "iluvatar-bi-v100": 2360,
    "hygon-z100": 691,
}
DENSITIES = {
    "a100-80-sxm": 6.04,
    "h100-sxm": 19.45,
    "h20-96": 2.91,
    "l40s": 9.64,
    "l40": 4.76,
    "l20": 3.145,
    "l2": 5.245,
    "a10": 3.185,
    "a40": 3.81,
    "t4": 1.91,
    "v100-sxm2-16": 2.45,
    "ascend-910b": 7.70,
    "ascend-910c": 9.05,
    "mi210": 4.0,
}
TRANSFER_GB_S = {
    "a100-80-sxm": 664,
    "a800-80-sxm": 464,
    "h800-sxm": 528,
    "mi250": 664,
    "mi250x": 864,
    "l40s": 64,
    "rtx-4090": 64,
    "gaudi2": 664,
    "gaudi2-mezz-cn": 589,
    "h100-sxm": 1028,
}


@pytest.mark.parametrize("chip_id", PRINTED)
def test_tpp_agrees_with_the_printed_figure(chip_id: str) -> None:
    assert tpp(load_catalogue().chip(chip_id)) == pytest.approx(PRINTED[chip_id], rel=1e-3)


@pytest.mark.parametrize("chip_id", DENSITIES)
def test_density_agrees_with_the_worked_examples(chip_id: str) -> None:
    assert performance_density(load_catalogue().chip(chip_id)) == pytest.approx(DENSITIES[chip_id], rel=2e-3)


@pytest.mark.parametrize("chip_id", TRANSFER_GB_S)
def test_transfer_rate_agrees_with_the_worked_examples(chip_id: str) -> None:
    assert io_bytes_per_s_bidirectional(load_catalogue().chip(chip_id)) == TRANSFER_GB_S[chip_id] * 1e9


def test_chips_on_both_sides_of_a_line_keep_their_side() -> None:
    chips = load_catalogue()
    assert tpp(chips.chip("rtx-4090d")) < 4800 < tpp(chips.chip("a100-80-sxm"))
    assert tpp(chips.chip("h20-96")) < 2400
    assert tpp(chips.chip("a40")) < 2400
    low, high = performance_density_interval(chips.chip("a30"))
    assert low < 3.2 < high


def test_intervals_hold_the_value() -> None:
    for chip in load_catalogue().chips.values():
        value, span = tpp(chip), tpp_interval(chip)
        if span is None:
            assert value is None
            assert not chip.rates
            assert "cannot be computed" in tpp_formula(chip)
            continue
        assert span[0] <= span[1]
        if value is not None:
            assert span[0] <= value <= span[1]


def test_tf32_is_counted_at_19_bits_and_the_other_reading_is_kept() -> None:
    chip = load_catalogue().chip("trainium1")
    assert tpp(chip) == pytest.approx(3610)
    assert tpp_interval(chip) == pytest.approx((3610, 6080))
    assert any("19 bits" in note for note in tpp_conflicts(chip))


def test_vector_rates_alone_only_bound_tpp() -> None:
    chip = load_catalogue().chip("rtx-pro-6000d")
    assert tpp(chip) is None
    assert performance_density(chip) is None
    low, high = tpp_interval(chip)
    assert low == pytest.approx(3200)
    assert high == math.inf
    assert "at least" in tpp_formula(chip)


def test_a_printed_figure_that_differs_is_kept_beside_ours() -> None:
    chip = load_catalogue().chip("mi355x")
    assert chip_fact(chip, "published_tpp").value == 37440
    assert any("37440" in note for note in tpp_conflicts(chip))


def test_unknown_links_are_not_zero() -> None:
    chips = load_catalogue()
    assert io_bytes_per_s_bidirectional(chips.chip("kunlun-p800")) is None
    assert io_interval(chips.chip("kunlun-p800"))[1] == math.inf
    assert io_bytes_per_s_bidirectional(chips.chip("t4")) == 32e9


def test_parts_are_sorted_and_multiply() -> None:
    parts = tpp_parts(load_catalogue().chip("h100-sxm"))
    assert [part.tpp for part in parts] == sorted((part.tpp for part in parts), reverse=True)
    for part in parts:
        assert part.tpp == pytest.approx(part.rate * part.bits / 1e12)


def test_a_figure_knows_its_past() -> None:
    chip = load_catalogue().chip("ascend-910b")
    fact = chip_fact(chip, "bf16")
    assert fact.id == "chips/ascend-910b#bf16"
    assert (fact.value, fact.low, fact.high, fact.unit) == (320e12, 280e12, 400e12, "FLOP/s")
    assert fact.source
    assert fact.status == "estimated"
    assert chip_fact(chip, "rates.bf16") == fact
    assert chip_fact(chip, "tpp").low == 4480
    assert chip_fact(chip, "tpp").high == 6400
    assert chip_fact(chip, "int8").unit == "OP/s"
    assert chip_fact(load_catalogue().chip("t4"), "fp8").value is None
    with pytest.raises(UnknownName, match="mem_bytes"):
        chip_fact(chip, "mem_byte")
