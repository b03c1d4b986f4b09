"""Own measured serving points turn into shrunk factors per chip: how much faster it serves, how much later it starts.

A chip's figures lie off the model by an amount of its own, those of one regime by a further one, and single figures
scatter around both. How far each goes, by evidence, is known from measured points with the source left out
(``infer/components.csv``). The factors are the best linear prediction from the deviations at hand (kriging with these
variances): a few points move the regime they are of most, other regimes less, and nothing beyond what they show.
"""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chipwise.core.errors import DataError, InputError
from chipwise.perf.infer.audit import number
from chipwise.perf.infer.predict import RUNGS, best_of, figures
from chipwise.perf.infer.reading import ServingCase, read_serving_case
from chipwise.perf.tables import read_rows

METRICS = ("output_tps_per_chip", "tpot_mean_ms", "ttft_mean_ms")

KIND = {"output_tps_per_chip": "speed", "tpot_mean_ms": "speed", "ttft_mean_ms": "start"}
"""What a figure tells of: tokens per second and time per token are one thing."""

SIGN = {"output_tps_per_chip": 1.0, "tpot_mean_ms": -1.0, "ttft_mean_ms": 1.0}
"""Direction in which a figure moves with its kind."""

LARGEST_RATIO = 8.0
"""Measured over predicted beyond this, either way, is a fault of unit or of the set-up, not a property of a chip."""

Z90 = 1.6448536269514722

COLUMNS = ("model", "chip_id", "chips", "load_type", "isl", "osl")

Span = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variances:
    """Squared deviations in logarithms: of chips, of regimes of one chip, of figures of one regime."""

    chip: float
    regime: float
    within: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How one chip deviates, in logarithms.

    Parameters
    ----------
    value : float
        Of measured over predicted, after shrinkage.
    half : float
        Half of the 90 % interval of a further figure.
    points : int
        Measured points behind it.
    """

    value: float
    half: float
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingCalibration:
    """Deviations by chip and kind (``speed`` or ``start``); what was not measured stays as it was.

    Parameters
    ----------
    logs : mapping
        (chip, kind) to pairs of regime and logarithm of measured over predicted.
    variances : mapping
        (chip, kind) to how far such deviations go.
    """

    logs: Mapping[tuple[str, str], tuple[tuple[str, float], ...]]
    variances: Mapping[tuple[str, str], Variances]

    def shift(self, chip_id: str, regime: str, kind: str) -> Shift | None:
        """The shift of a chip in a regime; None where nothing was measured on it."""
        logs = self.logs.get((chip_id, kind))
        return None if not logs else shrunk(logs, regime, self.variances[chip_id, kind])

    def applied(self, chip_id: str, regime: str, metric: str, span: Span) -> Span:
        """(low, value, high) of a figure after calibration; the interval is the narrower of the two.

        Under a latency target times are those of the target, and stay.
        """
        shift = self.shift(chip_id, regime, KIND[metric])
        if shift is None or (regime == "server" and metric != "output_tps_per_chip"):
            return span
        low, value, high = span
        centre = value * math.exp(SIGN[metric] * shift.value)
        return (
            centre * max(math.exp(-shift.half), low / value),
            centre,
            centre * min(math.exp(shift.half), high / value),
        )


@functools.cache
def variances_table() -> Mapping[tuple[str, str], Variances]:
    """How far deviations go, by evidence and kind."""
    return {
        (row["rung"], row["kind"]): Variances(
            chip=float(row["chip"]), regime=float(row["regime"]), within=float(row["within"])
        )
        for row in read_rows("infer/components.csv")
    }


def shrunk(logs: Iterable[tuple[str, float]], regime: str, variances: Variances) -> Shift:
    """What deviations of one chip, each of a regime, say of a further figure of `regime`.

    Examples
    --------
    >>> known = Variances(chip=0.05, regime=0.04, within=0.03)
    >>> round(shrunk([("closed", 0.4)], "closed", known).value, 3)
    0.3
    >>> round(shrunk([("closed", 0.4)], "max_load", known).value, 3)
    0.167
    >>> round(shrunk([("closed", 0.4)] * 3, "closed", known).value, 3)
    0.36
    """
    import numpy as np

    pairs = list(logs)
    names = np.array([name for name, _ in pairs])
    values = np.array([log for _, log in pairs])
    same = names[:, None] == names[None, :]
    joint = variances.chip + variances.regime * same + variances.within * np.eye(values.size)
    towards = variances.chip + variances.regime * (names == regime)
    weights = np.linalg.solve(joint, towards)
    left = variances.chip + variances.regime + variances.within - float(weights @ towards)
    return Shift(value=float(weights @ values), half=Z90 * math.sqrt(max(left, 0.0)), points=len(pairs))


def deviations(case: ServingCase, measured: Mapping[str, float], predicted: Mapping[str, float]) -> dict[str, float]:
    """Logarithm of measured over predicted by kind, of one point; two figures of one kind are averaged."""
    found: dict[str, list[float]] = defaultdict(list)
    for metric, value in measured.items():
        if metric in predicted and not (case.regime == "server" and metric != "output_tps_per_chip"):
            found[KIND[metric]].append(SIGN[metric] * math.log(value / predicted[metric]))
    return {kind: sum(logs) / len(logs) for kind, logs in found.items()}


def calibrate_serving(
    rows: Iterable[Mapping[str, str]], catalogue: Any, place: str = "calibration"
) -> ServingCalibration:
    """Shifts from measured points in the columns of ``chipwise validate inference``.

    Raises
    ------
    DataError
        A row that cannot be read, was not measured, or is off by a factor of `LARGEST_RATIO`.
    """
    found: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    rungs: dict[str, int] = {}
    for index, row in enumerate(rows, start=2):
        here = f"{place}: line {index}"
        measured = {metric: value for metric in METRICS if (value := number(row, metric)) is not None}
        if not measured:
            raise DataError("no measured figure", place=here, allowed=", ".join(METRICS))
        case = read_serving_case(row, catalogue)
        best = case if isinstance(case, str) else best_of(case)
        if isinstance(best, str) or isinstance(case, str):
            raise DataError(f"cannot be predicted: {best}", place=here)
        for kind, log in deviations(case, measured, figures(case, *best)).items():
            if abs(log) > math.log(LARGEST_RATIO):
                raise DataError(
                    f"{kind} is {math.exp(log):.3g} times the prediction",
                    place=here,
                    allowed=f"a ratio of 1/{LARGEST_RATIO:g} to {LARGEST_RATIO:g}: check units and set-up",
                )
            found[case.chip.id, kind].append((case.regime, log))
        rungs[case.chip.id] = max(rungs.get(case.chip.id, 0), best[0].setup.evidence)
    return ServingCalibration(
        logs={key: tuple(pairs) for key, pairs in found.items()},
        variances={(chip, kind): variances_table()[RUNGS[rungs[chip]], kind] for chip, kind in found},
    )


def read_serving_calibration(path: str | Path, catalogue: Any) -> ServingCalibration:
    """Read a CSV file of own measured points and calibrate on it.

    Raises
    ------
    InputError, DataError
        No readable file, a column missing, or a row at fault, with its line.
    """
    import csv

    try:
        with Path(path).open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(f"no column {missing[0]!r}", place=str(path), allowed=", ".join((*COLUMNS, *METRICS)))
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot be read: {error}", place=str(path), allowed="a CSV file in UTF-8") from None
    if not rows:
        raise InputError("no measured points", place=str(path), allowed="one row for each measured point")
    return calibrate_serving(rows, catalogue, str(path))
