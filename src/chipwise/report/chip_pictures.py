"""Pictures of chips as SVG text: several side by side, and the history of a price."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any

from chipwise.catalogue.describe import label, shown, shown_range, shown_unit
from chipwise.catalogue.measures import tpp
from chipwise.catalogue.objects import Chip
from chipwise.catalogue.when import date_span
from chipwise.core import svg
from chipwise.core.fact import Fact
from chipwise.report.palette import IDLE, SERIES

MEASURES = (
    "bf16",
    "fp16",
    "fp8",
    "int8",
    "mem_bytes",
    "mem_bytes_per_s",
    "link_bytes_per_s_per_dir",
    "tdp_w",
    "tpp",
    "performance_density",
)
"""Figures worth a bar; clocks and counts are left to the table."""
LONGEST = 8.0
"""Multiple of the first chip at which a bar is cut, with an arrow."""
_LEFT, _TOP, _BARS, _ROW = 190.0, 84.0, 370.0, 17.0
_KINDS: Mapping[str, tuple[str, bool]] = {
    "list": ("circle", False),
    "contract": ("square", False),
    "estimate": ("diamond", False),
    "street": ("circle", True),
    "resale": ("triangle", True),
    "rental on-demand": ("circle", False),
    "rental reserved": ("square", False),
    "rental spot": ("triangle", False),
    "rental assumed": ("diamond", False),
}
"""Kind of price → mark, and whether hollow: a market fact, no offer."""
_PLACES = ("US", "China", "EU", "global")
"""Places in the order of their colours, the same in every picture."""


def comparison_svg(chips: Sequence[Chip], rows: Sequence[Mapping[str, Any]], others: Sequence[Chip] = ()) -> str:
    """Bars of each measure relative to the first chip, and all of them by TPP and memory bandwidth.

    Parameters
    ----------
    chips : sequence of Chip
        In the order asked for; the first is 1.
    rows : sequence of mapping
        As `chipwise.catalogue.describe.compare_chips` gives them.
    others : sequence of Chip
        Chips shown small in the second picture, for their company.
    """
    found = {row["field"]: row["facts"] for row in rows}
    fields = [field for field in MEASURES if field in found and _figure(found[field][0])]
    colours = [SERIES[index % len(SERIES)] for index in range(len(chips))]
    title = f"{', '.join(chip.id for chip in chips)}: relative to {chips[0].id}"
    parts = [svg.text(20, 28, title, size=16, weight="bold")]
    most = min(LONGEST, max((_most_multiple(found[field]) for field in fields), default=1.0))
    y = _TOP
    for field in fields:
        parts += _bars(field, found[field], colours, most, y)
        y += _ROW * len(chips) + 12
    parts = [*_unit_line(most, _TOP - 6, y - 8), *parts]
    left_out = [label(field) for field in MEASURES if field in found and field not in fields]
    if left_out:
        parts.append(svg.text(20, y + 8, f"none or not known for {chips[0].id}: {', '.join(left_out)}", size=11))
    high = max(y + 30, 480.0)
    parts += _legend(chips, colours, 54)
    parts.append(svg.text(20, high - 12, "Rates are dense; a line over a bar is the range. Not legal advice.", size=11))
    return svg.document(1240, high, [*parts, *_scatter(chips, colours, others)], title)


def _most_multiple(facts: Sequence[Fact]) -> float:
    return max(_figure(fact) / _figure(facts[0]) for fact in facts)


def _figure(fact: Fact) -> float:
    """The figure, 0 where it is not known."""
    return fact.value if isinstance(fact.value, float) else 0.0


def _bars(field: str, facts: Sequence[Fact], colours: Sequence[str], most: float, y: float) -> list[str]:
    """One measure: a bar for each chip, its range as a line, figure and multiple beside it."""
    first = _figure(facts[0])
    middle = y + _ROW * len(facts) / 2 + 4
    parts = [svg.text(_LEFT - 10, middle, label(field), anchor="end")]
    for index, (fact, colour) in enumerate(zip(facts, colours, strict=True)):
        top = y + _ROW * index
        if not isinstance(fact.value, float):
            parts.append(svg.text(_LEFT + 6, top + 11, "not known", size=11))
            continue
        multiple = fact.value / first
        wide = _BARS * min(multiple, most) / most
        parts.append(svg.box(_LEFT, top, max(wide, 1.0), _ROW - 4, colour))
        end = wide
        if fact.low is not None and fact.high is not None:
            low, high = (_BARS * min(max(bound / first, 0.0), most) / most for bound in (fact.low, fact.high))
            parts.append(svg.line(_LEFT + low, top + 6.5, _LEFT + high, top + 6.5, colour=svg.INK, dash=""))
            end = max(wide, high)
        cut = " ▸" if multiple > most else ""
        figure = f"{cut} {shown_range(fact)} {shown_unit(fact.unit)}"
        parts.append(svg.text(_LEFT + end + 4, top + 11, f"{figure} [{multiple:.2f}x]" if index else figure, size=11))
    return parts


def _unit_line(most: float, top: float, foot: float) -> list[str]:
    x = _LEFT + _BARS / most
    return [svg.line(x, top, x, foot), svg.text(x, top - 2, "1x", anchor="middle", size=10)]


def _legend(chips: Sequence[Chip], colours: Sequence[str], y: float) -> list[str]:
    parts, x = [], 20.0
    for chip, colour in zip(chips, colours, strict=True):
        parts += [svg.box(x, y - 10, 12, 12, colour), svg.text(x + 17, y, chip.id)]
        x += 34 + 7.2 * len(chip.id)
    return parts


def _scatter(chips: Sequence[Chip], colours: Sequence[str], others: Sequence[Chip]) -> list[str]:
    """TPP against memory bandwidth on log axes; a chip for which one is not known is named below."""
    known = [chip for chip in chips if _spot(chip)]
    every = [chip for chip in (*others, *known) if _spot(chip)]
    if not known:
        return []
    left, top, wide, high = 850.0, 84.0, 350.0, 320.0
    spans = [_log_span([_spot(chip)[axis] for chip in every]) for axis in (0, 1)]

    def place(spot: Sequence[float]) -> tuple[float, float]:
        shares = [
            math.log(value / span[0]) / math.log(span[1] / span[0]) for value, span in zip(spot, spans, strict=True)
        ]
        return left + wide * shares[0], top + high * (1.0 - shares[1])

    parts = [svg.box(left, top, wide, high, "none", svg.FAINT), svg.text(left, top - 12, "TPP and memory bandwidth")]
    for value in svg.powers(*spans[0]):
        if f"{value:g}"[0] == "1" or value < 1e3:
            x, _ = place((value, spans[1][0]))
            parts.append(svg.text(x, top + high + 15, f"{value:,.0f}", anchor="middle", size=10))
    for value in svg.powers(*spans[1]):
        _, y = place((spans[0][0], value))
        parts.append(svg.text(left - 6, y + 3, f"{value / 1e9:,.0f}", anchor="end", size=10))
    parts.append(svg.text(left + wide / 2, top + high + 32, "TPP", anchor="middle", size=11))
    parts.append(svg.upright(left - 48, top + high / 2, "memory bandwidth, GB/s", size=11))
    company = [chip for chip in others if _spot(chip) and chip not in known]
    parts += [svg.dot(*place(_spot(chip)), _words(chip), "#ffffff", False, stroke=IDLE) for chip in company]
    taken: list[tuple[float, float, float]] = []
    for chip in known:
        x, y = place(_spot(chip))
        parts.append(svg.mark(x, y, "circle", _words(chip), colours[list(chips).index(chip)]))
        long = 6.4 * len(chip.id)
        start = x + 8 if x + 8 + long < left + wide else x - 8 - long
        while not svg.free_of((start, start + long, y), taken, 12):
            y += 12
        taken.append((start, start + long, y))
        parts.append(svg.text(start, y + 4, chip.id, size=11))
    missing = [chip.id for chip in chips if chip not in known]
    if missing:
        parts.append(
            svg.text(left, top + high + 52, f"not placed, a figure is not known: {', '.join(missing)}", size=11)
        )
    return parts


def _spot(chip: Chip) -> tuple[float, ...]:
    """TPP and memory bandwidth; empty where one is not known."""
    power, bandwidth = tpp(chip), chip.mem_bytes_per_s
    return (power, bandwidth) if power and bandwidth else ()


def _words(chip: Chip) -> str:
    return f"{chip.name}: TPP {shown(tpp(chip), '')}, {shown(chip.mem_bytes_per_s, 'byte/s')} GB/s"


def _log_span(values: Sequence[float]) -> tuple[float, float]:
    return min(values) / 1.4, max(values) * 1.4


def prices_svg(prices: Sequence[Mapping[str, Any]], field: str, title: str) -> str:
    """Prices through time: place by colour, kind by mark, hollow where it is a market fact and no offer.

    Parameters
    ----------
    prices : sequence of mapping
        As `chipwise.catalogue.describe.price_history` gives them.
    field : {"usd_per_chip", "usd_per_gpu_hour"}
    """
    left, top, wide, high = 90.0, 56.0, 760.0, 380.0
    spans = [span for price in prices if (span := date_span(price["date"]))]
    first = min(span[0] for span in spans).replace(month=1, day=1)
    last = dt.date(max(span[1] for span in spans).year + 1, 1, 1)
    steps = svg.round_steps(max(price[field] for price in prices))
    places = sorted({price["place"] for price in prices})
    order = [*_PLACES, *(place for place in places if place not in _PLACES)]
    colours = {place: SERIES[order.index(place) % len(SERIES)] for place in order if place in places}

    def across(day: dt.date) -> float:
        return left + wide * (day - first).days / (last - first).days

    def down(value: float) -> float:
        return top + high * (1.0 - value / steps[-1])

    unit = "USD per chip-hour" if field == "usd_per_gpu_hour" else "USD per chip"
    parts = [svg.text(20, 28, title, size=16, weight="bold"), svg.upright(26, top + high / 2, unit)]
    for value in steps:
        parts.append(svg.line(left, down(value), left + wide, down(value), colour="#dadce0", dash=""))
        parts.append(svg.text(left - 8, down(value) + 4, f"{value:,g}", anchor="end", size=11))
    for year in range(first.year, last.year + 1):
        x = across(dt.date(year, 1, 1))
        parts.append(svg.line(x, top, x, top + high, colour="#dadce0"))
        parts.append(svg.text(x, top + high + 18, str(year), anchor="middle", size=11))
    for price in prices:
        parts += _price_mark(price, field, colours[price["place"]], across, down)
    kinds = [kind for kind in _KINDS if any(price["kind"] == kind for price in prices)]
    return svg.document(1080, top + high + 62, [*parts, *_price_legend(kinds, colours, top + high + 44)], title)


def _price_mark(price: Mapping[str, Any], field: str, colour: str, across: Any, down: Any) -> list[str]:
    """A mark in the middle of the span its date allows; a span of over forty days is drawn."""
    span = date_span(price["date"])
    if span is None:
        return []
    start, end = across(span[0]), across(span[1])
    y = down(price[field])
    shape, hollow = _KINDS.get(price["kind"], ("diamond", True))
    fact_only = ", a market fact, no offer" if price["market_fact_only"] else ""
    words = f"{price['date']}, {price['place']}, {price['kind']}{fact_only}: {price[field]:,g} USD ({price['source']})"
    spread = [svg.line(start, y, end, y, colour=colour)] if (span[1] - span[0]).days > 40 else []
    return [*spread, svg.mark((start + end) / 2, y, shape, words, colour, hollow=hollow)]


def _price_legend(kinds: Sequence[str], colours: Mapping[str, str], y: float) -> list[str]:
    parts, row = [], 76.0
    for place, colour in colours.items():
        parts += [svg.box(880, row - 10, 12, 12, colour), svg.text(900, row, place)]
        row += 20
    row += 10
    for kind in kinds:
        shape, hollow = _KINDS[kind]
        parts += [svg.mark(886, row - 4, shape, kind, svg.INK, hollow=hollow), svg.text(900, row, kind)]
        row += 20
    foot = "Hollow: street and resale prices, market facts and never offers. A line is what the date leaves open."
    return [*parts, svg.text(90, y, foot, size=11)]
