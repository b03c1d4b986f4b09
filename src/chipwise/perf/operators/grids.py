"""Grids of the operator tables: nodes by octave, so that a coordinate is read from the bits of a float.

Between two nodes a table is linear in each work axis. A product of the axes (compute) and any sum of such products
(memory, launch) is then reproduced exactly, and a table whose nodes rise along every axis rises everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MANTISSA_BITS = 52
EXPONENT_BIAS = 1023


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One work axis.

    Parameters
    ----------
    name : str
    low, high : int
        Exponents of two of the first and the last node.
    halving : int
        Bits of the mantissa used: 0 for one node an octave, 1 for two (1, 1.5, 2, 3, 4 …).
    """

    name: str
    low: int
    high: int
    halving: int = 0

    @property
    def length(self) -> int:
        """Number of nodes."""
        return ((self.high - self.low) << self.halving) + 1

    def nodes(self) -> NDArray[np.float64]:
        """Node positions, ascending."""
        import numpy as np

        step = np.arange(self.length)
        per_octave = 1 << self.halving
        octave = np.exp2(self.low + step // per_octave)
        return np.asarray(octave * (1.0 + (step % per_octave) / per_octave), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Three work axes.

    Parameters
    ----------
    partner : int or None
        Axis that grows with the first when the same work comes more often. Past the last node of the first both leave
        the table together, so that the excess counts once.
    """

    axes: tuple[Axis, Axis, Axis]
    partner: int | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Nodes along each axis."""
        first, second, third = self.axes
        return first.length, second.length, third.length

    def mesh(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Node positions as three broadcastable arrays."""
        first, second, third = (axis.nodes() for axis in self.axes)
        return first[:, None, None], second[None, :, None], third[None, None, :]


GRIDS: dict[str, Grid] = {
    "gemm": Grid(
        axes=(Axis(name="m", low=0, high=15, halving=1), Axis(name="n", low=5, high=16), Axis(name="k", low=5, high=16))
    ),
    "prefill": Grid(
        axes=(
            Axis(name="sequences x heads", low=0, high=15),
            Axis(name="new tokens", low=0, high=17),
            Axis(name="visible keys", low=0, high=17),
        )
    ),
    "decode": Grid(
        axes=(
            Axis(name="sequences x heads", low=0, high=18),
            Axis(name="context", low=0, high=18),
            Axis(name="sequences x cache heads", low=0, high=18),
        ),
        partner=2,
    ),
    "moe": Grid(
        axes=(
            Axis(name="rows x hidden", low=9, high=32),
            Axis(name="experts x hidden", low=9, high=23),
            Axis(name="expert width", low=4, high=15),
        ),
        partner=1,
    ),
}
"""Grid by kind of table; latent attention uses ``prefill`` and ``decode``."""
