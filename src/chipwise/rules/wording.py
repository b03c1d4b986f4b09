"""Words for figures, tests and places, in plain English."""

from __future__ import annotations

import math

from chipwise.rules.law import Law
from chipwise.rules.logic import Comparison, NumericTest, compare
from chipwise.rules.objects import CaseSpec, Span

MEASURE_WORDS = {
    "tpp": ("compute (TPP)", ""),
    "perf_density": ("compute density (TPP per mm²)", ""),
    "mem_bw_density": ("memory bandwidth density", " GB/s per mm²"),
    "dram_GBps": ("memory bandwidth", " GB/s"),
    "io_GBps": ("transfer rate to other chips", " GB/s"),
    "dram_plus_io_GBps": ("memory bandwidth plus transfer rate", " GB/s"),
}
_OPERATORS = {">=": "at or above", ">": "above", "<": "below", "<=": "at or below"}
ENTRY_WORDS = {
    "none": "below every line of ECCN 3A090: anti-terrorism controls only (3A991, 4A994 or 5A992)",
    "ic_2022": "in ECCN 3A090 as first written",
    "a": "in ECCN 3A090.a",
    "b": "in ECCN 3A090.b",
    "c": "in ECCN 3A090.c (high-bandwidth memory)",
    "hbm_free": "not in ECCN 3A090.c",
    "presumed": "presumed to be 3A090.a and for data centers (the foundry presumption stands)",
    "overcome": "below the lines by attestation: the foundry presumption is overcome",
    "no_presumption": "outside the foundry presumption",
    "unmeasured": "not placed: the foundry rule is not in force and the die's compute is not given",
}


def number(value: float) -> str:
    """A figure with thousands marks and no needless decimals.

    Examples
    --------
    >>> number(4992.0), number(6.0436), number(0.25)
    ('4,992', '6.04', '0.25')
    """
    if math.isinf(value):
        return "unknown"
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 1 else f"{value:.2g}"


def span_text(span: Span) -> str:
    """An interval in words."""
    low, high = span
    if low == high:
        return number(low)
    if math.isinf(high):
        return "not known" if low == 0.0 else f"at least {number(low)}"
    short = number(low), number(high)
    return short[0] if short[0] == short[1] else f"{short[0]} to {short[1]}"


def compared(case: CaseSpec, part: Comparison) -> str:
    """One comparison in words: the figure, the line, and whether it is met."""
    words, unit = MEASURE_WORDS[part.measure]
    span = case.span(part.measure)
    met = compare(span, part.operator, part.value)
    verdict = {True: "met", False: "not met", None: "cannot be said"}[met]
    return f"{words} {span_text(span)}{unit} against {_OPERATORS[part.operator]} {number(part.value)}: {verdict}"


def test_text(case: CaseSpec, test: NumericTest) -> str:
    """A test in words, its rows joined by ``or``."""
    rows = ["; ".join(compared(case, part) for part in row) for row in test]
    return " — or ".join(rows)


def place_text(code: str, names: dict[str, str] | None = None) -> str:
    """A country by name and code."""
    return f"{names[code]} ({code})" if names and code in names else code


def standing_text(code: str, law: Law) -> str:
    """Whether a place is in Macau or Country Group D:5, in words."""
    near = law.near.get(code)
    if code not in law.near:
        return f"{code} is not in the table of country groups"
    if near is None:
        return f"whether {code} was in Country Group D:5 that day is not settled"
    return f"{code} is {'in' if near else 'not in'} Macau or Country Group D:5"
