"""Blocks of the planning programme that do work: stock, serving, training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chipwise.planning.inputs import FLOP_UNIT
from chipwise.planning.lp import Floats, Ints
from chipwise.planning.model_frame import START_EARLY_PER_MONTH, WAIT_PER_MONTH, Frame


def residual_share(age_years: float, table: dict[int, float]) -> float:
    """Share of the price a chip is worth at an age: linear between the years of the table, 1 when new.

    Examples
    --------
    >>> residual_share(0.5, {1: 0.6, 2: 0.4})
    0.8
    """
    points = sorted({0: 1.0, **table}.items())
    years = [float(year) for year, _ in points]
    return float(np.interp(age_years, years, [share for _, share in points], right=0.0))


def stock(frame: Frame) -> tuple[Ints, Ints, Ints]:
    """Orders, stock of bought chips and rented chips."""
    data, lp, arrivals = frame.inputs, frame.lp, frame.arrivals
    shape = (frame.nodes, len(data.lines))
    upper, cost, arrives = np.zeros(shape), np.zeros(shape), np.zeros(shape, bool)
    upper[:, data.buy_lines] = data.order_cap[:, data.buy_lines]
    where = (arrivals.source, arrivals.line)
    arrives[where] = True
    price = arrivals.share * data.unit_price[arrivals.line]
    early = 1.0 + WAIT_PER_MONTH * (data.tree.periods - frame.period[arrivals.source])
    np.add.at(cost, where, price * (frame.weight[arrivals.node] * early - _worth_at_end(frame)[arrivals.node]))
    order = lp.variables(shape, cost=cost, upper=np.where(arrives, upper, 0.0))
    new = lp.variables((frame.nodes, len(data.chips)))
    rows = lp.constraints(new.shape, lower=0.0, upper=0.0)
    inner = frame.parent >= 0
    lp.entries(rows, new, 1.0)
    lp.entries(rows[inner], new[frame.parent[inner]], -data.survival_per_month)
    lp.entries(rows[arrivals.node, np.array(data.line_chip)[arrivals.line]], order[where], -arrivals.share)
    rent_upper = np.zeros(shape)
    rent_upper[:, data.rent_lines] = data.order_cap[:, data.rent_lines]
    monthly = frame.weight * frame.part
    rent = lp.variables(shape, cost=monthly[:, None] * data.unit_price[None, :], upper=rent_upper)
    return order, new, rent


def _worth_at_end(frame: Frame) -> Floats:
    """Expected discounted worth at the horizon of what cost 1 and arrived at a node. (n_nodes,)"""
    data = frame.inputs
    months_left = np.arange(data.tree.periods, -1, -1)
    table = dict(data.scenario.horizon.residual_by_age_years)
    worth = np.array([residual_share(months / 12.0, table) for months in months_left])
    alive = data.survival_per_month**months_left
    return np.asarray(frame.probability * (worth * alive * data.discount[-1])[frame.period], float)


def serving(frame: Frame, new: Ints, rent: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Chips serving, tokens missed, tokens bought; returns the capacity rows too."""
    data, lp = frame.inputs, frame.lp
    shape = (frame.ops, len(data.chips), len(data.workloads))
    power = frame.op_weight[:, None, None] * frame.use_cost[None, :, None]
    serve = lp.variables(shape, cost=power, where=(data.serve_rate > 0.0)[None])
    unserved = lp.variables(
        (frame.ops, len(data.workloads)), cost=frame.op_weight[:, None] * data.missed_token_cost[None, :]
    )
    price = data.api_price[frame.op_node]
    sells = np.array([line.access == "api" for line in data.lines], bool)
    offered = data.access.order_share[frame.op_node] > 0.0
    full = (frame.ops, len(data.lines), len(data.workloads))
    api = lp.variables(
        full,
        cost=(frame.op_weight[:, None] * price)[:, :, None],
        where=(sells[None, :] & offered)[:, :, None],
    )
    meet = lp.constraints(unserved.shape, lower=data.demand, upper=data.demand)
    lp.entries(meet[:, None, :], serve, data.serve_rate[None])
    lp.entries(meet, unserved, 1.0)
    lp.entries(meet[:, None, :], api, 1.0)
    held = data.held[frame.period[frame.op_node]]
    room = lp.constraints((frame.ops, len(data.chips)), upper=held)
    lp.entries(room[:, :, None], serve, 1.0)
    lp.entries(room, new[frame.op_node], -1.0)
    for column in data.rent_lines:
        lp.entries(room[:, data.line_chip[column]], rent[frame.op_node, column], -1.0)
    return serve, unserved, api, room


def training(frame: Frame, new: Ints, rent: Ints, room: Ints) -> tuple[Ints, Ints, Ints, Ints, Ints]:
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
    lateness = 1.0 + START_EARLY_PER_MONTH * frame.period
    power = (frame.probability * frame.part * lateness)[:, None, None] * frame.use_cost[None, :, None]
    train = lp.variables(shape, cost=power, where=in_time[:, None, :] & may[None])
    alone = final_able[None] & single[None, None, :]
    final = lp.variables(shape, cost=power, where=in_window[:, None, :] & alone)
    at_deadline = frame.period[:, None] == last[None, :]
    total = np.array([run.total_flop for run in data.runs]) / FLOP_UNIT
    wanted = np.array([run.flop for run in data.runs]) / FLOP_UNIT
    miss = frame.weight[:, None] * (data.missed_flop_cost * total)[None, :]
    short = lp.variables((frame.nodes, len(data.runs)), cost=miss, upper=1.0, where=at_deadline)
    final_short = lp.variables((frame.nodes, len(data.runs)), upper=1.0, where=at_deadline & single)
    _deadlines(frame, train, final, short, final_short, at_deadline, total, wanted)
    both = room[:, :, None]
    lp.entries(both, train[frame.op_node], 1.0)
    lp.entries(both, final[frame.op_node], 1.0)
    if data.cluster_chips is not None:
        cluster = lp.constraints((frame.nodes, len(data.chips)), upper=data.cluster_chips)
        lp.entries(cluster[:, :, None], final, 1.0)
    peak = data.training_peak
    limit = data.training_share * (data.held * peak[None, :]).sum(axis=1)
    share_row = lp.constraints((frame.nodes,), upper=limit[frame.period])
    lp.entries(share_row[:, None, None], train, peak[None, :, None])
    lp.entries(share_row[:, None, None], final, peak[None, :, None])
    lp.entries(share_row[:, None], new, -peak[None, :])
    for column in data.rent_lines:
        lp.entries(share_row, rent[:, column], -peak[data.line_chip[column]])
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
        line = np.array(data.tree.ancestry(int(node)))
        row = lp.constraints((1,), lower=total[run])
        rates = data.month_share[frame.period[line]][:, None] * data.train_rate[None, :, run]
        lp.entries(row[0], train[line][:, :, run], rates)
        lp.entries(row[0], final[line][:, :, run], rates)
        lp.entries(row[0], short[node, run], total[run])
        if data.runs[run].homogeneous:
            row = lp.constraints((1,), lower=wanted[run])
            lp.entries(row[0], final[line][:, :, run], rates)
            lp.entries(row[0], final_short[node, run], wanted[run])
            tie = lp.constraints((1,), lower=0.0)
            lp.entries(tie[0], short[node, run], total[run] / wanted[run])
            lp.entries(tie[0], final_short[node, run], -1.0)


def relaxations(frame: Frame, room: Ints, share_row: Ints) -> tuple[Ints, Ints]:
    """Columns held at zero that `chipwise.planning.mend` opens to find the smallest change that mends a plan."""
    data, lp = frame.inputs, frame.lp
    able = data.training_peak
    whole = (data.held * able[None, :]).sum(axis=1)
    extra_share = lp.variables((1,), upper=0.0)
    lp.entries(share_row, extra_share[0], -whole[frame.period])
    extra_chips = lp.variables((len(data.chips),), upper=0.0)
    alive = data.survival_per_month**frame.period
    lp.entries(room, extra_chips[None, :], -alive[frame.op_node][:, None])
    lp.entries(share_row[:, None], extra_chips[None, :], -alive[:, None] * able[None, :])
    return extra_share, extra_chips
