"""Build the shipped catalogue from the folder of facts.

    python -m tools.build_catalogue FACTS
    python -m tools.build_catalogue --reference

The first reads ``FACTS/chips``, ``FACTS/models`` and ``FACTS/DATA-LICENCES.md`` and writes ``src/chipwise/data``;
columns that chipwise computes itself (TPP, density, one-direction rates) are left out, every row keeps its source. The
second writes ``docs/reference/catalogue.md`` from the data dictionary.
"""

from __future__ import annotations

import argparse
import csv
import re
import shutil
from pathlib import Path

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "catalogue.md"
DATA = Path(__file__).resolve().parents[1] / "src" / "chipwise" / "data"
PORTS = re.compile(r"(\d+)x(\d+)GbE \((\d+) scale-up\)")
TABLES = {
    "chips": ("chips/chips.csv", "catalogue/chips.csv"),
    "systems": ("chips/systems.csv", "catalogue/systems.csv"),
    "prices": ("chips/prices.csv", "catalogue/prices.csv"),
    "supply": ("chips/supply.csv", "catalogue/supply.csv"),
    "aliases": ("chips/aliases.csv", "catalogue/aliases.csv"),
    "models": ("models/architectures.csv", "models/models.csv"),
}

MORE_NAMES = {"llama-2-34b": "CodeLlama-34b-Instruct-hf"}
"""Spellings of measured tables whose shape is that of a row under another name: tuned versions of its weights."""


def shipped_fields() -> dict[str, list[str]]:
    """Fields of the data dictionary by table."""
    fields: dict[str, list[str]] = {}
    with (DATA / "catalogue" / "dictionary.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            fields.setdefault(row["table"], []).append(row["field"])
    return fields


def tidy(cell: str) -> str:
    """A cell without needless decimals."""
    return cell.strip()


def chip_flags(row: dict[str, str]) -> dict[str, str]:
    """What the facts say in words.

    `matrix_rates_known` is n where they give a vector rate but leave TPP open; ``24x100GbE (21 scale-up)`` names
    ports on the chip that are no scale-up links, yet carry data in and out.
    """
    rated = any(row[field] for field in row if field.endswith(("_tflops", "_tops")))
    ports = PORTS.search(row["link_name"])
    spare = ""
    if ports:
        count, gigabits, scale_up = (int(part) for part in ports.groups())
        spare = f"{(count - scale_up) * gigabits * 2 / 8:g}"
    return {"matrix_rates_known": "n" if rated and not row["tpp"] else "", "network_bidir_gbs": spare}


def build(facts: Path) -> None:
    """Write every table."""
    fields = shipped_fields()
    for table, (source, target) in TABLES.items():
        with (facts / source).open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        out = DATA / target
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, fields[table], extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            for row in rows:
                extra = chip_flags(row) if table == "chips" else {}
                if table == "models" and row["id"] in MORE_NAMES:
                    extra = {"aliases": f"{row['aliases']}|{MORE_NAMES[row['id']]}"}
                writer.writerow({key: tidy(value) for key, value in (row | extra).items()})
        print(f"{target}: {len(rows)} rows, {out.stat().st_size:,} byte")
    shutil.copyfile(facts / "DATA-LICENCES.md", DATA / "DATA-LICENCES.md")


INTRODUCTION = """\
# The catalogue

Chips, systems, prices, supply and models, as tables that ship with chipwise. Every row keeps its source, the date its
figures speak of, and the day it was last compared with its source. A blank means *not found*, never zero.

Look at it: `chipwise chips list`, `chipwise chips show H20`, `chipwise chips compare H100 H20 ascend-910b`,
`chipwise models show deepseek-v3`, `chipwise facts licences`.

## Conventions

- Rates are **dense**; sparse marketing figures were halved. TFLOPS and TOPS are 10^12 per second, one multiply-add is
  two operations. GB is 10^9 byte.
- A chip is a **package as sold**, not a die; the exceptions are in the notes of their rows. Some sources count dies:
  their spelling resolves with half a package per unit.
- Inside chipwise everything is SI: byte, byte/s, FLOP/s, W. Links are stored per direction.
- `confidence`: A vendor datasheet or paper; B mixed, derived or one trade source; C press, roadmap or inference.
- A row is **stale** when it was last compared with its source more than {stale} days before the day asked about.

## TPP, performance density, transfer rate

TPP is the largest, over all precisions, of dense rate (10^12/s) times bit length of the multiply inputs; tf32 counts 19
bits, block-scaled formats their element width. Performance density is TPP over the area of all non-planar logic dies.
The transfer rate adds both directions of scale-up links, other network ports on the chip, and PCIe (nominal: 64 GB/s
for generation 4 with 16 lanes).

Where the figures leave TPP open, chipwise gives an interval and says why: rates that are ranges (a 910B whose bin is
not stated), the same rate rounded two ways in print, tf32 read as 19 or as 32 bits, or matrix rates that are not known
(then there is no upper bound). A printed TPP that differs from ours is kept beside it.

## Names

A chip is found by id, by exact alias, or, ignoring case, by id, name or alias. A spelling that names no single chip
resolves to an error that says so. A model is found by id, name or alias, ignoring case. A model of which only the size
was announced has no shape; nothing is computed for it.

## Your own rows

A folder with any of `chips`, `systems`, `prices`, `supply`, `models` as `.yaml`, `.csv` or `.parquet` is laid over the
shipped tables with `--catalog FOLDER` (or `load_catalogue(overlays=[folder])`); `docs/how-to/add-a-chip-or-model.md`
shows how. A chip from a datasheet:

```yaml
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
```

A known id changes only the fields given; a new id must give what identifies it. A range is
`{{value: 320 TFLOPS, range: [280 TFLOPS, 400 TFLOPS]}}`. Under a heading with its unit (`mem_gb`) a bare number will
do; without it (`mem`) the value carries its unit. What is not given stays unknown: nothing is borrowed from another
chip. A model takes its columns, or `config: path/to/config.json`; `chipwise models import` prints such an entry.
`chipwise facts schema chips` prints the JSON Schema for an editor.

## Configurations chipwise reads

`model_type`: {types}.

## Data dictionary
"""


def reference_text() -> str:
    """The reference page, from the data dictionary."""
    from chipwise.catalogue.hf_families import FAMILIES
    from chipwise.catalogue.load import dictionary
    from chipwise.catalogue.when import STALE_AFTER_DAYS

    parts = [INTRODUCTION.format(stale=STALE_AFTER_DAYS, types=", ".join(sorted(FAMILIES)))]
    for table, columns in dictionary().items():
        parts.append(
            f"\n### {table}\n\n| field | type | unit | allowed | default | meaning |\n|---|---|---|---|---|---|\n"
        )
        for column in columns:
            allowed = column.allowed.replace(" | ", ", ")
            needed = " **required**" if column.required else ""
            parts.append(
                f"| `{column.field}` | {column.type} | {column.unit} | {allowed} | {column.default} "
                f"| {column.meaning}{needed} |\n"
            )
    return "".join(parts)


def main() -> None:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("facts", type=Path, nargs="?", help="folder of facts")
    parser.add_argument("--reference", action="store_true", help="write the reference page")
    arguments = parser.parse_args()
    if arguments.facts is not None:
        build(arguments.facts)
    if arguments.reference or arguments.facts is not None:
        REFERENCE.parent.mkdir(parents=True, exist_ok=True)
        REFERENCE.write_text(reference_text(), encoding="utf-8")
        print(f"{REFERENCE.name} written")


if __name__ == "__main__":
    main()
