"""The ground of the planning programme: the tree as arrays, and the constants that break ties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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


def use_of_peak(inputs: PlanInputs) -> Floats:
    """Objective of one chip in use for a month, besides its power; USD m. (n_chips,)"""
    power = inputs.scenario.power
    usd_per_tflops = KEEP_PEAK_FREE_KWH_PER_TFLOPS_MONTH * power.usd_per_kwh.value * power.pue.value
    return inputs.peak * 1e3 * usd_per_tflops / MONEY_UNIT_USD


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every block of the programme is built on: the programme so far and the tree as arrays.

    Parameters
    ----------
    period, parent : (n_nodes,) int
    probability, weight, part : (n_nodes,) float64
        Unconditional probability; the same discounted; share of the month after the day of the decision.
    op_node : (n_operations,) int
    op_weight : (n_operations,) float64
        Weight of an operation: its node's, times its share, times the part of the month.
    use_cost : (n_chips,) float64
        Objective of a chip in use for a month: power and the preference for free peak, USD m.
    arrivals : Deliveries
    """

    inputs: PlanInputs
    lp: Columns
    period: Ints
    parent: Ints
    probability: Floats
    weight: Floats
    part: Floats
    op_node: Ints
    op_share: Floats
    op_weight: Floats
    use_cost: Floats
    arrivals: Deliveries

    @property
    def nodes(self) -> int:
        """Number of decision nodes."""
        return int(self.period.size)

    @property
    def ops(self) -> int:
        """Number of operations."""
        return int(self.op_node.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliveries:
    """Orders of bought chips and where they arrive: one entry per (order, node of arrival).

    Parameters
    ----------
    node, source, line : (n,) int
        Node of arrival, node of the order, market line.
    share : (n,) float64
        Share of the order that is delivered.
    """

    node: Ints
    source: Ints
    line: Ints
    share: Floats


def frame_of(inputs: PlanInputs) -> Frame:
    """Start a programme on the tree of `inputs`."""
    tree = inputs.tree
    period = np.array([node.period for node in tree.nodes])
    probability = np.array([node.probability for node in tree.nodes])
    weight = probability * inputs.discount[period]
    part = inputs.month_share[period]
    op_node = np.array([operation.node for operation in tree.operations])
    share = np.array([operation.share for operation in tree.operations])
    return Frame(
        inputs=inputs,
        lp=Columns(),
        period=period,
        parent=np.array([node.parent for node in tree.nodes]),
        probability=probability,
        weight=weight,
        part=part,
        op_node=op_node,
        op_share=share,
        op_weight=(weight * part)[op_node] * share,
        use_cost=inputs.power_cost + use_of_peak(inputs),
        arrivals=_arrivals(inputs),
    )


def _arrivals(inputs: PlanInputs) -> Deliveries:
    bought = set(inputs.buy_lines)
    found = [entry for entry in deliveries(inputs.tree, inputs.access) if entry[2] in bought]
    return Deliveries(
        node=np.array([entry[0] for entry in found], np.int64),
        source=np.array([entry[1] for entry in found], np.int64),
        line=np.array([entry[2] for entry in found], np.int64),
        share=np.array([entry[3] for entry in found], float),
    )
