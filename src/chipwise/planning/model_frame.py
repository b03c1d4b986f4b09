"""The ground of the planning programme: the tree as arrays, and the constants that break ties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chipwise.planning.availability import deliveries
from chipwise.planning.inputs import MONEY_UNIT_USD, PlanInputs
from chipwise.planning.lp import Columns, Floats, Ints

START_EARLY_PER_MONTH = 0.02
"""Training power is counted undiscounted and this much dearer per month, so that of equal plans the early one wins."""
KEEP_PEAK_FREE_KWH_PER_TFLOPS_MONTH = 5.0
"""Charged for each dense 16-bit TFLOP/s in use and month, at the scenario's price of power (about USD 0.5, a fifth of
what it rents for in the catalogue's prices): of equal plans the one that leaves more peak to other uses wins, so that
memory-bound serving goes to weaker chips."""
WAIT_PER_MONTH = 3e-7
"""Orders count this much dearer per month of earliness, so that of equal plans the one that waits wins."""
NEW_MONEY_COST = 1e4
"""Objective per USD of money the party does not have: high enough that it is used only when nothing else works."""


def residual_share(age_years: float, table: dict[int, float]) -> float:
    """Share of the price a chip is worth at an age: linear between the years of the table, 1 when new.

    Examples
    --------
    >>> residual_share(0.5, {1: 0.6, 2: 0.4})
    0.8
    """
    points = sorted({0: 1.0, **table}.items())
    years = [float(year) for year, _ in points]
    return float(np.interp(age_years, years, [share for _, share in points], right=0.0))


def use_of_peak(inputs: PlanInputs) -> Floats:
    """Objective of one chip in use for a month, besides its power; USD m. (n_chips,)"""
    power = inputs.scenario.power
    usd_per_tflops = KEEP_PEAK_FREE_KWH_PER_TFLOPS_MONTH * power.usd_per_kwh.value * power.pue.value
    return inputs.peak * 1e3 * usd_per_tflops / MONEY_UNIT_USD


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliveries:
    """Orders and where they arrive: one entry per (order, node of arrival).

    Parameters
    ----------
    node, source, line : (n,) int
        Node of arrival, node of the order, market line.
    share, late : (n,) float64
        Share of the order that is delivered; the same times the part of the period gone before it arrives.
    """

    node: Ints
    source: Ints
    line: Ints
    share: Floats
    late: Floats

    def of(self, lines: list[int]) -> Deliveries:
        """The entries of some lines."""
        kept = np.isin(self.line, lines)
        return Deliveries(
            node=self.node[kept],
            source=self.source[kept],
            line=self.line[kept],
            share=self.share[kept],
            late=self.late[kept],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every block of the programme is built on: the programme so far and the tree as arrays.

    Parameters
    ----------
    node : (n_nodes,) int
        0, 1, 2 ...
    period, parent, month : (n_nodes,) int
        Period, parent and first month of each node.
    length, span : (n_nodes,) float64
        Months of the node's period, and those of them after the day of the decision.
    probability, discount : (n_nodes,) float64
        Unconditional probability; discount of the period.
    ancestors : (n_nodes, periods) int
        Node in each earlier period on the same branch and the node itself; -1 later.
    op_node : (n_operations,) int
    op_span : (n_operations,) float64
        Months an operation stands for: its share of its node times the node's span.
    use_cost : (n_chips,) float64
        Objective of a chip in use for a month: power and the preference for free peak, USD m.
    end_discount : float
        Discount of what counts at the horizon.
    arrivals : Deliveries
        Of purchases and contracts.
    """

    inputs: PlanInputs
    lp: Columns
    node: Ints
    period: Ints
    parent: Ints
    month: Ints
    length: Floats
    span: Floats
    probability: Floats
    discount: Floats
    ancestors: Ints
    op_node: Ints
    op_span: Floats
    use_cost: Floats
    end_discount: float
    arrivals: Deliveries

    @property
    def nodes(self) -> int:
        """Number of decision nodes."""
        return int(self.period.size)

    @property
    def ops(self) -> int:
        """Number of operations."""
        return int(self.op_node.size)

    @property
    def inner(self) -> NDArray[np.bool_]:
        """Nodes that have a parent. (n_nodes,)"""
        return np.asarray(self.parent >= 0)

    @property
    def kept(self) -> Floats:
        """Share of chips that outlast the period before a node. (n_nodes,)"""
        return np.asarray(self.inputs.survival_per_month ** self.length[self.parent], float)

    def worth_at_age(self, months: ArrayLike) -> Floats:
        """Share of its price a chip is worth at an age in months."""
        table = dict(self.inputs.scenario.horizon.residual_by_age_years)
        ages = np.asarray(months, float)
        return np.array([residual_share(float(age) / 12.0, table) for age in ages.ravel()]).reshape(ages.shape)


def frame_of(inputs: PlanInputs) -> Frame:
    """Start a programme on the tree of `inputs`."""
    tree = inputs.tree
    period = np.array([node.period for node in tree.nodes])
    op_node = np.array([operation.node for operation in tree.operations])
    op_share = np.array([operation.share for operation in tree.operations])
    span = inputs.span_months[period]
    return Frame(
        inputs=inputs,
        lp=Columns(),
        node=np.arange(period.size),
        period=period,
        parent=np.array([node.parent for node in tree.nodes]),
        month=np.array(tree.first_month)[period],
        length=np.array(tree.lengths, float)[period],
        span=span,
        probability=np.array([node.probability for node in tree.nodes]),
        discount=inputs.discount[period],
        ancestors=ancestor_table(inputs),
        op_node=op_node,
        op_span=op_share * span[op_node],
        use_cost=inputs.power_cost + use_of_peak(inputs),
        end_discount=float(inputs.discount[-1]),
        arrivals=_arrivals(inputs),
    )


def ancestor_table(inputs: PlanInputs) -> Ints:
    """Node in each period on the way from the root to each node, -1 after it. (n_nodes, periods)"""
    tree = inputs.tree
    table = np.full((len(tree.nodes), tree.periods), -1, np.int64)
    for node in tree.nodes:
        if node.parent >= 0:
            table[node.index] = table[node.parent]
        table[node.index, node.period] = node.index
    return table


def _arrivals(inputs: PlanInputs) -> Deliveries:
    ordered = {*inputs.buy_lines, *inputs.contract_lines}
    found = [entry for entry in deliveries(inputs.tree, inputs.access) if entry.line in ordered]
    return Deliveries(
        node=np.array([entry.node for entry in found], np.int64),
        source=np.array([entry.source for entry in found], np.int64),
        line=np.array([entry.line for entry in found], np.int64),
        share=np.array([entry.share for entry in found], float),
        late=np.array([entry.late for entry in found], float),
    )
