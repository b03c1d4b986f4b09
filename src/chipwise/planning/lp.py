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
    """Columns and rows of a linear programme under construction."""

    def __init__(self) -> None:
        self._cost: list[Floats] = []
        self._lower: list[Floats] = []
        self._upper: list[Floats] = []
        self._row_lower: list[Floats] = []
        self._row_upper: list[Floats] = []
        self._entries: list[tuple[Ints, Ints, Floats]] = []
        self.columns = 0
        self.rows = 0

    def variables(
        self,
        shape: tuple[int, ...],
        *,
        cost: ArrayLike = 0.0,
        lower: ArrayLike = 0.0,
        upper: ArrayLike = INFINITY,
        where: NDArray[np.bool_] | None = None,
    ) -> Ints:
        """Add a block of variables; returns their column numbers in `shape`.

        Where `where` is False no variable is made: its number is -1, its value 0, and entries on it are dropped.
        """
        made = np.ones(shape, bool) if where is None else np.broadcast_to(where, shape)
        for store, value in ((self._cost, cost), (self._lower, lower), (self._upper, upper)):
            store.append(np.broadcast_to(np.asarray(value, float), shape)[made])
        count = int(made.sum())
        index = np.full(shape, -1, np.int64)
        index[made] = np.arange(self.columns, self.columns + count)
        self.columns += count
        return index

    def constraints(self, shape: tuple[int, ...], *, lower: ArrayLike = -INFINITY, upper: ArrayLike = INFINITY) -> Ints:
        """Add a block of rows ``lower <= a x <= upper``; returns their row numbers in `shape`."""
        count = int(np.prod(shape))
        for store, value in ((self._row_lower, lower), (self._row_upper, upper)):
            store.append(np.broadcast_to(np.asarray(value, float), shape).reshape(count).copy())
        index = np.arange(self.rows, self.rows + count, dtype=np.int64).reshape(shape)
        self.rows += count
        return index

    def entries(self, rows: ArrayLike, columns: ArrayLike, values: ArrayLike) -> None:
        """Set coefficients; the three arguments broadcast against each other. Zeros are dropped."""
        row, column, value = np.broadcast_arrays(
            np.asarray(rows, np.int64), np.asarray(columns, np.int64), np.asarray(values, float)
        )
        keep = (value != 0.0) & (column >= 0) & (row >= 0)
        self._entries.append((row[keep], column[keep], value[keep]))

    def programme(self) -> Programme:
        """Freeze into arrays ready for the solver; repeated entries of one place are added up."""
        row = np.concatenate([entry[0] for entry in self._entries])
        column = np.concatenate([entry[1] for entry in self._entries])
        value = np.concatenate([entry[2] for entry in self._entries])
        key = column * self.rows + row
        order = np.argsort(key, kind="stable")
        key, value = key[order], value[order]
        first = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
        value = np.add.reduceat(value, first)
        key = key[first]
        column = key // self.rows
        starts = np.searchsorted(column, np.arange(self.columns + 1)).astype(np.int32)
        return Programme(
            cost=np.concatenate(self._cost),
            lower=np.concatenate(self._lower),
            upper=np.concatenate(self._upper),
            row_lower=np.concatenate(self._row_lower),
            row_upper=np.concatenate(self._row_upper),
            starts=starts,
            rows=(key % self.rows).astype(np.int32),
            values=value,
        )


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

    `values` has one entry more than there are columns, a zero, so that number -1 (no variable) reads as 0.
    """

    status: str
    objective: float
    values: Floats
    bound: float


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
        self, programme: Programme, *, time_limit_s: float = 120.0, integral: Ints | None = None, most_nodes: int = 400
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
            self._highs.setOptionValue("mip_rel_gap", 2e-4)
            self._highs.setOptionValue("mip_max_nodes", most_nodes)
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
        """Solve from where the last solve stopped."""
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
        )
