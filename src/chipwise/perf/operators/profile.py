"""Every operator coefficient of one chip, resolved through the ladder."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from chipwise.catalogue.frozen import FrozenMapping
from chipwise.catalogue.objects import Chip
from chipwise.core.errors import InputError, OutsideModelRange, Undetermined
from chipwise.perf.operators.grids import GRIDS, Grid
from chipwise.perf.operators.ladder import OPERATORS, Resolved, peak_of, resolve
from chipwise.perf.operators.mixed import mixed_kernel
from chipwise.perf.operators.objects import (
    FAMILY,
    GENERIC,
    OWN,
    RUNGS,
    Array,
    OperatorProfile,
    Surface,
    SurfaceKey,
)
from chipwise.perf.operators.shaping import padded, rising_with_width, shaped
from chipwise.perf.operators.streaming import streaming_rates
from chipwise.perf.operators.tables import spreads

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chipwise.perf.calibration import Measurement

KERNELS = ("best", "median")


def operator_profile(
    chip: Chip,
    *,
    kernels: str = "best",
    without: Collection[str] = (),
    engine: str | None = None,
    version: str | None = None,
    calibration: Sequence[Measurement] | None = None,
) -> OperatorProfile:
    """Coefficients of every operator on `chip`.

    Parameters
    ----------
    chip : Chip
        Of the catalogue or of a user's data sheet; changed figures scale the tables through the roofline law.
    kernels : {"best", "median"}
        Fastest engine and version of the tables, or the middle of them.
    without : collection of str
        Chips whose tables must not be used.
    engine, version : str, optional
        Takes the median kernels, whatever `kernels` says, and widens the interval: see `engine.for_engine`.
    calibration : sequence of Measurement, optional
        Own timings, of `read_calibration`; those of this chip move and narrow it.

    Raises
    ------
    Undetermined
        Bandwidth or a 16-bit rate is not published.
    OutsideModelRange
        The chip works from on-chip memory.
    InputError
        `kernels` is neither, or a version has no engine.
    """
    if kernels not in KERNELS:
        raise InputError(f"{kernels!r} is no choice of kernels", place="kernels", allowed=", ".join(KERNELS))
    if not isinstance(chip.rates, FrozenMapping):
        chip = dataclasses.replace(chip, rates=FrozenMapping(chip.rates))
    left_out = tuple(sorted(without))
    found = _profile(chip, kernels, left_out)
    if engine is not None or version is not None:
        from chipwise.perf.operators.engine import for_engine

        found = for_engine(_profile(chip, "best", left_out), _profile(chip, "median", left_out), engine, version)
    if calibration is not None:
        from chipwise.perf.operators.calibrated import calibrated

        found = calibrated(found, calibration)
    return found


@functools.lru_cache(maxsize=64)
def _profile(chip: Chip, kernels: str, without: tuple[str, ...]) -> OperatorProfile:
    place = f"chips/{chip.id}"
    if "SRAM" in chip.mem_type:
        raise OutsideModelRange(f"{chip.id} works from on-chip memory", place=place)
    if not chip.mem_bytes_per_s:
        raise Undetermined(f"{chip.id} has no published memory bandwidth", place=place)
    if peak_of(chip, "16-bit") is None:
        raise Undetermined(f"{chip.id} has no published dense bf16 or fp16 peak", place=place)
    surfaces: dict[SurfaceKey, Surface] = {}
    missing: dict[tuple[str, str], str] = {}
    for name, operator in OPERATORS.items():
        for precision in operator.precisions:
            found = _surfaces(chip, kernels, without, name, precision)
            if isinstance(found, str):
                missing[name, precision] = found
            else:
                surfaces.update(found)
    return OperatorProfile(
        chip_id=chip.id,
        kernels=kernels,
        peaks=dict(chip.rates),
        bytes_per_s=chip.mem_bytes_per_s,
        surfaces=surfaces,
        streaming=streaming_rates(chip, without),
        missing=missing,
        mixed=mixed_kernel(chip, without),
    )


def _surfaces(
    chip: Chip, kernels: str, without: tuple[str, ...], name: str, precision: str
) -> Mapping[SurfaceKey, Surface] | str:
    """Surfaces of every variant, or why there is none."""
    operator = OPERATORS[name]
    rate = operator.peak(precision)
    found = {variant: resolve(chip, name, precision, variant, without) for variant in operator.variants}
    some = [entry for entry in found.values() if entry is not None]
    if not some:
        return f"no chip was measured for {name} at {precision}"
    peak = peak_of(chip, rate, borrow=some[0].evidence == OWN)
    if peak is None:
        return f"{chip.id} has no published dense {rate} rate"
    times = {
        variant: _node_times(chip, entry, kernels, name, precision, variant, peak)
        for variant, entry in found.items()
        if entry is not None
    }
    if len(times) > 1 and operator.variants[0].isdigit():
        times = rising_with_width(times)
    return {
        (name, precision, variant): _surface(chip, (name, precision, variant), resolved, times[variant], peak)
        for variant, resolved in found.items()
        if resolved is not None
    }


def _node_times(
    chip: Chip, resolved: Resolved, kernels: str, name: str, precision: str, variant: str, peak: float
) -> Array:
    import numpy as np

    flop, moved = OPERATORS[name].node_work(precision, variant)
    bandwidth = chip.mem_bytes_per_s
    assert bandwidth is not None
    times = resolved.law.time_s(flop, moved, peak, bandwidth) * np.exp2(resolved.log2_ratio)
    if kernels == "median":
        times = times * resolved.middle_over_best
    floor = np.maximum(flop / peak, moved / bandwidth)
    return shaped(times, floor, OPERATORS[name].grid, GRIDS[OPERATORS[name].grid])


def build_surface(
    key: SurfaceKey, grid: Grid, times: Array, peak: float, bandwidth: float, resolved: Resolved
) -> Surface:
    """A surface from node times; a table of another head dimension of the chip is widened as if it were another's."""
    nodes = padded(times)
    operator = key[0].removesuffix("_window")
    borrowed = resolved.evidence == OWN and not resolved.exact
    rung = GENERIC if borrowed else resolved.evidence
    spread = spreads()[operator, RUNGS[rung]]
    flat: NDArray[np.float64] = nodes.reshape(-1)
    return Surface(
        key=key,
        grid=grid,
        nodes=nodes,
        flat=flat.data,
        peak_flop_per_s=peak,
        bytes_per_s=bandwidth,
        low_factor=spread.low_factor,
        high_factor=spread.high_factor,
        scaled=OPERATORS[key[0]].scaled,
        evidence=FAMILY if borrowed else resolved.evidence,
        donors=tuple(sorted({row.chip for row in resolved.rows})),
        sources=tuple(sorted({f"{row.source} ({row.licence})" for row in resolved.rows})),
        law=resolved.law,
    )


def _surface(chip: Chip, key: SurfaceKey, resolved: Resolved, times: Array, peak: float) -> Surface:
    assert chip.mem_bytes_per_s is not None
    return build_surface(key, GRIDS[OPERATORS[key[0]].grid], times, peak, chip.mem_bytes_per_s, resolved)
