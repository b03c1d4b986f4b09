"""The planning problem as a linear programme: one set of variables per node of the tree.

Minimise the expected discounted cost of buying, renting, tokens bought, power and interest, less what chips are worth
at the end, plus a stated value of work missed. Chips are durable capital: a stock yields work for as long as it runs,
idle chips cost nothing, and wear takes its yearly share.

Where a raise of equity has failed, running costs may be cut (the firm winds down) at a stated value above their amount;
elsewhere they are due.

Financing is neutral but for interest: principal moves cash, not the objective, so that the plan borrows only where
cash binds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chipwise.planning.availability import deliveries
from chipwise.planning.inputs import FLOP_UNIT, MISSED_WORK_FACTOR, MONEY_UNIT_USD, PlanInputs
from chipwise.planning.lp import INFINITY, Columns, Floats, Ints, Programme

START_EARLY_PER_MONTH = 0.02
"""Training power is counted undiscounted and this much dearer per month, so that of equal plans the early one wins."""
KEEP_PEAK_FREE_KWH_PER_TFLOPS_MONTH = 5.0
"""Charged for each dense 16-bit TFLOP/s in use and month, at the scenario's price of power (about USD 0.5, a fifth of
what it rents for in the catalogue's prices): of equal plans the one that leaves more peak to other uses wins, so that
memory-bound serving goes to weaker chips."""
NEW_MONEY_COST = 1e4
"""Objective per USD of money the party does not have: high enough that it is used only when nothing else works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """Column numbers of each block of variables; -1 where a variable does not exist."""

    order: Ints
    new: Ints
    rent: Ints
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
    share_row: Ints
    capex_rows: Ints
    cash_row: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanModel:
    """The programme with the map from its columns to meaning."""

    inputs: PlanInputs
    programme: Programme
    blocks: Blocks
    delivered: tuple[tuple[int, int, int, float], ...]


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


def use_of_peak(inputs: PlanInputs) -> Floats:
    """Objective of one chip in use for a month, besides its power; USD m. (n_chips,)"""
    power = inputs.scenario.power
    usd_per_tflops = KEEP_PEAK_FREE_KWH_PER_TFLOPS_MONTH * power.usd_per_kwh.value * power.pue.value
    return inputs.peak * 1e3 * usd_per_tflops / MONEY_UNIT_USD


class _Assembly:
    """Builds the programme block by block; lives only while `build_model` runs."""

    def __init__(self, inputs: PlanInputs) -> None:
        self.inputs = inputs
        self.lp = Columns()
        tree = inputs.tree
        self.period = np.array([node.period for node in tree.nodes])
        self.parent = np.array([node.parent for node in tree.nodes])
        self.probability = np.array([node.probability for node in tree.nodes])
        self.weight = self.probability * inputs.discount[self.period]
        self.part = inputs.month_share[self.period]
        self.op_node = np.array([operation.node for operation in tree.operations])
        share = np.array([operation.share for operation in tree.operations])
        self.op_weight = (self.weight * self.part)[self.op_node] * share
        self.use_cost = inputs.power_cost + use_of_peak(inputs)
        self.delivered = tuple(deliveries(tree, inputs.access))
        self.nodes = len(tree.nodes)
        self.ops = len(tree.operations)

    def stock(self) -> tuple[Ints, Ints, Ints]:
        """Orders, stock of bought chips and rented chips."""
        data, lp = self.inputs, self.lp
        upper = np.zeros((self.nodes, len(data.lines)))
        cost = np.zeros((self.nodes, len(data.lines)))
        for column in data.buy_lines:
            upper[:, column] = data.order_cap[:, column]
        arrives = np.zeros_like(upper)
        for node, source, column, share in self.delivered:
            if column in data.buy_lines:
                arrives[source, column] = 1.0
                cost[source, column] += self.weight[node] * share * data.unit_price[column]
                cost[source, column] -= self._salvage(node, column, share)
        order = lp.variables(upper.shape, cost=cost, upper=upper * arrives)
        new = lp.variables((self.nodes, len(data.chips)))
        rows = lp.constraints(new.shape, lower=0.0, upper=0.0)
        lp.entries(rows, new, 1.0)
        inner = self.parent >= 0
        lp.entries(rows[inner], new[self.parent[inner]], -data.survival_per_month)
        for node, source, column, share in self.delivered:
            if column in data.buy_lines:
                lp.entries(rows[node, data.line_chip[column]], order[source, column], -share)
        rent_upper = np.zeros_like(upper)
        for column in data.rent_lines:
            rent_upper[:, column] = data.order_cap[:, column]
        monthly = self.weight * self.part
        rent = lp.variables(upper.shape, cost=monthly[:, None] * data.unit_price[None, :], upper=rent_upper)
        return order, new, rent

    def _salvage(self, node: int, column: int, share: float) -> float:
        """Expected discounted worth at the horizon of one chip delivered at `node`."""
        data = self.inputs
        months_left = data.tree.periods - self.period[node]
        worth = residual_share(months_left / 12.0, dict(data.scenario.horizon.residual_by_age_years))
        probability = data.tree.nodes[node].probability
        end = data.discount[-1]
        alive = data.survival_per_month**months_left
        return float(probability * share * data.unit_price[column] * worth * alive * end)

    def serving(self, new: Ints, rent: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        """Chips serving, tokens missed, tokens bought; returns the capacity rows too."""
        data, lp = self.inputs, self.lp
        shape = (self.ops, len(data.chips), len(data.workloads))
        power = self.op_weight[:, None, None] * self.use_cost[None, :, None]
        serve = lp.variables(shape, cost=power, upper=np.where(data.serve_rate > 0.0, INFINITY, 0.0)[None])
        unserved = lp.variables(
            (self.ops, len(data.workloads)), cost=self.op_weight[:, None] * data.missed_token_cost[None, :]
        )
        price = data.api_price[self.op_node]
        sells = np.array([line.access == "api" for line in data.lines], bool)
        offered = data.access.order_share[self.op_node] > 0.0
        api = lp.variables(
            (self.ops, len(data.lines), len(data.workloads)),
            cost=np.broadcast_to(
                (self.op_weight[:, None] * price)[:, :, None], (self.ops, len(data.lines), len(data.workloads))
            ),
            upper=np.where((sells[None, :] & offered)[:, :, None], INFINITY, 0.0),
        )
        meet = lp.constraints(unserved.shape, lower=data.demand, upper=data.demand)
        lp.entries(meet[:, None, :], serve, data.serve_rate[None])
        lp.entries(meet, unserved, 1.0)
        lp.entries(meet[:, None, :], api, 1.0)
        held = data.held[self.period[self.op_node]]
        room = lp.constraints((self.ops, len(data.chips)), upper=held)
        lp.entries(room[:, :, None], serve, 1.0)
        lp.entries(room, new[self.op_node], -1.0)
        for column in data.rent_lines:
            lp.entries(room[:, data.line_chip[column]], rent[self.op_node, column], -1.0)
        return serve, unserved, api, room

    def training(self, new: Ints, rent: Ints, room: Ints) -> tuple[Ints, Ints, Ints, Ints, Ints]:
        """Chips training, by run; the final run on its own cluster; work missed at each deadline."""
        data, lp = self.inputs, self.lp
        able = data.train_rate > 0.0
        final_able = able & data.clusters
        first = np.array([run.first for run in data.runs], int)
        last = np.array([run.last for run in data.runs], int)
        in_time = self.period[:, None] <= last[None, :]
        in_window = in_time & (self.period[:, None] >= first[None, :])
        single = np.array([run.homogeneous for run in data.runs], bool)
        shape = (self.nodes, len(data.chips), len(data.runs))
        lateness = 1.0 + START_EARLY_PER_MONTH * self.period
        power = (self.probability * self.part * lateness)[:, None, None] * self.use_cost[None, :, None]
        may = able[:, None] & data.trains
        train = lp.variables(shape, cost=power, upper=np.where(in_time[:, None, :] & may[None], INFINITY, 0.0))
        final = lp.variables(
            shape,
            cost=power,
            upper=np.where(in_window[:, None, :] & final_able[None, :, None] & single[None, None, :], INFINITY, 0.0),
        )
        at_deadline = self.period[:, None] == last[None, :]
        total = np.array([run.total_flop for run in data.runs]) / FLOP_UNIT
        wanted = np.array([run.flop for run in data.runs]) / FLOP_UNIT
        miss = self.weight[:, None] * data.missed_flop_cost * total[None, :]
        short = lp.variables((self.nodes, len(data.runs)), cost=miss, upper=np.where(at_deadline, 1.0, 0.0))
        final_short = lp.variables((self.nodes, len(data.runs)), upper=np.where(at_deadline & single, 1.0, 0.0))
        self._deadlines(train, final, short, final_short, at_deadline, total, wanted)
        both = room[:, :, None]
        lp.entries(both, train[self.op_node], 1.0)
        lp.entries(both, final[self.op_node], 1.0)
        if data.cluster_chips is not None:
            cluster = lp.constraints((self.nodes, len(data.chips)), upper=data.cluster_chips)
            lp.entries(cluster[:, :, None], final, 1.0)
        peak = data.training_peak
        limit = data.training_share * (data.held * peak[None, :]).sum(axis=1)
        share_row = lp.constraints((self.nodes,), upper=limit[self.period])
        lp.entries(share_row[:, None, None], train, peak[None, :, None])
        lp.entries(share_row[:, None, None], final, peak[None, :, None])
        lp.entries(share_row[:, None], new, -peak[None, :])
        for column in data.rent_lines:
            lp.entries(share_row, rent[:, column], -peak[data.line_chip[column]])
        return train, final, short, final_short, share_row

    def _deadlines(
        self,
        train: Ints,
        final: Ints,
        short: Ints,
        final_short: Ints,
        at_deadline: NDArray[np.bool_],
        total: Floats,
        wanted: Floats,
    ) -> None:
        """At every deadline the work of the whole branch so far, plus what is missed, covers the run."""
        data, lp = self.inputs, self.lp
        for node, run in zip(*np.nonzero(at_deadline), strict=True):
            line = np.array(data.tree.ancestry(int(node)))
            row = lp.constraints((1,), lower=total[run])
            rates = data.month_share[self.period[line]][:, None] * data.train_rate[None, :]
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

    def money(
        self, order: Ints, new: Ints, rent: Ints, serve: Ints, api: Ints, train: Ints, final: Ints
    ) -> dict[str, Ints]:
        """Cash, loans and the yearly ceiling on buying."""
        data, lp = self.inputs, self.lp
        loans = data.scenario.finance.loans
        count = len(loans)
        rate = np.array([loan.rate_per_year.value / 12.0 for loan in loans])
        ceiling = np.array([loan.max_usd.value / MONEY_UNIT_USD for loan in loans])
        opened = np.array(
            [
                [loan.available_from is None or node.date >= loan.available_from for loan in loans]
                for node in data.tree.nodes
            ]
        ).reshape(self.nodes, count)
        draw = lp.variables((self.nodes, count), upper=np.where(opened, ceiling[None, :], 0.0))
        repay = lp.variables((self.nodes, count))
        owed = lp.variables((self.nodes, count), cost=self.weight[:, None] * rate[None, :], upper=ceiling[None, :])
        roll = lp.constraints((self.nodes, count), lower=0.0, upper=0.0)
        inner = self.parent >= 0
        lp.entries(roll, owed, 1.0)
        lp.entries(roll, draw, -1.0)
        lp.entries(roll, repay, 1.0)
        lp.entries(roll[inner], owed[self.parent[inner]], -1.0)
        self._loan_limits(new, draw, owed)
        cash = lp.variables((self.nodes,))
        gap = lp.variables((self.nodes,), cost=self.weight * NEW_MONEY_COST)
        failed = np.array([bool(node.failed) for node in data.tree.nodes])
        cut = lp.variables(
            (self.nodes,),
            cost=self.weight * MISSED_WORK_FACTOR,
            upper=np.where(failed, np.maximum(data.burn_usd_m, 0.0) * self.part, 0.0),
        )
        cash_row = self._cash_rows(cash, gap, cut, draw, repay, owed, rate)
        self._spending(cash_row, rent, serve, api, train, final)
        capex_rows = self._capex_rows(order, cash_row)
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

    def _loan_limits(self, new: Ints, draw: Ints, owed: Ints) -> None:
        """What is owed stays under the loan-to-value of chips bought, and every draw is repaid by its tenor."""
        data, lp = self.inputs, self.lp
        for index, loan in enumerate(data.scenario.finance.loans):
            if loan.loan_to_value is not None:
                held_value = np.zeros(len(data.chips))
                for column in data.buy_lines:
                    held_value[data.line_chip[column]] = data.unit_price[column]
                row = lp.constraints((self.nodes,), upper=0.0)
                lp.entries(row, owed[:, index], 1.0)
                lp.entries(row[:, None], new, -loan.loan_to_value.value * held_value[None, :])
            tenor = round(loan.tenor_months.value)
            if tenor < data.tree.periods:
                row = lp.constraints((self.nodes,), upper=0.0)
                lp.entries(row, owed[:, index], 1.0)
                for node in data.tree.nodes:
                    recent = data.tree.ancestry(node.index)[-tenor:]
                    lp.entries(row[node.index], draw[np.array(recent), index], -1.0)

    def _cash_rows(
        self,
        cash: Ints,
        gap: Ints,
        cut: Ints,
        draw: Ints,
        repay: Ints,
        owed: Ints,
        rate: Floats,
    ) -> Ints:
        data, lp = self.inputs, self.lp
        finance = data.scenario.finance
        free = finance.cash_usd is None
        flow = data.raised_usd_m - data.burn_usd_m * self.part
        flow[0] += 0.0 if finance.cash_usd is None else finance.cash_usd.value / MONEY_UNIT_USD
        row = lp.constraints((self.nodes,), lower=-INFINITY if free else flow, upper=flow)
        inner = self.parent >= 0
        lp.entries(row, cash, 1.0)
        lp.entries(row[inner], cash[self.parent[inner]], -1.0)
        lp.entries(row, gap, -1.0)
        lp.entries(row, cut, -1.0)
        lp.entries(row[:, None], draw, -1.0)
        lp.entries(row[:, None], repay, 1.0)
        lp.entries(row[:, None], owed, rate[None, :])
        return row

    def _spending(self, row: Ints, rent: Ints, serve: Ints, api: Ints, train: Ints, final: Ints) -> None:
        data, lp = self.inputs, self.lp
        part = self.part
        share = np.array([operation.share for operation in data.tree.operations]) * part[self.op_node]
        lp.entries(row[:, None], rent, part[:, None] * data.unit_price[None, :])
        by_op = row[self.op_node][:, None, None]
        lp.entries(by_op, serve, share[:, None, None] * data.power_cost[None, :, None])
        lp.entries(by_op, api, (share[:, None] * data.api_price[self.op_node])[:, :, None])
        by_node = row[:, None, None]
        power = part[:, None, None] * data.power_cost[None, :, None]
        lp.entries(by_node, train, power)
        lp.entries(by_node, final, power)

    def _capex_rows(self, order: Ints, cash_row: Ints) -> Ints:
        """Buying is paid on delivery, and stays under the ceiling of each twelve months."""
        data, lp = self.inputs, self.lp
        paid: dict[int, list[tuple[int, float]]] = {}
        for node, source, column, share in self.delivered:
            if column in data.buy_lines:
                amount = share * float(data.unit_price[column])
                lp.entries(cash_row[node], order[source, column], amount)
                paid.setdefault(node, []).append((int(order[source, column]), amount))
        quantity = data.scenario.finance.capex_ceiling_usd_per_year
        if quantity is None:
            return np.empty(0, np.int64)
        year_end = [node for node in data.tree.nodes if node.period % 12 == 11 or node.period == data.tree.periods - 1]
        rows = lp.constraints((len(year_end),), upper=quantity.value / MONEY_UNIT_USD)
        for row, last in zip(rows, year_end, strict=True):
            for index in data.tree.ancestry(last.index):
                if data.tree.nodes[index].period // 12 == last.period // 12:
                    for column, amount in paid.get(index, ()):
                        lp.entries(row, column, amount)
        return rows

    def adoption(self, order: Ints, cash_row: Ints) -> Ints:
        """One switch per chip type whose software must be ported first: its cost, and no order without it."""
        data, lp = self.inputs, self.lp
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
            rows = lp.constraints((self.nodes,), upper=0.0)
            lp.entries(rows, order[:, column], 1.0)
            lp.entries(rows, adopt[chip], -np.maximum(data.order_cap[:, column], 1e-9))
        return adopt

    def relaxations(self, room: Ints, share_row: Ints) -> tuple[Ints, Ints]:
        """Columns held at zero that `chipwise.planning.mend` opens to find the smallest change that mends a plan."""
        data, lp = self.inputs, self.lp
        able = data.training_peak
        whole = (data.held * able[None, :]).sum(axis=1)
        extra_share = lp.variables((1,), upper=0.0)
        lp.entries(share_row, extra_share[0], -whole[self.period])
        extra_chips = lp.variables((len(data.chips),), upper=0.0)
        alive = data.survival_per_month**self.period
        lp.entries(room, extra_chips[None, :], -alive[self.op_node][:, None])
        lp.entries(share_row[:, None], extra_chips[None, :], -alive[:, None] * able[None, :])
        return extra_share, extra_chips


def build_model(inputs: PlanInputs) -> PlanModel:
    """Build the programme of one planning problem.

    Parameters
    ----------
    inputs : PlanInputs

    Returns
    -------
    PlanModel
    """
    work = _Assembly(inputs)
    order, new, rent = work.stock()
    serve, unserved, api, room = work.serving(new, rent)
    train, final, short, final_short, share_row = work.training(new, rent, room)
    money = work.money(order, new, rent, serve, api, train, final)
    adopt = work.adoption(order, money["cash_row"])
    extra_share, extra_chips = work.relaxations(room, share_row)
    blocks = Blocks(
        order=order,
        new=new,
        rent=rent,
        serve=serve,
        unserved=unserved,
        api=api,
        train=train,
        final=final,
        short=short,
        final_short=final_short,
        adopt=adopt,
        extra_share=extra_share,
        extra_chips=extra_chips,
        share_row=share_row,
        **money,
    )
    return PlanModel(inputs=inputs, programme=work.lp.programme(), blocks=blocks, delivered=work.delivered)
