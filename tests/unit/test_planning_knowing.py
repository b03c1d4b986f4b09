"""The worth of knowing the future, against the closed form of the two-period case."""

from __future__ import annotations

import numpy as np
import pytest

from chipwise.planning.knowing import value_of_knowing
from chipwise.planning.model import build_model
from chipwise.planning.solve import solve_plan
from tests.support.planning_case import random_inputs
from tests.unit.test_planning_newsvendor import newsvendor


@pytest.mark.parametrize("seed", range(20))
def test_matches_the_closed_form_of_the_newsvendor(seed: int) -> None:
    rng = np.random.default_rng(seed)
    c, c2, s, p = 10.0, rng.uniform(6.0, 14.0), rng.uniform(0.0, 5.0), rng.uniform(0.05, 0.95)
    v = rng.uniform(20.0, 60.0)
    demand = rng.uniform(10.0, 100.0, 8)
    inputs = newsvendor(c, c2, v, s, p, demand)
    plan = solve_plan(build_model(inputs), whole_servers=False).bound
    informed = p * (c - s) * demand.mean() + (1.0 - p) * (min(c, c2) - s) * demand.mean()
    assert value_of_knowing(inputs, plan) == pytest.approx(plan - informed, rel=1e-5, abs=1e-4)


def test_a_single_future_is_known_already() -> None:
    inputs = random_inputs(months=6, chips=3, splits=(), seed=0)
    plan = solve_plan(build_model(inputs), whole_servers=False).bound
    assert value_of_knowing(inputs, plan) == pytest.approx(0.0, abs=1e-6 * max(1.0, abs(plan)))


@pytest.mark.parametrize("seed", range(3))
def test_knowing_is_never_worth_less_than_nothing(seed: int) -> None:
    inputs = random_inputs(months=8, chips=3, splits=(3,), seed=seed, scale=5.0)
    plan = solve_plan(build_model(inputs), whole_servers=False).bound
    assert value_of_knowing(inputs, plan) >= 0.0
