"""The fit of operator tables: rising nodes, and exactness where the work is a roofline."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chipwise.perf.operators._kernels import interpolate, locate
from chipwise.perf.operators.grids import GRIDS, Axis
from chipwise.perf.operators.law import Law
from chipwise.perf.operators.shaping import BULK, monotone, padded, shaped
from tools.operator_fit import fit_law, fit_ratio, isotonic, rising, support

cubes = arrays(np.float64, (4, 3, 5), elements=st.floats(0.1, 10.0))


def pooled_adjacent(values: list[float], weights: list[float]) -> list[float]:
    blocks: list[list[float]] = []
    for value, weight in zip(values, weights, strict=True):
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            last, before = blocks.pop(), blocks.pop()
            both = last[1] + before[1]
            blocks.append([(last[0] * last[1] + before[0] * before[1]) / both, both, last[2] + before[2]])
    return [value for value, _, count in blocks for _ in range(int(count))]


@settings(deadline=None, max_examples=60)
@given(cubes, cubes, st.integers(0, 2))
def test_isotonic_is_pooling_of_adjacent_violators(values: np.ndarray, weights: np.ndarray, axis: int) -> None:
    found = np.moveaxis(isotonic(values, weights, axis), axis, -1)
    lines, shares = np.moveaxis(values, axis, -1), np.moveaxis(weights, axis, -1)
    for place in np.ndindex(lines.shape[:-1]):
        assert found[place] == pytest.approx(pooled_adjacent(list(lines[place]), list(shares[place])))


@settings(deadline=None, max_examples=60)
@given(cubes, cubes)
def test_nodes_rise_along_every_axis(times: np.ndarray, weights: np.ndarray) -> None:
    for found in (rising(times, np.maximum(weights - 5.0, 0.0)), monotone(times)):
        for axis in range(3):
            assert (np.diff(found, axis=axis) >= -1e-12).all()


@settings(deadline=None, max_examples=40)
@given(cubes)
def test_nodes_that_rise_already_stay(times: np.ndarray) -> None:
    ordered = np.cumsum(np.cumsum(np.cumsum(times, 0), 1), 2)
    assert rising(ordered, np.ones_like(ordered)) == pytest.approx(ordered)
    assert monotone(ordered) == pytest.approx(ordered)


@settings(deadline=None, max_examples=100)
@given(st.floats(0.001, 1e7), st.integers(0, 1))
def test_cells_bracket_the_coordinate(value: float, halving: int) -> None:
    axis = Axis(name="any", low=-2, high=18, halving=halving)
    nodes = axis.nodes()
    cell, fraction = locate(np.array([value]), axis)
    after = min(int(cell[0]) + 1, axis.length - 1)
    inside = min(max(value, nodes[0]), nodes[-1])
    assert nodes[cell[0]] + fraction[0] * (nodes[after] - nodes[cell[0]]) == pytest.approx(inside)


def test_a_table_of_launch_memory_and_compute_is_exact_between_nodes() -> None:
    grid = GRIDS["gemm"]
    m, n, k = grid.mesh()

    def time(m: np.ndarray, n: np.ndarray, k: np.ndarray) -> np.ndarray:
        return 3e-6 + 2.0 * m * n * k / 5e14 + (m * k + n * k + m * n) / 1e12

    draw = np.random.default_rng(1)
    points = [np.exp2(draw.uniform(5.0, 14.9, 5000)) for _ in range(3)]
    assert interpolate(padded(time(m, n, k)), grid, *points) == pytest.approx(time(*points), rel=1e-9)


def test_a_synthetic_chip_is_recovered_at_shapes_held_out() -> None:
    truth = Law(compute=0.8, memory=0.85, exponent=2.0, launch_s=4e-6)
    draw = np.random.default_rng(2)
    shapes = [2.0 ** draw.integers(low, high, 6000) for low, high in ((0, 15), (5, 16), (5, 16))]
    m, n, k = shapes
    flop, moved = 2.0 * m * n * k, 2.0 * (m * k + n * k + m * n)
    times = truth.time_s(flop, moved, 1e15, 3e12) * np.exp(draw.normal(0.0, 0.03, 6000))
    held = (n * 7 + k) % 5 == 0
    points = tuple(axis[~held] for axis in shapes)
    law = fit_law(flop[~held], moved[~held], times[~held], 1e15, 3e12)
    grid = GRIDS["gemm"]
    x, y, z = grid.mesh()
    nodes = law.time_s(2.0 * x * y * z, 2.0 * (x * z + y * z + x * y), 1e15, 3e12)
    ratio = fit_ratio(grid, points, nodes, times[~held])
    table = padded(rising(ratio * nodes, support(grid, points)))
    error = np.abs(interpolate(table, grid, m[held], n[held], k[held]) / times[held] - 1.0)
    assert np.median(error) < 0.04
    assert law.compute == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize("kind", GRIDS)
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_shaped_tables_rise_and_are_never_dearer_in_bulk(kind: str, seed: int) -> None:
    grid = GRIDS[kind]
    mesh = grid.mesh()
    law = 1e-6 + 1e-12 * mesh[0] * mesh[1] + 1e-13 * mesh[1] * mesh[2]
    noise = np.exp(0.3 * np.random.default_rng(seed).normal(size=grid.shape))
    found = shaped(law * noise, 0.9 * law, kind, grid)
    for axis in range(3):
        assert (np.diff(found, axis=axis) >= -1e-12 * found.max()).all()
    for together in BULK[kind]:
        lead = np.moveaxis(found, together, range(len(together)))
        at = grid.axes[together[0]].nodes()
        growth = (at[1:] / at[:-1]).reshape([-1] + [1] * (lead.ndim - 1))
        later, earlier = (lead[1:, 1:], lead[:-1, :-1]) if len(together) == 2 else (lead[1:], lead[:-1])
        assert (later <= growth * earlier * (1 + 1e-9)).all()
    assert shaped(found, 0.0 * found, kind, grid) == pytest.approx(found, rel=0.05)
