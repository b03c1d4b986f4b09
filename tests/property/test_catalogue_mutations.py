"""Three hundred broken user tables: a located error or a catalogue, never anything else."""

from __future__ import annotations

import random
from pathlib import Path

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


@pytest.mark.parametrize(("name", "text"), [("chips.yaml", YAML), ("chips.csv", CSV)])
def test_a_broken_table_is_told_or_read(tmp_path: Path, name: str, text: str) -> None:
    chance = random.Random(20261124)
    read = told = 0
    for index in range(150):
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
    assert told > 40
    assert read > 10


def test_a_file_that_unfolds_is_refused(tmp_path: Path) -> None:
    levels = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]\n" for i in range(1, 12))
    (tmp_path / "chips.yaml").write_text("l0: &l0 [x, x, x, x, x, x, x, x, x]\n" + levels, encoding="utf-8")
    with pytest.raises(InputError, match="too many nodes"):
        load_catalogue(overlays=[tmp_path])


def test_a_table_too_big_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "chips.csv").open("wb") as stream:
        stream.truncate(1_000_000_000)
    with pytest.raises(InputError, match="too big"):
        load_catalogue(overlays=[tmp_path])
