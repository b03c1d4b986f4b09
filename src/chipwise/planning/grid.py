"""The time grid of a plan: months for the first year, then months or quarters, cut where something changes.

A quarter is cut at every date on which a rule, an offer, a raise, a loan, a deadline or a limit changes, so that each
period lies whole before or after it and no rounding of dates is needed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from chipwise.core.dates import month_start, months_between
from chipwise.scenario.objects import Scenario

MONTHLY_FIRST = 12
"""Months planned one by one before quarters begin."""
QUARTER_MONTHS = 3
LONGEST_MONTHLY = 36
"""Longest horizon, in months, that is planned month by month throughout unless the scenario says otherwise."""


def in_quarters(scenario: Scenario) -> bool:
    """Whether the months after the first year are planned in quarters."""
    horizon = scenario.horizon
    return horizon.grid == "quarters" or (horizon.grid == "auto" and horizon.months > LONGEST_MONTHLY)


def grid_name(scenario: Scenario) -> str:
    """The grid in words."""
    return "months, then quarters" if in_quarters(scenario) else "months"


def period_starts(scenario: Scenario, reveal_months: int) -> tuple[int, ...]:
    """First month of each period, counted from the month of the decision.

    Parameters
    ----------
    scenario : Scenario
    reveal_months : int
        Month in which it is seen which path demand follows.
    """
    months = scenario.horizon.months
    if not in_quarters(scenario):
        return tuple(range(months))
    starts = set(range(min(MONTHLY_FIRST, months))) | set(range(MONTHLY_FIRST, months, QUARTER_MONTHS))
    starts.add(reveal_months)
    start = month_start(scenario.as_of)
    for day in _dates_of_change(scenario):
        starts.add(_first_month_on_or_after(start, day))
    for job in scenario.demand.training:
        if job.deadline is not None:
            starts.add(months_between(start, job.deadline) + 1)
    return tuple(sorted(month for month in starts if 0 <= month < months))


def _first_month_on_or_after(start: dt.date, day: dt.date) -> int:
    months = months_between(start, day)
    return months if day.day == 1 else months + 1


def _dates_of_change(scenario: Scenario) -> Iterator[dt.date]:
    """Days on which what is allowed, offered or open may change."""
    yield from (node.start for node in scenario.outlook.root.walk())
    for line in scenario.market:
        yield from (day for day in (line.available_from, line.available_until) if day is not None)
    opened = [loan.available_from for loan in scenario.finance.loans]
    raised = [equity.available_from for equity in scenario.finance.equity]
    yield from (day for day in opened if day is not None)
    yield from (day.replace(day=1) for day in raised if day is not None)
    for job in scenario.demand.training:
        if job.earliest is not None:
            yield job.earliest.replace(day=1)
    for limits in (scenario.limits.power_w, scenario.limits.servers):
        yield from (day for day, _ in limits)
