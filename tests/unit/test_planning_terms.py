"""Leases, sales, price paths, limits, aversion to risk and quarters: what they do to a plan."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chipwise.catalogue import Catalogue, load_catalogue
from chipwise.planning import plan
from chipwise.planning.grid import period_starts
from chipwise.planning.lines import PlanReading
from chipwise.planning.model import build_model
from chipwise.planning.model_risk import tail_mean
from chipwise.planning.pose import REVEAL_MONTHS, Posed, pose
from chipwise.planning.solve import solve_plan
from chipwise.planning.terms import annuity
from chipwise.planning.tree import build_tree
from chipwise.scenario import Scenario, load_scenario
from chipwise.scenario.objects import Gate, Limits, MarketLine, Risk
from tests.support.planning_case import number, random_inputs
from tests.support.scenarios import with_months
from tests.support.terms_case import enriched, lease_line, market_line, path

CATALOGUE = load_catalogue()


def _posed(scenario: Scenario) -> Posed:
    return pose(scenario, CATALOGUE, scenario.as_of, whole_servers=False)


def _with_lines(scenario: Scenario, *lines: MarketLine) -> Scenario:
    return dataclasses.replace(scenario, market=(*scenario.market, *lines))


@pytest.fixture(scope="module")
def short(startup: Scenario) -> Scenario:
    return with_months(startup, 8)


@given(price=st.floats(1.0, 1e5), rate=st.floats(0.0, 0.3), months=st.integers(1, 60), residual=st.floats(0.0, 0.9))
def test_payments_of_a_lease_are_worth_its_price_less_the_residual(
    price: float, rate: float, months: int, residual: float
) -> None:
    fee, monthly = annuity(price, rate, months, residual), 1.0 + rate / 12.0
    paid = sum(fee / monthly**month for month in range(1, months + 1))
    assert paid + residual * price / monthly**months == pytest.approx(price, rel=1e-9)


def test_a_price_about_to_rise_is_bought_earlier_than_one_about_to_fall() -> None:
    base = random_inputs(months=12, chips=2, splits=(), seed=1, scale=0.1, single=False)
    period = np.array([node.period for node in base.tree.nodes])
    early = {}
    for name, factor in (("rises", 3.0), ("falls", 0.3)):
        price = base.unit_price * np.where(period >= 6, factor, 1.0)[:, None]
        model = build_model(dataclasses.replace(base, unit_price=price))
        orders = solve_plan(model, whole_servers=False).values[model.blocks.order]
        early[name] = orders[period < 6].sum()
    assert early["rises"] > early["falls"] + 1.0


def test_prices_fall_and_rise_by_date_and_by_state(baidu: Scenario) -> None:
    scenario = with_months(baidu, 14)
    buy = next(line for line in scenario.market if line.item_id == "l20")
    state = sorted(scenario.outlook.states)[0]
    moved = dataclasses.replace(
        buy,
        price_path=path(scenario, [10_000.0, 4_000.0, 7_000.0], every=5),
        price_factor_in_states={state: number(2.0)},
    )
    scenario = dataclasses.replace(scenario, market=tuple(moved if line is buy else line for line in scenario.market))
    posed = _posed(scenario)
    column = next(k for k, line in enumerate(posed.inputs.lines) if line.id == buy.id)
    for node in posed.tree.nodes:
        price = [quantity.value for day, quantity in moved.price_path if day <= node.date][-1]
        expected = price / 1e6 * (2.0 if node.state == state else 1.0)
        assert posed.inputs.unit_price[node.index, column] == pytest.approx(expected)
    assert any(node.state == state for node in posed.tree.nodes)


def test_a_cheap_lease_is_signed_where_cash_is_short_and_its_fees_are_paid_in_each_month(short: Scenario) -> None:
    base = next(line for line in short.market if line.item_id == "ascend-910b")
    offered = dataclasses.replace(base, item_id="l20", chip_id="l20", port_cost_usd=None, lead_months=number(1, "lead"))
    lease = lease_line(offered, len(short.market), term=4, rate=0.0, residual=0.95, keep=False)
    posed = _posed(_with_lines(short, lease))
    column = len(posed.inputs.lines) - 1
    values, blocks = posed.solved.values, posed.model.blocks
    signed = values[blocks.sign[:, column]]
    assert signed.sum() > 1.0
    fee = posed.inputs.unit_price[0, column]
    assert np.allclose(values[blocks.due[:, column]], fee * values[blocks.active[:, column]], atol=1e-6)
    for leaf in posed.tree.leaves():
        line = posed.tree.ancestry(leaf.index)
        active = values[blocks.active[line, column]]
        recent = [sum(signed[line[max(0, k - 4) : k]]) for k in range(len(line))]
        assert np.allclose(active, recent, atol=1e-5)
    assert any(line.action == "lease" for line in _lines(posed))


def _lines(posed: Posed) -> list[object]:
    reading = PlanReading(posed.model, posed.solved, CATALOGUE)
    return [line for node in posed.tree.nodes for line in reading.market_lines(node)]


def test_chips_that_stand_idle_are_sold_and_no_more_than_there_are(short: Scenario) -> None:
    base = next(line for line in short.market if line.item_id == "ascend-910b")
    held = short.stock[0]
    sale = market_line(
        base,
        len(short.market),
        access="sell",
        item_id="l20",
        chip_id="l20",
        price_path=path(short, [9000.0], every=1),
        haircut=number(0.1, "haircut"),
        lead_months=number(1, "lag"),
        monthly_cap_chips=number(30.0, "cap"),
        port_cost_usd=None,
    )
    stocked = dataclasses.replace(held, chip_id="l20", chips=number(100.0, "chips"), bought=short.as_of)
    scenario = dataclasses.replace(_with_lines(short, sale), stock=(*short.stock, stocked))
    idle = dataclasses.replace(scenario, demand=dataclasses.replace(scenario.demand, paths=(), training=(), serving=()))
    posed = _posed(idle)
    sold = posed.solved.values[posed.model.blocks.sold_held].sum(axis=1)
    for leaf in posed.tree.leaves():
        line = posed.tree.ancestry(leaf.index)
        assert 0.0 < sold[line].sum() <= 100.0 + 1e-6
    money = [line for line in _lines(posed) if line.action == "sell"]  # type: ignore[attr-defined]
    assert money
    assert all(line.cost_usd == pytest.approx(-line.count * 8100.0, abs=0.51 * 8100.0) for line in money)  # type: ignore[attr-defined]
    assert posed.solved.objective < _posed(dataclasses.replace(idle, market=short.market)).solved.objective


def test_power_and_space_hold_and_less_of_them_is_never_better(short: Scenario) -> None:
    before = _posed(short).solved.objective
    for share in (0.5, 0.2):
        limits = Limits(power_w=path(short, [40e3 * share], every=1), servers=path(short, [12.0 * share], every=1))
        posed = _posed(dataclasses.replace(short, limits=limits))
        data, values, blocks = posed.inputs, posed.solved.values, posed.model.blocks
        for operation in posed.tree.operations:
            busy = values[blocks.serve[operation.index]].sum(axis=1)
            busy = busy + (values[blocks.train[operation.node]] + values[blocks.final[operation.node]]).sum(axis=1)
            assert (busy * np.nan_to_num(data.terms.power_w)).sum() <= 40e3 * share + 1e-3
            assert (busy * data.terms.chip_servers).sum() <= 12.0 * share + 1e-6
        assert posed.solved.objective >= before - 1e-9
        before = posed.solved.objective


def _tail(posed: Posed, alpha: float) -> float:
    chances = np.array([leaf.probability for leaf in posed.tree.leaves()])
    return tail_mean(posed.model.costs_of_futures(posed.solved.values), chances, alpha)


def test_aversion_to_risk_lowers_the_tail_and_costs_in_expectation(baidu: Scenario) -> None:
    scenario = with_months(baidu, 14)
    plain = _posed(scenario)
    averse = _posed(dataclasses.replace(scenario, risk=Risk(cvar_alpha=number(0.8), weight=number(1.0))))
    assert averse.solved.objective == pytest.approx(_tail(averse, 0.8), rel=1e-6)
    assert _tail(averse, 0.8) <= _tail(plain, 0.8) * (1.0 + 1e-9)
    assert _tail(averse, 0.0) >= _tail(plain, 0.0) * (1.0 - 1e-9)


def test_the_mean_of_all_futures_is_no_aversion(short: Scenario) -> None:
    neutral = _posed(dataclasses.replace(short, risk=Risk(cvar_alpha=number(0.0), weight=number(0.7))))
    assert neutral.solved.objective == pytest.approx(_posed(short).solved.objective, rel=1e-7)


def test_quarters_begin_after_a_year_and_are_cut_where_something_changes(baidu: Scenario) -> None:
    scenario = dataclasses.replace(baidu, horizon=dataclasses.replace(baidu.horizon, months=30, grid="quarters"))
    tree = build_tree(scenario, reveal_months=REVEAL_MONTHS)
    starts = period_starts(scenario, REVEAL_MONTHS)
    assert starts[:12] == tuple(range(12))
    assert sum(tree.lengths) == 30
    assert max(tree.lengths) == 3
    splits = {node.start for node in scenario.outlook.root.walk()}
    dates = {node.date for node in tree.nodes}
    assert all(day in dates for day in splits if scenario.as_of < day < max(dates))


def test_quarters_cost_nearly_what_months_cost_and_solve_a_smaller_problem(baidu: Scenario) -> None:
    found = {}
    for grid in ("months", "quarters"):
        scenario = dataclasses.replace(baidu, horizon=dataclasses.replace(baidu.horizon, grid=grid))
        found[grid] = _posed(scenario)
    months, quarters = found["months"], found["quarters"]
    assert len(quarters.tree.nodes) < 0.7 * len(months.tree.nodes)
    assert quarters.solved.objective == pytest.approx(months.solved.objective, rel=0.1)


def test_nothing_arrives_before_its_lead_time_on_any_grid(baidu: Scenario) -> None:
    scenario = dataclasses.replace(baidu, horizon=dataclasses.replace(baidu.horizon, months=30, grid="quarters"))
    posed = _posed(scenario)
    arrivals, tree = posed.model.arrivals, posed.tree
    for node, source, line, share, late in zip(
        arrivals.node, arrivals.source, arrivals.line, arrivals.share, arrivals.late, strict=True
    ):
        lead = posed.inputs.access.lead_months[line]
        end = tree.first_month[tree.nodes[node].period] + tree.lengths[tree.nodes[node].period]
        assert end > tree.first_month[tree.nodes[source].period] + lead
        assert 0.0 <= late < share <= 1.0 + 1e-12


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    gates=st.lists(st.sampled_from(["free", "barred", "licence"]), min_size=40, max_size=40),
)
def test_nothing_barred_is_ever_bought_leased_or_sold(seed: int, gates: list[str]) -> None:
    scenario = enriched(with_months(load_scenario("baidu-2023", catalogue=CATALOGUE), 13), seed, quarters=False)
    draw = iter(gates)
    states = {
        name: dataclasses.replace(
            state,
            gates={chip: Gate(kind=kind, probability=0.4) for chip in state.gates for kind in [next(draw, "barred")]},  # type: ignore[arg-type]
        )
        for name, state in scenario.outlook.states.items()
    }
    scenario = dataclasses.replace(scenario, outlook=dataclasses.replace(scenario.outlook, states=states))
    posed = _posed(scenario)
    data, values, blocks = posed.inputs, posed.solved.values, posed.model.blocks
    done = values[blocks.order] + values[blocks.sign] + values[blocks.sold_held] + values[blocks.sold_new].sum(axis=2)
    for node in posed.tree.nodes:
        for column, line in enumerate(data.lines):
            if line.access in ("rent", "api") or line.chip_id is None:
                continue
            if states[node.state].gates[line.chip_id].kind == "barred" or not (
                data.access.judged[column].usable or node.parent >= 0
            ):
                assert done[node.index, column] <= 1e-7


def test_terms_stand_in_plan_json(short: Scenario, catalogue: Catalogue) -> None:
    scenario = enriched(short, 3, quarters=False)
    found = plan(scenario, draws=1000, with_sensitivity=False, catalogue=catalogue).to_dict()
    assert found["plan"]["risk"]["weight"] > 0.0
    assert found["settings"]["grid"] == "months"
    assert any("weighs the mean of the worst" in sentence for sentence in found["plan"]["insights"])
    assert {line["action"] for line in (*found["plan"]["now"], *found["plan"]["periods"])} <= {
        "buy",
        "rent",
        "lease",
        "sell",
        "borrow",
        "repay",
        "assign",
        "port",
        "defer",
        "api",
    }
