"""A user's own measurements turn into shrunk factors per chip and class of operator."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chipwise.catalogue.catalogue import Catalogue
from chipwise.core.errors import DataError, Undetermined
from chipwise.core.fact import Estimate
from chipwise.perf.collectives import COLLECTIVES, CollectiveTime, collective
from chipwise.perf.topology import machine

OPERATORS = (
    *COLLECTIVES,
    "gemm",
    "attention_prefill",
    "attention_decode",
    "moe",
    "norm",
    "embedding",
    "optimizer",
    "kv_transfer",
    "quantise",
    "other",
)
LARGEST_RATIO = 8.0
"""Measured over predicted beyond this, either way, is a fault of unit or shape, not a property of a chip."""

_Z90 = 1.6448536269514722


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One timing of a user's own.

    Parameters
    ----------
    shape : tuple of (str, float or str)
        Sorted by name; ``message`` in bytes.
    measured_s : float
    predicted_s : float or None
        None where the profile is to predict.
    place : str
        Where it stands, for messages.
    """

    chip_id: str
    operator: str
    shape: tuple[tuple[str, float | str], ...]
    measured_s: float
    predicted_s: float | None = None
    source: str = ""
    place: str = ""

    @property
    def case(self) -> tuple[str, str, tuple[tuple[str, float | str], ...]]:
        """What was measured: repeats of a case count once."""
        return self.chip_id, self.operator, self.shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What was believed before: predictions, and how far they may be off.

    Parameters
    ----------
    predict : callable
        Time, s, of a measurement without a prediction of its own.
    prior_factor : mapping of str to float
        90 % factor either way of an operator's predictions before calibration; ``""`` for the others.
    noise_factor : float
        90 % factor between two measurements of one class after its common bias is taken out.
    """

    predict: Callable[[Measurement], float]
    prior_factor: Mapping[str, float]
    noise_factor: float = 1.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """What to multiply a predicted time by.

    Parameters
    ----------
    value : float
        Shrunk towards 1: weight n/(n + 1), so half for one case and three quarters for three.
    low, high : float
        90 % interval of measured over predicted after calibration, to replace the prior's.
    cases : int
        Distinct cases; repeats count once.
    observed : float
        Unshrunk median of measured over predicted.
    """

    chip_id: str
    operator: str
    value: float
    low: float
    high: float
    cases: int
    observed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Factors by chip and operator; what was not measured is left as it was."""

    factors: tuple[Factor, ...]

    def of(self, chip_id: str, operator: str) -> Factor | None:
        """The factor of that chip and operator; None where nothing was measured."""
        return next((one for one in self.factors if (one.chip_id, one.operator) == (chip_id, operator)), None)

    def applied(self, estimate: Estimate, chip_id: str, operator: str) -> Estimate:
        """A predicted time after calibration; its interval is the factor's, or its own where that is narrower."""
        factor = self.of(chip_id, operator)
        if factor is None or estimate.value <= 0:
            return estimate
        centre = estimate.value * factor.value
        return Estimate(
            value=centre,
            low=max(estimate.value * factor.low, centre * estimate.low / estimate.value),
            high=min(estimate.value * factor.high, centre * estimate.high / estimate.value),
            unit=estimate.unit,
            method=f"{estimate.method}; times {factor.value:.2f} from {factor.cases} own measurements",
            evidence=estimate.evidence,
            breakdown=estimate.breakdown,
            facts=estimate.facts,
        )


def calibrate(measurements: Iterable[Measurement], profile: Profile) -> Calibration:
    """Shrunk factors from measurements; the same measurements in any order give the same factors.

    Raises
    ------
    DataError
        A time that is not positive, or a ratio beyond `LARGEST_RATIO`.

    Notes
    -----
    Per case the median of its repeats; per chip and operator the median over cases, m, of log(measured/predicted);
    factor exp(m n/(n + 1)). The weight is that which served best on training runs: half of one observed bias, three
    quarters of three. Spread: prior spread x sqrt(1/(n + 1)) with the spread of the cases, itself shrunk towards
    `Profile.noise_factor`.
    """
    cases: dict[tuple[str, str, tuple[tuple[str, float | str], ...]], list[float]] = {}
    for one in measurements:
        cases.setdefault(one.case, []).append(log_ratio(one, profile.predict))
    classes: dict[tuple[str, str], list[float]] = {}
    for (chip_id, operator, _), ratios in cases.items():
        classes.setdefault((chip_id, operator), []).append(statistics.median(ratios))
    return Calibration(factors=tuple(_factor(*key, classes[key], profile) for key in sorted(classes)))


def log_ratio(one: Measurement, predict: Callable[[Measurement], float]) -> float:
    """Logarithm of measured over predicted.

    Raises
    ------
    DataError
        A time that is not positive, or a ratio beyond `LARGEST_RATIO`.
    """
    predicted = one.predicted_s if one.predicted_s is not None else predict(one)
    for name, value in (("measured", one.measured_s), ("predicted", predicted)):
        if not (math.isfinite(value) and value > 0):
            raise DataError(f"{name} {value} s", place=one.place, allowed="a time above 0")
    ratio = one.measured_s / predicted
    if not 1.0 / LARGEST_RATIO <= ratio <= LARGEST_RATIO:
        raise DataError(
            f"measured {one.measured_s:.3g} s is {ratio:.3g} times the predicted {predicted:.3g} s",
            place=one.place,
            allowed=f"1/{LARGEST_RATIO:g} to {LARGEST_RATIO:g}: check unit and shape",
        )
    return math.log(ratio)


def _factor(chip_id: str, operator: str, ratios: Sequence[float], profile: Profile) -> Factor:
    count = len(ratios)
    centre = statistics.median(ratios)
    shift = centre * count / (count + 1.0)
    prior = math.log(profile.prior_factor.get(operator, profile.prior_factor.get("", 2.0))) / _Z90
    noise = math.log(profile.noise_factor) / _Z90
    scatter = (2.0 * noise**2 + sum((ratio - centre) ** 2 for ratio in ratios)) / (2.0 + count - 1.0)
    width = _Z90 * math.sqrt(prior**2 / (count + 1.0) + scatter)
    return Factor(
        chip_id=chip_id,
        operator=operator,
        value=math.exp(shift),
        low=math.exp(shift - width),
        high=math.exp(shift + width),
        cases=count,
        observed=math.exp(centre),
    )


def calibrated_collective(found: CollectiveTime, factor: Factor | None) -> CollectiveTime:
    """A collective after calibration: time and bus bandwidth moved, the interval the narrower of the two."""
    if factor is None:
        return found
    time = np.asarray(found.time_s)
    centre = time * factor.value
    low = np.maximum(time * factor.low, np.asarray(found.low_s) * factor.value)
    high = np.minimum(time * factor.high, np.asarray(found.high_s) * factor.value)
    bus = np.asarray(found.bus_bytes_per_s) / factor.value
    if time.ndim == 0:
        return CollectiveTime(
            time_s=float(centre),
            low_s=float(low),
            high_s=float(high),
            bus_bytes_per_s=float(bus),
            evidence=found.evidence,
        )
    return CollectiveTime(time_s=centre, low_s=low, high_s=high, bus_bytes_per_s=bus, evidence=found.evidence)


def predict_collective(measurement: Measurement, catalogue: Catalogue) -> float:
    """Time of a measured collective by the shipped curves, s; for `Profile.predict`.

    Raises
    ------
    DataError
        `message` or `group` is missing from the shape.
    Undetermined
        The operator is no collective, or the chip's links are not known.
    """
    if measurement.operator not in COLLECTIVES:
        raise Undetermined(f"no prediction for {measurement.operator}", place=measurement.place, allowed="predicted")
    shape = dict(measurement.shape)
    for name in ("message", "group"):
        if not isinstance(shape.get(name), float):
            raise DataError(f"shape.{name} is missing", place=measurement.place, allowed="message in bytes, group")
    group = int(float(shape["group"]))
    whole = machine(measurement.chip_id, chips=max(int(float(shape.get("chips", group))), group), catalogue=catalogue)
    return float(collective(measurement.operator, whole, float(shape["message"]), group).time_s)
