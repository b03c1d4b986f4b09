"""Straight lines between powers of two, on whole arrays: the position is read from the bits of the float."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CHUNK = 8192
"""Elements per pass; the working arrays of this size stay in the first caches."""

_MANTISSA = (1 << 52) - 1
_ONE = 1023 << 52


def locate(message: Floats, knots: int) -> tuple[Ints, Floats]:
    """Index of the knot below every message, and the share of the way to the next (above 1 past the last).

    Parameters
    ----------
    message : (n,) float64, bytes, at least 1 and contiguous
    knots : int
        Number of knots, at 2**0 … 2**(knots - 1).
    """
    bits = message.view(np.int64)
    index = bits >> 52
    index -= 1023
    fraction = ((bits & _MANTISSA) | _ONE).view(np.float64)
    fraction -= 1.0
    last = knots - 2
    if index.max(initial=0) > last:
        over = index > last
        index[over] = last
        fraction[over] = message[over] / 2.0**last - 1.0
    return index, fraction


def interpolate_one(message: float, knots: tuple[float, ...]) -> float:
    """The curve at one message; below 1 byte it costs as 1 byte."""
    message = message if message > 1.0 else 1.0
    index = min(math.frexp(message)[1] - 1, len(knots) - 2)
    return knots[index] + (knots[index + 1] - knots[index]) * (message / 2.0**index - 1.0)


def one_group(
    message: Floats, knots: Floats, scales: Floats, latency: float, spread: Floats, time: Floats, factor: Floats
) -> None:
    """Latency and the longest stage of one group.

    Parameters
    ----------
    message : (n,) float64, bytes
    knots : (t, k) float64
        Curve of every stage, s.
    scales : (t,) float64
        Message of a stage per byte of the whole.
    latency : float
        Added once, s.
    spread : (k,) float64
        Factor of the interval over the first stage's message.
    time, factor : (n,) float64
        Results: s, and the factor.
    """
    steps, widening = np.diff(knots, axis=1), np.diff(spread)
    for start in range(0, message.size, CHUNK):
        piece = message[start : start + CHUNK]
        total = time[start : start + CHUNK]
        for stage in range(len(knots)):
            index, fraction = locate(np.maximum(piece * scales[stage], 1.0), knots.shape[1])
            if stage == 0:
                factor[start : start + CHUNK] = spread.take(index) + widening.take(index) * np.minimum(fraction, 1.0)
            fraction *= steps[stage].take(index)
            fraction += knots[stage].take(index)
            if stage == 0:
                total[:] = fraction
            else:
                np.maximum(total, fraction, out=total)
        total += latency


def many_groups(
    message: Floats,
    row: Ints,
    knots: Floats,
    curve: Ints,
    scales: Floats,
    latency: Floats,
    spread: Floats,
    time: Floats,
    factor: Floats,
) -> None:
    """The same where every message names its own group.

    Parameters
    ----------
    message : (n,) float64, bytes
    row : (n,) int64
        Group of every message: a column of the tables that follow.
    knots : (c, k) float64
        Distinct curves, s; one of them zero, for groups with fewer stages.
    curve : (t, g) int64
        Curve of every stage and group.
    scales : (t, g) float64
    latency : (g,) float64
    spread : (g, k) float64
    """
    width = knots.shape[1]
    flat = knots.ravel()
    steps = np.append(np.diff(flat), 0.0)
    wide = spread.ravel()
    widening = np.append(np.diff(wide), 0.0)
    for start in range(0, message.size, CHUNK):
        piece, rows = message[start : start + CHUNK], row[start : start + CHUNK]
        total = time[start : start + CHUNK]
        for stage in range(len(curve)):
            index, fraction = locate(np.maximum(piece * scales[stage].take(rows), 1.0), width)
            if stage == 0:
                at = rows * width
                at += index
                factor[start : start + CHUNK] = wide.take(at) + widening.take(at) * np.minimum(fraction, 1.0)
            index += (curve[stage] * width).take(rows)
            fraction *= steps.take(index)
            fraction += flat.take(index)
            if stage == 0:
                total[:] = fraction
            else:
                np.maximum(total, fraction, out=total)
        total += latency.take(rows)
