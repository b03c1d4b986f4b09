"""What may be bought or rented, when and on which branch: the law for now, the branch's state later.

A line of the market is judged twice. On the day of the order the verdict of `chipwise.rules` decides while the
outlook still stands at its root; down a branch the state of that branch decides. Between order and delivery a rule
may close: what is barred on the day of delivery is not delivered and not paid.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from chipwise.catalogue import Catalogue
from chipwise.core.dates import add_months
from chipwise.planning.lp import Floats
from chipwise.planning.tree import DecisionNode, PlanTree
from chipwise.rules import Verdict, check
from chipwise.scenario.objects import Gate, MarketLine, Scenario

FREE_OUTCOMES = frozenset(
    {"NLR", "exception_with_notification", "exception_no_notification", "licence_free_named_party"}
)
"""Outcomes under which a line may be used now; exceptions carry duties that are printed with the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineVerdict:
    """One market line judged on one day.

    `usable` is what the plan does with it; `because` says so in a sentence; `opted_in` marks a chip of the buyer's own
    country that the US side leaves to counsel and the scenario accepts with a reason.
    """

    line: MarketLine
    on: dt.date
    verdict: Verdict | None
    usable: bool
    opted_in: bool
    because: str

    @property
    def outcome(self) -> str:
        """Outcome in the closed vocabulary; ``not_applicable`` for tokens bought through an API."""
        return "not_applicable" if self.verdict is None else self.verdict.outcome


def _route(line: MarketLine, home_made: bool) -> tuple[str, str, str]:
    if line.access == "rent":
        return "cloud_rental_no_shipment", "cloud_customer", ""
    if line.access == "sell":
        return "in_country_transfer", "commercial", ""
    if home_made:
        return "local_purchase", "commercial", ""
    return "export_from_us", "commercial", "US"


def buyer_headquarters(scenario: Scenario) -> str:
    """Country whose rules follow the buyer: its ultimate parent's, else its own, else ``unknown``."""
    return scenario.party.parent_country or scenario.party.headquarters_country or "unknown"


def judge_line(
    line: MarketLine, scenario: Scenario, catalogue: Catalogue, on: dt.date, known_on: dt.date
) -> LineVerdict:
    """Ask the law about one market line on one day.

    Parameters
    ----------
    line : MarketLine
    scenario : Scenario
        Gives the buyer and whether home-made chips left to counsel are accepted.
    catalogue : Catalogue
    on : datetime.date
        Day of the order, or the first day the line is offered if that is later.
    known_on : datetime.date
        Law published after this day is not used.
    """
    if line.access == "api":
        return LineVerdict(
            line=line,
            on=on,
            verdict=None,
            usable=True,
            opted_in=False,
            because="tokens bought from a provider; no chip changes hands",
        )
    if line.item_id is None or line.chip_id is None:
        return LineVerdict(
            line=line, on=on, verdict=None, usable=False, opted_in=False, because="the type was not published"
        )
    hq = buyer_headquarters(scenario)
    if line.access == "sell" and line.place != scenario.party.headquarters_country:
        return LineVerdict(
            line=line, on=on, verdict=None, usable=False, opted_in=False, because="sale abroad is not planned"
        )
    home_made = catalogue.chip(line.chip_id).vendor_country == hq == line.place
    route, buyer, route_from = _route(line, home_made)
    verdict = check(
        line.item_id,
        to=line.place,
        hq=hq,
        on=on,
        known_on=known_on,
        route=route,
        route_from=route_from,
        buyer=buyer,
        catalogue=catalogue,
    )
    if verdict.outcome in FREE_OUTCOMES:
        return LineVerdict(
            line=line,
            on=on,
            verdict=verdict,
            usable=True,
            opted_in=False,
            because=f"the law of the day: {verdict.outcome}",
        )
    if verdict.outcome == "needs_counsel" and home_made and scenario.accept_needs_counsel:
        return LineVerdict(
            line=line,
            on=on,
            verdict=verdict,
            usable=True,
            opted_in=True,
            because=f"left to counsel; accepted by the scenario: {scenario.accept_needs_counsel}",
        )
    reason = (
        "left to counsel and not accepted by the scenario" if verdict.outcome == "needs_counsel" else verdict.outcome
    )
    return LineVerdict(line=line, on=on, verdict=verdict, usable=False, opted_in=False, because=reason)


def offered_lines(scenario: Scenario, known_on: dt.date) -> tuple[list[MarketLine], list[str]]:
    """Market lines that could be known on `known_on`, and a sentence for each one left out."""
    kept, left_out = [], []
    for line in scenario.market:
        first = line.available_from
        if line.ex_post and (first is None or first > known_on):
            left_out.append(
                f"{line.id} ({line.item_id}) could not be known on {known_on.isoformat()} and is left out; "
                "--known-on with a later date lets it in"
            )
        else:
            if line.access != "api" and line.item_id is not None and not _priced(line):
                left_out.append(f"{line.id} ({line.item_id}, {line.access}) has no price and is left out")
                continue
            kept.append(line)
    return kept, left_out


def _priced(line: MarketLine) -> bool:
    return bool(line.price_path) or line.price_usd_per_chip is not None or line.rent_usd_per_chip_hour is not None


def _gate(scenario: Scenario, node: DecisionNode, line: MarketLine) -> Gate:
    if line.access in ("api", "rent") or line.chip_id is None:
        return Gate(kind="free", probability=1.0)
    gates = scenario.outlook.states[node.state].gates
    return gates.get(line.item_id or "") or gates[line.chip_id]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What each line allows on each decision node.

    Parameters
    ----------
    order_share : (n_nodes, n_lines) float64
        Share of the line's monthly cap that may be ordered: 0 barred or not offered, 1 free, else the probability of a
        licence.
    delivery_share : (n_nodes, n_lines) float64
        Share of an earlier order that is delivered in this month.
    judged : tuple of LineVerdict
        Verdict of each line on the first day it could be ordered.
    lead_months : (n_lines,) int
    """

    lines: tuple[MarketLine, ...]
    order_share: Floats
    delivery_share: Floats
    lead_months: tuple[int, ...]
    judged: tuple[LineVerdict, ...]

    def gate_share(self, node: int, line: int) -> float:
        """Share orderable, for display beside a line of the plan."""
        return float(self.order_share[node, line])


def stands_in(state: str, names: Collection[str]) -> bool:
    """Whether a state is one of `names`, itself or as one of the gates it is made of."""
    return state in names or any(part in names for part in state.split("+"))


def _offered_on(line: MarketLine, node: DecisionNode) -> bool:
    if line.only_in_states and not stands_in(node.state, line.only_in_states):
        return False
    if line.available_from is not None and node.date < line.available_from:
        return False
    return not (line.available_until is not None and node.date >= line.available_until)


def line_access(
    scenario: Scenario, tree: PlanTree, lines: Sequence[MarketLine], catalogue: Catalogue, known_on: dt.date
) -> Access:
    """Judge every line on every node of the tree.

    Returns
    -------
    Access
        Shares per node and line, and the verdicts behind them.
    """
    cache: dict[tuple[str, dt.date], LineVerdict] = {}

    def judged(line: MarketLine, on: dt.date) -> LineVerdict:
        key = (line.id, on)
        if key not in cache:
            cache[key] = judge_line(line, scenario, catalogue, on, known_on)
        return cache[key]

    order = np.zeros((len(tree.nodes), len(lines)))
    delivery = np.zeros_like(order)
    root_rule = tree.nodes[0].rule_node
    for column, line in enumerate(lines):
        for node in tree.nodes:
            gate = _gate(scenario, node, line)
            share = _gate_share(gate) * _extra_probability(line)
            delivery[node.index, column] = share
            if not _offered_on(line, node):
                continue
            order[node.index, column] = share * _law_share(line, node, root_rule, scenario, judged)
    leads = tuple(0 if line.lead_months is None else max(0, round(line.lead_months.value)) for line in lines)
    firsts = tuple(judged(line, _first_day(line, scenario)) for line in lines)
    return Access(lines=tuple(lines), order_share=order, delivery_share=delivery, lead_months=leads, judged=firsts)


def _gate_share(gate: Gate) -> float:
    return {"free": 1.0, "barred": 0.0}.get(gate.kind, gate.probability)


def _extra_probability(line: MarketLine) -> float:
    share = 1.0
    for quantity in (line.available_probability, line.import_gate_probability):
        if quantity is not None:
            share *= quantity.value
    return share


def _first_day(line: MarketLine, scenario: Scenario) -> dt.date:
    return max(scenario.as_of, line.available_from or scenario.as_of)


def _law_share(
    line: MarketLine,
    node: DecisionNode,
    root_rule: str,
    scenario: Scenario,
    judged: Callable[[MarketLine, dt.date], LineVerdict],
) -> float:
    """1 or 0: what the law of the day says while the outlook is at its root; 1 down a branch, where the state rules.

    A chip that needs the scenario's opt-in, or a rental left to counsel, needs it on every branch.
    """
    if line.access == "api":
        return 1.0
    if node.rule_node == root_rule:
        return 1.0 if judged(line, node.date).usable else 0.0
    first = judged(line, _first_day(line, scenario))
    if first.verdict is None or (first.outcome in ("needs_counsel", "prohibited_GP10_risk") and not first.usable):
        return 0.0
    return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Part of an order that arrives at one node.

    Parameters
    ----------
    node, source, line : int
        Node of arrival, node of the order, market line.
    share : float
        Share of the order that arrives, licences included.
    late : float
        Share of the order, weighted by the part of the period that has passed before it arrives: above 0 only where a
        period is longer than a month.
    """

    node: int
    source: int
    line: int
    share: float
    late: float


def _parts_by_period(tree: PlanTree, lead: int) -> dict[int, list[tuple[int, float, float]]]:
    """Period of arrival → (period of the order, share of the order, share times the part of the period passed).

    Orders of a quarter are placed evenly over its months.
    """
    firsts, lengths = tree.first_month, tree.lengths
    found: dict[int, dict[int, tuple[float, float]]] = {}
    for ordered in range(tree.periods):
        for month in range(lengths[ordered]):
            arrival = firsts[ordered] + month + lead
            if arrival >= tree.months:
                continue
            period = tree.period_of(arrival)
            share = 1.0 / lengths[ordered]
            passed = share * (arrival - firsts[period]) / lengths[period]
            before = found.setdefault(period, {}).get(ordered, (0.0, 0.0))
            found[period][ordered] = (before[0] + share, before[1] + passed)
    return {
        period: [(ordered, share, passed) for ordered, (share, passed) in sorted(parts.items())]
        for period, parts in found.items()
    }


def deliveries(tree: PlanTree, access: Access) -> list[Delivery]:
    """Which order arrives where.

    A share already lost at the order (a licence not granted) is not lost a second time at delivery.
    """
    found: list[Delivery] = []
    lines = [tree.ancestry(node.index) for node in tree.nodes]
    for column, lead in enumerate(access.lead_months):
        parts = _parts_by_period(tree, lead)
        for node in tree.nodes:
            for ordered, part, passed in parts.get(node.period, ()):
                source = lines[node.index][ordered]
                asked = access.order_share[source, column]
                if asked <= 0.0:
                    continue
                share = min(1.0, access.delivery_share[node.index, column] / max(asked, 1e-12))
                if share > 0.0:
                    found.append(
                        Delivery(node=node.index, source=source, line=column, share=share * part, late=share * passed)
                    )
    return found


def delivery_date(order: dt.date, lead_months: int) -> dt.date:
    """Day on which an order placed on `order` arrives, whole months later."""
    return add_months(order, lead_months)
