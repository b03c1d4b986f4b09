"""Words for figures, tests and places, in plain English."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from importlib import resources
from typing import Any

from chipwise.rules.geography import country_names
from chipwise.rules.logic import Comparison, NumericTest, compare
from chipwise.rules.objects import CaseSpec, Span
from chipwise.rules.rulebook import Rulebook, read_yaml

MEASURE_WORDS = {
    "tpp": ("compute (TPP)", ""),
    "perf_density": ("compute density", " TPP per mm²"),
    "mem_bw_density": ("memory bandwidth density", " GB/s per mm²"),
    "dram_GBps": ("memory bandwidth", " GB/s"),
    "io_GBps": ("transfer rate to other chips", " GB/s"),
    "dram_plus_io_GBps": ("memory bandwidth plus transfer rate", " GB/s"),
}
_SIGNS = {">=": "of at least", ">": "above", "<": "below", "<=": "of at most"}
ENTRY_WORDS = {
    "none": "below every line of ECCN 3A090: controlled for anti-terrorism reasons only (3A991, 4A994 or 5A992)",
    "ic_2022": "in ECCN 3A090 as first written",
    "a": "in ECCN 3A090.a",
    "b": "in ECCN 3A090.b",
    "c": "in ECCN 3A090.c (high-bandwidth memory)",
    "hbm_free": "not in ECCN 3A090.c",
    "presumed": "presumed to be in ECCN 3A090.a and made for data centers",
    "overcome": "below the lines by the packager's attestation: the presumption is overcome",
    "no_presumption": "outside the presumption",
    "unmeasured": "under no presumption, and its own compute is not given",
}


@functools.cache
def _sentences() -> Mapping[str, Mapping[str, str]]:
    text = resources.files("chipwise.data").joinpath("rules/sentences.yaml").read_text(encoding="utf-8")
    table: Mapping[str, Mapping[str, str]] = read_yaml(text, "sentences.yaml")
    return table


def sentence(layer: str, finding: str, **words: Any) -> str:
    """The sentence of a layer's finding, filled in."""
    return _sentences()[layer][finding].format(**words)


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
    """An interval in words.

    Examples
    --------
    >>> span_text((4480.0, 6400.0)), span_text((0.0, float("inf"))), span_text((10.0, float("inf")))
    ('4,480 to 6,400', 'not known', 'at least 10')
    """
    low, high = span
    if math.isinf(high):
        return "not known" if low == 0.0 else f"at least {number(low)}"
    short = number(low), number(high)
    return short[0] if short[0] == short[1] else f"{short[0]} to {short[1]}"


def rule_text(test: NumericTest) -> str:
    """What a test asks for, its rows numbered when there are several."""
    return _rows([" and ".join(_asked(part) for part in row) for row in test])


def here_text(case: CaseSpec, test: NumericTest) -> str:
    """How the figures of a case stand against each row of a test."""
    return _rows([_stand(case, row) for row in test])


def _asked(part: Comparison) -> str:
    words, unit = MEASURE_WORDS[part.measure]
    return f"{words} {_SIGNS[part.operator]} {number(part.value)}{unit}"


def _stand(case: CaseSpec, row: tuple[Comparison, ...]) -> str:
    found = [compare(case.span(part.measure), part.operator, part.value) for part in row]
    met = False if False in found else (None if None in found else True)
    words = {True: "met", False: "not met", None: "cannot be said"}[met]
    return f"{words} ({', '.join(_figure(case, part) for part in row)})"


def _figure(case: CaseSpec, part: Comparison) -> str:
    words, unit = MEASURE_WORDS[part.measure]
    figure = span_text(case.span(part.measure))
    return f"{words} {figure}" if figure == "not known" else f"{words} {figure}{unit}"


def _rows(rows: list[str]) -> str:
    if len(rows) == 1:
        return rows[0]
    return "; ".join(f"({index}) {row}" for index, row in enumerate(rows, start=1))


def place_text(code: str, rulebook: Rulebook) -> str:
    """A country by name and code."""
    name = country_names(rulebook).get(code)
    return f"{name} ({code})" if name else code
