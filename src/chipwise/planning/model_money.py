"""Blocks of the planning programme that pay: cash, loans, the yearly ceiling, ports of software."""

from __future__ import annotations

import numpy as np

from chipwise.planning.inputs import MISSED_WORK_FACTOR, MONEY_UNIT_USD
from chipwise.planning.lp import INFINITY, Floats, Ints
from chipwise.planning.model_frame import NEW_MONEY_COST, Frame
from chipwise.planning.model_stock import StockBlock


def money(frame: Frame, stock: StockBlock, serve: Ints, api: Ints, train: Ints, final: Ints) -> dict[str, Ints]:
    """Cash, loans and the yearly ceiling on buying."""
    data, lp = frame.inputs, frame.lp
    loans = data.scenario.finance.loans
    count = len(loans)
    at = frame.node[:, None]
    rate = frame.length[:, None] * np.array([loan.rate_per_year.value / 12.0 for loan in loans])[None, :]
    ceiling = np.array([loan.max_usd.value / MONEY_UNIT_USD for loan in loans])
    opened = np.array(
        [
            [loan.available_from is None or node.date >= loan.available_from for loan in loans]
            for node in data.tree.nodes
        ]
    ).reshape(frame.nodes, count)
    draw = lp.variables((frame.nodes, count), at=at, upper=np.where(opened, ceiling[None, :], 0.0))
    repay = lp.variables((frame.nodes, count), at=at)
    owed = lp.variables((frame.nodes, count), at=at, upper=ceiling[None, :])
    lp.charge(at, owed, frame.discount[:, None] * rate)
    roll = lp.constraints((frame.nodes, count), at=at, lower=0.0, upper=0.0)
    lp.entries(roll, owed, 1.0)
    lp.entries(roll, draw, -1.0)
    lp.entries(roll, repay, 1.0)
    lp.entries(roll[frame.inner], owed[frame.parent[frame.inner]], -1.0)
    _loan_limits(frame, stock.new, draw, owed)
    cash = lp.variables((frame.nodes,), at=frame.node)
    gap = lp.variables((frame.nodes,), at=frame.node)
    lp.charge(frame.node, gap, frame.discount * NEW_MONEY_COST)
    failed = np.array([bool(node.failed) for node in data.tree.nodes])
    burn = np.maximum(data.burn_usd_m, 0.0) * frame.span
    cut = lp.variables((frame.nodes,), at=frame.node, upper=np.where(failed, burn, 0.0))
    lp.charge(frame.node, cut, frame.discount * MISSED_WORK_FACTOR)
    cash_row = _cash_rows(frame, cash, gap, cut, draw, repay, owed, rate)
    _running(frame, cash_row, serve, api, train, final)
    for nodes, columns, amounts in stock.paid:
        lp.entries(cash_row[nodes], columns, amounts)
    return {
        "draw": draw,
        "repay": repay,
        "owed": owed,
        "cash": cash,
        "gap": gap,
        "cut": cut,
        "cash_row": cash_row,
        "capex_rows": _capex_rows(frame, stock),
    }


def _loan_limits(frame: Frame, new: Ints, draw: Ints, owed: Ints) -> None:
    """What is owed stays under the loan-to-value of chips bought, and every draw is repaid by its tenor."""
    data, lp = frame.inputs, frame.lp
    for index, loan in enumerate(data.scenario.finance.loans):
        if loan.loan_to_value is not None:
            value = np.zeros((frame.nodes, len(data.chips)))
            for column in data.buy_lines:
                value[:, data.line_chip[column]] = data.unit_price[:, column]
            row = lp.constraints((frame.nodes,), at=frame.node, upper=0.0)
            lp.entries(row, owed[:, index], 1.0)
            lp.entries(row[:, None], new, -loan.loan_to_value.value * value)
        tenor = round(loan.tenor_months.value)
        if tenor < data.tree.months:
            row = lp.constraints((frame.nodes,), at=frame.node, upper=0.0)
            lp.entries(row, owed[:, index], 1.0)
            for node in frame.node:
                line = frame.ancestors[node, : frame.period[node] + 1]
                recent = line[frame.month[line] > frame.month[node] - tenor]
                lp.entries(row[node], draw[recent, index], -1.0)


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
    flow = data.raised_usd_m - data.burn_usd_m * frame.span
    flow[0] += 0.0 if finance.cash_usd is None else finance.cash_usd.value / MONEY_UNIT_USD
    row = lp.constraints(
        (frame.nodes,), at=frame.node, lower=-INFINITY if free else flow, upper=INFINITY if free else flow
    )
    lp.entries(row, cash, 1.0)
    lp.entries(row[frame.inner], cash[frame.parent[frame.inner]], -1.0)
    lp.entries(row, gap, -1.0)
    lp.entries(row, cut, -1.0)
    lp.entries(row[:, None], draw, -1.0)
    lp.entries(row[:, None], repay, 1.0)
    lp.entries(row[:, None], owed, rate)
    return row


def _running(frame: Frame, row: Ints, serve: Ints, api: Ints, train: Ints, final: Ints) -> None:
    """Power and tokens, paid as they are used."""
    data, lp = frame.inputs, frame.lp
    by_op = row[frame.op_node][:, None, None]
    lp.entries(by_op, serve, frame.op_span[:, None, None] * data.power_cost[None, :, None])
    lp.entries(by_op, api, (frame.op_span[:, None] * data.api_price[frame.op_node])[:, :, None])
    by_node = row[:, None, None]
    power = frame.span[:, None, None] * data.power_cost[None, :, None]
    lp.entries(by_node, train, power)
    lp.entries(by_node, final, power)


def _capex_rows(frame: Frame, stock: StockBlock) -> Ints:
    """Buying is paid on delivery, and stays under the ceiling of each twelve months."""
    data, lp = frame.inputs, frame.lp
    quantity = data.scenario.finance.capex_ceiling_usd_per_year
    if quantity is None:
        return np.empty(0, np.int64)
    year = frame.month // 12
    following = (np.array([*data.tree.first_month[1:], data.tree.months]) // 12)[frame.period]
    ends = np.flatnonzero((following != year) | (frame.period == data.tree.periods - 1))
    rows = lp.constraints((ends.size,), at=ends, upper=quantity.value / MONEY_UNIT_USD)
    for row, end in zip(rows, ends, strict=True):
        line = frame.ancestors[end, : frame.period[end] + 1]
        within = line[year[line] == year[end]]
        for nodes, columns, amounts in stock.capital:
            mine = np.isin(nodes, within)
            lp.entries(row, columns[mine], amounts[mine])
    return rows


def adoption(frame: Frame, order: Ints, sign: Ints, cash_row: Ints) -> Ints:
    """One switch per chip type whose software must be ported first: its cost, and no order or contract without it."""
    data, lp = frame.inputs, frame.lp
    adopt = np.full(len(data.chips), -1, np.int64)
    for column in (*data.buy_lines, *data.contract_lines):
        line = data.lines[column]
        if line.port_cost_usd is None:
            continue
        chip = data.line_chip[column]
        cost = line.port_cost_usd.value / MONEY_UNIT_USD
        if adopt[chip] < 0:
            adopt[chip] = lp.variables((1,), at=0, upper=1.0)[0]
            lp.charge(0, adopt[chip], cost)
            lp.entries(cash_row[0], adopt[chip], cost)
        rows = lp.constraints((frame.nodes,), at=frame.node, upper=0.0)
        lp.entries(rows, order[:, column] if column in data.buy_lines else sign[:, column], 1.0)
        lp.entries(rows, adopt[chip], -np.maximum(data.order_cap[:, column], 1e-9))
    return adopt
