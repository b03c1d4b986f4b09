"""A small plan with every kind of line, made by hand, for the tests of report and run store."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from typing import Any

from chipwise.core.fact import Fact
from chipwise.planning.result import Branch, Mend, Plan, PlanLine, Sensitivity

DAY = dt.date(2023, 11, 21)
MONTHS = (DAY, *(dt.date(2023 + (11 + k) // 12, (11 + k) % 12 + 1, 1) for k in range(5)))
COUNSEL_REASON = "home-made chips were ordered openly before the day of the decision"


def line(action: str, **more: Any) -> PlanLine:
    base: dict[str, Any] = {"action": action, "when": DAY, "to": "CN", "hq": "CN", "outcome": "NLR"}
    return PlanLine(**{**base, **more})


def sense(years: float, low: float, high: float) -> dict[str, Any]:
    return {
        "years": years,
        "low": low,
        "high": high,
        "p10": low,
        "median": years,
        "p90": high,
        "probability_at_least_one_year": 0.7,
        "probability_zero": 0.02,
        "ends_on": None if math.isinf(years) else dt.date(2025, 5, 27),
        "drivers": [{"input": "growth", "label": "growth of compute wanted", "rank_correlation": -0.59}],
        "variants": [{"name": "by serving yield", "years": 2.4, "low": 1.3, "high": 3.4, "note": "other capacity"}],
        "inputs": ["scenario/case#fleet_use.mfu"],
    }


def now_lines() -> tuple[PlanLine, ...]:
    return (
        line(
            "buy",
            chip="ascend-910b",
            system="atlas-8",
            count=800,
            cost_usd=31.2e6,
            outcome="needs_counsel",
            market="market[0]",
            arrives=dt.date(2024, 2, 21),
            note=f"left to counsel; accepted by the scenario: {COUNSEL_REASON}",
        ),
        line("buy", chip="l20", count=2000, cost_usd=1e7, market="market[1]", arrives=dt.date(2024, 2, 21)),
        line("rent", chip="h800-sxm", count=64, cost_usd=117e3, outcome="exception_no_notification"),
        line("port", chip="ascend-910b", cost_usd=4e5, outcome="", note="port the stack"),
        line("borrow", cost_usd=2.5e6, outcome="", note="house bank"),
        line("api", count=1.5, cost_usd=4000.0, workload="qwen-14b", outcome="not_applicable"),
        line("assign", chip="a100-80-sxm", count=4200, workload="ERNIE-next: research", outcome=""),
        line("assign", chip="a100-80-sxm", count=315, workload="serve: small models", outcome=""),
        line("defer", workload="ERNIE-5-class", note="40% of its compute is not there by the deadline", outcome=""),
    )


def later_lines() -> tuple[PlanLine, ...]:
    later = [
        line("buy", chip="l20", count=500, cost_usd=2.5e6, when=MONTHS[k], branch="r", arrives=MONTHS[5])
        for k in (1, 2, 3)
    ]
    licensed = line(
        "buy",
        chip="h20-96",
        count=160,
        cost_usd=3.4e6,
        when=MONTHS[4],
        branch="r.0/high",
        probability=0.3,
        outcome="licence_required",
        licence_probability=0.05,
    )
    return (*later, licensed)


def branch(name: str, probability: float, state: str, path: str) -> Branch:
    n = len(MONTHS)
    stock = {"a100-80-sxm": 10_000.0, "ascend-910b": 800.0, "l20": 2000.0}
    series: dict[str, tuple[float, ...]] = {f"stock:{chip}": (count,) * n for chip, count in stock.items()}
    series["training:a100-80-sxm"] = tuple(4200.0 - 100 * k for k in range(n))
    series["serving:l20"] = tuple(300.0 * k for k in range(n))
    series["tokens_wanted_per_day"] = tuple(8e10 * 1.2**k for k in range(n))
    series["tokens_served_per_day"] = tuple(min(8e10 * 1.2**k, 1.4e11) for k in range(n))
    series["tokens_bought_per_day"] = (0.0, 0.0, 0.0, 0.0, 5e9, 6e9)
    series["cash_usd"] = tuple(5e8 - 1e7 * k for k in range(n))
    series["owed_usd"] = (2.5e6,) * n
    series["spent_usd"] = (0.0, 0.0, 0.0, 3.1e7, 1e7, 0.0)
    return Branch(
        id=name,
        probability=probability,
        demand_path=path,
        states=("closed",) * 4 + (state,) * 2,
        months=MONTHS,
        series=series,
        runs={"ERNIE-next": 1.0, "ERNIE-5-class": 0.6},
        served_share=0.93,
        bought={"ascend-910b": 800.0, "l20": 3500.0},
    )


def facts() -> tuple[Fact, ...]:
    return (
        Fact(id="chips/h20-96#mem_bytes_per_s", value=4e12, unit="byte/s", source="vendor", status="official"),
        Fact(id="chips/ascend-910b#tpp", value=5120.0, unit="TPP", source="computed", low=4480.0, high=6400.0),
        Fact(id="scenario/case#fleet_use.mfu", value=0.38, unit="", source="assumed", low=0.3, high=0.47),
        Fact(id="scenario/case#fleet-use.mfu", value="text", unit="", source="same slug", as_of="2023-11"),
        Fact(id="scenario/case#market[0].price", value=39_000.0, unit="USD", source="press", checked_on=DAY),
        Fact(id="scenario/case#nothing", value=None, unit="W", source="not published", note="look again"),
    )


def verdicts() -> tuple[dict[str, Any], ...]:
    verdict = {
        "classification": "3a090_a",
        "licence_required": "undetermined",
        "outcome": "needs_counsel",
        "review_policy": "not_applicable",
        "exception": None,
        "open_question": "foreign_made",
        "steps": [
            {
                "layer": "classification",
                "finding": "3a090_a",
                "reason": "Compute is above the line.",
                "citation": "88 FR 73458",
                "effective_from": "2023-11-17",
                "effective_until": None,
                "rule_id": "class_a",
            },
            {
                "layer": "exception",
                "finding": "needs_counsel",
                "reason": "A person must decide where it was made.",
                "citation": "",
                "effective_from": None,
                "effective_until": None,
                "rule_id": "",
            },
        ],
        "margins": [
            {
                "line": "class_a.a_tpp",
                "measure": "tpp",
                "unit": "TPP",
                "threshold": 4800.0,
                "low": 4480.0,
                "high": 6400.0,
                "relative_low": -0.067,
                "relative_high": 0.33,
                "near": True,
                "straddles": True,
                "citation": "ECCN 3A090.a",
            }
        ],
        "flips": [{"kind": "fact", "what": "if it were below the line", "outcome": "NLR", "licence_required": "no"}],
        "citations": ["88 FR 73458"],
        "party_screening": "not_performed",
        "china_gate": {"applies": True, "status": "none_reported", "items": [], "note": "press only"},
        "recheck_required": False,
        "rulebook": "shipped",
    }
    common = {"to": "CN", "hq": "CN", "on": DAY}
    return (
        {**common, "role": "market", "market": "market[0]", "item": "ascend-910b", "chip": "ascend-910b",
         "access": "buy", "usable": True, "because": "left to counsel", "outcome": "needs_counsel", "verdict": verdict},
        {**common, "role": "market", "market": "market[1]", "item": "qwen-14b", "chip": None, "access": "api",
         "usable": True, "because": "tokens bought from a provider", "outcome": "not_applicable"},
        {**common, "role": "market", "market": "market[2]", "item": "hgx-h800", "chip": "h800-sxm", "access": "buy",
         "usable": False, "because": "licence_required", "outcome": "licence_required",
         "verdict": {**verdict, "outcome": "licence_required", "review_policy": "presumption_of_denial"}},
        {**common, "role": "stock", "item": "a100-80-sxm", "chip": "a100-80-sxm", "access": "held", "usable": True,
         "because": "as bought about 2022-06-30", "outcome": "NLR", "verdict": {**verdict, "outcome": "NLR"}},
    )  # fmt: skip


def yields() -> tuple[dict[str, Any], ...]:
    return (
        {"chip": "a100-80-sxm", "workload": "training", "status": "ok", "value": 1.2e14, "low": 3e13, "high": 3e14,
         "unit": "FLOP/s", "method": "peak x MFU", "evidence": "data sheet only", "breakdown": {"mfu": 0.38},
         "facts": ["scenario/case#fleet_use.mfu", "not/in#plan"]},
        {"chip": "l20", "workload": "flagship", "status": "undetermined", "reason": "weights do not fit"},
    )  # fmt: skip


def sensitivity() -> tuple[Sensitivity, ...]:
    return tuple(
        Sensitivity(
            quantity="scenario/case#fleet_use.mfu",
            label="MFU",
            unit="",
            central=0.38,
            value=value,
            chips_bought_now=bought,
            chips_bought_expected=bought + 1500.0,
            cost_usd=4e7,
            missed_share=0.1,
            objective_usd=1e9,
        )
        for value, bought in ((0.3, 3500.0), (0.47, 2000.0))
    )


def sample_plan() -> Plan:
    """A plan with two futures, both kinds of missed work, and one line that needs counsel."""
    return Plan(
        scenario={
            "id": "case",
            "as_of": DAY,
            "hash": "ab" * 32,
            "title": "case as of 2023-11-21",
            "question": "What now?",
            "party": "Case Lab",
            "headquarters": "Beijing, CN",
            "horizon_months": 6,
            "accept_needs_counsel": COUNSEL_REASON,
        },
        data_snapshot="0123456789abcdef",
        version="0.1.0",
        known_on=DAY,
        verdicts=verdicts(),
        yields=yields(),
        runway={
            "scenario": "case",
            "as_of": DAY,
            "draws": 200_000,
            "seed": 0,
            "programme": sense(0.54, 0.0, 3.0),
            "flagship": sense(1.514, 0.11, 5.9),
            "squeeze": {"years": None, "undetermined": "no tokens are stated"},
            "wear": sense(math.inf, 4.0, math.inf),
            "binding": "programme",
            "binding_shares": {"programme": 0.8, "flagship": 0.2},
            "sensitive": [
                {"sense": "programme", "inputs": ["flagship size"], "shortest_years": 0.0, "longest_years": 1.5}
            ],
            "warnings": ["largest cluster not stated"],
        },
        status="work deferred",
        objective_usd=1.02e9,
        bound_usd=1.01e9,
        gap=0.0099,
        now=now_lines(),
        periods=later_lines(),
        branches=(branch("r.0/high", 0.6, "open", "high"), branch("r.1/low", 0.4, "shut", "low")),
        work=(
            {
                "run": "ERNIE-next",
                "flop_final": 1e25,
                "flop_with_research": 4e25,
                "first_month": DAY,
                "last_month": dt.date(2024, 6, 1),
                "cluster": "h800-sxm",
                "expected_share_done": 1.0,
            },
            {
                "run": "ERNIE-5-class",
                "flop_final": 3e25,
                "flop_with_research": 1.2e26,
                "first_month": DAY,
                "last_month": dt.date(2025, 6, 1),
                "cluster": None,
                "expected_share_done": 0.6,
            },
        ),
        mends=(
            Mend(
                missed="ERNIE-5-class",
                change="later deadline",
                amount=3.0,
                unit="months",
                sentence="move the deadline by 3 months",
            ),
        ),
        binding_limits=("monthly cap of l20",),
        finance={
            "currency": "RMB",
            "per_usd": 7.2,
            "cash_usd": 5e8,
            "discount_rate_per_year": 0.09,
            "objective_parts_usd": {"power": 4e7, "missed_work_valued": 9e8},
            "expected_cost_usd": 4e7,
            "lowest_cash_usd": 4.5e8,
            "highest_debt_usd": 2.5e6,
        },
        sensitivity=sensitivity(),
        facts=facts(),
        insights=("Today's purchase is needed whichever path demand follows.",),
        warnings=("market[2] (hgx-h800, buy) is not used: licence_required", "cash is tight"),
        assumptions=("Chips are paid on delivery.",),
        settings={"seed": 0, "draws": 200_000, "reveal_months": 6, "expected_tokens_missed": 0.07},
    )


def empty_plan() -> Plan:
    """The same buyer without stock, offers, futures or facts, for whom no plan meets the limits."""
    nothing = {"years": None, "undetermined": "no chips are held"}
    return dataclasses.replace(
        sample_plan(),
        verdicts=(),
        yields=(),
        runway={"draws": 1000, "seed": 0, **dict.fromkeys(("programme", "flagship", "squeeze", "wear"), nothing),
                "binding": None},
        status="infeasible",
        now=(),
        periods=(),
        branches=(),
        work=(),
        mends=(),
        binding_limits=("cash",),
        finance={},
        sensitivity=(),
        facts=(),
        warnings=(),
        assumptions=(),
        settings={},
    )  # fmt: skip
