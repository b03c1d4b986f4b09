"""One way to evaluate every tabled operator: work out coordinates, read the table, keep to the data sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from chipwise.core.errors import InputError
from chipwise.perf.operators._kernels import BLOCK, beyond, interpolate, interpolate_one
from chipwise.perf.operators.objects import Array, Number, OperatorTime, Surface

if TYPE_CHECKING:
    Work = tuple[Number, Number, Number, Number, Number]
else:
    Work = Any

WorkFunction = Callable[..., Work]
"""Inputs to ``(x, y, z, flop, bytes)``: three table coordinates, FLOP, bytes."""


def is_scalar(values: Sequence[Any]) -> bool:
    """Whether every input is a plain number."""
    return all(type(value) in (int, float) for value in values)


def least(first: Number, second: Number) -> Number:
    """The smaller, of numbers or of arrays."""
    if type(first) in (int, float) and type(second) in (int, float):
        return first if first < second else second
    import numpy as np

    return np.minimum(first, second)


def largest(first: Number, second: Number) -> Number:
    """The larger, of numbers or of arrays."""
    if type(first) in (int, float) and type(second) in (int, float):
        return first if first > second else second
    import numpy as np

    return np.maximum(first, second)


def evaluate(
    surface: Surface, work: WorkFunction, inputs: Sequence[Any], *, cap: Surface | None = None
) -> OperatorTime:
    """Cost at every input.

    Parameters
    ----------
    surface : Surface
    work : function
        Inputs to coordinates, FLOP and bytes; plain arithmetic, called with floats or with blocks.
    inputs : sequence of float or array
        Broadcast against each other; all positive.
    cap : Surface, optional
        Another kernel that could do the same: `work` then returns eight values, the last three its coordinates, and
        the faster of the two is taken.

    Raises
    ------
    InputError
        An input is not a positive number.
    """
    if is_scalar(inputs):
        return _one(surface, work, inputs, cap)
    return _many(surface, work, inputs, cap)


def _one(surface: Surface, work: WorkFunction, inputs: Sequence[Any], cap: Surface | None) -> OperatorTime:
    for value in inputs:
        if not 0.0 < value < float("inf"):
            raise InputError(f"a dimension of an operator is {value!r}", allowed="a positive number")
    other: list[Any]
    x, y, z, flop, moved, *other = work(*inputs)
    time = _time_one(surface, surface.flat, x, y, z)
    if cap is not None:
        time = min(time, _time_one(cap, cap.flat, *other))
    floor = max(flop / surface.peak_flop_per_s, moved / surface.bytes_per_s)
    time = max(time, floor)
    low, high = time * surface.low_factor, time * surface.high_factor
    if surface.band is not None:
        low = _time_one(surface, surface.band.flat_low, x, y, z)
        high = _time_one(surface, surface.band.flat_high, x, y, z)
        if cap is not None and cap.band is not None:
            low = min(low, _time_one(cap, cap.band.flat_low, *other))
            high = min(high, _time_one(cap, cap.band.flat_high, *other))
    return OperatorTime(
        flop=flop,
        bytes=moved,
        time_s=time,
        low_s=max(low, floor),
        high_s=max(high, floor),
        evidence=surface.evidence,
    )


def _time_one(surface: Surface, flat: memoryview, x: float, y: float, z: float) -> float:
    grid = surface.grid
    excess = 1.0 if grid.partner is None else x / 2.0 ** grid.axes[0].high
    if excess > 1.0:
        mantissa, exponent = math.frexp(excess)
        doubled = 2.0 ** (exponent - (mantissa == 0.5))
        return min(_outside_one(surface, flat, x, y, z, by) for by in (excess, doubled))
    time = interpolate_one(flat, grid, x, y, z)
    for at, axis, scaled in zip((x, y, z), grid.axes, surface.scaled, strict=True):
        if scaled and at > 2.0**axis.high:
            time *= at / 2.0**axis.high
    return time


def _outside_one(surface: Surface, flat: memoryview, x: float, y: float, z: float, by: float) -> float:
    """Time of `by` times the work that is `by` times smaller along the first axis and its partner."""
    y, z = (y / by, z) if surface.grid.partner == 1 else (y, z / by)
    return by * _time_one(surface, flat, x / by, y, z)


def _many(surface: Surface, work: WorkFunction, inputs: Sequence[Any], cap: Surface | None) -> OperatorTime:
    import numpy as np

    shape, flat = flattened(inputs)
    size = int(np.prod(shape))
    flop, moved, time, low, high = (np.empty(size) for _ in range(5))
    for start in range(0, size, BLOCK):
        part = slice(start, min(start + BLOCK, size))
        count = part.stop - start
        other: list[Any]
        x, y, z, flop[part], moved[part], *other = work(*(each if type(each) is float else each[part] for each in flat))
        at = (_full(x, count), _full(y, count), _full(z, count))
        beside = tuple(_full(each, count) for each in other)
        value = _time_many(surface, surface.nodes, *at)
        if cap is not None:
            np.minimum(value, _time_many(cap, cap.nodes, *beside), out=value)
        floor = flop[part] * (1.0 / surface.peak_flop_per_s)
        np.maximum(floor, moved[part] * (1.0 / surface.bytes_per_s), out=floor)
        np.maximum(value, floor, out=time[part])
        if surface.band is not None:
            other_band = None if cap is None else cap.band
            for out, nodes, capped in (
                (low, surface.band.low, None if other_band is None else other_band.low),
                (high, surface.band.high, None if other_band is None else other_band.high),
            ):
                out[part] = np.maximum(_end(surface, nodes, at, cap, capped, beside), floor)
            continue
        np.multiply(time[part], surface.high_factor, out=high[part])
        np.multiply(time[part], surface.low_factor, out=value)
        np.maximum(value, floor, out=low[part])
    return OperatorTime(
        flop=flop.reshape(shape),
        bytes=moved.reshape(shape),
        time_s=time.reshape(shape),
        low_s=low.reshape(shape),
        high_s=high.reshape(shape),
        evidence=surface.evidence,
    )


def _end(
    surface: Surface,
    nodes: Array,
    at: tuple[Array, ...],
    cap: Surface | None,
    capped: Array | None,
    beside: tuple[Array, ...],
) -> Array:
    """One end of the interval of a surface with a band."""
    import numpy as np

    x, y, z = at
    end = _time_many(surface, nodes, x, y, z)
    if cap is not None and capped is not None:
        x, y, z = beside
        end = np.minimum(end, _time_many(cap, capped, x, y, z))
    return end


def flattened(inputs: Sequence[Any]) -> tuple[tuple[int, ...], list[Any]]:
    """Common shape, and every input as a flat array of that size; single values stay plain numbers.

    Raises
    ------
    InputError
        A value is not a positive finite number.
    """
    import numpy as np

    arrays = [np.asarray(value, dtype=np.float64) for value in inputs]
    for array in arrays:
        if array.size and not (array.min() > 0.0 and array.max() < np.inf):
            raise InputError("a dimension of an operator is not positive", allowed="positive finite numbers")
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    flat: list[Any] = []
    for array in arrays:
        if array.size == 1:
            flat.append(float(array.reshape(-1)[0]))
        else:
            flat.append(np.broadcast_to(array, shape).reshape(-1))
    return shape, flat


def _full(value: Any, count: int) -> Array:
    import numpy as np

    if type(value) in (int, float):
        return np.full(count, float(value))
    return np.ascontiguousarray(value)


def _time_many(surface: Surface, nodes: Array, x: Array, y: Array, z: Array) -> Array:
    import numpy as np

    excess = None if surface.grid.partner is None else beyond(x, surface.grid.axes[0])
    if excess is None:
        return _inside_many(surface, nodes, x, y, z)
    doubled = np.exp2(np.ceil(np.log2(excess)))
    return np.asarray(np.minimum(*(_outside_many(surface, nodes, x, y, z, by) for by in (excess, doubled))))


def _outside_many(surface: Surface, nodes: Array, x: Array, y: Array, z: Array, by: Array) -> Array:
    """`_outside_one` on arrays."""
    y, z = (y / by, z) if surface.grid.partner == 1 else (y, z / by)
    return by * _inside_many(surface, nodes, x / by, y, z)


def _inside_many(surface: Surface, nodes: Array, x: Array, y: Array, z: Array) -> Array:
    time = interpolate(nodes, surface.grid, x, y, z)
    for at, axis, scaled in zip((x, y, z), surface.grid.axes, surface.scaled, strict=True):
        factor = beyond(at, axis) if scaled else None
        if factor is not None:
            time *= factor
    return time
