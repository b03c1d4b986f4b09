"""The planner on shipped scenarios cut short: law, whole servers, cash, stock, work."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pytest

from chipwise.catalogue import Catalogue
from chipwise.core.errors import InfeasiblePlan
from chipwise.planning import plan
from chipwise.planning.lines import PlanReading
from chipwise.planning.mend import conflict, mends, missed_runs
from chipwise.planning.model import build_model
from chipwise.planning.pose import Posed, pose
from chipwise.planning.rounding import round_orders
from chipwise.planning.solve import solve_plan
from chipwise.rules import check
from chipwise.scenario import Scenario
from tests.support.scenarios import with_cash, with_months


@pytest.fixture(scope="module")
def posed(baidu: Scenario, catalogue: Catalogue) -> Posed:
    return pose(baidu, catalogue, baidu.as_of, whole_servers=True)


def test_the_gap_is_small_and_the_bound_below(posed: Posed) -> None:
    assert posed.solved.bound <= posed.solved.objective
    assert posed.solved.gap < 0.01


def test_orders_are_whole_servers_within_each_cap(posed: Posed, catalogue: Catalogue) -> None:
    order = PlanReading(posed.model, posed.solved, catalogue).order
    unit = np.array(posed.inputs.server_chips)
    assert order.sum() > 0.0
    for column in posed.inputs.buy_lines:
        servers = order[:, column] / unit[column]
        assert np.allclose(servers, np.round(servers), atol=1e-6)
        assert (order[:, column] <= posed.inputs.order_cap[:, column] + 1e-6).all()


def test_rounding_is_cumulative_along_each_branch(posed: Posed) -> None:
    rng = np.random.default_rng(1)
    wanted = rng.random((len(posed.tree.nodes), len(posed.inputs.lines))) * posed.inputs.order_cap
    rounded = round_orders(posed.model, wanted, up=True)
    for leaf in posed.tree.leaves():
        line = posed.tree.ancestry(leaf.index)
        total, target = rounded[line].sum(axis=0), wanted[line].sum(axis=0)
        assert (total <= target + np.array(posed.inputs.server_chips)).all()


def test_no_chip_does_two_things_at_once_and_none_is_negative(posed: Posed, catalogue: Catalogue) -> None:
    reading = PlanReading(posed.model, posed.solved, catalogue)
    data = posed.inputs
    for operation in posed.tree.operations:
        node = posed.tree.nodes[operation.node]
        busy = reading.serve[operation.index].sum(axis=1)
        busy = busy + reading.train[node.index].sum(axis=1) + reading.final[node.index].sum(axis=1)
        stock = data.held[node.period] + reading.new[node.index]
        assert (busy <= stock + 1e-4).all()
        assert (busy >= -1e-6).all()


def test_tokens_are_served_bought_or_missed(posed: Posed, catalogue: Catalogue) -> None:
    reading = PlanReading(posed.model, posed.solved, catalogue)
    data = posed.inputs
    served = np.einsum("ocw,cw->ow", reading.serve, data.serve_rate)
    total = served + reading.unserved + reading.api.sum(axis=1)
    assert np.allclose(total, data.demand, rtol=1e-6, atol=1e-6)


def test_cash_adds_up_month_by_month(startup: Scenario, catalogue: Catalogue) -> None:
    posed = pose(startup, catalogue, startup.as_of, whole_servers=True)
    reading = PlanReading(posed.model, posed.solved, catalogue)
    data = posed.inputs
    assert startup.finance.cash_usd is not None
    assert startup.finance.burn_usd_per_month is not None
    paid = np.zeros(len(posed.tree.nodes))
    arrivals = posed.model.arrivals
    ordered = reading.order[arrivals.source, arrivals.line]
    np.add.at(paid, arrivals.node, arrivals.share * ordered * data.unit_price[arrivals.source, arrivals.line])
    rates = [loan.rate_per_year.value / 12.0 for loan in startup.finance.loans]
    for node in posed.tree.nodes:
        before = startup.finance.cash_usd.value / 1e6 if node.parent < 0 else reading.cash[node.parent]
        running = sum(
            share
            * float(
                (reading.serve[op].sum(axis=1) * data.power_cost).sum()
                + (reading.api[op].sum(axis=1) * data.api_price[node.index]).sum()
            )
            for op, share in reading.operations_of(node.index)
        )
        running += float(((reading.train[node.index] + reading.final[node.index]).sum(axis=1) * data.power_cost).sum())
        running += float((reading.rent[node.index] * data.unit_price[node.index]).sum())
        part = data.span_months[node.period]
        flow = (
            reading.draw[node.index].sum()
            - reading.repay[node.index].sum()
            - float(np.dot(rates, reading.owed[node.index]))
            - paid[node.index]
            - part * (running + startup.finance.burn_usd_per_month.value / 1e6)
        )
        assert reading.cash[node.index] == pytest.approx(before + flow, abs=1e-5)
        assert reading.cash[node.index] >= -1e-7


def test_every_purchase_of_now_passes_the_law_when_asked_again(baidu: Scenario, catalogue: Catalogue) -> None:
    found = plan(baidu, draws=1000, with_sensitivity=False, catalogue=catalogue)
    bought = [line for line in found.now if line.action in ("buy", "rent", "lease")]
    assert bought
    for line in bought:
        assert line.chip is not None
        home_made = catalogue.chip(line.chip).vendor_country == line.hq
        verdict = check(
            line.chip,
            to=line.to,
            hq=line.hq,
            on=line.when,
            route="local_purchase" if home_made else "export_from_us",
            catalogue=catalogue,
        )
        assert verdict.outcome == line.outcome
        assert verdict.exit_status == 0 or (
            line.outcome == "needs_counsel" and baidu.accept_needs_counsel and home_made
        )


def test_later_purchases_agree_with_the_state_of_their_branch(baidu: Scenario, catalogue: Catalogue) -> None:
    found = plan(baidu, draws=1000, with_sensitivity=False, catalogue=catalogue)
    states = {node.id: node.state for node in baidu.outlook.root.walk()}
    bought = [line for line in found.periods if line.action == "buy"]
    assert bought
    for line in bought:
        assert line.chip is not None
        gate = baidu.outlook.states[states[line.branch.split("/")[0]]].gates[line.chip]
        assert gate.kind != "barred"
        assert line.licence_probability <= gate.probability


def test_without_the_opt_in_no_home_made_chip_is_bought(baidu: Scenario, catalogue: Catalogue) -> None:
    scenario = dataclasses.replace(baidu, accept_needs_counsel=None)
    found = plan(scenario, draws=1000, with_sensitivity=False, catalogue=catalogue)
    chips = {line.chip for line in (*found.now, *found.periods) if line.action in ("buy", "rent", "lease")}
    assert not any(chip and catalogue.chip(chip).vendor_country == "CN" for chip in chips)
    assert any("ascend-910b" in warning and "not used" in warning for warning in found.warnings)


def test_hindsight_lets_later_chips_in_and_the_day_itself_does_not(baidu: Scenario, catalogue: Catalogue) -> None:
    then = plan(baidu, draws=1000, with_sensitivity=False, catalogue=catalogue)
    later = plan(baidu, known_on=dt.date(2024, 12, 31), draws=1000, with_sensitivity=False, catalogue=catalogue)
    assert "h20-96" not in {row["chip"] for row in then.verdicts}
    assert "h20-96" in {row["chip"] for row in later.verdicts}
    assert any("h20-96" in warning for warning in then.warnings)


def test_no_purchase_before_its_day(baidu: Scenario, catalogue: Catalogue) -> None:
    found = plan(baidu, draws=1000, with_sensitivity=False, catalogue=catalogue)
    first = {line.id: line.available_from for line in baidu.market}
    for line in (*found.now, *found.periods):
        if line.action == "buy":
            day = first[line.market]
            assert day is None or line.when >= day
            assert line.arrives is not None
            assert line.arrives >= line.when


def test_cash_that_cannot_last_is_infeasible_and_says_what_mends_it(startup: Scenario, catalogue: Catalogue) -> None:
    with pytest.raises(InfeasiblePlan, match=r"cash runs out in .*binding limits: cash.*smallest change that mends it"):
        plan(with_cash(startup, 1e6), draws=1000, with_sensitivity=False, catalogue=catalogue)


def test_the_sum_it_asks_for_is_enough_and_a_little_less_is_not(startup: Scenario, catalogue: Catalogue) -> None:
    with pytest.raises(InfeasiblePlan) as caught:
        plan(with_cash(startup, 1e6), draws=1000, with_sensitivity=False, catalogue=catalogue)
    text = caught.value.message
    asked = float(text.split("USD ")[-2].split(" m more")[0].replace(",", "")) * 1e6
    plan(with_cash(startup, 1e6 + asked + 1e4), draws=1000, with_sensitivity=False, catalogue=catalogue)
    with pytest.raises(InfeasiblePlan):
        plan(with_cash(startup, 1e6 + asked - 5e4), draws=1000, with_sensitivity=False, catalogue=catalogue)


def test_deadlines_that_must_be_met_name_limits_and_changes(startup: Scenario, catalogue: Catalogue) -> None:
    with pytest.raises(InfeasiblePlan, match=r"cannot be finished by 2024-06.*smallest change that mends it"):
        plan(startup, must_meet=True, draws=1000, with_sensitivity=False, catalogue=catalogue)


def test_the_mend_mends_and_a_month_less_does_not(startup: Scenario, catalogue: Catalogue) -> None:
    """With work missed made very dear, a plan with the later deadline finishes the run; a month sooner it cannot."""
    posed = pose(startup, catalogue, startup.as_of, whole_servers=False)
    missed = missed_runs(posed.model, posed.solved)
    later = next(mend for mend in mends(posed.model, posed.solved) if mend.change == "later deadline")
    assert later.amount is not None
    for months, done in ((int(later.amount), True), (int(later.amount) - 1, False)):
        runs = tuple(
            dataclasses.replace(run, last=run.last + months) if number in missed else run
            for number, run in enumerate(posed.runs)
        )
        inputs = dataclasses.replace(posed.inputs, runs=runs, missed_flop_cost=posed.inputs.missed_flop_cost * 1e4)
        model = build_model(inputs)
        assert (not missed_runs(model, solve_plan(model, whole_servers=False))) == done


def test_limits_that_cannot_hold_together_are_named_and_none_is_idle(startup: Scenario, catalogue: Catalogue) -> None:
    posed = pose(startup, catalogue, startup.as_of, whole_servers=False)
    named = conflict(posed.model, posed.solved)
    assert named[0].startswith("deadline of ")
    assert len(named) > 1
    richer = pose(with_cash(startup, 1e12), catalogue, startup.as_of, whole_servers=False)
    assert "cash and loans" not in conflict(richer.model, richer.solved)


def test_a_month_less_of_horizon_still_plans(baidu: Scenario, catalogue: Catalogue) -> None:
    for months in (1, 2, 7):
        found = plan(with_months(baidu, months), draws=1000, with_sensitivity=False, catalogue=catalogue)
        assert len(found.branches[0].months) == months


def test_side_by_side_answers_the_same_questions_of_each(
    baidu: Scenario, startup: Scenario, catalogue: Catalogue
) -> None:
    from chipwise.cli.plan_compare import ROWS, comparison
    from chipwise.core.json_text import plain

    plans = [
        plain(plan(scenario, draws=1000, with_sensitivity=False, catalogue=catalogue).to_dict())
        for scenario in (baidu, startup)
    ]
    rows = list(comparison(plans))
    assert len(rows) == len(ROWS)
    table = {row[0]: row[1:] for row in rows}
    assert table["buyer"] == (baidu.party.name, startup.party.name)
    assert "ascend-910b" in table["bought today"][0]
    assert table["bought today"][1] == "nothing"


def test_users_are_tokens_over_tokens_per_user_as_an_interval(baidu: Scenario, catalogue: Catalogue) -> None:
    found = plan(baidu, draws=1000, with_sensitivity=False, catalogue=catalogue)
    row = next(row for row in found.users if row["path"] == "central" and row["when"] == "day of the decision")
    each = baidu.demand.tokens_per_active_user_per_day
    assert each is not None
    assert row["users"] == pytest.approx(row["tokens_per_day"] / each.value)
    assert row["low"] < row["users"] < row["high"]
    assert row["high"] / row["low"] == pytest.approx(each.high / each.low)
