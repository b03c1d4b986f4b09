"""A chip from a data sheet and a model from a configuration, both in a user's folder, work everywhere at once."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import chipwise as cw
from chipwise.cli.main import build_app
from chipwise.core.errors import ScenarioError

CHIP = """\
my-chip:
  vendor: Acme
  vendor_country: CN
  market: datacenter
  bf16: 148 TFLOPS
  mem: 96 GB
  mem_bw: 4 TB/s
  link_bidir: 900 GB/s
  tdp: 400 W
  source: Acme data sheet, 2026
"""
US_CHIP = CHIP.replace("my-chip", "my-us-chip").replace("vendor_country: CN", "vendor_country: US").replace("148", "90")
CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
}
PRICE = "price: {value: 4, range: [3, 5], unit: kUSD per chip, assume: quote}, lead_months: {value: 1, assume: quote}"
CHANGES = (
    ("id: small-startup-2023", "id: with-my-chip"),
    ("domestic: [", "domestic: [my-chip, "),
    ("small: [", "small: [my-us-chip, "),
    ("stock:\n", "stock:\n  - {chip: my-chip, count: {value: 8, assume: held}}\n"),
    (
        "  - {item: l20, access: buy",
        f"  - {{item: my-us-chip, access: buy, place: CN, {PRICE}, monthly_cap: {{value: 640, assume: quote}}}}\n"
        "  - {item: l20, access: buy",
    ),
    ("proxy: llama-2-7b, active", "proxy: my-model, active"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mine")
    (path / "chips.yaml").write_text(CHIP + US_CHIP, encoding="utf-8")
    (path / "models.yaml").write_text("my-model:\n  vendor: Acme\n  config: config.json\n", encoding="utf-8")
    (path / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    text = (resources.files("chipwise") / "data" / "scenarios" / "small-startup-2023.yaml").read_text(encoding="utf-8")
    for old, new in CHANGES:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (path / "mine.yaml").write_text(text, encoding="utf-8")
    return path


def run(*arguments: str) -> Any:
    result = CliRunner().invoke(build_app(), list(arguments), standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return json.loads(result.stdout)


def test_ten_lines_are_ten_lines() -> None:
    assert len(CHIP.splitlines()) == 10


def test_the_law_knows_it(folder: Path) -> None:
    case = ("--to", "CN", "--hq", "CN", "--on", "2023-12-01", "--catalog", str(folder), "--json")
    assert run("check", "my-chip", *case)["outcome"] == "needs_counsel"
    assert run("check", "my-us-chip", *case)["margins"]
    with pytest.raises(cw.UnknownName, match="my-chip"):
        run("check", "my-chip", *case[:6])


def test_the_physics_know_it(folder: Path) -> None:
    pair = ("--model", "my-model", "--chip", "my-chip", "--catalog", str(folder), "--json")
    train, serve = run("train", "estimate", *pair), run("serve", "estimate", *pair)
    for found in (train, serve):
        assert (found["chip"], found["model"]) == ("my-chip", "my-model")
        assert found["evidence"] == "data sheet only"
        assert "chips/my-chip#bf16" in found["facts"]
    assert train["peak_flop_per_s"] == 148e12
    text = CliRunner().invoke(build_app(), ["train", "estimate", *pair[:-1], "--explain"], standalone_mode=False).stdout
    assert "Acme data sheet, 2026" in text


def test_the_plan_knows_it_with_its_facts(folder: Path, tmp_path: Path) -> None:
    scenario = str(folder / "mine.yaml")
    options = ("--catalog", str(folder), "--json", "--draws", "1000", "--quick")
    plan = run("plan", scenario, *options, "--out", str(tmp_path / "out"))
    facts = {fact["id"]: fact for fact in plan["facts"]}
    assert facts["chips/my-chip#mem_bytes"]["source"] == "Acme data sheet, 2026"
    assert facts["chips/my-chip#mem_bytes"]["status"] == "assumed"
    assert "models/my-model#params_total" in facts
    assert {"my-chip", "my-us-chip"} <= {row["chip"] for row in plan["yields"] if row["status"] == "ok"}
    assert {"my-chip", "my-us-chip"} <= {row["chip"] for row in plan["verdicts"]}
    bought = {branch["id"]: branch["bought"].get("my-us-chip", 0.0) for branch in plan["plan"]["branches"]}
    assert any(bought.values())
    assert "my-us-chip" in set(pq.read_table(tmp_path / "out" / "lines.parquet").column("chip").to_pylist())
    assert "my-us-chip" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_runway_and_scenario_commands_know_it(folder: Path) -> None:
    scenario, catalog = str(folder / "mine.yaml"), ("--catalog", str(folder), "--json")
    assert run("scenario", "validate", scenario, *catalog)["ok"]
    assert run("scenario", "show", scenario, *catalog)
    assert run("runway", scenario, *catalog, "--draws", "1000")["scenario"] == "with-my-chip"
    with pytest.raises(ScenarioError, match=r"mine.yaml:\d+ .*'my-us-chip'"):
        run("runway", scenario, "--draws", "1000")


def test_python_says_the_same(folder: Path) -> None:
    catalogue = cw.load_catalogue(overlays=[folder])
    scenario = cw.load_scenario(folder / "mine.yaml", catalogue=catalogue)
    found = cw.plan(scenario, catalogue=catalogue, draws=1000, with_sensitivity=False)
    assert any(fact.id == "chips/my-us-chip#bf16" for fact in found.facts)
    assert found.data_snapshot != cw.plan("small-startup-2023", draws=1000, with_sensitivity=False).data_snapshot
    assert cw.check("my-chip", to="CN", hq="CN", on="2023-12-01", catalogue=catalogue).chip_id == "my-chip"
    assert cw.estimate_training("my-chip", "my-model", catalogue=catalogue).peak_flop_per_s == 148e12
