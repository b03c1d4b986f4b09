"""Three hundred broken user tables: a located error or a catalogue, never anything else."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chipwise.catalogue import load_catalogue
from chipwise.catalogue.measures import io_interval, tpp_interval
from chipwise.core.errors import ChipwiseError, InputError

YAML = """\
my-chip:
  vendor: Acme
  vendor_country: CN
  market: datacenter
  bf16: 148 TFLOPS
  int8: {value: 296 TOPS, range: [280 TOPS, 300 TOPS]}
  mem: 96 GB
  mem_bw: 4 TB/s
  link_bidir: 900 GB/s
  tdp: 400 W
  released: 2026-11
  source: Acme data sheet, 2026
  aliases: [MyChip]
h20-96:
  tdp_w: 550
"""
CSV = "id,vendor,vendor_country,market,bf16_tflops,mem_gb,released\nmy-csv,Acme,CN,datacenter,148,96,2026-11\n"
ODD = [
    "",
    "null",
    "-1",
    "1e999",
    "nan",
    ".inf",
    "[]",
    "{}",
    "!!python/object:os.system {}",
    "&a [*a]",
    "\x00",
    "'",
    '"',
]
ODD += [
    "9" * 5000,
    "../../etc/passwd",
    "0x10",
    "yes",
    "2023-02-30",
    "96 GBB",
    "96GB GB",
    "，",
    "\ufeff",
    "---",
    "a: b: c",
]


def broken(text: str, chance: random.Random) -> str:
    """One of six ways to break a text."""
    lines = text.splitlines(keepends=True)
    spot = chance.randrange(len(lines))
    way = chance.randrange(6)
    if way == 0:
        del lines[spot]
    elif way == 1:
        lines.insert(spot, lines[chance.randrange(len(lines))])
    elif way == 2:
        head = lines[spot].partition(":")[0]
        lines[spot] = f"{head}: {chance.choice(ODD)}\n"
    elif way == 3:
        cut = chance.randrange(len(text))
        return text[:cut] + chance.choice(ODD) + text[cut:]
    elif way == 4:
        cut = chance.randrange(len(text))
        return text[:cut]
    else:
        letters = list(text)
        for _ in range(chance.randrange(1, 6)):
            letters[chance.randrange(len(letters))] = chance.choice(":,{}[]-#&*!|>'\"% \n\t9xé")
        return "".join(letters)
    return "".join(lines)


MODELS = """\
mine:
  vendor: Acme
  layers: 32
  hidden: 4096
  ffn_hidden: 14336
  gated_mlp: yes
  heads: 32
  kv_heads: 8
  head_dim: 128
  vocab: 128256
  tied_embeddings: no
  aliases: [mine 7B, acme/mine]
llama-2-7b:
  max_context: 8192
  vocab: 32064
"""
SYSTEMS = """\
my-box:
  chip_id: h20-96
  chips: 8
  vendor: Acme
  fabric_gbs_per_chip_bidir: 900
  scaleout: 400 Gbit/s
  price_usd: {value: 100000 USD, range: [90000 USD, 120000 USD]}
hgx-h20:
  node_power: 7000 W
"""
PRICES = (
    "obs_id,item_id,date,place,kind,basis,usd_per_chip\nmine,h20-96,2024-05,China,list,per chip,12000\nP001,,,,,,9\n"
)


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("chips.yaml", YAML, 150),
        ("chips.csv", CSV, 150),
        ("models.yaml", MODELS, 100),
        ("systems.yaml", SYSTEMS, 100),
        ("prices.csv", PRICES, 100),
    ],
)
def test_a_broken_table_is_told_or_read(tmp_path: Path, name: str, text: str, count: int) -> None:
    chance = random.Random(20261124)
    read = told = 0
    for index in range(count):
        folder = tmp_path / str(index)
        folder.mkdir()
        (folder / name).write_text(broken(text, chance), encoding="utf-8", newline="")
        try:
            catalogue = load_catalogue(overlays=[folder])
        except InputError as error:
            told += 1
            line = error.line()
        except ChipwiseError as error:
            pytest.fail(f"mutation {index}: {type(error).__name__}: {error}")
        else:
            read += 1
            line = name
            for chip in catalogue.chips.values():
                span = tpp_interval(chip)
                assert span is None or span[0] <= span[1]
                assert io_interval(chip)[0] >= 0
        assert name.partition(".")[0] in line
        assert len(line) < 2000
    assert told > 30
    assert read > 5


def test_a_damaged_parquet_table_is_told_or_read(tmp_path: Path) -> None:
    rows = [{"id": "mine", "vendor": "Acme", "vendor_country": "CN", "market": "datacenter", "mem_gb": 96.0}]
    pq.write_table(pa.Table.from_pylist(rows * 1), tmp_path / "whole.parquet")
    whole, chance, told = (tmp_path / "whole.parquet").read_bytes(), random.Random(20261124), 0
    (tmp_path / "folder").mkdir()
    for _ in range(100):
        content = bytearray(whole)
        for _ in range(chance.choice([1, 3, 20])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        (tmp_path / "folder" / "chips.parquet").write_bytes(bytes(content))
        try:
            load_catalogue(overlays=[tmp_path / "folder"])
        except InputError:
            told += 1
    assert told > 20


def test_a_file_that_unfolds_is_refused(tmp_path: Path) -> None:
    levels = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]\n" for i in range(1, 12))
    (tmp_path / "chips.yaml").write_text("l0: &l0 [x, x, x, x, x, x, x, x, x]\n" + levels, encoding="utf-8")
    with pytest.raises(InputError, match="too many nodes"):
        load_catalogue(overlays=[tmp_path])


def test_a_table_too_big_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "chips.csv").open("wb") as stream:
        stream.truncate(1_000_000_000)
    with pytest.raises(InputError, match=r"chips\.csv:1: a row of more than"):
        load_catalogue(overlays=[tmp_path])
