"""A datum with a past, and an estimate with an interval."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["official", "measured", "estimated", "assumed"]
Evidence = Literal["measured on this chip", "measured on its family", "data sheet only", "scenario"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One sourced datum.

    Parameters
    ----------
    id : str
        ``<table>/<row>#<field>``: ``chips/h20-96#mem_bytes_per_s``, ``scenario/baidu-2023#fleet_use.mfu``.
    value : float or str or bool or None
        In the unit given; None means not published.
    unit : str
        SI unit, or the unit of the law (``TPP``); empty for text and shares.
    source : str
        Who says so.
    as_of : str
        Date the figure speaks of, possibly partial; empty when unknown.
    checked_on : datetime.date or None
        Last day a person or script compared it with its source.
    status : {"official", "measured", "estimated", "assumed"}
    low, high : float or None
        Range, where the source gives one.
    note : str
        Anything a reader must know, such as ``rests on a source published after the decision``.
    """

    id: str
    value: float | str | bool | None
    unit: str
    source: str
    as_of: str = ""
    checked_on: dt.date | None = None
    status: Status = "estimated"
    low: float | None = None
    high: float | None = None
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON, without empty entries."""
        out: dict[str, Any] = {"id": self.id, "value": self.value, "unit": self.unit, "source": self.source}
        out["status"] = self.status
        if self.as_of:
            out["as_of"] = self.as_of
        if self.checked_on is not None:
            out["checked_on"] = self.checked_on.isoformat()
        if self.low is not None or self.high is not None:
            out["range"] = [self.low, self.high]
        if self.note:
            out["note"] = self.note
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A predicted number: central value and 90 % interval, with how it came about.

    Parameters
    ----------
    value, low, high : float
        In `unit`; ``low <= value <= high``.
    unit : str
    method : str
        One sentence.
    evidence : str
        Rung of the evidence ladder.
    breakdown : mapping of str to float
        Named parts, in `unit` unless the name says otherwise.
    facts : tuple of str
        Ids of the facts used.
    """

    value: float
    low: float
    high: float
    unit: str
    method: str
    evidence: Evidence
    breakdown: Mapping[str, float] = field(default_factory=dict)
    facts: tuple[str, ...] = ()

    def scaled(self, factor: float, unit: str | None = None) -> Estimate:
        """The same estimate times a positive constant."""
        return Estimate(
            value=self.value * factor,
            low=self.low * factor,
            high=self.high * factor,
            unit=unit or self.unit,
            method=self.method,
            evidence=self.evidence,
            breakdown=self.breakdown,
            facts=self.facts,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "unit": self.unit,
            "method": self.method,
            "evidence": self.evidence,
            "breakdown": dict(self.breakdown),
            "facts": list(self.facts),
        }
