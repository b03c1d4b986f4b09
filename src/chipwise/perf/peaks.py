"""Which peak a chip may use, what family it belongs to, and which figures it must have."""

from __future__ import annotations

from chipwise.catalogue.objects import Chip
from chipwise.core.errors import InputError, Undetermined

SIXTEEN_BIT = ("bf16", "fp16")
"""Rates with fp32 accumulation, in order of preference; the fp16-accumulate rate of GeForce cards is never used."""


def usable_memory_kind(chip: Chip) -> str:
    """``hbm``, ``gddr`` or ``other``."""
    kind = chip.mem_type.casefold()
    if kind.startswith(("hbm", "hibl", "hizq")):
        return "hbm"
    return "gddr" if kind.startswith("gddr") else "other"


def family_key(chip: Chip) -> str:
    """Architecture and kind of memory: ``Ampere/hbm``; empty where no architecture is known.

    Cards of one architecture with GDDR and with HBM differ in more than their peaks, hence two families.
    """
    return f"{chip.architecture}/{usable_memory_kind(chip)}" if chip.architecture else ""


def peak_fact_id(chip: Chip, precision: str) -> str:
    """Id of the fact that holds the peak at `precision`."""
    return f"chips/{chip.id}#{precision}"


def training_precision(chip: Chip, precision: str) -> str:
    """Precision a training run on `chip` uses; ``auto`` is bf16, else fp16 with fp32 accumulation.

    Raises
    ------
    InputError
        `precision` is not one a training run uses.
    Undetermined
        The chip has no published peak at it.
    """
    allowed = ("auto", "bf16", "fp16", "fp8", "fp4")
    if precision not in allowed:
        raise InputError(f"{precision!r} is no training precision", place="precision", allowed=", ".join(allowed))
    if precision == "auto":
        for candidate in SIXTEEN_BIT:
            if chip.rates.get(candidate):
                return candidate
        raise Undetermined(f"{chip.id} has no published dense bf16 or fp16 peak", place=f"chips/{chip.id}")
    if precision in SIXTEEN_BIT and not chip.rates.get(precision):
        for candidate in SIXTEEN_BIT:
            if chip.rates.get(candidate):
                return candidate
    if not chip.rates.get(precision):
        raise Undetermined(f"{chip.id} has no published dense {precision} peak", place=f"chips/{chip.id}")
    return precision


def peak_training_flop_per_s(chip: Chip) -> float:
    """Dense bf16 peak, else fp16 with fp32 accumulation, FLOP/s.

    Raises
    ------
    Undetermined
        Neither is published for this chip.
    """
    return chip.rates[training_precision(chip, "auto")]


def sixteen_bit_precision(chip: Chip) -> str:
    """Name of the 16-bit format `chip` multiplies in, as for training."""
    return training_precision(chip, "auto")


def peak_spread(chip: Chip, precision: str) -> tuple[float, float]:
    """Factors down and up of a peak that is a range: (1, 1) for a single figure."""
    peak, span = chip.rates.get(precision), chip.rate_ranges.get(precision)
    if not peak or span is None:
        return 1.0, 1.0
    return peak / span[0], span[1] / peak
