"""Blocks of the planning programme that hold chips: purchases, rentals, leases and reserved rentals, sales.

A chip is owned (held on the day of the decision, or bought since), rented by the month, or under contract for a term.
Sales out of purchases are kept by year of arrival, and the oldest age of that year counts both for what a sale brings
and for the worth at the end that it gives up.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from chipwise.planning.lp import INFINITY, Floats, Ints
from chipwise.planning.model_frame import WAIT_PER_MONTH, Deliveries, Frame

CLASS_MONTHS = 12
"""Purchases that arrived in the same twelve months are one class of age when they are sold."""


@dataclass(slots=True, kw_only=True)
class StockBlock:
    """Columns of the blocks of stock, -1 where there is none, and what they put into cash.

    Parameters
    ----------
    order, rent, sign, active, due, keep : (n_nodes, n_lines) int
        Chips ordered; rented; leases signed; chips under contract; their fees a month; chips kept at a lease's end.
    new, gone : (n_nodes, n_chips) int
        Chips bought and still working; chips held on the day of the decision that have been sold.
    sold_held : (n_nodes, n_lines) int
    sold_new : (n_nodes, n_lines, n_classes) int
    paid : list of (node, column, USD m per unit)
        What these columns cost in cash, by node; negative for money that comes in.
    capital : list of (node, column, USD m per unit)
        The part of it that falls under the yearly ceiling on buying.
    """

    order: Ints
    rent: Ints
    sign: Ints
    active: Ints
    due: Ints
    keep: Ints
    new: Ints
    gone: Ints
    sold_held: Ints
    sold_new: Ints
    paid: list[tuple[Ints, Ints, Floats]] = field(default_factory=list)
    capital: list[tuple[Ints, Ints, Floats]] = field(default_factory=list)

    def pay(self, nodes: Ints, columns: Ints, amounts: Floats, *, capital: bool = False) -> None:
        """Note what columns cost in cash at nodes."""
        self.paid.append((nodes, columns, amounts))
        if capital:
            self.capital.append((nodes, columns, amounts))


def stock(frame: Frame) -> StockBlock:
    """Chips owned, rented and under contract."""
    data, lp = frame.inputs, frame.lp
    shape = (frame.nodes, len(data.lines))
    at = frame.node[:, None]
    none = np.full(shape, -1, np.int64)
    bought = frame.arrivals.of(data.buy_lines)
    arrives = np.zeros(shape, bool)
    arrives[bought.source, bought.line] = True
    order = lp.variables(shape, at=at, upper=np.where(arrives, data.order_cap, 0.0))
    rented = np.zeros(len(data.lines), bool)
    rented[data.rent_lines] = True
    rent = lp.variables(shape, at=at, upper=np.where(rented[None, :], data.order_cap, 0.0))
    new = lp.variables((frame.nodes, len(data.chips)), at=at)
    rows = lp.constraints(new.shape, at=at, lower=0.0, upper=0.0)
    lp.entries(rows, new, 1.0)
    lp.entries(rows[frame.inner], new[frame.parent[frame.inner]], -frame.kept[frame.inner][:, None])
    chip = np.array(data.line_chip)
    ordered = order[bought.source, bought.line]
    lp.entries(rows[bought.node, chip[bought.line]], ordered, -bought.share)
    lp.charge(at, rent, (frame.discount * frame.span)[:, None] * data.unit_price)
    block = StockBlock(
        order=order,
        rent=rent,
        sign=none,
        active=none,
        due=none,
        keep=none,
        new=new,
        gone=np.full(new.shape, -1, np.int64),
        sold_held=none,
        sold_new=none[:, :, None],
    )
    block.pay(np.broadcast_to(at, rent.shape), rent, frame.span[:, None] * data.unit_price)
    _charge_orders(frame, bought, ordered, block)
    if data.contract_lines:
        _contracts(frame, block, rows)
    if data.sale_lines:
        _sales(frame, block, rows, bought)
    return block


def _charge_orders(frame: Frame, bought: Deliveries, ordered: Ints, block: StockBlock) -> None:
    """Orders are paid on delivery at the price of the order's day, less what the chip is worth at the horizon."""
    data = frame.inputs
    price = bought.share * data.unit_price[bought.source, bought.line]
    early = 1.0 + WAIT_PER_MONTH * (data.tree.months - frame.month[bought.source])
    left = (data.tree.months - frame.month)[bought.node]
    worth = frame.worth_at_age(left) * data.survival_per_month**left * frame.end_discount
    frame.lp.charge(bought.node, ordered, price * (frame.discount[bought.node] * early - worth))
    block.pay(bought.node, ordered, price, capital=True)


def _contracts(frame: Frame, block: StockBlock, new_rows: Ints) -> None:
    """Leases and reserved rentals: signed at a price, due every month of the term, then given back or kept."""
    data, lp = frame.inputs, frame.lp
    bound = np.array([months > 0 for months in data.terms.term_months])
    cap = np.where(bound[None, :], data.order_cap, 0.0)
    reserved = np.array([line.access == "rent" for line in data.lines]) & bound
    at = frame.node[:, None]
    mine = frame.arrivals.of(data.contract_lines)
    signable = np.zeros(cap.shape, bool)
    signable[mine.source, mine.line] = True
    block.sign = lp.variables(cap.shape, at=at, upper=cap, where=signable & bound[None, :])
    most = np.where(reserved[None, :], cap.max(axis=0, initial=0.0)[None, :], INFINITY)
    block.active = lp.variables(cap.shape, at=at, upper=most, where=bound[None, :])
    block.due = lp.variables(cap.shape, at=at, where=bound[None, :])
    signed = block.sign[mine.source, mine.line]
    fee = data.unit_price[mine.source, mine.line]
    ends = contract_ends(frame, mine)
    for column, per_unit in ((block.active, mine.share), (block.due, mine.share * fee)):
        rows = lp.constraints(cap.shape, at=at, lower=0.0, upper=0.0)
        lp.entries(rows, column, 1.0)
        lp.entries(rows[frame.inner], column[frame.parent[frame.inner]], -1.0)
        lp.entries(rows[mine.node, mine.line], signed, -per_unit)
        lp.entries(rows[ends.node, mine.line[ends.entry]], signed[ends.entry], per_unit[ends.entry])
    lp.charge(at, block.due, (frame.discount * frame.span)[:, None])
    block.pay(np.broadcast_to(at, block.due.shape), block.due, np.broadcast_to(frame.span[:, None], block.due.shape))
    lp.charge(mine.node, signed, mine.share * _beyond_horizon(frame, mine) * frame.end_discount)
    _buy_outs(frame, block, new_rows, mine, ends, signed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractEnds:
    """Where contracts end: `entry` of the deliveries, and the `node` of its end; one per branch below the delivery."""

    entry: Ints
    node: Ints


def contract_ends(frame: Frame, mine: Deliveries) -> ContractEnds:
    """Nodes at which the contracts of `mine` end: the first period that begins when the term is over."""
    data = frame.inputs
    firsts = np.array(data.tree.first_month)
    term = np.array(data.terms.term_months)[mine.line]
    period = np.searchsorted(firsts, frame.month[mine.node] + term)
    entries, nodes = [], []
    for index in np.flatnonzero(period < data.tree.periods):
        ends = np.flatnonzero((frame.period == period[index]) & _below(frame, int(mine.node[index])))
        entries.append(np.full(ends.size, index, np.int64))
        nodes.append(ends)
    if not entries:
        return ContractEnds(entry=np.empty(0, np.int64), node=np.empty(0, np.int64))
    return ContractEnds(entry=np.concatenate(entries), node=np.concatenate(nodes))


def _below(frame: Frame, node: int) -> NDArray[np.bool_]:
    """Nodes at or below a node. (n_nodes,) bool"""
    return np.asarray(frame.ancestors[:, frame.period[node]] == node)


def _beyond_horizon(frame: Frame, mine: Deliveries) -> Floats:
    """What one unit owes at the horizon: fees of the rest of the term, less what use of the chip after it is worth.

    That use is worth the share of the asset's price that ageing takes in the rest of the term, never more than the
    fees; where no price of the asset stands, the fees count whole.
    """
    data = frame.inputs
    term = np.array(data.terms.term_months)[mine.line]
    age = data.tree.months - frame.month[mine.node]
    rest = np.maximum(term - age, 0)
    fees: Floats = rest * data.unit_price[mine.source, mine.line]
    asset: Floats = data.terms.asset_price[mine.source, mine.line]
    use = asset * (frame.worth_at_age(age) - frame.worth_at_age(np.maximum(term, age)))
    return np.asarray(fees - np.minimum(np.where(rest > 0, use, 0.0), fees), float)


def _buy_outs(
    frame: Frame, block: StockBlock, new_rows: Ints, mine: Deliveries, ends: ContractEnds, signed: Ints
) -> None:
    """Chips kept at the end of a lease for its residual: no more than end there; owned, and worth their age, after."""
    data, lp = frame.inputs, frame.lp
    terms = data.terms
    may = np.zeros(block.sign.shape, bool)
    line = mine.line[ends.entry]
    open_ = terms.buy_out[line]
    may[ends.node[open_], line[open_]] = True
    if not may.any():
        return
    block.keep = lp.variables(may.shape, at=frame.node[:, None], where=may)
    rows = lp.constraints(may.shape, at=frame.node[:, None], upper=0.0)
    lp.entries(rows, block.keep, 1.0)
    lp.entries(rows[ends.node, line], signed[ends.entry], -mine.share[ends.entry])
    chip = np.array(data.line_chip)
    lp.entries(new_rows[:, chip], block.keep, -1.0)
    price, asset = np.zeros(may.shape), np.full(may.shape, INFINITY)
    paid = terms.residual[line] * terms.asset_price[mine.source[ends.entry], line]
    np.maximum.at(price, (ends.node, line), paid)
    np.minimum.at(asset, (ends.node, line), terms.asset_price[mine.source[ends.entry], line])
    left = data.tree.months - frame.month
    age = left[:, None] + np.array(terms.term_months)[None, :]
    worth = np.where(may, asset, 0.0) * frame.worth_at_age(age) * (data.survival_per_month**left)[:, None]
    at = np.broadcast_to(frame.node[:, None], may.shape)
    lp.charge(at, block.keep, price * frame.discount[:, None] - worth * frame.end_discount)
    block.pay(at, block.keep, price, capital=True)


def classes_of(months: int) -> int:
    """Number of classes of age of a horizon."""
    return -(-months // CLASS_MONTHS)


def _sales(frame: Frame, block: StockBlock, new_rows: Ints, bought: Deliveries) -> None:
    """Chips sold out of those held and those bought; the money comes after the lag of the line."""
    data, lp = frame.inputs, frame.lp
    number, chip = classes_of(data.tree.months), np.array(data.line_chip)
    lines = np.array(data.sale_lines)
    sells = np.zeros(len(data.lines), bool)
    sells[lines] = True
    cap = np.where(sells[None, :], data.order_cap, 0.0)
    at = frame.node[:, None]
    aged = ~np.isnan(data.terms.held_age_months)[chip] | ~data.terms.sale_by_age
    stocked = (data.held[0] > 0.0)[chip] & aged & sells
    block.sold_held = lp.variables(cap.shape, at=at, where=(cap > 0.0) & stocked[None, :])
    buyable = np.isin(chip, chip[data.buy_lines]) & sells
    arrived = np.arange(number)[None, :] * CLASS_MONTHS <= frame.month[:, None]
    may = ((cap > 0.0) & buyable[None, :])[:, :, None] & arrived[:, None, :]
    block.sold_new = lp.variables(may.shape, at=at[:, :, None], where=may)
    limit = lp.constraints(cap.shape, at=at, upper=cap)
    lp.entries(limit, block.sold_held, 1.0)
    lp.entries(limit[:, :, None], block.sold_new, 1.0)
    block.gone = lp.variables(block.new.shape, at=at, upper=data.held[frame.period])
    rows = lp.constraints(block.gone.shape, at=at, lower=0.0, upper=0.0)
    lp.entries(rows, block.gone, 1.0)
    lp.entries(rows[frame.inner], block.gone[frame.parent[frame.inner]], -frame.kept[frame.inner][:, None])
    lp.entries(rows[:, chip[lines]], block.sold_held[:, lines], -1.0)
    lp.entries(new_rows[:, chip[lines]][:, :, None], block.sold_new[:, lines], 1.0)
    _classes(frame, block, bought, number)
    _proceeds(frame, block, lines, chip, number)


def _classes(frame: Frame, block: StockBlock, bought: Deliveries, number: int) -> None:
    """Chips of each class of age that are left: never below zero, so that no more is sold than has come."""
    data, lp = frame.inputs, frame.lp
    chip = np.array(data.line_chip)
    sold = np.unique(chip[data.sale_lines])
    shape = (frame.nodes, sold.size, number)
    at = frame.node[:, None, None]
    left = lp.variables(shape, at=at)
    rows = lp.constraints(shape, at=at, lower=0.0, upper=0.0)
    lp.entries(rows, left, 1.0)
    lp.entries(rows[frame.inner], left[frame.parent[frame.inner]], -frame.kept[frame.inner][:, None, None])
    place = np.searchsorted(sold, chip)
    mine = np.isin(chip[bought.line], sold)
    node, line = bought.node[mine], bought.line[mine]
    order = block.order[bought.source[mine], line]
    lp.entries(rows[node, place[line], frame.month[node] // CLASS_MONTHS], order, -bought.share[mine])
    for column in data.sale_lines:
        lp.entries(rows[:, place[column]], block.sold_new[:, column], 1.0)


def _proceeds(frame: Frame, block: StockBlock, lines: Ints, chip: Ints, number: int) -> None:
    data = frame.inputs
    terms, left = data.terms, data.tree.months - frame.month
    alive = data.survival_per_month**left * frame.end_discount
    start = np.arange(number) * CLASS_MONTHS
    age = np.maximum(frame.month[:, None] - start[None, :], 0)
    at_end = frame.worth_at_age(data.tree.months - start)
    dearest = np.zeros(len(data.chips))
    for column in data.buy_lines:
        dearest[data.line_chip[column]] = max(dearest[data.line_chip[column]], data.unit_price[:, column].max())
    for column in lines:
        kind, price = int(chip[column]), data.unit_price[:, column]
        by_age = bool(terms.sale_by_age[column])
        held = terms.held_age_months[kind] + frame.month if by_age else np.zeros(frame.nodes)
        end = terms.held_age_months[kind] + data.tree.months if by_age else 0.0
        brings = price * frame.worth_at_age(held)
        gives_up = price * frame.worth_at_age(np.array(end)) * alive
        receipts = _receipts(frame, data.access.lead_months[column])
        _sell(frame, block, receipts, block.sold_held[:, column], brings)
        frame.lp.charge(frame.node, block.sold_held[:, column], gives_up)
        for group in range(number):
            worth = frame.worth_at_age(age[:, group]) if by_age else np.ones(frame.nodes)
            _sell(frame, block, receipts, block.sold_new[:, column, group], price * worth)
            lost = dearest[kind] * at_end[group] * alive
            frame.lp.charge(frame.node, block.sold_new[:, column, group], lost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipts:
    """Where the money of a sale comes in: pairs of nodes; `late` marks sales whose money comes after the horizon."""

    node: Ints
    source: Ints
    late: NDArray[np.bool_]


def _receipts(frame: Frame, lag: int) -> Receipts:
    tree = frame.inputs.tree
    month = frame.month + lag
    late = np.asarray(month >= tree.months)
    period = np.array([tree.period_of(int(value)) for value in month])
    source = frame.ancestors.T
    pairs = [
        (int(node), int(one))
        for node in frame.node
        for one in source[: frame.period[node] + 1, node]
        if not late[one] and period[one] == frame.period[node]
    ]
    return Receipts(
        node=np.array([node for node, _ in pairs], np.int64),
        source=np.array([one for _, one in pairs], np.int64),
        late=late,
    )


def _sell(frame: Frame, block: StockBlock, receipts: Receipts, columns: Ints, brings: Floats) -> None:
    """Money of a sale on the day it comes: on every branch below, or counted at the horizon when that is sooner."""
    late, node, source = receipts.late, receipts.node, receipts.source
    frame.lp.charge(frame.node[late], columns[late], -brings[late] * frame.end_discount)
    frame.lp.charge(node, columns[source], -brings[source] * frame.discount[node])
    block.pay(node, columns[source], -brings[source])
