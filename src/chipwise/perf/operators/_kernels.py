"""Interpolation in an operator table: arrays in blocks, and one point in plain Python.

Symbols: ``i, f`` cell and fraction along an axis; ``t000`` … ``t111`` the eight nodes of a cell.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from chipwise.perf.operators.grids import EXPONENT_BIAS, MANTISSA_BITS, Axis, Grid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK = 8192
"""Elements worked on at a time: every temporary stays in the cache."""


def locate(x: NDArray[np.float64], axis: Axis) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Cell and fraction of each coordinate, clamped to the axis.

    Parameters
    ----------
    x : (n,) float64, contiguous

    Returns
    -------
    (n,) int64, (n,) float64 in [0, 1)
    """
    import numpy as np

    shift = MANTISSA_BITS - axis.halving
    inside = np.maximum(x, 2.0**axis.low)
    np.minimum(inside, 2.0**axis.high, out=inside)
    bits = inside.view(np.int64)
    cell = bits >> shift
    cell -= (EXPONENT_BIAS + axis.low) << axis.halving
    fraction = np.multiply(bits & ((1 << shift) - 1), 2.0**-shift, out=inside)
    return cell, fraction


def interpolate(
    padded: NDArray[np.float64],
    grid: Grid,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    z: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Trilinear value of a table at points inside its grid, coordinates clamped to it.

    Parameters
    ----------
    padded : (a + 1, b + 1, c + 1) float64
        Node values with the last node of every axis repeated.
    x, y, z : (n,) float64, contiguous
    """
    import numpy as np

    flat = padded.ravel()
    across, along = padded.shape[1] * padded.shape[2], padded.shape[2]
    i, u = locate(x, grid.axes[0])
    j, v = locate(y, grid.axes[1])
    k, w = locate(z, grid.axes[2])
    i *= across
    j *= along
    i += j
    i += k
    lower = _plane(flat, i, along, v, w)
    i += across
    upper = _plane(flat, i, along, v, w)
    upper -= lower
    upper *= u
    upper += lower
    return np.asarray(upper)


def _plane(
    flat: NDArray[np.float64],
    base: NDArray[np.int64],
    along: int,
    v: NDArray[np.float64],
    w: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Bilinear value over the last two axes at the flat index `base`."""
    first = flat.take(base, mode="wrap")
    other = flat[1:].take(base, mode="wrap")
    other -= first
    other *= w
    first += other
    second = flat[along:].take(base, mode="wrap")
    other = flat[along + 1 :].take(base, mode="wrap")
    other -= second
    other *= w
    second += other
    second -= first
    second *= v
    second += first
    return second


def interpolate_one(flat: memoryview, grid: Grid, x: float, y: float, z: float) -> float:
    """`interpolate` at one point, without arrays; `flat` is the padded table as a flat view of doubles."""
    first, second, third = grid.axes
    along = third.length + 1
    i, u = locate_one(x, first)
    j, v = locate_one(y, second)
    k, w = locate_one(z, third)
    base = (i * (second.length + 1) + j) * along + k
    low = _plane_one(flat, base, along, v, w)
    high = _plane_one(flat, base + (second.length + 1) * along, along, v, w)
    return low + (high - low) * u


def locate_one(x: float, axis: Axis) -> tuple[int, float]:
    """`locate` for one coordinate."""
    mantissa, exponent = math.frexp(min(max(x, 2.0**axis.low), 2.0**axis.high))
    scaled = (2.0 * mantissa - 1.0) * (1 << axis.halving)
    part = int(scaled)
    return ((exponent - 1 - axis.low) << axis.halving) + part, scaled - part


def _plane_one(flat: memoryview, base: int, along: int, v: float, w: float) -> float:
    first: float = flat[base]
    first += (flat[base + 1] - first) * w
    base += along
    second: float = flat[base]
    second += (flat[base + 1] - second) * w
    return first + (second - first) * v


def beyond(x: NDArray[np.float64], axis: Axis) -> NDArray[np.float64] | None:
    """How far past the last node, as a factor of at least 1; None where nothing is."""
    import numpy as np

    top = 2.0**axis.high
    if not x.size or float(x.max()) <= top:
        return None
    return np.asarray(np.maximum(x / top, 1.0))
