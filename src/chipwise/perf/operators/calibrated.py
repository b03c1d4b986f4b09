"""A profile after a user's own timings of its operators."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chipwise.core.errors import DataError
from chipwise.perf.operators.entries import Entry, Settings
from chipwise.perf.operators.objects import OperatorProfile, SurfaceKey
from chipwise.perf.operators.operations import OPERATIONS
from chipwise.perf.operators.posterior import Timing, updated

if TYPE_CHECKING:
    from chipwise.perf.calibration import Calibration, Factor, Measurement

TABLED = {"gemm": "gemm", "attention_prefill": "prefill", "attention_decode": "decode", "moe": "moe"}
"""Class of operator in the file to that of the tables; a window of the same kernel goes with it."""

Case = tuple[str, str, tuple[tuple[str, float | str], ...]]

STREAMED = ("norm", "embedding")
_SETTINGS = {"precision": "dtype", "dtype": "dtype", "kv_dtype": "kv_dtype", "routing": "routing"}


def calibrated(profile: OperatorProfile, measurements: Sequence[Measurement]) -> OperatorProfile:
    """Times moved and intervals narrowed by own timings, most near the shapes that were timed.

    Parameters
    ----------
    profile : OperatorProfile
    measurements : sequence of Measurement
        Of any chips; only those of this one count. Every table of the class moves by what the timings have in common,
        the table that was timed by what it has of its own, and shapes near the timed ones most.

    Raises
    ------
    DataError
        A shape that the operator does not have, or a ratio out of range.
    """
    own = [one for one in measurements if one.chip_id == profile.chip_id]
    left = sorted({one.operator for one in own if one.operator not in TABLED and one.operator not in STREAMED})
    notes = [f"own timings of {', '.join(left)} change no kernel here"] if left else []
    if not own:
        notes.append(f"no own timing is of {profile.chip_id}: nothing changed")
    surfaces = dict(profile.surfaces)
    for name, kind in TABLED.items():
        timings = _timings(profile, [one for one in own if one.operator == name])
        if timings:
            found = {key: one for key, one in profile.surfaces.items() if key[0].removesuffix("_window") == kind}
            surfaces |= updated(found, timings)
            usual = math.exp(statistics.median(timing.log_ratio for timing in timings))
            notes.append(f"{name}: {len(timings)} own timing(s), {usual:.3f} times the prediction in the middle")
    profile = dataclasses.replace(profile, surfaces=surfaces)
    for factor in _streamed(profile, [one for one in own if one.operator in STREAMED]).factors:
        profile = _moved(profile, factor)
        notes.append(f"{factor.operator}: times {factor.value:.3f} from {factor.cases} own timing(s)")
    return dataclasses.replace(profile, notes=(*profile.notes, *notes))


def _timings(profile: OperatorProfile, measurements: Sequence[Measurement]) -> list[Timing]:
    """One timing a shape: the middle of its repeats."""
    from chipwise.perf.calibration import log_ratio

    cases: dict[Case, list[float]] = {}
    for one in measurements:
        cases.setdefault(one.case, []).append(log_ratio(one, lambda each: predict_operator(profile, each)))
    seen = {one.case: one for one in measurements}
    return [
        Timing(key=key, at=at, log_ratio=statistics.median(cases[case]))
        for case, (key, at) in ((case, _place(seen[case])) for case in sorted(cases, key=repr))
    ]


def _place(measurement: Measurement) -> tuple[SurfaceKey, tuple[float, float, float]]:
    """Table and coordinates of a timing."""
    entry, dims, settings = _question(measurement)
    found = entry.table(dims, settings)
    assert found is not None
    kind, precision, variant, (x, y, z) = found
    if "window" in dims:
        kind = f"{kind}_window"
    return (kind, precision, variant), (float(x), float(y), float(z))


def _streamed(profile: OperatorProfile, measurements: Sequence[Measurement]) -> Calibration:
    from chipwise.perf.calibration import Profile, calibrate

    believed = Profile(
        predict=lambda one: predict_operator(profile, one),
        prior_factor={one.operator: _prior(profile, one.operator) for one in measurements},
    )
    return calibrate(measurements, believed)


def predict_operator(profile: OperatorProfile, measurement: Measurement) -> float:
    """Time of a measured operator by the profile, s.

    Raises
    ------
    DataError
        A name in the shape is no dimension of the operator, or a dimension is missing.
    """
    entry, dims, settings = _question(measurement)
    return float(entry.cost(profile, dims, settings).time_s)


def _question(measurement: Measurement) -> tuple[Entry, dict[str, float], Settings]:
    """Operator, dimensions and settings of a timing."""
    name = measurement.operator.replace("_", "-")
    entry = OPERATIONS[name]
    known = (*entry.defaults, *entry.optional)
    dims: dict[str, float] = {}
    words: dict[str, str] = {}
    for key, value in measurement.shape:
        if key in _SETTINGS and isinstance(value, str):
            words[_SETTINGS[key]] = value
        elif key.replace("_", "-") in known and isinstance(value, float):
            dims[key.replace("_", "-")] = value
        else:
            raise DataError(f"shape.{key} is no size of {name}", place=measurement.place, allowed=", ".join(known))
    missing = [key for key in entry.defaults if key not in dims and key != "context"]
    if "context" in entry.defaults and "context" not in dims and name.endswith("decode"):
        missing.append("context")
    if missing:
        raise DataError(f"shape.{missing[0]} is missing", place=measurement.place, allowed=", ".join(known))
    if "context" in entry.defaults:
        dims.setdefault("context", 0.0)
    return entry, dims, Settings(**words)


def _prior(profile: OperatorProfile, operator: str) -> float:
    """90 % factor either way of a memory-bound operator."""
    rate = profile.streaming[operator]
    return math.sqrt(rate.high_factor / rate.low_factor)


def _moved(profile: OperatorProfile, factor: Factor) -> OperatorProfile:
    low, high = factor.low / factor.value, factor.high / factor.value
    rate = profile.streaming[factor.operator]
    moved = dataclasses.replace(
        rate,
        share=min(rate.share, 1.0) / factor.value,
        launch_s=rate.launch_s * factor.value,
        low_factor=max(low, rate.low_factor),
        high_factor=min(high, rate.high_factor),
    )
    return dataclasses.replace(profile, streaming={**profile.streaming, factor.operator: moved})
