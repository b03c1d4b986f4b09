"""What a fleet costs by the hour, from lawful prices of the catalogue with their source; otherwise chips alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chipwise.catalogue.rent import rental_price


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetCost:
    """Chips of a fleet and, where every chip has a rental price in the catalogue, USD an hour.

    Parameters
    ----------
    price_ids : tuple of str
        Price observations used.
    note : str
        Which chip has no price.
    """

    chips: int
    usd_per_hour: float | None
    price_ids: tuple[str, ...]
    sources: tuple[str, ...]
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "chips": self.chips,
            "usd_per_hour": self.usd_per_hour,
            "prices": list(self.price_ids),
            "sources": list(self.sources),
            "note": self.note,
        }


def fleet_cost(chips: Mapping[str, int], catalogue: Any, own: Mapping[str, float] | None = None) -> FleetCost:
    """Cost of a fleet at the newest on-demand or reserved rental price of each chip; grey-market rows never count.

    Parameters
    ----------
    own : mapping of chip id to float, optional
        The user's own USD per chip and hour, used instead.
    """
    total, ids, sources, lacking = 0.0, [], [], []
    for chip, count in chips.items():
        if own and chip in own:
            total += count * own[chip]
            sources.append(f"{chip} at {own[chip]:g} USD/h: your own price")
            continue
        price = rental_price(chip, catalogue)
        if price is None:
            lacking.append(chip)
            continue
        total += count * (price.usd_per_gpu_hour or 0.0)
        ids.append(price.id)
        sources.append(f"{price.source} ({price.date}, {price.kind})")
    return FleetCost(
        chips=sum(chips.values()),
        usd_per_hour=None if lacking else total,
        price_ids=tuple(ids),
        sources=tuple(sources),
        note=f"no lawful rental price in the catalogue for {', '.join(lacking)}: compared by chips" if lacking else "",
    )
