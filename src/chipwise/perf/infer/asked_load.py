"""A load on a model and a chip, completed and checked."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chipwise.catalogue.objects import Chip, Model
from chipwise.core.errors import InputError
from chipwise.perf.infer.layouts import LONGEST
from chipwise.perf.infer.options import Options
from chipwise.perf.infer.predict import TPOT_TAIL, TTFT_TAIL
from chipwise.perf.infer.setup import Layout
from chipwise.perf.tables import constant, read_rows

if TYPE_CHECKING:
    from chipwise.perf.infer.calibrate import ServingCalibration

LOADS = ("closed", "saturated", "static", "open", "mlperf-offline", "mlperf-server", "mlperf-interactive")
"""Loads by the name the command line takes."""

OFFLINE_BATCH = 1024.0
"""Requests of one copy in an offline submission, at least."""

REGIMES = {
    "closed": "closed",
    "saturated": "max_load",
    "static": "static",
    "open": "server",
    "mlperf-offline": "mlperf_offline",
    "mlperf-server": "server",
    "mlperf-interactive": "server",
}
"""Regime whose fitted terms and interval a load takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A load on a model and a chip.

    Parameters
    ----------
    chips : int
        In all; copies are as many as fit.
    layout : Layout, optional
        The best of the space by default.
    concurrency, batch, rate : float, optional
        Requests in flight in all (``closed``), of one copy (``static``, ``saturated``), requests/s in all (``open``).
    tpot_s, ttft_s : float, optional
        Targets: means for the largest batch under saturation, else what goodput is counted by.
    calibration : ServingCalibration, optional
        Own measured points.
    """

    chip: Chip
    model: Model
    load: str
    chips: int
    engine: str = "vllm"
    engine_version: str = ""
    weight_precision: str = "auto"
    kv_precision: str = "auto"
    layout: Layout | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    concurrency: float | None = None
    batch: float | None = None
    rate: float | None = None
    variation: float = 1.0
    tpot_s: float | None = None
    ttft_s: float | None = None
    usd_per_chip_hour: float | None = None
    calibration: ServingCalibration | None = None
    options: Options = field(default_factory=Options)


def completed(asked: Asked) -> Asked:
    """MLPerf scenarios with their lengths and targets."""
    if not asked.load.startswith("mlperf-"):
        return asked
    scenario = asked.load.removeprefix("mlperf-")
    for row in read_rows("infer/mlperf.csv"):
        if row["scenario"] == scenario and asked.model.id.startswith(row["prefix"]):
            return dataclasses.replace(
                asked,
                input_tokens=asked.input_tokens or float(row["input_tokens"]),
                output_tokens=asked.output_tokens or float(row["output_tokens"]),
                ttft_s=float(row["ttft_s"]) / TTFT_TAIL if row["ttft_s"] else None,
                tpot_s=float(row["tpot_s"]) / TPOT_TAIL if row["tpot_s"] else None,
                weight_precision=_submitted(asked),
                kv_precision="fp8"
                if asked.kv_precision == "auto" and asked.chip.rates.get("fp8")
                else asked.kv_precision,
                options=dataclasses.replace(asked.options, batch_cap=_tuned(asked, scenario)),
            )
    known = sorted({f"{row['prefix']} {row['scenario']}" for row in read_rows("infer/mlperf.csv")})
    raise InputError(
        f"MLPerf has no {scenario} scenario of {asked.model.id} here", place="--load", allowed=", ".join(known)
    )


def _submitted(asked: Asked) -> str:
    """Weights of most submissions where none are named: 8 bits where the chip has the rate."""
    if asked.weight_precision != "auto":
        return asked.weight_precision
    return next((name for name in ("fp8", "int8") if asked.chip.rates.get(name)), "auto")


def _tuned(asked: Asked, scenario: str) -> float | None:
    """Most requests of a copy: submissions to the offline scenario raise an engine's default."""
    if asked.options.batch_cap is not None or scenario != "offline":
        return asked.options.batch_cap
    return max(asked.options.cap(asked.engine), OFFLINE_BATCH)


def check(asked: Asked) -> None:
    if asked.load not in LOADS:
        raise InputError(f"{asked.load!r} is no load", place="--load", allowed=", ".join(LOADS))
    needed = {"closed": "concurrency", "static": "batch", "open": "rate"}.get(asked.load)
    if needed is not None and getattr(asked, needed) is None:
        raise InputError(f"the load {asked.load!r} needs a number", place=f"--{needed}", allowed="a positive number")
    for name, option, least, most in (
        ("concurrency", "--concurrency", 1.0, 1e9),
        ("batch", "--batch", 1.0, 1e9),
        ("rate", "--rate", 1e-9, 1e9),
        ("input_tokens", "--isl", 1.0, LONGEST),
        ("output_tokens", "--osl", 1.0, LONGEST),
        ("tpot_s", "--tpot-ms", 1e-9, 1e9),
        ("ttft_s", "--ttft-ms", 1e-9, 1e9),
    ):
        value = getattr(asked, name)
        if value is not None and not least <= value <= most:
            raise InputError(f"{value!r} is out of range", place=option, allowed=f"{least:g} to {most:g}")
    if not 0 <= asked.variation <= 10:
        raise InputError(f"{asked.variation!r}", place="--variation", allowed="0 to 10")


def lengths_of(asked: Asked) -> tuple[float, float]:
    given = asked.input_tokens, asked.output_tokens
    return (
        max(given[0] or constant("request_input_tokens"), 1.0),
        max(given[1] or constant("request_output_tokens"), 1.0),
    )
