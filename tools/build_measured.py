"""Build the shipped measured tables that ``validate`` judges by default: ``python -m tools.build_measured FACTS``.

Rows whose source is share-alike, or states no licence, stand in files of their own, as ``DATA-LICENCES.md`` asks. The
same facts give the same bytes.
"""

from __future__ import annotations

import csv
import gzip
import io
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "src" / "chipwise" / "data" / "measured"

SHARE_ALIKE = ("neuron-trn1",)
"""Training sources under CC BY-SA 4.0."""

NO_LICENCE = ("llamacpp-xiongjiedai", "cpu-llamacpp", "vllm-blog", "sram-accelerator-rates")
"""Inference sources whose pages state no terms."""


def _write(name: str, columns: list[str], rows: Iterable[Mapping[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    data = gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0)
    (TARGET / name).write_bytes(data)
    print(f"{name}: {len(data):,} bytes")


def _split(table: Path, column: str, apart: tuple[str, ...], name: str, apart_name: str) -> None:
    with table.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        columns, rows = list(reader.fieldnames or ()), list(reader)
    _write(name, columns, (row for row in rows if row[column] not in apart))
    _write(apart_name, columns, (row for row in rows if row[column] in apart))


def main(facts: Path) -> None:
    """Write every table."""
    TARGET.mkdir(parents=True, exist_ok=True)
    _split(facts / "training" / "runs.csv", "source_group", SHARE_ALIKE, "training.csv.gz", "training_cc_by_sa.csv.gz")
    _split(
        facts / "inference" / "measurements.csv", "source_id", NO_LICENCE,
        "inference.csv.gz", "inference_no_licence.csv.gz",
    )  # fmt: skip
    runs = TARGET / "serving"
    runs.mkdir(exist_ok=True)
    for path in sorted((facts / "inference" / "serving_runs").iterdir()):
        shutil.copyfile(path, runs / path.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
