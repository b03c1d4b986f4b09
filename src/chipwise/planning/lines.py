"""Read a solved plan back into lines a person can act on, and into one series per branch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from chipwise.catalogue import Catalogue
from chipwise.core.units import SECONDS_PER_DAY
from chipwise.planning.availability import buyer_headquarters, delivery_date
from chipwise.planning.inputs import MONEY_UNIT_USD, TOKEN_RATE_UNIT
from chipwise.planning.lp import Floats, Ints
from chipwise.planning.model import PlanModel
from chipwise.planning.result import Action, Branch, PlanLine
from chipwise.planning.solve import Solved
from chipwise.planning.tree import DecisionNode

SMALL = 0.5
"""Chips below which a line is not worth printing."""
SMALL_MONEY = 1e-3
"""USD m below which a loan is not worth printing."""


class PlanReading:
    """One solved plan with named access to its variables; read-only."""

    def __init__(self, model: PlanModel, solved: Solved, catalogue: Catalogue) -> None:
        self.model = model
        self.inputs = model.inputs
        self.catalogue = catalogue
        values = self.values = solved.values
        blocks = model.blocks
        self.order: Floats = values[blocks.order]
        self.new: Floats = values[blocks.new]
        self.rent: Floats = values[blocks.rent]
        self.sign: Floats = values[blocks.sign]
        self.active: Floats = values[blocks.active]
        self.keep: Floats = values[blocks.keep]
        self.sold: Floats = values[blocks.sold_held] + values[blocks.sold_new].sum(axis=2)
        self.gone: Floats = values[blocks.gone]
        self.serve: Floats = values[blocks.serve]
        self.unserved: Floats = values[blocks.unserved]
        self.api: Floats = values[blocks.api]
        self.train: Floats = values[blocks.train]
        self.final: Floats = values[blocks.final]
        self.short: Floats = values[blocks.short]
        self.draw: Floats = values[blocks.draw]
        self.repay: Floats = values[blocks.repay]
        self.owed: Floats = values[blocks.owed]
        self.cash: Floats = values[blocks.cash]
        self.adopt = {
            self.inputs.chips[chip]: float(values[column]) for chip, column in enumerate(blocks.adopt) if column >= 0
        }
        self.hq = buyer_headquarters(self.inputs.scenario)

    def operations_of(self, node: int) -> list[tuple[int, float]]:
        """Operations of a node with their share."""
        return [(op.index, op.share) for op in self.inputs.tree.operations if op.node == node]

    def gate_outcome(self, node: DecisionNode, column: int) -> str:
        """Outcome printed with a line: the law's on the day of the decision, the state's gate down a branch."""
        judged = self.inputs.access.judged[column]
        if node.parent < 0 or judged.opted_in or judged.line.access in ("rent", "api"):
            return judged.outcome
        gates = self.inputs.scenario.outlook.states[node.state].gates
        gate = gates.get(judged.line.item_id or "") or gates[judged.line.chip_id or ""]
        return "licence_required" if gate.kind == "licence" else "NLR"

    def market_line(self, node: DecisionNode, column: int, count: float, action: Action) -> PlanLine:
        """A line that buys or rents."""
        data = self.inputs
        line = data.lines[column]
        months = data.access.lead_months[column]
        server = None if line.chip_id is None else self.catalogue.server_of(line.chip_id)
        judged = data.access.judged[column]
        price = (data.api_price if action == "api" else data.unit_price)[node.index, column]
        return PlanLine(
            action=action,
            chip=line.chip_id,
            system=None if server is None else server.id,
            count=count,
            when=node.date,
            arrives=delivery_date(node.date, months) if action in ("buy", "lease", "sell") else None,
            cost_usd=float(count * price) * MONEY_UNIT_USD * (-1.0 if action == "sell" else 1.0),
            to=line.place,
            hq=self.hq,
            outcome=self.gate_outcome(node, column),
            licence_probability=float(data.access.order_share[node.index, column]),
            branch="now" if node.parent < 0 else node.branch,
            probability=node.probability,
            workload=line.api_model or "",
            market=line.id,
            note="; ".join(part for part in (self._terms(column), judged.because if judged.opted_in else "") if part),
        )

    def _terms(self, column: int) -> str:
        """What binds beyond the price: the term of a lease or a reserved rental, a sale's haircut."""
        months, line = self.inputs.terms.term_months[column], self.inputs.lines[column]
        if months:
            ends = ", then kept for its residual or given back" if line.buy_out else ""
            return f"a month, for {months} months{ends}"
        return "proceeds, haircut off, before age" if line.access == "sell" and not line.price_path else ""

    def market_lines(self, node: DecisionNode) -> list[PlanLine]:
        """Everything bought and rented on one node; rent is shown where its level changes."""
        data = self.inputs
        found: list[PlanLine] = []
        for column in data.buy_lines:
            count = float(self.order[node.index, column])
            if count >= SMALL:
                found.append(self.market_line(node, column, round(count), "buy"))
        for column in data.rent_lines:
            level = float(self.rent[node.index, column])
            before = float(self.rent[node.parent, column]) if node.parent >= 0 else 0.0
            if level >= SMALL and abs(level - before) >= max(SMALL, 0.05 * before):
                found.append(self.market_line(node, column, math.ceil(level - 1e-6), "rent"))
        for column in data.contract_lines:
            action: Action = "rent" if data.lines[column].access == "rent" else "lease"
            signed, kept = float(self.sign[node.index, column]), float(self.keep[node.index, column])
            if signed >= SMALL:
                found.append(self.market_line(node, column, math.ceil(signed - 1e-6), action))
            if kept >= SMALL:
                found.append(self._kept_line(node, column, kept))
        sold = self.sold[node.index]
        found.extend(self._sale_line(node, column) for column in data.sale_lines if float(sold[column]) >= SMALL)
        return found

    def _kept_line(self, node: DecisionNode, column: int, count: float) -> PlanLine:
        """Chips kept at the end of a lease."""
        line = self.market_line(node, column, round(count), "buy")
        cost = self._paid_for(node.index, self.model.blocks.keep[node.index, column])
        return dataclasses.replace(
            line, cost_usd=cost, arrives=None, note="kept at the end of a lease, for its residual"
        )

    def _sale_line(self, node: DecisionNode, column: int) -> PlanLine:
        """Chips sold, with what they bring in all."""
        blocks = self.model.blocks
        line = self.market_line(node, column, round(float(self.sold[node.index, column])), "sell")
        columns = np.append(blocks.sold_new[node.index, column], blocks.sold_held[node.index, column])
        return dataclasses.replace(line, cost_usd=self._sold_for(columns, line.cost_usd))

    def _paid_for(self, node: int, column: int) -> float:
        """Cash one column costs at a node, USD."""
        return self._cash(np.array([column]), node)

    def _cash(self, columns: Ints, node: int) -> float:
        total = 0.0
        for nodes, each, amounts in self.model.paid:
            mine = np.isin(each, columns[columns >= 0]) & (nodes == node)
            total += float((amounts[mine] * self.values[each[mine]]).sum())
        return total * MONEY_UNIT_USD

    def _sold_for(self, columns: Ints, fallback: float) -> float:
        """Money a sale brings where it first comes in, below zero; its list price where that is after the horizon."""
        for nodes, each, _ in self.model.paid:
            mine = np.isin(each, columns[columns >= 0])
            if mine.any():
                first = int(nodes[mine].min())
                return self._cash(columns, first)
        return fallback

    def money_lines(self, node: DecisionNode) -> list[PlanLine]:
        """Loans drawn and repaid on one node."""
        found = []
        for index, loan in enumerate(self.inputs.scenario.finance.loans):
            amounts: list[tuple[Action, float]] = [
                ("borrow", float(self.draw[node.index, index] - self.repay[node.index, index])),
                ("repay", float(self.repay[node.index, index] - self.draw[node.index, index])),
            ]
            for action, amount in amounts:
                if amount > SMALL_MONEY:
                    found.append(
                        PlanLine(
                            action=action,
                            when=node.date,
                            cost_usd=amount * MONEY_UNIT_USD,
                            branch="now" if node.parent < 0 else node.branch,
                            probability=node.probability,
                            note=loan.name,
                        )
                    )
        return found

    def assignments(self, node: DecisionNode) -> list[PlanLine]:
        """Which chips do what on one node, in expectation over demand."""
        data = self.inputs
        found: list[PlanLine] = []
        jobs: dict[tuple[int, str], float] = {}
        for number, run in enumerate(data.runs):
            for chip in range(len(data.chips)):
                final = float(self.final[node.index, chip, number])
                research = float(self.train[node.index, chip, number])
                for name, count in ((f"{run.name}: final run", final), (f"{run.name}: research", research)):
                    if count >= SMALL:
                        jobs[chip, name] = count
        for number, workload in enumerate(data.workloads):
            for chip in range(len(data.chips)):
                count = sum(share * float(self.serve[op, chip, number]) for op, share in self.operations_of(node.index))
                if count >= SMALL:
                    jobs[chip, f"serve: {workload}"] = count
        for (chip, name), count in sorted(jobs.items(), key=lambda entry: (data.chips[entry[0][0]], entry[0][1])):
            found.append(
                PlanLine(
                    action="assign",
                    chip=data.chips[chip],
                    count=round(count),
                    when=node.date,
                    branch="now" if node.parent < 0 else node.branch,
                    probability=node.probability,
                    workload=name,
                )
            )
        return found

    def deferrals(self, node: DecisionNode) -> list[PlanLine]:
        """Work missed on one node: runs at their deadline, tokens in the month."""
        data = self.inputs
        found = []
        for number, run in enumerate(data.runs):
            missed = float(self.short[node.index, number])
            if missed > 1e-3:
                found.append(
                    PlanLine(
                        action="defer",
                        count=None,
                        when=node.date,
                        branch="now" if node.parent < 0 else node.branch,
                        probability=node.probability,
                        workload=run.name,
                        note=f"{missed:.0%} of its compute is not there by the deadline",
                    )
                )
        for number, workload in enumerate(data.workloads):
            wanted = sum(share * data.demand[op, number] for op, share in self.operations_of(node.index))
            missed = sum(share * float(self.unserved[op, number]) for op, share in self.operations_of(node.index))
            if wanted > 0.0 and missed / wanted > 1e-3:
                found.append(
                    PlanLine(
                        action="defer",
                        when=node.date,
                        branch="now" if node.parent < 0 else node.branch,
                        probability=node.probability,
                        workload=f"serve: {workload}",
                        note=f"{missed / wanted:.0%} of tokens cannot be served",
                    )
                )
        return found


def now_lines(reading: PlanReading) -> tuple[PlanLine, ...]:
    """What to do on the day of the decision."""
    root = reading.inputs.tree.nodes[0]
    ports = [
        PlanLine(
            action="port",
            chip=chip,
            when=root.date,
            cost_usd=sum(
                line.port_cost_usd.value
                for line in reading.inputs.lines
                if line.chip_id == chip and line.port_cost_usd is not None
            ),
            note="port the software stack to this chip family before the first delivery",
        )
        for chip, switch in sorted(reading.adopt.items())
        if switch > 0.5
    ]
    return (
        *reading.market_lines(root),
        *ports,
        *reading.money_lines(root),
        *_tokens_bought(reading, root),
        *reading.assignments(root),
        *reading.deferrals(root),
    )


def _tokens_bought(reading: PlanReading, node: DecisionNode) -> list[PlanLine]:
    """Tokens bought from a provider on one node, thousand tokens/s in `count`."""
    found = []
    for column in reading.inputs.api_lines:
        rate = sum(share * float(reading.api[op, column].sum()) for op, share in reading.operations_of(node.index))
        if rate > 1e-9:
            found.append(reading.market_line(node, column, rate, "api"))
    return found


def later_lines(reading: PlanReading) -> tuple[PlanLine, ...]:
    """What to do after the first month, on each branch, by time; missed tokens once per branch."""
    found: list[PlanLine] = []
    for node in reading.inputs.tree.nodes[1:]:
        found.extend(reading.market_lines(node))
        found.extend(reading.money_lines(node))
        missed = reading.deferrals(node)
        last = node.period == reading.inputs.tree.periods - 1
        found.extend(line for line in missed if last or not line.workload.startswith("serve: "))
    return tuple(sorted(found, key=lambda line: (line.when, line.branch, line.action, line.chip or "")))


def _series(reading: PlanReading, line: list[int]) -> dict[str, list[float]]:
    data = reading.inputs
    series: dict[str, list[float]] = {
        name: []
        for name in (
            "tokens_wanted_per_day",
            "tokens_served_per_day",
            "tokens_bought_per_day",
            "cash_usd",
            "owed_usd",
            "spent_usd",
            "tokens_bought_usd",
        )
    }
    for kind in ("stock", "training", "serving"):
        series.update({f"{kind}:{name}": [] for name in data.chips})
    day = TOKEN_RATE_UNIT * SECONDS_PER_DAY
    paid = _paid(reading)
    for index in line:
        operations = reading.operations_of(index)
        wanted = sum(share * float(data.demand[op].sum()) for op, share in operations)
        missed = sum(share * float(reading.unserved[op].sum()) for op, share in operations)
        series["tokens_wanted_per_day"].append(wanted * day)
        series["tokens_served_per_day"].append((wanted - missed) * day)
        bought = sum(share * float(reading.api[op].sum()) for op, share in operations)
        bought_cost = sum(
            share * float((reading.api[op].sum(axis=1) * data.api_price[index]).sum()) for op, share in operations
        )
        series["tokens_bought_per_day"].append(bought * day)
        series["cash_usd"].append(float(reading.cash[index]) * MONEY_UNIT_USD)
        series["owed_usd"].append(float(reading.owed[index].sum()) * MONEY_UNIT_USD)
        part = float(data.span_months[data.tree.nodes[index].period])
        series["tokens_bought_usd"].append(part * bought_cost * MONEY_UNIT_USD)
        series["spent_usd"].append((float(paid[index]) + part * bought_cost) * MONEY_UNIT_USD)
        for chip, name in enumerate(data.chips):
            lent = [col for col in (*data.rent_lines, *data.contract_lines) if data.line_chip[col] == chip]
            rented = sum(float(reading.rent[index, col] + reading.active[index, col]) for col in lent)
            owned = data.held[data.tree.nodes[index].period, chip] - float(reading.gone[index, chip])
            stock = owned + float(reading.new[index, chip]) + rented
            series[f"stock:{name}"].append(stock)
            series[f"training:{name}"].append(float((reading.train[index, chip] + reading.final[index, chip]).sum()))
            series[f"serving:{name}"].append(
                sum(share * float(reading.serve[op, chip].sum()) for op, share in operations)
            )
    return {name: values for name, values in series.items() if ":" not in name or any(value > 1e-6 for value in values)}


def _paid(reading: PlanReading) -> Floats:
    """Spent on chips at each node, whatever way they come, less what sales bring in; USD m. (n_nodes,)"""
    paid = np.zeros(len(reading.inputs.tree.nodes))
    for nodes, columns, amounts in reading.model.paid:
        made = columns >= 0
        np.add.at(paid, nodes[made], amounts[made] * reading.values[columns[made]])
    return paid


def _runs_done(reading: PlanReading, line: list[int]) -> Mapping[str, float]:
    done = {}
    for number, run in enumerate(reading.inputs.runs):
        at = [index for index in line if reading.inputs.tree.nodes[index].period == run.last]
        done[run.name] = 1.0 - float(reading.short[at[0], number]) if at else 1.0
    return done


def _by_chip(reading: PlanReading, amounts: Floats, lines: list[int]) -> dict[str, float]:
    """Chips over one branch by type, of some lines; `amounts` is (n_months, n_lines)."""
    found: dict[str, float] = {}
    for column in lines:
        total = float(amounts[:, column].sum())
        if total >= SMALL:
            name = reading.inputs.chips[reading.inputs.line_chip[column]]
            found[name] = found.get(name, 0.0) + total
    return found


def branch_futures(reading: PlanReading) -> tuple[Branch, ...]:
    """One `Branch` per leaf of the tree, most probable first."""
    data = reading.inputs
    found = []
    for leaf in data.tree.leaves():
        line = data.tree.ancestry(leaf.index)
        series = _series(reading, line)
        wanted, served = sum(series["tokens_wanted_per_day"]), sum(series["tokens_served_per_day"])
        found.append(
            Branch(
                id=leaf.branch,
                probability=leaf.probability,
                demand_path=leaf.path or "central",
                states=tuple(data.tree.nodes[index].state for index in line),
                months=tuple(data.tree.nodes[index].date for index in line),
                series={name: tuple(float(f"{value:.7g}") for value in values) for name, values in series.items()},
                runs=_runs_done(reading, line),
                served_share=served / wanted if wanted > 0.0 else 1.0,
                bought=_by_chip(reading, reading.order[line], data.buy_lines),
                leased=_by_chip(reading, reading.sign[line], data.contract_lines),
                sold=_by_chip(reading, reading.sold[line], data.sale_lines),
                tokens_bought_usd=sum(series["tokens_bought_usd"]),
            )
        )
    return tuple(sorted(found, key=lambda branch: (-branch.probability, branch.id)))


def expected_bought(reading: PlanReading) -> float:
    """Chips bought over the horizon, in expectation."""
    weight = np.array([node.probability for node in reading.inputs.tree.nodes])
    return float((reading.order[:, reading.inputs.buy_lines] * weight[:, None]).sum())
