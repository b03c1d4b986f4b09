"""The planning problem written a second time, in labelled algebra: slow, obvious, and sharing no builder code.

It reads the same `PlanInputs` arrays and states every rule of the plan in loops over nodes. Used as the oracle of
`chipwise.planning.model` on small cases; final runs are left in their relaxed form, ports and rounding are left out.
"""

from __future__ import annotations

import linopy
import numpy as np

from chipwise.planning.inputs import FLOP_UNIT, MISSED_WORK_FACTOR, MONEY_UNIT_USD, PlanInputs
from chipwise.planning.model_frame import (
    KEEP_PEAK_FREE_KWH_PER_TFLOPS_MONTH,
    NEW_MONEY_COST,
    START_EARLY_PER_MONTH,
    WAIT_PER_MONTH,
)
from chipwise.planning.model_work import residual_share


def relaxed_objective(data: PlanInputs) -> float:
    """Optimum of the relaxed programme in USD m."""
    m = linopy.Model()
    nodes, tree = data.tree.nodes, data.tree
    disc, part = data.discount, data.month_share
    cost = 0
    power = data.scenario.power
    per_kwh = power.usd_per_kwh.value * power.pue.value
    used_cost = data.power_cost + data.peak * 1e3 * KEEP_PEAK_FREE_KWH_PER_TFLOPS_MONTH * per_kwh / MONEY_UNIT_USD

    def var(name, upper=np.inf):
        return m.add_variables(lower=0.0, upper=upper, name=name)

    def lag(index, back):
        for _ in range(back):
            index = nodes[index].parent
            if index < 0:
                return None
        return index

    order, new, rent = {}, {}, {}
    for n in nodes:
        for c in range(len(data.chips)):
            new[n.index, c] = var(f"new{n.index}_{c}")
        for b, line in enumerate(data.lines):
            if line.access == "buy":
                reached = any(
                    lag(k.index, data.access.lead_months[b]) == n.index and data.access.delivery_share[k.index, b] > 0
                    for k in nodes
                )
                order[n.index, b] = var(f"order{n.index}_{b}", data.order_cap[n.index, b] if reached else 0.0)
            if line.access == "rent":
                rent[n.index, b] = var(f"rent{n.index}_{b}", data.order_cap[n.index, b])
                cost += n.probability * disc[n.period] * part[n.period] * data.unit_price[b] * rent[n.index, b]
    paid = {n.index: 0 for n in nodes}
    for n in nodes:
        for c in range(len(data.chips)):
            balance = 1 * new[n.index, c]
            if n.parent >= 0:
                balance = balance - data.survival_per_month * new[n.parent, c]
            for b, line in enumerate(data.lines):
                if line.access != "buy" or data.line_chip[b] != c:
                    continue
                source = lag(n.index, data.access.lead_months[b])
                if source is None or data.access.order_share[source, b] <= 0:
                    continue
                share = min(1.0, data.access.delivery_share[n.index, b] / data.access.order_share[source, b])
                if share <= 0:
                    continue
                balance = balance - share * order[source, b]
                price = data.unit_price[b]
                paid[n.index] = paid[n.index] + share * price * order[source, b]
                left = tree.periods - n.period
                worth = residual_share(left / 12.0, dict(data.scenario.horizon.residual_by_age_years))
                worth *= data.survival_per_month**left * disc[-1]
                early = 1 + WAIT_PER_MONTH * (tree.periods - nodes[source].period)
                cost += n.probability * share * price * (disc[n.period] * early - worth) * order[source, b]
            m.add_constraints(balance == 0)

    peak = [
        data.peak[c] if any(r > 0 and t for r, t in zip(data.train_rate[c], data.trains[c], strict=True)) else 0.0
        for c in range(len(data.chips))
    ]
    train, final, spent = {}, {}, {n.index: paid[n.index] for n in nodes}
    for n in nodes:
        late = n.probability * part[n.period] * (1 + START_EARLY_PER_MONTH * n.period)
        peak_used, peak_limit = 0, 0
        for c in range(len(data.chips)):
            for j, run in enumerate(data.runs):
                if n.period > run.last or data.train_rate[c, j] <= 0 or not data.trains[c, j]:
                    continue
                train[n.index, c, j] = var(f"train{n.index}_{c}_{j}")
                both = 1 * train[n.index, c, j]
                if run.homogeneous and n.period >= run.first and data.clusters[c]:
                    final[n.index, c, j] = var(f"final{n.index}_{c}_{j}")
                    both = both + final[n.index, c, j]
                cost += late * used_cost[c] * both
                spent[n.index] = spent[n.index] + part[n.period] * data.power_cost[c] * both
                peak_used = peak_used + peak[c] * both
            peak_limit = peak_limit + data.training_share * data.held[n.period, c] * peak[c]
            peak_used = peak_used - peak[c] * new[n.index, c]
            mine = [final[n.index, c, j] for j in range(len(data.runs)) if (n.index, c, j) in final]
            if data.cluster_chips is not None and mine:
                m.add_constraints(sum(1 * x for x in mine) <= data.cluster_chips)
        for b, line in enumerate(data.lines):
            if line.access == "rent":
                peak_used = peak_used - peak[data.line_chip[b]] * rent[n.index, b]
                spent[n.index] = spent[n.index] + part[n.period] * data.unit_price[b] * rent[n.index, b]
        m.add_constraints(peak_used <= peak_limit)

    for op in tree.operations:
        n = nodes[op.node]
        weight = n.probability * disc[n.period] * part[n.period] * op.share
        slice_ = op.share * part[n.period]
        used = dict.fromkeys(range(len(data.chips)), 0)
        for w in range(len(data.workloads)):
            missed = var(f"missed{op.index}_{w}")
            cost += weight * data.missed_token_cost[w] * missed
            got = 1 * missed
            for c in range(len(data.chips)):
                if data.serve_rate[c, w] > 0:
                    x = var(f"serve{op.index}_{c}_{w}")
                    got = got + data.serve_rate[c, w] * x
                    used[c] = used[c] + x
                    cost += weight * used_cost[c] * x
                    spent[n.index] = spent[n.index] + slice_ * data.power_cost[c] * x
            for b, line in enumerate(data.lines):
                if line.access == "api" and data.access.order_share[n.index, b] > 0:
                    x = var(f"api{op.index}_{b}_{w}")
                    got = got + x
                    cost += weight * data.api_price[n.index, b] * x
                    spent[n.index] = spent[n.index] + slice_ * data.api_price[n.index, b] * x
            m.add_constraints(got == data.demand[op.index, w])
        for c in range(len(data.chips)):
            room = used[c] - new[n.index, c]
            for j in range(len(data.runs)):
                for block in (train, final):
                    if (n.index, c, j) in block:
                        room = room + block[n.index, c, j]
            for b, line in enumerate(data.lines):
                if line.access == "rent" and data.line_chip[b] == c:
                    room = room - rent[n.index, b]
            m.add_constraints(room <= data.held[n.period, c])

    cost += _deadlines(m, data, train, final, var)
    cost += _money(m, data, new, spent, var)
    if data.scenario.finance.capex_ceiling_usd_per_year is not None:
        ceiling = data.scenario.finance.capex_ceiling_usd_per_year.value / MONEY_UNIT_USD
        for n in nodes:
            year = [paid[k] for k in tree.ancestry(n.index) if nodes[k].period // 12 == n.period // 12]
            year = [entry for entry in year if not isinstance(entry, int)]
            if year:
                m.add_constraints(sum(year[1:], start=year[0]) <= ceiling)
    m.add_objective(cost)
    status, condition = m.solve(solver_name="highs", output_flag=False, log_to_console=False)
    assert (status, condition) == ("ok", "optimal")
    return float(m.objective.value)


def _deadlines(m, data, train, final, var):
    cost = 0
    nodes = data.tree.nodes
    for n in nodes:
        for j, run in enumerate(data.runs):
            if n.period != run.last:
                continue
            total, wanted = run.total_flop / FLOP_UNIT, run.flop / FLOP_UNIT
            short = var(f"short{n.index}_{j}", 1.0)
            cost += n.probability * data.discount[n.period] * data.missed_flop_cost[j] * total * short
            work, own = total * short, None
            for k in data.tree.ancestry(n.index):
                for c in range(len(data.chips)):
                    rate = data.month_share[nodes[k].period] * data.train_rate[c, j]
                    if (k, c, j) in train:
                        work = work + rate * train[k, c, j]
                    if (k, c, j) in final:
                        work = work + rate * final[k, c, j]
                        own = rate * final[k, c, j] if own is None else own + rate * final[k, c, j]
            m.add_constraints(work >= total)
            if run.homogeneous:
                late = var(f"fshort{n.index}_{j}", 1.0)
                m.add_constraints((own if own is not None else 0 * late) + wanted * late >= wanted)
                m.add_constraints(total / wanted * short - late >= 0)
    return cost


def _money(m, data, new, spent, var):
    cost = 0
    nodes, finance = data.tree.nodes, data.scenario.finance
    amount = {equity.name: equity.amount_usd.value / MONEY_UNIT_USD for equity in finance.equity}
    cash, owed, draws = {}, {}, {}
    for n in nodes:
        gap = var(f"gap{n.index}")
        cash[n.index] = var(f"cash{n.index}")
        burn = float(data.burn_usd_m[n.index]) * data.month_share[n.period]
        cut = var(f"cut{n.index}", burn if n.failed else 0.0)
        cost += n.probability * data.discount[n.period] * (NEW_MONEY_COST * gap + MISSED_WORK_FACTOR * cut)
        flow = cash[n.index] - gap - cut + spent[n.index]
        if n.parent >= 0:
            flow = flow - cash[n.parent]
        for i, loan in enumerate(finance.loans):
            top = loan.max_usd.value / MONEY_UNIT_USD
            open_now = loan.available_from is None or n.date >= loan.available_from
            draws[n.index, i] = var(f"draw{n.index}_{i}", top if open_now else 0.0)
            repay = var(f"repay{n.index}_{i}")
            owed[n.index, i] = var(f"owed{n.index}_{i}", top)
            before = owed[n.parent, i] if n.parent >= 0 else 0
            m.add_constraints(owed[n.index, i] - draws[n.index, i] + repay - before == 0)
            rate = loan.rate_per_year.value / 12.0
            cost += n.probability * data.discount[n.period] * rate * owed[n.index, i]
            flow = flow - draws[n.index, i] + repay + rate * owed[n.index, i]
            if loan.loan_to_value is not None:
                cover = 0
                price = {data.line_chip[b]: data.unit_price[b] for b in data.buy_lines}
                for c in range(len(data.chips)):
                    cover = cover + loan.loan_to_value.value * price.get(c, 0.0) * new[n.index, c]
                m.add_constraints(owed[n.index, i] - cover <= 0)
            tenor = round(loan.tenor_months.value)
            if tenor < data.tree.periods:
                recent = [draws[k, i] for k in data.tree.ancestry(n.index)[-tenor:]]
                m.add_constraints(owed[n.index, i] - sum(1 * x for x in recent) <= 0)
        if finance.cash_usd is not None:
            start = finance.cash_usd.value / MONEY_UNIT_USD if n.parent < 0 else 0.0
            before = nodes[n.parent].raised if n.parent >= 0 else ()
            start += sum(amount[name] for name in n.raised if name not in before)
            m.add_constraints(flow == start - burn)
    return cost
