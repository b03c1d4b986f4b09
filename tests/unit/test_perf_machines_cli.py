"""`chipwise perf collectives` over stated and mixed machines, and `chipwise perf power`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chipwise.cli.main import build_app
from chipwise.core.errors import InputError


def run(*words: str) -> dict[str, object]:
    result = CliRunner().invoke(build_app(), ["perf", *words, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def seconds(*words: str) -> float:
    return float(run("collectives", "--bytes", "1e8", *words)["points"][0]["time_s"])  # type: ignore[index]


def test_a_mixed_machine_is_as_slow_as_its_slower_part() -> None:
    mixed = seconds("--chip", "h100-sxm", "--chips", "16", "--with", "hgx-h800:16")
    assert mixed >= seconds("--chip", "h100-sxm", "--chips", "32")
    with pytest.raises(InputError, match="no part of a machine"):
        run("collectives", "--chip", "h100-sxm", "--with", "hgx-h800")


def test_stated_shape_and_links_change_the_time() -> None:
    words = ("--chip", "mi300x", "--chips", "8", "--op", "send-recv", "--group", "2")
    assert seconds(*words, "--shape", "full mesh") > 2.0 * seconds(*words, "--shape", "switch")
    across = ("--chip", "h100-sxm", "--chips", "64")
    assert seconds(*across, "--scaleout", "12.5e9") > 2.0 * seconds(*across, "--scaleout", "50e9")
    assert seconds(*across, "--pod-chips", "32", "--oversubscription", "4") > seconds(*across)
    assert seconds("--chip", "gb200", "--chips", "72") < seconds(
        "--chip", "gb200", "--chips", "72", "--domain-chips", "8"
    )


def test_arithmetic_beside_a_collective_slows_by_its_share() -> None:
    found = run("collectives", "--chip", "h100-sxm", "--overlapped", "0.5")["compute_slowdown"]
    whole = run("collectives", "--chip", "h100-sxm", "--overlapped", "1")["compute_slowdown"]
    assert 1.0 <= found["low"] <= found["value"] < whole["value"] <= whole["high"]  # type: ignore[index]


def test_own_timings_move_a_collective_and_never_widen_it(tmp_path: Path) -> None:
    plain = run("collectives", "--chip", "h100-sxm", "--bytes", "16e6")["points"][0]  # type: ignore[index]
    own = tmp_path / "calibration.yaml"
    own.write_text(
        "calibration: 1\nmeasurements:\n  - chip: h100-sxm\n    operator: all_reduce\n"
        "    shape: {message: 16 MB, group: 8, chips: 8}\n"
        f"    measured: {plain['time_s'] * 1.4 * 1e6:.2f} us\n    source: own harness\n"
    )
    found = run("collectives", "--chip", "h100-sxm", "--bytes", "16e6", "--calibration", str(own))
    after = found["points"][0]  # type: ignore[index]
    assert plain["time_s"] < after["time_s"] < 1.4 * plain["time_s"]
    assert after["high_s"] / after["low_s"] <= plain["high_s"] / plain["low_s"] * (1 + 1e-9)
    assert found["own_timings"]["cases"] == 1  # type: ignore[index]


def test_power_rises_with_load_and_a_server_draws_more_than_its_boards() -> None:
    found = run("power", "--system", "dgx-h100", "--compute", "0.1,0.3,0.5", "--memory", "0.2")["points"]
    draws = [point["power_w"] for point in found]  # type: ignore[attr-defined]
    assert draws == sorted(draws)
    assert all(point["node_w"] > 8 * point["power_w"] for point in found)  # type: ignore[attr-defined]
    text = CliRunner().invoke(build_app(), ["perf", "power", "--chip", "h200"], catch_exceptions=False).stdout
    assert "measured on this chip" in text
    with pytest.raises(InputError, match="--chip"):
        run("power")
