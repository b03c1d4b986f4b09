"""Calibration from a user's own timings: shrinkage, repeats, order, located errors."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chipwise.catalogue import load_catalogue
from chipwise.core.errors import InputError
from chipwise.core.fact import Estimate
from chipwise.perf.calibration import Measurement, Profile, calibrate, calibrated_collective, predict_collective
from chipwise.perf.calibration_file import read_calibration
from chipwise.perf.collectives import all_reduce
from chipwise.perf.topology import machine

GOOD = """calibration: 1
measurements:
  - chip: H20
    operator: all_reduce
    shape: {message: 16 MB, group: 8}
    measured: 200 us
    source: nccl-tests on our node
  - chip: h20-96
    operator: gemm
    shape: {m: 4096, n: 8192, k: 8192, precision: bf16}
    measured: 6.1 ms
    predicted: 5.4 ms
    source: own harness
"""


def profile(**changes: float) -> Profile:
    return Profile(predict=lambda one: 1.0, prior_factor={"": 2.0}, **changes)


def timed(ratio: float, case: int = 0, operator: str = "gemm") -> Measurement:
    return Measurement(chip_id="h20-96", operator=operator, shape=(("m", float(case)),), measured_s=ratio)


def test_one_case_moves_half_way_and_three_three_quarters() -> None:
    one = calibrate([timed(1.5)], profile()).of("h20-96", "gemm")
    three = calibrate([timed(1.5, case) for case in range(3)], profile()).of("h20-96", "gemm")
    assert one is not None
    assert three is not None
    assert one.value == pytest.approx(1.5**0.5)
    assert three.value == pytest.approx(1.5**0.75)
    assert (one.cases, three.cases) == (1, 3)


def test_repeats_of_a_case_count_once() -> None:
    once = calibrate([timed(1.5)], profile())
    assert calibrate([timed(1.5)] * 50, profile()) == once


def test_one_odd_measurement_does_not_carry_the_day() -> None:
    steady = [timed(1.1, case) for case in range(5)]
    found = calibrate([*steady, timed(6.0, 9)], profile()).of("h20-96", "gemm")
    assert found is not None
    assert 1.0 < found.value < 1.2


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(0.2, 5.0), min_size=1, max_size=12))
def test_a_factor_lies_between_one_and_what_was_seen(ratios: list[float]) -> None:
    found = calibrate([timed(ratio, case) for case, ratio in enumerate(ratios)], profile()).of("h20-96", "gemm")
    assert found is not None
    assert min(1.0, found.observed) - 1e-12 <= found.value <= max(1.0, found.observed) + 1e-12
    assert found.low < found.value < found.high


def test_order_does_not_matter() -> None:
    known = [timed(1.2), timed(0.9, 1), timed(1.4, 2, "moe"), timed(1.1, 3)]
    results = {calibrate(order, profile()) for order in itertools.permutations(known)}
    assert len(results) == 1


def test_agreeing_cases_narrow_the_interval() -> None:
    def wide(count: int) -> float:
        found = calibrate([timed(1.3, case) for case in range(count)], profile()).of("h20-96", "gemm")
        assert found is not None
        return found.high / found.low

    assert wide(1) < 4.0
    assert wide(1) > wide(3) > wide(10)


def test_what_was_not_measured_stays() -> None:
    known = calibrate([timed(1.5)], profile())
    before = Estimate(value=1.0, low=0.5, high=2.0, unit="s", method="roofline", evidence="data sheet only")
    assert known.of("h20-96", "moe") is None
    assert known.applied(before, "h20-96", "moe") == before
    assert known.applied(before, "a800-80-sxm", "gemm") == before
    after = known.applied(before, "h20-96", "gemm")
    assert after.value == pytest.approx(1.5**0.5)
    assert after.low <= after.value <= after.high
    assert after.high / after.low < before.high / before.low


def test_a_ratio_beyond_reason_is_a_fault_of_unit() -> None:
    with pytest.raises(InputError, match="check unit"):
        calibrate([timed(1000.0)], profile())


def test_a_file_is_read_and_calibrates_collectives(tmp_path: Path) -> None:
    file = tmp_path / "calibration.yaml"
    file.write_text(GOOD, encoding="utf-8")
    catalogue = load_catalogue()
    known = read_calibration(file, catalogue)
    assert [one.operator for one in known] == ["all_reduce", "gemm"]
    assert dict(known[0].shape)["message"] == 16e6
    assert known[0].measured_s == pytest.approx(200e-6)
    found = calibrate(known, Profile(predict=lambda one: predict_collective(one, catalogue), prior_factor={"": 1.5}))
    assert found.of("h20-96", "gemm") is not None
    first = found.of(known[0].chip_id, "all_reduce")
    assert first is not None
    assert first.value > 1.0


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("calibration: 1", "calibration: 2", "calibration.yaml:1"),
        ("operator: all_reduce", "operator: allreduce", "all_reduce"),
        ("measured: 200 us", "measured: 200", "has no unit"),
        ("measured: 200 us", "measured: 200 GB", "calibration.yaml:6"),
        ("measured: 200 us", "measured: -2 us", "above 0"),
        ("chip: H20", "chip: no-such-chip", "no chip"),
        ("    source: own harness", "    sauce: own harness", "source"),
        ("    source: own harness\n", "", "source is missing"),
        ("{message: 16 MB, group: 8}", "[16, 8]", "no shape"),
        ("{message: 16 MB, group: 8}", "{message: 16 s, group: 8}", "message"),
        ("measurements:", "measurement:", "measurements"),
    ],
)
def test_faults_are_located(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    file = tmp_path / "calibration.yaml"
    file.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_calibration(file, load_catalogue())
    assert words in str(caught.value)


def test_a_collective_needs_its_message(tmp_path: Path) -> None:
    file = tmp_path / "calibration.yaml"
    file.write_text(GOOD.replace("{message: 16 MB, group: 8}", "{group: 8}"), encoding="utf-8")
    catalogue = load_catalogue()
    known = read_calibration(file, catalogue)
    with pytest.raises(InputError, match="message"):
        predict_collective(known[0], catalogue)


def test_a_factor_moves_a_collective() -> None:
    job = machine("hgx-h20", chips=8, catalogue=load_catalogue())
    factor = calibrate([timed(1.5, operator="all_reduce")], profile()).of("h20-96", "all_reduce")
    assert factor is not None
    before = all_reduce(job, 1e8, 8)
    after = calibrated_collective(before, factor)
    assert after.time_s == pytest.approx(before.time_s * factor.value)
    assert after.bus_bytes_per_s == pytest.approx(before.bus_bytes_per_s / factor.value)
    assert after.low_s <= after.time_s <= after.high_s
    assert calibrated_collective(before, None) == before
    sizes = np.geomspace(1e3, 1e9, 4)
    many = calibrated_collective(all_reduce(job, sizes, 8), factor)
    assert np.all(np.asarray(many.low_s) <= np.asarray(many.high_s))
