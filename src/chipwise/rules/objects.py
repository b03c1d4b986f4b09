"""What goes in and what comes out: a case, an answer, steps, margins and flips."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

Span = tuple[float, float]
"""A figure as an interval (low, high) in the unit of the law; equal ends for a figure taken as exact."""

UNKNOWN: Span = (0.0, math.inf)
MEASURES = ("tpp", "perf_density", "mem_bw_density", "dram_GBps", "io_GBps", "dram_plus_io_GBps")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSpec:
    """One question: an item, a party, a movement and a day.

    Parameters
    ----------
    tpp : (low, high), TPP
    perf_density : (low, high), TPP/mm²
    mem_bw_density : (low, high), GB/s per mm²
    dram_GBps, io_GBps : (low, high), GB/s
        Units and sums as the law states them (10^9 byte/s; both directions for `io_GBps`). `UNKNOWN` where not known.
    data_center_design : bool or None
        Designed or marketed for data centers; None when disputed or not known.
    maker_country : str
        Country of the designer; empty when not known.
    available_in_us : bool or None
        Sold as a commodity in the United States on 2026-01-15; None when open.
    to, hq : str
        ISO 3166 codes as the rules treat them; `hq` may be ``unknown``, which is never taken to be `to`.
    asked_to, asked_hq : str
        The codes as they were given (HK is treated as CN).
    """

    on: dt.date
    to: str
    hq: str = "unknown"
    item_kind: str = "chip"
    item: str = ""
    chip_id: str = ""
    vendor: str = ""
    maker_country: str = ""
    tpp: Span = UNKNOWN
    perf_density: Span = UNKNOWN
    mem_bw_density: Span = UNKNOWN
    dram_GBps: Span = UNKNOWN
    io_GBps: Span = UNKNOWN
    data_center_design: bool | None = None
    available_in_us: bool | None = None
    firmware_locked: bool = False
    die_node_nm: float | None = None
    die_planar: bool | None = None
    die_transistors_bn: float | None = None
    die_has_hbm: bool | None = None
    packager: str = ""
    designer_hq: str = ""
    route: str = "export_from_us"
    route_from: str = ""
    buyer: str = "commercial"
    buyer_name: str = ""
    listed_ownership_pct: float | None = None
    on_user_list: bool = False
    end_use: str = ""
    acquired_on: dt.date | None = None
    asked_to: str = ""
    asked_hq: str = ""

    def span(self, measure: str) -> Span:
        """One figure by the name the tests use."""
        if measure == "dram_plus_io_GBps":
            return self.dram_GBps[0] + self.io_GBps[0], self.dram_GBps[1] + self.io_GBps[1]
        value: Span = getattr(self, measure)
        return value

    def at(self, day: dt.date) -> CaseSpec:
        """The same question on another day."""
        return replace(self, on=day)


class Answer(NamedTuple):
    """The four answers and what stands behind them."""

    classification: str
    licence_required: str
    outcome: str
    review_policy: str
    exception: str = ""
    question: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One layer's finding, in words, with the law it rests on; dates are half-open."""

    layer: str
    finding: str
    reason: str
    citation: str
    effective_from: dt.date | None = None
    effective_until: dt.date | None = None
    rule_id: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "layer": self.layer,
            "finding": self.finding,
            "reason": self.reason,
            "citation": self.citation,
            "effective_from": None if self.effective_from is None else self.effective_from.isoformat(),
            "effective_until": None if self.effective_until is None else self.effective_until.isoformat(),
            "rule_id": self.rule_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """Distance from a figure to a line of the law: (figure - line) / line at both ends of the figure's interval."""

    line: str
    measure: str
    unit: str
    threshold: float
    low: float
    high: float
    relative_low: float
    relative_high: float
    near: bool
    straddles: bool
    citation: str

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """One thing that, if it were otherwise, would change the answer."""

    kind: str
    what: str
    outcome: str
    licence_required: str
    on: dt.date | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        out: dict[str, Any] = {"kind": self.kind, "what": self.what}
        out["outcome"], out["licence_required"] = self.outcome, self.licence_required
        if self.on is not None:
            out["on"] = self.on.isoformat()
        return out
