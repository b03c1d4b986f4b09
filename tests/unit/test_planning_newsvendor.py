"""Stock-building before a ban: the optimiser against the closed form of the one-chip, two-period case.

With unit price c now and c2 later, a ban with probability p, value v of a missing unit when banned and resale s of a
surplus unit, the best stock Q satisfies F(Q) = (p v + (1-p) c2 - c) / (p v + (1-p) c2 - s) for demand with
distribution F (planning facts, anchors.md section 3; Arrow, Harris and Marschak 1951). Resale of a surplus unit is the
same, up to a constant, as crediting every unit with s and lowering v and c2 by s, which is how it is put here.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from chipwise.planning.availability import Access
from chipwise.planning.inputs import PlanInputs
from chipwise.planning.model import build_model
from chipwise.planning.solve import solve_plan
from chipwise.planning.terms import plain_terms
from chipwise.planning.tree import DecisionNode, Operation, PlanTree
from tests.support.planning_case import START, _month, bare_scenario, line

CHIPS = 1


def newsvendor(c: float, c2: float, v: float, s: float, p: float, demand: np.ndarray) -> PlanInputs:
    """One chip, now and later; half the leaves barred; `demand` equiprobable on either side."""
    nodes = [_node(0, -1, 0, 1.0, "open")]
    wanted = [0.0]
    for state, chance in (("ban", p), ("open", 1.0 - p)):
        for amount in demand:
            nodes.append(_node(len(nodes), 0, 1, chance / demand.size, state))
            wanted.append(float(amount))
    tree = PlanTree(
        nodes=tuple(nodes),
        operations=tuple(Operation(index=node.index, node=node.index, path="only", share=1.0) for node in nodes),
        periods=2,
        reveal_period=1,
    )
    lines = (line("now", c, cap=1e6, place=0), line("later", c2, cap=1e6, place=1))
    share = np.array([[float(node.period == 0), float(node.period == 1 and node.state == "open")] for node in nodes])
    return PlanInputs(
        scenario=bare_scenario(2),
        tree=tree,
        chips=("chip",),
        lines=lines,
        access=Access(lines=lines, order_share=share, delivery_share=share, lead_months=(0, 0), judged=()),
        runs=(),
        workloads=("use",),
        held=np.zeros((2, CHIPS)),
        survival_per_month=1.0,
        peak=np.zeros(CHIPS),
        train_rate=np.zeros((CHIPS, 0)),
        serve_rate=np.ones((CHIPS, 1)),
        demand=np.array(wanted)[:, None],
        power_cost=np.zeros(CHIPS),
        unit_price=np.tile([c - s, c2 - s], (len(nodes), 1)),
        api_price=np.zeros((len(nodes), 2)),
        order_cap=share * 1e6,
        line_chip=(0, 0),
        server_chips=(1, 1),
        training_share=0.0,
        cluster_chips=None,
        missed_token_cost=np.array([v - s]),
        missed_flop_cost=np.zeros(0),
        discount=np.ones(2),
        burn_usd_m=np.zeros(len(nodes)),
        raised_usd_m=np.zeros(len(nodes)),
        span_months=np.ones(2),
        clusters=np.ones(CHIPS, bool),
        trains=np.zeros((CHIPS, 0), bool),
        yields={},
        terms=plain_terms(len(nodes), 2, CHIPS, 2),
    )


def _node(index: int, parent: int, period: int, probability: float, state: str) -> DecisionNode:
    assert _month(0) == START
    return DecisionNode(
        index=index,
        parent=parent,
        period=period,
        date=_month(period),
        rule_node=f"n{index}",
        state=state,
        path="only",
        probability=probability,
    )


def stock(inputs: PlanInputs) -> float:
    """Chips ordered on the day of the decision."""
    model = build_model(inputs)
    return float(solve_plan(model, whole_servers=False).values[model.blocks.order[0, 0]])


def fractile(c: float, c2: float, v: float, s: float, p: float) -> float:
    return (p * v + (1.0 - p) * c2 - c) / (p * v + (1.0 - p) * c2 - s)


@pytest.mark.parametrize("seed", range(200))
def test_stock_is_the_order_statistic_of_the_fractile(seed: int) -> None:
    rng = np.random.default_rng(seed)
    c = rng.uniform(5.0, 15.0)
    c2 = c * rng.uniform(0.8, 1.6)
    v = c2 * rng.uniform(1.5, 6.0)
    s = min(c, c2) * rng.uniform(0.0, 0.9)
    p = rng.uniform(0.02, 0.98)
    demand = np.sort(rng.uniform(10.0, 1000.0, int(rng.integers(5, 30))))
    share = fractile(c, c2, v, s, p)
    rank = math.ceil(demand.size * share)
    if abs(demand.size * share - round(demand.size * share)) < 1e-6:
        pytest.fail("a draw on the edge between two ranks; choose another seed range")
    expected = 0.0 if rank <= 0 else demand[min(rank, demand.size) - 1]
    assert stock(newsvendor(c, c2, v, s, p, demand)) == pytest.approx(expected, rel=1e-7, abs=1e-7)


def test_no_ban_and_no_dearer_later_price_gives_no_stock() -> None:
    demand = np.array([100.0, 200.0, 300.0])
    assert stock(newsvendor(10.0, 10.0, 40.0, 6.0, 0.0, demand)) == 0.0
    assert stock(newsvendor(10.0, 9.0, 40.0, 6.0, 0.0, demand)) == 0.0


def test_the_example_of_the_anchors() -> None:
    assert fractile(10.0, 10.0, 40.0, 6.0, 0.3) == pytest.approx(9.0 / 13.0)


@pytest.mark.parametrize("seed", range(20))
def test_break_even_probability_matches_the_closed_form(seed: int) -> None:
    """Stock-building begins where p v + (1-p) c2 = c: bisected on the optimiser, to 1e-6."""
    rng = np.random.default_rng(1000 + seed)
    c = rng.uniform(8.0, 12.0)
    c2 = c * rng.uniform(0.5, 0.95)
    v = c * rng.uniform(1.5, 5.0)
    s = c2 * rng.uniform(0.0, 0.8)
    demand = rng.uniform(50.0, 500.0, 3)
    low, high = 0.0, 1.0
    while high - low > 1e-7:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if stock(newsvendor(c, c2, v, s, middle, demand)) > 0.0 else (middle, high)
    assert 0.5 * (low + high) == pytest.approx((c - c2) / (v - c2), abs=1e-6)


def test_certain_ban_is_the_classical_newsvendor() -> None:
    demand = np.arange(1.0, 21.0)
    share = fractile(10.0, 12.0, 30.0, 5.0, 1.0)
    assert share == pytest.approx((30.0 - 10.0) / (30.0 - 5.0))
    assert stock(newsvendor(10.0, 12.0, 30.0, 5.0, 1.0, demand)) == demand[math.ceil(20 * share) - 1]
