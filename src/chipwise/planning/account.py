"""The plan told in rows and sentences: verdicts, yields, runs, money, assumptions and warnings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chipwise.catalogue import Catalogue
from chipwise.core.dates import add_months, month_start
from chipwise.core.errors import InfeasiblePlan
from chipwise.planning.availability import FREE_OUTCOMES, LineVerdict, buyer_headquarters
from chipwise.planning.inputs import MISSED_WORK_FACTOR, MONEY_UNIT_USD
from chipwise.planning.mend import missed_runs
from chipwise.planning.model_frame import KEEP_PEAK_FREE_KWH_PER_TFLOPS_MONTH
from chipwise.planning.model_risk import tail_mean
from chipwise.planning.pose import REVEAL_MONTHS, Posed
from chipwise.planning.solve import cost_parts, expected_cost, money_needed
from chipwise.planning.tree import PlanTree, tokens_per_day
from chipwise.planning.yield_answers import MET_SHARE
from chipwise.planning.yields import ChipYield, level_warnings
from chipwise.rules import check, load_rulebook
from chipwise.scenario.objects import Scenario

DEFAULT_TAIL = 0.9
"""Share of futures left out of the tail shown where the scenario names none."""


def scenario_row(scenario: Scenario) -> dict[str, Any]:
    """What plan.json says of the scenario itself."""
    return {
        "id": scenario.id,
        "as_of": scenario.as_of,
        "hash": scenario.sha256,
        "title": scenario.title,
        "question": scenario.question,
        "party": scenario.party.name,
        "headquarters": scenario.party.headquarters,
        "horizon_months": scenario.horizon.months,
        "accept_needs_counsel": scenario.accept_needs_counsel,
    }


def serving_capacity(posed: Posed) -> dict[str, float]:
    """Day-average tokens/s of one chip on the scenario's mix of workloads (harmonic over token shares)."""
    workloads = posed.inputs.scenario.demand.serving
    capacity = {}
    for chip_id, found in posed.yields.items():
        rates = [(entry.token_share.value, found.serving.get(entry.name)) for entry in workloads]
        if rates and all(estimate is not None for _, estimate in rates):
            capacity[chip_id] = 1.0 / sum(share / estimate.value for share, estimate in rates if estimate is not None)
    return capacity


def verdict_row(judged: LineVerdict, scenario: Scenario) -> dict[str, Any]:
    """One market line with its verdict."""
    row: dict[str, Any] = {
        "role": "market",
        "market": judged.line.id,
        "item": judged.line.item_id or judged.line.api_model,
        "chip": judged.line.chip_id,
        "access": judged.line.access,
        "to": judged.line.place,
        "hq": buyer_headquarters(scenario),
        "on": judged.on,
        "usable": judged.usable,
        "because": judged.because,
        "outcome": judged.outcome,
        "lead_months": None if judged.line.lead_months is None else judged.line.lead_months.value,
    }
    if judged.verdict is not None:
        row["verdict"] = judged.verdict.to_dict()
    return row


def stock_rows(scenario: Scenario, catalogue: Catalogue, known_on: dt.date) -> list[dict[str, Any]]:
    """What the law says of chips already held: of the day they were bought, where the scenario says when."""
    hq = buyer_headquarters(scenario)
    first_day = load_rulebook().coverage_from
    rows: list[dict[str, Any]] = []
    for item in scenario.stock:
        on = item.bought or scenario.as_of
        home_made = catalogue.chip(item.chip_id).vendor_country == hq
        route = "local_purchase" if home_made else ("export_from_us" if item.bought else "continued_use_no_shipment")
        when = f"as bought about {on.isoformat()}" if item.bought else "held; the day of purchase is not given"
        row = {
            "role": "stock",
            "item": item.chip_id,
            "chip": item.chip_id,
            "access": "held",
            "to": scenario.party.headquarters_country,
            "hq": hq,
            "on": on,
            "usable": True,
        }
        if on < first_day:
            because = f"{when}, before the rulebook begins on {first_day.isoformat()}"
            rows.append({**row, "because": because, "outcome": "not_judged"})
            continue
        verdict = check(
            item.chip_id,
            to=scenario.party.headquarters_country or hq,
            hq=hq,
            on=on,
            known_on=known_on,
            route=route,
            catalogue=catalogue,
        )
        rows.append({**row, "because": when, "outcome": verdict.outcome, "verdict": verdict.to_dict()})
    return rows


def users_rows(scenario: Scenario) -> list[dict[str, Any]]:
    """Daily active users behind the tokens of each path, on the day and at the horizon, as intervals.

    Users are tokens per day over tokens per active user and day; both are ranges, so the interval takes the low end of
    one with the high end of the other.
    """
    each = scenario.demand.tokens_per_active_user_per_day
    if each is None or each.low <= 0.0:
        return []
    rows = []
    for path in scenario.demand.paths:
        for label, day in (("day of the decision", scenario.as_of), ("horizon", horizon_end(scenario))):
            tokens = tokens_per_day(path, day)
            rows.append(
                {
                    "path": path.name,
                    "when": label,
                    "date": day,
                    "tokens_per_day": tokens,
                    "users": tokens / each.value,
                    "low": tokens / each.high,
                    "high": tokens / each.low,
                }
            )
    return rows


def users_sentence(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The central path's users in a sentence; none where the scenario does not say what a user takes."""
    central = [row for row in rows if row["path"] == "central"]
    if len(central) != 2:
        return ()
    first, last = central
    return (f"Demand on the central path stands for {_people(first)} on the day and {_people(last)} at the horizon.",)


def _people(row: Mapping[str, Any]) -> str:
    value, low, high = (row[name] / 1e6 for name in ("users", "low", "high"))
    return f"{value:,.3g} m daily users ({low:,.3g} to {high:,.3g})"


def horizon_end(scenario: Scenario) -> dt.date:
    """First day of the last month planned."""
    return add_months(month_start(scenario.as_of), scenario.horizon.months - 1)


def held_in_doubt(stock: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """One sentence on held chips whose purchase the law does not clear on what the scenario says; none when all are."""
    doubtful = [row["chip"] for row in stock if row["outcome"] not in (*FREE_OUTCOMES, "not_judged")]
    if not doubtful:
        return ()
    return (
        f"Held chips whose purchase the law does not clear on what the scenario says ({', '.join(doubtful)}): the plan "
        "uses them as held; keep the papers of their purchase, and ask counsel.",
    )


def yield_rows(yields: Mapping[str, ChipYield]) -> list[dict[str, Any]]:
    """Every yield with its interval, and what is undetermined and why."""
    rows: list[dict[str, Any]] = []
    for chip_id in sorted(yields):
        found = yields[chip_id]
        for workload, estimate in (
            *((f"train: {job}", entry) for job, entry in sorted(found.training.items())),
            *sorted(found.serving.items()),
        ):
            rows.append({"chip": chip_id, "workload": workload, "status": "ok", **estimate.to_dict()})
        for workload, reason in sorted(found.missing.items()):
            rows.append({"chip": chip_id, "workload": workload, "status": "undetermined", "reason": reason})
    return rows


def work_rows(posed: Posed) -> list[dict[str, Any]]:
    """Every run: its window, its compute, its cluster, the share done in expectation."""
    missed = missed_runs(posed.model, posed.solved)
    rows: list[dict[str, Any]] = []
    for number, run in enumerate(posed.runs):
        cluster = posed.solved.cluster_of[number]
        rows.append(
            {
                "run": run.name,
                "flop_final": run.flop,
                "flop_with_research": run.total_flop,
                "first_month": posed.tree.nodes[0].date if run.first == 0 else month_of(posed.tree, run.first),
                "last_month": month_of(posed.tree, run.last),
                "cluster": posed.inputs.chips[cluster] if cluster >= 0 else None,
                "expected_share_done": 1.0 - missed.get(number, 0.0),
            }
        )
    return rows


def month_of(tree: PlanTree, period: int) -> dt.date:
    """First day of a period."""
    return next(node.date for node in tree.nodes if node.period == period)


def finance_rows(posed: Posed, scenario: Scenario) -> dict[str, Any]:
    """Money over the horizon, expected and discounted where it says so."""
    parts = {name: value * MONEY_UNIT_USD for name, value in cost_parts(posed.model, posed.solved).items()}
    cash = scenario.finance.cash_usd
    return {
        "currency": scenario.currency.unit,
        "per_usd": scenario.currency.per_usd.value,
        "cash_usd": None if cash is None else cash.value,
        "discount_rate_per_year": scenario.finance.discount_rate_per_year.value,
        "objective_parts_usd": parts,
        "expected_cost_usd": expected_cost(parts),
        "lowest_cash_usd": float(posed.solved.values[posed.model.blocks.cash].min()) * MONEY_UNIT_USD
        if cash is not None
        else None,
        "highest_debt_usd": float(posed.solved.values[posed.model.blocks.owed].sum(axis=1).max(initial=0.0))
        * MONEY_UNIT_USD,
    }


def warnings(scenario: Scenario, posed: Posed, left_out: list[str]) -> list[str]:
    """What a reader must know before acting, once each."""
    found = list(scenario.warnings) + left_out
    share = scenario.demand.final_run_share
    if share is None:
        found.append(
            "the scenario does not say what share of research compute final runs take; only final runs are counted"
        )
    elif share.ex_post:
        found.append(
            f"final runs' share of research compute ({share.value:.0%}) rests on evidence published after "
            f"{scenario.as_of.isoformat()}; it is used as an assumption with its range"
        )
    for judged in posed.access.judged:
        if judged.opted_in:
            found.append(
                f"{judged.line.item_id}: {judged.outcome} on the US side; used because the scenario accepts it: "
                f"{scenario.accept_needs_counsel}"
            )
        elif not judged.usable:
            found.append(
                f"{judged.line.id} ({judged.line.item_id}, {judged.line.access}) is not used: {judged.because}"
            )
        if judged.verdict is not None and judged.verdict.recheck_required:
            found.append(f"{judged.line.item_id}: the law was last checked before {judged.on.isoformat()}; recheck")
    for chip_id, entry in sorted(posed.yields.items()):
        for workload, reason in sorted(entry.missing.items()):
            found.append(f"{chip_id} is not used for {workload}: {reason}")
    found.extend(level_warnings(scenario, posed.yields))
    if scenario.finance.cash_usd is None:
        found.append("the scenario gives no cash; money is not a limit in this plan")
    return list(dict.fromkeys(found))


def assumptions(scenario: Scenario) -> tuple[str, ...]:
    """What the plan assumes by its own construction."""
    return (
        f"Which path demand follows is seen after {REVEAL_MONTHS} months; until then decisions are common to all.",
        f"Missed work is valued at {MISSED_WORK_FACTOR:g} times the dearest lawful chip bought for that month alone, "
        "so needs come before cost.",
        f"A chip serves what a simulated replica carries at the peak with {MET_SHARE:.0%} of the requests within both "
        "targets, on lengths and bursts of Azure conversations of November 2023, times mean over peak load of the day; "
        "hits in a prefix cache are not counted.",
        f"A chip in use is charged {KEEP_PEAK_FREE_KWH_PER_TFLOPS_MONTH:g} kWh per TFLOP/s and month as a preference, "
        "not a payment: of equal plans the one that leaves more peak free wins.",
        "Chips are paid on delivery; what a rule bars on the day of delivery is neither delivered nor paid.",
        "Training may take its share of the fleet held on the day of the decision, and all of what is bought or "
        "rented; what training leaves is free for serving.",
        "A final run uses one cluster of one chip type that has a scale-up fabric; the research around it may use any "
        "such chip, and cards without a fabric only where 16 bytes per parameter fit in one server of them.",
        "Principal of loans moves cash, not the objective; the plan borrows only where cash binds.",
        f"The plan uses law and offers known on the day of the decision ({scenario.as_of.isoformat()}) unless "
        "--known-on says otherwise; numbers whose evidence came later are used as assumptions and marked.",
    )


def refuse_without_money(posed: Posed, scenario: Scenario) -> None:
    """Raise `InfeasiblePlan` when the party runs out of cash, with the smallest sum that mends it."""
    needed = money_needed(posed.model, posed.solved)
    if not needed:
        return
    node, amount = max(needed, key=lambda entry: (entry[1], -entry[0]))
    first = posed.tree.nodes[min(entry[0] for entry in needed)]
    burn = scenario.finance.burn_usd_per_month
    total = max(
        sum(posed.solved.values[posed.model.blocks.gap][index] for index in posed.tree.ancestry(leaf.index))
        for leaf in posed.tree.leaves()
    )
    against = "" if burn is None else f" against running costs of USD {burn.value:,.0f} a month"
    raise InfeasiblePlan(
        f"cash runs out in {first.date:%Y-%m} on branch {first.branch} with all spending that can wait left out; "
        f"binding limits: cash and loans{against}; "
        f"smallest change that mends it: USD {total:,.2f} m more cash over the horizon "
        f"(largest gap USD {amount:,.2f} m in {posed.tree.nodes[node].date:%Y-%m})",
        place=f"scenario {scenario.id}",
    )


def rolling_rows(whole: Posed, rolled: Posed, window_months: int) -> dict[str, Any]:
    """A rolled plan against the one over the whole tree, future by future; empty for a plan over the tree."""
    if whole is rolled:
        return {}
    before, after = (entry.model.costs_of_futures(entry.solved.values) * MONEY_UNIT_USD for entry in (whole, rolled))
    leaves = whole.tree.leaves()
    chances = np.array([leaf.probability for leaf in leaves])
    return {
        "window_months": window_months,
        "objective_tree": whole.solved.objective * MONEY_UNIT_USD,
        "objective_rolling": rolled.solved.objective * MONEY_UNIT_USD,
        "expected_regret": float((chances * (after - before)).sum()),
        "cash_runs_out": bool(money_needed(rolled.model, rolled.solved)),
        "futures": [
            {
                "branch": leaf.branch,
                "probability": leaf.probability,
                "cost_tree": float(a),
                "cost_rolling": float(b),
                "regret": float(b - a),
            }
            for leaf, a, b in zip(leaves, before, after, strict=True)
        ],
    }


def regret_sentence(whole: Posed, rolled: Posed, window_months: int) -> tuple[str, ...]:
    """What planning month by month costs against planning over every future at once; none for a plan over the tree."""
    rows = rolling_rows(whole, rolled, window_months)
    if not rows:
        return ()
    worst = max(rows["futures"], key=lambda row: row["regret"])
    text = (
        f"Planned anew each period with {window_months} months seen ahead, the firm expects to pay USD "
        f"{rows['expected_regret'] / MONEY_UNIT_USD:,.1f} m more than with the plan over all futures, the stated value "
        f"of missed work included; most on {worst['branch']} (USD {worst['regret'] / MONEY_UNIT_USD:,.1f} m)."
    )
    broke = (
        " On some branch it runs out of money, which the plan over all futures avoids." if rows["cash_runs_out"] else ""
    )
    return (text + broke,)


def risk_rows(posed: Posed) -> dict[str, Any]:
    """Spread of the cost over futures, and the aversion to bad ones in the objective; USD, discounted."""
    terms = posed.inputs.terms
    costs = posed.model.costs_of_futures(posed.solved.values) * MONEY_UNIT_USD
    chances = np.array([leaf.probability for leaf in posed.tree.leaves()])
    alpha = terms.risk_alpha if terms.risk_weight > 0.0 else DEFAULT_TAIL
    return {
        "cvar_alpha": alpha,
        "weight": terms.risk_weight,
        "expected_cost": float((costs * chances).sum()),
        "cvar": tail_mean(costs, chances, alpha),
        "lowest": float(costs.min()),
        "highest": float(costs.max()),
    }


def risk_sentence(posed: Posed) -> tuple[str, ...]:
    """What the aversion to bad futures makes of the cost; none where the expected cost alone counts."""
    rows = risk_rows(posed)
    if rows["weight"] <= 0.0:
        return ()
    return (
        f"The plan weighs the mean of the worst {1.0 - rows['cvar_alpha']:.0%} of futures at {rows['weight']:.0%}: "
        f"they cost USD {rows['cvar'] / MONEY_UNIT_USD:,.1f} m on average, all futures USD "
        f"{rows['expected_cost'] / MONEY_UNIT_USD:,.1f} m, the stated value of missed work included.",
    )
