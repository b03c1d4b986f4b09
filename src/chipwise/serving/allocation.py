"""Chips of several kinds given to several needs so that most tokens are served in the shares asked for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any


def served(counts: Any, rates: Any, shares: Any) -> float:
    """Most tokens/s in the given shares.

    Parameters
    ----------
    counts : (chips,) chips
    rates : (chips, needs) tokens/s of one chip
    shares : (needs,) of all tokens, summing to 1

    Notes
    -----
    By duality the least, over prices p with ``shares @ p = 1``, of what the chips earn at their best use. For two needs
    it is at one of the prices at which a chip is worth as much in either; more needs are solved as a linear programme.
    """
    import numpy as np

    if len(shares) == 1:
        return float(counts @ rates[:, 0])
    if len(shares) == 2:
        with np.errstate(divide="ignore", invalid="ignore"):
            even = rates[:, 0] / (rates[:, 0] * shares[1] + rates[:, 1] * shares[0])
        second = np.concatenate(([0.0, 1.0 / shares[1]], even[np.isfinite(even)]))
        first = (1.0 - second * shares[1]) / shares[0]
        earned = np.maximum(rates[:, :1] * first[None, :], rates[:, 1:] * second[None, :])
        return float((counts @ earned).min())
    return _programme(counts, rates, shares)


def _programme(counts: Any, rates: Any, shares: Any) -> float:
    """The same as a linear programme in chips by need and the total."""
    import highspy
    import numpy as np

    chips, needs = rates.shape
    with _quiet():
        kind: Any = highspy.Highs
        solver = kind()
    solver.silent()
    solver.setOptionValue("threads", 1)  # the number of threads is the process's: other programmes set one too
    for _ in range(chips * needs):
        solver.addVar(0.0, highspy.kHighsInf)
    solver.addVar(0.0, highspy.kHighsInf)
    total = chips * needs
    solver.changeColCost(total, -1.0)
    for c in range(chips):
        place = np.arange(c * needs, (c + 1) * needs, dtype=np.int32)
        solver.addRow(-highspy.kHighsInf, float(counts[c]), needs, place, np.ones(needs))
    for w in range(needs):
        place = np.array([*range(w, total, needs), total], dtype=np.int32)
        solver.addRow(0.0, highspy.kHighsInf, chips + 1, place, np.array([*rates[:, w], -shares[w]]))
    solver.run()
    return float(-solver.getObjectiveValue())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the solver's banner, written below Python, off standard output."""
    kept, sink = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(sink)
        os.close(kept)
