"""Own measured serving points move a chip's figures as far as they can tell, and no further."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chipwise.catalogue import Catalogue, load_catalogue
from chipwise.core.errors import DataError, InputError
from chipwise.perf.infer.calibrate import (
    ServingCalibration,
    Variances,
    calibrate_serving,
    read_serving_calibration,
    shrunk,
    variances_table,
)
from chipwise.perf.serving_rows import predict_case, read_serving_case

KNOWN = Variances(chip=0.06, regime=0.04, within=0.03)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def point(catalogue: Catalogue, factor: float, **changed: str) -> dict[str, str]:
    """A closed loop on MI300X whose measured rate is `factor` times the prediction."""
    row = {
        "id": "a",
        "model": "Llama-3.1-70B",
        "chip_id": "mi300x",
        "chips": "1",
        "tp": "1",
        "weight_quant": "fp8",
        "isl": "1000",
        "osl": "1000",
        "load_type": "closed_loop_concurrency",
        "concurrency": "32",
    } | changed
    case = read_serving_case(row, catalogue)
    assert not isinstance(case, str)
    predicted = predict_case(case)
    assert not isinstance(predicted, str)
    return row | {"output_tps_per_chip": str(predicted["output_tps_per_chip"][1] * factor)}


@given(st.lists(st.floats(-1.5, 1.5), min_size=1, max_size=6))
def test_a_shift_lies_between_none_and_the_deviations(logs: list[float]) -> None:
    shift = shrunk([("closed", log) for log in logs], "closed", KNOWN)
    low, high = min([0.0, *logs]), max([0.0, *logs])
    assert low - 1e-9 <= shift.value <= high + 1e-9


@given(st.floats(-1.0, 1.0), st.integers(1, 5))
def test_more_points_of_one_deviation_move_further_and_leave_less_doubt(log: float, count: int) -> None:
    few, more = (shrunk([("closed", log)] * n, "closed", KNOWN) for n in (count, count + 1))
    assert abs(more.value) >= abs(few.value) - 1e-12
    assert more.half < few.half


def test_another_regime_moves_less() -> None:
    logs = [("closed", 0.4)]
    assert 0 < shrunk(logs, "max_load", KNOWN).value < shrunk(logs, "closed", KNOWN).value


def test_lower_evidence_yields_more_to_a_measurement() -> None:
    values = [shrunk([("closed", 0.4)], "closed", variances_table()[rung, "speed"]).value for rung in ("chip", "sheet")]
    assert values[0] < values[1]


def test_a_faster_chip_serves_more_in_less_time(catalogue: Catalogue) -> None:
    found = calibrate_serving([point(catalogue, 1.5)], catalogue)
    low, rate, high = found.applied("mi300x", "closed", "output_tps_per_chip", (50.0, 100.0, 200.0))
    assert 100.0 < rate < 150.0
    assert high / low < 4.0
    gap = found.applied("mi300x", "closed", "tpot_mean_ms", (5.0, 10.0, 20.0))[1]
    assert gap == pytest.approx(1000.0 / rate)
    assert found.applied("h100-sxm", "closed", "tpot_mean_ms", (5.0, 10.0, 20.0)) == (5.0, 10.0, 20.0)
    assert found.applied("mi300x", "server", "tpot_mean_ms", (5.0, 10.0, 20.0))[1] == 10.0


def test_a_file_is_read_and_its_faults_are_located(catalogue: Catalogue, tmp_path: Path) -> None:
    row = point(catalogue, 0.8)
    file = tmp_path / "own.csv"
    file.write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n", encoding="utf-8")
    found = read_serving_calibration(file, catalogue)
    assert isinstance(found, ServingCalibration)
    shift = found.shift("mi300x", "closed", "speed")
    assert shift is not None
    assert math.log(0.8) < shift.value < 0.0
    wrong = row | {"output_tps_per_chip": "1e9"}
    file.write_text(",".join(wrong) + "\n" + ",".join(wrong.values()) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 2"):
        read_serving_calibration(file, catalogue)
    file.write_text("model\nx\n", encoding="utf-8")
    with pytest.raises(InputError, match="chip_id"):
        read_serving_calibration(file, catalogue)
