"""Own measured serving points move what is given out, and only where they speak."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chipwise.catalogue import load_catalogue
from chipwise.cli.main import build_app
from chipwise.perf import estimate_serving
from chipwise.perf.infer.answer import Answer
from chipwise.perf.infer.asked import question_of
from chipwise.perf.infer.asked_load import Asked
from chipwise.perf.infer.calibrate import ServingCalibration, read_serving_calibration
from chipwise.perf.infer.loads import answer_load
from chipwise.perf.infer.search import search_setups

HEAD = "id,model,chip_id,chips,engine,tp,weight_quant,load_type,concurrency,isl,osl,tpot_mean_ms,ttft_mean_ms\n"


def plain(concurrency: float, calibration: ServingCalibration | None = None, chip: str = "h20-96") -> Answer:
    catalogue = load_catalogue()
    asked = Asked(
        chip=catalogue.chip(chip),
        model=catalogue.model("llama-3.1-8b"),
        load="closed",
        chips=1,
        input_tokens=1000.0,
        output_tokens=200.0,
        concurrency=concurrency,
        calibration=calibration,
    )
    found = answer_load(asked, catalogue)
    assert isinstance(found, Answer)
    return found


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Three points of an H20 that takes half as long again per token as the model says."""
    rows = []
    for at, concurrency in enumerate((8, 16, 32)):
        base = plain(float(concurrency))
        times = f"{1.5e3 * base.tpot_s.value},{1e3 * base.ttft_s.value}"
        rows.append(f"{at},llama-3.1-8b,h20-96,1,vllm,1,bf16,closed_loop_concurrency,{concurrency},1000,200,{times}\n")
    file = tmp_path / "own.csv"
    file.write_text(HEAD + "".join(rows), encoding="utf-8")
    return file


def test_points_move_their_chip_towards_them_and_no_other(slow: Path) -> None:
    own = read_serving_calibration(slow, load_catalogue())
    before, after = plain(16.0), plain(16.0, own)
    assert 1.2 * before.tpot_s.value < after.tpot_s.value < 1.6 * before.tpot_s.value
    assert after.tpot_s.high / after.tpot_s.low <= before.tpot_s.high / before.tpot_s.low * (1 + 1e-9)
    stay = after.ttft_s.value + after.tpot_s.value * 199.0
    assert after.in_flight == pytest.approx(16.0)
    assert after.requests_per_s * stay == pytest.approx(16.0)
    assert any("own measured points" in note for note in after.notes)
    assert plain(16.0, own, "h100-sxm").tpot_s == plain(16.0, None, "h100-sxm").tpot_s


def test_the_search_keeps_its_targets_on_the_calibrated_times(slow: Path) -> None:
    catalogue = load_catalogue()
    own = read_serving_calibration(slow, catalogue)
    wanted = {"chips": 4, "catalogue": catalogue, "tpot_s": 0.03, "engine": "vllm"}
    free, bound = (
        search_setups(question_of("llama-3.1-8b", "h20-96", **wanted, calibration=each)).setups for each in (None, own)
    )
    assert all(entry.tpot_s.value <= 0.03 for entry in bound)
    assert bound[0].output_tokens_per_s_per_chip.value < free[0].output_tokens_per_s_per_chip.value
    for entry in bound:
        stay = entry.ttft_s.value + entry.tpot_s.value * (entry.output_tokens - 1.0)
        assert entry.in_flight == pytest.approx(entry.requests_per_s * stay)


def test_a_yield_within_targets_is_calibrated_too(slow: Path) -> None:
    own = read_serving_calibration(slow, load_catalogue())
    before, after = (estimate_serving("h20-96", "llama-3.1-8b", tpot_s=0.04, calibration=each) for each in (None, own))
    assert before.output_tokens_per_s_per_chip is not None
    assert after.output_tokens_per_s_per_chip is not None
    assert after.tpot_s is not None
    assert after.tpot_s.value <= 0.04 * (1 + 1e-9)
    assert after.output_tokens_per_s_per_chip.value < before.output_tokens_per_s_per_chip.value


def test_the_commands_take_the_file(slow: Path) -> None:
    words = ["--model", "llama-3.1-8b", "--chip", "h20", "--calibration", str(slow), "--json"]
    for command, more in (("estimate", []), ("estimate", ["--concurrency", "16"]), ("search", ["--chips", "2"])):
        done = CliRunner().invoke(build_app(), ["serve", command, *words, *more])
        assert done.exit_code == 0, done.output
        json.loads(done.output)
    missing = CliRunner().invoke(build_app(), ["serve", "estimate", *words[:5], "absent.csv"])
    assert missing.exit_code != 0
