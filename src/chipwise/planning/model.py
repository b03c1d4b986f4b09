"""The planning problem as a linear programme: one set of variables per node of the tree.

Minimise the expected discounted cost of buying, renting, leasing, tokens bought, power and interest, less what chips
are worth at the end or bring when sold, plus a stated value of work missed; with aversion to risk, the mean cost of the
worst futures counts beside the expectation. Chips are durable capital: a stock yields work for as long as it runs, idle
chips cost nothing, and wear takes its yearly share.

Where a raise of equity has failed, running costs may be cut (the firm winds down) at a stated value above their amount;
elsewhere they are due.

Financing is neutral but for interest: principal moves cash, not the objective, so that the plan borrows only where
cash binds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chipwise.planning import model_money, model_work
from chipwise.planning.inputs import PlanInputs
from chipwise.planning.lp import Charges, Floats, Ints, Programme
from chipwise.planning.model_frame import Deliveries, Frame, frame_of
from chipwise.planning.model_risk import risk
from chipwise.planning.model_stock import stock


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """Column numbers of each block of variables; -1 where a variable does not exist."""

    order: Ints
    new: Ints
    rent: Ints
    sign: Ints
    active: Ints
    due: Ints
    keep: Ints
    gone: Ints
    sold_held: Ints
    sold_new: Ints
    serve: Ints
    unserved: Ints
    api: Ints
    train: Ints
    final: Ints
    short: Ints
    final_short: Ints
    draw: Ints
    repay: Ints
    owed: Ints
    cash: Ints
    gap: Ints
    cut: Ints
    adopt: Ints
    extra_share: Ints
    extra_chips: Ints
    extra_site: Ints
    so_far: Ints
    share_row: Ints
    power_row: Ints
    server_row: Ints
    capex_rows: Ints
    cash_row: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A final run that must stay on one chip type, on the part of the tree below one node of its first period.

    What is chosen there holds for every branch below; branches that part before the run begins choose for themselves.
    """

    run: int
    start: int
    nodes: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanModel:
    """The programme with the map from its columns to meaning.

    Parameters
    ----------
    cells : tuple of Cell
        Choices of one chip type that the relaxed programme does not make.
    charges : Charges
        Costs by node.
    column_node, row_node : (columns,), (rows,) int
        Node of the tree at which each is decided, and holds.
    paid : tuple of (node, column, USD m per unit)
        What chips cost in cash, by node; negative for money that comes in.
    """

    inputs: PlanInputs
    programme: Programme
    blocks: Blocks
    arrivals: Deliveries
    cells: tuple[Cell, ...]
    charges: Charges
    column_node: Ints
    row_node: Ints
    paid: tuple[tuple[Ints, Ints, Floats], ...]
    ancestors: Ints

    @property
    def probability(self) -> Floats:
        """Of each node. (n_nodes,)"""
        return np.array([node.probability for node in self.inputs.tree.nodes])

    def expected_cost(self) -> Floats:
        """Expected discounted cost of one unit of each column, without aversion to risk; USD m. (columns,)"""
        return self.charges.expected(self.probability, self.programme.cost.size)

    def costs_of_futures(self, values: Floats) -> Floats:
        """Discounted cost of every future under `values`, in the order of `tree.leaves()`; USD m. (n_leaves,)"""
        by_node = self.charges.by_node(values, len(self.inputs.tree.nodes))
        leaves = [leaf.index for leaf in self.inputs.tree.leaves()]
        lines = self.ancestors[leaves]
        return np.asarray(np.where(lines >= 0, by_node[lines], 0.0).sum(axis=1), float)


def build_model(inputs: PlanInputs) -> PlanModel:
    """Build the programme of one planning problem.

    Parameters
    ----------
    inputs : PlanInputs

    Returns
    -------
    PlanModel
    """
    frame = frame_of(inputs)
    chips = stock(frame)
    serve, unserved, api, room = model_work.serving(frame, chips)
    train, final, short, final_short, share_row = model_work.training(frame, chips, room)
    power_row, server_row = model_work.site_limits(frame, serve, train, final)
    money = model_money.money(frame, chips, serve, api, train, final)
    adopt = model_money.adoption(frame, chips.order, chips.sign, money["cash_row"])
    extra = model_work.relaxations(frame, room, share_row, power_row, server_row)
    cost, so_far, _ = risk(frame)
    blocks = Blocks(
        order=chips.order,
        new=chips.new,
        rent=chips.rent,
        sign=chips.sign,
        active=chips.active,
        due=chips.due,
        keep=chips.keep,
        gone=chips.gone,
        sold_held=chips.sold_held,
        sold_new=chips.sold_new,
        serve=serve,
        unserved=unserved,
        api=api,
        train=train,
        final=final,
        short=short,
        final_short=final_short,
        adopt=adopt,
        so_far=so_far,
        share_row=share_row,
        power_row=power_row,
        server_row=server_row,
        **extra,
        **money,
    )
    return PlanModel(
        inputs=inputs,
        programme=frame.lp.programme(cost),
        blocks=blocks,
        arrivals=frame.arrivals,
        cells=_cells(frame),
        charges=frame.lp.charges(),
        column_node=frame.lp.nodes_of_columns(),
        row_node=frame.lp.nodes_of_rows(),
        paid=tuple(chips.paid),
        ancestors=frame.ancestors,
    )


def _cells(frame: Frame) -> tuple[Cell, ...]:
    found = []
    runs = sorted((run.last, number) for number, run in enumerate(frame.inputs.runs) if run.one_type)
    for _, number in runs:
        run = frame.inputs.runs[number]
        for start in np.flatnonzero(frame.period == run.first):
            below = (frame.ancestors[:, run.first] == start) & (frame.period <= run.last)
            found.append(Cell(run=number, start=int(start), nodes=np.flatnonzero(below)))
    return tuple(found)
