"""The programme has the same optimum as the same problem written in labelled algebra."""

from __future__ import annotations

import pytest

from chipwise.catalogue import Catalogue, load_catalogue
from chipwise.planning.pose import pose
from chipwise.scenario import load_scenario
from tests.support.scenarios import drawn, with_months

SHORT = [("small-startup-2023", 3, seed) for seed in range(2)] + [("baidu-2023", 3, 0)]
LONG = [("small-startup-2023", 8, seed) for seed in range(2, 12)] + [("baidu-2023", 8, seed) for seed in range(1, 9)]


def _compare(name: str, months: int, seed: int, catalogue: Catalogue) -> None:
    from tests.reference.plan_linopy import relaxed_objective

    scenario = with_months(drawn(load_scenario(name, catalogue=catalogue), seed), months)
    posed = pose(scenario, catalogue, scenario.as_of, whole_servers=False)
    assert posed.solved.bound == pytest.approx(relaxed_objective(posed.inputs), rel=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "months", "seed"), SHORT)
def test_same_optimum_as_the_twin(name: str, months: int, seed: int) -> None:
    _compare(name, months, seed, load_catalogue())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "months", "seed"), LONG)
def test_same_optimum_as_the_twin_on_longer_horizons(name: str, months: int, seed: int) -> None:
    _compare(name, months, seed, load_catalogue())
