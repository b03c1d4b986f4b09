"""What each shipped scenario says the product must find, asked of the plan."""

from __future__ import annotations

import dataclasses

import pytest

from chipwise.catalogue import Catalogue
from chipwise.planning import plan
from chipwise.planning.result import Plan
from chipwise.scenario import Scenario, load_scenario, shipped_scenarios


def quick(scenario: Scenario, catalogue: Catalogue) -> Plan:
    return plan(scenario, draws=1000, with_sensitivity=False, catalogue=catalogue)


@pytest.mark.parametrize("name", shipped_scenarios())
def test_every_shipped_scenario_plans_sensibly(name: str, catalogue: Catalogue) -> None:
    scenario = load_scenario(name, catalogue=catalogue)
    found = quick(scenario, catalogue)
    assert found.gap < 0.01
    assert found.status in ("optimal", "work deferred")
    assert sum(branch.probability for branch in found.branches) == pytest.approx(1.0)
    for branch in found.branches:
        assert len(branch.months) == scenario.horizon.months
        assert 0.0 <= branch.served_share <= 1.0 + 1e-9
        assert all(-1e-6 <= share <= 1.0 + 1e-6 for share in branch.runs.values())
        for series, values in branch.series.items():
            assert min(values) >= -1e-3, series
    first = {line.id: line.available_from for line in scenario.market}
    for line in (*found.now, *found.periods):
        if line.action in ("buy", "rent", "lease"):
            assert line.outcome
            day = first[line.market]
            assert day is None or line.when >= day


def test_from_scratch_on_the_labs_own_a800_takes_what_the_scenario_expects(startup: Scenario) -> None:
    """281 days on 32 A800 at the scenario's own MFU and availability."""
    job = next(job for job in startup.demand.training if job.proxy == "llama-2-7b")
    held = next(item for item in startup.stock if item.chip_id == "a800-80-sxm")
    use = startup.fleet_use
    rate = held.chips.value * 312e12 * use.mfu.value * use.availability.value
    assert job.flop.value / rate / 86_400.0 == pytest.approx(281, rel=0.03)


def test_the_small_lab_buys_no_chips_today_and_cannot_pretrain_in_time(startup: Scenario, catalogue: Catalogue) -> None:
    found = quick(startup, catalogue)
    assert not [line for line in found.now if line.action == "buy"]
    scratch = next(row for row in found.work if "from scratch" in row["run"])
    adapted = next(row for row in found.work if "continued training" in row["run"])
    assert scratch["expected_share_done"] < 0.9
    assert adapted["expected_share_done"] > 0.99
    assert any(branch.tokens_bought_usd > 0.0 for branch in found.branches)


def test_the_giants_reading_of_the_sum_never_changes_what_is_delivered_in_2023(catalogue: Catalogue) -> None:
    counts = {}
    for reading in ("ft", "article"):
        found = quick(load_scenario("giants-2023-08", reading=reading, catalogue=catalogue), catalogue)
        branch = max(found.branches, key=lambda entry: entry.probability)
        month = [day.isoformat()[:7] for day in branch.months].index("2023-12")
        counts[reading] = {name: values[month] for name, values in branch.series.items() if name.startswith("stock:")}
    assert counts["ft"]["stock:a800-80-sxm"] == pytest.approx(counts["article"]["stock:a800-80-sxm"], rel=1e-6)


def test_deliveries_vanish_where_the_rule_has_closed(catalogue: Catalogue) -> None:
    found = quick(load_scenario("giants-2023-08", catalogue=catalogue), catalogue)
    for branch in found.branches:
        stock = branch.series.get("stock:a800-80-sxm", ())
        for month in range(1, len(stock)):
            if branch.states[month] == "cut_down_closed":
                assert stock[month] <= stock[month - 1] + 1e-6


def test_no_stock_is_built_when_no_ban_can_come(catalogue: Catalogue) -> None:
    """With every branch open, the giant of July 2022 holds no more than known demand asks for."""
    scenario = load_scenario("giant-2022-07", catalogue=catalogue)
    only = tuple(
        dataclasses.replace(path, probability=1.0 if path.name == "central" else 0.0) for path in scenario.demand.paths
    )
    calm = dataclasses.replace(
        scenario,
        demand=dataclasses.replace(scenario.demand, paths=only),
        outlook=dataclasses.replace(scenario.outlook, root=dataclasses.replace(scenario.outlook.root, children=())),
    )
    assert not [line for line in quick(calm, catalogue).now if line.action == "buy"]
