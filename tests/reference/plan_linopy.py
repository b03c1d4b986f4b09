"""The planning problem written a second time, in labelled algebra: slow, obvious, and sharing no builder code.

It reads the same `PlanInputs` arrays and states every rule of the plan in loops over nodes. Used as the oracle of
`chipwise.planning.model` on small cases; final runs are left in their relaxed form, ports and rounding are left out.
"""

from __future__ import annotations

import bisect

import linopy
import numpy as np

from chipwise.planning.inputs import FLOP_UNIT, MISSED_WORK_FACTOR, MONEY_UNIT_USD, PlanInputs
from chipwise.planning.model_frame import (
    KEEP_PEAK_FREE_KWH_PER_TFLOPS_MONTH,
    NEW_MONEY_COST,
    START_EARLY_PER_MONTH,
    WAIT_PER_MONTH,
    residual_share,
)


class Twin:
    """One problem under construction: by node, `cost` that falls due, `spent` cash, `capital` for buying."""

    def __init__(self, data: PlanInputs) -> None:
        self.data, self.tree, self.nodes = data, data.tree, data.tree.nodes
        self.m = linopy.Model()
        self.cost = {n.index: 0 for n in self.nodes}
        self.spent = {n.index: 0 for n in self.nodes}
        self.capital = {n.index: 0 for n in self.nodes}
        starts = list(data.tree.starts) or list(range(data.tree.periods))
        self.total = data.tree.total_months or data.tree.periods
        self.start = {n.index: starts[n.period] for n in self.nodes}
        ends = [*starts[1:], self.total]
        self.length = {n.index: ends[n.period] - starts[n.period] for n in self.nodes}
        self.starts = starts
        self.end_disc = data.discount[-1]
        self.table = dict(data.scenario.horizon.residual_by_age_years)

    def var(self, name, upper=np.inf, lower=0.0):
        return self.m.add_variables(lower=lower, upper=upper, name=name)

    def disc(self, n):
        return self.data.discount[self.nodes[n].period]

    def span(self, n):
        return self.data.span_months[self.nodes[n].period]

    def worth(self, months):
        return residual_share(months / 12.0, self.table)

    def period_at(self, month):
        return bisect.bisect_right(self.starts, month) - 1

    def below(self, n):
        """Nodes at or below n."""
        return [k.index for k in self.nodes if n in self.tree.ancestry(k.index)]

    def keeps(self, n):
        """Share of chips that outlast the parent's period."""
        return self.data.survival_per_month ** self.length[self.nodes[n].parent]

    def landings(self, source, b):
        """Where one unit ordered at `source` lands: (node, share, share times part of the period gone)."""
        found = {}
        length = self.length[source]
        for month in range(self.start[source], self.start[source] + length):
            at = month + self.data.access.lead_months[b]
            if at >= self.total:
                continue
            period = self.period_at(at)
            for n in self.below(source):
                if self.nodes[n].period == period:
                    asked = self.data.access.order_share[source, b]
                    got = min(1.0, self.data.access.delivery_share[n, b] / asked) if asked > 0 else 0.0
                    gone = (at - self.start[n]) / self.length[n]
                    share, late = found.get(n, (0.0, 0.0))
                    found[n] = (share + got / length, late + got * gone / length)
        return [(n, share, late) for n, (share, late) in found.items() if share > 0]


def relaxed_objective(data: PlanInputs) -> float:
    """Optimum of the relaxed programme in USD m."""
    twin = Twin(data)
    there, owned, late = _stock(twin)
    train, final = _training(twin, there, owned, late)
    _serving(twin, there, late, train, final)
    _deadlines(twin, train, final)
    _money(twin, owned)
    if data.scenario.finance.capex_ceiling_usd_per_year is not None:
        ceiling = data.scenario.finance.capex_ceiling_usd_per_year.value / MONEY_UNIT_USD
        for n in twin.nodes:
            year = [
                twin.capital[k] for k in twin.tree.ancestry(n.index) if twin.start[k] // 12 == twin.start[n.index] // 12
            ]
            year = [entry for entry in year if not isinstance(entry, int)]
            if year:
                twin.m.add_constraints(sum(year[1:], start=year[0]) <= ceiling)
    twin.m.add_objective(_objective(twin))
    status, condition = twin.m.solve(solver_name="highs", output_flag=False, log_to_console=False)
    assert (status, condition) == ("ok", "optimal")
    return float(twin.m.objective.value)


def _objective(twin):
    """Expected cost, and with aversion to risk the mean of the worst futures written out path by path."""
    expected = sum(n.probability * twin.cost[n.index] for n in twin.nodes)
    terms = twin.data.terms
    if terms.risk_weight <= 0:
        return expected
    eta = twin.var("eta", lower=-np.inf)
    tail = 1 * eta
    for leaf in twin.tree.leaves():
        over = twin.var(f"over{leaf.index}")
        path = sum(twin.cost[k] for k in twin.tree.ancestry(leaf.index))
        twin.m.add_constraints(over - path + eta >= 0)
        tail = tail + leaf.probability / (1 - terms.risk_alpha) * over
    return (1 - terms.risk_weight) * expected + terms.risk_weight * tail


def _stock(twin):
    """Chips there to work by (node, chip), those owned since the decision, and those counted that come late."""
    data, m, nodes = twin.data, twin.m, twin.nodes
    chips = range(len(data.chips))
    arrive = {(n.index, c): 0 for n in nodes for c in chips}
    late = {(n.index, c): 0 for n in nodes for c in chips}
    gone_in = {(n.index, c): 0 for n in nodes for c in chips}
    sold_new = {(n.index, c): 0 for n in nodes for c in chips}
    lent = {(n.index, c): 0 for n in nodes for c in chips}
    by_class = {}
    for b, line in enumerate(data.lines):
        c = data.line_chip[b]
        if line.access == "rent" and not data.terms.term_months[b]:
            for n in nodes:
                x = twin.var(f"rent{n.index}_{b}", data.order_cap[n.index, b])
                money = twin.span(n.index) * data.unit_price[n.index, b]
                twin.cost[n.index] += twin.disc(n.index) * money * x
                twin.spent[n.index] += money * x
                lent[n.index, c] += x
        elif data.terms.term_months[b]:
            _contract(twin, b, lent, late, arrive)
        elif line.access in ("buy", "lease"):
            for n in nodes:
                landing = twin.landings(n.index, b)
                x = twin.var(f"order{n.index}_{b}", data.order_cap[n.index, b] if landing else 0.0)
                price = data.unit_price[n.index, b]
                for k, share, behind in landing:
                    left = twin.total - twin.start[k]
                    early = 1 + WAIT_PER_MONTH * (twin.total - twin.start[n.index])
                    worth = twin.worth(left) * data.survival_per_month**left * twin.end_disc
                    twin.cost[k] += share * price * (twin.disc(k) * early - worth) * x
                    twin.spent[k] += share * price * x
                    twin.capital[k] += share * price * x
                    arrive[k, c] += share * x
                    late[k, c] += behind * x
                    key = (k, c, twin.start[k] // 12)
                    by_class[key] = by_class.get(key, 0) + share * x
    for b, line in enumerate(data.lines):
        if line.access == "sell":
            _sale(twin, b, gone_in, sold_new, by_class)
    new, there, gone = {}, {}, {}
    selling = any(line.access == "sell" for line in data.lines)
    for n in nodes:
        for c in chips:
            new[n.index, c] = twin.var(f"new{n.index}_{c}")
            flow = new[n.index, c] - arrive[n.index, c] + sold_new[n.index, c]
            if n.parent >= 0:
                flow = flow - twin.keeps(n.index) * new[n.parent, c]
            m.add_constraints(flow == 0)
            there[n.index, c] = new[n.index, c] + lent[n.index, c] - late[n.index, c]
            gone[n.index, c] = 0
            if selling:
                gone[n.index, c] = twin.var(f"gone{n.index}_{c}", data.held[n.period, c])
                flow = gone[n.index, c] - gone_in[n.index, c]
                if n.parent >= 0:
                    flow = flow - twin.keeps(n.index) * gone[n.parent, c]
                m.add_constraints(flow == 0)
    if selling:
        _no_more_sold_than_came(twin, by_class)
    return there, new, gone


def _contract(twin, b, lent, late, arrive):
    """A lease or a reserved rental, each signing followed to its end."""
    data, c, term = twin.data, twin.data.line_chip[b], twin.data.terms.term_months[b]
    reserved = data.lines[b].access == "rent"
    active = {n.index: 0 for n in twin.nodes}
    ended = {n.index: 0 for n in twin.nodes}
    ends_of = {}
    for n in twin.nodes:
        landing = twin.landings(n.index, b)
        if not landing:
            continue
        x = twin.var(f"sign{n.index}_{b}", data.order_cap[n.index, b])
        fee, asset = data.unit_price[n.index, b], data.terms.asset_price[n.index, b]
        for k, share, behind in landing:
            late[k, c] += behind * x
            over = twin.start[k] + term
            for d in twin.below(k):
                if twin.start[d] < over:
                    active[d] += share * x
                    money = twin.span(d) * fee * share
                    twin.cost[d] += twin.disc(d) * money * x
                    twin.spent[d] += money * x
                elif twin.start[twin.nodes[d].parent] < over:
                    ended[d] += share * x
                    ends_of.setdefault(d, []).append(asset)
            age = twin.total - twin.start[k]
            if term > age:
                owes = (term - age) * fee
                use = asset * (twin.worth(age) - twin.worth(term))
                twin.cost[k] += share * (owes - min(use, owes)) * twin.end_disc * x
    for n in twin.nodes:
        lent[n.index, c] += active[n.index]
        if reserved and not isinstance(active[n.index], int):
            twin.m.add_constraints(active[n.index] <= data.order_cap[:, b].max())
        if data.terms.buy_out[b] and n.index in ends_of:
            x = twin.var(f"keep{n.index}_{b}")
            twin.m.add_constraints(x - ended[n.index] <= 0)
            assets = ends_of[n.index]
            pays = data.terms.residual[b] * max(assets)
            left = twin.total - twin.start[n.index]
            worth = min(assets) * twin.worth(left + term) * data.survival_per_month**left * twin.end_disc
            twin.cost[n.index] += (pays * twin.disc(n.index) - worth) * x
            twin.spent[n.index] += pays * x
            twin.capital[n.index] += pays * x
            arrive[n.index, c] += x


def _sale(twin, b, gone_in, sold_new, by_class):
    data, c = twin.data, twin.data.line_chip[b]
    by_age, lag = bool(data.terms.sale_by_age[b]), data.access.lead_months[b]
    age0 = data.terms.held_age_months[c]
    dear = max(
        (float(data.unit_price[:, k].max()) for k in data.buy_lines if data.line_chip[k] == c),
        default=0.0,
    )
    for n in twin.nodes:
        cap = data.order_cap[n.index, b]
        if cap <= 0:
            continue
        now, left = twin.start[n.index], twin.total - twin.start[n.index]
        alive = data.survival_per_month**left * twin.end_disc
        price, sold = data.unit_price[n.index, b], []
        if data.held[0, c] > 0 and not (by_age and np.isnan(age0)):
            x = twin.var(f"sellheld{n.index}_{b}")
            sold.append(x)
            gone_in[n.index, c] += x
            _paid_in(twin, n.index, lag, price * (twin.worth(age0 + now) if by_age else 1.0), x)
            twin.cost[n.index] += price * (twin.worth(age0 + twin.total) if by_age else 1.0) * alive * x
        if any(data.line_chip[k] == c for k in data.buy_lines):
            for y in range(-(-twin.total // 12)):
                if y * 12 <= now:
                    x = twin.var(f"sellnew{n.index}_{b}_{y}")
                    sold.append(x)
                    sold_new[n.index, c] += x
                    key = (n.index, c, y, "sold")
                    by_class[key] = by_class.get(key, 0) + x
                    _paid_in(twin, n.index, lag, price * (twin.worth(now - 12 * y) if by_age else 1.0), x)
                    twin.cost[n.index] += dear * twin.worth(twin.total - 12 * y) * alive * x
        if sold:
            twin.m.add_constraints(sum(1 * x for x in sold) <= cap)


def _paid_in(twin, n, lag, amount, x):
    at = twin.start[n] + lag
    if at >= twin.total:
        twin.cost[n] -= amount * twin.end_disc * x
        return
    for k in twin.below(n):
        if twin.nodes[k].period == twin.period_at(at):
            twin.cost[k] -= amount * twin.disc(k) * x
            twin.spent[k] -= amount * x


def _no_more_sold_than_came(twin, by_class):
    for c in {key[1] for key in by_class if len(key) == 4}:
        for y in range(-(-twin.total // 12)):
            for n in twin.nodes:
                left = 0
                for k in twin.tree.ancestry(n.index):
                    alive = twin.data.survival_per_month ** (twin.start[n.index] - twin.start[k])
                    left = left + alive * (by_class.get((k, c, y), 0) - by_class.get((k, c, y, "sold"), 0))
                if not isinstance(left, (int, float)):
                    twin.m.add_constraints(left >= 0)


def _training(twin, there, owned, gone):
    data = twin.data
    peak = [
        data.peak[c] if any(r > 0 and t for r, t in zip(data.train_rate[c], data.trains[c], strict=True)) else 0.0
        for c in range(len(data.chips))
    ]
    power = data.scenario.power
    per_kwh = power.usd_per_kwh.value * power.pue.value
    twin.used_cost = data.power_cost + data.peak * 1e3 * KEEP_PEAK_FREE_KWH_PER_TFLOPS_MONTH * per_kwh / MONEY_UNIT_USD
    twin.gone = gone
    busy = 1.0 + data.terms.spare_share
    train, final = {}, {}
    for n in twin.nodes:
        dear = twin.span(n.index) * (1 + START_EARLY_PER_MONTH * twin.start[n.index])
        peak_used, peak_limit = 0, 0
        for c in range(len(data.chips)):
            for j, run in enumerate(data.runs):
                if n.period > run.last or data.train_rate[c, j] <= 0 or not data.trains[c, j]:
                    continue
                train[n.index, c, j] = twin.var(f"train{n.index}_{c}_{j}")
                both = 1 * train[n.index, c, j]
                if run.homogeneous and n.period >= run.first and data.clusters[c]:
                    final[n.index, c, j] = twin.var(f"final{n.index}_{c}_{j}")
                    both = both + final[n.index, c, j]
                twin.cost[n.index] += dear * twin.used_cost[c] * both
                twin.spent[n.index] += twin.span(n.index) * data.power_cost[c] * both
                peak_used = peak_used + busy * peak[c] * both
            peak_limit = peak_limit + data.training_share * data.held[n.period, c] * peak[c]
            peak_used = peak_used - peak[c] * there[n.index, c] + data.training_share * peak[c] * gone[n.index, c]
            mine = [final[n.index, c, j] for j in range(len(data.runs)) if (n.index, c, j) in final]
            if data.cluster_chips is not None and mine:
                twin.m.add_constraints(sum(1 * x for x in mine) <= data.cluster_chips)
        twin.m.add_constraints(peak_used <= peak_limit)
    return train, final


def _serving(twin, there, gone, train, final):
    data, tree = twin.data, twin.tree
    busy, terms = 1.0 + data.terms.spare_share, data.terms
    for op in tree.operations:
        n = twin.nodes[op.node]
        slice_ = op.share * twin.span(n.index)
        used = dict.fromkeys(range(len(data.chips)), 0)
        for w in range(len(data.workloads)):
            missed = twin.var(f"missed{op.index}_{w}")
            twin.cost[n.index] += slice_ * twin.disc(n.index) * data.missed_token_cost[w] * missed
            got = 1 * missed
            for c in range(len(data.chips)):
                if data.serve_rate[c, w] > 0:
                    x = twin.var(f"serve{op.index}_{c}_{w}")
                    got = got + data.serve_rate[c, w] * x
                    used[c] = used[c] + x
                    twin.cost[n.index] += slice_ * twin.disc(n.index) * twin.used_cost[c] * x
                    twin.spent[n.index] += slice_ * data.power_cost[c] * x
            for b, line in enumerate(data.lines):
                if line.access == "api" and data.access.order_share[n.index, b] > 0:
                    x = twin.var(f"api{op.index}_{b}_{w}")
                    got = got + x
                    twin.cost[n.index] += slice_ * twin.disc(n.index) * data.api_price[n.index, b] * x
                    twin.spent[n.index] += slice_ * data.api_price[n.index, b] * x
            twin.m.add_constraints(got == data.demand[op.index, w])
        watts, racks = 0, 0
        for c in range(len(data.chips)):
            for j in range(len(data.runs)):
                for block in (train, final):
                    if (n.index, c, j) in block:
                        used[c] = used[c] + block[n.index, c, j]
            watts = watts + np.nan_to_num(terms.power_w[c]) / 1e6 * used[c]
            racks = racks + terms.chip_servers[c] * used[c]
            room = busy * used[c] - there[n.index, c] + gone[n.index, c]
            twin.m.add_constraints(room <= data.held[n.period, c])
        for total, limit in ((watts, terms.power_limit_w[n.period] / 1e6), (racks, terms.server_limit[n.period])):
            if np.isfinite(limit):
                twin.m.add_constraints(total <= limit)


def _deadlines(twin, train, final):
    data = twin.data
    for n in twin.nodes:
        for j, run in enumerate(data.runs):
            if n.period != run.last:
                continue
            total, wanted = run.total_flop / FLOP_UNIT, run.flop / FLOP_UNIT
            short = twin.var(f"short{n.index}_{j}", 1.0)
            twin.cost[n.index] += twin.disc(n.index) * data.missed_flop_cost[j] * total * short
            work, own = total * short, None
            for k in twin.tree.ancestry(n.index):
                for c in range(len(data.chips)):
                    rate = twin.span(k) * data.train_rate[c, j]
                    if (k, c, j) in train:
                        work = work + rate * train[k, c, j]
                    if (k, c, j) in final:
                        work = work + rate * final[k, c, j]
                        own = rate * final[k, c, j] if own is None else own + rate * final[k, c, j]
            twin.m.add_constraints(work >= total)
            if run.homogeneous:
                late = twin.var(f"fshort{n.index}_{j}", 1.0)
                twin.m.add_constraints((own if own is not None else 0 * late) + wanted * late >= wanted)
                twin.m.add_constraints(total / wanted * short - late >= 0)


def _money(twin, new):
    data, nodes, finance = twin.data, twin.nodes, twin.data.scenario.finance
    amount = {equity.name: equity.amount_usd.value / MONEY_UNIT_USD for equity in finance.equity}
    cash, owed, draws = {}, {}, {}
    for n in nodes:
        gap = twin.var(f"gap{n.index}")
        cash[n.index] = twin.var(f"cash{n.index}")
        burn = float(data.burn_usd_m[n.index]) * twin.span(n.index)
        cut = twin.var(f"cut{n.index}", burn if n.failed else 0.0)
        twin.cost[n.index] += twin.disc(n.index) * (NEW_MONEY_COST * gap + MISSED_WORK_FACTOR * cut)
        flow = cash[n.index] - gap - cut + twin.spent[n.index]
        if n.parent >= 0:
            flow = flow - cash[n.parent]
        for i, loan in enumerate(finance.loans):
            top = loan.max_usd.value / MONEY_UNIT_USD
            open_now = loan.available_from is None or n.date >= loan.available_from
            draws[n.index, i] = twin.var(f"draw{n.index}_{i}", top if open_now else 0.0)
            repay = twin.var(f"repay{n.index}_{i}")
            owed[n.index, i] = twin.var(f"owed{n.index}_{i}", top)
            before = owed[n.parent, i] if n.parent >= 0 else 0
            twin.m.add_constraints(owed[n.index, i] - draws[n.index, i] + repay - before == 0)
            rate = loan.rate_per_year.value / 12.0 * twin.length[n.index]
            twin.cost[n.index] += twin.disc(n.index) * rate * owed[n.index, i]
            flow = flow - draws[n.index, i] + repay + rate * owed[n.index, i]
            if loan.loan_to_value is not None:
                cover = 0
                price = {data.line_chip[b]: data.unit_price[n.index, b] for b in data.buy_lines}
                for c in range(len(data.chips)):
                    cover = cover + loan.loan_to_value.value * price.get(c, 0.0) * new[n.index, c]
                twin.m.add_constraints(owed[n.index, i] - cover <= 0)
            tenor = round(loan.tenor_months.value)
            if tenor < twin.total:
                recent = [
                    draws[k, i] for k in twin.tree.ancestry(n.index) if twin.start[k] > twin.start[n.index] - tenor
                ]
                twin.m.add_constraints(owed[n.index, i] - sum(1 * x for x in recent) <= 0)
        if finance.cash_usd is not None:
            start = finance.cash_usd.value / MONEY_UNIT_USD if n.parent < 0 else 0.0
            before = nodes[n.parent].raised if n.parent >= 0 else ()
            start += sum(amount[name] for name in n.raised if name not in before)
            twin.m.add_constraints(flow == start - burn)
