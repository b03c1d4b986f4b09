"""What every table of node times must obey, whatever it was made from: rising, and never dearer in bulk.

Both are closures of minima and maxima, so that each keeps what the one before it made, and both keep order: a table
below another stays below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chipwise.perf.operators.grids import Grid

if TYPE_CHECKING:
    from chipwise.perf.operators.objects import Array

BULK: dict[str, tuple[tuple[int, ...], ...]] = {
    "gemm": ((0,), (1,)),
    "prefill": ((0,),),
    "decode": ((0,), (2,), (0, 2)),
    "moe": ((0,), (1,), (0, 1)),
}
"""Sets of axes by grid: more along all of a set takes no more than in proportion."""


def shaped(times: Array, floor: Array, grid: str, axes: Grid) -> Array:
    """Times that rise along every axis, and grow no faster than work that comes in bulk.

    Parameters
    ----------
    times, floor : (a, b, c) float64
        Node times and the least the data sheet allows, s.
    grid : str
        Kind of table; says along which axes work comes in bulk.
    axes : Grid

    Notes
    -----
    Along one axis a piecewise linear time per unit falls everywhere if it falls from node to node. Along two at once,
    doubling maps a cell onto a cell with the same fractions, so that what holds between nodes an octave apart holds
    between any two points an octave apart; in between a cell may bend the other way.
    """
    import numpy as np

    return bulk(np.maximum(monotone(times), floor), grid, axes)


def monotone(times: Array) -> Array:
    """Times that rise along every axis: the middle of the envelopes from below and above."""
    import numpy as np

    below, above = times, times
    for axis in range(3):
        below = np.maximum.accumulate(below, axis=axis)
        above = np.flip(np.minimum.accumulate(np.flip(above, axis), axis=axis), axis)
    return np.asarray(np.sqrt(below * above))


def bulk(times: Array, grid: str, axes: Grid) -> Array:
    """The middle of the largest table below and the smallest above that keep to `BULK`; rising tables stay rising."""
    import numpy as np

    below, above = times, times
    for together in BULK[grid]:
        below = _capped(below, together, axes)
        above = _raised(above, together, axes)
    return np.asarray(np.sqrt(below * above))


def _planes(times: Array, axes: Grid, together: tuple[int, ...]) -> tuple[list[Array], Array]:
    """Planes across the leading axis, and the positions of its nodes."""
    import numpy as np

    lead = together[0]
    return list(np.moveaxis(times, lead, 0).copy()), axes.axes[lead].nodes()


def _steps(together: tuple[int, ...], dims: int, offset: bool) -> tuple[slice, ...]:
    """Nodes of a plane that have a partner a node below (`offset`) or above along the other axis of `together`."""
    out = [slice(None)] * (dims - 1)
    for axis in together[1:]:
        out[axis - (axis > together[0])] = slice(1, None) if offset else slice(None, -1)
    return tuple(out)


def _capped(times: Array, together: tuple[int, ...], axes: Grid) -> Array:
    import numpy as np

    planes, at = _planes(times, axes, together)
    upper, lower = _steps(together, times.ndim, True), _steps(together, times.ndim, False)
    for place in range(1, len(planes)):
        most = at[place] / at[place - 1] * planes[place - 1][lower]
        planes[place][upper] = np.minimum(planes[place][upper], most)
    return np.moveaxis(np.stack(planes), 0, together[0])


def _raised(times: Array, together: tuple[int, ...], axes: Grid) -> Array:
    import numpy as np

    planes, at = _planes(times, axes, together)
    upper, lower = _steps(together, times.ndim, True), _steps(together, times.ndim, False)
    for place in range(len(planes) - 2, -1, -1):
        least = at[place] / at[place + 1] * planes[place + 1][upper]
        planes[place][lower] = np.maximum(planes[place][lower], least)
    return np.moveaxis(np.stack(planes), 0, together[0])


def rising_with_width(times: Mapping[str, Array]) -> dict[str, Array]:
    """Node times that rise with the head dimension too: isotonic regression of the logarithms, node by node."""
    import numpy as np

    stack = np.log(np.stack(list(times.values())))
    count = len(stack)
    out = np.full_like(stack, -np.inf)
    for first in range(count):
        means = np.cumsum(stack[first:], axis=0) / np.arange(1, count - first + 1)[:, None, None, None]
        least = np.flip(np.minimum.accumulate(np.flip(means, 0), axis=0), 0)
        out[first:] = np.maximum(out[first:], least)
    return dict(zip(times, np.exp(out), strict=True))


def padded(times: Array) -> Array:
    """The table with the last node of every axis repeated."""
    import numpy as np

    return np.ascontiguousarray(np.pad(times, (0, 1), mode="edge"))
