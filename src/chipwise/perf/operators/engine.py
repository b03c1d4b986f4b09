"""Engine and version: what the tables can say of one, which is how far engines lie apart."""

from __future__ import annotations

import dataclasses

from chipwise.core.errors import InputError
from chipwise.perf.operators.objects import OperatorProfile

MEASURED_ENGINES = ("tensorrt-llm", "vllm", "sglang")
"""Engines behind the tables, which keep the fastest and the median over them and not one by one."""

_SPELLINGS = {"trtllm": "tensorrt-llm", "trt-llm": "tensorrt-llm"}


def for_engine(
    best: OperatorProfile, middle: OperatorProfile, engine: str | None, version: str | None
) -> OperatorProfile:
    """The median kernels, widened for an engine that the tables do not keep apart.

    Parameters
    ----------
    best, middle : OperatorProfile
        The chip with the fastest and with the median kernels.
    engine, version : str, optional
        Either way the interval grows by ``r^steps``, r the median time over the fastest of each table: one step for an
        engine behind the tables, two for another, one more for a version.

    Raises
    ------
    InputError
        A version without an engine, or a blank engine.
    """
    import numpy as np

    if engine is None or not engine.strip():
        raise InputError("no engine named", place="engine", allowed=f"{', '.join(MEASURED_ENGINES)} or another")
    name = engine.strip().lower().replace("_", "-")
    name = _SPELLINGS.get(name, name)
    steps = (1 if name in MEASURED_ENGINES else 2) + (version is not None)
    ratios = {key: float(np.median(one.nodes / best.surfaces[key].nodes)) for key, one in middle.surfaces.items()}
    usual = max(float(np.median(list(ratios.values()))), 1.0) ** steps
    surfaces = {
        key: dataclasses.replace(
            one,
            low_factor=one.low_factor / max(ratios[key], 1.0) ** steps,
            high_factor=one.high_factor * max(ratios[key], 1.0) ** steps,
        )
        for key, one in middle.surfaces.items()
    }
    streaming = {
        key: dataclasses.replace(rate, low_factor=rate.low_factor / usual, high_factor=rate.high_factor * usual)
        for key, rate in middle.streaming.items()
    }
    known = "behind the tables" if name in MEASURED_ENGINES else "not behind the tables"
    asked = f"{name} {version}" if version is not None else name
    note = f"{asked}: {known}, which keep no engine or version apart; median kernels, interval widened {steps} step(s)"
    return dataclasses.replace(middle, surfaces=surfaces, streaming=streaming, notes=(*middle.notes, note))
