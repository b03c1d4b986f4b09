"""Answers of the training and serving models in the plain form in which they are kept."""

from __future__ import annotations

from typing import Any

from chipwise.catalogue import Catalogue
from chipwise.core.errors import OutsideModelRange, Undetermined
from chipwise.core.fact import Estimate
from chipwise.perf import ServingYield, estimate_serving, estimate_training
from chipwise.perf.peaks import training_precision
from chipwise.perf.training import laid_out, layout_text
from chipwise.planning.yield_cache import Answer, YieldCache, remembered

SEQUENCE_TOKENS = 4096


def training_answer(chip_id: str, proxy: str, chips: int, catalogue: Catalogue, cache: YieldCache) -> Answer:
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


def serving_answer(
    chip_id: str,
    proxy: str,
    *,
    input_tokens: float | None,
    output_tokens: float | None,
    tpot_s: float | None,
    ttft_s: float | None,
    catalogue: Catalogue,
    cache: YieldCache,
) -> Answer:
    """What the serving model says of one chip at full load within the targets.

    Returns
    -------
    dict
        ``tokens_per_s`` (an Estimate in plain form, input and output), ``weight_precision``, ``chips_per_replica``,
        ``batch``, ``bound``, ``notes``; or ``undetermined`` with the reason. Weights are 16-bit unless published
        smaller; eight-bit integers where only they meet the targets and the chip has a rate for them.
    """
    asked = {"input_tokens": input_tokens, "output_tokens": output_tokens, "tpot_s": tpot_s, "ttft_s": ttft_s}

    def at(weights: str) -> ServingYield:
        return estimate_serving(
            chip_id,
            proxy,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            tpot_s=tpot_s,
            ttft_s=ttft_s,
            weight_precision=weights,
            catalogue=catalogue,
        )

    def compute() -> Answer:
        try:
            found = at("auto")
            if not found.feasible and "int8" in catalogue.chip(chip_id).rates:
                smaller = at("int8")
                found = smaller if smaller.feasible else found
        except (Undetermined, OutsideModelRange) as error:
            return {"undetermined": error.line()}
        if not found.feasible or found.tokens_per_s_per_chip is None:
            return {"undetermined": found.why_not}
        return {
            "tokens_per_s": found.tokens_per_s_per_chip.to_dict(),
            "weight_precision": found.weight_precision,
            "chips_per_replica": found.chips_per_replica,
            "batch": found.batch,
            "bound": found.bound,
            "notes": list(found.notes),
        }

    return remembered(cache, {"ask": "serving", "chip": chip_id, "model": proxy, **asked}, compute)


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
