"""A profile after a user's own timings of its operators."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chipwise.core.errors import DataError
from chipwise.perf.operators.objects import OperatorProfile
from chipwise.perf.operators.operations import OPERATIONS, Settings

if TYPE_CHECKING:
    from chipwise.perf.calibration import Factor, Measurement

TABLED = {"gemm": "gemm", "attention_prefill": "prefill", "attention_decode": "decode", "moe": "moe"}
"""Class of operator in the file to that of the tables; a window of the same kernel goes with it."""

STREAMED = ("norm", "embedding")
_SETTINGS = {"precision": "dtype", "dtype": "dtype", "kv_dtype": "kv_dtype", "routing": "routing"}


def calibrated(profile: OperatorProfile, measurements: Sequence[Measurement]) -> OperatorProfile:
    """Times moved by shrunk factors, intervals the narrower of the factor's and the profile's.

    Parameters
    ----------
    profile : OperatorProfile
    measurements : sequence of Measurement
        Of any chips; only those of this one count. A class counts for all its shapes and precisions.

    Raises
    ------
    DataError
        A shape that the operator does not have, or a ratio out of range.
    """
    from chipwise.perf.calibration import Profile, calibrate

    own = [one for one in measurements if one.chip_id == profile.chip_id]
    usable = [one for one in own if one.operator in TABLED or one.operator in STREAMED]
    left = sorted({one.operator for one in own} - {one.operator for one in usable})
    notes = [f"own timings of {', '.join(left)} change no kernel here"] if left else []
    if not own:
        notes.append(f"no own timing is of {profile.chip_id}: nothing changed")
    believed = Profile(
        predict=lambda one: predict_operator(profile, one),
        prior_factor={one.operator: _prior(profile, one.operator) for one in usable},
    )
    found = calibrate(usable, believed)
    for factor in found.factors:
        profile = _moved(profile, factor)
        notes.append(f"{factor.operator}: times {factor.value:.3f} from {factor.cases} own timing(s)")
    return dataclasses.replace(profile, notes=(*profile.notes, *notes))


def predict_operator(profile: OperatorProfile, measurement: Measurement) -> float:
    """Time of a measured operator by the profile, s.

    Raises
    ------
    DataError
        A name in the shape is no dimension of the operator, or a dimension is missing.
    """
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
    return float(entry.cost(profile, {"context": 0.0, **dims}, Settings(**words)).time_s)


def _prior(profile: OperatorProfile, operator: str) -> float:
    """Widest 90 % factor either way of the class."""
    kind = TABLED.get(operator)
    if kind is None:
        rate = profile.streaming[operator]
        return math.sqrt(rate.high_factor / rate.low_factor)
    return max(
        (math.sqrt(one.high_factor / one.low_factor) for key, one in profile.surfaces.items() if key[0] == kind),
        default=2.0,
    )


def _moved(profile: OperatorProfile, factor: Factor) -> OperatorProfile:
    low, high = factor.low / factor.value, factor.high / factor.value
    kind = TABLED.get(factor.operator)
    if kind is None:
        rate = profile.streaming[factor.operator]
        moved = dataclasses.replace(
            rate,
            share=min(rate.share, 1.0) / factor.value,
            launch_s=rate.launch_s * factor.value,
            low_factor=max(low, rate.low_factor),
            high_factor=min(high, rate.high_factor),
        )
        return dataclasses.replace(profile, streaming={**profile.streaming, factor.operator: moved})
    surfaces = dict(profile.surfaces)
    for key, one in profile.surfaces.items():
        if key[0].removesuffix("_window") == kind:
            nodes = one.nodes * factor.value
            surfaces[key] = dataclasses.replace(
                one,
                nodes=nodes,
                flat=nodes.reshape(-1).data,
                low_factor=max(low, one.low_factor),
                high_factor=min(high, one.high_factor),
            )
    return dataclasses.replace(profile, surfaces=surfaces)
