"""Constants and border conversions; inside, everything is SI with the unit in the name.

GB is 1e9 byte and GiB is 2**30 byte; rates are dense FLOP/s; a year is 365.25 days.
"""

from __future__ import annotations

TERA = 1e12
GIGA = 1e9
MEGA = 1e6
KILO = 1e3
GIB_BYTES = float(2**30)

SECONDS_PER_HOUR = 3_600.0
SECONDS_PER_DAY = 86_400.0
DAYS_PER_YEAR = 365.25
SECONDS_PER_YEAR = DAYS_PER_YEAR * SECONDS_PER_DAY  # 31,557,600 s
HOURS_PER_MONTH = DAYS_PER_YEAR * 24.0 / 12.0

BITS_BY_PRECISION: dict[str, int] = {
    "fp64": 64,
    "fp64_matrix": 64,
    "fp32": 32,
    "tf32": 19,
    "bf16": 16,
    "fp16": 16,
    "fp16_acc16": 16,
    "fp8": 8,
    "fp8_acc16": 8,
    "int8": 8,
    "fp6": 6,
    "fp4": 4,
    "int4": 4,
}
"""Bit length of the multiply inputs by precision; tf32 is counted at 19 bits, block formats at element width."""
