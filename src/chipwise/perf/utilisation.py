"""Utilisation of the dense peak in training: one number per chip family and class, down a ladder of evidence.

A class is a width and a kind of model: ``16-bit dense``, ``16-bit moe``, ``fp8 dense`` … Each number is the median
over source groups of the group's own median, so that a source with many rows counts once.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chipwise.catalogue.objects import Chip
from chipwise.core.errors import Undetermined
from chipwise.core.fact import Evidence
from chipwise.perf.peaks import family_key
from chipwise.perf.tables import constant, read_rows

RUNGS = ("chip", "family", "single source", "vendor", "generic")
"""The ladder: enough sources on this chip; its family; one source in the whole family; its vendor; any vendor."""

LEAST_CHIP_GROUPS = 3
"""Sources a chip needs before its own median beats that of its family."""

EVIDENCE: Mapping[str, Evidence] = {
    "chip": "measured on this chip",
    "single source": "measured on this chip",
    "family": "measured on its family",
    "vendor": "data sheet only",
    "generic": "data sheet only",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMedian:
    """Median utilisation of one source group on one chip and class, and its rows."""

    source_group: str
    chip_id: str
    family: str
    vendor: str
    utilisation_class: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Utilisation:
    """Share of the dense peak that becomes model FLOP, with its 90 % interval."""

    value: float
    low: float
    high: float
    rung: str
    key: str
    evidence: Evidence
    groups: tuple[str, ...]
    fact_id: str


@dataclass(frozen=True, slots=True)
class Kin:
    """Where a chip stands: its id, its family (empty where unknown) and its vendor."""

    chip_id: str
    family: str
    vendor: str


def kin_of(chip: Chip) -> Kin:
    """Ladder position of `chip`."""
    return Kin(chip.id, family_key(chip), chip.vendor)


Entries = Mapping[tuple[str, str, str], Mapping[str, float]]
"""(rung, key, class) to group median by source group; generic groups are named ``vendor/group``."""


def straggler_factor(chips: float) -> float:
    """Slow-down of a step on `chips` against one chip: a fixed share per doubling."""
    return 1.0 + constant("straggler_per_doubling") * math.log2(max(chips, 1.0))


def collect(groups: Iterable[GroupMedian]) -> dict[tuple[str, str, str], dict[str, float]]:
    """Medians by rung, key and class."""
    values: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for group in groups:
        name = group.source_group
        keys = [
            ("chip", group.chip_id, name),
            ("vendor", group.vendor, name),
            ("generic", "", f"{group.vendor}/{name}"),
        ]
        if group.family:
            keys.append(("family", group.family, name))
        for rung, key, label in keys:
            values.setdefault((rung, key, group.utilisation_class), {}).setdefault(label, []).extend(group.values)
    return {
        place: {label: statistics.median(rows) for label, rows in by_label.items()}
        for place, by_label in values.items()
    }


def central(medians: Mapping[str, float], *, by_vendor: bool = False) -> float:
    """Median over groups; over vendors first where the names carry one."""
    if not by_vendor:
        return statistics.median(medians.values())
    vendors: dict[str, list[float]] = {}
    for label, value in medians.items():
        vendors.setdefault(label.split("/", 1)[0], []).append(value)
    return statistics.median(statistics.median(values) for values in vendors.values())


def place_on_ladder(
    entries: Entries, kin: Kin, utilisation_class: str, *, without: str = "", rungs: Sequence[str] = RUNGS
) -> tuple[str, str, dict[str, float]] | None:
    """First rung with evidence: (rung, key, medians by group), leaving out the group `without`."""

    def medians(rung: str, key: str) -> dict[str, float]:
        found = entries.get((rung, key, utilisation_class), {})
        return {label: value for label, value in found.items() if label.split("/", 1)[-1] != without or not without}

    on_chip = medians("chip", kin.chip_id)
    on_family = medians("family", kin.family) if kin.family else {}
    if "chip" in rungs and len(on_chip) >= LEAST_CHIP_GROUPS:
        return "chip", kin.chip_id, on_chip
    if "single source" in rungs and len(on_chip) == 1 and len(on_family) <= 1:
        return "single source", kin.chip_id, on_chip
    if "family" in rungs and on_family:
        return "family", kin.family, on_family
    if "single source" in rungs and on_chip:
        return "single source", kin.chip_id, on_chip
    for rung, key in (("vendor", kin.vendor), ("generic", "")):
        found = medians(rung, key)
        if rung in rungs and found:
            return rung, key, found
    return None


@functools.cache
def shipped_entries() -> Entries:
    """The shipped table as entries."""
    out: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in read_rows("utilisation.csv"):
        medians = {}
        for part in row["groups"].split(";"):
            label, _, value = part.rpartition("=")
            medians[label] = float(value)
        out[row["rung"], row["key"], row["class"]] = medians
    return out


@functools.cache
def shipped_spread() -> Mapping[tuple[str, str], float]:
    """90 % factor either way by rung and kind of model."""
    return {(row["rung"], row["kind"]): float(row["factor"]) for row in read_rows("utilisation_spread.csv")}


def utilisation(chip: Chip, utilisation_class: str, *, chips: float = 1.0, without: str = "") -> Utilisation:
    """Utilisation of `chip` in one class.

    Parameters
    ----------
    chips : float
        Size of the run; each doubling costs a fixed share (stragglers).
    without : str
        Source group to leave out, for judging the table on its own rows.

    Raises
    ------
    Undetermined
        No measured run of that class on any chip.
    """
    found = _ladder_value(kin_of(chip), utilisation_class, without)
    if found is None:
        raise Undetermined(f"no measured run of class {utilisation_class!r}", place=f"chips/{chip.id}")
    rung, key, value, groups = found
    value /= straggler_factor(chips)
    factor = shipped_spread()[rung, utilisation_class.rsplit(" ", 1)[1]]
    if chip.china_variant_of:
        factor **= constant("reduced_link_widening")
    return Utilisation(
        value=value,
        low=value / factor,
        high=min(value * factor, constant("utilisation_ceiling")),
        rung=rung,
        key=key,
        evidence=EVIDENCE[rung],
        groups=groups,
        fact_id=f"utilisation/{rung}/{key or 'any'}#{utilisation_class}".replace(" ", "-"),
    )


@functools.lru_cache(maxsize=4096)
def _ladder_value(kin: Kin, utilisation_class: str, without: str) -> tuple[str, str, float, tuple[str, ...]] | None:
    found = place_on_ladder(shipped_entries(), kin, utilisation_class, without=without)
    if found is None:
        return None
    rung, key, medians = found
    return rung, key, central(medians, by_vendor=rung == "generic"), tuple(medians)
