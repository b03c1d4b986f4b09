"""The plan as a frozen result: what to do now, what to do later on each branch, and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from chipwise.core.fact import Fact
from chipwise.core.notebook import shown_in_notebook

Action = Literal["buy", "rent", "lease", "sell", "borrow", "repay", "assign", "port", "defer", "api"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLine:
    """One thing to do.

    Parameters
    ----------
    action : str
    chip, system : str or None
        Catalogue ids; `system` is the server in which the chip comes.
    count : float or None
        Chips (whole servers when bought), None for money.
    when : datetime.date
        Day of the order or of the act.
    cost_usd : float
        Price of the order, a month's for ``rent`` and ``lease``; amount for ``borrow`` and ``repay``; below zero for
        ``sell``, which brings it in.
    to, hq : str
        Destination and the country whose rules follow the buyer.
    outcome : str
        Verdict of the law on the day for ``now``; down a branch the gate of its state: ``free``, ``licence``.
    licence_probability : float
        1 when no licence is needed.
    branch : str
        Branch on which the line stands; ``now`` for the day of the decision.
    probability : float
        Probability of that branch.
    workload : str
        Run or class of tokens for ``assign`` and ``defer``.
    facts : tuple of str
        Ids of the facts behind the line; each stands in the plan's facts.
    """

    action: Action
    chip: str | None = None
    system: str | None = None
    count: float | None = None
    when: dt.date
    arrives: dt.date | None = None
    cost_usd: float = 0.0
    to: str = ""
    hq: str = ""
    outcome: str = ""
    licence_probability: float = 1.0
    branch: str = "now"
    probability: float = 1.0
    workload: str = ""
    market: str = ""
    note: str = ""
    facts: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain types; empty texts are left out."""
        out: dict[str, Any] = {
            "action": self.action,
            "chip": self.chip,
            "system": self.system,
            "count": self.count,
            "when": self.when,
            "cost_usd": self.cost_usd,
            "to": self.to,
            "hq": self.hq,
            "outcome": self.outcome,
            "licence_probability": self.licence_probability,
            "branch": self.branch,
            "probability": self.probability,
        }
        if self.arrives is not None:
            out["arrives"] = self.arrives
        for name in ("workload", "market", "note"):
            if getattr(self, name):
                out[name] = getattr(self, name)
        if self.facts:
            out["facts"] = list(self.facts)
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One future from the day of the decision to the horizon, month by month.

    Parameters
    ----------
    states : tuple of str
        State of the rules in each month.
    months : tuple of datetime.date
    series : mapping of str to tuple of float
        ``stock:<chip>``, ``training:<chip>``, ``serving:<chip>`` (chips), ``tokens_wanted_per_day``,
        ``tokens_served_per_day``, ``tokens_bought_per_day``, ``cash_usd``, ``owed_usd``, ``spent_usd``.
    runs : mapping of str to float
        Run → share of its work done by its deadline.
    bought : mapping of str to float
        Chips ordered over the horizon, by chip id.
    leased, sold : mapping of str to float
        Chips taken on lease or reserved for a term, and sold, over the horizon.
    tokens_bought_usd : float
        Spent on tokens of other providers over the horizon.
    """

    id: str
    probability: float
    demand_path: str
    states: tuple[str, ...]
    months: tuple[dt.date, ...]
    series: Mapping[str, tuple[float, ...]]
    runs: Mapping[str, float]
    served_share: float
    bought: Mapping[str, float]
    tokens_bought_usd: float = 0.0
    leased: Mapping[str, float] = field(default_factory=dict)
    sold: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "id": self.id,
            "probability": self.probability,
            "demand_path": self.demand_path,
            "states": list(self.states),
            "months": list(self.months),
            "series": {name: list(values) for name, values in self.series.items()},
            "runs": dict(self.runs),
            "served_share": self.served_share,
            "bought": dict(self.bought),
            "leased": dict(self.leased),
            "sold": dict(self.sold),
            "tokens_bought_usd": self.tokens_bought_usd,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What one changed number does to the plan."""

    quantity: str
    label: str
    unit: str
    central: float
    value: float
    chips_bought_now: float
    chips_bought_expected: float
    cost_usd: float
    missed_share: float
    objective_usd: float
    source: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """A smallest single change that would let the missed work be done."""

    missed: str
    change: str
    amount: float | None
    unit: str
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole answer to one scenario; `to_dict` is the content of plan.json.

    Nothing here depends on the clock, the machine or a path.
    """

    scenario: Mapping[str, Any]
    data_snapshot: str
    version: str
    known_on: dt.date
    verdicts: tuple[Mapping[str, Any], ...]
    yields: tuple[Mapping[str, Any], ...]
    runway: Mapping[str, Any]
    status: str
    objective_usd: float
    bound_usd: float
    gap: float
    now: tuple[PlanLine, ...]
    periods: tuple[PlanLine, ...]
    branches: tuple[Branch, ...]
    work: tuple[Mapping[str, Any], ...]
    mends: tuple[Mend, ...]
    binding_limits: tuple[str, ...]
    finance: Mapping[str, Any]
    sensitivity: tuple[Sensitivity, ...]
    facts: tuple[Fact, ...]
    warnings: tuple[str, ...]
    assumptions: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    insights: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    conflict: tuple[str, ...] = ()
    mode: str = "tree"
    rolling: Mapping[str, Any] = field(default_factory=dict)
    stock_building: Mapping[str, Any] = field(default_factory=dict)
    risk: Mapping[str, Any] = field(default_factory=dict)
    users: tuple[Mapping[str, Any], ...] = ()

    _repr_html_ = shown_in_notebook

    def to_dict(self) -> dict[str, Any]:
        """The content of plan.json, in plain types."""
        return {
            "schema": "chipwise-plan/1",
            "scenario": dict(self.scenario),
            "data_snapshot": self.data_snapshot,
            "version": self.version,
            "known_on": self.known_on,
            "settings": dict(self.settings),
            "names": dict(self.names),
            "verdicts": [dict(entry) for entry in self.verdicts],
            "yields": [dict(entry) for entry in self.yields],
            "runway": dict(self.runway),
            "plan": {
                "status": self.status,
                "objective": self.objective_usd,
                "bound": self.bound_usd,
                "gap": self.gap,
                "objective_unit": "USD, expected and discounted, less worth at the end, plus the value of missed work",
                "now": [line.to_dict() for line in self.now],
                "periods": [line.to_dict() for line in self.periods],
                "branches": [branch.to_dict() for branch in self.branches],
                "work": [dict(entry) for entry in self.work],
                "mends": [mend.to_dict() for mend in self.mends],
                "binding_limits": list(self.binding_limits),
                "conflict": list(self.conflict),
                "insights": list(self.insights),
                "mode": self.mode,
                "rolling": dict(self.rolling),
                "stock_building": dict(self.stock_building),
                "risk": dict(self.risk),
            },
            "users": [dict(entry) for entry in self.users],
            "finance": dict(self.finance),
            "sensitivity": [entry.to_dict() for entry in self.sensitivity],
            "facts": [fact.to_dict() for fact in self.facts],
            "assumptions": list(self.assumptions),
            "warnings": list(self.warnings),
            "not_legal_advice": True,
        }
