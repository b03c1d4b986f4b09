"""From a catalogue name to the figures the law tests."""

from __future__ import annotations

import datetime as dt
import functools
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from chipwise.core.dates import last_day
from chipwise.rules.geography import as_treated
from chipwise.rules.objects import UNKNOWN, CaseSpec, Span
from chipwise.rules.rulebook import Rulebook

if TYPE_CHECKING:
    from chipwise.catalogue import Catalogue, Chip

_GIGA = 1e9
_ROUNDING = 0.005


class ItemFields(TypedDict):
    """The fields of a case that a chip fills."""

    chip_id: str
    vendor: str
    maker_country: str
    tpp: Span
    perf_density: Span
    dram_GBps: Span
    io_GBps: Span
    data_center_design: bool | None
    available_in_us: bool | None
    firmware_locked: bool


def item_fields(chip: Chip, rulebook: Rulebook) -> ItemFields:
    """What the law asks of a chip: intervals of its figures, design, maker, and availability in the United States."""
    from chipwise.catalogue import measures

    facts = rulebook.tables["item_facts"]
    own = facts["items"].get(chip.id, {})
    tpp = measures.tpp_interval(chip) or UNKNOWN
    if chip.published_tpp is not None and tpp != UNKNOWN and _agrees(tpp, chip.published_tpp):
        tpp = (min(tpp[0], chip.published_tpp), max(tpp[1], chip.published_tpp))
    if own.get("firmware_locked"):
        tpp = (tpp[0], math.inf)
    io = measures.io_interval(chip)
    memory = chip.field_ranges.get("mem_bytes_per_s")
    if memory is None and chip.mem_bytes_per_s is not None:
        memory = (chip.mem_bytes_per_s, chip.mem_bytes_per_s)
    return ItemFields(
        chip_id=chip.id,
        vendor=chip.vendor.split(" ")[0],
        maker_country=chip.vendor_country,
        tpp=tpp,
        perf_density=_density(chip, tpp),
        dram_GBps=UNKNOWN if memory is None else (memory[0] / _GIGA, memory[1] / _GIGA),
        io_GBps=(io[0] / _GIGA, io[1] / _GIGA),
        data_center_design=_design(chip, facts, own),
        available_in_us=_available(chip, facts),
        firmware_locked=bool(own.get("firmware_locked")),
    )


def _agrees(tpp: Span, published: float) -> bool:
    """Whether a printed TPP is the same hardware rate, rounded in print; a larger gap is another reading."""
    return abs(published - tpp[1]) <= _ROUNDING * tpp[1]


def _density(chip: Chip, tpp: Span) -> Span:
    """TPP over the non-planar logic area; unknown where area or make is."""
    if tpp == UNKNOWN or chip.die_area_mm2 is None or chip.non_planar is not True:
        return UNKNOWN
    return tpp[0] / chip.die_area_mm2, tpp[1] / chip.die_area_mm2


def _design(chip: Chip, facts: Mapping[str, Any], own: Mapping[str, Any]) -> bool | None:
    if own.get("data_center_design") == "open":
        return None
    found: bool | None = facts["market_is_data_center"].get(chip.market)
    return found


def _available(chip: Chip, facts: Mapping[str, Any]) -> bool | None:
    """Sold as a commodity in the United States on the day the 2026 rule names; None for chips no longer sold."""
    day: dt.date = facts["available_on"]
    if chip.vendor in facts["sold_only_as_a_service"] or chip.china_variant_of or chip.status != "shipped":
        return False
    released = _released(chip)
    if released is None:
        return None
    if released > day:
        return False
    return None if chip.end_of_sale else True


_DATE = re.compile(r"\d{4}(-\d{2}(?!\d)(-\d{2})?)?")


def _released(chip: Chip) -> dt.date | None:
    """Last day on which the chip came out, read from the head of ``2024-08``, ``2024-Q1`` or ``2022-2023``."""
    found = _DATE.match(chip.released or chip.announced)
    return last_day(found.group()) if found else None


@functools.lru_cache(maxsize=4096)
def resolved(item: str, catalogue: Catalogue, rulebook: Rulebook) -> tuple[str, ItemFields]:
    """Kind and fields of a name; a system built of consumer chips has its design left open."""
    from chipwise.catalogue import Chip

    found = catalogue.item(item)
    if isinstance(found, Chip):
        return "chip", item_fields(found, rulebook)
    fields = item_fields(catalogue.chips[found.chip_id], rulebook)
    if fields["data_center_design"] is False:
        fields["data_center_design"] = None
    return "system", fields


def case_for(
    item: str,
    *,
    on: dt.date,
    to: str,
    hq: str,
    rulebook: Rulebook,
    data_center_design: bool | None = None,
    catalogue: Catalogue | None = None,
    **rest: Any,
) -> CaseSpec:
    """The case of a catalogue chip or system."""
    if catalogue is None:
        from chipwise.catalogue import load_catalogue

        catalogue = load_catalogue()
    kind, found = resolved(item, catalogue, rulebook)
    fields = dict(found)
    if data_center_design is not None:
        fields["data_center_design"] = data_center_design
    return CaseSpec(
        item=item,
        item_kind=kind,
        on=on,
        to=as_treated(to, rulebook),
        hq=as_treated(hq, rulebook),
        asked_to=to,
        asked_hq=hq,
        **fields,  # type: ignore[arg-type]
        **rest,
    )
