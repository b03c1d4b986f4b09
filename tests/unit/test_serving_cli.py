"""Everything the simulator can do, from the command line."""

from __future__ import annotations

import itertools
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from typer.testing import CliRunner

from chipwise.cli.main import build_app
from chipwise.serving import generate, read_trace, simulate, step_cost
from chipwise.serving.operation import Outage, drawn_failures, merged_outages, rolling_maintenance
from chipwise.serving.replica import preset

BASE = ("serve", "simulate", "--model", "llama-3.1-8b", "--json")
ONE = (*BASE, "--chip", "l40s", "--trace", "poisson:3:800:100:400")


def run(*words: str) -> Any:
    result = CliRunner().invoke(build_app(), list(words))
    assert result.exit_code == 0, result.output + repr(result.exception)
    return json.loads(result.output)


def refused(*words: str) -> str:
    result = CliRunner().invoke(build_app(), list(words))
    assert result.exception is not None
    line = getattr(result.exception, "line", None)
    return line() if line else result.output


def test_a_fleet_of_several_chips_behind_every_router() -> None:
    for router in ("round robin", "least load", "prefix", "slo"):
        answer = run(
            *BASE,
            "--fleet",
            "h20-96:2=1,l40s=2",
            "--trace",
            "poisson:8:500:80:600",
            "--router",
            router,
            "--slo-ttft-ms",
            "500",
        )
        assert answer["done"] == 600
        assert answer["chips"] == 4
        assert sorted({row["chip"] for row in answer["replicas"]}) == ["h20-96", "l40s"]
    split = run(
        *BASE,
        "--fleet",
        "l40s=3",
        "--trace",
        "poisson:4:500:80:200 + poisson:1:3000:80:50",
        "--router",
        "length split",
        "--long-replicas",
        "1",
        "--long-tokens",
        "2000",
    )
    assert split["done"] == 250
    assert all(row["busy_share"] > 0 for row in split["replicas"])


def test_swap_drafts_priorities_chunks_and_patience_change_the_answer(tmp_path: Path) -> None:
    plain = run(*ONE)
    tight = run(*ONE, "--kv-tokens", "6000")
    swapped = run(*ONE, "--kv-tokens", "6000", "--preemption", "swap", "--swap-gb-per-s", "25")
    assert tight["preemptions"] > 0
    assert swapped["preemptions"] > 0
    assert swapped["latency_s"] != tight["latency_s"]
    drafted = run(*ONE, "--draft-tokens", "3", "--acceptance", "0.7", "--draft-ms", "1")
    assert drafted["tpot_s"]["p50"] < plain["tpot_s"]["p50"]
    left = run(*ONE, "--patience-s", "2")
    assert 0 < left["cancelled"] < 400
    assert left["done"] + left["cancelled"] == 400
    late = run(*ONE, "--timeout-s", "2.5")
    assert late["cancelled"] > 0
    chunked = run(*ONE, "--chunk-tokens", "64")
    assert chunked["ttft_s"]["p50"] > plain["ttft_s"]["p50"]
    trace = generate("poisson:12:800:100:300", seed=1)
    rows = "".join(f"{a},800,100,{k % 2}\n" for k, a in enumerate(trace.arrival_s))
    path = tmp_path / "p.csv"
    path.write_text("arrival_s,input_tokens,output_tokens,priority\n" + rows)
    found = run(
        *BASE,
        "--chip",
        "l40s",
        "--trace",
        str(path),
        "--priorities",
        "--max-batch",
        "8",
        "--out",
        str(tmp_path / "out"),
    )
    table = parquet.read_table(tmp_path / "out" / "requests.parquet").to_pandas()
    assert found["done"] == 300
    waited = (table.first_token_s - table.arrival_s).groupby([k % 2 for k in range(300)]).mean()
    assert waited[0] < 0.5 * waited[1]


def test_outages_failures_maintenance_and_autoscaling() -> None:
    words = (*BASE, "--fleet", "l40s=3", "--trace", "poisson:6:800:100:1500", "--router", "least load")
    calm = run(*words)
    for extra in (
        ("--outage", "0:20:90", "--outage", "1:40:60"),
        ("--failures", "0.02:0.01"),
        ("--maintenance", "0.05:0.01"),
        ("--autoscale", "1:8:2:5:2"),
    ):
        troubled = run(*words, *extra)
        assert troubled["done"] == 1500
        assert troubled["latency_s"]["p99"] > calm["latency_s"]["p99"]
        assert sum(row["on_s"] for row in troubled["replicas"]) < sum(row["on_s"] for row in calm["replicas"])


def test_pools_for_prompts_and_answers_on_unlike_chips() -> None:
    answer = run(
        *BASE,
        "--fleet",
        "l40s=2,h20-96=1",
        "--trace",
        "poisson:4:1500:150:300",
        "--prefill-replicas",
        "2",
        "--link-gb-per-s",
        "12",
        "--runs",
        "3",
    )
    assert answer["done"] == 300
    assert [row["pool"] for row in answer["replicas"]] == ["prefill", "prefill", "decode"]
    assert answer["intervals90"]["runs"] == 3


def test_threads_change_nothing_but_the_time() -> None:
    words = (*BASE, "--fleet", "l40s=3", "--trace", "poisson:6:800:100:600")
    one, two = run(*words), run(*words, "--threads", "2")
    assert one["latency_s"] == two["latency_s"]


def test_costs_energy_and_pictures(tmp_path: Path) -> None:
    answer = run(*ONE, "--out", str(tmp_path))
    cost = answer["cost"]
    assert cost["usd"] == pytest.approx(cost["usd_per_hour"] * cost["chip_hours"])
    assert cost["usd_per_million_output_tokens"] == pytest.approx(cost["usd"] / 40_000 * 1e6)
    assert answer["energy_j"] > 0
    picture = ET.fromstring((tmp_path / "simulation.svg").read_text())
    assert len(picture.findall(".//{http://www.w3.org/2000/svg}polyline")) == 8


@pytest.mark.parametrize("trace", ["azure", "mooncake", "poisson:5:1:1:10", "sessions:1:30:3:5:200:50"])
def test_a_trace_in_numbers_and_pictures(tmp_path: Path, trace: str) -> None:
    answer = run("serve", "trace", trace, "--json", "--out", str(tmp_path))
    assert answer["requests"] == len(read_trace(tmp_path / "trace.parquet"))
    assert answer["input_mean"] > 0
    assert "<svg" in (tmp_path / "trace.svg").read_text()
    shown = CliRunner().invoke(build_app(), ["serve", "trace", trace])
    assert shown.exit_code == 0
    assert f"{answer['requests']:,}" in shown.output


def test_what_does_not_go_together_is_said() -> None:
    assert "--chip" in refused(*BASE, "--trace", "azure")
    assert "--fleet" in refused(*BASE, "--fleet", "l40s", "--trace", "azure")
    assert "--swap-gb-per-s" in refused(*ONE, "--preemption", "swap")
    assert "--acceptance" in refused(*ONE, "--draft-tokens", "2")
    assert "preemption" in refused(*ONE, "--preemption", "drop")
    assert "--autoscale" in refused(*ONE, "--autoscale", "1:2")
    assert "Autoscale" in refused(*ONE, "--autoscale", "1:2:8:60")
    assert "--outage" in refused(*ONE, "--outage", "0:5")
    assert "outages" in refused(*ONE, "--outage", "7:5:9")
    assert "--prefill-replicas" in refused(*ONE, "--prefill-replicas", "1")
    assert "--long-replicas" in refused(*ONE, "--long-replicas", "1")
    assert "--chips" in refused(
        "serve", "size", "--model", "llama-3.1-8b", "--trace", "azure", "--slo-ttft-ms", "1", "--slo-tpot-ms", "1"
    )


def test_a_prompt_too_long_for_any_replica_is_rejected_and_said(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n0,100,10\n1,900000000,10\n2,100,10\n")
    result = CliRunner().invoke(
        build_app(), [*(w for w in BASE if w != "--json"), "--chip", "l40s", "--trace", str(path)]
    )
    assert result.exit_code == 0
    assert "rejected 1" in result.output
    assert "tokens of cache of a replica" in result.output


@pytest.mark.parametrize("rows", ["0,100,10", "5,100,1\n5,100,1\n5,30,7", "0,1,1\n100000000,1,1"])
def test_tiny_and_stretched_traces_are_run(tmp_path: Path, rows: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"arrival_s,input_tokens,output_tokens\n{rows}\n")
    answer = run(*BASE, "--chip", "l40s", "--trace", str(path), "--out", str(tmp_path / "out"), "--runs", "2")
    assert answer["done"] == rows.count("\n") + 1
    assert answer["ttft_s"]["p99"] > 0
    run("serve", "trace", str(path), "--json", "--out", str(tmp_path / "out"))


def test_failures_are_drawn_each_on_its_own_and_never_overlap() -> None:
    found = drawn_failures(4, 1e6, 5e4, 1e4, seed=3)
    away = sum(outage.end_s - outage.start_s for outage in found)
    assert away / (4 * 1e6) == pytest.approx(1 / 6, rel=0.35)
    assert drawn_failures(4, 1e6, 5e4, 1e4, seed=3) == found
    in_turn = rolling_maintenance(3, 1000.0, 400.0, 50.0)
    assert all(a.end_s <= b.start_s for a, b in itertools.pairwise(in_turn) if a.replica == b.replica)
    first, second = (Outage(replica=0, start_s=s, end_s=e) for s, e in ((1.0, 5.0), (4.0, 9.0)))
    assert merged_outages((second, first)) == (Outage(replica=0, start_s=1.0, end_s=9.0),)


def test_a_replica_that_is_off_is_not_switched_on_by_a_repair() -> None:
    from chipwise.serving import Autoscale, Operation

    cost = step_cost("l40s", "llama-3.1-8b", chips=1)
    part = cost, preset("vllm", kv_tokens=cost.kv_capacity_tokens)
    operation = Operation(
        outages=(Outage(replica=2, start_s=1.0, end_s=2.0),),
        autoscale=Autoscale(fewest=1, load_up=1e6, load_down=0.0),
    )
    result = simulate(generate("poisson:1:50:5:60", seed=1), [part] * 3, router="least load", operation=operation)
    assert [row["on_s"] > 0 for row in result.replicas] == [True, False, False]
