"""Share of the data sheet that operators reach, down a ladder: chip, family, vendor, any vendor."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from chipwise.core.fact import Evidence
from chipwise.perf.tables import read_rows
from chipwise.perf.utilisation import EVIDENCE, Kin

LEAST_VENDOR_CHIPS = 2
"""Chips of one vendor that must be measured before they speak for the vendor's other families."""

NEAREST_PRECISION = {
    "int8": ("int8", "fp8", "16-bit"),
    "fp8": ("fp8", "int8", "16-bit"),
    "fp4": ("fp4", "fp8", "16-bit"),
    "int4": ("int4", "16-bit"),
    "w8": ("int8", "fp8", "16-bit"),
    "16-bit": ("16-bit",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """Shares reached by the operators of one decode or prefill step at one weight precision."""

    gemm_compute: float
    gemm_memory: float
    moe_compute: float
    moe_memory: float
    decode_attention: float
    prefill_attention: float
    rung: str
    key: str
    evidence: Evidence
    relatives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    chip: str
    family: str
    vendor: str
    value: float


@functools.cache
def _table() -> Mapping[tuple[str, str], tuple[_Row, ...]]:
    found: dict[tuple[str, str], list[_Row]] = {}
    for row in read_rows("efficiency.csv"):
        entry = _Row(row["chip"], row["family"], row["vendor"], float(row["value"]))
        found.setdefault((row["operator"], row["precision"]), []).append(entry)
    return {key: tuple(rows) for key, rows in found.items()}


def _rung(operator: str, precision: str, kin: Kin, parent: str) -> tuple[str, str, tuple[_Row, ...]]:
    """First rung with a measured kernel for the operator at that precision; empty rows where there is none."""
    rows = _table().get((operator, precision), ())
    own = tuple(row for row in rows if row.chip == kin.chip_id)
    if own:
        return "chip", kin.chip_id, own
    family = tuple(row for row in rows if row.family == kin.family and kin.family)
    exact = tuple(row for row in family if row.chip == parent)
    if family:
        return "family", kin.family, exact or family
    vendor = tuple(row for row in rows if row.vendor == kin.vendor)
    if len({row.chip for row in vendor}) >= LEAST_VENDOR_CHIPS:
        return "vendor", kin.vendor, vendor
    return "generic", "", rows


@functools.lru_cache(maxsize=1024)
def efficiency(kin: Kin, parent: str, precision: str) -> Efficiency:
    """Efficiencies of a chip at one weight precision.

    Parameters
    ----------
    kin : Kin
        The chip, its family and vendor.
    parent : str
        Chip of which it is the China variant; preferred among relatives.
    precision : str
        ``16-bit``, ``fp8``, ``int8``, ``fp4``; ``int4`` and ``w8`` are weights only.
    """

    def share(operator: str, names: tuple[str, ...]) -> float:
        for rung in ("chip", "family", "vendor", "generic"):
            for name in names:
                found, _, rows = _rung(operator, name, kin, parent)
                if found == rung and rows:
                    return statistics.median(row.value for row in rows)
        raise AssertionError(f"no efficiency of {operator}")

    names = NEAREST_PRECISION[precision]
    compute = ("16-bit",) if precision == "w8" else names
    rung, key, rows = _rung("gemm_memory", "16-bit", kin, parent)
    return Efficiency(
        gemm_compute=share("gemm_compute", compute),
        gemm_memory=share("gemm_memory", names),
        moe_compute=share("moe_compute", compute),
        moe_memory=share("moe_memory", names),
        decode_attention=share("decode_attention", ("16-bit",)),
        prefill_attention=share("prefill_attention", ("16-bit",)),
        rung=rung,
        key=key,
        evidence=EVIDENCE[rung],
        relatives=tuple(sorted({row.chip for row in rows})),
    )
