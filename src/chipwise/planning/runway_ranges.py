"""The inputs of a runway as frozen objects: named ranges with their sources, None where nothing is known."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from chipwise.core.errors import ScenarioError
from chipwise.core.fact import Fact

Distribution = Literal["log-uniform", "uniform"]
_SHARES = (
    "training_share",
    "availability",
    "mfu",
    "serving_utilisation",
    "attrition_per_year",
    "final_run_share",
    "need_share",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRange:
    """One input: central value, range, source and how it is drawn.

    Parameters
    ----------
    name : str
        Unique within the inputs: ``chips/h800-sxm``, ``mfu``.
    label : str
        The same in words.
    value, low, high : float
        In `unit`; equal when the input is not drawn.
    fact : str
        Id of the fact behind it.
    distribution : {"log-uniform", "uniform"}
        Log-uniform for counts, runs, tokens and growth; uniform for the rest, and where the range starts at zero.
    """

    name: str
    label: str
    value: float
    low: float
    high: float
    unit: str
    fact: str
    source: str
    distribution: Distribution = "uniform"
    ex_post: bool = False

    def __post_init__(self) -> None:
        for number in (self.value, self.low, self.high):
            if not (math.isfinite(number) and number >= 0.0):
                raise ScenarioError(
                    f"{number:g} cannot be used", place=self.fact or self.name, allowed="a finite number of 0 or more"
                )
        if self.low > self.high:
            raise ScenarioError(
                f"range {self.low:g} to {self.high:g} is upside down", place=self.fact, allowed="low <= high"
            )

    def to_fact(self) -> Fact:
        """The input as a `Fact` for reports."""
        return Fact(
            id=self.fact,
            value=self.value,
            unit=self.unit,
            source=self.source,
            status="assumed" if self.fact.startswith(("assumption/", "argument")) else "estimated",
            low=self.low if self.drawn else None,
            high=self.high if self.drawn else None,
            note="evidence published after the day of the decision" if self.ex_post else "",
        )

    @property
    def drawn(self) -> bool:
        """Whether the range is more than a point."""
        return self.low < self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetLine:
    """One line of stock: how many, the dense 16-bit peak in FLOP/s (None: not published), trains or serves only."""

    chip_id: str
    chips: InputRange
    peak_flops: InputRange | None
    trains: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """A kind of final run: FLOP of one, and how many fall due in the first twelve months."""

    flop: InputRange
    runs_per_year: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingLine:
    """A class of tokens: active parameters and share of all tokens."""

    active_params: InputRange
    token_share: InputRange


@dataclass(frozen=True, slots=True, kw_only=True)
class RunwayInputs:
    """Everything the four senses are computed from; None where the scenario is silent.

    Parameters
    ----------
    fleet : tuple of FleetLine
    runs : tuple of RunLine
        Final runs; their sum over the first twelve months is what demand grows from.
    flagship : str
        Name of the run input whose FLOP is the biggest run wanted; empty when nothing is to be trained.
    cluster_chips : InputRange or None
        Largest cluster of one type that can be wired; None: all chips of a type.
    spares, repair_share : float
        Chips on the shelf for the largest cluster; share of failures repaired at once.
    support_end_years : float or None
        Years until support of the largest cluster ends; None: no end known.
    withheld : tuple of str
        Ids of figures left out because they became public too late.
    owners : int
        Firms whose stock is listed together; several never share one cluster.
    """

    scenario_id: str
    as_of: dt.date
    fleet: tuple[FleetLine, ...]
    training_share: InputRange | None
    availability: InputRange | None
    mfu: InputRange | None
    serving_utilisation: InputRange | None
    attrition_per_year: InputRange | None
    cluster_chips: InputRange | None
    runs: tuple[RunLine, ...]
    flagship: str
    final_run_share: InputRange | None
    growth_per_year: InputRange | None
    serving: tuple[ServingLine, ...]
    tokens_per_day: InputRange | None
    token_growth_per_year: InputRange | None
    run_days: InputRange
    need_share: InputRange
    spares: float = 0.0
    repair_share: float = 0.0
    support_end_years: float | None = None
    withheld: tuple[str, ...] = ()
    owners: int = 1

    def __post_init__(self) -> None:
        for name in _SHARES:
            entry: InputRange | None = getattr(self, name)
            if entry is not None and max(entry.value, entry.high) > 1.0:
                raise ScenarioError(
                    f"{max(entry.value, entry.high):g} is no share", place=entry.fact or name, allowed="0 to 1"
                )

    def ranges(self) -> Iterator[InputRange]:
        """Every input that is present, each name once."""
        for line in self.fleet:
            yield line.chips
        peaks = {line.chip_id: line.peak_flops for line in self.fleet if line.peak_flops is not None}
        yield from peaks.values()
        for run in self.runs:
            yield run.flop
        for served in self.serving:
            yield served.active_params
            yield served.token_share
        rest = (
            self.training_share,
            self.availability,
            self.mfu,
            self.serving_utilisation,
            self.attrition_per_year,
            self.cluster_chips,
            self.final_run_share,
            self.growth_per_year,
            self.tokens_per_day,
            self.token_growth_per_year,
            self.run_days,
            self.need_share,
        )
        yield from (entry for entry in rest if entry is not None)
