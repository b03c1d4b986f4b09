"""Numbers of engines and the few fitted terms, and which of them a case uses."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chipwise.perf.tables import read_rows

FIELDS = (
    "gemm",
    "attention",
    "experts",
    "skew",
    "stream",
    "collective",
    "volume",
    "copies",
    "step_s",
    "layer_s",
    "sequence_s",
    "prompt",
    "prompt_share",
    "queue",
    "wave",
    "lock",
    "front_s",
    "regime",
)


Use = tuple[str, float]
"""A term and its power."""

TUNED_YEAR = 2025.25
"""Year between the two rounds of tuned submissions that taught `regime`."""

LITTLE = ("closed", "static")
"""Regimes whose throughput follows from their times alone."""


HOST_TIMES_OF = {"mindie": "vllm"}
"""Engines without a measured step, and whose host times they take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One free number.

    Parameters
    ----------
    value : float
        After the fit.
    prior, log_sd : float
        Where it is expected, and how firmly, as the standard deviation of its logarithm.
    """

    id: str
    value: float
    prior: float
    log_sd: float
    unit: str
    source: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The numbers of one case, or of many as arrays.

    Parameters
    ----------
    gemm, attention, experts, stream, collective : float or array
        Factors on the operator times.
    skew, volume : float or array
        Share of the measured skew of routing that real requests show; share of a collective's transfer not hidden.
    copies : float or array
        What attention copies wait for one another, as a share of their work, for very many of them.
    step_s, layer_s, sequence_s : float or array
        Engine time of a step, of a layer of it and of a request in it, s.
    prompt, prompt_share : float or array
        Factor on prompt work; share of it that the decoding of others waits for.
    queue, wave : float or array
        Weight of the prefill queue; prompts of a starting wave that one waits for, as a share of those in flight.
    lock : float or array
        Prompts that one waits for where requests of equal length start and end together.
    front_s : float or array
        Time before a request is scheduled, s.
    regime : float or array
        Throughput over that of the steady state: ramps, tails, arrivals.
    """

    gemm: Any
    attention: Any
    experts: Any
    skew: Any
    stream: Any
    collective: Any
    volume: Any
    copies: Any
    step_s: Any
    layer_s: Any
    sequence_s: Any
    prompt: Any
    prompt_share: Any
    queue: Any
    wave: Any
    lock: Any
    front_s: Any
    regime: Any


@functools.cache
def terms_table() -> Mapping[str, Term]:
    """Every term by id."""
    return {
        row["id"]: Term(
            id=row["id"],
            value=float(row["value"]),
            prior=float(row["prior"]),
            log_sd=float(row["log_sd"]),
            unit=row["unit"],
            source=row["source"],
            note=row["note"],
        )
        for row in read_rows("infer/terms.csv")
    }


@functools.cache
def term_values() -> Mapping[str, float]:
    """Fitted value of every term."""
    return {name: term.value for name, term in terms_table().items()}


@functools.cache
def _engines() -> Mapping[tuple[str, str], float]:
    return {(row["engine"], row["name"]): float(row["value"]) for row in read_rows("infer/engines.csv")}


@functools.cache
def engines() -> tuple[str, ...]:
    """Every engine with constants of its own."""
    return tuple(dict.fromkeys(engine for engine, _ in _engines()))


def engine_constant(engine: str, name: str) -> float:
    """Constant of an engine that is a setting or a rule, not a fit."""
    found = _engines().get((engine, name))
    return _engines()["vllm", name] if found is None else found


def term_names(
    engine: str,
    *,
    sheet: bool,
    vendor: str,
    cpu: bool,
    precision: str,
    regime: str,
    settled: bool,
    years: float = 0.0,
) -> dict[str, tuple[Use, ...]]:
    """Ids of the terms whose product is each field of `Terms`.

    Parameters
    ----------
    sheet : bool
        No kernel of the chip or its family was measured.
    settled : bool
        The prompts of a closed loop come in waves; False for a steady stream.
    years : float
        Age of a tuned submission against `TUNED_YEAR`, years; 0 for everything else.

    Returns
    -------
    dict
        By field, the terms whose product it is, each with its power.
    """
    engine = HOST_TIMES_OF.get(engine, engine)
    extra: tuple[str, ...] = ("sheet",) if sheet else ()
    kin = "cpu" if cpu else f"vendor.{vendor}"
    if sheet and kin in terms_table():
        extra += (kin,)
    low = ("low_bits",) if precision == "fp4" else ()
    found = {
        "gemm": ("gemm", *extra, *low),
        "attention": ("attention", *extra),
        "experts": ("experts", *extra, *low),
        "skew": ("skew",),
        "stream": ("stream", *extra),
        "collective": ("collective",),
        "volume": ("volume",),
        "copies": ("copies",),
        "step_s": (f"step_s.{engine}",),
        "layer_s": (f"layer_s.{engine}",),
        "sequence_s": (f"sequence_s.{engine}",),
        "prompt": ("prompt",),
        "prompt_share": ("prompt_share",),
        "queue": ("queue",),
        "wave": ("wave",) if settled else (),
        "lock": ("lock",),
        "front_s": (f"front_s.{engine}",),
        "regime": () if regime in LITTLE else (f"regime.{regime}",),
    }
    uses: dict[str, tuple[Use, ...]] = {field: tuple((name, 1.0) for name in names) for field, names in found.items()}
    if years:
        uses["regime"] = (*uses["regime"], ("progress", years))
    return uses


def terms_of(names: Mapping[str, tuple[Use, ...]], values: Mapping[str, float] | None = None) -> Terms:
    """Terms of one case."""
    values = term_values() if values is None else values
    found = {}
    for field in FIELDS:
        product = 1.0
        for name, power in names[field]:
            product *= values[name] if power == 1.0 else values[name] ** power
        found[field] = product
    return Terms(**found)
