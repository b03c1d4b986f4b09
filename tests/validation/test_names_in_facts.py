"""Every name of a chip or a model that the measured tables use resolves through the catalogue.

The folder of facts is read where ``CHIPWISE_FACTS`` names it, or beside the repository in ``shared/facts``.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from chipwise.catalogue import load_catalogue
from chipwise.core.errors import UnknownName

BESIDE = Path(__file__).resolve().parents[3] / "shared" / "facts"
FACTS = Path(os.environ.get("CHIPWISE_FACTS") or BESIDE)
CHIP_COLUMNS = ("chip", "chip_id", "chip_label", "chip_raw")
MODEL_COLUMNS = ("model",)
SEVERAL_CHIPS = {
    "a800 or h800",
    "A800/H800 (not distinguished)",
    "mixed-amd",
    "AMD Instinct MI300X 192GB HBM3 (x32), AMD Instinct MI325X 256GB HBM3e (x16)",
    "AMD Instinct MI325X 256GB HBM3E (x16), AMD Instinct MI300X 192GB HBM3 (x8)",
}
"""Names of several chips at once: no single row may stand for them."""
NO_SHAPE = {"Phi-mini-MoE-instruct"}
"""A model whose shape is in no table."""

pytestmark = pytest.mark.skipif(not FACTS.is_dir(), reason="the folder of facts is not here")


def tables() -> list[Path]:
    return [
        FACTS / "training" / "runs.csv",
        FACTS / "inference" / "measurements.csv",
        *sorted((FACTS / "inference" / "operators").iterdir()),
    ]


def names(columns: tuple[str, ...]) -> dict[str, str]:
    """Each name that occurs, with a table in which it does."""
    return {name: path.name for path in tables() for name in _names_of(path, columns)}


def _names_of(path: Path, columns: tuple[str, ...]) -> Iterator[str]:
    if path.suffix == ".parquet":
        present = [name for name in pq.read_schema(path).names if name in columns]
        for name in present:
            yield from (str(value) for value in pq.read_table(path, columns=[name]).column(name).unique().to_pylist())
    elif path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                yield from (row[name] for name in columns if row.get(name))


def test_every_chip_resolves(capsys: pytest.CaptureFixture[str]) -> None:
    catalogue, found, unknown = load_catalogue(), names(CHIP_COLUMNS), set()
    for name in found:
        try:
            catalogue.chip(name)
        except UnknownName:
            unknown.add(name)
    with capsys.disabled():
        sys.stdout.write(f"\n{len(found) - len(unknown)} of {len(found)} chip names of {len(tables())} tables resolve")
    assert len(found) > 100
    assert unknown == SEVERAL_CHIPS


def test_every_model_resolves(capsys: pytest.CaptureFixture[str]) -> None:
    catalogue, found, unknown = load_catalogue(), names(MODEL_COLUMNS), set()
    for name in found:
        try:
            catalogue.model(name, allow_shapeless=True)
        except UnknownName:
            unknown.add(name)
    with capsys.disabled():
        sys.stdout.write(f"\n{len(found) - len(unknown)} of {len(found)} model names resolve")
    assert len(found) > 100
    assert unknown == NO_SHAPE
