"""Three-valued logic: True, False and None for not known; and comparison of an interval with a line."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from chipwise.rules.objects import CaseSpec, Span


class Comparison(NamedTuple):
    """One comparison of a test: measure, operator, and the value of a named parameter."""

    measure: str
    operator: str
    value: float
    parameter: str


_COMPARE = {">=": operator.ge, ">": operator.gt, "<": operator.lt, "<=": operator.le}

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


def compare(span: Span, sign: str, value: float) -> bool | None:
    """Compare an interval with a line by the regulation's own operator; None when it straddles.

    Examples
    --------
    >>> compare((4800, 4800), ">=", 4800), compare((4800, 4800), "<", 4800), compare((4700, 4900), ">=", 4800)
    (True, False, None)
    """
    low, high = span
    at_low, at_high = _COMPARE[sign](low, value), _COMPARE[sign](high, value)
    return at_low if at_low is at_high else None


def holds(test: NumericTest, case: CaseSpec) -> bool | None:
    """Whether a numeric test is met by the figures of a case."""
    unknown = False
    for row in test:
        met: bool | None = True
        for measure, sign, value, _ in row:
            found = compare(case.span(measure), sign, value)
            if found is False:
                met = False
                break
            if found is None:
                met = None
        if met:
            return True
        unknown = unknown or met is None
    return None if unknown else False


def holds_at(test: NumericTest, figures: Mapping[str, float]) -> bool:
    """Whether a test is met by exact figures, given by measure."""
    return any(all(_COMPARE[part[1]](figures[part[0]], part[2]) for part in row) for row in test)


def ends(span: Span) -> tuple[float, ...]:
    """The ends of an interval, once if they are equal; an open end stands for a figure above every line."""
    low, high = span
    return (low,) if low == high else (low, high)


def is_open(span: Span) -> bool:
    """Whether nothing at all is known of the figure."""
    return span[0] == 0.0 and math.isinf(span[1])
