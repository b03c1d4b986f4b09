"""Units of hardware as people write them: ``96 GB``, ``148 TFLOPS``, ``900 GB/s``; read here, SI inside."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from chipwise.core.errors import DataError
from chipwise.core.names import nearest_names


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit: what it measures, the SI unit inside, and the factor to it."""

    text: str
    measures: str
    si: str
    factor: float


def _table() -> dict[str, Unit]:
    units: dict[str, Unit] = {}

    def add(text: str, measures: str, si: str, factor: float) -> None:
        units.setdefault(text, Unit(text=text, measures=measures, si=si, factor=factor))

    decimal = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
    binary = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}
    for text, factor in {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}.items():
        add(text, "count", "", factor)
    for prefix, factor in {"": 1.0, **decimal, **binary}.items():
        for name in ("B", "byte", "bytes"):
            add(f"{prefix}{name}", "bytes", "byte", factor)
            add(f"{prefix}{name}/s", "bytes per second", "byte/s", factor)
    for prefix, factor in {"": 1.0, **decimal}.items():
        for name in ("bit/s", "bps", "b/s"):
            add(f"{prefix}{name}", "bytes per second", "byte/s", factor / 8.0)
        for name in ("FLOPS", "FLOP/s", "flop/s", "OPS", "OP/s"):
            add(f"{prefix}{name}", "operations per second", "FLOP/s" if "F" in name.upper() else "OP/s", factor)
        add(f"{prefix}W", "power", "W", factor)
    for text, factor in {"s": 1.0, "ms": 1e-3, "us": 1e-6, "min": 60.0, "hour": 3600.0, "day": 86400.0}.items():
        add(text, "time", "s", factor)
    add("%", "count", "", 0.01)
    add("mm2", "area", "mm2", 1.0)
    add("mm²", "area", "mm2", 1.0)
    add("TPP", "total processing performance", "TPP", 1.0)
    add("USD", "money", "USD", 1.0)
    add("USD/hour", "money per hour", "USD/hour", 1.0)
    return units


UNITS: dict[str, Unit] = _table()
_NUMBER = re.compile(r"^\s*([+-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][+-]?\d{1,3})?)\s*(.*?)\s*$", re.DOTALL)
_COMMON = ("GB", "TB", "GB/s", "TB/s", "Gbit/s", "TFLOPS", "TOPS", "PFLOPS", "W", "mm2", "USD", "USD/hour")


def parse_unit(text: str, *, place: str = "") -> Unit:
    """The unit called `text`.

    Raises
    ------
    DataError
        When no unit has that name; names the nearest.

    Examples
    --------
    >>> parse_unit("Gbit/s").factor
    125000000.0
    """
    unit = UNITS.get(text)
    if unit is None:
        nearest = nearest_names(text, UNITS) or _COMMON
        raise DataError(f"{text[:40]!r} is no unit chipwise knows", place=place, nearest=nearest)
    return unit


def parse_number(text: str, *, place: str = "") -> float:
    """A finite number; thousands separators allowed.

    Examples
    --------
    >>> parse_number("1,280.5")
    1280.5
    """
    match = _NUMBER.match(text)
    digits = match.group(1).replace(",", "") if match and not match.group(2) else ""
    try:
        value = float(digits)
    except ValueError:
        raise DataError(f"{text[:80]!r} is not a number", place=place, allowed="a finite number") from None
    if not math.isfinite(value):
        raise DataError(f"{text[:80]!r} is too large", place=place, allowed="a finite number")
    return value


def parse_quantity(text: str | int | float, unit: str, *, place: str = "") -> float:
    """A number with or without a unit, expressed in `unit`.

    Parameters
    ----------
    text : str or int or float
        ``"96 GB"``, ``"0.4 TB/s"``, or a bare number, taken to be in `unit` already.
    unit : str
        Unit wanted; a unit written in `text` must measure the same thing.

    Returns
    -------
    float
        In `unit`.

    Raises
    ------
    DataError
        No number, an unknown unit, or a unit of something else.

    Examples
    --------
    >>> parse_quantity("1.8 TB/s", "GB/s")
    1800.0
    >>> parse_quantity("148 TFLOPS", "TFLOPS")
    148.0
    """
    allowed = f"a number in {unit}" if unit else "a plain number"
    if isinstance(text, bool) or not isinstance(text, (str, int, float)):
        raise DataError(f"{str(text)[:80]!r} is not a number", place=place, allowed=allowed)
    if isinstance(text, (int, float)):
        text = repr(text)[:400]
    match = _NUMBER.match(text)
    if match is None or not match.group(1):
        raise DataError(f"{text[:80]!r} has no number", place=place, allowed=allowed)
    value = parse_number(match.group(1), place=place)
    if not match.group(2) or match.group(2) == unit:
        return value
    given, wanted = parse_unit(match.group(2), place=place), parse_unit(unit, place=place)
    if given.measures != wanted.measures:
        raise DataError(f"{text[:80]!r} is {given.measures}, not {wanted.measures}", place=place, allowed=allowed)
    return value * (given.factor / wanted.factor)
