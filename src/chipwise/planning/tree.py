"""The decision tree: periods of the horizon, split where rules change and where demand shows its path.

A period is a month, or a quarter where the grid of the scenario says so (`chipwise.planning.grid`). A *decision node*
is one period on one branch; what is bought, borrowed and trained there is one decision for every future below it
(non-anticipativity by construction). An *operation* is the same period under one path of demand: before demand shows
its path a decision node has one operation per path, afterwards one.
"""

from __future__ import annotations

import bisect
import datetime as dt
import itertools
import math
from dataclasses import dataclass

from chipwise.core.dates import add_months, month_start, months_between
from chipwise.core.errors import ScenarioError
from chipwise.planning.grid import period_starts
from chipwise.scenario.objects import OutlookNode, Scenario, TokenPath


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionNode:
    """One period on one branch.

    Parameters
    ----------
    index, parent : int
        Position in `PlanTree.nodes`; the root has parent -1. Parents come before children.
    period : int
        Number of the period, 0 for that of the decision.
    date : datetime.date
        The day of the decision for the root, the first day of the period later.
    rule_node, state : str
        Node of the outlook and its state.
    path : str or None
        Path of demand, None while it is not yet known.
    probability : float
        Unconditional.
    raised, failed : tuple of str
        Raises of equity that came off, and that did not, up to and in this period.
    """

    index: int
    parent: int
    period: int
    date: dt.date
    rule_node: str
    state: str
    path: str | None
    probability: float
    raised: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def branch(self) -> str:
        """Name of the branch: rule node, demand path once known, raises that came off (+) or did not (-)."""
        name = self.rule_node if self.path is None else f"{self.rule_node}/{self.path}"
        return name + "".join(f"+{one}" for one in self.raised) + "".join(f"-{one}" for one in self.failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One decision node under one path of demand; `share` is its probability given the node."""

    index: int
    node: int
    path: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTree:
    """Decision nodes and operations of one scenario.

    `starts` is the first month of each period, counted from the month of the decision, and `total_months` the months in
    all; left empty, every period is a month.
    """

    nodes: tuple[DecisionNode, ...]
    operations: tuple[Operation, ...]
    periods: int
    reveal_period: int
    starts: tuple[int, ...] = ()
    total_months: int = 0

    @property
    def months(self) -> int:
        """Months of the horizon."""
        return self.total_months or self.periods

    @property
    def first_month(self) -> tuple[int, ...]:
        """First month of each period."""
        return self.starts or tuple(range(self.periods))

    @property
    def lengths(self) -> tuple[int, ...]:
        """Months of each period."""
        ends = (*self.first_month[1:], self.months)
        return tuple(end - start for start, end in zip(self.first_month, ends, strict=True))

    def period_of(self, month: int) -> int:
        """Period in which a month lies, the last one for months beyond; months are counted from the first."""
        return max(0, bisect.bisect_right(self.first_month, month) - 1)

    def ancestry(self, index: int) -> list[int]:
        """Indices from the root to `index`."""
        line = []
        while index >= 0:
            line.append(index)
            index = self.nodes[index].parent
        return line[::-1]

    def leaves(self) -> list[DecisionNode]:
        """Nodes of the last period."""
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
    """Lay the periods of the horizon over the outlook and the paths of demand.

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
    paths = scenario.demand.paths
    roots = _rule_successors(scenario.outlook.root, scenario.as_of)
    if len(roots) != 1:
        raise ScenarioError(
            "the outlook branches on the day of the decision",
            place=f"scenario {scenario.id} rules_outlook",
            allowed="branches that start after as_of",
        )
    nodes = [
        DecisionNode(
            index=0,
            parent=-1,
            period=0,
            date=scenario.as_of,
            rule_node=roots[0][0].id,
            state=roots[0][0].state,
            path=paths[0].name if len(paths) == 1 else None,
            probability=roots[0][1],
        )
    ]
    rule_of = [roots[0][0]]
    frontier = [0]
    starts = period_starts(scenario, reveal_months)
    for period, month in enumerate(starts[1:], start=1):
        date = add_months(start, month)
        following: list[int] = []
        for index in frontier:
            node = nodes[index]
            options = itertools.product(
                _rule_successors(rule_of[index], date),
                _path_options(node, paths, month >= reveal_months),
                _raise_options(node, scenario, month),
            )
            for (rule, rule_share), (path, path_share), (raised, failed, raise_share) in options:
                share = rule_share * path_share * raise_share
                if share <= 0.0:
                    continue
                following.append(len(nodes))
                rule_of.append(rule)
                nodes.append(
                    DecisionNode(
                        index=len(nodes),
                        parent=index,
                        period=period,
                        date=date,
                        rule_node=rule.id,
                        state=rule.state,
                        path=path,
                        probability=node.probability * share,
                        raised=raised,
                        failed=failed,
                    )
                )
        frontier = following
    return PlanTree(
        nodes=tuple(nodes),
        operations=_operations(nodes, paths),
        periods=len(starts),
        reveal_period=next((number for number, month in enumerate(starts) if month >= reveal_months), len(starts)),
        starts=starts,
        total_months=scenario.horizon.months,
    )


def _path_options(node: DecisionNode, paths: tuple[TokenPath, ...], known: bool) -> list[tuple[str | None, float]]:
    if node.path is not None or not paths or not known:
        return [(node.path, 1.0)]
    return [(path.name, path.probability) for path in paths if path.probability > 0.0]


def _raise_options(
    node: DecisionNode, scenario: Scenario, month: int
) -> list[tuple[tuple[str, ...], tuple[str, ...], float]]:
    """Raises of equity due in this month: each comes off with its probability or does not.

    One that is open on the day of the decision is decided a month later.
    """
    options = [(node.raised, node.failed, 1.0)]
    for equity in scenario.finance.equity:
        if max(1, months_into(scenario, equity.available_from, 1)) != month:
            continue
        chance = 1.0 if equity.probability is None else equity.probability.value
        options = [
            outcome
            for raised, failed, share in options
            for outcome in (
                ((*raised, equity.name), failed, share * chance),
                (raised, (*failed, equity.name), share * (1.0 - chance)),
            )
        ]
    return options


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
    """Month of `day`, counted from that of the decision and clipped at zero; `fallback` when there is no day."""
    if day is None:
        return fallback
    return max(0, months_between(month_start(scenario.as_of), day))
