"""Operators: errors, precisions, the ladder, user data sheets, shipped tables."""

import csv
import importlib.resources
import math

import numpy as np
import pytest

from chipwise.catalogue import load_catalogue
from chipwise.core.errors import InputError, OutsideModelRange, Undetermined
from chipwise.perf.operators import (
    attention_decode,
    attention_prefill,
    gemm,
    moe,
    norm,
    operator_profile,
)
from chipwise.perf.operators.coordinates import visible_keys
from chipwise.perf.operators.tables import index, ratios

CATALOGUE = load_catalogue()
DATA = importlib.resources.files("chipwise") / "data" / "perf" / "operators"


def profile(name: str = "h100-sxm", **options: object):  # type: ignore[no-untyped-def]
    return operator_profile(CATALOGUE.chip(name), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf])
def test_a_dimension_must_be_positive_and_finite(bad: float) -> None:
    with pytest.raises(InputError, match="positive"):
        gemm(profile(), bad, 4096, 4096)
    with pytest.raises(InputError, match="positive"):
        gemm(profile(), np.array([16.0, bad]), 4096, 4096)


def test_a_precision_without_a_rate_is_undetermined_and_a_misspelt_one_an_error() -> None:
    with pytest.raises(Undetermined, match="no published dense fp8 rate"):
        gemm(profile("a100-80-sxm"), 16, 4096, 4096, dtype="fp8")
    with pytest.raises(InputError, match="fp8"):
        gemm(profile(), 16, 4096, 4096, dtype="fp9")
    with pytest.raises(InputError, match="not tabled"):
        attention_prefill(profile(), 1, 128, 8, 8, 128, dtype="fp8", kv_dtype="bf16")
    with pytest.raises(InputError, match="no choice"):
        profile(kernels="worst")


def test_chips_without_a_bandwidth_or_with_weights_on_the_die_are_not_guessed() -> None:
    with pytest.raises(OutsideModelRange):
        profile(next(chip.id for chip in CATALOGUE.chips.values() if "SRAM" in chip.mem_type))
    nothing = [chip for chip in CATALOGUE.chips.values() if not chip.mem_bytes_per_s and "SRAM" not in chip.mem_type]
    for chip in nothing:
        with pytest.raises(Undetermined, match="bandwidth"):
            operator_profile(chip)


def test_the_ladder_names_its_donors() -> None:
    assert profile().surface("gemm", "bf16").donors == ("h100-sxm",)
    family = profile("h20-96").surface("gemm", "bf16")
    assert family.evidence == 1
    assert set(family.donors) == {"h100-sxm", "h200-sxm"}
    assert profile("mi300x").surface("gemm", "bf16").evidence == 2
    assert profile("b300-sxm").surface("gemm", "fp4").evidence == 1


def test_low_precision_is_faster_but_not_by_its_peak() -> None:
    times = {name: gemm(profile(), 8192, 8192, 8192, dtype=name).time_s for name in ("bf16", "fp8")}
    assert 1.2 < times["bf16"] / times["fp8"] < 2.0


def test_narrow_weights_pay_off_where_weights_are_read() -> None:
    chip = profile("l40s")
    small = gemm(chip, 1, 8192, 8192).time_s / gemm(chip, 1, 8192, 8192, dtype="int4_wo").time_s
    large = gemm(chip, 8192, 8192, 8192).time_s / gemm(chip, 8192, 8192, 8192, dtype="int4_wo").time_s
    assert small > 2.0 > 1.3 > large


def test_middle_kernels_are_slower_than_the_best() -> None:
    best = gemm(profile(), 256, 4096, 4096, dtype="fp8")
    middle = gemm(profile(kernels="median"), 256, 4096, 4096, dtype="fp8")
    assert 1.0 < middle.time_s / best.time_s < 2.0


def test_a_reduced_chip_is_slower_where_it_was_reduced() -> None:
    h20, h100 = profile("h20-96"), profile("h100-sxm")
    assert gemm(h20, 8192, 8192, 8192).time_s > 3.0 * gemm(h100, 8192, 8192, 8192).time_s
    assert attention_decode(h20, 64, 8192, 8, 8, 128).time_s < attention_decode(h100, 64, 8192, 8, 8, 128).time_s


def test_keys_seen() -> None:
    for new, before, window in [(5, 0, 3), (5, 10, 12), (7, 2, 100), (1, 0, 1), (9, 4, 4)]:
        counted = sum(min(before + place + 1, window) for place in range(new)) / new
        assert visible_keys(float(new), float(before), float(window)) == pytest.approx(counted)


def test_natural_routing_is_no_faster_on_the_fullest_chip_when_busy() -> None:
    chip = profile()
    even = moe(chip, 8192, 4096, 1536, 8, 128, expert_parallel=8).time_s
    skewed = moe(chip, 8192, 4096, 1536, 8, 128, expert_parallel=8, routing="natural").time_s
    assert skewed > even


def test_units_of_a_norm() -> None:
    cost = norm(profile(), 1000, 4096)
    assert cost.bytes == 1000 * 4096 * 2 * 2
    assert cost.time_s >= cost.bytes / 3.35e12


def test_shipped_tables_are_small_sourced_and_complete() -> None:
    total = sum(path.stat().st_size for path in DATA.iterdir())  # type: ignore[attr-defined]
    assert total < 10e6
    rows = index()
    assert {row.licence for row in rows} <= {"Apache-2.0", "MIT"}
    assert all(row.source and row.points > 0 and row.chip in CATALOGUE.chips for row in rows)
    for grid in ("gemm", "prefill", "decode", "moe"):
        assert [row.row for row in rows if row.grid == grid] == list(range(len(ratios(grid))))
    with (DATA / "spread.csv").open(encoding="utf-8") as stream:
        spreads = list(csv.DictReader(stream))
        assert len(spreads) == 24
        for row in spreads:
            parts = [float(row[name]) for name in ("common", "table", "smooth", "noise")]
            assert min(parts) >= 0
            assert sum(parts) == pytest.approx(1.0, abs=0.005)
        with (DATA / "mixed.csv").open(encoding="utf-8") as stream:
            assert all(row["source"] and row["chip"] in CATALOGUE.chips for row in csv.DictReader(stream))
