"""One chip type for each final run: chosen cell by cell in the light of those before, then set against its rivals.

A *cell* is a run on the part of the tree below one node of its first period (`chipwise.planning.model.Cell`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chipwise.core.errors import ChipwiseError
from chipwise.planning.lp import INFINITY, Floats, Ints, Solution, Solver
from chipwise.planning.model import Cell, PlanModel

MOST_RIVALS = 3
QUICK_COLUMNS = 40_000
"""Programmes up to this size are solved again for every rival."""

Clusters = Mapping[tuple[str, str], int]
"""Chip type of a run (its name) on the branches below a node (its branch)."""


def cell_key(model: PlanModel, cell: Cell) -> tuple[str, str]:
    """Name of the run and of the branch of a cell: what it is known by in another problem."""
    return model.inputs.runs[cell.run].name, model.inputs.tree.nodes[cell.start].branch


def named(model: PlanModel, chosen: Sequence[int]) -> dict[tuple[str, str], int]:
    """Choices by run and branch."""
    return {cell_key(model, cell): chip for cell, chip in zip(model.cells, chosen, strict=True)}


def by_run(model: PlanModel, chosen: Sequence[int]) -> tuple[int, ...]:
    """Chip type of each run where it is most probable; -1 for runs without one."""
    best = [(-1.0, -1)] * len(model.inputs.runs)
    for cell, chip in zip(model.cells, chosen, strict=True):
        chance = model.inputs.tree.nodes[cell.start].probability
        if chip >= 0 and chance > best[cell.run][0]:
            best[cell.run] = (chance, chip)
    return tuple(chip for _, chip in best)


def cell_work(model: PlanModel, values: Floats, cell: Cell) -> Floats:
    """Expected work of a final run in its cell by chip type. (n_chips,)"""
    data = model.inputs
    weight = model.probability[cell.nodes] * data.span_months[[data.tree.nodes[node].period for node in cell.nodes]]
    used = values[model.blocks.final[cell.nodes][:, :, cell.run]]
    return np.asarray((used * weight[:, None]).sum(axis=0) * data.train_rate[:, cell.run], float)


def hold(model: PlanModel, solver: Solver, cell: Cell, chip: int) -> None:
    """Leave a cell one chip type; -1 opens them all."""
    columns = model.blocks.final[cell.nodes][:, :, cell.run]
    own = np.full(columns.shape, chip < 0)
    if chip >= 0:
        own[:, chip] = True
    solver.bound_columns(columns, 0.0, np.where(own, INFINITY, 0.0))


def hold_all(model: PlanModel, solver: Solver, chosen: Sequence[int]) -> None:
    """Hold every cell for which a type is chosen."""
    for cell, chip in zip(model.cells, chosen, strict=True):
        if chip >= 0:
            hold(model, solver, cell, chip)


def open_all(model: PlanModel, solver: Solver) -> None:
    """Open every chip type to every cell again."""
    for cell in model.cells:
        hold(model, solver, cell, -1)


def hold_shares(model: PlanModel, solver: Solver, shares: Floats) -> list[int]:
    """Hold the type with the largest share in every cell, -1 where no type has any. (n_cells, n_chips)"""
    open_all(model, solver)
    chosen = [int(np.argmax(row)) if row.max(initial=0.0) > 0.5 else -1 for row in shares]
    hold_all(model, solver, chosen)
    return chosen


def choose_clusters(
    model: PlanModel, solver: Solver, guide: Floats, known: Clusters | None = None, *, share: Ints | None = None
) -> list[int]:
    """One chip type per cell, in the order of deadlines; -1 where no chip carries the run.

    Cells of the same name in `known` take its choice. The solver is left holding the choices.

    Parameters
    ----------
    guide : (columns,) float64
        A relaxed solution: the type that carries most of a run in it is taken first.
    share : (n_cells, n_chips) int, optional
        Columns of `guide` with the shares of each type (`chipwise.planning.tighten`); in a large programme they decide
        all cells at once.
    """
    quick = model.programme.cost.size <= QUICK_COLUMNS
    chosen: list[int] = []
    rivals: dict[int, list[int]] = {}
    values = guide
    for number, cell in enumerate(model.cells):
        given = None if known is None else known.get(cell_key(model, cell))
        if given is not None:
            chosen.append(given)
            if given >= 0:
                hold(model, solver, cell, given)
            continue
        work = cell_work(model, values, cell)
        if share is not None and not quick:
            work = work * 1e-9 + guide[share[number]]
        if work.max(initial=0.0) <= 0.0:
            chosen.append(-1)
            continue
        ranked = np.argsort(-work, kind="stable")
        chosen.append(int(ranked[0]))
        hold(model, solver, cell, chosen[-1])
        rivals[number] = [int(chip) for chip in ranked[1 : 1 + MOST_RIVALS] if work[chip] > 1e-3 * work.max()]
        if rivals[number] and quick:
            values = _optimal(solver.solve()).values
    if quick and any(rivals.values()):
        _set_against_rivals(model, solver, chosen, rivals)
    return chosen


def _set_against_rivals(
    model: PlanModel, solver: Solver, chosen: list[int], rivals: Mapping[int, Sequence[int]]
) -> None:
    best = _optimal(solver.solve()).objective
    for number, others in rivals.items():
        for chip in others:
            hold(model, solver, model.cells[number], chip)
            found = solver.solve()
            if found.status == "optimal" and found.objective < best - 1e-6 * abs(best):
                best, chosen[number] = found.objective, chip
            else:
                hold(model, solver, model.cells[number], chosen[number])


def _optimal(solution: Solution) -> Solution:
    if solution.status != "optimal":
        raise ChipwiseError(f"the solver stopped with status {solution.status!r}")
    return solution
