"""What goes in and what comes out: a case, and a verdict with its steps, margins and flips."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from chipwise.rules.rulebook import Rulebook

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer to one case; reasons, margins and flips are rebuilt from the case on demand.

    Every free answer is conditional on a party screening that chipwise does not do. Not legal advice.
    """

    case: CaseSpec
    answer: Answer
    rulebook: Rulebook

    @property
    def item(self) -> str:
        """The name asked about."""
        return self.case.item

    @property
    def chip_id(self) -> str:
        """Catalogue id of the chip, or of the chip inside the system."""
        return self.case.chip_id

    @property
    def to(self) -> str:
        """Destination, ISO code as given."""
        return self.case.asked_to or self.case.to

    @property
    def hq(self) -> str:
        """Headquarters of the buyer or of its ultimate parent, or ``unknown``."""
        return self.case.asked_hq or self.case.hq

    @property
    def on(self) -> dt.date:
        """Day of the transaction."""
        return self.case.on

    @property
    def route(self) -> str:
        """How the item moves."""
        return self.case.route

    @property
    def buyer(self) -> str:
        """Kind of receiving party."""
        return self.case.buyer

    @property
    def classification(self) -> str:
        """Class of the item, a word of the vocabulary."""
        return self.answer.classification

    @property
    def licence_required(self) -> str:
        """yes, no or undetermined; yes also where an exception lifts the requirement."""
        return self.answer.licence_required

    @property
    def outcome(self) -> str:
        """What the buyer meets, a word of the vocabulary."""
        return self.answer.outcome

    @property
    def review_policy(self) -> str:
        """How a licence application would be weighed."""
        return self.answer.review_policy

    @property
    def exception(self) -> str:
        """Licence exception that lifts the requirement, or empty."""
        return self.answer.exception

    @property
    def question(self) -> str:
        """Id of the open question behind needs_counsel, or empty."""
        return self.answer.question

    @property
    def classes_possible(self) -> tuple[str, ...]:
        """Every class the known facts allow; more than one where a figure or the design is open."""
        from chipwise.rules.decide import possible_classifications

        return possible_classifications(self.case, self.rulebook.law(self.case.on))

    @property
    def party_screening(self) -> str:
        """Always ``not_performed``, unless a list of the user's own was searched."""
        return "not_performed"

    @property
    def recheck_required(self) -> bool:
        """True past the newest source the rulebook was checked against."""
        return self.rulebook.recheck_required(self.case.on)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The layers in order, each with finding, reason and citation."""
        from chipwise.rules.explain import steps_of

        return steps_of(self.case, self.answer, self.rulebook)

    @property
    def margins(self) -> tuple[Margin, ...]:
        """Distance to every numeric line in force that day."""
        from chipwise.rules.margins import margins_of

        return margins_of(self.case, self.rulebook)

    @property
    def flips(self) -> tuple[Flip, ...]:
        """Facts, dates and law that would change the answer; never a way round a line."""
        from chipwise.rules.flips import flips_of

        return flips_of(self.case, self.answer, self.rulebook)

    @property
    def china_gate(self) -> dict[str, Any]:
        """The Chinese side, where the destination is mainland China; it never changes the US answer."""
        from chipwise.rules.china_gate import gate_of

        return gate_of(self.case, self.rulebook)

    @property
    def citations(self) -> tuple[str, ...]:
        """The law the steps rest on, each once."""
        return tuple(dict.fromkeys(step.citation for step in self.steps if step.citation))

    @property
    def exit_status(self) -> int:
        """0 free or by exception, 1 licence needed or barred, 3 undetermined."""
        from chipwise.core.errors import EXIT_NO, EXIT_UNDETERMINED, EXIT_YES
        from chipwise.rules.vocabulary import BARRED_OUTCOMES

        if self.outcome == "needs_counsel":
            return EXIT_UNDETERMINED
        return EXIT_NO if self.outcome in BARRED_OUTCOMES else EXIT_YES

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON, with the keys of the contract."""
        return {
            "item": self.item,
            "chip_id": self.chip_id,
            "to": self.to,
            "hq": self.hq,
            "on": self.on.isoformat(),
            "route": self.route,
            "buyer": self.buyer,
            "classification": self.classification,
            "classes_possible": list(self.classes_possible),
            "licence_required": self.licence_required,
            "outcome": self.outcome,
            "review_policy": self.review_policy,
            "exception": self.exception or None,
            "open_question": self.question or None,
            "steps": [step.to_dict() for step in self.steps],
            "margins": [margin.to_dict() for margin in self.margins],
            "flips": [flip.to_dict() for flip in self.flips],
            "citations": list(self.citations),
            "party_screening": self.party_screening,
            "china_gate": self.china_gate,
            "recheck_required": self.recheck_required,
            "rulebook": self.rulebook.name,
            "not_legal_advice": True,
        }
