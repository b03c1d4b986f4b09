"""A user's own runs: one factor for the stack, drawn towards 1 while they are few."""

from __future__ import annotations

import math
from collections.abc import Sequence

from chipwise.core.errors import InputError

WEIGHT_OF_PRIOR = 1.0
"""Runs that the model without measurements counts as: one run moves half way, three move three quarters."""

LARGEST_RATIO = 4.0
"""A run this far from its prediction, either way, is another shape or another unit, not another stack."""


def own_factor(measured_s: Sequence[float], predicted_s: Sequence[float]) -> float:
    """What to multiply predicted step times with on this user's stack.

    Parameters
    ----------
    measured_s, predicted_s : sequences of float, s
        Step times of the user's runs and what the model says of them.

    Raises
    ------
    InputError
        No run, times out of range, or a run that cannot be the one described.

    Notes
    -----
    The median of the logarithms of measured over predicted, times ``n / (n + 1)``.

    Examples
    --------
    >>> round(own_factor([12.1], [10.0]), 3)
    1.1
    """
    if not measured_s or len(measured_s) != len(predicted_s):
        raise InputError("no run, or not one prediction a run", place="own runs", allowed="one or more pairs")
    logs = []
    for measured, predicted in zip(measured_s, predicted_s, strict=True):
        ratio = measured / predicted if measured > 0.0 and predicted > 0.0 else math.inf
        if not 1.0 / LARGEST_RATIO <= ratio <= LARGEST_RATIO:
            raise InputError(
                f"{measured!r} s measured, {predicted!r} s predicted",
                place="own runs",
                allowed=f"a ratio of 1/{LARGEST_RATIO:g} to {LARGEST_RATIO:g}",
            )
        logs.append(math.log(ratio))
    logs.sort()
    middle = len(logs) // 2
    median = logs[middle] if len(logs) % 2 else 0.5 * (logs[middle - 1] + logs[middle])
    return math.exp(median * len(logs) / (len(logs) + WEIGHT_OF_PRIOR))
