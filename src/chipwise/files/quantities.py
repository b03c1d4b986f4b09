"""Units of money, tokens and time as they are written in files: a strict parser for a short list of forms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Per = Literal[
    "",
    "year",
    "month",
    "chip",
    "chip with server",
    "bare module",
    "server",
    "GPU-hour",
    "token",
    "input token",
    "output token",
    "kWh",
]

MONEY_FORMS: dict[str, tuple[str, ...]] = {
    "sum": ("USD m", "USD bn", "kUSD", "RMB m", "RMB bn"),
    "sum per year": ("USD m per year", "USD m", "RMB bn"),
    "rate": ("USD m per year", "USD m per month", "kUSD per year"),
    "per chip": (
        "kUSD per chip",
        "kUSD per chip with server",
        "kUSD per bare module",
        "kUSD per eight-chip server",
        "RMB per chip",
    ),
    "per hour": ("USD per GPU-hour", "RMB per GPU-hour"),
    "per token": ("RMB per million tokens", "RMB per million input tokens", "USD per million output tokens"),
    "per kWh": ("USD per kWh", "RMB per kWh"),
}
"""Kinds of money and examples of the units each takes; any currency the file gives a rate for may stand in."""

_ALLOWED: dict[str, tuple[Per, ...]] = {
    "sum": ("",),
    "sum per year": ("", "year"),
    "rate": ("year", "month"),
    "per chip": ("chip", "chip with server", "bare module", "server"),
    "per hour": ("GPU-hour",),
    "per token": ("token", "input token", "output token"),
    "per kWh": ("kWh",),
}

_UNIT = re.compile(r"(k)?([A-Z]{3})(?: (m|bn))?(?: per (.+))?")
_SERVER = re.compile(r"(two|four|eight|sixteen|[1-9][0-9]{0,4})-chip server")
_COUNT = {"two": 2, "four": 4, "eight": 8, "sixteen": 16}
_PER: dict[str, tuple[Per, float]] = {
    "year": ("year", 1.0),
    "month": ("month", 1.0),
    "chip": ("chip", 1.0),
    "chip with server": ("chip with server", 1.0),
    "bare module": ("bare module", 1.0),
    "GPU-hour": ("GPU-hour", 1.0),
    "kWh": ("kWh", 1.0),
    "million tokens": ("token", 1e-6),
    "million input tokens": ("input token", 1e-6),
    "million output tokens": ("output token", 1e-6),
}
_TOKENS_PER_DAY = {
    "trillion tokens per day": 1e12,
    "billion tokens per day": 1e9,
    "million tokens per day": 1e6,
    "tokens per day": 1.0,
}
TOKEN_FORMS = tuple(_TOKENS_PER_DAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyUnit:
    """A unit of money taken apart.

    Parameters
    ----------
    currency : str
        ``USD``, ``RMB`` or another three-letter code; ``CNY`` reads as ``RMB``.
    scale : float
        Number of currency units in one unit, per `per`; per chip for servers.
    per : str
        What the money is paid for or how often; empty for a sum.
    """

    currency: str
    scale: float
    per: Per


def money_unit(text: str) -> MoneyUnit | None:
    """Read a unit of money; None when it is not one of the forms.

    Examples
    --------
    >>> money_unit("kUSD per eight-chip server")
    MoneyUnit(currency='USD', scale=125.0, per='server')
    >>> money_unit("RMB per million tokens").scale
    1e-06
    >>> money_unit("dollars") is None
    True
    """
    match = _UNIT.fullmatch(text)
    if match is None:
        return None
    kilo, currency, size, per_text = match.groups()
    if kilo and size:
        return None
    scale = 1e3 if kilo else {"m": 1e6, "bn": 1e9}.get(size or "", 1.0)
    per: Per = ""
    if per_text is not None:
        server = _SERVER.fullmatch(per_text)
        if server is not None:
            per, factor = "server", 1.0 / (_COUNT.get(server[1]) or int(server[1]))
        elif per_text in _PER:
            per, factor = _PER[per_text]
        else:
            return None
        scale *= factor
    return MoneyUnit(currency="RMB" if currency == "CNY" else currency, scale=scale, per=per)


def fits(unit: MoneyUnit, kind: str) -> bool:
    """Whether `unit` may stand where money of `kind` (a key of `MONEY_FORMS`) is expected."""
    return unit.per in _ALLOWED[kind]


def tokens_per_day(text: str) -> float | None:
    """Tokens per day in one unit; None when the text is not one of `TOKEN_FORMS`.

    Examples
    --------
    >>> tokens_per_day("trillion tokens per day")
    1000000000000.0
    """
    return _TOKENS_PER_DAY.get(text)
