"""Operators at a list of shapes, as rows a person can read: time, interval, shares of peak and bandwidth, bound."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chipwise.core.errors import InputError
from chipwise.core.names import nearest_names
from chipwise.perf.operators.entries import Dims, Entry, Settings
from chipwise.perf.operators.objects import EVIDENCE, OperatorProfile
from chipwise.perf.operators.operations import OPERATIONS
from chipwise.perf.operators.streaming import PLAIN

MOST_POINTS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorPoint:
    """One operator at one shape.

    Parameters
    ----------
    dims : mapping of str to float
    share_of_peak, share_of_bandwidth : float
        Of the data sheet's dense rate and memory bandwidth.
    bound : str
        ``compute``, ``memory`` or ``launch``: the largest of the three terms of the law.
    evidence : str
        Rung, and whether the shape lies beyond the measured grid.
    """

    operator: str
    dims: Dims
    dtype: str
    flop: float
    bytes: float
    time_s: float
    low_s: float
    high_s: float
    share_of_peak: float
    share_of_bandwidth: float
    bound: str
    evidence: str
    tables: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "dims": dict(self.dims),
            "tables": list(self.tables),
        }


def entry_of(operator: str) -> Entry:
    """The operator of that name.

    Raises
    ------
    InputError
        There is none.
    """
    found = OPERATIONS.get(operator)
    if found is None:
        raise InputError(
            f"{operator!r} is no operator",
            place="--op",
            allowed=", ".join(OPERATIONS),
            nearest=nearest_names(operator, OPERATIONS),
        )
    return found


def operator_points(
    profile: OperatorProfile, operator: str, dims: Mapping[str, Sequence[float]], settings: Settings
) -> list[OperatorPoint]:
    """The operator at every combination of the dimensions given; the others at their defaults.

    Raises
    ------
    InputError
        No such operator or dimension, or more than `MOST_POINTS` combinations.
    """
    entry = entry_of(operator)
    known = (*entry.defaults, *entry.optional)
    for name in dims:
        if name not in known:
            raise InputError(f"{operator} has no dimension {name!r}", place=f"--{name}", allowed=", ".join(known))
    for name, value in asdict(settings).items():
        if name not in entry.settings and value != getattr(Settings(), name):
            option = f"--{name.replace('_', '-')}"
            able = ", ".join(f"--{each.replace('_', '-')}" for each in entry.settings) or "none of its kind"
            raise InputError(f"{operator} has no {option}", place=option, allowed=able)
    axes = {name: tuple(dims.get(name) or (entry.defaults[name],)) for name in entry.defaults}
    axes |= {name: tuple(dims[name]) for name in entry.optional if dims.get(name)}
    count = 1
    for values in axes.values():
        count *= len(values)
    if count > MOST_POINTS:
        raise InputError(f"{count} shapes asked for", allowed=f"at most {MOST_POINTS}")
    shapes = (dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values()))
    return [_point(profile, operator, entry, shape, settings) for shape in shapes]


def _point(profile: OperatorProfile, operator: str, entry: Entry, dims: Dims, settings: Settings) -> OperatorPoint:
    cost = entry.cost(profile, dims, settings)
    place = entry.table(dims, settings)
    evidence: str = EVIDENCE[cost.evidence]
    if place is None:
        rate = profile.streaming.get(operator, profile.streaming[PLAIN])
        peak, launch, tables = max(profile.peaks.values()), rate.launch_s, rate.donors
        if operator not in profile.streaming:
            evidence = f"{evidence}, no kernel of its own"
    else:
        kind, precision, variant, at = place
        surface = profile.surface(kind, precision, variant)
        peak, launch, tables = surface.peak_flop_per_s, surface.law.launch_s, surface.donors
        if not at:
            evidence = f"{evidence}, no kernel of its own"
        elif operator == "attention-mixed" and settings.mixing == "fused":
            tables = tuple(sorted({*tables, *(profile.mixed.donors if profile.mixed else ())}))
        elif not surface.covers(*at):
            evidence = f"{evidence}, beyond the measured grid"
    terms = {"compute": cost.flop / peak, "memory": cost.bytes / profile.bytes_per_s, "launch": launch}
    return OperatorPoint(
        operator=operator,
        dims=dims,
        dtype=settings.dtype,
        flop=cost.flop,
        bytes=cost.bytes,
        time_s=cost.time_s,
        low_s=cost.low_s,
        high_s=cost.high_s,
        share_of_peak=terms["compute"] / cost.time_s,
        share_of_bandwidth=terms["memory"] / cost.time_s,
        bound=max(terms, key=lambda name: terms[name]),
        evidence=evidence,
        tables=tables,
    )
