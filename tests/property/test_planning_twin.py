"""The programme has the same optimum as the same problem written in labelled algebra."""

from __future__ import annotations

import pytest

from chipwise.catalogue import Catalogue, load_catalogue
from chipwise.planning.pose import pose
from chipwise.planning.solve import relaxed_bound
from chipwise.scenario import load_scenario
from tests.support.scenarios import drawn, with_months
from tests.support.terms_case import enriched

SHORT = [("small-startup-2023", 3, seed) for seed in range(2)] + [("baidu-2023", 3, 0)]
LONG = [("small-startup-2023", 8, seed) for seed in range(2, 12)] + [("baidu-2023", 8, seed) for seed in range(1, 9)]
RICH_SHORT = [("small-startup-2023", 5, 0, False), ("01ai-2023-04", 4, 1, False)]
RICH_LONG = [
    *(("small-startup-2023", 7, seed, False) for seed in range(2, 7)),
    *(("small-startup-2023", 17, seed, True) for seed in range(7, 12)),
    ("01ai-2023-04", 15, 12, True),
    *(("01ai-2023-04", 3, seed, False) for seed in range(13, 15)),
    *(("giant-2022-07", 3, seed, False) for seed in range(15, 18)),
    *(("baidu-2023", 3, seed, False) for seed in range(18, 20)),
]
"""With the two above, twenty problems with leases, sales, price paths, risk and, beyond a year, quarters."""


def _compare(name: str, months: int, seed: int, catalogue: Catalogue) -> None:
    from tests.reference.plan_linopy import relaxed_objective

    scenario = with_months(drawn(load_scenario(name, catalogue=catalogue), seed), months)
    posed = pose(scenario, catalogue, scenario.as_of, whole_servers=False)
    assert relaxed_bound(posed.model) == pytest.approx(relaxed_objective(posed.inputs), rel=1e-6)


def _compare_rich(name: str, months: int, seed: int, quarters: bool, catalogue: Catalogue) -> None:
    from tests.reference.plan_linopy import relaxed_objective

    base = with_months(drawn(load_scenario(name, catalogue=catalogue), seed), months)
    scenario = enriched(base, seed, quarters=quarters)
    posed = pose(scenario, catalogue, scenario.as_of, whole_servers=False)
    assert posed.inputs.contract_lines
    assert posed.inputs.sale_lines
    assert relaxed_bound(posed.model) == pytest.approx(relaxed_objective(posed.inputs), rel=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "months", "seed"), SHORT)
def test_same_optimum_as_the_twin(name: str, months: int, seed: int) -> None:
    _compare(name, months, seed, load_catalogue())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "months", "seed"), LONG)
def test_same_optimum_as_the_twin_on_longer_horizons(name: str, months: int, seed: int) -> None:
    _compare(name, months, seed, load_catalogue())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "months", "seed", "quarters"), RICH_SHORT)
def test_same_optimum_with_every_kind_of_term(name: str, months: int, seed: int, quarters: bool) -> None:
    _compare_rich(name, months, seed, quarters, load_catalogue())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "months", "seed", "quarters"), RICH_LONG)
def test_same_optimum_with_every_kind_of_term_and_quarters(name: str, months: int, seed: int, quarters: bool) -> None:
    _compare_rich(name, months, seed, quarters, load_catalogue())
