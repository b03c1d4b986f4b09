"""Dates as the tables hold them: partial, quarters, ranges, sometimes with words; and how fresh a row is."""

from __future__ import annotations

import calendar
import datetime as dt
import re

from chipwise.catalogue.objects import Chip

STALE_AFTER_DAYS = 365
"""A row last compared with its source longer ago than this is flagged stale; its figures still compute."""

_DATE = re.compile(r"(?<!\d)(\d{4})(?:-(Q[1-4]|H[12]|\d{2}(?:-\d{2})?)(?!\d))?(?!\d)")
_PLANS = ("planned", "sampling", "not mass produced")


def date_span(text: str) -> tuple[dt.date, dt.date] | None:
    """First and last day the words of a date allow; None where they hold no year.

    Examples
    --------
    >>> date_span("2024-10/2025-Q1")
    (datetime.date(2024, 10, 1), datetime.date(2025, 3, 31))
    """
    spans = [span for match in _DATE.finditer(text) if (span := _span(int(match[1]), match[2] or ""))]
    return (min(span[0] for span in spans), max(span[1] for span in spans)) if spans else None


def _span(year: int, part: str) -> tuple[dt.date, dt.date] | None:
    if not 1900 <= year <= 2200:
        return None
    if len(part) == 5:
        month, day = int(part[:2]), int(part[3:])
        if not 1 <= month <= 12 or not 1 <= day <= calendar.monthrange(year, month)[1]:
            return None
        return dt.date(year, month, day), dt.date(year, month, day)
    first, last = 1, 12
    if part.startswith("Q"):
        first, last = 3 * int(part[1]) - 2, 3 * int(part[1])
    elif part.startswith("H"):
        first, last = 6 * int(part[1]) - 5, 6 * int(part[1])
    elif part:
        first = last = int(part)
    if not 1 <= first <= 12:
        return None
    return dt.date(year, first, 1), dt.date(year, last, calendar.monthrange(year, last)[1])


def released_by(chip: Chip, day: dt.date) -> bool:
    """Whether the chip was on sale by `day`: shipped or aftermarket, and released no later.

    A partial date counts from its first day; a plan, a sample or a row without a date does not count.
    """
    span = date_span(chip.released)
    shipped = chip.status in {"shipped", "aftermarket"} and not any(word in chip.released for word in _PLANS)
    return shipped and span is not None and span[0] <= day


def is_stale(checked_on: dt.date | None, on: dt.date) -> bool:
    """Whether a row was never compared with its source, or longer than `STALE_AFTER_DAYS` before `on`."""
    return checked_on is None or (on - checked_on).days > STALE_AFTER_DAYS
