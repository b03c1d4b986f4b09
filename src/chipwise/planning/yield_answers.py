"""Answers of the training and serving models in the plain form in which they are kept."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from chipwise.catalogue import Catalogue
from chipwise.core.errors import OutsideModelRange, Undetermined
from chipwise.core.fact import Estimate
from chipwise.files.content_cache import Answer, ContentCache, remembered
from chipwise.perf import ServingYield, estimate_serving, estimate_training
from chipwise.perf.peaks import training_precision
from chipwise.perf.training import laid_out, layout_text

SEQUENCE_TOKENS = 4096
TRACE = "azure"
"""Lengths and bursts of the requests: conversations of Azure in November 2023 (Microsoft, CC-BY 4.0)."""
MET_SHARE = 0.99
"""Share of the requests that meet both targets: an assumption of the plan."""


def training_answer(chip_id: str, proxy: str, chips: int, catalogue: Catalogue, cache: ContentCache) -> Answer:
    """What the training model says of one run on `chips` of a chip with its best layout.

    Returns
    -------
    dict
        ``mfu`` (an Estimate in plain form), ``peak_flop_per_s``, ``precision``, ``chips``, ``fits``, ``layout``; or
        ``undetermined`` with the reason.
    """
    question = {"ask": "training", "chip": chip_id, "model": proxy, "chips": chips, "tokens": SEQUENCE_TOKENS}
    return remembered(cache, question, lambda: _training(chip_id, proxy, chips, catalogue))


def _training(chip_id: str, proxy: str, chips: int, catalogue: Catalogue) -> Answer:
    chip, model = catalogue.chip(chip_id), catalogue.model(proxy)
    try:
        precision = training_precision(chip, "auto")
        try:
            run = laid_out(chip, model, catalogue, chips, precision, SEQUENCE_TOKENS)
        except (Undetermined, OutsideModelRange):
            found = estimate_training(chip, model, chips=chips, catalogue=catalogue)
            layout, fits, used, mfu, peak = "", True, chips, found.mfu, found.peak_flop_per_s
        else:
            layout, fits, used, peak = layout_text(run), run.fits, run.chips, run.peak_flop_per_s
            mfu = run.mfu.scaled(used / chips)
    except (Undetermined, OutsideModelRange) as error:
        return {"undetermined": error.line()}
    return {
        "mfu": mfu.to_dict(),
        "peak_flop_per_s": peak,
        "precision": precision,
        "chips": used,
        "fits": fits,
        "layout": layout,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a served token must look like.

    Parameters
    ----------
    tpot_s, ttft_s : float or None
        Targets, s.
    request : tuple of float or None
        Input and output tokens of a mean request, where the scenario says how they divide; else the trace's own.
    """

    tpot_s: float | None
    ttft_s: float | None
    request: tuple[float, float] | None


def serving_answer(chip_id: str, proxy: str, service: Service, catalogue: Catalogue, cache: ContentCache) -> Answer:
    """What one chip serves at the peak within the targets.

    Returns
    -------
    dict
        ``tokens_per_s`` (an Estimate in plain form, input and output), ``weight_precision``, ``chips_per_replica``,
        ``batch``, ``full_load_tokens_per_s`` (the closed form, None where it finds nothing); or ``undetermined`` with
        the reason.

    Notes
    -----
    With both targets the simulator decides: most requests/s of the trace with `MET_SHARE` of them within both. With one
    target or none the closed form at full load does. Weights are 16-bit unless published smaller; eight-bit integers
    where only they meet the targets and the chip has a rate for them.
    """
    question = {"ask": "serving", "chip": chip_id, "model": proxy, **dataclasses.asdict(service)}
    return remembered(cache, question, lambda: _serving(chip_id, proxy, service, catalogue))


def _serving(chip_id: str, proxy: str, service: Service, catalogue: Catalogue) -> Answer:
    try:
        if service.tpot_s is None or service.ttft_s is None:
            return _closed_form(chip_id, proxy, service, catalogue)
        return _simulated(chip_id, proxy, service, service.tpot_s, service.ttft_s, catalogue)
    except (Undetermined, OutsideModelRange) as error:
        return {"undetermined": error.line()}


def _at_full_load(
    chip_id: str, proxy: str, service: Service, weights: str, request: tuple[float, float] | None, catalogue: Catalogue
) -> ServingYield:
    return estimate_serving(
        chip_id,
        proxy,
        input_tokens=None if request is None else request[0],
        output_tokens=None if request is None else request[1],
        tpot_s=service.tpot_s,
        ttft_s=service.ttft_s,
        weight_precision=weights,
        catalogue=catalogue,
    )


def _closed_form(chip_id: str, proxy: str, service: Service, catalogue: Catalogue) -> Answer:
    found = _at_full_load(chip_id, proxy, service, "auto", service.request, catalogue)
    if not found.feasible and "int8" in catalogue.chip(chip_id).rates:
        smaller = _at_full_load(chip_id, proxy, service, "int8", service.request, catalogue)
        found = smaller if smaller.feasible else found
    if not found.feasible or found.tokens_per_s_per_chip is None:
        return {"undetermined": found.why_not}
    return {
        "tokens_per_s": found.tokens_per_s_per_chip.to_dict(),
        "weight_precision": found.weight_precision,
        "chips_per_replica": found.chips_per_replica,
        "batch": found.batch,
        "full_load_tokens_per_s": found.tokens_per_s_per_chip.value,
    }


def _simulated(
    chip_id: str, proxy: str, service: Service, tpot_s: float, ttft_s: float, catalogue: Catalogue
) -> Answer:
    from chipwise.serving import carried_by_chip

    found = carried_by_chip(
        chip_id, proxy, slo_ttft_s=ttft_s, slo_tpot_s=tpot_s, trace=TRACE, share=MET_SHARE, catalogue=catalogue
    )
    if found.tokens_per_s_per_chip is None:
        return {"undetermined": found.why_not}
    plain = _at_full_load(chip_id, proxy, service, found.weight_precision, None, catalogue).tokens_per_s_per_chip
    own = _at_full_load(chip_id, proxy, service, found.weight_precision, service.request, catalogue)
    mix = 1.0
    if service.request is not None and plain is not None and own.tokens_per_s_per_chip is not None:
        mix = own.tokens_per_s_per_chip.value / plain.value
    carried = found.tokens_per_s_per_chip.scaled(mix)
    if mix != 1.0:
        words = f"{carried.method}; times {mix:.3g} for the scenario's mix of input and output, by the closed form"
        carried = dataclasses.replace(carried, method=words)
    return {
        "tokens_per_s": carried.to_dict(),
        "weight_precision": found.weight_precision,
        "chips_per_replica": found.chips_per_replica,
        "batch": found.max_batch,
        "full_load_tokens_per_s": None if own.tokens_per_s_per_chip is None else own.tokens_per_s_per_chip.value,
    }


def estimate_of(plain: dict[str, Any]) -> Estimate:
    """An Estimate from its plain form."""
    return Estimate(
        value=plain["value"],
        low=plain["low"],
        high=plain["high"],
        unit=plain["unit"],
        method=plain["method"],
        evidence=plain["evidence"],
        breakdown=dict(plain["breakdown"]),
        facts=tuple(plain["facts"]),
    )
