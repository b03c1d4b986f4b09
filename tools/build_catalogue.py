"""Build the shipped catalogue from the folder of facts.

    python -m tools.build_catalogue FACTS

Reads ``FACTS/chips``, ``FACTS/models`` and ``FACTS/DATA-LICENCES.md``; writes ``src/chipwise/data``. Columns that
chipwise computes itself (TPP, density, one-direction rates) are left out; every row keeps its source.
"""

from __future__ import annotations

import argparse
import csv
import re
import shutil
from pathlib import Path

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
                writer.writerow({key: tidy(value) for key, value in (row | extra).items()})
        print(f"{target}: {len(rows)} rows, {out.stat().st_size:,} byte")
    shutil.copyfile(facts / "DATA-LICENCES.md", DATA / "DATA-LICENCES.md")


def main() -> None:
    """Read the argument and build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("facts", type=Path, help="folder of facts")
    build(parser.parse_args().facts)


if __name__ == "__main__":
    main()
