"""A user's folder: rows that add, rows that override, bad rows told with their place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chipwise.catalogue import load_catalogue
from chipwise.catalogue.measures import chip_fact, performance_density, tpp
from chipwise.core.errors import DataError, InputError, UnknownName

TEN_LINES = """\
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


def folder(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        stem, _, ending = name.rpartition("_")
        (tmp_path / f"{stem}.{ending}").write_text(text, encoding="utf-8")
    return tmp_path


def test_a_chip_in_ten_lines(tmp_path: Path) -> None:
    assert len(TEN_LINES.splitlines()) == 10
    catalogue = load_catalogue(overlays=[folder(tmp_path, chips_yaml=TEN_LINES)])
    chip = catalogue.chip("my-chip")
    assert chip.rates == {"bf16": 148e12}
    assert (chip.mem_bytes, chip.mem_bytes_per_s, chip.tdp_w) == (96e9, 4e12, 400)
    assert chip.link_bytes_per_s_per_dir == 450e9
    assert tpp(chip) == 2368
    assert performance_density(chip) is None
    assert (chip.fact_status, chip.confidence, chip.checked_on) == ("assumed", "C", None)
    assert chip_fact(chip, "mem_bytes").source == "Acme data sheet, 2026"
    assert len(catalogue.chips) == len(load_catalogue().chips) + 1
    assert catalogue.snapshot != load_catalogue().snapshot
    assert "my-chip" not in load_catalogue().chips


def test_a_row_with_a_known_id_changes_only_what_it_gives(tmp_path: Path) -> None:
    text = "h20-96:\n  tdp: 550 W\n  fp8: null\n  bf16: {value: 148 TFLOPS, range: [140 TFLOPS, 150 TFLOPS]}\n"
    changed = load_catalogue(overlays=[folder(tmp_path, chips_yaml=text)]).chip("h20-96")
    shipped = load_catalogue().chip("h20-96")
    assert changed.tdp_w == 550
    assert "fp8" not in changed.rates
    assert changed.rate_ranges["bf16"] == (140e12, 150e12)
    assert changed.mem_bytes == shipped.mem_bytes
    assert chip_fact(changed, "tdp_w").source == "user file chips.yaml"
    assert chip_fact(changed, "tdp_w").status == "assumed"
    assert chip_fact(changed, "mem_bytes") == chip_fact(shipped, "mem_bytes")


def test_csv_rows(tmp_path: Path) -> None:
    text = "id,vendor,vendor_country,market,bf16_tflops,mem_gb\nmy-csv,Acme,DE,workstation,100,48\nh20-96,,,,,144\n"
    catalogue = load_catalogue(overlays=[folder(tmp_path, chips_csv=text)])
    assert catalogue.chip("my-csv").rates["bf16"] == 100e12
    assert catalogue.chip("h20-96").mem_bytes == 144e9
    assert catalogue.chip("h20-96").vendor == "NVIDIA"


def test_later_folders_win(tmp_path: Path) -> None:
    folders = []
    for name, power in (("a", 500), ("b", 600)):
        (tmp_path / name).mkdir()
        folders.append(folder(tmp_path / name, chips_yaml=f"h20-96:\n  tdp: {power} W\n"))
    assert load_catalogue(overlays=folders).chip("h20-96").tdp_w == 600
    assert load_catalogue(overlays=folders[::-1]).chip("h20-96").tdp_w == 500
    assert load_catalogue(overlays=folders).overlays == ("a", "b")


def test_systems_prices_and_aliases(tmp_path: Path) -> None:
    system = "my-box:\n  chip_id: my-chip\n  chips: 8\n  fabric_gbs_per_chip_bidir: 900\n  scaleout: 400 Gbit/s\n"
    price = "P-mine:\n  item_id: my-box\n  date: 2026-11\n  place: China\n  kind: list\n  basis: per server\n"
    price += "  usd_per_chip: 12000 USD\n"
    files = folder(tmp_path, chips_yaml=TEN_LINES + "  aliases: [Acme One]\n", systems_yaml=system, prices_yaml=price)
    catalogue = load_catalogue(overlays=[files])
    assert catalogue.chip("acme one").id == "my-chip"
    box = catalogue.server_of("my-chip")
    assert box.id == "my-box"
    assert box.scaleout_bytes_per_s_per_chip == 50e9
    assert [entry.usd_per_chip for entry in catalogue.prices_of("my-box")] == [12000]


def test_a_model_from_its_columns_or_its_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    text = "mine:\n  vendor: Acme\n  config: config.json\n"
    text += "tiny-mine:\n  vendor: Acme\n  layers: 2\n  hidden: 64\n  ffn_hidden: 128\n  gated_mlp: yes\n  heads: 4\n"
    text += "  kv_heads: 4\n  head_dim: 16\n  vocab: 100\n  tied_embeddings: no\n  attention: mha\n"
    text += '  attention_groups: "full:n=2,H=4,K=4,d=16"\n  full_attn_layers: 2\n  dense_mlp_layers: 2\n'
    catalogue = load_catalogue(overlays=[folder(tmp_path, models_yaml=text)])
    assert catalogue.model("mine").params_total == pytest.approx(load_catalogue().model("llama-3.1-8b").params_total)
    tiny = catalogue.model("tiny-mine")
    assert tiny.params_total == 2 * 100 * 64 + 2 * (4 * 64 * 64 + 3 * 64 * 128) + 64 * 5
    assert tiny.kv_elems_per_token == 2 * 2 * 64


def test_a_model_can_be_changed(tmp_path: Path) -> None:
    text = "llama-2-7b:\n  vocab: 64000\n"
    changed = load_catalogue(overlays=[folder(tmp_path, models_yaml=text)]).model("llama-2-7b")
    shipped = load_catalogue().model("llama-2-7b")
    assert changed.params_total - shipped.params_total == pytest.approx(2 * 32000 * 4096, rel=1e-3)
    assert changed.layers == shipped.layers


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("my-chip:\n  mem: 96\n", r"chips.yaml:2 my-chip.mem: 96 has no unit; allowed: 96 GB"),
        ("my-chip:\n  mem: 96 W\n", r"chips.yaml:2 .*'96 W' is power, not bytes"),
        ("my-chip:\n  mem: many GB\n", r"chips.yaml:2 .*no number"),
        ("my-chip:\n  mem: -4 GB\n", r"chips.yaml:2 .*above 0"),
        ("my-chip:\n  mem: 1e300 GB\n", r"chips.yaml:2 "),
        ("my-chip:\n  memry: 96 GB\n", r"chips.yaml:2 .*'memry' is no field here; nearest: mem"),
        ("my-chip:\n  market: datacentre\n", r"chips.yaml:2 .*nearest: datacenter"),
        ("my-chip:\n  mem: 96 GB\n", r"chips.yaml:1 .*must also give vendor, vendor_country, market"),
        ("my-chip: 5\n", r"chips.yaml:1 .*5 is no mapping"),
        ("- my-chip\n", r"chips.yaml:1: the file is no mapping"),
        ("my-chip:\n  mem: 96 GB\n  mem_gb: 80\n", r"chips.yaml:3 .*given twice"),
        ("my-chip:\n  mem: {value: 9 GB, range: [10 GB, 11 GB]}\n", r"outside its range"),
        ("my-chip:\n  mem: {value: 9 GB}\n", r"range: \[low, high\]"),
        ("my-chip:\n  mem: [1, 2]\n", r"chips.yaml:2 "),
        ("my-chip:\n  id: other\n", r"'id' is no field here"),
        ("h20-96:\n  china_variant_of: h900\n", r"china_variant_of: 'h900' is in no table; nearest: h"),
        ("h20-96:\n  aliases: h20\n", r"list of names"),
        ("h20-96:\n  aliases: [h100-sxm]\n", r"'h100-sxm' is an id and an alias"),
        ("a: [\n", r"chips.yaml:1: not valid YAML"),
        ("", r"empty"),
        ("../../etc:\n  mem: 96 GB\n", r"chips.yaml:1 .*is no id"),
    ],
)
def test_a_bad_row_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        load_catalogue(overlays=[folder(tmp_path, chips_yaml=text)])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,mem\nx,1\n", r"chips.csv:1: 'mem' is no column of this table; nearest: mem_gb"),
        ("name\nx\n", r"lacks 'id'"),
        ("id,mem_gb\nh20-96,much\n", r"chips.csv:2 mem_gb: 'much'"),
        ("id,mem_gb\n,80\n", r"chips.csv:2 id: is blank"),
        ("id,mem_gb\nh20-96\n", r"chips.csv:2: 1 cells under 2 headings"),
        ("id,mem_gb,mem_gb\nh20-96,1,2\n", r"repeated"),
    ],
)
def test_a_bad_csv_row_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        load_catalogue(overlays=[folder(tmp_path, chips_csv=text)])


def test_a_folder_without_tables_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"chips\.yaml, .*\.parquet"):
        load_catalogue(overlays=[tmp_path])
    with pytest.raises(DataError, match="no such folder"):
        load_catalogue(overlays=[tmp_path / "none"])
    (tmp_path / "chips.csv").write_bytes(b"id,name\n\xff\xfe,x\n")
    with pytest.raises(DataError, match="cannot be read as CSV"):
        load_catalogue(overlays=[tmp_path])


def test_a_dangling_key_is_told(tmp_path: Path) -> None:
    text = "my-box:\n  chip_id: no-such-chip\n  chips: 8\n"
    with pytest.raises(DataError, match="'no-such-chip' is in no table"):
        load_catalogue(overlays=[folder(tmp_path, systems_yaml=text)])


def test_a_name_may_not_serve_two_models(tmp_path: Path) -> None:
    text = "mine:\n  vendor: Acme\n  aliases: [Llama-2-70B]\n"
    with pytest.raises(DataError, match="is the name of"):
        load_catalogue(overlays=[folder(tmp_path, models_yaml=text)])


def test_nothing_is_borrowed(tmp_path: Path) -> None:
    chip = load_catalogue(overlays=[folder(tmp_path, chips_yaml=TEN_LINES)]).chip("my-chip")
    assert chip.die_area_mm2 is None
    assert chip.scaleup_domain is None
    assert chip.pcie_gen is None
    assert chip.released == ""
    with pytest.raises(UnknownName):
        load_catalogue().chip("my-chip")


def test_supply_rows_and_ten_line_models_are_laid_over_too(tmp_path: Path) -> None:
    supply = "mine-1:\n  year: 2026\n  period: 2026\n  subject: Acme\n  role: maker\n  place: CN\n  chip_id: my-chip\n"
    supply += "  measure: shipments\n  units: 5000\n  kind: estimate\n  as_of: 2026-10\n"
    files = folder(tmp_path, chips_yaml=TEN_LINES, supply_yaml=supply)
    (row,) = (row for row in load_catalogue(overlays=[files]).supply if row.chip_id == "my-chip")
    assert (row.id, row.units, row.subject, row.origin) == ("mine-1", 5000, "Acme", "supply.yaml")


def test_a_figure_that_repeats_the_shipped_one_changes_nothing(tmp_path: Path) -> None:
    shipped = load_catalogue().chip("ascend-910b")
    text = f"ascend-910b:\n  bf16: {shipped.rates['bf16'] / 1e12:g} TFLOPS\n"
    same = load_catalogue(overlays=[folder(tmp_path, chips_yaml=text)]).chip("ascend-910b")
    assert same.overridden == ()
    assert same.rate_ranges == shipped.rate_ranges
    assert chip_fact(same, "bf16") == chip_fact(shipped, "bf16")


def test_a_model_known_by_size_only_takes_a_shape(tmp_path: Path) -> None:
    name = next(model.id for model in load_catalogue().models.values() if model.layers is None and model.hidden is None)
    text = f"{name}:\n  layers: 32\n  hidden: 4096\n  ffn_hidden: 14336\n  gated_mlp: yes\n  heads: 32\n  kv_heads: 8\n"
    text += "  head_dim: 128\n  vocab: 128256\n  tied_embeddings: no\n"
    model = load_catalogue(overlays=[folder(tmp_path, models_yaml=text)]).model(name)
    assert model.params_total == pytest.approx(load_catalogue().model("llama-3.1-8b").params_total)
    note = load_catalogue(overlays=[folder(tmp_path, models_yaml=f"{name}:\n  notes: mine\n")])
    assert note.model(name, allow_shapeless=True).notes == "mine"
    assert not note.model(name, allow_shapeless=True).has_shape
