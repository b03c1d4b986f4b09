"""Measures of a chip that the law speaks of, and every figure of a chip as a sourced `Fact`.

TPP is the largest, over all precisions, of dense rate in 10^12 operations per second times bit length. Bit lengths
are those of the multiply inputs (`chipwise.core.units.BITS_BY_PRECISION`).

Notes
-----
Two readings of tf32 are in use: 19 bits (what the multiplier takes, and what we count) and 32 bits (what is stored).
They differ only for chips whose tf32 rate exceeds half their bf16 rate; there the interval spans both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from chipwise.catalogue.objects import Chip
from chipwise.core.errors import UnknownName
from chipwise.core.fact import Fact
from chipwise.core.names import nearest_names
from chipwise.core.units import BITS_BY_PRECISION, GIGA, TERA

TF32_BITS_AS_STORED = 32
ROUNDING = 0.005
"""Products within this share of the largest are the same hardware rate, rounded differently in print."""

PCIE_BYTES_PER_S_PER_LANE_PER_DIR = {1.0: 0.25e9, 2.0: 0.5e9, 3.0: 1e9, 4.0: 2e9, 5.0: 4e9, 6.0: 8e9, 7.0: 16e9}
"""Nominal, as the law's own examples count it: 64 GB/s both ways for generation 4 with 16 lanes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TppPart:
    """One product of the TPP formula: rate in FLOP/s (or OP/s) times `bits` gives `tpp`."""

    precision: str
    rate: float
    bits: int
    tpp: float


def tpp_parts(chip: Chip) -> tuple[TppPart, ...]:
    """All products of the TPP formula, largest first."""
    parts = [_part(precision, rate, BITS_BY_PRECISION[precision]) for precision, rate in chip.rates.items()]
    return tuple(sorted(parts, key=lambda part: (-part.tpp, part.precision)))


def _part(precision: str, rate: float, bits: int) -> TppPart:
    return TppPart(precision=precision, rate=rate, bits=bits, tpp=round(rate * bits / TERA, 6))


def tpp(chip: Chip) -> float | None:
    """Total processing performance; None where rates are unknown or only vector rates are known.

    References
    ----------
    ECCN 3A090, technical note 2 (15 CFR Part 774, Supplement No. 1).
    """
    parts = tpp_parts(chip)
    return parts[0].tpp if parts and chip.matrix_rates_known else None


def tpp_interval(chip: Chip) -> tuple[float, float] | None:
    """Low and high TPP where the figure is a range, rounded two ways in print, or tf32 decides.

    Returns
    -------
    (low, high) or None
        Equal where nothing is open; high is infinite where only vector rates are known; None where no rate is.
    """
    parts = tpp_parts(chip)
    if not parts:
        return None
    if not chip.matrix_rates_known:
        return parts[0].tpp, math.inf
    low = min(part.tpp for part in parts if part.tpp >= parts[0].tpp * (1.0 - ROUNDING))
    high = parts[0].tpp
    if "tf32" in chip.rates:
        high = max(high, _part("tf32", chip.rates["tf32"], TF32_BITS_AS_STORED).tpp)
    if chip.rate_ranges:
        spans = {name: chip.rate_ranges.get(name, (rate, rate)) for name, rate in chip.rates.items()}
        low = max(_part(name, span[0], BITS_BY_PRECISION[name]).tpp for name, span in spans.items())
        high = max(_part(name, span[1], BITS_BY_PRECISION[name]).tpp for name, span in spans.items())
    return low, high


def tpp_conflicts(chip: Chip) -> tuple[str, ...]:
    """What makes the TPP of this chip less than certain, in words."""
    notes = []
    parts = tpp_parts(chip)
    if parts and not chip.matrix_rates_known:
        notes.append("only vector rates are known, so TPP is bounded below only")
        return tuple(notes)
    ours = tpp(chip)
    if ours is None:
        return ("no rate is known",)
    if chip.rate_ranges:
        notes.append("the rates are ranges")
    if "tf32" in chip.rates:
        stored = _part("tf32", chip.rates["tf32"], TF32_BITS_AS_STORED).tpp
        if stored > ours * (1.0 + ROUNDING):
            notes.append(f"tf32 is counted at 19 bits; at 32 bits TPP would be {stored:.0f}")
    if chip.published_tpp is not None and abs(chip.published_tpp - ours) > ROUNDING * ours:
        notes.append(f"{chip.published_tpp_source or 'a source'} prints {chip.published_tpp:.0f}")
    if chip.fact_status != "official":
        notes.append(f"the rates are {chip.fact_status} (confidence {chip.confidence})")
    return tuple(notes)


def performance_density(chip: Chip) -> float | None:
    """TPP per mm² of non-planar logic; None where TPP or area is unknown, or no logic is non-planar."""
    value = tpp(chip)
    if value is None or chip.die_area_mm2 is None or chip.non_planar is not True:
        return None
    return value / chip.die_area_mm2


def performance_density_interval(chip: Chip) -> tuple[float, float] | None:
    """Low and high performance density from the TPP interval; None where the area is unknown."""
    span = tpp_interval(chip)
    if span is None or chip.die_area_mm2 is None or chip.non_planar is not True:
        return None
    return span[0] / chip.die_area_mm2, span[1] / chip.die_area_mm2


def pcie_bytes_per_s_bidirectional(chip: Chip) -> float | None:
    """Both directions of the PCIe lanes, nominal; None where generation or width is not known."""
    if chip.pcie_gen is None or chip.pcie_lanes is None:
        return None
    per_lane = PCIE_BYTES_PER_S_PER_LANE_PER_DIR.get(chip.pcie_gen)
    return None if per_lane is None else 2.0 * per_lane * chip.pcie_lanes


def io_bytes_per_s_bidirectional(chip: Chip) -> float | None:
    """Aggregate transfer rate, both directions, over all links that do not go to memory; byte/s.

    Scale-up links, other network ports on the chip and PCIe are added. None where links or PCIe are unknown (see
    `io_interval`).

    References
    ----------
    ECCN 3A090 as in force from 2022-10-21 to 2023-11-16.
    """
    link, pcie = chip.link_bytes_per_s_per_dir, pcie_bytes_per_s_bidirectional(chip)
    if link is None or pcie is None:
        return None
    return 2.0 * link + chip.network_bytes_per_s_bidir + pcie


def io_interval(chip: Chip) -> tuple[float, float]:
    """Low and high of `io_bytes_per_s_bidirectional`: what is known, and infinity where a part is not."""
    link, pcie = chip.link_bytes_per_s_per_dir, pcie_bytes_per_s_bidirectional(chip)
    low = 2.0 * (link or 0.0) + chip.network_bytes_per_s_bidir + (pcie or 0.0)
    return low, (math.inf if link is None or pcie is None else low)


CHIP_UNITS: dict[str, str] = {
    "mem_bytes": "byte",
    "mem_bytes_per_s": "byte/s",
    "llc_bytes": "byte",
    "link_bytes_per_s_per_dir": "byte/s",
    "die_area_mm2": "mm2",
    "tdp_w": "W",
    "published_tpp": "TPP",
    "tpp": "TPP",
    "performance_density": "TPP/mm2",
    "io_bytes_per_s_bidirectional": "byte/s",
}
"""Units of the figures of a chip; rates are FLOP/s, everything else is a count or text."""

_COMPUTED = {
    "tpp": (tpp, tpp_interval),
    "performance_density": (performance_density, performance_density_interval),
    "io_bytes_per_s_bidirectional": (io_bytes_per_s_bidirectional, io_interval),
}


def chip_fact(chip: Chip, field: str) -> Fact:
    """One figure of a chip with its unit, source, dates and status.

    Parameters
    ----------
    field : str
        Attribute (``mem_bytes``), precision (``bf16`` or ``rates.bf16``) or measure (``tpp``,
        ``performance_density``, ``io_bytes_per_s_bidirectional``).

    Raises
    ------
    UnknownName
        When a chip has no such field.

    Examples
    --------
    >>> from chipwise.catalogue import load_catalogue
    >>> chip_fact(load_catalogue().chip("h20-96"), "tpp").value
    2368.0
    """
    name = field.removeprefix("rates.")
    low: float | None = None
    high: float | None = None
    value: float | str | bool | None
    source, note = chip.sources, ""
    if name in _COMPUTED:
        value_of, interval_of = _COMPUTED[name]
        value, span = value_of(chip), interval_of(chip)
        if span is not None and span[0] != span[1]:
            low, high = span
        source = f"computed from the row ({chip.sources})"
        note = "; ".join(tpp_conflicts(chip)) if name != "io_bytes_per_s_bidirectional" else ""
    elif name in BITS_BY_PRECISION:
        value = chip.rates.get(name)
        low, high = chip.rate_ranges.get(name, (None, None))
    elif name in Chip.__dataclass_fields__:
        raw = getattr(chip, name)
        value = raw if isinstance(raw, (int, float, str, bool)) or raw is None else str(raw)
        low, high = chip.field_ranges.get(name, (None, None))
        source = chip.published_tpp_source if name == "published_tpp" else source
    else:
        known = [*_COMPUTED, *BITS_BY_PRECISION, *Chip.__dataclass_fields__]
        raise UnknownName(f"a chip has no figure {field!r}", place=chip.id, nearest=nearest_names(field, known))
    status, as_of, checked_on = chip.fact_status, chip.as_of, chip.checked_on
    if name in chip.overridden:
        source, status, as_of, checked_on = f"user file {chip.origin}", "assumed", "", None
    unit = CHIP_UNITS.get(name, ("OP/s" if name.startswith("int") else "FLOP/s") if name in BITS_BY_PRECISION else "")
    return Fact(
        id=f"chips/{chip.id}#{name}",
        value=value,
        unit=unit,
        source=source,
        as_of=as_of,
        checked_on=checked_on,
        status=status,
        low=low,
        high=high,
        note=note,
    )


def gigabytes_per_s(value: float) -> float:
    """byte/s as the GB/s in which the law states its lines."""
    return value / GIGA
