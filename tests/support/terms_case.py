"""Scenarios with terms of every kind laid over a shipped one: price paths, leases, sales, limits, risk, quarters."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random

from chipwise.core.dates import add_months
from chipwise.scenario import Scenario
from chipwise.scenario.objects import Limits, MarketLine, Quantity, Risk
from tests.support.planning_case import number


def path(scenario: Scenario, values: list[float], *, every: int = 2) -> tuple[tuple[dt.date, Quantity], ...]:
    """Dated values from the day of the decision on, a new one every few months."""
    return tuple(
        (add_months(scenario.as_of, every * step), number(value, f"path{step}")) for step, value in enumerate(values)
    )


def market_line(base: MarketLine, place: int, **changes: object) -> MarketLine:
    """A line like another, with other terms and its own place."""
    return dataclasses.replace(base, id=f"market[{place}]", **changes)  # type: ignore[arg-type]


def lease_line(base: MarketLine, place: int, *, term: float, rate: float, residual: float, keep: bool) -> MarketLine:
    """The same chip on lease."""
    return market_line(
        base,
        place,
        access="lease",
        term_months=number(term, "term"),
        lease_rate_per_year=number(rate, "rate"),
        residual_share=number(residual, "residual"),
        buy_out=keep,
        port_cost_usd=None,
    )


def enriched(scenario: Scenario, seed: int, *, quarters: bool = True) -> Scenario:
    """The scenario with a V-shaped price, a lease, a reserved rental, two kinds of sale, limits, spares and risk."""
    rng = random.Random(seed)
    buy = next(
        line for line in scenario.market if line.access == "buy" and line.price_usd_per_chip and not line.ex_post
    )
    assert buy.price_usd_per_chip is not None
    price = buy.price_usd_per_chip.value
    place = len(scenario.market)
    falls_then_rises = path(scenario, [price, price * rng.uniform(0.5, 0.9), price * rng.uniform(1.0, 1.6)])
    moved = dataclasses.replace(buy, price_path=falls_then_rises)
    state = rng.choice(sorted(scenario.outlook.states))
    lease = market_line(
        buy,
        place,
        access="lease",
        term_months=number(rng.choice([3, 5, 24]), "term"),
        lease_rate_per_year=number(rng.uniform(0.0, 0.15), "rate"),
        residual_share=number(rng.uniform(0.1, 0.6), "residual"),
        buy_out=rng.random() < 0.7,
        lead_months=number(rng.choice([0, 1, 2]), "lead"),
        port_cost_usd=None,
        price_factor_in_states={state: number(rng.uniform(1.0, 1.5), "factor")},
    )
    hour = price * (1.0 - 0.4) / 36.0 / 730.0
    reserved = market_line(
        buy,
        place + 1,
        access="rent",
        price_usd_per_chip=None,
        rent_usd_per_chip_hour=number(hour, "hour"),
        price_path=path(scenario, [hour * 1.5, hour * rng.uniform(0.6, 1.0), hour * rng.uniform(1.0, 2.0)]),
        term_months=number(rng.choice([2, 4]), "term"),
        port_cost_usd=None,
    )
    lag = number(rng.choice([0, 1, 3]), "lag")
    sale = market_line(
        buy,
        place + 2,
        access="sell",
        haircut=number(rng.uniform(0.0, 0.3), "haircut"),
        lead_months=lag,
        port_cost_usd=None,
        monthly_cap_chips=number(500.0, "cap"),
    )
    kept = next((item for item in scenario.stock if item.chip_id != buy.chip_id), None)
    extra = [lease, reserved, sale]
    if kept is not None:
        extra.append(
            market_line(
                buy,
                place + 3,
                access="sell",
                item_id=kept.chip_id,
                chip_id=kept.chip_id,
                price_usd_per_chip=None,
                price_path=path(scenario, [price * 0.4, price * rng.uniform(0.2, 0.9)]),
                haircut=number(0.1, "haircut"),
                lead_months=lag,
                port_cost_usd=None,
                monthly_cap_chips=number(300.0, "cap"),
            )
        )
    fleet = sum(item.chips.value for item in scenario.stock) or 1000.0
    limits = Limits(
        power_w=path(scenario, [fleet * rng.uniform(300.0, 900.0), fleet * 1200.0], every=3),
        servers=path(scenario, [fleet / 8.0 * rng.uniform(0.5, 1.5)]),
    )
    return dataclasses.replace(
        scenario,
        market=tuple(moved if line is buy else line for line in scenario.market) + tuple(extra),
        limits=limits if rng.random() < 0.7 else Limits(),
        risk=Risk(cvar_alpha=number(rng.choice([0.0, 0.5, 0.9]), "alpha"), weight=number(rng.uniform(0.1, 1.0), "w")),
        fleet_use=dataclasses.replace(
            scenario.fleet_use, spare_share=number(rng.uniform(0.0, 0.1), "spare"), mixed_stages=rng.random() < 0.3
        ),
        horizon=dataclasses.replace(scenario.horizon, grid="quarters" if quarters else "months"),
    )
