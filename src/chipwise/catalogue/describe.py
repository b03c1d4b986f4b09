"""Chips and models as lists of sourced figures, ready for a table or for JSON."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from chipwise.catalogue.catalogue import Catalogue
from chipwise.catalogue.measures import chip_fact, performance_density, tpp, tpp_conflicts, tpp_interval, tpp_parts
from chipwise.catalogue.objects import Chip, Price, System
from chipwise.catalogue.second_opinions import second_opinions
from chipwise.catalogue.when import date_span, is_stale, released_by
from chipwise.core.fact import Fact
from chipwise.core.units import BITS_BY_PRECISION, GIGA, TERA

RATES = tuple(BITS_BY_PRECISION)
FIGURES = (
    *RATES,
    "mem_bytes",
    "mem_bytes_per_s",
    "llc_bytes",
    "link_bytes_per_s_per_dir",
    "scaleup_domain",
    "pcie_gen",
    "pcie_lanes",
    "tdp_w",
    "die_area_mm2",
    "logic_dies",
    "tpp",
    "published_tpp",
    "performance_density",
    "io_bytes_per_s_bidirectional",
)
LABELS = {
    "mem_bytes": "memory",
    "mem_bytes_per_s": "memory bandwidth",
    "llc_bytes": "last-level cache",
    "link_bytes_per_s_per_dir": "scale-up links, one direction",
    "scaleup_domain": "chips in one scale-up domain",
    "pcie_gen": "PCIe generation",
    "pcie_lanes": "PCIe lanes",
    "tdp_w": "power",
    "die_area_mm2": "logic die area",
    "logic_dies": "logic dies",
    "tpp": "TPP (computed)",
    "published_tpp": "TPP (as printed)",
    "performance_density": "performance density",
    "io_bytes_per_s_bidirectional": "links and PCIe, both directions",
}
_SHOWN = {"byte": (GIGA, "GB"), "byte/s": (GIGA, "GB/s"), "FLOP/s": (TERA, "TFLOPS"), "OP/s": (TERA, "TOPS")}


def label(field: str) -> str:
    """A figure's name for people."""
    return LABELS.get(field, f"{field} dense" if field in BITS_BY_PRECISION else field)


def shown_unit(unit: str) -> str:
    """The unit people read: GB for byte, TFLOPS for FLOP/s."""
    return _SHOWN.get(unit, (1.0, unit))[1]


def shown(value: object, unit: str) -> str:
    """A value in the unit people read, to five digits; ``-`` where it is not known."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (int, float)):
        return str(value)
    scaled = value / _SHOWN.get(unit, (1.0, unit))[0]
    if scaled in (float("inf"), float("-inf")):
        return "no upper bound"
    digits = f"{scaled:.5g}" if abs(scaled) < 1e5 else f"{scaled:.0f}"
    return f"{float(digits):,.10g}"


def shown_range(fact: Fact) -> str:
    """A value with its range where it has one."""
    text = shown(fact.value, fact.unit)
    if fact.low is None or fact.high is None:
        return text
    return f"{text} ({shown(fact.low, fact.unit)} to {shown(fact.high, fact.unit)})"


def select_chips(
    catalogue: Catalogue,
    *,
    vendor: str = "",
    country: str = "",
    market: str = "",
    on: dt.date | None = None,
    min_memory_bytes: float = 0.0,
    confidence: str = "",
) -> tuple[Chip, ...]:
    """Chips that meet every given condition, in the order of the table.

    Parameters
    ----------
    vendor : str
        Part of the vendor's name, ignoring case.
    country, market : str
        Exact, ignoring case.
    on : datetime.date
        Keep what was on sale by that day.
    min_memory_bytes : float
        A chip whose memory is unknown does not meet it.
    confidence : str
        Least confidence: ``A``, or ``B`` for A and B, or ``C`` for all.
    """

    def fits(chip: Chip) -> bool:
        return (
            vendor.casefold() in chip.vendor.casefold()
            and (not country or chip.vendor_country.casefold() == country.casefold())
            and (not market or chip.market.casefold() == market.casefold())
            and (on is None or released_by(chip, on))
            and (not min_memory_bytes or (chip.mem_bytes or 0.0) >= min_memory_bytes)
            and (not confidence or chip.confidence <= confidence.upper())
        )

    return tuple(chip for chip in catalogue.chips.values() if fits(chip))


def chip_line(chip: Chip) -> dict[str, Any]:
    """The short form of a chip, SI units."""
    span = tpp_interval(chip)
    return {
        "id": chip.id,
        "name": chip.name,
        "vendor": chip.vendor,
        "vendor_country": chip.vendor_country,
        "released": chip.released,
        "status": chip.status,
        "market": chip.market,
        "bf16_flops": chip.rates.get("bf16", chip.rates.get("fp16")),
        "fp8_flops": chip.rates.get("fp8"),
        "mem_bytes": chip.mem_bytes,
        "mem_bytes_per_s": chip.mem_bytes_per_s,
        "link_bytes_per_s_per_dir": chip.link_bytes_per_s_per_dir,
        "tdp_w": chip.tdp_w,
        "tpp": tpp(chip),
        "tpp_range": None if span is None else list(span),
        "performance_density": performance_density(chip),
        "confidence": chip.confidence,
        "as_of": chip.as_of,
        "checked_on": chip.checked_on,
    }


def chip_facts(chip: Chip) -> tuple[Fact, ...]:
    """Every figure of the chip that is known, or computed by us even if it cannot be."""
    computed = {"tpp", "performance_density", "io_bytes_per_s_bidirectional"}
    facts = (chip_fact(chip, field) for field in FIGURES)
    return tuple(fact for fact in facts if fact.value is not None or fact.id.rpartition("#")[2] in computed)


def tpp_formula(chip: Chip) -> str:
    """How TPP and density come about, in one or two sentences."""
    parts = tpp_parts(chip)
    if not parts:
        return "TPP cannot be computed: no rate is known."
    top = parts[0]
    product = f"{shown(top.rate, 'FLOP/s')} x 10^12/s x {top.bits} bit ({top.precision}) = {top.tpp:,.6g}"
    if tpp(chip) is None:
        return f"TPP is at least {product}; the matrix rates are not known."
    text = f"TPP = largest of rate x bit length over precisions = {product}"
    density = performance_density(chip)
    if density is None:
        return f"{text}. Performance density cannot be computed: the logic area is not known."
    return f"{text}. Performance density = TPP / {chip.die_area_mm2:g} mm2 = {density:.4g}."


def describe_chip(catalogue: Catalogue, chip: Chip, on: dt.date) -> dict[str, Any]:
    """Everything known about a chip, as plain data.

    Parameters
    ----------
    on : datetime.date
        Day against which freshness is judged.
    """
    systems = [system for system in catalogue.systems.values() if system.chip_id == chip.id]
    items = {chip.id, *(system.id for system in systems)}
    prices = sorted((price for price in catalogue.prices if price.item_id in items), key=lambda p: (p.date, p.id))
    return {
        "id": chip.id,
        "name": chip.name,
        "vendor": chip.vendor,
        "vendor_country": chip.vendor_country,
        "architecture": chip.architecture,
        "market": chip.market,
        "form_factor": chip.form_factor,
        "status": chip.status,
        "announced": chip.announced,
        "released": chip.released,
        "end_of_sale": chip.end_of_sale,
        "node": chip.node,
        "foundry": chip.foundry,
        "mem_type": chip.mem_type,
        "link_name": chip.link_name,
        "china_variant_of": chip.china_variant_of,
        "confidence": chip.confidence,
        "fact_status": chip.fact_status,
        "as_of": chip.as_of,
        "checked_on": chip.checked_on,
        "stale": is_stale(chip.checked_on, on),
        "sources": chip.sources,
        "notes": chip.notes,
        "cross_check": chip.cross_check,
        "origin": chip.origin,
        "facts": [fact.to_dict() for fact in chip_facts(chip)],
        "second_opinions": [fact.to_dict() for fact in second_opinions(chip)],
        "tpp_formula": tpp_formula(chip),
        "tpp_parts": [
            {"precision": part.precision, "rate": part.rate, "bits": part.bits, "tpp": part.tpp}
            for part in tpp_parts(chip)
        ],
        "tpp_conflicts": list(tpp_conflicts(chip)),
        "systems": [{"id": system.id, "name": system.name, "chips": system.chips} for system in systems],
        "prices": [price_line(price) for price in prices],
    }


def system_line(system: System) -> dict[str, Any]:
    """One system as plain data, SI units."""
    return {field.name: getattr(system, field.name) for field in dataclasses.fields(system)}


def price_line(price: Price) -> dict[str, Any]:
    """One price observation as plain data; `market_fact_only` marks what is never a buying option."""
    return {
        "id": price.id,
        "item": price.item_id,
        "date": price.date,
        "place": price.place,
        "kind": price.kind,
        "basis": price.basis,
        "term": price.term,
        "usd_per_chip": price.usd_per_chip,
        "usd_per_gpu_hour": price.usd_per_gpu_hour,
        "reliability": price.reliability,
        "read_in_source": price.read_in_source,
        "market_fact_only": market_fact_only(price),
        "note": price.note,
        "source": price.source,
    }


def price_history(
    catalogue: Catalogue,
    name: str,
    *,
    rental: bool,
    place: str = "",
    kind: str = "",
    first: dt.date | None = None,
    last: dt.date | None = None,
) -> list[dict[str, Any]]:
    """Prices of a chip, its servers and instances, oldest first.

    Parameters
    ----------
    name : str
        A chip, or a system for that system alone.
    rental : bool
        Rent (USD per chip-hour), else purchase (USD per chip).
    place, kind : str
        Exact, ignoring case.
    first, last : datetime.date
        Keep what may have been seen in that span; a partial date counts with every day it allows.
    """
    item = catalogue.item(name)
    wanted = {item.id}
    if isinstance(item, Chip):
        wanted |= {system.id for system in catalogue.systems.values() if system.chip_id == item.id}
    field = "usd_per_gpu_hour" if rental else "usd_per_chip"

    def fits(price: Price) -> bool:
        span = date_span(price.date)
        return (
            price.item_id in wanted
            and getattr(price, field) is not None
            and place.casefold() in ("", price.place.casefold())
            and kind.casefold() in ("", price.kind.casefold())
            and (first is None or (span is not None and span[1] >= first))
            and (last is None or (span is not None and span[0] <= last))
        )

    rows = [price for price in catalogue.prices if fits(price)]
    return [price_line(price) for price in sorted(rows, key=lambda price: (price.date, price.id))]


def market_fact_only(price: Price) -> bool:
    """True for street and resale prices: observations of a market, never an offer."""
    return price.kind in {"street", "resale"}


def compare_chips(chips: Sequence[Chip]) -> list[dict[str, Any]]:
    """One row per figure that at least one chip has: field, unit and the facts in the order of `chips`."""
    rows = []
    for field in FIGURES:
        facts = [chip_fact(chip, field) for chip in chips]
        if any(fact.value is not None or fact.low is not None for fact in facts):
            rows.append({"field": field, "unit": facts[0].unit, "facts": facts})
    return rows


def vendors(chips: Iterable[Chip]) -> tuple[str, ...]:
    """Vendors that occur, in order."""
    return tuple(dict.fromkeys(chip.vendor for chip in chips))
