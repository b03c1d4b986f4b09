"""The measured curves: time at powers of two of the message, by fabric, collective, library, payload and group."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from chipwise.core.errors import DataError
from chipwise.perf.collectives.objects import Floats
from chipwise.perf.tables import Constant, read_rows

KNOTS = 42
"""Powers of two from 1 byte to 2 TB."""

CurveKey = tuple[str, str, str, str, int]
SpreadKey = tuple[str, int, str]
SPREAD_LOG2_BYTES = (14.0, 19.0, 24.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fabric:
    """A measured fabric: one chip, its links and how many chips they join."""

    id: str
    name: str
    family: str
    kind: str
    bytes_per_s: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CurveBook:
    """Every measured curve and what is needed to carry it elsewhere.

    Parameters
    ----------
    fabrics : mapping of id to Fabric
    curves : mapping of (fabric, collective, library, payload, group) to (KNOTS,) float64
        Time, s, at 2**0, 2**1 … bytes; never falling.
    spread : mapping of (kind, rung, library) to (small, middle, large)
        90 % factor either way at 16 KiB, 512 KiB and 16 MiB; see `spread_key`.
    """

    fabrics: Mapping[str, Fabric]
    curves: Mapping[CurveKey, Floats]
    spread: Mapping[SpreadKey, tuple[float, float, float]]

    def groups(self, fabric: str, collective: str, library: str, payload: str) -> tuple[int, ...]:
        """Group sizes measured, ascending."""
        return tuple(sorted(key[4] for key in self.curves if key[:4] == (fabric, collective, library, payload)))

    def without(self, drop: Callable[[CurveKey], bool]) -> CurveBook:
        """The same book less the curves for which `drop` is true."""
        kept = {key: curve for key, curve in self.curves.items() if not drop(key)}
        return CurveBook(fabrics=self.fabrics, curves=kept, spread=self.spread)


def curve_through(first_log2_bytes: int, times_s: Floats) -> Floats:
    """A curve on every knot from times at consecutive powers of two.

    Below the first the time stays; beyond the last it grows by the last rate. Noise that makes a larger message
    faster is smoothed: the mean of the running maximum and of the running minimum from above. A message of twice the
    size never takes more than twice as long, since it can be sent as two: where a library changes its algorithm too
    late, the curve is the middle of the nearest one below and the nearest above that keep to it.
    """
    smooth = (np.maximum.accumulate(times_s) + np.minimum.accumulate(times_s[::-1])[::-1]) / 2.0
    sizes = 2.0 ** np.arange(len(smooth))
    below = sizes * np.minimum.accumulate(smooth / sizes)
    above = sizes * np.maximum.accumulate((smooth / sizes)[::-1])[::-1]
    smooth = np.sqrt(below * above)
    curve = np.empty(KNOTS)
    end = first_log2_bytes + len(smooth)
    curve[:first_log2_bytes] = smooth[0]
    curve[first_log2_bytes:end] = smooth
    rate = (smooth[-1] - smooth[-2]) / 2.0 ** (end - 2)
    curve[end:] = smooth[-1] + rate * (2.0 ** np.arange(end, KNOTS) - 2.0 ** (end - 1))
    return curve


def moved(curve: Floats, ratio: float) -> Floats:
    """The curve of a link `ratio` times slower: a message costs what one `ratio` times larger cost."""
    if ratio == 1.0:
        return curve
    sizes = 2.0 ** np.arange(KNOTS)
    reached = np.interp(sizes * ratio, sizes, curve)
    beyond = sizes * ratio > sizes[-1]
    rate = (curve[-1] - curve[-2]) / (sizes[-1] - sizes[-2])
    return np.asarray(np.where(beyond, curve[-1] + rate * (sizes * ratio - sizes[-1]), reached), dtype=np.float64)


def spread_key(kind: str, rung: int, collective: str, library: str, group: float) -> SpreadKey:
    """Row of the spread table: a pair of PCIe cards apart from more of them, send and receive apart from the rest."""
    return (
        "pcie-pair" if kind == "pcie" and group <= 2 else kind,
        rung,
        "send_recv" if collective == "send_recv" else library,
    )


def factor_curve(book: CurveBook, key: SpreadKey) -> Floats:
    """90 % factor either way at every knot.

    Raises
    ------
    DataError
        The spread table has no such row.
    """
    factors = book.spread.get(key)
    if factors is None:
        raise DataError(f"no spread for {key}", place="data/perf/collectives/spread.csv")
    return np.asarray(np.interp(np.arange(KNOTS), SPREAD_LOG2_BYTES, factors), dtype=np.float64)


@functools.cache
def load_book() -> CurveBook:
    """The shipped curves.

    Raises
    ------
    DataError
        A shipped table cannot be read.
    """
    fabrics = {
        row["fabric"]: Fabric(
            id=row["fabric"],
            name=row["name"],
            family=row["family"],
            kind=row["kind"],
            bytes_per_s=float(row["link_bytes_per_s_per_dir"]),
            source=row["source"],
        )
        for row in read_rows("collectives/fabrics.csv")
    }
    curves: dict[CurveKey, Floats] = {}
    for number, row in enumerate(read_rows("collectives/curves.csv"), start=2):
        if row["fabric"] not in fabrics:
            raise DataError(f"unknown fabric {row['fabric']!r}", place=f"curves.csv line {number}")
        key = (row["fabric"], row["collective"], row["library"], row["payload"], int(row["group"]))
        times = np.array(row["times_us"].split(), dtype=np.float64) * 1e-6
        curves[key] = curve_through(int(row["first_log2_bytes"]), times)
        curves[key].setflags(write=False)
    spread = {
        (row["kind"], int(row["rung"]), row["library"]): (
            float(row["small"]),
            float(row["middle"]),
            float(row["large"]),
        )
        for row in read_rows("collectives/spread.csv")
    }
    return CurveBook(fabrics=fabrics, curves=curves, spread=spread)


@functools.cache
def collective_constants() -> Mapping[str, Constant]:
    """Named numbers of this package, each with range and source."""
    return {
        row["id"]: Constant(
            id=row["id"],
            value=float(row["value"]),
            low=float(row["low"] or row["value"]),
            high=float(row["high"] or row["value"]),
            unit=row["unit"],
            source=row["source"],
            note=row["note"],
        )
        for row in read_rows("collectives/constants.csv")
    }
