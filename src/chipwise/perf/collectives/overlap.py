"""What a collective costs the arithmetic that runs beside it."""

from __future__ import annotations

from chipwise.core.errors import InputError
from chipwise.perf.collectives.book import collective_constants


def compute_slowdown(overlapped_share: float) -> tuple[float, float, float]:
    """Factor on compute time, with its 90 % range, when a share of it runs beside collectives.

    Parameters
    ----------
    overlapped_share : float
        Compute time that runs while a collective does, over all compute time; 0 to 1.

    Raises
    ------
    InputError
        The share is outside 0 to 1.
    """
    if not 0.0 <= overlapped_share <= 1.0:
        raise InputError(f"{overlapped_share}", place="overlapped_share", allowed="0 to 1")
    factor = collective_constants()["compute_slowdown"]
    value, low, high = (1.0 + overlapped_share * (end - 1.0) for end in (factor.value, factor.low, factor.high))
    return value, low, high
