"""Runways day by day: slow, obvious, and with bookkeeping of its own; nothing is shared with the closed forms.

Every function walks one day at a time and interpolates inside the day of the crossing. It stops at `limit_years` and
then returns inf.
"""

import math

DAYS = 365.25


def outgrown(capacity, keep_per_year, need, growth_per_year, limit_years):
    """Years until a need that grows exceeds a capacity that wears; lists of capacities wear each at its own rate."""
    parts = [float(part) for part in (capacity if isinstance(capacity, list) else [capacity])]
    keeps = keep_per_year if isinstance(keep_per_year, list) else [keep_per_year] * len(parts)
    daily_keep = [keep ** (1 / DAYS) for keep in keeps]
    daily_growth = growth_per_year ** (1 / DAYS)
    have, want = sum(parts), float(need)
    if want > have:
        return 0.0
    for day in range(math.ceil(limit_years * DAYS)):
        parts = [part * keep for part, keep in zip(parts, daily_keep, strict=True)]
        have_next, want_next = sum(parts), want * daily_growth
        if want_next > have_next:
            before, after = have - want, want_next - have_next
            return (day + before / (before + after)) / DAYS
        have, want = have_next, want_next
    return math.inf


def worn_out(in_service, spares, needed, attrition, repair_share, support_end_years, limit_years):
    """Years until chips in service fall below `needed`: each day some fail, some are repaired, spares fill in."""
    if needed == 0:
        return math.inf
    if needed > in_service:
        return 0.0
    fails_a_day = 1 - (1 - attrition) ** (1 / DAYS)
    working, shelf = float(in_service), float(spares)
    end = math.inf if support_end_years is None else support_end_years
    for day in range(math.ceil(min(limit_years, end) * DAYS)):
        lost = working * fails_a_day * (1 - repair_share)
        from_shelf = min(shelf, lost)
        shelf -= from_shelf
        left = working - (lost - from_shelf)
        if left < needed:
            # spares cover the first part of the day's losses, then the fleet falls
            covered = from_shelf / lost
            part = covered + (1 - covered) * (working - needed) / (working - left)
            return min((day + part) / DAYS, end)
        working = left
    return end if end <= limit_years else math.inf
