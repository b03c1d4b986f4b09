"""Terms of the market beyond law and caps: prices through time, contracts, resale, limits of the site, risk."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chipwise.catalogue import Catalogue
from chipwise.core.dates import add_months, month_start
from chipwise.core.units import HOURS_PER_MONTH
from chipwise.planning.availability import stands_in
from chipwise.planning.lp import INFINITY, Floats
from chipwise.planning.tree import PlanTree
from chipwise.planning.yields import ChipYield
from chipwise.scenario.objects import MarketLine, Quantity, Scenario

MONEY_UNIT_USD = 1e6
CARDS_PER_SERVER = 8
"""Cards of one server where the catalogue lists none: the usual build; an assumption of the plan."""
NO_AGE = float("nan")

Dated = tuple[tuple[dt.date, Quantity], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Arrays of everything that binds beyond prices and monthly caps.

    Parameters
    ----------
    term_months : (n_lines,) int
        Months for which a line binds; 0 where it does not.
    asset_price : (n_nodes, n_lines) float64
        USD m per chip new at the signing of a lease; 0 elsewhere.
    residual : (n_lines,) float64
        Share of that price unpaid at the end of a lease.
    buy_out : (n_lines,) bool
    sale_by_age : (n_lines,) bool
        Whether a sale brings the price of a new chip times the residual at its age, or the price as it stands.
    held_age_months : (n_chips,) float64
        Mean age on the day of the decision of chips held; NaN where the scenario does not say.
    power_w, power_limit_w : (n_chips,), (periods,) float64
        Watts of one chip at work with its share of server and cooling (NaN unknown); what the site gives.
    chip_servers, server_limit : (n_chips,), (periods,) float64
        Servers one chip takes up; servers that may be at work.
    spare_share : float
        Spare chips kept ready for each chip at work.
    risk_alpha, risk_weight : float
    """

    term_months: tuple[int, ...]
    asset_price: Floats
    residual: Floats
    buy_out: NDArray[np.bool_]
    sale_by_age: NDArray[np.bool_]
    held_age_months: Floats
    power_w: Floats
    power_limit_w: Floats
    chip_servers: Floats
    server_limit: Floats
    spare_share: float = 0.0
    risk_alpha: float = 0.0
    risk_weight: float = 0.0


def plain_terms(nodes: int, lines: int, chips: int, periods: int) -> Terms:
    """Terms under which nothing binds."""
    return Terms(
        term_months=(0,) * lines,
        asset_price=np.zeros((nodes, lines)),
        residual=np.zeros(lines),
        buy_out=np.zeros(lines, bool),
        sale_by_age=np.zeros(lines, bool),
        held_age_months=np.full(chips, NO_AGE),
        power_w=np.zeros(chips),
        power_limit_w=np.full(periods, INFINITY),
        chip_servers=np.zeros(chips),
        server_limit=np.full(periods, INFINITY),
    )


def _value_on(points: Sequence[tuple[dt.date, Quantity]], day: dt.date) -> float:
    """Value that holds on a day: from each date to the next; the first also before it."""
    current = [quantity.value for start, quantity in points if start <= day]
    return current[-1] if current else points[0][1].value


def months_of(tree: PlanTree, scenario: Scenario, period: int) -> list[dt.date]:
    """The day that stands for each month of a period: the decision's own, later the first of the month."""
    start, first = month_start(scenario.as_of), tree.first_month[period]
    days = [add_months(start, first + number) for number in range(tree.lengths[period])]
    return [max(day, scenario.as_of) for day in days]


def _usable(points: Dated, hindsight: bool) -> Dated:
    return tuple((day, price) for day, price in points if hindsight or not price.ex_post)


def _list_price(line: MarketLine, days: Sequence[dt.date], hindsight: bool) -> float:
    """Mean price over the days in USD per chip, or per chip and hour; 0 for tokens."""
    points = _usable(line.price_path, hindsight)
    if points:
        return float(np.mean([_value_on(points, day) for day in days]))
    single = line.rent_usd_per_chip_hour if line.access == "rent" else line.price_usd_per_chip
    return 0.0 if single is None else single.value


def _state_factor(line: MarketLine, state: str) -> float:
    factor = 1.0
    for name, quantity in line.price_factor_in_states.items():
        if stands_in(state, (name,)):
            factor *= quantity.value
    return factor


def annuity(price: float, rate_per_year: float, months: int, residual: float) -> float:
    """Monthly payment, at the end of each month, that pays `price` down to its residual share over a term.

    Examples
    --------
    >>> round(annuity(36.0, 0.0, 36, 0.0), 6), round(annuity(36.0, 0.0, 36, 0.5), 6)
    (1.0, 0.5)
    """
    monthly = rate_per_year / 12.0
    if monthly == 0.0:
        return price * (1.0 - residual) / months
    grown = math.log1p(monthly) * months
    return price * (1.0 - residual * math.exp(-grown)) * monthly / -math.expm1(-grown)


def line_prices(
    lines: Sequence[MarketLine], terms: Sequence[int], tree: PlanTree, scenario: Scenario, *, hindsight: bool
) -> tuple[Floats, Floats]:
    """Price of every line at every node, and of the asset behind a lease.

    Returns
    -------
    unit, asset : (n_nodes, n_lines) float64
        USD m per chip bought or sold (haircut off), per chip and month rented or leased; USD m per chip leased.
    """
    unit = np.zeros((len(tree.nodes), len(lines)))
    asset = np.zeros_like(unit)
    days = [months_of(tree, scenario, period) for period in range(tree.periods)]
    for column, line in enumerate(lines):
        by_period = np.array([_list_price(line, each, hindsight) for each in days])
        for node in tree.nodes:
            price = by_period[node.period] * _state_factor(line, node.state) / MONEY_UNIT_USD
            if line.access == "rent":
                price *= HOURS_PER_MONTH
            elif line.access == "sell":
                price *= 1.0 - (0.0 if line.haircut is None else line.haircut.value)
            elif terms[column]:
                asset[node.index, column] = price
                rate = 0.0 if line.lease_rate_per_year is None else line.lease_rate_per_year.value
                left = 0.0 if line.residual_share is None else line.residual_share.value
                price = annuity(price, rate, terms[column], left)
            unit[node.index, column] = price
    return unit, asset


def term_months(line: MarketLine) -> int:
    """Months for which a lease or a reserved rental binds; 0 for what does not."""
    if line.term_months is None or line.access not in ("lease", "rent"):
        return 0
    months = round(line.term_months.value)
    return months if line.access == "lease" or months > 1 else 0


def _held_age(scenario: Scenario, chips: Sequence[str]) -> Floats:
    ages = np.full(len(chips), NO_AGE)
    for index, chip in enumerate(chips):
        items = [item for item in scenario.stock if item.chip_id == chip]
        count = sum(item.chips.value for item in items)
        if count > 0.0 and all(item.bought is not None for item in items):
            months = [item.chips.value * (scenario.as_of - item.bought).days / 30.4375 for item in items if item.bought]
            ages[index] = sum(months) / count
    return ages


def _limit(points: Dated, tree: PlanTree, scenario: Scenario) -> Floats:
    """The lowest value of each period; infinite where there is no limit."""
    if not points:
        return np.full(tree.periods, INFINITY)
    return np.array(
        [min(_value_on(points, day) for day in months_of(tree, scenario, period)) for period in range(tree.periods)]
    )


def gather_terms(
    scenario: Scenario,
    tree: PlanTree,
    lines: Sequence[MarketLine],
    chips: Sequence[str],
    yields: Mapping[str, ChipYield],
    catalogue: Catalogue,
    *,
    hindsight: bool,
) -> tuple[Terms, Floats]:
    """Terms of one planning problem, and the price of every line at every node (see `line_prices`)."""
    terms = tuple(term_months(line) for line in lines)
    unit, asset = line_prices(lines, terms, tree, scenario, hindsight=hindsight)
    watts = [yields[chip].power_w for chip in chips]
    pue = scenario.power.pue.value
    spare, risk = scenario.fleet_use.spare_share, scenario.risk
    found = Terms(
        term_months=terms,
        asset_price=asset,
        residual=np.array([0.0 if line.residual_share is None else line.residual_share.value for line in lines]),
        buy_out=np.array([line.buy_out for line in lines], bool),
        sale_by_age=np.array([line.access == "sell" and not line.price_path for line in lines], bool),
        held_age_months=_held_age(scenario, chips),
        power_w=np.array([NO_AGE if found is None else found * pue for found in watts]),
        power_limit_w=_limit(scenario.limits.power_w, tree, scenario),
        chip_servers=np.array([1.0 / _server_size(chip, catalogue) for chip in chips]),
        server_limit=_limit(scenario.limits.servers, tree, scenario),
        spare_share=0.0 if spare is None else spare.value,
        risk_alpha=0.0 if risk is None else risk.cvar_alpha.value,
        risk_weight=0.0 if risk is None else risk.weight.value,
    )
    return found, unit


def _server_size(chip: str, catalogue: Catalogue) -> int:
    server = catalogue.server_of(chip)
    return CARDS_PER_SERVER if server is None else server.chips
