"""Fit one operator table: four numbers of the law, then node values that rise along every axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chipwise.perf.operators._kernels import locate
from chipwise.perf.operators.grids import Grid
from chipwise.perf.operators.law import Law

Array = NDArray[np.float64]

START = Law(compute=0.7, memory=0.8, exponent=2.0, launch_s=4e-6)
LOG_RANGE = np.array([1.0, 0.5, 0.3, 1.5])
"""Width of the prior about `START`, in logarithms."""

PRIOR_WEIGHT = 20.0
CEILING = np.log([1.05, 1.05, 4.0, 1e-3])
ERROR_FLOOR = 0.03
"""Errors below this are noise: least squares inside, least absolute errors outside."""

LAW_ROWS = 6000
SUPPORTED = 0.05
"""Squared interpolation weight above which a node counts as measured."""


def corners(grid: Grid, points: tuple[Array, Array, Array]) -> tuple[NDArray[np.int64], Array]:
    """Flat node index and weight of the eight corners of each point's cell, (8, n) each."""
    index = np.zeros((1, len(points[0])), dtype=np.int64)
    weight = np.ones((1, len(points[0])))
    for at, axis in zip(points, grid.axes, strict=True):
        cell, fraction = locate(np.ascontiguousarray(at, dtype=np.float64), axis)
        after = np.minimum(cell + 1, axis.length - 1)
        index = np.concatenate([index * axis.length + cell, index * axis.length + after])
        weight = np.concatenate([weight * (1.0 - fraction), weight * fraction])
    return index, weight


def fit_law(flop: Array, moved: Array, time_s: Array, peak: float, bandwidth: float, seed: int = 0) -> Law:
    """Law of least absolute log error, near `START` where the rows do not tell."""
    rows = np.random.default_rng(seed).permutation(len(time_s))[:LAW_ROWS]
    flop, moved, target = flop[rows], moved[rows], np.log(time_s[rows])

    def error(theta: Array) -> Array:
        law = Law(**dict(zip(("compute", "memory", "exponent", "launch_s"), np.exp(theta), strict=True)))
        return np.log(law.time_s(flop, moved, peak, bandwidth)) - target

    start = np.log([START.compute, START.memory, START.exponent, START.launch_s])
    theta = start.copy()
    for _ in range(60):
        residual = error(theta)
        slope = np.stack([(error(theta + step) - residual) / 1e-4 for step in np.eye(4) * 1e-4], axis=1)
        weight = 1.0 / np.maximum(np.abs(residual), ERROR_FLOOR)
        hessian = (slope * weight[:, None]).T @ slope + np.diag(PRIOR_WEIGHT / LOG_RANGE**2)
        gradient = (slope * weight[:, None]).T @ residual + PRIOR_WEIGHT * (theta - start) / LOG_RANGE**2
        move = np.clip(-np.linalg.solve(hessian + 1e-3 * np.diag(np.diag(hessian)), gradient), -0.3, 0.3)
        theta = np.minimum(theta + move, CEILING)
        if np.abs(move).max() < 1e-4:
            break
    compute, memory, exponent, launch = (float(f"{value:.4g}") for value in np.exp(theta))
    return Law(compute=compute, memory=memory, exponent=exponent, launch_s=launch)


def _roughness(values: Array, second: float, first: float) -> Array:
    """Gradient of the penalty on first and second differences along every axis."""
    out = np.zeros_like(values)
    for axis in range(values.ndim):
        for order, weight in ((2, second), (1, first)):
            step = weight * np.diff(values, order, axis=axis)
            for _ in range(order):
                padding = [(1, 1) if place == axis else (0, 0) for place in range(values.ndim)]
                step = -np.diff(np.pad(step, padding), axis=axis)
            out += step
    return out


def fit_ratio(
    grid: Grid,
    points: tuple[Array, Array, Array],
    law_nodes: Array,
    time_s: Array,
    *,
    second: float = 0.02,
    first: float = 0.002,
) -> Array:
    """Node values as a smooth ratio to the law, by reweighted least squares on relative error."""
    index, weight = corners(grid, points)
    share = weight * law_nodes.ravel()[index] / time_s
    size = law_nodes.size
    ratio = np.ones(size)
    for _ in range(4):
        predicted = (share * ratio[index]).sum(axis=0)
        wrong = np.abs(np.log(np.maximum(predicted, 1e-3)))
        importance = 0.5 * ERROR_FLOOR / np.maximum(wrong, ERROR_FLOOR) / np.maximum(predicted, 0.2) ** 2

        def normal(vector: Array, importance: Array = importance) -> Array:
            seen = (share * vector[index]).sum(axis=0) * importance
            out = np.bincount(index.ravel(), (share * seen).ravel(), size)
            out += _roughness(vector.reshape(grid.shape), second, first).ravel()
            return out + 1e-4 * vector

        wanted = np.bincount(index.ravel(), (share * importance).ravel(), size) + 1e-4
        ratio = np.clip(_conjugate_gradient(normal, wanted, ratio), 0.15, 8.0)
    return ratio.reshape(grid.shape)


def _conjugate_gradient(normal, wanted: Array, start: Array, steps: int = 100) -> Array:  # type: ignore[no-untyped-def]
    solution = start
    residual = wanted - normal(solution)
    direction = residual.copy()
    norm = residual @ residual
    for _ in range(steps):
        image = normal(direction)
        length = norm / (direction @ image)
        solution = solution + length * direction
        residual = residual - length * image
        fresh = residual @ residual
        if fresh < 1e-10 * (wanted @ wanted):
            break
        direction = residual + fresh / norm * direction
        norm = fresh
    return solution


def support(grid: Grid, points: tuple[Array, Array, Array]) -> Array:
    """How much measured weight lies on each node."""
    index, weight = corners(grid, points)
    return np.bincount(index.ravel(), (weight**2).ravel(), int(np.prod(grid.shape))).reshape(grid.shape)


def isotonic(values: Array, weight: Array, axis: int) -> Array:
    """Nearest values (weighted least squares) that rise along `axis`, by the max-min formula."""
    lines = np.moveaxis(values, axis, -1)
    share = np.moveaxis(weight, axis, -1)
    shape = lines.shape
    lines, share = lines.reshape(-1, shape[-1]), share.reshape(-1, shape[-1])
    bad = np.nonzero((np.diff(lines, axis=1) < 0.0).any(axis=1))[0]
    out = lines.copy()
    if len(bad):
        total = np.pad(np.cumsum(share[bad], axis=1), ((0, 0), (1, 0)))
        summed = np.pad(np.cumsum(share[bad] * lines[bad], axis=1), ((0, 0), (1, 0)))
        length = shape[-1]
        upper = np.triu(np.ones((length, length), dtype=bool))
        spread = total[:, None, 1:] - total[:, :-1, None]
        mean = np.where(upper, (summed[:, None, 1:] - summed[:, :-1, None]) / np.where(upper, spread, 1.0), np.inf)
        least = np.flip(np.minimum.accumulate(np.flip(mean, 2), axis=2), 2)
        least = np.where(upper, least, -np.inf)
        out[bad] = least.max(axis=1)
    return np.moveaxis(out.reshape(shape), -1, axis)


def _bounds(values: Array, known: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Largest known value below and smallest known value above each node, in the order of all axes."""
    below = np.where(known, values, -1e9)
    above = np.where(known, values, 1e9)
    for axis in range(values.ndim):
        below = np.maximum.accumulate(below, axis=axis)
        above = np.flip(np.minimum.accumulate(np.flip(above, axis), axis=axis), axis)
    return below, above


def bulk_nearest(values: Array, weight: Array, together: tuple[int, ...], grid: Grid) -> Array:
    """Nearest logarithms of time that grow by no more than log 2 a doubling along all of `together` at once."""
    out = values.copy()
    first = together[0]
    stride = 1 << grid.axes[first].halving
    if len(together) == 1:
        for start in range(stride):
            chain = [slice(None)] * 3
            chain[first] = slice(start, None, stride)
            out[tuple(chain)] = _slower(values[tuple(chain)], weight[tuple(chain)], first)
        return out
    lines, shares, view = (np.moveaxis(each, together, (0, 1)) for each in (values, weight, out))
    for offset in range(1 - lines.shape[0], lines.shape[1]):
        rows = np.arange(max(0, -offset), min(lines.shape[0], lines.shape[1] - offset))
        view[rows, rows + offset] = _slower(lines[rows, rows + offset], shares[rows, rows + offset], 0)
    return out


def _slower(values: Array, weight: Array, axis: int) -> Array:
    steps = np.log(2.0) * np.arange(values.shape[axis]).reshape(
        [-1 if each == axis else 1 for each in range(values.ndim)]
    )
    return steps - isotonic(steps - values, weight, axis)


def rising(
    times: Array, weight: Array, rounds: int = 6, bulk: tuple[tuple[int, ...], ...] = (), grid: Grid | None = None
) -> Array:
    """Times that rise along every axis, in bulk never dearer: measured nodes move least, others follow.

    `bulk` is met as nearly as the rounds allow; `chipwise.perf.operators.shaping` makes it exact.
    """
    wanted = np.log(times)
    share = weight + 1e-3
    current = wanted.copy()
    correction = [np.zeros_like(wanted) for _ in range(3 + len(bulk))]
    for _ in range(rounds):
        for place in range(len(correction)):
            start = current + correction[place]
            if place >= 3:
                assert grid is not None
                moved = bulk_nearest(start, share, bulk[place - 3], grid)
            else:
                moved = isotonic(start, share, place)
            correction[place] = start - moved
            current = moved
    known = weight > SUPPORTED
    below, above = _bounds(current, known)
    settled = np.where(known, 0.5 * (below + above), 0.0)
    below, above = _bounds(settled, known)
    everywhere = np.ones_like(known)
    low, high = _bounds(current, everywhere)
    return np.exp(np.maximum(below, np.minimum(0.5 * (low + high), above)))


def pad_blocks(times: Array, grid: Grid, smallest: float) -> Array:
    """Give products narrower than a block in n or k the time of one block."""
    out = times.copy()
    for place in (1, 2):
        axis = grid.axes[place]
        first = int(np.searchsorted(axis.nodes(), smallest))
        edge = np.take(out, [first], axis=place)
        head = [slice(None)] * 3
        head[place] = slice(0, first)
        out[tuple(head)] = edge
    return out
