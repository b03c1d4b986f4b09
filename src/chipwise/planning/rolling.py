"""Rolling planning: at every node the firm plans a window ahead, does the first period of that plan, and plans again.

The window sees the branching inside it with its probabilities, and nothing beyond. What was decided before stands. A
run whose deadline lies beyond the window is to be done in step with the time that has passed, so that a short window
does not starve it. With a window as long as the horizon the rolled plan costs what the plan over the whole tree costs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chipwise.core.errors import ChipwiseError
from chipwise.planning.clusters import Clusters, cell_key
from chipwise.planning.inputs import FLOP_UNIT
from chipwise.planning.lp import INFINITY, Floats, Ints, Programme, Solver, compressed
from chipwise.planning.model import PlanModel
from chipwise.planning.model_risk import tail_mean

WINDOW_MONTHS = 12
"""Months seen ahead unless another window is asked for."""
MONEY_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolled:
    """A rolled plan: column values of every node, and the cost of every future in the order of `tree.leaves()`.

    Parameters
    ----------
    values : (columns + 1,) float64
    objective : float
        Expected cost, with the scenario's aversion to risk; USD m.
    costs : (n_leaves,) float64
    window_months : int
    solves : int
        Linear programmes solved.
    """

    values: Floats
    objective: float
    costs: Floats
    window_months: int
    solves: int


class _Entries:
    """The matrix of the programme as triplets, and the node of every row and column."""

    def __init__(self, model: PlanModel) -> None:
        programme = model.programme
        self.column = np.repeat(np.arange(programme.cost.size), np.diff(programme.starts))
        self.row = programme.rows.astype(np.int64)
        self.value = programme.values


@dataclass(slots=True, kw_only=True)
class _Window:
    """One window: the nodes in it, the programme of its columns, and where they stand in the whole."""

    inside: NDArray[np.bool_]
    columns: Ints
    programme: Programme


def _inside(model: PlanModel, node: int, months: int) -> NDArray[np.bool_]:
    tree = model.inputs.tree
    first = np.array(tree.first_month)[[entry.period for entry in tree.nodes]]
    below = model.ancestors[:, tree.nodes[node].period] == node
    return np.asarray(below & (first < first[node] + months))


def _window(model: PlanModel, entries: _Entries, node: int, months: int, values: Floats) -> _Window:
    """The programme of one window, with what was decided before on the right side."""
    programme = model.programme
    inside = _inside(model, node, months)
    rows = np.flatnonzero(inside[model.row_node])
    columns = np.flatnonzero(inside[model.column_node])
    place = np.full(programme.cost.size, -1, np.int64)
    place[columns] = np.arange(columns.size)
    row_place = np.full(programme.row_lower.size, -1, np.int64)
    row_place[rows] = np.arange(rows.size)
    here = row_place[entries.row] >= 0
    free = here & (place[entries.column] >= 0)
    past = here & (place[entries.column] < 0)
    given = np.bincount(
        row_place[entries.row[past]],
        weights=entries.value[past] * values[entries.column[past]],
        minlength=rows.size,
    )
    charges = model.charges
    due = inside[charges.node] & (place[charges.column] >= 0)
    chance = model.probability / model.probability[node]
    cost = np.bincount(
        place[charges.column[due]],
        weights=charges.amount[due] * chance[charges.node[due]],
        minlength=columns.size,
    )
    upper = programme.upper[columns].copy()
    upper[place[_never_arriving(model, inside, columns)]] = 0.0
    triplets = [(row_place[entries.row[free]], place[entries.column[free]], entries.value[free])]
    lower, row_lower, row_upper = programme.lower[columns], programme.row_lower[rows], programme.row_upper[rows]
    steps = list(_steps(model, inside, node, place, values))
    total_rows, total_columns = rows.size, columns.size
    for step in steps:
        triplets.append(
            (
                np.full(step.columns.size + 1, total_rows),
                np.append(step.columns, total_columns),
                np.append(step.rates, 1.0),
            )
        )
        total_rows, total_columns = total_rows + 1, total_columns + 1
    starts, row, value = compressed(
        np.concatenate([part[0] for part in triplets]),
        np.concatenate([part[1] for part in triplets]),
        np.concatenate([part[2] for part in triplets]),
        total_rows,
        total_columns,
    )
    more = np.zeros(len(steps))
    return _Window(
        inside=inside,
        columns=columns,
        programme=Programme(
            cost=np.append(cost, [step.cost for step in steps]),
            lower=np.append(lower, more),
            upper=np.append(upper, more + INFINITY),
            row_lower=np.append(row_lower - given, [step.wanted for step in steps]),
            row_upper=np.append(row_upper - given, more + INFINITY),
            starts=starts,
            rows=row,
            values=value,
        ),
    )


def _never_arriving(model: PlanModel, inside: NDArray[np.bool_], columns: Ints) -> Ints:
    """Orders and contracts of which nothing arrives inside the window: not placed, for they would cost nothing."""
    blocks, arrivals = model.blocks, model.arrivals
    ordered = [block[arrivals.source, arrivals.line] for block in (blocks.order, blocks.sign)]
    seen = inside[arrivals.node]
    arriving = np.concatenate([found[seen] for found in ordered])
    mine = np.concatenate([blocks.order[inside].ravel(), blocks.sign[inside].ravel()])
    mine = mine[mine >= 0]
    return np.intersect1d(mine[~np.isin(mine, arriving)], columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """Part of a run to be done by the end of the window: columns that do it, what is wanted, cost of a unit missing."""

    columns: Ints
    rates: Floats
    wanted: float
    cost: float


def _steps(model: PlanModel, inside: NDArray[np.bool_], node: int, place: Ints, values: Floats) -> Iterator[_Step]:
    data, tree = model.inputs, model.inputs.tree
    parents = {tree.nodes[index].parent for index in np.flatnonzero(inside)}
    ends = [tree.nodes[index] for index in np.flatnonzero(inside) if index not in parents]
    for end in ends:
        if end.period == tree.periods - 1:
            continue
        line = model.ancestors[end.index, : end.period + 1]
        span = data.span_months[[tree.nodes[index].period for index in line]]
        month = tree.first_month[end.period] + tree.lengths[end.period]
        chance = end.probability / tree.nodes[node].probability
        for number, run in enumerate(data.runs):
            if run.last <= end.period:
                continue
            due = tree.first_month[run.last] + tree.lengths[run.last]
            begun = tree.first_month[run.first]
            rates = span[:, None] * data.train_rate[None, :, number]
            blocks = model.blocks
            parts: list[tuple[tuple[Ints, ...], float, float]] = [
                ((blocks.train, blocks.final), run.total_flop, month / due)
            ]
            if run.homogeneous and month > begun:
                parts.append(((blocks.final,), run.flop, (month - begun) / (due - begun)))
            for used, flop, share in parts:
                wanted = flop / FLOP_UNIT * share
                columns = np.concatenate([block[line][:, :, number].ravel() for block in used])
                rate = np.concatenate([rates.ravel() for _ in used])
                columns, rate = columns[columns >= 0], rate[columns >= 0]
                mine = place[columns] >= 0
                done = float((rate[~mine] * values[columns[~mine]]).sum())
                penalty = float(data.missed_flop_cost[number]) * float(data.discount[end.period]) * chance
                yield _Step(columns=place[columns[mine]], rates=rate[mine], wanted=wanted - done, cost=penalty)


def _with_clusters(model: PlanModel, clusters: Clusters) -> PlanModel:
    """The model with the final runs held on the chip types chosen."""
    upper = model.programme.upper.copy()
    for cell in model.cells:
        chip = clusters.get(cell_key(model, cell), -1)
        if chip >= 0:
            columns = np.delete(model.blocks.final[cell.nodes][:, :, cell.run], chip, axis=1).ravel()
            upper[columns[columns >= 0]] = 0.0
    return dataclasses.replace(model, programme=dataclasses.replace(model.programme, upper=upper))


def roll(
    model: PlanModel, clusters: Clusters, *, window_months: int = WINDOW_MONTHS, whole_servers: bool = True
) -> Rolled:
    """Plan node by node, each time with what is known there.

    Parameters
    ----------
    model : PlanModel
    clusters : mapping
        Chip type of each final run and branch (`Solved.clusters`).
    window_months : int
        Months seen ahead, at least 1.
    whole_servers : bool
        Round the orders of each node to whole servers before going on.
    """
    held = _with_clusters(model, clusters)
    entries = _Entries(held)
    tree = held.inputs.tree
    values = np.zeros(held.programme.cost.size + 1)
    units = np.array(held.inputs.server_chips, float)
    solves = 0
    for node in tree.nodes:
        window = _window(held, entries, node.index, window_months, values)
        solver = Solver(window.programme)
        found = _solved(solver, node.branch)
        solves += 1
        orders = held.blocks.order[node.index, held.inputs.buy_lines]
        if whole_servers and orders.size:
            at = np.searchsorted(window.columns, orders)
            unit = units[held.inputs.buy_lines]
            wanted = found[at]
            if np.abs(wanted / unit - np.round(wanted / unit)).max() > 1e-6:
                found = _round_first(held, solver, window, at, wanted, unit, found)
                solves += 1
        now = held.column_node[window.columns] == node.index
        values[window.columns[now]] = found[: window.columns.size][now]
    values[-1] = 0.0
    costs = held.costs_of_futures(values)
    chances = np.array([leaf.probability for leaf in tree.leaves()])
    terms = held.inputs.terms
    expected = float((costs * chances).sum())
    tail = tail_mean(costs, chances, terms.risk_alpha) if terms.risk_weight > 0.0 else expected
    objective = (1.0 - terms.risk_weight) * expected + terms.risk_weight * tail
    return Rolled(values=values, objective=objective, costs=costs, window_months=window_months, solves=solves)


def _solved(solver: Solver, branch: str) -> Floats:
    found = solver.solve()
    if found.status != "optimal":
        raise ChipwiseError(f"the window on branch {branch} stopped with status {found.status!r}")
    return found.values


def _round_first(
    model: PlanModel, solver: Solver, window: _Window, at: Ints, wanted: Floats, unit: Floats, before: Floats
) -> Floats:
    """The window solved again with the first period's orders whole: to the nearest server, down where money ends."""
    gaps = np.flatnonzero(np.isin(window.columns, model.blocks.gap))
    for servers in (np.round(wanted / unit), np.floor(wanted / unit + 1e-9)):
        orders = np.minimum(servers * unit, window.programme.upper[at])
        solver.bound_columns(at, orders, orders)
        found = solver.solve()
        if found.status == "optimal" and found.values[gaps].sum() <= before[gaps].sum() + MONEY_TOLERANCE:
            return found.values
    raise ChipwiseError("whole servers could not be bought within the limits")
