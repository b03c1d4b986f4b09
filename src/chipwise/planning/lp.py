"""A thin column and row builder over HiGHS: blocks of variables as index arrays, entries as triplets.

No model layer stands between the arrays and the solver, so that building costs hundredths of a second and a
re-solve is cheap. One thread, so that results repeat.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

INFINITY = float("inf")


class Columns:
    """Columns and rows of a linear programme under construction, each at a node of the tree.

    Costs are charged to the node at which they fall due (`charge`), so that the cost of every future can be told apart.
    """

    def __init__(self) -> None:
        self._lower: list[Floats] = []
        self._upper: list[Floats] = []
        self._row_lower: list[Floats] = []
        self._row_upper: list[Floats] = []
        self._entries: list[tuple[Ints, Ints, Floats]] = []
        self._charges: list[tuple[Ints, Ints, Floats]] = []
        self._column_node: list[Ints] = []
        self._row_node: list[Ints] = []
        self.columns = 0
        self.rows = 0

    def variables(
        self,
        shape: tuple[int, ...],
        *,
        at: ArrayLike,
        lower: ArrayLike = 0.0,
        upper: ArrayLike = INFINITY,
        where: NDArray[np.bool_] | None = None,
    ) -> Ints:
        """Add a block of variables at the nodes `at`; returns their column numbers in `shape`.

        Where `where` is False no variable is made: its number is -1, its value 0, and entries on it are dropped.
        """
        made = np.ones(shape, bool) if where is None else np.broadcast_to(where, shape)
        for store, value in ((self._lower, lower), (self._upper, upper)):
            store.append(np.broadcast_to(np.asarray(value, float), shape)[made])
        self._column_node.append(np.broadcast_to(np.asarray(at, np.int64), shape)[made])
        count = int(made.sum())
        index = np.full(shape, -1, np.int64)
        index[made] = np.arange(self.columns, self.columns + count)
        self.columns += count
        return index

    def constraints(
        self, shape: tuple[int, ...], *, at: ArrayLike, lower: ArrayLike = -INFINITY, upper: ArrayLike = INFINITY
    ) -> Ints:
        """Add a block of rows ``lower <= a x <= upper`` at the nodes `at`; returns their row numbers in `shape`."""
        count = int(np.prod(shape))
        for store, value in ((self._row_lower, lower), (self._row_upper, upper)):
            store.append(np.broadcast_to(np.asarray(value, float), shape).reshape(count).copy())
        self._row_node.append(np.broadcast_to(np.asarray(at, np.int64), shape).reshape(count).copy())
        index = np.arange(self.rows, self.rows + count, dtype=np.int64).reshape(shape)
        self.rows += count
        return index

    def entries(self, rows: ArrayLike, columns: ArrayLike, values: ArrayLike) -> None:
        """Set coefficients; the three arguments broadcast against each other. Zeros are dropped."""
        self._entries.append(_triplets(rows, columns, values))

    def charge(self, nodes: ArrayLike, columns: ArrayLike, amounts: ArrayLike) -> None:
        """Cost of one unit of `columns` that falls due at `nodes`, discounted and given that the node is reached."""
        self._charges.append(_triplets(nodes, columns, amounts))

    def charges(self) -> Charges:
        """Everything charged so far."""
        node, column, amount = _joined(self._charges)
        return Charges(node=node, column=column, amount=amount)

    def nodes_of_columns(self) -> Ints:
        """Node at which each column is decided. (columns,)"""
        return np.concatenate(self._column_node)

    def nodes_of_rows(self) -> Ints:
        """Node at which each row holds. (rows,)"""
        return np.concatenate(self._row_node)

    def programme(self, cost: Floats) -> Programme:
        """Freeze into arrays ready for the solver; repeated entries of one place are added up."""
        row, column, value = _joined(self._entries)
        starts, rows, values = compressed(row, column, value, self.rows, self.columns)
        return Programme(
            cost=cost,
            lower=np.concatenate(self._lower),
            upper=np.concatenate(self._upper),
            row_lower=np.concatenate(self._row_lower),
            row_upper=np.concatenate(self._row_upper),
            starts=starts,
            rows=rows,
            values=values,
        )


def _triplets(rows: ArrayLike, columns: ArrayLike, values: ArrayLike) -> tuple[Ints, Ints, Floats]:
    row, column, value = np.broadcast_arrays(
        np.asarray(rows, np.int64), np.asarray(columns, np.int64), np.asarray(values, float)
    )
    keep = (value != 0.0) & (column >= 0) & (row >= 0)
    return row[keep], column[keep], value[keep]


def _joined(parts: list[tuple[Ints, Ints, Floats]]) -> tuple[Ints, Ints, Floats]:
    return (
        np.concatenate([part[0] for part in parts]),
        np.concatenate([part[1] for part in parts]),
        np.concatenate([part[2] for part in parts]),
    )


def compressed(
    row: Ints, column: Ints, value: Floats, rows: int, columns: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats]:
    """Triplets by column: where each column starts, the rows, the values; repeated places are added up."""
    key = column * rows + row
    order = np.argsort(key, kind="stable")
    key, value = key[order], value[order]
    first = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1]))) if key.size else np.empty(0, np.int64)
    value = np.add.reduceat(value, first) if key.size else value
    key = key[first]
    starts = np.searchsorted(key // max(rows, 1), np.arange(columns + 1)).astype(np.int32)
    return starts, (key % max(rows, 1)).astype(np.int32), value


@dataclass(frozen=True, slots=True, kw_only=True)
class Charges:
    """Costs by the node at which they fall due: one entry per (node, column), discounted, USD m per unit."""

    node: Ints
    column: Ints
    amount: Floats

    def expected(self, probability: Floats, columns: int) -> Floats:
        """Expected cost of one unit of each column. (columns,)"""
        found = np.bincount(self.column, weights=self.amount * probability[self.node], minlength=columns)
        return np.asarray(found, float)

    def by_node(self, values: Floats, nodes: int) -> Floats:
        """Cost that falls due at each node under `values`, given that it is reached. (nodes,)"""
        return np.asarray(np.bincount(self.node, weights=self.amount * values[self.column], minlength=nodes), float)


@dataclass(slots=True, kw_only=True)
class Programme:
    """A linear programme in column-compressed form; bounds and costs may be changed between solves."""

    cost: Floats
    lower: Floats
    upper: Floats
    row_lower: Floats
    row_upper: Floats
    starts: NDArray[np.int32]
    rows: NDArray[np.int32]
    values: Floats


def in_units(programme: Programme, columns: Ints, units: Floats) -> Programme:
    """The same programme with some columns counted in units: a value of 1 stands for `units` of before."""
    factor = np.ones(programme.cost.size)
    factor[columns] = units
    return Programme(
        cost=programme.cost * factor,
        lower=programme.lower / factor,
        upper=programme.upper / factor,
        row_lower=programme.row_lower,
        row_upper=programme.row_upper,
        starts=programme.starts,
        rows=programme.rows,
        values=programme.values * np.repeat(factor, np.diff(programme.starts)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """What the solver returned: ``status`` is ``optimal``, ``infeasible`` or the solver's own word.

    `bound` is what no solution can beat: the objective itself, or with whole numbers the proven bound where the search
    stopped (``optimal`` then says that a solution was found, and the bound how good it is).

    `values` and `reduced` (reduced costs of a linear programme) have one entry more than there are columns, a zero, so
    that number -1 (no variable) reads as 0.
    """

    status: str
    objective: float
    values: Floats
    bound: float
    reduced: Floats


@contextlib.contextmanager
def _quiet_standard_output() -> Iterator[None]:
    """Swallow what a C library writes to file descriptor 1: HiGHS greets on construction, whatever its options."""
    sys.stdout.flush()
    kept = os.dup(1)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(sink)
        os.close(kept)


class Solver:
    """One HiGHS instance holding one programme; later solves start from the last basis."""

    def __init__(
        self,
        programme: Programme,
        *,
        time_limit_s: float = 120.0,
        integral: Ints | None = None,
        most_nodes: int = 400,
        close: float = 2e-4,
    ) -> None:
        import highspy

        self._kinf = highspy.kHighsInf
        highs_class: Any = highspy.Highs
        with _quiet_standard_output():
            self._highs: Any = highs_class()
        self._highs.silent()
        for option, value in (("threads", 1), ("time_limit", time_limit_s), ("random_seed", 0)):
            self._highs.setOptionValue(option, value)
        model = highspy.HighsLp()
        model.num_col_ = programme.cost.size
        model.num_row_ = programme.row_lower.size
        model.col_cost_ = programme.cost
        model.col_lower_ = self._finite(programme.lower)
        model.col_upper_ = self._finite(programme.upper)
        model.row_lower_ = self._finite(programme.row_lower)
        model.row_upper_ = self._finite(programme.row_upper)
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        model.a_matrix_.start_ = programme.starts
        model.a_matrix_.index_ = programme.rows
        model.a_matrix_.value_ = programme.values
        if integral is not None and integral.size:
            kinds = [highspy.HighsVarType.kContinuous] * programme.cost.size
            for column in integral:
                kinds[int(column)] = highspy.HighsVarType.kInteger
            model.integrality_ = kinds
            self._highs.setOptionValue("mip_rel_gap", close)
            self._highs.setOptionValue("mip_max_nodes", most_nodes)
        self._time_limit_s = time_limit_s
        self._mixed = integral is not None and bool(integral.size)
        self._highs.passModel(model)

    def _finite(self, bound: Floats) -> Floats:
        return np.clip(bound, -self._kinf, self._kinf)

    def bound_columns(self, columns: Ints, lower: ArrayLike, upper: ArrayLike) -> None:
        """Change the bounds of some columns."""
        made = columns >= 0
        flat = columns[made].astype(np.int32)
        low = np.broadcast_to(np.asarray(lower, float), columns.shape)[made]
        high = np.broadcast_to(np.asarray(upper, float), columns.shape)[made]
        self._highs.changeColsBounds(flat.size, flat, self._finite(low.copy()), self._finite(high.copy()))

    def bound_row(self, row: int, lower: float, upper: float) -> None:
        """Change the bounds of one row."""
        self._highs.changeRowBounds(int(row), max(lower, -self._kinf), min(upper, self._kinf))

    def cost_columns(self, columns: Ints, cost: ArrayLike) -> None:
        """Change the objective of some columns."""
        made = columns >= 0
        flat = columns[made].astype(np.int32)
        value = np.broadcast_to(np.asarray(cost, float), columns.shape)[made]
        self._highs.changeColsCost(flat.size, flat, value)

    def solve(self) -> Solution:
        """Solve from where the last solve stopped; the limit of time is that of each solve."""
        self._highs.setOptionValue("time_limit", self._highs.getRunTime() + self._time_limit_s)
        self._highs.run()
        status = self._highs.getModelStatus()
        name = self._highs.modelStatusToString(status).lower()
        solution = self._highs.getSolution()
        info = self._highs.getInfo()
        objective = float(info.objective_function_value)
        stopped = self._mixed and name != "infeasible" and np.isfinite(objective) and len(solution.col_value) > 0
        return Solution(
            status="optimal" if stopped and objective < self._kinf else name,
            objective=objective,
            values=np.append(np.asarray(solution.col_value, float), 0.0),
            bound=float(info.mip_dual_bound) if self._mixed else objective,
            reduced=np.append(np.asarray(solution.col_dual, float), 0.0),
        )
