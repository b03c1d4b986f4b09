"""Blocks of the planning programme that do work: serving, training, limits of the site."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chipwise.planning.inputs import FLOP_UNIT
from chipwise.planning.lp import INFINITY, Floats, Ints
from chipwise.planning.model_frame import START_EARLY_PER_MONTH, Frame
from chipwise.planning.model_stock import StockBlock


def serving(frame: Frame, stock: StockBlock) -> tuple[Ints, Ints, Ints, Ints]:
    """Chips serving, tokens missed, tokens bought; returns the capacity rows too."""
    data, lp = frame.inputs, frame.lp
    shape = (frame.ops, len(data.chips), len(data.workloads))
    at = frame.op_node[:, None]
    months = frame.discount[frame.op_node] * frame.op_span
    serve = lp.variables(shape, at=at[:, :, None], where=(data.serve_rate > 0.0)[None])
    lp.charge(at[:, :, None], serve, months[:, None, None] * frame.use_cost[None, :, None])
    unserved = lp.variables((frame.ops, len(data.workloads)), at=at)
    lp.charge(at, unserved, months[:, None] * data.missed_token_cost[None, :])
    price = data.api_price[frame.op_node]
    sells = np.array([line.access == "api" for line in data.lines], bool)
    offered = data.access.order_share[frame.op_node] > 0.0
    full = (frame.ops, len(data.lines), len(data.workloads))
    api = lp.variables(full, at=at[:, :, None], where=(sells[None, :] & offered)[:, :, None])
    lp.charge(at[:, :, None], api, (months[:, None] * price)[:, :, None])
    meet = lp.constraints(unserved.shape, at=at, lower=data.demand, upper=data.demand)
    lp.entries(meet[:, None, :], serve, data.serve_rate[None])
    lp.entries(meet, unserved, 1.0)
    lp.entries(meet[:, None, :], api, 1.0)
    held = data.held[frame.period[frame.op_node]]
    room = lp.constraints((frame.ops, len(data.chips)), at=at, upper=held)
    lp.entries(room[:, :, None], serve, 1.0 + data.terms.spare_share)
    _chips_there(frame, stock, room, frame.op_node, np.ones(len(data.chips)), 1.0)
    return serve, unserved, api, room


def _chips_there(frame: Frame, stock: StockBlock, rows: Ints, node: Ints, each: Floats, held_share: float) -> None:
    """Put chips owned, rented and under contract on the right side of rows: (n_rows, n_chips), or one row for all.

    Parameters
    ----------
    rows : (n,) or (n, n_chips) int
    node : (n,) int
        Node of each row.
    each : (n_chips,) float64
        What one chip adds.
    held_share : float
        Share of the chips held on the day of the decision that counts in these rows.
    """
    data, lp = frame.inputs, frame.lp
    by_chip = rows if rows.ndim == 2 else np.broadcast_to(rows[:, None], (rows.size, len(data.chips)))
    lp.entries(by_chip, stock.new[node], -each[None, :])
    lp.entries(by_chip, stock.gone[node], held_share * each[None, :])
    for column in (*data.rent_lines, *data.contract_lines):
        chip = data.line_chip[column]
        lp.entries(by_chip[:, chip], stock.rent[node, column], -each[chip])
        lp.entries(by_chip[:, chip], stock.active[node, column], -each[chip])
    late = frame.arrivals
    for entry in np.flatnonzero(late.late > 0.0):
        at = np.flatnonzero(node == late.node[entry])
        line = int(late.line[entry])
        chip = data.line_chip[line]
        for block in (stock.order, stock.sign):
            source = block[late.source[entry], line]
            lp.entries(by_chip[at, chip], source, late.late[entry] * each[chip])


def training(frame: Frame, stock: StockBlock, room: Ints) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Chips training, by run; the final run on its own cluster; work missed at each deadline."""
    data, lp = frame.inputs, frame.lp
    may = (data.train_rate > 0.0) & data.trains
    final_able = (data.train_rate > 0.0) & data.clusters[:, None]
    first = np.array([run.first for run in data.runs], int)
    last = np.array([run.last for run in data.runs], int)
    in_time = frame.period[:, None] <= last[None, :]
    in_window = in_time & (frame.period[:, None] >= first[None, :])
    single = np.array([run.homogeneous for run in data.runs], bool)
    shape = (frame.nodes, len(data.chips), len(data.runs))
    at = frame.node[:, None, None]
    power = (frame.span * (1.0 + START_EARLY_PER_MONTH * frame.month))[:, None, None] * frame.use_cost[None, :, None]
    train = lp.variables(shape, at=at, where=in_time[:, None, :] & may[None])
    alone = final_able[None] & single[None, None, :]
    final = lp.variables(shape, at=at, where=in_window[:, None, :] & alone)
    lp.charge(at, train, power)
    lp.charge(at, final, power)
    at_deadline = frame.period[:, None] == last[None, :]
    total = np.array([run.total_flop for run in data.runs]) / FLOP_UNIT
    wanted = np.array([run.flop for run in data.runs]) / FLOP_UNIT
    short = lp.variables(at_deadline.shape, at=at[:, :, 0], upper=1.0, where=at_deadline)
    lp.charge(at[:, :, 0], short, frame.discount[:, None] * (data.missed_flop_cost * total)[None, :])
    final_short = lp.variables(at_deadline.shape, at=at[:, :, 0], upper=1.0, where=at_deadline & single)
    _deadlines(frame, train, final, short, final_short, at_deadline, total, wanted)
    both, busy = room[:, :, None], 1.0 + data.terms.spare_share
    lp.entries(both, train[frame.op_node], busy)
    lp.entries(both, final[frame.op_node], busy)
    if data.cluster_chips is not None:
        cluster = lp.constraints((frame.nodes, len(data.chips)), at=at[:, :, 0], upper=data.cluster_chips)
        lp.entries(cluster[:, :, None], final, 1.0)
    peak = data.training_peak
    limit = data.training_share * (data.held * peak[None, :]).sum(axis=1)
    share_row = lp.constraints((frame.nodes,), at=frame.node, upper=limit[frame.period])
    lp.entries(share_row[:, None, None], train, busy * peak[None, :, None])
    lp.entries(share_row[:, None, None], final, busy * peak[None, :, None])
    _chips_there(frame, stock, share_row, frame.node, peak, data.training_share)
    return train, final, short, final_short, share_row


def _deadlines(
    frame: Frame,
    train: Ints,
    final: Ints,
    short: Ints,
    final_short: Ints,
    at_deadline: NDArray[np.bool_],
    total: Floats,
    wanted: Floats,
) -> None:
    """At every deadline the work of the whole branch so far, plus what is missed, covers the run."""
    data, lp = frame.inputs, frame.lp
    for node, run in zip(*np.nonzero(at_deadline), strict=True):
        line = frame.ancestors[node, : frame.period[node] + 1]
        row = lp.constraints((1,), at=node, lower=total[run])
        rates = frame.span[line][:, None] * data.train_rate[None, :, run]
        lp.entries(row[0], train[line][:, :, run], rates)
        lp.entries(row[0], final[line][:, :, run], rates)
        lp.entries(row[0], short[node, run], total[run])
        if data.runs[run].homogeneous:
            row = lp.constraints((1,), at=node, lower=wanted[run])
            lp.entries(row[0], final[line][:, :, run], rates)
            lp.entries(row[0], final_short[node, run], wanted[run])
            tie = lp.constraints((1,), at=node, lower=0.0)
            lp.entries(tie[0], short[node, run], total[run] / wanted[run])
            lp.entries(tie[0], final_short[node, run], -1.0)


def site_limits(frame: Frame, serve: Ints, train: Ints, final: Ints) -> tuple[Ints, Ints]:
    """Rows of the power and the space of the site: chips at work, serving and training, under what it gives."""
    terms, lp = frame.inputs.terms, frame.lp
    rows = []
    for each, limit, unit in ((terms.power_w, terms.power_limit_w, 1e6), (terms.chip_servers, terms.server_limit, 1.0)):
        at_op = limit[frame.period[frame.op_node]] / unit
        if not np.isfinite(at_op).any():
            rows.append(np.empty(0, np.int64))
            continue
        row = lp.constraints((frame.ops,), at=frame.op_node, upper=np.where(np.isfinite(at_op), at_op, INFINITY))
        share = np.nan_to_num(each)[None, :, None] / unit
        lp.entries(row[:, None, None], serve, share)
        lp.entries(row[:, None, None], train[frame.op_node], share)
        lp.entries(row[:, None, None], final[frame.op_node], share)
        rows.append(row)
    return rows[0], rows[1]


def relaxations(frame: Frame, room: Ints, share_row: Ints, power_row: Ints, server_row: Ints) -> dict[str, Ints]:
    """Columns held at zero that `chipwise.planning.mend` opens to find the smallest change that mends a plan."""
    data, lp = frame.inputs, frame.lp
    able = data.training_peak
    whole = (data.held * able[None, :]).sum(axis=1)
    extra_share = lp.variables((1,), at=0, upper=0.0)
    lp.entries(share_row, extra_share[0], -whole[frame.period])
    extra_chips = lp.variables((len(data.chips),), at=0, upper=0.0)
    alive = data.survival_per_month**frame.month
    lp.entries(room, extra_chips[None, :], -alive[frame.op_node][:, None])
    lp.entries(share_row[:, None], extra_chips[None, :], -alive[:, None] * able[None, :])
    extra_site = lp.variables((2,), at=0, upper=0.0, where=np.array([power_row.size > 0, server_row.size > 0]))
    lp.entries(power_row, extra_site[0], -1.0)
    lp.entries(server_row, extra_site[1], -1.0)
    return {"extra_share": extra_share, "extra_chips": extra_chips, "extra_site": extra_site}
