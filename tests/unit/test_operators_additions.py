"""Linear attention, engines, own timings and collectives from the command line."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from chipwise.catalogue import load_catalogue
from chipwise.cli.main import build_app
from chipwise.core.errors import DataError, InputError
from chipwise.perf.calibration import Measurement
from chipwise.perf.operators import (
    OperatorProfile,
    attention_decode,
    gemm,
    linear_decode,
    linear_prefill,
    norm,
    operator_profile,
)
from chipwise.perf.operators.objects import GENERIC

CHIP = load_catalogue().chip("h100-sxm")
PLAIN = operator_profile(CHIP)
SIZES = (256.0, 2048.0, 8192.0)


def timed(m: float, ratio: float, operator: str = "gemm") -> Measurement:
    shape = (("k", 4096.0), ("m", m), ("n", 4096.0), ("precision", "bf16"))
    time = float(gemm(PLAIN, m, 4096.0, 4096.0).time_s) * ratio
    return Measurement(chip_id=CHIP.id, operator=operator, shape=shape, measured_s=time)


def test_linear_attention_is_linear_where_softmax_is_not_and_never_beats_the_data_sheet() -> None:
    tokens = 2.0 ** np.arange(4, 20)
    cost = linear_prefill(PLAIN, 1.0, tokens, 32.0, 128.0, 128.0)
    assert np.allclose(cost.flop[1:] / cost.flop[:-1], 2.0)
    assert np.all(np.diff(cost.time_s) > 0)
    assert np.all(cost.low_s >= np.maximum(cost.flop / PLAIN.peaks["bf16"], cost.bytes / PLAIN.bytes_per_s) * 0.999999)
    assert np.all(cost.low_s <= cost.time_s)
    assert cost.evidence == GENERIC
    one = linear_prefill(PLAIN, 1.0, float(tokens[3]), 32.0, 128.0, 128.0)
    assert one.time_s == pytest.approx(cost.time_s[3])


def test_a_decoded_state_does_not_grow_with_the_context_and_one_chunk_is_one_token_of_work() -> None:
    state = linear_decode(PLAIN, 64.0, 64.0, 128.0, 128.0)
    assert state.bytes > 2 * 4 * 64 * 64 * 128 * 128
    assert state.time_s < attention_decode(PLAIN, 64.0, 1e6, 64.0, 64.0, 128.0).time_s
    with pytest.raises(InputError):
        linear_decode(PLAIN, 0.0, 64.0, 128.0, 128.0)


def test_an_engine_takes_the_median_and_widens_and_says_so() -> None:
    widths = []
    for options in ({}, {"engine": "vLLM"}, {"engine": "vllm", "version": "0.19"}, {"engine": "own", "version": "1"}):
        found = operator_profile(CHIP, kernels="median", **options)  # type: ignore[arg-type]
        one = found.surface("gemm", "fp8")
        widths.append(one.high_factor / one.low_factor)
        assert bool(found.notes) == bool(options)
    assert widths == sorted(set(widths))
    with pytest.raises(InputError):
        operator_profile(CHIP, version="0.19")


def test_three_own_timings_reduce_the_error_on_a_tabled_chip_and_leave_the_rest() -> None:
    found = operator_profile(CHIP, calibration=[timed(m, 1.3) for m in SIZES])
    before, after = gemm(PLAIN, 1000.0, 6000.0, 5000.0), gemm(found, 1000.0, 6000.0, 5000.0)
    truth = 1.3 * before.time_s
    assert abs(after.time_s - truth) < 0.5 * abs(before.time_s - truth)
    assert after.low_s <= truth <= after.high_s
    assert norm(found, 64.0, 4096.0) == norm(PLAIN, 64.0, 4096.0)


def test_own_timings_narrow_a_chip_without_tables_of_its_own() -> None:
    far = operator_profile(CHIP, without=[CHIP.id])
    found = operator_profile(CHIP, without=[CHIP.id], calibration=[timed(m, 1.0) for m in SIZES])
    before, after = far.surface("gemm", "bf16"), found.surface("gemm", "bf16")
    assert after.high_factor / after.low_factor < before.high_factor / before.low_factor


def test_one_own_timing_moves_part_of_the_way_and_repeats_count_once() -> None:
    def moved(*timings: Measurement) -> float:
        found = operator_profile(CHIP, calibration=list(timings))
        return float(gemm(found, 512.0, 8192.0, 8192.0).time_s / gemm(PLAIN, 512.0, 8192.0, 8192.0).time_s)

    one, three = moved(timed(2048.0, 1.3)), moved(*(timed(m, 1.3) for m in SIZES))
    assert 1.02 < one < three < 1.3
    assert moved(timed(2048.0, 1.3), timed(2048.0, 1.3)) == pytest.approx(one)


@pytest.mark.parametrize("without", [(), (CHIP.id,)])
def test_timings_that_agree_narrow_most_near_them_and_those_that_contradict_do_not(without: tuple[str, ...]) -> None:
    before = operator_profile(CHIP, without=without)

    def agreed(ratio: float) -> OperatorProfile:
        timings = []
        for m in SIZES:
            predicted = float(gemm(before, m, 4096.0, 4096.0).time_s)
            timings.append(dataclasses.replace(timed(m, 1.0), measured_s=predicted * ratio ** (1 if m < 4096 else -1)))
        return operator_profile(CHIP, without=without, calibration=timings)

    def width(profile: OperatorProfile, m: float, n: float, k: float) -> float:
        cost = gemm(profile, m, n, k)
        return float(np.log(cost.high_s / cost.low_s))

    same, unlike = agreed(1.01), agreed(1.8)
    here, there = (2048.0, 4096.0, 4096.0), (8.0, 64000.0, 16384.0)
    assert width(same, *here) < width(before, *here)
    assert width(same, *here) / width(before, *here) < width(same, *there) / width(before, *there)
    assert width(unlike, *here) > 1.2 * width(same, *here)


def test_a_calibrated_profile_gives_the_same_to_numbers_and_arrays_and_bounds_its_time() -> None:
    found = operator_profile(CHIP, calibration=[timed(m, 1.4) for m in SIZES])
    rows = np.exp2(np.arange(0, 15, 0.37))
    many = gemm(found, rows, 6000.0, 5000.0)
    for place in (0, 7, 23):
        one = gemm(found, float(rows[place]), 6000.0, 5000.0)
        for name in ("time_s", "low_s", "high_s"):
            assert getattr(one, name) == pytest.approx(getattr(many, name)[place])
    assert (many.low_s <= many.time_s).all()
    assert (many.time_s <= many.high_s).all()
    for name in ("time_s", "low_s", "high_s"):
        assert (np.diff(getattr(many, name)) >= 0).all()


def test_a_window_follows_own_timings_of_the_class() -> None:
    shape = (("context", 4096.0), ("head_dim", 128.0), ("heads", 32.0), ("kv_heads", 8.0), ("sequences", 64.0))
    time = float(attention_decode(PLAIN, 64.0, 4096.0, 32.0, 8.0, 128.0).time_s) * 1.5
    timing = Measurement(chip_id=CHIP.id, operator="attention_decode", shape=shape, measured_s=time)
    found = operator_profile(CHIP, calibration=[timing])
    before, after = (attention_decode(p, 16.0, 8192.0, 32.0, 8.0, 128.0, window=1024.0) for p in (PLAIN, found))
    assert before.time_s < after.time_s < 1.5 * before.time_s
    many = attention_decode(found, np.array([16.0, 32.0]), 8192.0, 32.0, 8.0, 128.0, window=1024.0)
    assert many.low_s[0] == pytest.approx(after.low_s)
    assert many.high_s[0] == pytest.approx(after.high_s)


def test_what_own_timings_do_not_change_is_said_and_bad_shapes_are_placed() -> None:
    other = Measurement(chip_id="h20-96", operator="gemm", shape=(), measured_s=1.0)
    assert "nothing changed" in operator_profile(CHIP, calibration=[other]).notes[0]
    bad = Measurement(chip_id=CHIP.id, operator="gemm", shape=(("q", 1.0),), measured_s=1.0, place="x.yaml:3")
    with pytest.raises(DataError, match=r"shape\.q"):
        operator_profile(CHIP, calibration=[bad])


def test_the_command_line_takes_own_timings(tmp_path: Path) -> None:
    path = tmp_path / "calibration.yaml"
    path.write_text(
        "calibration: 1\nmeasurements:\n  - chip: h100-sxm\n    operator: gemm\n"
        "    shape: {m: 4096, n: 8192, k: 8192, precision: bf16}\n    measured: 1.2 ms\n    source: own harness\n"
    )
    words = ["perf", "ops", "--chip", "h100-sxm", "--json"]
    plain, own = (
        json.loads(CliRunner().invoke(build_app(), [*words, *more], catch_exceptions=False).stdout)
        for more in ([], ["--calibration", str(path)])
    )
    assert own["points"][0]["time_s"] > plain["points"][0]["time_s"]
    assert "gemm" in own["notes"][0]


def test_collectives_answer_with_evidence() -> None:
    words = ["perf", "collectives", "--chip", "h100-sxm", "--op", "all-reduce", "--bytes", "1024..1e6", "--json"]
    points = json.loads(CliRunner().invoke(build_app(), words, catch_exceptions=False).stdout)["points"]
    times = [point["time_s"] for point in points]
    assert times == sorted(times)
    assert all(point["evidence"] and point["low_s"] <= point["time_s"] <= point["high_s"] for point in points)
    with pytest.raises(InputError):
        CliRunner().invoke(build_app(), words[:2], catch_exceptions=False)
