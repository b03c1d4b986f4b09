"""A user's own runs: how their stack differs, drawn towards the model while runs are few."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chipwise.catalogue.catalogue import Catalogue
from chipwise.core.errors import InputError
from chipwise.perf.train.predict import predict
from chipwise.perf.train.run import Run
from chipwise.perf.train.terms import Terms, shipped_terms

STACK_VARIANCE, MODEL_VARIANCE, RUN_VARIANCE = 0.010, 0.010, 0.010
"""Variance of log step time with the source left out: shared by a source, by one model of a source, of one run.

From pairs of rows of a source, sources weighing alike (rounded): ``tools/score_training.py`` prints them.
"""

EDGE = 1.645 * math.sqrt(STACK_VARIANCE + MODEL_VARIANCE + RUN_VARIANCE)
"""Largest error that counts in full: the 90 % range of a run; from `AGREEING` runs on, taken about their median."""

AGREEING = 3

LARGEST_RATIO = 4.0
"""A run this far from its prediction, either way, is another shape or another unit, not another stack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRun:
    """One measured run of the user.

    Parameters
    ----------
    model : str
        Any name: runs of one name share more than the stack.
    measured_s, predicted_s : float, s
        Step time, and what the model says of it.
    """

    model: str
    measured_s: float
    predicted_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What own runs say of another run of the same stack.

    Parameters
    ----------
    factor : float
        Times the predicted step time.
    narrowing : float
        Times the logarithm of the 90 % factor; at most 1.
    runs : int
    """

    factor: float
    narrowing: float
    runs: int


def correction(runs: Sequence[OwnRun], model: str) -> Correction:
    """Best linear prediction of a run's error from those of own runs.

    Parameters
    ----------
    runs : sequence of OwnRun
        One or more, of one stack.
    model : str
        Of the run to be corrected, in the names of the runs.

    Raises
    ------
    InputError
        No run, times out of range, or a run that cannot be the one described.

    Notes
    -----
    Errors in logarithms have three independent parts, of the stack, of the model on it and of the run; their variances
    say how far a few runs move the prediction. One run of the same model moves it two thirds of the way, one of another
    model a third. A run far outside the 90 % range counts as at its edge, until three say the same.

    Examples
    --------
    >>> one = correction([OwnRun(model="a", measured_s=12.1, predicted_s=10.0)], "a")
    >>> round(one.factor, 3), round(one.narrowing, 2)
    (1.136, 0.75)
    """
    if not runs:
        raise InputError("no run", place="own runs", allowed="one or more")
    errors = np.array([_error(run) for run in runs])
    middle = float(np.median(errors)) if len(runs) >= AGREEING else 0.0
    errors = np.clip(errors, middle - EDGE, middle + EDGE)
    names = np.array([run.model for run in runs])
    shared = STACK_VARIANCE + MODEL_VARIANCE * (names[:, None] == names[None, :])
    towards = STACK_VARIANCE + MODEL_VARIANCE * (names == model)
    weights = np.linalg.solve(shared + RUN_VARIANCE * np.eye(len(runs)), towards)
    before = STACK_VARIANCE + MODEL_VARIANCE + RUN_VARIANCE
    left = before - float(weights @ towards)
    return Correction(
        factor=math.exp(float(weights @ errors)), narrowing=math.sqrt(max(left, 0.0) / before), runs=len(runs)
    )


def _error(run: OwnRun) -> float:
    measured, predicted = run.measured_s, run.predicted_s
    ratio = measured / predicted if 0.0 < measured < math.inf and 0.0 < predicted < math.inf else math.inf
    if not 1.0 / LARGEST_RATIO <= ratio <= LARGEST_RATIO:
        raise InputError(
            f"{measured!r} s measured, {predicted!r} s predicted",
            place="own runs",
            allowed=f"a ratio of 1/{LARGEST_RATIO:g} to {LARGEST_RATIO:g}",
        )
    return math.log(ratio)


def own_runs(rows: Sequence[Mapping[str, str]], catalogue: Catalogue, terms: Terms | None = None) -> list[OwnRun]:
    """Runs of a table in the columns of the measured training runs, each with what the model says of it.

    Raises
    ------
    InputError
        A row cannot be predicted, or names no speed.
    """
    from chipwise.perf.train.cases import read_run

    used, cases = terms or shipped_terms(), []
    for place, row in enumerate(rows, start=2):
        case = read_run(row, catalogue, used)
        reason = case if isinstance(case, str) else (*case.faults, "" if case.speed else "no speed")[0]
        if isinstance(case, str) or reason:
            raise InputError(reason, place=f"own runs, line {place}", allowed="a run that can be predicted")
        cases.append(case)
    return [
        OwnRun(
            model=case.model_id or case.run_id,
            measured_s=found.step_s * found.tokens_per_s / (case.speed or math.nan),
            predicted_s=found.step_s,
        )
        for case, found in zip(cases, predict(cases, used), strict=True)
    ]


def corrected(run: Run, found: Correction) -> Run:
    """A run with its step time corrected and its interval narrowed."""
    step = run.step_s
    value = step.value * found.factor
    return dataclasses.replace(
        run,
        step_s=dataclasses.replace(
            step,
            value=value,
            low=value * (step.low / step.value) ** found.narrowing,
            high=value * (step.high / step.value) ** found.narrowing,
            method=f"{step.method}, times {found.factor:.3f} from {found.runs} run(s) of your own",
            breakdown={name: seconds * found.factor for name, seconds in step.breakdown.items()},
        ),
    )
