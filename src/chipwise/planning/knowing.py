"""What it would be worth to know the future: the plan against plans made for each future alone.

The expected value of perfect information is the objective of the plan less the mean, over futures, of the objective of
a plan that knows its future from the start (Raiffa and Schlaifer 1961; Birge and Louveaux 2011, ch. 4). Both are taken
without whole servers, so that rounding does not enter.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from chipwise.planning.availability import Access
from chipwise.planning.inputs import PlanInputs
from chipwise.planning.model import build_model
from chipwise.planning.solve import relaxed_bound
from chipwise.planning.tree import Operation


def _alone(inputs: PlanInputs, leaf: int) -> PlanInputs:
    """The same problem with only the future that ends in `leaf`, known from the first day."""
    tree = inputs.tree
    line = tree.ancestry(leaf)
    path = tree.nodes[leaf].path
    nodes = tuple(
        dataclasses.replace(tree.nodes[index], index=place, parent=place - 1, probability=1.0, path=path)
        for place, index in enumerate(line)
    )
    rows = [
        next(op.index for op in tree.operations if op.node == index and (path is None or op.path in (path, "none")))
        for index in line
    ]
    operations = tuple(
        Operation(index=place, node=place, path=tree.operations[row].path, share=1.0) for place, row in enumerate(rows)
    )
    access = Access(
        lines=inputs.access.lines,
        order_share=inputs.access.order_share[line],
        delivery_share=inputs.access.delivery_share[line],
        lead_months=inputs.access.lead_months,
        judged=inputs.access.judged,
    )
    return dataclasses.replace(
        inputs,
        tree=dataclasses.replace(tree, nodes=nodes, operations=operations, reveal_period=0),
        access=access,
        demand=inputs.demand[rows],
        api_price=inputs.api_price[line],
        order_cap=inputs.order_cap[line],
        unit_price=inputs.unit_price[line],
        terms=dataclasses.replace(inputs.terms, asset_price=inputs.terms.asset_price[line], risk_weight=0.0),
        burn_usd_m=inputs.burn_usd_m[line],
        raised_usd_m=inputs.raised_usd_m[line],
    )


def value_of_knowing(inputs: PlanInputs, bound_usd_m: float) -> float:
    """Expected value of knowing rules, demand and raises from the first day; USD m, never below zero.

    Parameters
    ----------
    inputs : PlanInputs
    bound_usd_m : float
        Objective of the relaxed plan on the whole tree.

    Returns
    -------
    float
        In the unit of the objective: money and the stated value of missed work together.
    """
    leaves = inputs.tree.leaves()
    alone = np.array([relaxed_bound(build_model(_alone(inputs, leaf.index))) for leaf in leaves])
    chance = np.array([leaf.probability for leaf in leaves])
    return max(0.0, bound_usd_m - float((alone * chance).sum()))
