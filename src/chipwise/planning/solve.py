"""From the relaxed programme to a plan one can sign: one cluster per final run, switches for ports, whole servers.

1. The relaxed programme, tightened for the choice of one chip type per run, gives the bound.
2. Each final run goes to the chip type that carries most of it, run by run and branch by branch, and is set against
   the runners-up (`chipwise.planning.clusters`).
3. Ports of software are decided by trying every small portfolio, or by branch and bound where there are many.
4. Orders are rounded cumulatively along the tree to whole servers, then the rest is solved again around them; where few
   servers are bought, branch and bound finds them instead.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chipwise.core.errors import ChipwiseError
from chipwise.planning.clusters import (
    QUICK_COLUMNS,
    Clusters,
    by_run,
    choose_clusters,
    hold_all,
    hold_shares,
    named,
    open_all,
)
from chipwise.planning.lp import Floats, Ints, Programme, Solution, Solver, in_units
from chipwise.planning.model import PlanModel
from chipwise.planning.model_frame import NEW_MONEY_COST, use_of_peak
from chipwise.planning.rounding import floor_orders, round_orders
from chipwise.planning.tighten import tightened

PORTFOLIO_LIMIT = 3
"""Up to this many ports every combination is tried; beyond, branch and bound decides them."""
FEW_SERVERS = 200
"""Below this many servers over the whole tree, orders are found by branch and bound instead of rounding."""
MOST_SEARCHED_ORDERS = 1500
CLOSE_ENOUGH = 1e-3
SEARCHED_COLUMNS = 12_000
"""Programmes up to this size have the chip types of final runs searched by branch and bound where a gap is left."""
MOST_NODES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """A solved plan: column values, objective and bound in USD m, and which chip type each final run uses.

    `cluster_of` has the type of each run where it is most probable, `clusters` that of each run and branch.
    """

    values: Floats
    objective: float
    bound: float
    cluster_of: tuple[int, ...]
    clusters: Clusters
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


def _switches(model: PlanModel) -> Ints:
    return np.asarray(model.blocks.adopt[model.blocks.adopt >= 0], np.int64)


def _try_portfolios(model: PlanModel, solver: Solver) -> Solution:
    """Every combination of a few ports, the best kept."""
    switches = _switches(model)
    best: tuple[float, Floats] | None = None
    for combination in itertools.product((0.0, 1.0), repeat=switches.size):
        option = np.array(combination)
        solver.bound_columns(switches, option, option)
        found = solver.solve()
        if found.status == "optimal" and (best is None or found.objective < best[0] - 1e-9):
            best = (found.objective, option)
    if best is None:
        raise ChipwiseError("no portfolio of ports could be solved")
    solver.bound_columns(switches, best[1], best[1])
    return _optimal(solver.solve())


def _order_columns(model: PlanModel) -> tuple[Ints, Floats]:
    """Columns of orders that may be placed at all, and chips per server of each."""
    columns = model.blocks.order[:, model.inputs.buy_lines]
    units = np.broadcast_to(np.array(model.inputs.server_chips, float)[model.inputs.buy_lines], columns.shape)
    open_ones = model.programme.upper[columns] > 0.0
    return columns[open_ones], units[open_ones]


def _branch_and_bound(model: PlanModel, relaxed: Programme, *, orders: bool, clusters: Sequence[int] = ()) -> Solution:
    """Solve `relaxed` with whole ports and, where asked, whole servers; values come back in chips."""
    columns, units = _order_columns(model)
    programme = in_units(relaxed, columns, units) if orders else relaxed
    whole = np.concatenate((columns, _switches(model))) if orders else _switches(model)
    solver = Solver(programme, integral=whole, close=2e-4 if orders else CLOSE_ENOUGH)
    if clusters:
        hold_all(model, solver, clusters)
    found = _optimal(solver.solve())
    values = found.values.copy()
    if orders:
        values[columns] = np.round(values[columns]) * units
    values[_switches(model)] = np.round(values[_switches(model)])
    return dataclasses.replace(found, values=values)


def _fixed_orders(model: PlanModel, solver: Solver, orders: Floats) -> Solution:
    columns = model.inputs.buy_lines
    order = model.blocks.order[:, columns]
    fixed = np.minimum(orders, model.programme.upper[model.blocks.order])[:, columns]
    solver.bound_columns(order, fixed, fixed)
    return solver.solve()


def _rounded(model: PlanModel, solver: Solver, solution: Solution) -> Solution:
    """Whole servers by cumulative rounding; other ways are tried only where that is not close enough."""
    if not model.inputs.buy_lines:
        return solution
    ordered = np.minimum(solution.values[model.blocks.order], model.programme.upper[model.blocks.order])
    money = _new_money(model, solution.values)
    best: tuple[Solution, Floats] | None = None
    for orders in (
        round_orders(model, ordered, up=True),
        round_orders(model, ordered, up=False),
        floor_orders(model, ordered),
    ):
        found = _fixed_orders(model, solver, orders)
        allowed = found.status == "optimal" and _new_money(model, found.values) <= money + 1e-6
        if allowed and (best is None or found.objective < best[0].objective):
            best = (found, orders)
        if best is not None and best[0].objective <= solution.objective + CLOSE_ENOUGH * abs(solution.objective):
            break
    if best is None:
        raise ChipwiseError("whole servers could not be bought within the limits")
    return best[0]


def _new_money(model: PlanModel, values: Floats) -> float:
    return float(values[model.blocks.gap].max(initial=0.0))


def solve_plan(
    model: PlanModel, *, whole_servers: bool = True, clusters: Clusters | None = None, time_limit_s: float = 600.0
) -> Solved:
    """Solve one planning problem.

    Parameters
    ----------
    model : PlanModel
    whole_servers : bool
        Round orders to whole servers (sensitivities skip it).
    clusters : mapping, optional
        Chip type of each final run and branch as an earlier plan chose it (`Solved.clusters`); chosen anew for runs and
        branches that are not in it.

    Returns
    -------
    Solved
    """
    solver = Solver(model.programme, time_limit_s=time_limit_s)
    tight, share = tightened(model) if model.cells else (model.programme, np.empty((0, 0), np.int64))
    relaxed = _optimal(Solver(tight, time_limit_s=time_limit_s).solve() if model.cells else solver.solve())
    bound, guide = relaxed.objective, relaxed
    ports = _switches(model)
    few = whole_servers and _few_servers(model, relaxed)
    if ports.size > PORTFOLIO_LIMIT or few:
        guide = _branch_and_bound(model, tight, orders=few)
        bound = max(bound, guide.bound)
    chosen, bound = _clusters(model, solver, tight, share, guide, bound, clusters)
    if few:
        if any(chip >= 0 for chip in chosen):
            guide = _branch_and_bound(model, model.programme, orders=True, clusters=chosen)
        solver.bound_columns(ports, guide.values[ports], guide.values[ports])
        solution = _optimal(_fixed_orders(model, solver, guide.values[model.blocks.order]))
    else:
        if ports.size > PORTFOLIO_LIMIT:
            solver.bound_columns(ports, guide.values[ports], guide.values[ports])
        solution = _optimal(solver.solve())
        if 0 < ports.size <= PORTFOLIO_LIMIT:
            solution = _try_portfolios(model, solver)
        if whole_servers:
            solution = _rounded(model, solver, solution)
    return Solved(
        values=solution.values,
        objective=solution.objective,
        bound=min(bound, solution.objective),
        cluster_of=by_run(model, chosen),
        clusters=named(model, chosen),
        new_money=_new_money(model, solution.values),
    )


def _clusters(
    model: PlanModel,
    solver: Solver,
    tight: Programme,
    share: Ints,
    guide: Solution,
    bound: float,
    known: Clusters | None,
) -> tuple[list[int], float]:
    """One chip type per cell, and the bound. The solver is left holding the choices.

    Where the types that the tightened programme points to leave a gap, those of the plain one are tried, then branch
    and bound over the shares.
    """
    if not model.cells:
        return [], bound
    best: tuple[float, list[int]] | None = None

    def attempt(pick: Callable[[], list[int]]) -> bool:
        nonlocal best
        chosen = pick()
        found = solver.solve()
        if found.status == "optimal" and (best is None or found.objective < best[0] - 1e-9 * abs(found.objective)):
            best = (found.objective, chosen)
        return best is not None and best[0] - bound <= CLOSE_ENOUGH * abs(bound)

    def from_plain() -> list[int]:
        open_all(model, solver)
        return choose_clusters(model, solver, _optimal(solver.solve()).values)

    close = attempt(lambda: choose_clusters(model, solver, guide.values, known, share=share))
    if not close and not known and model.programme.cost.size <= QUICK_COLUMNS:
        close = attempt(from_plain)
    if not close and not known and model.programme.cost.size <= SEARCHED_COLUMNS:
        search = Solver(tight, integral=share.ravel(), most_nodes=MOST_NODES).solve()
        if search.status == "optimal":
            bound = max(bound, search.bound)
            attempt(lambda: hold_shares(model, solver, search.values[share]))
    if best is None:
        raise ChipwiseError("no chip type could be held for the final runs")
    open_all(model, solver)
    hold_all(model, solver, best[1])
    return best[1], bound


def relaxed_bound(model: PlanModel) -> float:
    """What no plan can beat: the programme with every choice left open; USD m."""
    return _optimal(Solver(model.programme).solve()).objective


def _few_servers(model: PlanModel, relaxed: Solution) -> bool:
    """Whether so few servers are bought that rounding would show, and so few orders possible that a search is quick."""
    columns, units = _order_columns(model)
    if not columns.size:
        return False
    servers = float((relaxed.values[columns] / units).sum())
    return 0.01 < servers < FEW_SERVERS and columns.size <= MOST_SEARCHED_ORDERS


def money_needed(model: PlanModel, solved: Solved) -> list[tuple[int, float]]:
    """Nodes where the party runs out of money, with the USD m missing there; empty when it never does."""
    missing = solved.values[model.blocks.gap]
    return [(int(node), float(missing[node])) for node in np.flatnonzero(missing > 1e-6)]


def cost_parts(model: PlanModel, solved: Solved) -> dict[str, float]:
    """Objective split into what it is made of, USD m, expected and discounted."""
    cost = np.append(model.expected_cost(), 0.0) * solved.values
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
        "leases_and_reserved_rentals": total(blocks.sign) + total(blocks.due) + total(blocks.keep),
        "sales_less_worth_given_up": total(blocks.sold_held) + total(blocks.sold_new),
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
