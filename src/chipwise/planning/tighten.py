"""A stronger relaxation of the choice of one chip type per final run.

A share of each chip type is added per cell, shares adding up to no more than one. A type can do no more of the run than
its share times what all of its chips that can be there by then could do, and no more of its chips can work on it in a
month than its share times all there can be. Mixing types no longer gives more than the types alone could, so the bound
comes close to what one type per run can reach, and the shares say which type to take.
"""

from __future__ import annotations

import numpy as np

from chipwise.planning.inputs import FLOP_UNIT
from chipwise.planning.lp import INFINITY, Floats, Ints, Programme, compressed
from chipwise.planning.model import Cell, PlanModel

QUICK_COLUMNS = 40_000
"""Programmes up to this size get the rows of every month besides those of the whole run."""


def most_chips(model: PlanModel) -> Floats:
    """Most chips of each type that can be there at each node, whatever is bought or rented. (n_nodes, n_chips)"""
    data, arrivals, upper = model.inputs, model.arrivals, model.programme.upper
    chip, blocks = np.array(data.line_chip, np.int64), model.blocks
    found = np.zeros((len(data.tree.nodes), len(data.chips)))
    for block, kept in ((blocks.order, data.survival_per_month), (blocks.sign, 1.0)):
        columns = block[arrivals.source, arrivals.line]
        cap = np.where(columns >= 0, upper[columns], 0.0)
        there = np.zeros_like(found)
        np.add.at(there, (arrivals.node, chip[arrivals.line]), arrivals.share * cap)
        for node in data.tree.nodes:
            if node.parent >= 0:
                months = data.tree.lengths[data.tree.nodes[node.parent].period]
                there[node.index] += there[node.parent] * kept**months
        found += there
    for column in data.rent_lines:
        found[:, chip[column]] += upper[blocks.rent[:, column]]
    found += data.held[[node.period for node in data.tree.nodes]]
    return np.minimum(found, INFINITY if data.cluster_chips is None else data.cluster_chips)


class _Rows:
    """Rows and columns laid under a programme."""

    def __init__(self, programme: Programme) -> None:
        self.rows, self.columns = programme.row_lower.size, programme.cost.size
        self.parts: list[tuple[Ints, Ints, Floats]] = []
        self.upper: list[Floats] = []

    def at_most(self, columns: Ints, values: Floats, upper: float) -> None:
        """Add rows ``values x <= upper``: (n_rows, n_entries) each; entries without a column are left out."""
        index = self.rows + np.broadcast_to(np.arange(columns.shape[0])[:, None], columns.shape)
        made = columns >= 0
        self.parts.append((index[made], columns[made], np.broadcast_to(values, columns.shape)[made]))
        self.upper.append(np.full(columns.shape[0], upper))
        self.rows += columns.shape[0]


def tightened(model: PlanModel) -> tuple[Programme, Ints]:
    """The programme with the shares of chip types.

    Returns
    -------
    programme : Programme
        The columns of the model's own come first.
    share : (n_cells, n_chips) int
        Columns of the shares.
    """
    programme, chips = model.programme, len(model.inputs.chips)
    rows = _Rows(programme)
    most = most_chips(model)
    share = programme.cost.size + np.arange(len(model.cells) * chips).reshape(len(model.cells), chips)
    for cell, columns in zip(model.cells, share, strict=True):
        rows.at_most(columns[None, :], np.ones((1, chips)), 1.0)
        _whole_run(model, rows, cell, columns, most)
        if programme.cost.size <= QUICK_COLUMNS:
            final = model.blocks.final[cell.nodes][:, :, cell.run]
            pairs = np.stack((final, np.broadcast_to(columns, final.shape)), axis=2).reshape(-1, 2)
            values = np.stack((np.ones(final.shape), -most[cell.nodes]), axis=2).reshape(-1, 2)
            kept = pairs[:, 0] >= 0
            rows.at_most(pairs[kept], values[kept], 0.0)
    count = share.size
    own = np.repeat(np.arange(programme.cost.size), np.diff(programme.starts))
    starts, row, value = compressed(
        np.concatenate([programme.rows.astype(np.int64), *(part[0] for part in rows.parts)]),
        np.concatenate([own, *(part[1] for part in rows.parts)]),
        np.concatenate([programme.values, *(part[2] for part in rows.parts)]),
        rows.rows,
        programme.cost.size + count,
    )
    more = np.concatenate(rows.upper) if rows.upper else np.empty(0)
    return (
        Programme(
            cost=np.append(programme.cost, np.zeros(count)),
            lower=np.append(programme.lower, np.zeros(count)),
            upper=np.append(programme.upper, np.ones(count)),
            row_lower=np.append(programme.row_lower, np.full(more.size, -INFINITY)),
            row_upper=np.append(programme.row_upper, more),
            starts=starts,
            rows=row,
            values=value,
        ),
        share,
    )


def _whole_run(model: PlanModel, rows: _Rows, cell: Cell, share: Ints, most: Floats) -> None:
    """On each branch a type does no more of the run than its share of what it could do alone, the run at most."""
    data = model.inputs
    run = data.runs[cell.run]
    wanted = run.flop / FLOP_UNIT
    period = np.array([node.period for node in data.tree.nodes])
    for end in cell.nodes[period[cell.nodes] == run.last]:
        line = model.ancestors[end, run.first : run.last + 1]
        columns = model.blocks.final[line][:, :, cell.run].T
        rates = data.train_rate[:, cell.run][:, None] * data.span_months[period[line]][None, :]
        alone = np.minimum((rates * most[line].T).sum(axis=1), wanted)
        made = (columns >= 0).any(axis=1)
        rows.at_most(np.column_stack((columns, share))[made], np.column_stack((rates, -alone))[made], 0.0)
