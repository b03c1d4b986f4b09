"""Own measured serving points where figures are given out: factors on the centre, and the interval they leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chipwise.catalogue.objects import Chip
from chipwise.perf.infer.predict import interval

if TYPE_CHECKING:
    from chipwise.perf.infer.calibrate import ServingCalibration


def factor(calibration: ServingCalibration | None, chip_id: str, regime: str, metric: str) -> float:
    """Calibrated over plain central value; 1 where nothing was measured on the chip."""
    if calibration is None:
        return 1.0
    return calibration.applied(chip_id, regime, metric, (0.5, 1.0, 2.0))[1]


def bounds(
    calibration: ServingCalibration | None, evidence: int, chip: Chip, regime: str, metric: str, value: float
) -> tuple[float, float]:
    """90 % interval of a central value that is calibrated already."""
    low, high = interval(evidence, chip, regime, metric, 1.0)
    if calibration is not None:
        low, centre, high = calibration.applied(chip.id, regime, metric, (low, 1.0, high))
        low, high = low / centre, high / centre
    return value * low, value * high
