"""Dates, partial dates and months.

A partial date (``2023-11`` or ``2023``) is a real thing in the facts. Compared as *known by*, it counts as its
last day; as *available from*, as its first day.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re

from chipwise.core.errors import InputError

_PARTIAL = re.compile(r"^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?$")


def _parts(text: str, place: str) -> tuple[int, int | None, int | None]:
    match = _PARTIAL.match(text.strip())
    if not match:
        raise InputError(f"{text!r} is not a date", place=place, allowed="YYYY, YYYY-MM or YYYY-MM-DD")
    year, month, day = match.groups()
    return int(year), int(month) if month else None, int(day) if day else None


def _build(year: int, month: int, day: int, text: str, place: str) -> dt.date:
    try:
        return dt.date(year, month, day)
    except ValueError:
        raise InputError(f"{text!r} is no day of the calendar", place=place, allowed="a real date") from None


def first_day(value: str | dt.date, *, place: str = "") -> dt.date:
    """First day of a full or partial date.

    Examples
    --------
    >>> first_day("2023-11")
    datetime.date(2023, 11, 1)
    """
    if isinstance(value, dt.date):
        return value
    year, month, day = _parts(value, place)
    return _build(year, month or 1, day or 1, value, place)


def last_day(value: str | dt.date, *, place: str = "") -> dt.date:
    """Last day of a full or partial date.

    Examples
    --------
    >>> last_day("2024-02")
    datetime.date(2024, 2, 29)
    """
    if isinstance(value, dt.date):
        return value
    year, month, day = _parts(value, place)
    month = month or 12
    if day is None:
        _build(year, month, 1, value, place)
        day = calendar.monthrange(year, month)[1]
    return _build(year, month, day, value, place)


def month_start(day: dt.date) -> dt.date:
    """First day of the month in which `day` lies."""
    return day.replace(day=1)


def add_months(day: dt.date, months: int) -> dt.date:
    """Add whole months, clipping to the last day of the month.

    Examples
    --------
    >>> add_months(dt.date(2023, 11, 30), 3)
    datetime.date(2024, 2, 29)
    """
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def months_between(start: dt.date, end: dt.date) -> int:
    """Whole months from the month of `start` to the month of `end`."""
    return (end.year - start.year) * 12 + end.month - start.month


def years_between(start: dt.date, end: dt.date) -> float:
    """Years of 365.25 days from `start` to `end`."""
    return (end - start).days / 365.25
