"""The decision tree: probabilities, non-anticipation, demand."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math

import pytest

from chipwise.planning.tree import build_tree, tokens_per_day
from chipwise.scenario import Scenario
from tests.support.scenarios import with_months


def test_probabilities_of_each_month_sum_to_one(baidu: Scenario) -> None:
    tree = build_tree(baidu)
    for period in range(tree.periods):
        total = sum(node.probability for node in tree.nodes if node.period == period)
        assert total == pytest.approx(1.0, abs=1e-12)


def test_operations_share_their_node(baidu: Scenario) -> None:
    tree = build_tree(baidu)
    shares: dict[int, float] = {}
    for operation in tree.operations:
        shares[operation.node] = shares.get(operation.node, 0.0) + operation.share
    assert set(shares) == {node.index for node in tree.nodes}
    assert all(share == pytest.approx(1.0) for share in shares.values())


def test_parents_come_first_one_month_earlier(baidu: Scenario) -> None:
    tree = build_tree(baidu)
    for node in tree.nodes[1:]:
        assert node.parent < node.index
        assert tree.nodes[node.parent].period == node.period - 1


def test_no_branching_before_rules_or_demand_can_be_known(baidu: Scenario) -> None:
    tree = build_tree(baidu, reveal_months=6)
    assert [sum(node.period == period for node in tree.nodes) for period in (0, 5, 6, 10, 11, 23)] == [
        1,
        1,
        3,
        3,
        9,
        15,
    ]


def test_rule_branches_start_on_their_date(baidu: Scenario) -> None:
    tree = build_tree(baidu, reveal_months=100)
    before = [node for node in tree.nodes if node.date == dt.date(2024, 9, 1)]
    after = [node for node in tree.nodes if node.date == dt.date(2024, 10, 1)]
    assert [node.state for node in before] == ["a800_h800_closed"]
    assert sorted(node.state for node in after) == ["h20_class_closed", "h20_class_open", "some_relief"]


def test_demand_is_log_linear_between_dates_and_flat_outside(baidu: Scenario) -> None:
    path = next(path for path in baidu.demand.paths if path.name == "central")
    (first, low), (second, high) = path.points[0], path.points[1]
    middle = first + (second - first) / 2
    share = (middle - first).days / (second - first).days
    expected = low.value * (high.value / low.value) ** share
    assert tokens_per_day(path, middle) == pytest.approx(expected, rel=1e-12)
    assert tokens_per_day(path, first - dt.timedelta(days=400)) == low.value
    assert tokens_per_day(path, path.points[-1][0] + dt.timedelta(days=400)) == path.points[-1][1].value


def test_demand_through_zero_is_linear(baidu: Scenario) -> None:
    path = next(path for path in baidu.demand.paths if path.name == "central")
    (first, low), (second, high) = path.points[0], path.points[1]
    zero = dataclasses.replace(low, value=0.0, low=0.0, high=0.0)
    path = dataclasses.replace(path, points=((first, zero), (second, high)))
    half = first + (second - first) / 2
    assert math.isclose(tokens_per_day(path, half), high.value * (half - first).days / (second - first).days)


def test_one_path_is_known_at_once(baidu: Scenario) -> None:
    only = dataclasses.replace(baidu.demand.paths[1], probability=1.0)
    scenario = dataclasses.replace(baidu, demand=dataclasses.replace(baidu.demand, paths=(only,)))
    tree = build_tree(with_months(scenario, 3))
    assert [node.path for node in tree.nodes] == [only.name] * 3
