"""Rolling mode: what a firm does that plans anew each period, against the plan over every future."""

from __future__ import annotations

import numpy as np
import pytest

from chipwise.catalogue import Catalogue
from chipwise.planning import plan
from chipwise.planning.pose import Posed, pose
from chipwise.planning.rolling import roll
from chipwise.planning.solve import solve_plan
from chipwise.scenario import Scenario
from tests.support.scenarios import with_months


@pytest.fixture(scope="module")
def posed(startup: Scenario, catalogue: Catalogue) -> Posed:
    return pose(startup, catalogue, startup.as_of, whole_servers=True)


def test_a_window_as_long_as_the_horizon_is_the_plan_over_the_tree(posed: Posed) -> None:
    whole = solve_plan(posed.model, whole_servers=False, clusters=posed.solved.clusters)
    rolled = roll(posed.model, posed.solved.clusters, window_months=posed.tree.months, whole_servers=False)
    assert rolled.objective == pytest.approx(whole.objective, rel=1e-9)


def test_it_never_beats_the_plan_over_the_tree_and_sees_more_with_a_longer_window(posed: Posed) -> None:
    short, long = (
        roll(posed.model, posed.solved.clusters, window_months=months, whole_servers=False) for months in (3, 12)
    )
    assert posed.solved.bound <= long.objective + 1e-6
    assert long.objective < short.objective


def test_what_it_does_holds_every_limit_of_the_whole_problem(posed: Posed) -> None:
    rolled = roll(posed.model, posed.solved.clusters, window_months=6)
    programme = posed.model.programme
    columns = np.repeat(np.arange(programme.cost.size), np.diff(programme.starts))
    activity = np.bincount(
        programme.rows, weights=programme.values * rolled.values[columns], minlength=programme.row_lower.size
    )
    assert (activity >= programme.row_lower - 1e-5).all()
    assert (activity <= programme.row_upper + 1e-5).all()
    assert (rolled.values[:-1] <= programme.upper + 1e-6).all()


def test_orders_are_whole_servers(baidu: Scenario, catalogue: Catalogue) -> None:
    posed = pose(with_months(baidu, 8), catalogue, baidu.as_of, whole_servers=True)
    rolled = roll(posed.model, posed.solved.clusters, window_months=4)
    orders = rolled.values[posed.model.blocks.order[:, posed.inputs.buy_lines]]
    units = np.array(posed.inputs.server_chips)[posed.inputs.buy_lines]
    assert np.allclose(orders / units, np.round(orders / units), atol=1e-6)


def test_the_plan_says_what_short_sight_costs(startup: Scenario, catalogue: Catalogue) -> None:
    found = plan(
        startup, mode="rolling", window_months=6, draws=1000, with_sensitivity=False, catalogue=catalogue
    ).to_dict()["plan"]
    rows = found["rolling"]
    assert found["mode"] == "rolling"
    assert rows["objective_rolling"] > rows["objective_tree"]
    total = sum(row["probability"] * row["regret"] for row in rows["futures"])
    assert rows["expected_regret"] == pytest.approx(total, rel=1e-9)
    assert any("6 months seen ahead" in sentence for sentence in found["insights"])
