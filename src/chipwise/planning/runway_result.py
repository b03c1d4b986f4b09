"""The answer to how long a stock lasts, as frozen objects."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chipwise.core.notebook import shown_in_notebook
from chipwise.planning.runway_ranges import InputRange


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """How strongly an input moves a sense: Spearman's rank correlation over the draws, -1 to 1."""

    input: str
    label: str
    rank_correlation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The same sense under another reading: years, and what the reading is."""

    name: str
    years: float
    low: float | None
    high: float | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunwaySense:
    """One sense of runway.

    Parameters
    ----------
    name : str
        ``programme``, ``flagship``, ``squeeze`` or ``wear``.
    years : float or None
        With central inputs; inf when it never ends, None when undetermined.
    undetermined : str
        What is missing; empty when determined.
    low, high : float or None
        5th and 95th percentile of the draws, years.
    p10, median, p90 : float or None
        Further percentiles, years.
    probability_at_least_one_year, probability_zero : float or None
        Shares of the draws.
    ends_on : datetime.date or None
        Day on which the central runway ends; None when it never does.
    inputs : tuple of InputRange
        What it was computed from.
    drivers : tuple of Driver
        Strongest first.
    variants : tuple of Variant
        Other readings worth seeing beside it.
    """

    name: str
    years: float | None
    undetermined: str = ""
    low: float | None = None
    high: float | None = None
    p10: float | None = None
    median: float | None = None
    p90: float | None = None
    probability_at_least_one_year: float | None = None
    probability_zero: float | None = None
    ends_on: dt.date | None = None
    inputs: tuple[InputRange, ...] = ()
    drivers: tuple[Driver, ...] = ()
    variants: tuple[Variant, ...] = ()

    @property
    def determined(self) -> bool:
        """Whether there is an answer."""
        return self.years is not None

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON; an unbounded runway is ``"inf"`` there."""
        if not self.determined:
            return {"years": None, "undetermined": self.undetermined}
        return {
            "years": self.years,
            "low": self.low,
            "high": self.high,
            "p10": self.p10,
            "median": self.median,
            "p90": self.p90,
            "probability_at_least_one_year": self.probability_at_least_one_year,
            "probability_zero": self.probability_zero,
            "ends_on": self.ends_on,
            "drivers": [{"input": d.input, "label": d.label, "rank_correlation": d.rank_correlation}
                        for d in self.drivers],
            "variants": [{"name": v.name, "years": v.years, "low": v.low, "high": v.high, "note": v.note}
                         for v in self.variants],
            "inputs": [entry.fact for entry in self.inputs],
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A sense that is zero at one end of what nobody knows and over a year at the other."""

    sense: str
    inputs: tuple[str, ...]
    shortest_years: float
    longest_years: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Runway:
    """The answer: four senses, the binding one, and how far to trust it.

    Parameters
    ----------
    binding : str or None
        Sense with the shortest central runway among those determined; None when none is, or none ever ends.
    binding_shares : mapping of str to float
        Share of the draws in which each sense ends first.
    sensitive : tuple of Flip
        Senses that the final-run share or the flagship size flips between zero and over a year.
    """

    scenario_id: str
    as_of: dt.date
    draws: int
    seed: int
    programme: RunwaySense
    flagship: RunwaySense
    squeeze: RunwaySense
    wear: RunwaySense
    binding: str | None
    binding_shares: Mapping[str, float]
    sensitive: tuple[Flip, ...]
    warnings: tuple[str, ...]

    _repr_html_ = shown_in_notebook

    @property
    def senses(self) -> tuple[RunwaySense, ...]:
        """The four senses in their order."""
        return (self.programme, self.flagship, self.squeeze, self.wear)

    @property
    def inputs(self) -> tuple[InputRange, ...]:
        """Every input of every determined sense, once."""
        return tuple({entry.name: entry for sense in self.senses for entry in sense.inputs}.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        flips = [
            {"sense": f.sense, "inputs": f.inputs, "shortest_years": f.shortest_years, "longest_years": f.longest_years}
            for f in self.sensitive
        ]
        return {
            "scenario": self.scenario_id,
            "as_of": self.as_of,
            "draws": self.draws,
            "seed": self.seed,
            **{sense.name: sense.to_dict() for sense in self.senses},
            "binding": self.binding,
            "binding_shares": dict(self.binding_shares),
            "sensitive": flips,
            "warnings": list(self.warnings),
        }
