"""This package's own model as a predictor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chipwise.core.errors import ChipwiseError, Undetermined
from chipwise.perf.infer.compiled import Compiled, compiled
from chipwise.perf.infer.operate import most_running, operate
from chipwise.perf.infer.options import Options
from chipwise.perf.infer.predict import interval
from chipwise.perf.predictors.protocol import Prediction, PredictorCase


@dataclass(frozen=True, slots=True)
class OwnPredictor:
    """Closed form on kernel tables; answers every chip with a data sheet."""

    name: str = "chipwise"

    def unknown(self, case: PredictorCase) -> str:
        """Missing figures of the chip, or memory that does not suffice."""
        try:
            found = _tables(case)
        except ChipwiseError as error:
            return error.message
        if float(most_running(found, Options(), 0, case.input_tokens, case.output_tokens)) < 1.0:
            return "weights and one request do not fit"
        return ""

    def predict(self, case: PredictorCase) -> Prediction:
        """Fixed concurrency; requests beyond memory wait."""
        reason = self.unknown(case)
        if reason:
            raise Undetermined(reason, place=f"chips/{case.chip.id}")
        found, lengths = _tables(case), (case.input_tokens, case.output_tokens)
        setup = found.setup
        most = float(most_running(found, Options(), 0, *lengths))
        load = operate(found, Options(), 0, min(case.concurrency, most), *lengths, wanted=case.concurrency)
        rate = float(load.output_tokens_per_s) / setup.layout.chips
        figures = (float(load.tpot_s), float(load.ttft_s), rate)
        metrics = ("tpot_mean_ms", "ttft_mean_ms", "output_tps_per_chip")
        spans = [
            interval(setup.evidence, setup.chip, "closed", metric, value)
            for metric, value in zip(metrics, figures, strict=True)
        ]
        return Prediction(
            tpot_s=figures[0],
            ttft_s=figures[1],
            output_tokens_per_s_per_chip=rate,
            method="chipwise",
            low=(spans[0][0], spans[1][0], spans[2][0]),
            high=(spans[0][1], spans[1][1], spans[2][1]),
        )


def _tables(case: PredictorCase) -> Compiled:
    return compiled(
        case.chip,
        case.model,
        (case.layout,),
        precision=case.weight_precision,
        kv_precision=case.kv_precision,
        engine=case.engine,
        catalogue=_catalogue(),
    )


def _catalogue() -> Any:
    from chipwise.catalogue import load_catalogue

    return load_catalogue()
