"""What an hour of a chip costs to rent lawfully, from the observations of the catalogue."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chipwise.catalogue.objects import Price

LAWFUL_KINDS = ("rental on-demand", "rental reserved")

SPAN_YEARS = 1
"""Observations up to so many years older than the newest give the range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rent:
    """USD of a chip-hour: median and range of the newest observation and those up to a year older."""

    usd_per_chip_hour: float
    low: float
    high: float
    date: str
    price_ids: tuple[str, ...]
    source: str


def rental_prices(chip: str, catalogue: Any) -> list[Price]:
    """On-demand and reserved rents of a chip, oldest first.

    Spot, street and resale observations are no offers one can plan on and never count.
    """
    rows = [
        price
        for price in catalogue.prices
        if price.item_id == chip and price.usd_per_gpu_hour and price.kind in LAWFUL_KINDS and price.reliability != "C"
    ]
    return sorted(rows, key=lambda price: (price.date, price.id))


def rental_price(chip: str, catalogue: Any) -> Price | None:
    """Newest rent of a chip; None where there is none."""
    rows = rental_prices(chip, catalogue)
    return rows[-1] if rows else None


def rent_of(chip: str, catalogue: Any) -> Rent | None:
    """Median and range of the last year's observations; None where there is none."""
    rows = rental_prices(chip, catalogue)
    if not rows:
        return None
    newest = rows[-1]
    year = str(int(newest.date[:4]) - SPAN_YEARS) + newest.date[4:]
    near = [row for row in rows if row.date >= year]
    rates = [float(row.usd_per_gpu_hour or 0.0) for row in near]
    return Rent(
        usd_per_chip_hour=statistics.median(rates),
        low=min(rates),
        high=max(rates),
        date=newest.date,
        price_ids=tuple(row.id for row in near),
        source=f"median of {len(near)} rents of the year to {newest.date}; newest: {newest.source}",
    )
