"""Blocks of the planning programme that pay: cash, loans, the yearly ceiling, ports of software."""

from __future__ import annotations

import numpy as np

from chipwise.planning.inputs import MISSED_WORK_FACTOR, MONEY_UNIT_USD
from chipwise.planning.lp import INFINITY, Floats, Ints
from chipwise.planning.model_frame import NEW_MONEY_COST, Frame


def money(
    frame: Frame, order: Ints, new: Ints, rent: Ints, serve: Ints, api: Ints, train: Ints, final: Ints
) -> dict[str, Ints]:
    """Cash, loans and the yearly ceiling on buying."""
    data, lp = frame.inputs, frame.lp
    loans = data.scenario.finance.loans
    count = len(loans)
    rate = np.array([loan.rate_per_year.value / 12.0 for loan in loans])
    ceiling = np.array([loan.max_usd.value / MONEY_UNIT_USD for loan in loans])
    opened = np.array(
        [
            [loan.available_from is None or node.date >= loan.available_from for loan in loans]
            for node in data.tree.nodes
        ]
    ).reshape(frame.nodes, count)
    draw = lp.variables((frame.nodes, count), upper=np.where(opened, ceiling[None, :], 0.0))
    repay = lp.variables((frame.nodes, count))
    owed = lp.variables((frame.nodes, count), cost=frame.weight[:, None] * rate[None, :], upper=ceiling[None, :])
    roll = lp.constraints((frame.nodes, count), lower=0.0, upper=0.0)
    inner = frame.parent >= 0
    lp.entries(roll, owed, 1.0)
    lp.entries(roll, draw, -1.0)
    lp.entries(roll, repay, 1.0)
    lp.entries(roll[inner], owed[frame.parent[inner]], -1.0)
    _loan_limits(frame, new, draw, owed)
    cash = lp.variables((frame.nodes,))
    gap = lp.variables((frame.nodes,), cost=frame.weight * NEW_MONEY_COST)
    failed = np.array([bool(node.failed) for node in data.tree.nodes])
    cut = lp.variables(
        (frame.nodes,),
        cost=frame.weight * MISSED_WORK_FACTOR,
        upper=np.where(failed, np.maximum(data.burn_usd_m, 0.0) * frame.part, 0.0),
    )
    cash_row = _cash_rows(frame, cash, gap, cut, draw, repay, owed, rate)
    _spending(frame, cash_row, rent, serve, api, train, final)
    capex_rows = _capex_rows(frame, order, cash_row)
    return {
        "draw": draw,
        "repay": repay,
        "owed": owed,
        "cash": cash,
        "gap": gap,
        "cut": cut,
        "cash_row": cash_row,
        "capex_rows": capex_rows,
    }


def _loan_limits(frame: Frame, new: Ints, draw: Ints, owed: Ints) -> None:
    """What is owed stays under the loan-to-value of chips bought, and every draw is repaid by its tenor."""
    data, lp = frame.inputs, frame.lp
    for index, loan in enumerate(data.scenario.finance.loans):
        if loan.loan_to_value is not None:
            held_value = np.zeros(len(data.chips))
            for column in data.buy_lines:
                held_value[data.line_chip[column]] = data.unit_price[column]
            row = lp.constraints((frame.nodes,), upper=0.0)
            lp.entries(row, owed[:, index], 1.0)
            lp.entries(row[:, None], new, -loan.loan_to_value.value * held_value[None, :])
        tenor = round(loan.tenor_months.value)
        if tenor < data.tree.periods:
            row = lp.constraints((frame.nodes,), upper=0.0)
            lp.entries(row, owed[:, index], 1.0)
            for node in data.tree.nodes:
                recent = data.tree.ancestry(node.index)[-tenor:]
                lp.entries(row[node.index], draw[np.array(recent), index], -1.0)


def _cash_rows(
    frame: Frame,
    cash: Ints,
    gap: Ints,
    cut: Ints,
    draw: Ints,
    repay: Ints,
    owed: Ints,
    rate: Floats,
) -> Ints:
    data, lp = frame.inputs, frame.lp
    finance = data.scenario.finance
    free = finance.cash_usd is None
    flow = data.raised_usd_m - data.burn_usd_m * frame.part
    flow[0] += 0.0 if finance.cash_usd is None else finance.cash_usd.value / MONEY_UNIT_USD
    row = lp.constraints((frame.nodes,), lower=-INFINITY if free else flow, upper=INFINITY if free else flow)
    inner = frame.parent >= 0
    lp.entries(row, cash, 1.0)
    lp.entries(row[inner], cash[frame.parent[inner]], -1.0)
    lp.entries(row, gap, -1.0)
    lp.entries(row, cut, -1.0)
    lp.entries(row[:, None], draw, -1.0)
    lp.entries(row[:, None], repay, 1.0)
    lp.entries(row[:, None], owed, rate[None, :])
    return row


def _spending(frame: Frame, row: Ints, rent: Ints, serve: Ints, api: Ints, train: Ints, final: Ints) -> None:
    data, lp = frame.inputs, frame.lp
    part = frame.part
    share = np.array([operation.share for operation in data.tree.operations]) * part[frame.op_node]
    lp.entries(row[:, None], rent, part[:, None] * data.unit_price[None, :])
    by_op = row[frame.op_node][:, None, None]
    lp.entries(by_op, serve, share[:, None, None] * data.power_cost[None, :, None])
    lp.entries(by_op, api, (share[:, None] * data.api_price[frame.op_node])[:, :, None])
    by_node = row[:, None, None]
    power = part[:, None, None] * data.power_cost[None, :, None]
    lp.entries(by_node, train, power)
    lp.entries(by_node, final, power)


def _capex_rows(frame: Frame, order: Ints, cash_row: Ints) -> Ints:
    """Buying is paid on delivery, and stays under the ceiling of each twelve months."""
    data, lp, arrivals = frame.inputs, frame.lp, frame.arrivals
    amount = arrivals.share * data.unit_price[arrivals.line]
    bought = order[arrivals.source, arrivals.line]
    lp.entries(cash_row[arrivals.node], bought, amount)
    quantity = data.scenario.finance.capex_ceiling_usd_per_year
    if quantity is None:
        return np.empty(0, np.int64)
    last = data.tree.periods - 1
    year_end = [node for node in data.tree.nodes if node.period % 12 == 11 or node.period == last]
    rows = lp.constraints((len(year_end),), upper=quantity.value / MONEY_UNIT_USD)
    for row, end in zip(rows, year_end, strict=True):
        year = [index for index in data.tree.ancestry(end.index) if frame.period[index] // 12 == end.period // 12]
        within = np.isin(arrivals.node, year)
        lp.entries(row, bought[within], amount[within])
    return rows


def adoption(frame: Frame, order: Ints, cash_row: Ints) -> Ints:
    """One switch per chip type whose software must be ported first: its cost, and no order without it."""
    data, lp = frame.inputs, frame.lp
    adopt = np.full(len(data.chips), -1, np.int64)
    for column in data.buy_lines:
        line = data.lines[column]
        if line.port_cost_usd is None:
            continue
        chip = data.line_chip[column]
        cost = line.port_cost_usd.value / MONEY_UNIT_USD
        if adopt[chip] < 0:
            adopt[chip] = lp.variables((1,), cost=cost, upper=1.0)[0]
            lp.entries(cash_row[0], adopt[chip], cost)
        rows = lp.constraints((frame.nodes,), upper=0.0)
        lp.entries(rows, order[:, column], 1.0)
        lp.entries(rows, adopt[chip], -np.maximum(data.order_cap[:, column], 1e-9))
    return adopt
