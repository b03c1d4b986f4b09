"""What own timings say of a table: a shift of every node, and how far it may still be off.

The logarithm of measured over predicted time is the sum of an offset common to the class of operator (chip, harness),
one of the table (precision, head dimension, routing), a part that varies smoothly over shape, and noise from shape to
shape. Their shares come from residuals of tables left out; a Gaussian process gives mean and variance at every node.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chipwise.perf.operators.grids import GRIDS
from chipwise.perf.operators.ladder import OPERATORS
from chipwise.perf.operators.objects import RUNGS, Array, Band, Surface, SurfaceKey
from chipwise.perf.operators.shaping import padded, rising_with_width, shaped
from chipwise.perf.operators.tables import Spread, spreads

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Z90 = 1.6448536269514722
BELIEF = 4.0
"""Timings that the variances believed before are worth."""

CLIP = 2.0
"""Standard deviations beyond which a timing pulls no harder: launch-bound shapes of a slow harness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One own timing: its table, place in it, and the logarithm of measured over predicted."""

    key: SurfaceKey
    at: tuple[float, float, float]
    log_ratio: float


def updated(surfaces: Mapping[SurfaceKey, Surface], timings: Sequence[Timing]) -> dict[SurfaceKey, Surface]:
    """Surfaces of one class of operator after own timings.

    Parameters
    ----------
    surfaces : mapping of (operator, precision, variant) to Surface
        Every table the timings speak of, and those of the same class they speak of less.
    timings : sequence of Timing
        One a shape: repeats are merged before.

    Notes
    -----
    Nodes move by the posterior mean and are shaped again, so that times keep rising and stay above the data sheet. The
    interval keeps its lopsidedness and is scaled by the ratio of the posterior to the prior standard deviation, the
    offset of the user's own harness included, which the prior knows nothing of.
    """
    import numpy as np

    moved: dict[SurfaceKey, tuple[Array, Array, Array]] = {}
    for key, surface in surfaces.items():
        spread = spreads()[key[0].removesuffix("_window"), RUNGS[surface.evidence]]
        mean, shrink = _at_nodes(surface, spread, timings)
        times = surface.nodes[:-1, :-1, :-1] * np.exp(mean)
        ends = (times, times * surface.low_factor**shrink, times * surface.high_factor**shrink)
        moved[key] = tuple(_shaped(surface, each) for each in ends)  # type: ignore[assignment]
    for group in {key[:2] for key in moved}:
        same = {key[2]: found for key, found in moved.items() if key[:2] == group}
        if len(same) > 1 and all(name.isdigit() for name in same):
            names = sorted(same, key=int)
            ordered = [rising_with_width({name: same[name][end] for name in names}) for end in range(3)]
            for name in names:
                moved[(*group, name)] = (ordered[0][name], ordered[1][name], ordered[2][name])
    return {key: _surface(surfaces[key], *found) for key, found in moved.items()}


def _at_nodes(surface: Surface, spread: Spread, timings: Sequence[Timing]) -> tuple[Array, Array]:
    """Posterior mean of the logarithm at every node, and posterior over prior standard deviation.

    A Student process: the variances believed before count as `BELIEF` timings, so that timings which agree with the
    prediction narrow more than their number says, and those that contradict it narrow less or widen.
    """
    import numpy as np

    total = max((math.log(surface.high_factor / surface.low_factor) / (2.0 * Z90)) ** 2, 1e-12)
    harness = 0.5 * spread.harness**2
    common, table = spread.common * total + harness, spread.table * total
    smooth, noise = spread.smooth * total + harness, max(spread.noise * total, 1e-6)
    places = np.log2(np.maximum([timing.at for timing in timings], 1e-3))
    same = np.array([timing.key == surface.key for timing in timings])
    both = np.array([[one.key == other.key for other in timings] for one in timings])

    def near(first: NDArray[np.float64], second: NDArray[np.float64]) -> Array:
        gap = first[:, None, :] - second[None, :, :]
        return np.asarray(np.exp(-np.sqrt((gap**2).sum(axis=2)) / spread.length))

    known = common + both * (table + smooth * near(places, places)) + np.eye(len(timings)) * noise
    mesh = np.broadcast_arrays(*surface.grid.mesh())
    nodes = np.log2(np.stack([axis.ravel() for axis in mesh], axis=1))
    cross = common + same * (table + smooth * near(nodes, places))
    weights = np.linalg.solve(known, cross.T).T
    whole = common + table + smooth + noise
    most = CLIP * math.sqrt(whole)
    ratio = np.clip([timing.log_ratio for timing in timings], -most, most)
    misfit = float(ratio @ np.linalg.solve(known, ratio))
    left = whole - (weights * cross).sum(axis=1)
    left = left * (BELIEF + misfit) / (BELIEF + len(timings))
    shrink = np.sqrt(np.maximum(left, 0.0) / total)
    shape = surface.grid.shape
    return (weights @ ratio).reshape(shape), shrink.reshape(shape)


def _shaped(surface: Surface, times: Array) -> Array:
    import numpy as np

    name, precision, variant = surface.key
    flop, bytes_moved = OPERATORS[name].node_work(precision, variant)
    floor = np.maximum(flop / surface.peak_flop_per_s, bytes_moved / surface.bytes_per_s)
    kind = OPERATORS[name].grid
    return shaped(times, floor, kind, GRIDS[kind])


def _surface(surface: Surface, times: Array, low: Array, high: Array) -> Surface:
    import numpy as np

    nodes, below, above = padded(times), padded(low), padded(high)
    return dataclasses.replace(
        surface,
        nodes=nodes,
        flat=nodes.reshape(-1).data,
        low_factor=float(np.median(low / times)),
        high_factor=float(np.median(high / times)),
        band=Band(low=below, high=above, flat_low=below.reshape(-1).data, flat_high=above.reshape(-1).data),
    )
