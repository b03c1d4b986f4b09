"""Numbers and dates as people read them; every function takes plain JSON values and gives text.

``"inf"`` (an unbounded runway) and None (undetermined or not given) are values of their own and never become 0.
"""

from __future__ import annotations

import math
import re
from typing import Any

UNBOUNDED = "unbounded"
UNKNOWN = "undetermined"
NONE = "–"

_SI = ((1e24, "Y"), (1e21, "Z"), (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_MONEY = ((1e12, "tn"), (1e9, "bn"), (1e6, "m"), (1e3, "k"))
_PREFIXED = {"byte", "byte/s", "flop/s", "W", "J"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def as_number(value: Any) -> float | None:
    """A JSON value as a float; ``"inf"`` is infinity, what is no number is None."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return float(value)
    return {"inf": math.inf, "-inf": -math.inf}.get(str(value))


def _grouped(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    return text.replace("-", "−") if float(text.replace(",", "")) != 0.0 else text.lstrip("-")


def _significant(value: float, digits: int) -> str:
    """`digits` significant digits without an exponent, trailing zeros of the fraction kept off."""
    if value == 0.0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = _grouped(value, decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text


def count(value: Any) -> str:
    """A number of things.

    Examples
    --------
    >>> count(12345.2), count(0.04), count(None)
    ('12,345', '0.04', '–')
    """
    number = as_number(value)
    if number is None:
        return NONE
    if math.isinf(number):
        return UNBOUNDED
    if number == 0.0 or abs(number) >= 10.0:
        return _grouped(number, 0)
    return _significant(number, 2)


def usd(value: Any) -> str:
    """US dollars with three significant digits.

    Examples
    --------
    >>> usd(31_240_000), usd(-950), usd(0), usd(None)
    ('USD 31.2 m', '−USD 950', 'USD 0', '–')
    """
    number = as_number(value)
    if number is None:
        return NONE
    if math.isinf(number):
        return UNBOUNDED
    sign, size = ("−" if number < 0 else ""), abs(number)
    for scale, name in _MONEY:
        if size >= scale * 0.9995:
            return f"{sign}USD {_significant(size / scale, 3)} {name}"
    text = _grouped(size, 0) if size >= 10.0 or size == 0.0 else _significant(size, 2)
    return f"{sign}USD {text}" if text != "0" else "USD 0"


def years(value: Any, *, unit: bool = True) -> str:
    """A span of years; ``unbounded`` when it never ends, ``undetermined`` when it is not known.

    Examples
    --------
    >>> years(1.514), years(0.541), years("inf"), years(None), years(0)
    ('1.5 years', '0.54 years', 'unbounded', 'undetermined', '0 years')
    """
    number = as_number(value)
    if number is None:
        return UNKNOWN
    if math.isinf(number):
        return UNBOUNDED
    text = _grouped(number, 0) if number >= 100 else _significant(number, 2)
    return f"{text} year{'' if text == '1' else 's'}" if unit else text


def share(value: Any) -> str:
    """A share of 0 to 1 as percent.

    Examples
    --------
    >>> share(0.275), share(0.001), share(1.0), share(0.9996)
    ('28 %', '0.1 %', '100 %', '99.9 %')
    """
    number = as_number(value)
    if number is None:
        return NONE
    percent = number * 100.0
    if 0.0 < percent < 1.0:
        return f"{_significant(percent, 1)} %" if percent >= 0.05 else "under 0.1 %"
    if 99.0 < percent < 100.0:
        return f"{min(percent, 99.9):.1f} %"
    return f"{_grouped(percent, 0)} %"


def flop(value: Any) -> str:
    """Floating-point operations.

    Examples
    --------
    >>> flop(1e25)
    '1.0e25 FLOP'
    """
    number = as_number(value)
    if number is None:
        return NONE
    mantissa, exponent = f"{number:.1e}".split("e")
    return f"{mantissa}e{int(exponent)} FLOP"


def tokens_per_day(value: Any) -> str:
    """Tokens a day.

    Examples
    --------
    >>> tokens_per_day(8.04e10)
    '80.4 bn'
    """
    number = as_number(value)
    if number is None:
        return NONE
    for scale, name in _MONEY:
        if abs(number) >= scale:
            return f"{_significant(number / scale, 3)} {name}"
    return count(number)


def date(value: Any) -> str:
    """An ISO date as ``21 Nov 2023``; partial dates and other text stay as they are.

    Examples
    --------
    >>> date("2023-11-21"), date("2023-11"), date(None)
    ('21 Nov 2023', 'Nov 2023', '–')
    """
    text = "" if value is None else str(value)
    found = re.fullmatch(r"(\d{4})-(\d{2})(?:-(\d{2}))?", text)
    if not found or not 1 <= int(found[2]) <= 12:
        return text or NONE
    month = f"{_MONTHS[int(found[2]) - 1]} {found[1]}"
    return f"{int(found[3])} {month}" if found[3] else month


def month(value: Any) -> str:
    """The month of an ISO date.

    Examples
    --------
    >>> month("2024-05-01")
    'May 2024'
    """
    return date(str(value)[:7]) if value is not None else NONE


def quantity(value: Any, unit: str = "", digits: int = 4) -> str:
    """A number with its SI unit, scaled for reading.

    Examples
    --------
    >>> quantity(96e9, "byte"), quantity(1.48e14, "FLOP/s"), quantity(0.38, ""), quantity(1e25, "FLOP")
    ('96 GB', '148 TFLOP/s', '0.38', '1.0e25 FLOP')
    """
    number = as_number(value)
    if number is None:
        return NONE if value is None else str(value)
    if math.isinf(number):
        return UNBOUNDED
    if unit == "USD":
        return usd(number)
    if unit == "FLOP":
        return flop(number)
    if unit in _PREFIXED or unit.lower() in _PREFIXED:
        shown = unit.replace("flop", "FLOP")
        for scale, prefix in _SI:
            if abs(number) >= scale:
                return f"{_significant(number / scale, digits)} {prefix}{shown.replace('byte', 'B')}"
        return f"{_significant(number, digits)} {shown}"
    text = _plain(number, digits)
    return f"{text} {unit}" if unit else text


def _plain(number: float, digits: int) -> str:
    size = abs(number)
    if size >= 1e15 or 0.0 < size < 1e-3:
        mantissa, _, exponent = f"{number:.3g}".partition("e")
        return f"{mantissa}e{int(exponent)}" if exponent else mantissa
    for scale, name in _MONEY[:3]:
        if size >= scale:
            return f"{_significant(number / scale, digits)} {name}"
    return _grouped(number, 0) if size >= 1e3 and number == round(number) else _significant(number, digits)


def interval(low: Any, high: Any, form: Any) -> str:
    """Two ends in one form, ``low to high``, a unit that both share written once; empty when neither is given.

    Examples
    --------
    >>> interval(2e12, 3e12, lambda end: quantity(end, "FLOP/s"))
    '2 to 3 TFLOP/s'
    """
    if low is None and high is None:
        return ""
    first, second = form(low), form(high)
    number, space, unit = first.partition(" ")
    if space and number[:1].isdigit() and second.partition(" ")[2] == unit:
        first = number
    return f"{first} to {second}"


def words(code: Any) -> str:
    """A code of a closed vocabulary as words: underscores become spaces."""
    return str(code).replace("_", " ") if code not in (None, "") else NONE


def slug(text: str) -> str:
    """Letters, digits and dashes only, for anchors.

    Examples
    --------
    >>> slug("scenario/baidu-2023#fleet_use.mfu")
    'scenario-baidu-2023-fleet-use-mfu'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"
