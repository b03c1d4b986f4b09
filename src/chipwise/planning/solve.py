"""From the relaxed programme to a plan one can sign: one cluster per final run, switches for ports, whole servers.

1. The relaxed programme gives the bound.
2. Each final run goes to the chip type that carried most of it; solve again.
3. Ports of software are decided by trying small portfolios.
4. Orders are rounded up cumulatively along the tree to whole servers, then the rest is solved again around them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from chipwise.core.errors import ChipwiseError
from chipwise.planning.lp import Floats, Ints, Solution, Solver
from chipwise.planning.model import NEW_MONEY_COST, PlanModel, use_of_peak

PORTFOLIO_LIMIT = 3
"""Up to this many ports every combination is tried; beyond, each is rounded from the relaxation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """A solved plan: column values, objective and bound in USD m, and which chip type each final run uses."""

    values: Floats
    objective: float
    bound: float
    cluster_of: tuple[int, ...]
    new_money: float

    @property
    def gap(self) -> float:
        """Relative distance of the objective from the bound, at least 0."""
        scale = max(abs(self.bound), 1e-9)
        return max(0.0, (self.objective - self.bound) / scale)


def _optimal(solution: Solution) -> Solution:
    if solution.status != "optimal":
        raise ChipwiseError(f"the solver stopped with status {solution.status!r}")
    return solution


def _choose_clusters(model: PlanModel, values: Floats) -> tuple[int, ...]:
    """Chip type that carries most of each final run in expectation; -1 for runs that need no single cluster."""
    data = model.inputs
    weight = np.array([node.probability for node in data.tree.nodes])
    chosen = []
    for number, run in enumerate(data.runs):
        if not run.homogeneous:
            chosen.append(-1)
            continue
        work = (values[model.blocks.final[:, :, number]] * weight[:, None]).sum(axis=0) * data.train_rate
        chosen.append(int(np.argmax(work)) if work.max() > 0.0 else -1)
    return tuple(chosen)


def _hold_clusters(model: PlanModel, solver: Solver, chosen: Iterable[int]) -> None:
    for number, chip in enumerate(chosen):
        if chip < 0:
            continue
        others = np.delete(model.blocks.final[:, :, number], chip, axis=1)
        solver.bound_columns(others, 0.0, 0.0)


def _decide_ports(model: PlanModel, solver: Solver, relaxed: Solution) -> Solution:
    switches = model.blocks.adopt[model.blocks.adopt >= 0]
    if not switches.size:
        return relaxed
    if switches.size <= PORTFOLIO_LIMIT:
        options = [np.array(option, float) for option in itertools.product((0.0, 1.0), repeat=switches.size)]
    else:
        options = [
            np.ceil(relaxed.values[switches] - 1e-6),
            np.round(relaxed.values[switches]),
            np.zeros(switches.size),
        ]
    best: tuple[float, Floats] | None = None
    for option in options:
        solver.bound_columns(switches, option, option)
        found = solver.solve()
        if found.status == "optimal" and (best is None or found.objective < best[0] - 1e-9):
            best = (found.objective, option)
    if best is None:
        raise ChipwiseError("no portfolio of ports could be solved")
    solver.bound_columns(switches, best[1], best[1])
    return _optimal(solver.solve())


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


def _rounded(model: PlanModel, solver: Solver, solution: Solution) -> Solution:
    order: Ints = model.blocks.order
    columns = model.inputs.buy_lines
    if not columns:
        return solution
    limit = model.programme.upper[order]
    ordered = np.minimum(solution.values[order], limit)
    money = _new_money(model, solution.values)
    answer = None
    candidates = (
        round_orders(model, ordered, up=True),
        round_orders(model, ordered, up=False),
        floor_orders(model, ordered),
    )
    for candidate in candidates:
        fixed = np.minimum(candidate, limit)
        solver.bound_columns(order[:, columns], fixed[:, columns], fixed[:, columns])
        answer = solver.solve()
        if answer.status == "optimal" and _new_money(model, answer.values) <= money + 1e-6:
            return answer
    if answer is None or answer.status != "optimal":
        raise ChipwiseError("whole servers could not be bought within the limits")
    return answer


def _new_money(model: PlanModel, values: Floats) -> float:
    return float(values[model.blocks.gap].max(initial=0.0))


def solve_plan(model: PlanModel, *, whole_servers: bool = True, time_limit_s: float = 120.0) -> Solved:
    """Solve one planning problem.

    Parameters
    ----------
    model : PlanModel
    whole_servers : bool
        Round orders to whole servers (sensitivities skip it).

    Returns
    -------
    Solved
    """
    solver = Solver(model.programme, time_limit_s=time_limit_s)
    relaxed = _optimal(solver.solve())
    chosen = _choose_clusters(model, relaxed.values)
    _hold_clusters(model, solver, chosen)
    solution = _optimal(solver.solve())
    solution = _decide_ports(model, solver, solution)
    if whole_servers:
        solution = _rounded(model, solver, solution)
    return Solved(
        values=solution.values,
        objective=solution.objective,
        bound=relaxed.objective,
        cluster_of=chosen,
        new_money=_new_money(model, solution.values),
    )


def money_needed(model: PlanModel, solved: Solved) -> list[tuple[int, float]]:
    """Nodes where the party runs out of money, with the USD m missing there; empty when it never does."""
    missing = solved.values[model.blocks.gap]
    return [(int(node), float(missing[node])) for node in np.flatnonzero(missing > 1e-6)]


def cost_parts(model: PlanModel, solved: Solved) -> dict[str, float]:
    """Objective split into what it is made of, USD m, expected and discounted."""
    cost = model.programme.cost * solved.values
    blocks = model.blocks

    def total(block: Ints) -> float:
        return float(cost[block[block >= 0]].sum())

    missed = total(blocks.unserved) + total(blocks.short)
    data = model.inputs
    share = data.power_cost / np.maximum(data.power_cost + use_of_peak(data), 1e-300)
    by_chip = sum(cost[block].sum(axis=(0, 2)) for block in (blocks.serve, blocks.train, blocks.final))
    power = float((by_chip * share).sum())
    parts = {
        "chips_bought_less_worth_at_end": total(blocks.order),
        "rent": total(blocks.rent),
        "tokens_bought": total(blocks.api),
        "power": power,
        "preference_for_free_peak": total(blocks.serve) + total(blocks.train) + total(blocks.final) - power,
        "interest": total(blocks.owed),
        "ports": total(blocks.adopt),
        "missed_work_valued": missed,
        "running_costs_cut_valued": total(blocks.cut),
        "money_not_there": total(blocks.gap) / NEW_MONEY_COST,
    }
    return {name: value for name, value in parts.items() if abs(value) > 1e-12}


NOT_MONEY = ("missed_work_valued", "preference_for_free_peak", "running_costs_cut_valued")
"""Parts of the objective that are no payment."""


def expected_cost(parts: Mapping[str, float]) -> float:
    """What the plan is expected to pay, less what chips are worth at the end; discounted, unit of `parts`."""
    return sum(value for name, value in parts.items() if name not in NOT_MONEY)
