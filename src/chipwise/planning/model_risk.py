"""Aversion to bad futures: the mean cost of the worst share of them, in linear form.

CVaR at level alpha is the least of ``eta + E[(cost - eta)+] / (1 - alpha)`` over eta (Rockafellar and Uryasev 2000,
Journal of Risk 2:21-41). Costs add up along the tree, one variable per node, so that the rows stay short.
"""

from __future__ import annotations

import numpy as np

from chipwise.planning.lp import INFINITY, Floats, Ints
from chipwise.planning.model_frame import Frame


def risk(frame: Frame) -> tuple[Floats, Ints, int]:
    """Cost of every column, the columns of cost so far at each node, and that of the threshold.

    Returns
    -------
    cost : (columns,) float64
    so_far : (n_nodes,) int
        -1 where the expected cost alone counts.
    threshold : int
    """
    lp, terms = frame.lp, frame.inputs.terms
    charges = lp.charges()
    if terms.risk_weight <= 0.0:
        return charges.expected(frame.probability, lp.columns), np.full(frame.nodes, -1, np.int64), -1
    before = lp.columns
    so_far = lp.variables((frame.nodes,), at=frame.node, lower=-INFINITY)
    rows = lp.constraints((frame.nodes,), at=frame.node, lower=0.0, upper=0.0)
    lp.entries(rows, so_far, 1.0)
    lp.entries(rows[frame.inner], so_far[frame.parent[frame.inner]], -1.0)
    lp.entries(rows[charges.node], charges.column, -charges.amount)
    leaves = np.flatnonzero(frame.period == frame.inputs.tree.periods - 1)
    threshold = lp.variables((1,), at=0, lower=-INFINITY)
    excess = lp.variables((leaves.size,), at=leaves)
    beyond = lp.constraints((leaves.size,), at=leaves, lower=0.0)
    lp.entries(beyond, excess, 1.0)
    lp.entries(beyond, so_far[leaves], -1.0)
    lp.entries(beyond, threshold[0], 1.0)
    cost = np.zeros(lp.columns)
    cost[:before] = (1.0 - terms.risk_weight) * charges.expected(frame.probability, before)
    cost[threshold[0]] = terms.risk_weight
    cost[excess] = terms.risk_weight * frame.probability[leaves] / (1.0 - terms.risk_alpha)
    return cost, so_far, int(threshold[0])


def leaf_costs(so_far: Floats, leaves: Ints) -> Floats:
    """Cost of every future. (n_leaves,)"""
    return np.asarray(so_far[leaves], float)


def tail_mean(costs: Floats, chances: Floats, alpha: float) -> float:
    """Mean of the worst ``1 - alpha`` of futures; a future on the edge counts in part.

    Examples
    --------
    >>> tail_mean(np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.25, 0.25]), 0.5)
    3.0
    >>> tail_mean(np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.25, 0.25]), 0.0)
    2.0
    """
    left, total = 1.0 - alpha, 0.0
    for place in np.argsort(-costs, kind="stable"):
        taken = min(left, float(chances[place]))
        total += taken * float(costs[place])
        left -= taken
    return total / (1.0 - alpha)
