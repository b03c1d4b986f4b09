"""Suites that a plug-in must pass, the same as our own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chipwise.core.errors import ChipwiseError, Undetermined

if TYPE_CHECKING:
    from chipwise.perf.predictors import Predictor, PredictorCase

SLACK = 0.02
"""A figure may move the wrong way by so much: interpolation."""

LITTLE = 0.25
"""Requests in flight by its own times may differ from those stated by so much."""


def check_predictor(predictor: Predictor, case: PredictorCase | None = None) -> None:
    """Hold a predictor to what every one must keep.

    Parameters
    ----------
    case : PredictorCase, optional
        One it knows; an 8B model on an H100 by default.

    Raises
    ------
    AssertionError
        With every promise that is broken: positive figures, the same answer twice, no faster tokens with more in
        flight, no earlier first token with a longer prompt, Little's law, and no guess on a chip it does not know.
    """
    known = case if case is not None else _case()
    faults: list[str] = []
    if not (isinstance(predictor.name, str) and predictor.name):
        faults.append("name is no text")
    reason = predictor.unknown(known)
    if reason:
        raise AssertionError(f"{predictor.name} does not know the case it is checked on: {reason}")
    first, again = predictor.predict(known), predictor.predict(known)
    if first != again:
        faults.append("the same case has two answers")
    figures = (first.tpot_s, first.ttft_s, first.output_tokens_per_s_per_chip)
    if not all(0.0 < figure < float("inf") for figure in figures):
        faults.append(f"figures are not positive: {figures}")
    if first.low is not None and first.high is not None:
        spans = zip(first.low, figures, first.high, strict=True)
        if not all(low <= figure <= high for low, figure, high in spans):
            faults.append("an interval does not hold its value")
    busier = predictor.predict(replace(known, concurrency=4.0 * known.concurrency))
    if busier.tpot_s < first.tpot_s * (1.0 - SLACK):
        faults.append("more requests in flight make tokens faster")
    longer = predictor.predict(replace(known, input_tokens=4.0 * known.input_tokens))
    if longer.ttft_s < first.ttft_s * (1.0 - SLACK):
        faults.append("a longer prompt has an earlier first token")
    stay = first.ttft_s + first.tpot_s * (known.output_tokens - 1.0)
    rate = first.output_tokens_per_s_per_chip * known.layout.chips / known.output_tokens
    if abs(rate * stay / known.concurrency - 1.0) > LITTLE:
        faults.append(f"Little's law: {rate * stay:.1f} in flight by its times, {known.concurrency:g} stated")
    faults += _guesses(predictor, known)
    if faults:
        raise AssertionError(f"{predictor.name}: " + "; ".join(faults))


def _guesses(predictor: Predictor, known: PredictorCase) -> list[str]:
    """What it says of a chip of which nothing is known."""
    blank = replace(known.chip, id="no-such-chip", rates={}, mem_bytes=None, mem_bytes_per_s=None)
    nowhere = replace(known, chip=blank)
    faults = []
    if not predictor.unknown(nowhere):
        faults.append("it claims to know a chip without any figure")
    try:
        predictor.predict(nowhere)
        faults.append("it guesses on a chip without any figure")
    except Undetermined:
        pass
    except ChipwiseError as error:
        faults.append(f"a chip it does not know raises {type(error).__name__}, not Undetermined")
    return faults


def _case() -> PredictorCase:
    from chipwise.catalogue import load_catalogue
    from chipwise.perf.predictors import PredictorCase

    catalogue = load_catalogue()
    return PredictorCase(chip=catalogue.chip("h100-sxm"), model=catalogue.model("llama-3.1-8b"))
