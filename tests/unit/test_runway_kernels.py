import math

import numpy as np
import pytest

from chipwise.planning import _runway_kernels as kernels


@pytest.mark.parametrize(
    ("supply", "demand", "growth", "attrition", "years"),
    [
        (1.0, 1.0, 3.0, 0.05, 0.0),
        (1.0, 2.0, 3.0, 0.05, 0.0),
        (2.0, 1.0, 2.0, 0.0, 1.0),
        (2.0, 1.0, 0.95, 0.05, math.inf),
        (2.0, 1.0, 0.93, 0.07, math.inf),  # 1 - 0.07 is a little below 0.93 in binary
        (2.0, 1.0, 0.5, 0.05, math.inf),
        (2.0, 0.0, 3.0, 0.05, math.inf),
        (2.0, 1.0, 3.0, 1.0, 0.0),
        (1.0, 2.0, math.nan, 0.05, 0.0),
    ],
)
def test_programme_edges(supply, demand, growth, attrition, years):
    assert float(kernels.programme_years(supply, demand, growth, attrition)) == pytest.approx(years)


def test_unknown_growth_stays_unknown_unless_ended_already():
    years = kernels.flagship_years([2.0, 1.0], [1.0, 2.0], math.nan)
    assert math.isnan(years[0])
    assert years[1] == 0.0


@pytest.mark.parametrize(
    ("largest", "flagship", "growth", "years"),
    [(1.0, 1.0, 3.0, 0.0), (9.0, 1.0, 3.0, 2.0), (9.0, 1.0, 1.0, math.inf), (1.0, 2.0, 1.0, 0.0)],
)
def test_flagship_edges(largest, flagship, growth, years):
    assert float(kernels.flagship_years(largest, flagship, growth)) == pytest.approx(years)
    assert float(kernels.generations_left(largest, flagship, growth)) == pytest.approx(years)


@pytest.mark.parametrize(
    ("need", "capacity", "growth", "attrition", "years"),
    [
        (2.0, 1.0, 3.0, 0.05, 0.0),
        (1.0, 0.0, 3.0, 0.05, 0.0),
        (0.0, 0.0, 3.0, 0.05, math.inf),
        (1.0, 1.0, 0.95, 0.05, math.inf),  # equal is not yet a squeeze
        (1.0, 1.0, 1.0, 0.0, math.inf),
        (1.0, 1.0, 3.0, 0.05, 0.0),
        (1.0, 4.0, 2.0, 0.0, 2.0),
        (1.0, 4.0, 0.0, 0.05, math.inf),
    ],
)
def test_squeeze_edges(need, capacity, growth, attrition, years):
    assert float(kernels.squeeze_years(need, capacity, growth, attrition)) == pytest.approx(years)


@pytest.mark.parametrize(
    ("in_service", "spares", "needed", "attrition", "repair_share", "support_end", "years"),
    [
        (100, 50, 101, 0.05, 0.0, math.inf, 0.0),
        (100, 0, 100, 0.05, 0.0, math.inf, 0.0),
        (100, 0, 100, 0.0, 0.0, math.inf, math.inf),
        (100, 0, 80, 0.0, 0.0, 5.0, 5.0),
        (100, 0, 80, 0.5, 1.0, math.inf, math.inf),
        (100, 0, 0, 0.5, 0.0, 3.0, math.inf),
        (100, 0, 50, 0.5, 0.0, math.inf, 1.0),
        (100, 0, 50, 0.5, 0.0, 0.25, 0.25),
        (100, 0, 50, 1.0, 0.0, math.inf, 0.0),
    ],
)
def test_wear_edges(in_service, spares, needed, attrition, repair_share, support_end, years):
    found = kernels.wear_years(in_service, spares, needed, attrition, repair_share, support_end)
    assert float(found) == pytest.approx(years)


def test_no_tokens_need_nothing_even_at_no_utilisation():
    assert float(kernels.serving_need_flops(1e10, 0.0, 0.0)) == 0.0


def test_kernels_broadcast():
    years = kernels.squeeze_years(np.ones(3), np.array([[2.0], [4.0]]), 2.0, 0.0)
    np.testing.assert_allclose(years, [[1.0] * 3, [2.0] * 3])


def test_mixed_fleet_of_one_wear_is_the_closed_form():
    capacity = np.array([[10.0, 5.0, 1.0], [1.0, 1.0, 1.0], [4.0, 4.0, 4.0]])
    need, growth = np.array([3.0, 4.0, 1.0]), np.array([3.0, 2.0, 0.9])
    mixed = kernels.mixed_fleet_years(capacity, 0.05, need, growth)
    np.testing.assert_allclose(mixed, kernels.squeeze_years(need, capacity.sum(axis=1), growth, 0.05))


def test_mixed_fleet_finds_a_crossing_that_falling_need_later_undoes():
    # half of the fleet dies fast, the rest hardly: need falls slower at first, faster in the end
    years = float(kernels.mixed_fleet_years([10.0, 5.0], [0.5, 0.01], 14.5, 0.9))
    gap = 14.5 * 0.9**years - 10.0 * 0.5**years - 5.0 * 0.99**years
    assert 0.0 < years < 1.0
    assert gap == pytest.approx(0.0, abs=1e-9)
    assert 14.5 * 0.9**20 < 10.0 * 0.5**20 + 5.0 * 0.99**20


def test_mixed_fleet_never_crosses_when_the_durable_part_suffices():
    assert float(kernels.mixed_fleet_years([10.0, 5.0], [0.5, 0.0], 4.0, 1.0)) == math.inf
    assert float(kernels.mixed_fleet_years([10.0, 5.0], [0.5, 0.0], 15.0, 0.1)) == math.inf


def test_ranks_share_ties_and_correlation_matches_a_hand_count():
    ranks = kernels.ranks(np.array([3.0, 1.0, 3.0, math.inf, 2.0, math.inf]))
    np.testing.assert_array_equal(ranks, [3.5, 1.0, 3.5, 5.5, 2.0, 5.5])
    # d = (0, 1, -1, 0): rho = 1 - 6 * 2 / (4 * 15)
    rho = kernels.rank_correlation(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 2.0, 4.0]))
    assert rho == pytest.approx(0.8)
    assert math.isnan(kernels.rank_correlation(np.ones(4), np.arange(4.0)))
