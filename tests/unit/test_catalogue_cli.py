"""`chipwise chips`, `models` and `facts`: what they print and how they exit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from chipwise.cli import chips, facts, models
from chipwise.core.errors import InputError, UnknownName
from tools.build_catalogue import REFERENCE, reference_text

APPS = {"chips": chips.app, "models": models.app, "facts": facts.app}


def run(group: str, *arguments: str) -> Result:
    return CliRunner().invoke(APPS[group], list(arguments), catch_exceptions=False)


def load(group: str, *arguments: str) -> dict:
    result = run(group, *arguments, "--json")
    assert result.exit_code == 0
    return json.loads(result.stdout)


def test_list_filters_and_counts() -> None:
    answer = load("chips", "list", "--country", "CN", "--on", "2023-11-01", "--min-memory", "64 GB")
    assert answer["n"] == len(answer["chips"]) > 5
    assert all(chip["vendor_country"] == "CN" and chip["mem_bytes"] >= 64e9 for chip in answer["chips"])
    text = run("chips", "list", "--country", "CN", "--on", "2023-11-01", "--min-memory", "64").stdout
    assert f"{answer['n']} of 204 chips" in text
    assert "Not legal advice" in text


def test_list_with_nothing_found_says_no() -> None:
    assert run("chips", "list", "--vendor", "Cerebras", "--market", "consumer").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--vendor", "Nvidea"), "NVIDIA"),
        (("--market", "datacentre"), "datacenter"),
        (("--country", "XX"), "CA . CN . US"),
        (("--confidence", "Z"), "A . B . C"),
        (("--min-memory", "64 W"), "power, not bytes"),
        (("--on", "2023-13-01"), "YYYY-MM-DD"),
    ],
)
def test_a_bad_filter_is_told(arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(InputError, match=told):
        run("chips", "list", *arguments)


def test_show_gives_every_figure_its_unit_source_and_date() -> None:
    answer = load("chips", "show", "H20", "--on", "2026-11-24")
    assert answer["id"] == "h20-96"
    assert answer["stale"] is False
    for fact in answer["facts"]:
        assert fact["id"].startswith("chips/h20-96#")
        assert fact["source"]
        assert {"value", "unit", "status", "as_of", "checked_on"} <= set(fact)
    figures = {fact["id"].rpartition("#")[2]: fact["value"] for fact in answer["facts"]}
    assert figures["tpp"] == 2368
    assert figures["mem_bytes_per_s"] == 4e12
    assert load("chips", "show", "H20", "--on", "2028-01-01")["stale"] is True


def test_show_explains_tpp_and_marks_market_facts() -> None:
    text = run("chips", "show", "h20-96", "--explain").stdout
    assert "148 x 10^12/s x 16 bit (bf16) = 2,368" in text
    assert "TPP / 814 mm2 = 2.909" in text
    assert "market fact, no offer" in text
    answer = load("chips", "show", "h20-96")
    assert all(price["market_fact_only"] for price in answer["prices"] if price["kind"] in {"street", "resale"})
    assert {price["item"] for price in answer["prices"]} >= {"h20-96", "hgx-h20"}
    dates = [price["date"] for price in answer["prices"]]
    assert dates == sorted(dates)


def test_show_of_a_range_shows_the_range() -> None:
    text = run("chips", "show", "ascend-910b").stdout
    assert "320 (280 to 400)" in text
    assert "5,120 (4,480 to 6,400)" in text


def test_compare_keeps_the_order_and_the_gaps() -> None:
    answer = load("chips", "compare", "H100", "h20-96", "ascend-910b")
    assert answer["chips"] == ["h100-sxm", "h20-96", "ascend-910b"]
    rows = {row["field"]: row["facts"] for row in answer["rows"]}
    assert [fact["value"] for fact in rows["tpp"]][1:] == [2368, 5120]
    assert rows["fp8"][2]["value"] is None
    text = run("chips", "compare", "H100", "h20-96").stdout
    assert "[0.15x]" in text
    with pytest.raises(InputError, match="two or more"):
        run("chips", "compare", "H100")
    with pytest.raises(UnknownName):
        run("chips", "compare", "H100", "H9000")


def test_prices_are_a_dated_history() -> None:
    bought = load("chips", "prices", "h20-96", "--place", "China")
    assert bought["n"] == len(bought["prices"]) > 3
    assert all(price["usd_per_chip"] > 0 and price["place"] == "China" for price in bought["prices"])
    rent = load("chips", "prices", "H100", "--rental")
    dates = [price["date"] for price in rent["prices"]]
    assert dates == sorted(dates)
    assert all(price["usd_per_gpu_hour"] > 0 for price in rent["prices"])
    assert {"p5", "h100-sxm"} <= {price["item"] for price in rent["prices"]}
    assert {price["item"] for price in load("chips", "prices", "p5", "--rental")["prices"]} == {"p5"}
    text = run("chips", "prices", "h20-96").stdout
    assert "street *" in text
    assert "no offer" in text
    assert run("chips", "prices", "rtx-3070", "--rental").exit_code == 1
    with pytest.raises(InputError, match="China"):
        run("chips", "prices", "h20-96", "--place", "Chine")


def test_systems_and_supply() -> None:
    answer = load("chips", "systems", "--chip", "H100")
    assert {"dgx-h100", "hgx-h100", "p5"} == {system["id"] for system in answer["systems"]}
    assert "hgx-h20" in run("chips", "systems").stdout
    assert run("chips", "systems", "--chip", "rtx-3070").exit_code == 1
    text = run("chips", "show", "hgx-h20").stdout
    assert "8 x h20-96" in text
    assert "H20 96GB" in text
    huawei = load("chips", "supply", "--subject", "huawei", "--year", "2025")
    assert huawei["n"] == len(huawei["supply"]) > 2
    assert "not deliveries" in run("chips", "supply", "--subject", "huawei").stdout
    with pytest.raises(InputError, match="Huawei"):
        run("chips", "supply", "--subject", "huawai")
    assert run("chips", "supply", "--chip", "rtx-3070").exit_code == 1


def test_an_ambiguous_name_says_how_it_is_read() -> None:
    assert "'H800' is read as h800-sxm" in run("chips", "show", "H800").stdout


def test_another_database_that_differs_is_shown() -> None:
    (other,) = load("chips", "show", "p40")["second_opinions"]
    assert other["value"] == 694.3e9
    assert "346" in other["note"]
    assert "694.3 GB/s in the Epoch AI" in run("chips", "show", "p40").stdout


def test_models_list_and_show() -> None:
    answer = load("models", "list", "--vendor", "deepseek", "--kind", "moe")
    assert all(model["vendor"] == "DeepSeek" and model["kind"] == "moe" for model in answer["models"])
    record = load("models", "show", "DeepSeek-R1")
    assert record["id"] == "deepseek-v3"
    assert record["kv_bytes_per_token"]["8 bit"] == 35136
    assert record["shape"]["mla_kv_lora_rank"] == 512
    assert "mla_kv_lora_rank" in run("models", "show", "deepseek-v3", "--explain").stdout
    assert "nothing can be computed" in run("models", "show", "Yi-Lightning").stdout
    with pytest.raises(InputError, match=r"dense . moe"):
        run("models", "list", "--kind", "sparse")
    assert run("models", "list", "--vendor", "Meta", "--country", "CN").exit_code == 1


def test_an_imported_configuration_comes_back_as_the_same_model(tmp_path: Path) -> None:
    config = {"model_type": "qwen3", "num_hidden_layers": 36, "hidden_size": 4096, "intermediate_size": 12288}
    config |= {"num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936}
    config |= {"tie_word_embeddings": False, "max_position_embeddings": 40960}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    answer = load("models", "import", str(tmp_path), "--as", "mine")
    printed = run("models", "import", str(tmp_path), "--as", "mine").stdout
    folder = tmp_path / "catalogue"
    folder.mkdir()
    (folder / "models.yaml").write_text(printed, encoding="utf-8")
    record = load("models", "show", "mine", "--catalog", str(folder))
    assert record["params_total"] == pytest.approx(answer["derived"]["params_total"])
    assert record["params_total"] == pytest.approx(load("models", "show", "qwen3-8b")["params_total"], rel=1e-3)
    assert record["shape"] == answer["shape"]


def test_facts() -> None:
    text = run("facts", "licences", "--full").stdout
    assert "Apache License" in text
    assert "Permission is hereby granted" in text
    assert "Redistributions of source code" in text
    assert load("facts", "licences")["texts"] == ["Apache-2.0.txt", "BSD-3-Clause.txt", "MIT.txt"]
    assert "Apache-2.0" in run("facts", "licences").stdout
    assert load("facts", "dictionary", "chips")["fields"][0]["field"] == "id"
    assert "mem_gb" in run("facts", "dictionary", "chips").stdout
    with pytest.raises(UnknownName, match="chips"):
        run("facts", "dictionary", "chip")


def test_the_schema_names_every_field() -> None:
    schema = json.loads(run("facts", "schema", "chips").stdout)
    fields = schema["additionalProperties"]["properties"]
    assert {"mem", "mem_gb", "bf16", "bf16_tflops", "source", "aliases"} <= set(fields)
    assert "id" not in fields
    assert fields["market"]["enum"][:2] == ["datacenter", "consumer"]
    with pytest.raises(UnknownName):
        run("facts", "schema", "aliases")


def test_the_reference_page_is_up_to_date() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == reference_text()


def test_models_are_filtered_by_day_and_confidence() -> None:
    early = load("models", "list", "--on", "2020-06-30")
    assert early["n"] == len(early["models"]) > 3
    assert all(model["release_date"][:7] <= "2020-06" for model in early["models"])
    sure = load("models", "list", "--confidence", "high")
    assert {model["confidence"] for model in sure["models"]} == {"high"}
    assert sure["n"] < load("models", "list", "--confidence", "medium")["n"] <= load("models", "list")["n"]
    with pytest.raises(InputError, match=r"high . medium . low"):
        run("models", "list", "--confidence", "sure")


def test_the_list_says_how_fresh_it_is() -> None:
    assert "Last compared with their sources from 20" in run("chips", "list").stdout
    assert all("checked_on" in chip for chip in load("chips", "list")["chips"])


def test_a_model_is_found_by_the_name_after_its_maker() -> None:
    assert load("models", "show", "Meta-Llama-3-70B")["id"] == "llama-3-70b"
    assert load("models", "show", "CodeLlama-34b-Instruct-hf")["id"] == "llama-2-34b"
