"""Which lawful chips could do the work of one chip, and how many of each: physics beside the law of a day.

Only chips the law leaves free on the day are ranked. What it leaves to counsel is listed without a rank, what needs a
licence or is barred is counted, not listed: this answers what may be used, never what would come close to a line.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from chipwise.catalogue import Catalogue, Chip, load_catalogue
from chipwise.core.errors import Undetermined
from chipwise.core.fact import Estimate
from chipwise.perf import estimate_serving, estimate_training
from chipwise.planning.availability import FREE_OUTCOMES
from chipwise.rules import check

Work = Literal["serve", "train"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One chip that may stand in.

    Parameters
    ----------
    chips_for_one : Estimate
        How many replace one of the chip asked about, with interval (independent errors, combined in logarithms).
    rate : Estimate
        Tokens/s of one chip at this work.
    outcome : str
        Verdict of the day.
    """

    chip_id: str
    name: str
    vendor_country: str
    outcome: str
    rate: Estimate
    chips_for_one: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "chip": self.chip_id,
            "name": self.name,
            "vendor_country": self.vendor_country,
            "outcome": self.outcome,
            "rate": self.rate.to_dict(),
            "chips_for_one": self.chips_for_one.to_dict(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternatives:
    """The answer: ranked free chips, chips left to counsel, and how many were left out and why."""

    chip_id: str
    model_id: str
    work: Work
    to: str
    hq: str
    on: dt.date
    free: tuple[Alternative, ...]
    counsel: tuple[Alternative, ...]
    licence_or_barred: int
    undetermined: int

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "chip": self.chip_id,
            "model": self.model_id,
            "work": self.work,
            "to": self.to,
            "hq": self.hq,
            "on": self.on,
            "free": [entry.to_dict() for entry in self.free],
            "counsel": [entry.to_dict() for entry in self.counsel],
            "licence_or_barred": self.licence_or_barred,
            "undetermined": self.undetermined,
            "not_legal_advice": True,
        }


def _rate(
    chip: Chip, model: str, work: Work, catalogue: Catalogue, tpot_s: float | None, ttft_s: float | None
) -> Estimate | None:
    try:
        if work == "train":
            return estimate_training(chip, model, catalogue=catalogue).tokens_per_s_per_chip
        found = estimate_serving(chip, model, tpot_s=tpot_s, ttft_s=ttft_s, catalogue=catalogue)
    except Undetermined:
        return None
    return found.tokens_per_s_per_chip if found.feasible else None


def _ratio(one: Estimate, other: Estimate) -> Estimate:
    """`one` over `other`; errors independent, so half-widths add in squares on a logarithmic scale."""
    value = one.value / other.value
    up = math.hypot(math.log(one.high / one.value), math.log(other.value / other.low))
    down = math.hypot(math.log(one.value / one.low), math.log(other.high / other.value))
    return Estimate(
        value=value,
        low=value * math.exp(-down),
        high=value * math.exp(up),
        unit="chips",
        method="ratio of tokens/s per chip at the same work and targets",
        evidence=other.evidence,
        facts=(*one.facts, *other.facts),
    )


RELEASE = re.compile(r"^(\d{4})(?:-(0[1-9]|1[0-2])(?!\d)(?:-([0-3]\d))?|-Q([1-4])|-H([12]))?")


def _on_sale(chips: Iterable[Chip], on: dt.date) -> Iterator[Chip]:
    """Chips shipped by a day; one whose release is not known is not offered."""
    for chip in chips:
        released = _release_day(chip.released)
        if chip.status == "shipped" and released is not None and released <= on:
            yield chip


def _release_day(text: str) -> dt.date | None:
    """First day a release text allows: a day, month, quarter, half or year at its start; None when it says none."""
    found = RELEASE.match(text)
    if found is None:
        return None
    year, month, day, quarter, half = found.groups()
    first_month = int(month) if month else 3 * int(quarter) - 2 if quarter else 6 * int(half) - 5 if half else 1
    return dt.date(int(year), first_month, int(day) if day else 1)


def alternatives(
    chip: str,
    *,
    to: str,
    hq: str,
    on: dt.date,
    model: str,
    work: Work = "serve",
    tpot_s: float | None = None,
    ttft_s: float | None = None,
    catalogue: Catalogue | None = None,
) -> Alternatives:
    """Chips that may lawfully do the work of `chip` on a day, best first.

    Parameters
    ----------
    chip, model : str
        Catalogue names.
    to, hq : str
        Destination and headquarters, ISO 3166 codes; `hq` may be ``unknown``.
    on : datetime.date
    work : {"serve", "train"}
    tpot_s, ttft_s : float, optional
        Targets of serving, s.

    Raises
    ------
    Undetermined
        When the chip asked about has no rate at this work.
    """
    catalogue = catalogue or load_catalogue()
    asked = catalogue.chip(chip)
    own = _rate(asked, model, work, catalogue, tpot_s, ttft_s)
    if own is None:
        raise Undetermined(f"{asked.id} has no rate for {model} at this work and these targets")
    free: list[Alternative] = []
    counsel: list[Alternative] = []
    closed = unknown = 0
    for other in _on_sale(catalogue.chips.values(), on):
        if other.id == asked.id:
            continue
        route = "local_purchase" if other.vendor_country == to == hq else "export_from_us"
        outcome = check(other.id, to=to, hq=hq, on=on, route=route, catalogue=catalogue).outcome
        if outcome not in (*FREE_OUTCOMES, "needs_counsel"):
            closed += 1
            continue
        rate = _rate(other, model, work, catalogue, tpot_s, ttft_s)
        if rate is None:
            unknown += 1
            continue
        entry = Alternative(
            chip_id=other.id,
            name=other.name,
            vendor_country=other.vendor_country,
            outcome=outcome,
            rate=rate,
            chips_for_one=_ratio(own, rate),
        )
        (free if outcome in FREE_OUTCOMES else counsel).append(entry)
    return Alternatives(
        chip_id=asked.id,
        model_id=catalogue.model(model).id,
        work=work,
        to=to,
        hq=hq,
        on=on,
        free=tuple(sorted(free, key=lambda entry: (entry.chips_for_one.value, entry.chip_id))),
        counsel=tuple(sorted(counsel, key=lambda entry: entry.chip_id)),
        licence_or_barred=closed,
        undetermined=unknown,
    )
