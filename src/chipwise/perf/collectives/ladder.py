"""From the measured curves to the curve of any link at any group size, by the best evidence there is."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chipwise.core.errors import Undetermined
from chipwise.perf.collectives.book import KNOTS, CurveBook, collective_constants, factor_curve, moved, spread_key
from chipwise.perf.collectives.objects import COLLECTIVES, Floats, Rung, bytes_on_the_wire, least_wire
from chipwise.perf.topology.objects import Tier
from chipwise.perf.topology.shapes import bandwidth_share

SIZES = 2.0 ** np.arange(KNOTS)
LARGEST_MEASURED = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """Time at every knot for one tier, collective and group.

    Parameters
    ----------
    time_s : (KNOTS,) float64
        At 2**0, 2**1 … bytes; straight lines between.
    factor : (KNOTS,) float64
        90 % factor either way.
    floor_s_per_byte : float
        Least time per byte: bytes on the wire over the data sheet's rate.
    """

    time_s: Floats
    factor: Floats
    floor_s_per_byte: float
    rung: Rung


@functools.lru_cache(maxsize=4096)
def tier_curve(
    book: CurveBook, tier: Tier, blocks: int, collective: str, library: str, payload: str, group: float
) -> Curve:
    """Curve of a collective among `group` of the `blocks` blocks that `tier` joins.

    Raises
    ------
    Undetermined
        The tier's bandwidth is unknown, or no curve of that kind of link exists.

    Notes
    -----
    A curve moves between links by their bandwidth: what a link r times slower takes for a message, the measured one
    took for one r times larger. The latency stays, the bandwidth term scales, and the time never falls when the
    bandwidth does.
    """
    if tier.bytes_per_s is None:
        raise Undetermined("bandwidth not published", place=f"tier {tier.name}")
    share = bandwidth_share(tier.shape, blocks, group, collective)
    rate = tier.bytes_per_s * share
    if tier.kind == "network":
        time = _two_numbers(collective, group, rate, "network_latency_s", "network_share")
        rung = Rung.DATA_SHEET
    else:
        time, rung = _ladder(book, tier, rate, collective, library, payload, group)
    factor = factor_curve(book, spread_key(tier.kind, int(rung), collective, library, group))
    if group > LARGEST_MEASURED and tier.kind != "network":
        factor = factor * math.exp(collective_constants()["group_widening"].value * math.log2(group / LARGEST_MEASURED))
    if tier.shape in ("full mesh", "ring", "2D torus", "3D torus") and tier.kind == "scaleup":
        factor = factor * collective_constants()["topology_widening"].value
    floor = least_wire(collective, group, tier.shape) / rate
    time = np.maximum(time, floor * SIZES)
    return Curve(time_s=time, factor=factor, floor_s_per_byte=floor, rung=rung)


def _ladder(
    book: CurveBook, tier: Tier, rate: float, collective: str, library: str, payload: str, group: float
) -> tuple[Floats, Rung]:
    members = [fabric for fabric in book.fabrics.values() if fabric.kind == tier.kind and fabric.id != tier.fabric]
    family = tuple(fabric.id for fabric in members if tier.family and fabric.family == tier.family)
    others = tuple(fabric.id for fabric in members if fabric.id not in family)
    for name in dict.fromkeys((library, "nccl")):
        for bits in dict.fromkeys((payload, "16-bit")):
            what = (collective, name, bits)
            own = book.groups(tier.fabric, *what) if tier.fabric else ()
            if group in own:
                return _of(book, tier.fabric, what, int(group), rate), Rung.TABLE
            kin = family if _measured(book, family, what, group) else others
            if own:
                native = book.fabrics[tier.fabric].bytes_per_s
                found = _from_other_groups(book, tier, what, group, native, kin, own)
                return moved(found, native / rate), Rung.FABRIC
            pooled = _pooled(book, kin, what, group, rate)
            if pooled is not None:
                return pooled, Rung.FAMILY if kin is family else Rung.DATA_SHEET
    if tier.kind == "bridge":
        return _ladder(book, _as_scaleup(tier), rate, collective, library, payload, group)
    return _two_numbers(collective, group, rate, "host_latency_s", "host_share"), Rung.DATA_SHEET


def _of(book: CurveBook, fabric: str, what: tuple[str, str, str], group: int, rate: float) -> Floats:
    return moved(book.curves[(fabric, *what, group)], book.fabrics[fabric].bytes_per_s / rate)


def _measured(book: CurveBook, fabrics: Sequence[str], what: tuple[str, str, str], group: float) -> bool:
    """Whether some fabric was measured at this group size or larger, or all sizes exceed what anyone measured."""
    largest = max((size for fabric in book.fabrics for size in book.groups(fabric, *what)), default=0)
    wanted = min(group, float(largest))
    return any(max(book.groups(fabric, *what), default=0) >= wanted for fabric in fabrics)


def _at_group(book: CurveBook, fabric: str, what: tuple[str, str, str], group: float, rate: float) -> Floats | None:
    """Curve of a measured fabric at any group size: as measured, between two sizes, or beyond the largest."""
    sizes = book.groups(fabric, *what)
    if not sizes:
        return None
    if group <= sizes[0]:
        return _of(book, fabric, what, sizes[0], rate)
    if group > sizes[-1]:
        return _beyond(book, fabric, what, sizes, group, rate)
    above = next(size for size in sizes if size >= group)
    upper = _of(book, fabric, what, above, rate)
    if above == group:
        return upper
    below = max(size for size in sizes if size < group)
    weight = math.log2(group / below) / math.log2(above / below)
    lower = _of(book, fabric, what, below, rate)
    between: Floats = np.exp((1.0 - weight) * np.log(lower) + weight * np.log(upper))
    return between


def _beyond(
    book: CurveBook, fabric: str, what: tuple[str, str, str], sizes: tuple[int, ...], group: float, rate: float
) -> Floats:
    """More chips than were measured: bus bandwidth as at the largest, latency as it grew between the last two.

    Reductions and gathers can go by trees, so their latency grows per doubling; an all-to-all sends to every peer,
    so its latency grows per chip.
    """
    last = sizes[-1]
    curve = _of(book, fabric, what, last, rate)
    grown = moved(curve, bytes_on_the_wire(what[0], group) / bytes_on_the_wire(what[0], last))
    if len(sizes) == 1:
        return grown
    before = sizes[-2]
    latency = [float(book.curves[(fabric, *what, size)][0]) for size in (before, last)]
    step = max(latency[1] - latency[0], 0.0)
    if what[0] == "all_to_all":
        return grown + step * (group - last) / (last - before)
    return grown + step * math.log2(group / last) / math.log2(last / before)


def _pooled(
    book: CurveBook, fabrics: Sequence[str], what: tuple[str, str, str], group: float, rate: float
) -> Floats | None:
    """Geometric mean of the curves of several fabrics, each moved to this bandwidth.

    Fabrics that reach the group by measurement go before those that would have to be extended.
    """
    reach = [fabric for fabric in fabrics if max(book.groups(fabric, *what), default=0) >= group]
    curves = [_at_group(book, fabric, what, group, rate) for fabric in (reach or fabrics)]
    known = [np.log(curve) for curve in curves if curve is not None]
    if not known:
        return None
    return np.asarray(np.exp(np.mean(known, axis=0)), dtype=np.float64)


def _from_other_groups(
    book: CurveBook,
    tier: Tier,
    what: tuple[str, str, str],
    group: float,
    rate: float,
    kin: Sequence[str],
    own: tuple[int, ...],
) -> Floats:
    """Own curves at other group sizes, carried by how time grows with the group.

    In a scale-up domain the growth is that of the same collective on like fabrics. PCIe hosts are not alike, since
    how cards reach each other differs from host to host: there it is that of the other collectives on this host.
    """
    smaller, larger = [size for size in own if size < group], [size for size in own if size > group]
    near = smaller[-1:] + larger[:1]
    estimates = []
    for size in near:
        growth = (
            _growth_of_kin(book, kin, what, size, group, rate)
            if tier.kind == "scaleup"
            else _growth_of_others(book, tier.fabric, what, size, group)
        )
        if growth is not None:
            estimates.append((size, np.log(_of(book, tier.fabric, what, size, rate)) + growth))
    if not estimates:
        plain = _at_group(book, tier.fabric, what, group, rate)
        assert plain is not None
        return plain
    found = estimates[0][1]
    if len(estimates) == 2:
        weight = math.log2(group / estimates[0][0]) / math.log2(estimates[1][0] / estimates[0][0])
        found = (1.0 - weight) * found + weight * estimates[1][1]
    return np.asarray(np.maximum.accumulate(np.exp(found)), dtype=np.float64)


def _growth_of_kin(
    book: CurveBook, kin: Sequence[str], what: tuple[str, str, str], size: int, group: float, rate: float
) -> Floats | None:
    """Logarithm of the time at `group` over that at `size`, on like fabrics moved to this bandwidth."""
    here, there = _pooled(book, kin, what, size, rate), _pooled(book, kin, what, group, rate)
    if here is None or there is None:
        return None
    return np.asarray(np.log(there / here), dtype=np.float64)


def _growth_of_others(
    book: CurveBook, fabric: str, what: tuple[str, str, str], size: int, group: float
) -> Floats | None:
    """The same from the other collectives of one fabric that were measured at both sizes."""
    ratios = [
        np.log(
            book.curves[(fabric, name, what[1], what[2], int(group))]
            / book.curves[(fabric, name, what[1], what[2], size)]
        )
        for name in COLLECTIVES
        if name != what[0] and {size, group} <= set(book.groups(fabric, name, what[1], what[2]))
    ]
    return np.asarray(np.mean(ratios, axis=0), dtype=np.float64) if ratios else None


def _as_scaleup(tier: Tier) -> Tier:
    """A bridge for which a collective was never measured, as a link of the scale-up kind."""
    return dataclasses.replace(tier, kind="scaleup", family="", fabric="")


def _two_numbers(collective: str, group: float, rate: float, latency_id: str, share_id: str) -> Floats:
    """Latency and rate, where no table of such a link exists; both have wide ranges."""
    named = collective_constants()
    latency = named[latency_id].value
    if collective == "all_to_all":
        latency += named["network_peer_s"].value * max(group - 2.0, 0.0)
    elif collective != "send_recv":
        latency += named["network_hop_s"].value * math.log2(max(group, 1.0))
    rate_reached = rate * named[share_id].value
    return np.asarray(latency + bytes_on_the_wire(collective, group) * SIZES / rate_reached, dtype=np.float64)
