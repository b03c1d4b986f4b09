"""Step costs, the command line, sizing and validation of the simulator."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from typer.testing import CliRunner

from chipwise.cli.main import build_app
from chipwise.core.errors import InputError
from chipwise.perf.step_cost import StepCost, step_cost
from chipwise.serving import generate, size_fleet
from chipwise.serving.fleet_cost import fleet_cost
from chipwise.validation.serving import validate_serving


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(build_app(), list(words))
    return result.exit_code, result.output


def test_a_step_costs_more_with_more_of_anything() -> None:
    cost = step_cost("h20-96", "llama-3.1-8b", chips=1)
    base = {"prefill_tokens": 512.0, "prefill_pairs": 1e5, "decode_sequences": 16.0, "decode_context_tokens": 2e4}
    for name, value in base.items():
        assert cost.step_time_s(**{**base, name: 2 * value}) > cost.step_time_s(**base)
    both = step_cost("h20-96", "llama-3.1-8b", chips=2)
    assert both.kv_capacity_tokens > 2 * cost.kv_capacity_tokens
    assert both.step_time_s(**base) < cost.step_time_s(**base)


def test_a_group_that_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="--chips"):
        step_cost("h20-96", "llama-3.1-8b", chips=3)
    with pytest.raises(InputError, match="do not fit"):
        step_cost("rtx-4090", "llama-3.1-70b", chips=1)
    with pytest.raises(InputError, match="ascending"):
        StepCost(overhead_s=0.0, breakpoints=((1.0, 0.0), (0.0, 0.0)))


def test_simulate_keeps_its_contract(tmp_path: Path) -> None:
    words = ["serve", "simulate", "--model", "llama-3.1-8b", "--chip", "l40s", "--trace", "poisson:2:512:128:300"]
    status, text = run(*words, "--slo-ttft-ms", "1000", "--slo-tpot-ms", "100", "--json", "--out", str(tmp_path))
    answer = json.loads(text)
    assert status == 0
    assert answer["requests"] == 300
    assert answer["tokens"] == 300 * 640
    assert answer["seconds"] > 0
    for key in ("ttft_s", "tpot_s", "latency_s"):
        assert 0 < answer[key]["p50"] <= answer[key]["p90"] <= answer[key]["p99"]
    assert answer["goodput"]["share"] > 0.9
    assert parquet.read_table(tmp_path / "requests.parquet").num_rows == 300
    status, text = run(*words, "--runs", "4")
    assert status == 0
    assert "over 4 draws" in text


def test_size_names_a_fleet_that_meets_the_targets() -> None:
    trace = generate("poisson:12:800:150:1500", seed=1)
    found = size_fleet("llama-3.1-8b", trace, ["l40s", "h20-96"], slo_ttft_s=1.0, slo_tpot_s=0.06, spares=1, runs=6)
    for fleet in found.per_chip.values():
        assert fleet.confirmed_share >= 0.95
        assert fleet.good_share >= 0.985
    (one,) = found.per_chip["l40s"].replicas.values()
    assert one >= 2
    assert found.to_dict()["per_chip"]["l40s"]["spares"] == 1


def test_a_chip_too_slow_for_the_targets_is_said_why() -> None:
    trace = generate("poisson:1:800:50:100", seed=1)
    found = size_fleet("llama-3.1-8b", trace, ["h20-96", "t4"], slo_ttft_s=0.5, slo_tpot_s=0.02, runs=2)
    assert "t4" in found.why_not
    assert "h20-96" in found.per_chip


def test_costs_come_from_named_prices_or_not_at_all() -> None:
    from chipwise.catalogue import load_catalogue

    catalogue = load_catalogue()
    priced = fleet_cost({"l40s": 2}, catalogue)
    assert priced.usd_per_hour is not None
    assert priced.sources
    bare = fleet_cost({"l40s": 2, "h20-96": 1}, catalogue)
    assert bare.usd_per_hour is None
    assert "h20-96" in bare.note


def test_what_a_stock_carries() -> None:
    status, text = run(
        *("serve", "size", "--model", "llama-3.1-8b", "--chips", "l40s", "--stock", "l40s=16", "--json"),
        *("--trace", "poisson:6:800:150:1200", "--slo-ttft-ms", "1000", "--slo-tpot-ms", "60"),
        *("--tokens-per-user-day", "20000"),
    )
    answer = json.loads(text)
    assert status == 0
    assert answer["users"]["value"] == pytest.approx(answer["tokens_per_day"]["value"] / 20000)
    assert answer["users"]["low"] < answer["users"]["value"] < answer["users"]["high"]
    assert answer["peak_requests_per_s"]["value"] > 6


def test_validation_replays_a_described_run(tmp_path: Path) -> None:
    n = 60
    arrival = np.arange(n) * 0.5
    table = {
        "arrival_s": arrival,
        "input_tokens": np.full(n, 500),
        "output_tokens": np.full(n, 50),
        "last_token_s": arrival + 2.0,
        "ttft_s": np.full(n, 0.1),
        "tpot_s": np.full(n, 0.03),
    }
    parquet.write_table(pa.table(table), tmp_path / "one.parquet")
    (tmp_path / "runs.yaml").write_text(
        "common: {engine: vllm}\nruns:\n"
        "  - {file: one.parquet, model: meta-llama/Llama-3.1-8B, chip_id: l40s, tp: 1, max_num_seqs: 64}\n"
        "  - {file: one.parquet, model: no-such-model, chip_id: l40s, tp: 1}\n"
    )
    found = validate_serving(tmp_path)
    assert found["n_predicted"] == 5
    assert {row["metric"] for row in found["rows"]} >= {"tpot_mean_s", "ttft_p50_s", "latency_p99_s"}
    assert any("no model is called" in row["status"] for row in found["rows"])
    blind = validate_serving(tmp_path, without_own=True)
    assert [row["predicted"] for row in blind["rows"][:5]] != [row["predicted"] for row in found["rows"][:5]]
    assert "measured on this chip" not in blind["rows"][0]["evidence"]
    with pytest.raises(InputError, match=r"runs\.yaml"):
        validate_serving(tmp_path / "no-such-folder" / "runs.yaml")
