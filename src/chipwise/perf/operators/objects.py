"""What the operator layer hands out: the coefficients of one chip, and the cost of operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chipwise.core.errors import InputError, Undetermined
from chipwise.core.fact import Evidence
from chipwise.core.names import nearest_names
from chipwise.perf.operators.grids import Grid
from chipwise.perf.operators.law import Law

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
else:
    Array = Any

Number = Any
"""A plain number or an array of float64: what goes in comes out."""

OWN, FAMILY, GENERIC = 0, 1, 2
"""Evidence codes: the chip's own table; tables of its family; tables of other families scaled by the data sheet."""

EVIDENCE: tuple[Evidence, Evidence, Evidence] = (
    "measured on this chip",
    "measured on its family",
    "data sheet only",
)
"""Wording of each evidence code."""

RUNGS = ("chip", "family", "generic")
"""Short name of each evidence code."""

SurfaceKey = tuple[str, str, str]
"""Operator, precision and variant (head dimension or routing)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorTime:
    """Cost of one operator at one or many shapes.

    Parameters
    ----------
    flop, bytes : float or array
        Arithmetic, and what must pass the memory bus at least.
    time_s, low_s, high_s : float or array
        Time and its 90 % interval, s; never below ``flop / peak`` and ``bytes / bandwidth``.
    evidence : int
        0 the chip's own table, 1 its family, 2 data sheet; words in `EVIDENCE`.
    """

    flop: Number
    bytes: Number
    time_s: Number
    low_s: Number
    high_s: Number
    evidence: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Band:
    """Interval of a surface whose width differs from shape to shape: node times of its ends, padded like the nodes."""

    low: Array
    high: Array
    flat_low: memoryview
    flat_high: memoryview


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surface:
    """One table, resolved for one chip.

    Parameters
    ----------
    nodes : float64, one node more than the grid along every axis
        Times, s, rising along every axis; the last node of an axis is repeated.
    peak_flop_per_s, bytes_per_s : float
        Data sheet of the chip: no time goes below them.
    low_factor, high_factor : float
        90 % interval as factors of the time; with a `band` only its middle.
    scaled : tuple of bool
        Along which axes time grows in proportion past the last node.
    donors : tuple of str
        Chips whose tables were used.
    sources : tuple of str
    band : Band or None
        Interval after own timings, narrower near them; None where it is the same factors everywhere.
    """

    key: SurfaceKey
    grid: Grid
    nodes: Array
    flat: memoryview
    peak_flop_per_s: float
    bytes_per_s: float
    low_factor: float
    high_factor: float
    scaled: tuple[bool, bool, bool]
    evidence: int
    donors: tuple[str, ...]
    sources: tuple[str, ...]
    law: Law
    band: Band | None = None

    def covers(self, x: float, y: float, z: float) -> bool:
        """Whether the point lies inside the grid."""
        axes = self.grid.axes
        return all(2.0**axis.low <= at <= 2.0**axis.high for at, axis in zip((x, y, z), axes, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamingRate:
    """Operator bound by memory: ``launch + bytes / (share * bandwidth)``."""

    share: float
    launch_s: float
    low_factor: float
    high_factor: float
    evidence: int
    donors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedKernel:
    """Attention over prompts and decoding sequences in one kernel.

    Parameters
    ----------
    rows : float
        Rows of a tile that a decoding sequence pays for.
    blocks : float
        Tiles worked on at once.
    exponent : float
        How sharply work, longest block and memory combine.
    share : float
        Of the bandwidth, where memory binds.
    cache_bytes : float or None
        On-chip cache of the data sheet; None where it is not published: then it holds nothing.
    """

    rows: float
    blocks: float
    exponent: float
    share: float
    cache_bytes: float | None
    low_factor: float
    high_factor: float
    evidence: int
    donors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OperatorProfile:
    """Every operator coefficient of one chip.

    Parameters
    ----------
    chip_id : str
    kernels : {"best", "median"}
        Fastest engine and version of the tables, or the middle of them.
    peaks : mapping of str to float
        Dense FLOP/s by precision of the data sheet.
    bytes_per_s : float
        Memory bandwidth of the data sheet.
    surfaces : mapping of (operator, precision, variant) to Surface
    streaming : mapping of str to StreamingRate
    missing : mapping of (operator, precision) to str
        Why an operator cannot be answered at a precision.
    notes : tuple of str
        What an engine or own timings changed.
    mixed : MixedKernel or None
        Attention over prompts and decoding sequences in one kernel; None where every measured chip is left out.
    """

    chip_id: str
    kernels: str
    peaks: Mapping[str, float]
    bytes_per_s: float
    surfaces: Mapping[SurfaceKey, Surface]
    streaming: Mapping[str, StreamingRate]
    missing: Mapping[tuple[str, str], str]
    notes: tuple[str, ...] = ()
    mixed: MixedKernel | None = None

    def surface(self, operator: str, precision: str, variant: str = "") -> Surface:
        """The table of one operator.

        Raises
        ------
        Undetermined
            The chip has no rate at that precision.
        InputError
            The operator has no table at that precision on any chip.
        """
        found = self.surfaces.get((operator, precision, variant))
        if found is not None:
            return found
        why = self.missing.get((operator, precision))
        if why:
            raise Undetermined(why, place=f"chips/{self.chip_id}")
        known = sorted({name for kind, name, _ in self.surfaces if kind == operator} | _missing(self, operator))
        raise InputError(
            f"{operator} has no table at {precision!r}",
            place="dtype",
            allowed=", ".join(known),
            nearest=nearest_names(precision, known, count=2),
        )


def _missing(profile: OperatorProfile, operator: str) -> set[str]:
    return {name for kind, name in profile.missing if kind == operator}
