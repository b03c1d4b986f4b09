"""Scorers of training and inference yields on small tables in the columns of the measured facts."""

import csv
import math
from pathlib import Path

import pytest

from chipwise.core.errors import InputError
from chipwise.validation import inference, training
from chipwise.validation.inference import validate_inference
from chipwise.validation.score import ScoredRow, read_measured, score
from chipwise.validation.serving import validate_serving
from chipwise.validation.training import validate_training

TRAINING = {
    "run_id": "r1",
    "source_group": "someone",
    "model": "llama-2-7b",
    "arch_type": "dense",
    "chip_id": "a100-80-sxm",
    "n_chips": "8",
    "seq_len": "4096",
    "gbs": "128",
    "precision": "bf16",
    "tokens_per_s_per_chip": "3000",
    "step_time_s": "21.8",
    "status": "ok",
}
SERVING = {
    "id": "i1",
    "source_id": "someone",
    "kind": "vendor_perf_table",
    "engine": "vLLM",
    "model": "Llama-2-70B",
    "weight_quant": "fp16",
    "chip_id": "h100-sxm",
    "chips": "4",
    "tp": "4",
    "isl": "1000",
    "osl": "200",
    "load_type": "closed_loop_concurrency",
    "concurrency": "16",
    "output_tps_per_chip": "110",
    "tpot_mean_ms": "30",
    "ttft_mean_ms": "300",
}


def table(path: Path, rows: list[dict[str, str]]) -> Path:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def by_metric(result: dict) -> dict[str, dict]:
    return {row["metric"]: row for row in result["rows"]}


def test_speed_and_step_tell_one_prediction(tmp_path: Path) -> None:
    found = by_metric(validate_training(table(tmp_path / "t.csv", [TRAINING])))
    speed, step = found["tokens_per_s_per_chip"], found["step_time_s"]
    assert step["predicted"] == pytest.approx(128 * 4096 / (8 * speed["predicted"]))
    assert step["low"] < step["predicted"] < step["high"]
    assert step["high"] / step["predicted"] == pytest.approx(speed["predicted"] / speed["low"])
    assert speed["evidence"].startswith("measured on this chip")
    assert "open layout" in speed["evidence"]


def test_a_source_that_taught_the_terms_is_named(tmp_path: Path) -> None:
    own, other = {**TRAINING, "source_group": "internevo-A100"}, {**TRAINING, "run_id": "r2"}
    rows = validate_training(table(tmp_path / "t.csv", [own, other]))["rows"]
    assert {row["id"]: "taught" in row["evidence"] for row in rows} == {"r1": True, "r2": False}


def test_a_stated_layout_narrows_the_interval(tmp_path: Path) -> None:
    stated = {**TRAINING, "run_id": "r2", "tp": "1", "pp": "1", "dp": "8", "mbs": "2", "recompute": "full"}
    rows = validate_training(table(tmp_path / "t.csv", [TRAINING, stated]))["rows"]
    width = {row["id"]: row["high"] / row["low"] for row in rows if row["metric"] == "step_time_s"}
    assert width["r2"] < width["r1"]


def test_memory_is_judged_in_the_unit_of_the_source(tmp_path: Path) -> None:
    row = {**TRAINING, "mem_gb": "60", "mem_kind": "GiB", "tp": "1", "pp": "1", "dp": "8", "mbs": "1"}
    other = {**row, "run_id": "r2", "mem_kind": "GB"}
    rows = validate_training(table(tmp_path / "t.csv", [row, other]))["rows"]
    said = {entry["id"]: entry["predicted"] for entry in rows if entry["metric"] == "mem_gb"}
    assert said["r2"] == pytest.approx(said["r1"] * 2**30 / 1e9)


def test_what_cannot_fit_is_called_out_of_memory(tmp_path: Path) -> None:
    row = {**TRAINING, "model": "llama-2-70b", "tp": "1", "pp": "1", "dp": "8", "mbs": "1", "recompute": "full"}
    row |= {"tokens_per_s_per_chip": "200", "step_time_s": "327.7"}
    rows = validate_training(table(tmp_path / "t.csv", [row]))["rows"]
    assert {entry["status"] for entry in rows} == {"predicted out of memory"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tokens_per_s_per_chip": "9000", "step_time_s": ""}, "dense peak"),
        ({"tp": "3", "pp": "1", "dp": "2", "mbs": "1"}, "on 8 units"),
        ({"seq_len": "262144", "tokens_per_s_per_chip": "200", "step_time_s": ""}, "without a layout"),
    ],
)
def test_faults_of_a_row_are_named_and_not_scored(tmp_path: Path, change: dict[str, str], reason: str) -> None:
    result = validate_training(table(tmp_path / "t.csv", [{**TRAINING, **change}]))
    assert result["n_predicted"] == 0
    assert all(row["status"].startswith("faulty") and reason in row["status"] for row in result["rows"])
    assert all(row["predicted"] for row in result["rows"])


def test_predictions_ignore_the_measured_speed(tmp_path: Path) -> None:
    doubled = {**TRAINING, "run_id": "r2", "tokens_per_s_per_chip": "1500", "step_time_s": "43.6"}
    rows = validate_training(table(tmp_path / "t.csv", [TRAINING, doubled]))["rows"]
    assert len({row["predicted"] for row in rows if row["metric"] == "tokens_per_s_per_chip"}) == 1


def test_dies_are_counted_as_their_source_counts_them(tmp_path: Path) -> None:
    package = {**TRAINING, "chip_id": "mi250x", "precision": "fp16"}
    die = {**package, "run_id": "r2", "chip_label": "MI250X (per GCD)", "n_chips": "16"}
    rows = validate_training(table(tmp_path / "t.csv", [package, die]))["rows"]
    speeds = {row["id"]: row["predicted"] for row in rows if row["metric"] == "tokens_per_s_per_chip"}
    steps = {row["id"]: row["predicted"] for row in rows if row["metric"] == "step_time_s"}
    assert speeds["r2"] == pytest.approx(speeds["r1"] / 2, rel=0.05)
    assert steps["r2"] == pytest.approx(steps["r1"], rel=0.05)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"chip_id": "no-such"}, "unknown chip"),
        ({"model": "no-such"}, "unknown model"),
        ({"seq_len": ""}, "missing: seq_len"),
        ({"precision": "int8"}, "missing: precision"),
        ({"status": "ambiguous"}, "status ambiguous"),
        ({"n_chips": ""}, "missing: n_chips"),
        ({"tokens_per_s_per_chip": "", "step_time_s": ""}, "missing: step_time_s or tokens_per_s_per_chip"),
    ],
)
def test_training_rows_say_what_is_missing(tmp_path: Path, change: dict[str, str], status: str) -> None:
    result = validate_training(table(tmp_path / "t.csv", [{**TRAINING, **change}]))
    assert {row["status"] for row in result["rows"]} == {status}
    assert result["n_predicted"] == 0
    assert result["median_ape"] is None


def test_closed_loop_obeys_littles_law(tmp_path: Path) -> None:
    found = by_metric(validate_inference(table(tmp_path / "i.csv", [SERVING])))
    whole = found["ttft_mean_ms"]["predicted"] / 1e3 + found["tpot_mean_ms"]["predicted"] / 1e3 * 199
    assert found["output_tps_per_chip"]["predicted"] * 4 * whole == pytest.approx(16 * 200, rel=1e-6)
    assert {row["status"] for row in found.values()} == {"ok"}


def test_two_copies_serve_as_one_copy_with_half_the_load(tmp_path: Path) -> None:
    twice = {**SERVING, "id": "i2", "chips": "8", "concurrency": "32"}
    rows = validate_inference(table(tmp_path / "i.csv", [SERVING, twice]))["rows"]
    tpot = {row["id"]: row["predicted"] for row in rows if row["metric"] == "tpot_mean_ms"}
    assert tpot["i1"] == pytest.approx(tpot["i2"])


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"isl": ""}, "missing: isl"),
        ({"osl": ""}, "missing: osl"),
        ({"chips": "", "tp": ""}, "missing: chips"),
        ({"disaggregated": "yes"}, "not modelled: disaggregated"),
        ({"load_type": "production"}, "not modelled: production"),
        ({"chips": "1", "tp": "1"}, "predicted out of memory"),
    ],
)
def test_serving_rows_say_what_is_missing(tmp_path: Path, change: dict[str, str], status: str) -> None:
    result = validate_inference(table(tmp_path / "i.csv", [{**SERVING, **change}]))
    assert {row["status"] for row in result["rows"]} == {status}


def test_assumptions_are_named_in_the_evidence(tmp_path: Path) -> None:
    row = {
        **SERVING,
        "kind": "mlperf_offline",
        "load_type": "offline_all_at_once",
        "isl": "",
        "osl": "",
        "weight_quant": "",
        "tp": "",
        "model": "llama2-70b-99",
    }
    found = by_metric(validate_inference(table(tmp_path / "i.csv", [row])))["output_tps_per_chip"]
    for text in ("benchmark's own lengths", "weight format blank", "layout blank"):
        assert text in found["evidence"]


def test_throughput_of_a_row_with_miscounted_chips_is_not_scored(tmp_path: Path) -> None:
    row = {**SERVING, "source_id": "inferencex-x", "model": "deepseek-v3", "weight_quant": "fp8", "chip_id": "h200-sxm"}
    row |= {"chips": "64", "ep": "8", "tp": "8"}
    found = by_metric(validate_inference(table(tmp_path / "i.csv", [row])))
    assert found["output_tps_per_chip"]["status"].startswith("faulty")
    assert found["tpot_mean_ms"]["status"] == "ok"


@pytest.mark.parametrize("validate", [validate_training, validate_inference])
def test_unusable_files_are_refused_with_their_place(tmp_path: Path, validate) -> None:
    with pytest.raises(InputError, match=r"gone\.csv"):
        validate(tmp_path / "gone.csv")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match=r"binary\.csv"):
        validate(binary)
    empty = tmp_path / "empty.csv"
    empty.write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="no column"):
        validate(empty)


def row(name: str, group: str, measured: float, predicted: float | None, low: float, high: float) -> ScoredRow:
    status = "ok" if predicted is not None else "missing"
    return ScoredRow(
        id=name,
        group=group,
        metric="m",
        measured=measured,
        predicted=predicted,
        low=low,
        high=high,
        evidence="",
        status=status,
    )


def test_score_by_hand() -> None:
    rows = [
        row("1", "a", 10, 11, 9, 12),
        row("2", "a", 10, 8, 7, 9),
        row("3", "b", 10, 15, 9, 20),
        row("4", "b", 10, None, 0, 0),
    ]
    found = score(rows)
    assert (found["n"], found["n_predicted"]) == (4, 3)
    assert found["median_ape"] == pytest.approx(0.2)
    assert found["mape"] == pytest.approx((0.1 + 0.2 + 0.5) / 3)
    assert found["bias"] == pytest.approx(0.1)
    assert found["coverage90"] == pytest.approx(2 / 3)
    assert found["mean_of_group_medians"] == pytest.approx((0.15 + 0.5) / 2)
    assert found["by"]["b"]["n_predicted"] == 1
    assert math.isclose(found["by_metric"]["m"]["mape"], found["mape"])


@pytest.mark.parametrize(
    ("columns", "shipped", "least", "apart"),
    [
        (training.COLUMNS, training.SHIPPED, 2_400, "neuron-trn1"),
        (inference.COLUMNS, inference.SHIPPED, 4_200, "llamacpp-xiongjiedai"),
    ],
)
def test_the_shipped_cases_are_read_where_no_file_is_named(columns, shipped, least: int, apart: str) -> None:
    rows = read_measured(None, columns, shipped)
    assert len(rows) > least
    assert all(column in rows[0] for column in columns)
    source = next(column for column in columns if column.startswith("source"))
    assert apart in {row[source] for row in read_measured(None, columns, shipped[1:])}
    assert apart not in {row[source] for row in read_measured(None, columns, shipped[:1])}


def test_the_shipped_runs_are_replayed_where_none_is_named() -> None:
    found = validate_serving()
    assert found["n_predicted"] == found["n"] == 15
    assert found["median_ape"] < 0.1
