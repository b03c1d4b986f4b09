"""Closed forms of stock-building against the scenario's own expectations and against each other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chipwise.catalogue import Catalogue
from chipwise.core.errors import InputError
from chipwise.planning import plan
from chipwise.planning.stockbuilding import StockCase, best_fractile, break_even_closure
from chipwise.scenario import load_scenario


def _case(entry: Any) -> StockCase:
    return StockCase(
        now_usd=entry["c"],
        later_usd=entry["c2"],
        missing_usd=entry["v"],
        resale_usd=entry["s"],
        closure=entry["p"],
    )


@pytest.mark.parametrize("name", ["newsvendor", "newsvendor_no_variant"])
def test_the_giant_of_2022_expects_these_numbers(name: str, catalogue: Catalogue) -> None:
    expected: Any = load_scenario("giant-2022-07", catalogue=catalogue).expected[name]
    case = _case(expected)
    assert best_fractile(case) == pytest.approx(expected["fractile"]["value"], abs=expected["fractile"]["tol"])
    assert break_even_closure(case) == pytest.approx(
        expected["break_even_p"]["value"], abs=expected["break_even_p"]["tol"]
    )


@given(
    c=st.floats(5.0, 20.0),
    cheaper=st.floats(0.5, 0.99),
    dear=st.floats(1.1, 8.0),
    resale=st.floats(0.0, 0.9),
    shift=st.floats(1e-6, 0.2),
)
def test_stock_begins_exactly_at_the_break_even(
    c: float, cheaper: float, dear: float, resale: float, shift: float
) -> None:
    later = c * cheaper
    base = StockCase(now_usd=c, later_usd=later, missing_usd=c * dear, resale_usd=later * resale, closure=0.0)
    edge = break_even_closure(base)
    below = StockCase(**{**_fields(base), "closure": max(0.0, edge - shift)})
    above = StockCase(**{**_fields(base), "closure": min(1.0, edge + shift)})
    assert best_fractile(below) == pytest.approx(0.0, abs=1e-9)
    assert best_fractile(above) > 0.0


def _fields(case: StockCase) -> dict[str, float]:
    return {name: getattr(case, name) for name in case.__slots__}


def test_a_missing_chip_worth_nothing_extra_is_no_case() -> None:
    with pytest.raises(InputError, match="no more than"):
        break_even_closure(StockCase(now_usd=20, later_usd=18, missing_usd=15, resale_usd=10, closure=0.5))


def test_the_plan_prints_the_break_even_of_the_giant(catalogue: Catalogue) -> None:
    found = plan(load_scenario("giant-2022-07", catalogue=catalogue), draws=1000, with_sensitivity=False)
    assert any("Stock of a100-80-sxm pays where the chance of a closure exceeds" in text for text in found.insights)
