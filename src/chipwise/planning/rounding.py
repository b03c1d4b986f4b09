"""Orders of the relaxed programme turned into whole servers, cumulatively along the tree."""

from __future__ import annotations

import numpy as np

from chipwise.planning.lp import Floats
from chipwise.planning.model import PlanModel


def floor_orders(model: PlanModel, ordered: Floats) -> Floats:
    """Orders cut to whole servers month by month: never more than before, so every limit that held still holds."""
    unit = np.array(model.inputs.server_chips, float)
    return np.asarray(np.floor(ordered / unit[None, :] + 1e-9) * unit[None, :], float)


def round_orders(model: PlanModel, ordered: Floats, *, up: bool) -> Floats:
    """Round orders to whole servers cumulatively along the tree.

    Parameters
    ----------
    ordered : (n_nodes, n_lines) float64
        Chips ordered in the relaxed solution.
    up : bool
        Round the running total up (else down).

    Returns
    -------
    (n_nodes, n_lines) float64
        Chips, a multiple of the server size, within each month's cap.
    """
    data = model.inputs
    unit = np.array(data.server_chips, float)
    cap = np.floor(data.order_cap / unit[None, :] + 1e-9) * unit[None, :]
    wanted = np.zeros_like(ordered)
    taken = np.zeros_like(ordered)
    result = np.zeros_like(ordered)
    for node in data.tree.nodes:
        before_wanted = wanted[node.parent] if node.parent >= 0 else np.zeros(unit.size)
        before_taken = taken[node.parent] if node.parent >= 0 else np.zeros(unit.size)
        wanted[node.index] = before_wanted + ordered[node.index]
        servers = wanted[node.index] / unit
        whole = (np.ceil(servers - 1e-6) if up else np.floor(servers + 1e-6)) * unit
        result[node.index] = np.clip(whole - before_taken, 0.0, cap[node.index])
        taken[node.index] = before_taken + result[node.index]
    return result
