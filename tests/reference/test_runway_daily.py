"""The closed forms agree with a day-by-day simulation within 1 % or two days."""

import csv
import math
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chipwise.planning import _runway_kernels as kernels
from tests.reference import runway_daily

LIMIT_YEARS = 25.0
TWO_DAYS = 2 / 365.25

amounts = st.floats(min_value=1.0, max_value=1e3)
growths = st.floats(min_value=0.5, max_value=50.0)
attritions = st.just(0.0) | st.floats(min_value=1e-4, max_value=0.5)


def agree(closed, simulated):
    if math.isinf(simulated):
        return closed > LIMIT_YEARS * 0.99
    return abs(closed - simulated) <= max(0.01 * simulated, TWO_DAYS)


@settings(deadline=None, max_examples=120)
@given(amounts, amounts, growths, attritions)
def test_programme_and_squeeze(capacity, need, growth, attrition):
    simulated = runway_daily.outgrown(capacity, 1 - attrition, need, growth, LIMIT_YEARS)
    if capacity != need:
        assert agree(float(kernels.programme_years(capacity, need, growth, attrition)), simulated)
    assert agree(float(kernels.squeeze_years(need, capacity, growth, attrition)), simulated)


@settings(deadline=None, max_examples=80)
@given(amounts, amounts, growths)
def test_flagship(largest, flagship, growth):
    simulated = runway_daily.outgrown(largest, 1.0, flagship, growth, LIMIT_YEARS)
    if largest != flagship:
        assert agree(float(kernels.flagship_years(largest, flagship, growth)), simulated)


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.tuples(amounts, attritions), min_size=1, max_size=4),
    st.floats(min_value=0.02, max_value=1.2),
    growths,
)
def test_mixed_fleet(types, need_share, growth):
    capacities, worn = [c for c, _ in types], [a for _, a in types]
    need = need_share * sum(capacities)
    closed = float(kernels.mixed_fleet_years(capacities, worn, need, growth))
    assert agree(closed, runway_daily.outgrown(capacities, [1 - a for a in worn], need, growth, LIMIT_YEARS))


@settings(deadline=None, max_examples=120)
@given(
    in_service=st.integers(1, 30_000),
    need_share=st.floats(0.05, 1.05),
    spare_share=st.floats(0.0, 0.3),
    attrition=attritions,
    repair_share=st.floats(0.0, 0.99) | st.just(1.0),
    support_end=st.one_of(st.none(), st.floats(0.1, 20.0)),
)
def test_wear(in_service, need_share, spare_share, attrition, repair_share, support_end):
    needed, spares = need_share * in_service, spare_share * in_service
    closed = kernels.wear_years(
        in_service, spares, needed, attrition, repair_share, math.inf if support_end is None else support_end
    )
    simulated = runway_daily.worn_out(in_service, spares, needed, attrition, repair_share, support_end, LIMIT_YEARS)
    assert agree(float(closed), simulated)


def _cases(sense):
    text = (resources.files("chipwise") / "data" / "planning" / "runway_cases.csv").read_text(encoding="utf-8")
    return [pytest.param(row, id=row["case_id"]) for row in csv.DictReader(text.splitlines()) if row["sense"] == sense]


@pytest.mark.parametrize("row", _cases("T4"))
def test_wear_cases_day_by_day(row):
    """The simulation itself reproduces the simulated answers of the cases, so it is a fair witness."""
    end = float(row["support_end_years"]) if row["support_end_years"] else None
    cells = ("chips_in_service", "spares", "chips_needed", "attrition_per_year", "repair_share")
    simulated = runway_daily.worn_out(*[float(row[cell]) for cell in cells], end, 60.0)
    assert simulated == pytest.approx(float(row["t4_daily_sim_years"]), abs=TWO_DAYS, rel=1e-3)


@pytest.mark.parametrize("row", _cases("T3"))
def test_squeeze_cases_day_by_day(row):
    need, capacity = float(row["serving_need_flops_t0"]), float(row["serving_capacity_flops_t0"])
    keep, growth = 1 - float(row["attrition_per_year"]), float(row["token_growth_per_year"])
    simulated = runway_daily.outgrown(capacity, keep, need, growth, 60.0)
    assert simulated == pytest.approx(float(row["t3_daily_sim_years"]), abs=TWO_DAYS, rel=1e-3)
