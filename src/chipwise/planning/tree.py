"""The decision tree: months of the horizon, split where rules change and where demand shows its path.

A *decision node* is one month on one branch; what is bought, borrowed and trained there is one decision for every
future below it (non-anticipativity by construction). An *operation* is the same month under one path of demand:
before demand shows its path a decision node has one operation per path, afterwards one.
"""

from __future__ import annotations

import bisect
import datetime as dt
import math
from dataclasses import dataclass

from chipwise.core.dates import add_months, month_start, months_between
from chipwise.scenario.objects import OutlookNode, Scenario, TokenPath


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionNode:
    """One month on one branch.

    Parameters
    ----------
    index, parent : int
        Position in `PlanTree.nodes`; the root has parent -1. Parents come before children.
    period : int
        Months since the month of the decision.
    date : datetime.date
        The day of the decision for the root, the first of the month later.
    rule_node, state : str
        Node of the outlook and its state.
    path : str or None
        Path of demand, None while it is not yet known.
    probability : float
        Unconditional.
    """

    index: int
    parent: int
    period: int
    date: dt.date
    rule_node: str
    state: str
    path: str | None
    probability: float

    @property
    def branch(self) -> str:
        """Name of the branch: rule node and, once known, demand path."""
        return self.rule_node if self.path is None else f"{self.rule_node}/{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One decision node under one path of demand; `share` is its probability given the node."""

    index: int
    node: int
    path: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTree:
    """Decision nodes and operations of one scenario."""

    nodes: tuple[DecisionNode, ...]
    operations: tuple[Operation, ...]
    periods: int
    reveal_period: int

    def ancestry(self, index: int) -> list[int]:
        """Indices from the root to `index`."""
        line = []
        while index >= 0:
            line.append(index)
            index = self.nodes[index].parent
        return line[::-1]

    def ancestor(self, index: int, periods_back: int) -> int:
        """Index of the node `periods_back` months earlier on the same branch, -1 before the root."""
        for _ in range(periods_back):
            if index < 0:
                return -1
            index = self.nodes[index].parent
        return index

    def leaves(self) -> list[DecisionNode]:
        """Nodes of the last month."""
        return [node for node in self.nodes if node.period == self.periods - 1]


def tokens_per_day(path: TokenPath, day: dt.date) -> float:
    """Tokens per day on `day`: log-linear between the dates of the path, flat outside them.

    A zero on either side of a stretch makes the stretch linear.
    """
    dates = [date for date, _ in path.points]
    values = [quantity.value for _, quantity in path.points]
    position = bisect.bisect_right(dates, day)
    if position == 0:
        return values[0]
    if position == len(dates):
        return values[-1]
    span = (dates[position] - dates[position - 1]).days
    share = (day - dates[position - 1]).days / span
    before, after = values[position - 1], values[position]
    if before <= 0.0 or after <= 0.0:
        return before + share * (after - before)
    return before * math.exp(share * math.log(after / before))


def _rule_successors(node: OutlookNode, date: dt.date) -> list[tuple[OutlookNode, float]]:
    """Where the rules stand on `date` when they stood at `node` a month before, with conditional probabilities."""
    opened = [child for child in node.children if child.start <= date]
    if not opened:
        return [(node, 1.0)]
    found: list[tuple[OutlookNode, float]] = []
    for child in opened:
        found.extend((deeper, child.probability.value * share) for deeper, share in _rule_successors(child, date))
    return found


def build_tree(scenario: Scenario, *, reveal_months: int = 6) -> PlanTree:
    """Lay the months of the horizon over the outlook and the paths of demand.

    Parameters
    ----------
    scenario : Scenario
    reveal_months : int
        Months after which it is seen which path demand follows; an assumption of the plan. With a single path the
        value does not matter.

    Returns
    -------
    PlanTree
    """
    start = month_start(scenario.as_of)
    periods = scenario.horizon.months
    paths = scenario.demand.paths
    nodes: list[DecisionNode] = []
    rule_of: list[OutlookNode] = []

    def add(parent: int, period: int, rule: OutlookNode, path: str | None, probability: float) -> None:
        date = scenario.as_of if period == 0 else add_months(start, period)
        nodes.append(
            DecisionNode(
                index=len(nodes),
                parent=parent,
                period=period,
                date=date,
                rule_node=rule.id,
                state=rule.state,
                path=path,
                probability=probability,
            )
        )
        rule_of.append(rule)

    for rule, share in _rule_successors(scenario.outlook.root, scenario.as_of):
        add(-1, 0, rule, paths[0].name if len(paths) == 1 else None, share)
    if len(nodes) != 1:
        raise AssertionError("the outlook branches on the day of the decision")
    frontier = [0]
    for period in range(1, periods):
        date = add_months(start, period)
        following: list[int] = []
        for index in frontier:
            node = nodes[index]
            options: list[tuple[str | None, float]] = [(node.path, 1.0)]
            if node.path is None and paths and period >= reveal_months:
                options = [(path.name, path.probability) for path in paths if path.probability > 0.0]
            for rule, rule_share in _rule_successors(rule_of[index], date):
                for path_name, path_share in options:
                    if rule_share * path_share <= 0.0:
                        continue
                    following.append(len(nodes))
                    add(index, period, rule, path_name, node.probability * rule_share * path_share)
        frontier = following
    return PlanTree(
        nodes=tuple(nodes),
        operations=_operations(nodes, paths),
        periods=periods,
        reveal_period=reveal_months,
    )


def _operations(nodes: list[DecisionNode], paths: tuple[TokenPath, ...]) -> tuple[Operation, ...]:
    found: list[Operation] = []
    for node in nodes:
        if node.path is not None or not paths:
            options = [(node.path or "none", 1.0)]
        else:
            options = [(path.name, path.probability) for path in paths if path.probability > 0.0]
        for name, share in options:
            found.append(Operation(index=len(found), node=node.index, path=name, share=share))
    return tuple(found)


def months_into(scenario: Scenario, day: dt.date | None, fallback: int) -> int:
    """Period in which `day` lies, clipped at zero; `fallback` when there is no day."""
    if day is None:
        return fallback
    return max(0, months_between(month_start(scenario.as_of), day))
