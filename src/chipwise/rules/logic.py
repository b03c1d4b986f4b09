"""Three-valued logic: True, False and None for not known; and comparison of an interval with a line."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from chipwise.rules.objects import CaseSpec, Span


class Comparison(NamedTuple):
    """One comparison of a test: measure, operator, and the value of a named parameter."""

    measure: str
    operator: str
    value: float
    parameter: str


NumericTest = tuple[tuple[Comparison, ...], ...]
"""Any of the rows, every comparison of a row."""


def any_of(values: Iterable[bool | None]) -> bool | None:
    """True if one is, None if one is not known, else False.

    Examples
    --------
    >>> any_of([False, None, True]), any_of([False, None]), any_of([])
    (True, None, False)
    """
    unknown = False
    for value in values:
        if value:
            return True
        unknown = unknown or value is None
    return None if unknown else False


def all_of(values: Iterable[bool | None]) -> bool | None:
    """False if one is, None if one is not known, else True."""
    unknown = False
    for value in values:
        if value is False:
            return False
        unknown = unknown or value is None
    return None if unknown else True


def compare(span: Span, operator: str, value: float) -> bool | None:
    """Compare an interval with a line by the regulation's own operator; None when it straddles.

    Examples
    --------
    >>> compare((4800, 4800), ">=", 4800), compare((4800, 4800), "<", 4800), compare((4700, 4900), ">=", 4800)
    (True, False, None)
    """
    low, high = span
    if operator == ">=":
        return True if low >= value else (False if high < value else None)
    if operator == ">":
        return True if low > value else (False if high <= value else None)
    if operator == "<":
        return True if high < value else (False if low >= value else None)
    return True if high <= value else (False if low > value else None)


def holds(test: NumericTest, case: CaseSpec) -> bool | None:
    """Whether a numeric test is met by the figures of a case."""
    unknown = False
    for row in test:
        met: bool | None = True
        for measure, operator, value, _ in row:
            found = compare(case.span(measure), operator, value)
            if found is False:
                met = False
                break
            if found is None:
                met = None
        if met:
            return True
        unknown = unknown or met is None
    return None if unknown else False


def holds_at(test: NumericTest, tpp: float, density: float, io: float) -> bool:
    """Whether a test of class is met by exact figures."""
    figures = {"tpp": tpp, "perf_density": density, "io_GBps": io}
    return any(all(compare((figures[c[0]],) * 2, c[1], c[2]) for c in row) for row in test)


def ends(span: Span) -> tuple[float, ...]:
    """The ends of an interval, once if they are equal; an open end stands for a figure above every line."""
    low, high = span
    return (low,) if low == high else (low, high)


def is_open(span: Span) -> bool:
    """Whether nothing at all is known of the figure."""
    return span[0] == 0.0 and math.isinf(span[1])
