"""An installed AIConfigurator as a predictor, on the chips and models it has tables for.

Nothing of it is imported before it is asked, and nothing is downloaded: models without a configuration in its package
are unknown.

References
----------
AIConfigurator, Copyright NVIDIA, Apache-2.0; its `cli_estimate` is the documented programmatic entry.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chipwise.catalogue.objects import Model
from chipwise.core.errors import Undetermined
from chipwise.perf.predictors.protocol import Prediction, PredictorCase

SYSTEMS = {
    "a100-80-sxm": "a100_sxm",
    "h100-sxm": "h100_sxm",
    "h100-pcie": "h100_pcie",
    "h200-sxm": "h200_sxm",
    "b200-sxm": "b200_sxm",
    "gb200": "gb200",
    "l40s": "l40s",
    "l4": "l4",
    "rtx-pro-6000-server": "rtx_pro_6000_server",
}
"""Its systems by catalogue id."""

BACKENDS = {"vllm": "vllm", "sglang": "sglang", "tensorrt-llm": "trtllm"}

GEMM = {"16-bit": "bfloat16", "fp8": "fp8", "int8": "sq", "int4": "int4_wo", "fp4": "nvfp4"}
"""Its name of a weight format, where no checkpoint in that format is in its package."""


@dataclass(frozen=True, slots=True)
class AIConfigurator:
    """Adapter; `name` is how the command line calls it."""

    name: str = "aiconfigurator"

    def unknown(self, case: PredictorCase) -> str:
        """Not installed, or a chip, engine, model or layout it does not have."""
        if not installed():
            return "aiconfigurator is not installed"
        if case.chip.id not in SYSTEMS:
            return f"no tables of {case.chip.id}"
        if case.engine not in BACKENDS:
            return f"no tables of {case.engine}"
        if case.layout.context > 1:
            return "no context ranks"
        if not checkpoint_of(case.model, case.weight_precision)[0]:
            return f"no configuration of {case.model.id} in its package"
        return ""

    def predict(self, case: PredictorCase) -> Prediction:
        """One aggregated worker at fixed concurrency."""
        reason = self.unknown(case)
        if reason:
            raise Undetermined(f"aiconfigurator: {reason}", place="predictor")
        name, own = checkpoint_of(case.model, case.weight_precision)
        layout = case.layout
        arguments: dict[str, Any] = {
            "backend_name": BACKENDS[case.engine],
            "isl": round(case.input_tokens),
            "osl": round(case.output_tokens),
            "batch_size": max(round(case.concurrency / layout.data), 1),
            "tp_size": layout.tensor,
            "pp_size": layout.pipeline,
            "attention_dp_size": layout.data,
            "kvcache_quant_mode": "fp8" if case.kv_precision == "fp8" else "bfloat16",
        }
        if not own:
            arguments["gemm_quant_mode"] = GEMM[case.weight_precision]
        if case.model.n_experts:
            arguments |= {"moe_ep_size": layout.expert, "moe_tp_size": layout.group // layout.expert}
        with _quiet():
            api = importlib.import_module("aiconfigurator.cli.api")
            try:
                found = api.cli_estimate(name, SYSTEMS[case.chip.id], **arguments)
            except Exception as error:  # whatever it raises, it has no answer
                raise Undetermined(f"aiconfigurator: {error}", place="predictor") from None
        if not (found.tpot and found.tpot > 0 and found.ttft > 0):
            raise Undetermined("aiconfigurator: no time for this case", place="predictor")
        tpot, ttft = found.tpot / 1e3, found.ttft / 1e3
        flight = max(round(case.concurrency / layout.data), 1) * layout.data
        rate = flight * case.output_tokens / (ttft + tpot * (case.output_tokens - 1.0))
        return Prediction(
            tpot_s=tpot,
            ttft_s=ttft,
            output_tokens_per_s_per_chip=rate / layout.chips,
            method=f"aiconfigurator {found.backend_name} {found.backend_version}",
        )


def installed() -> bool:
    """Whether the package is there."""
    return importlib.util.find_spec("aiconfigurator") is not None


def checkpoint_of(model: Model, precision: str) -> tuple[str, bool]:
    """Name of a checkpoint with a configuration in its package, and whether it is in the format asked for."""
    spec = importlib.util.find_spec("aiconfigurator_core")
    if spec is None or not spec.submodule_search_locations:
        return "", False
    folder = Path(next(iter(spec.submodule_search_locations))) / "model_configs"
    names = {
        path.name.removesuffix("_config.json").replace("--", "/", 1)
        for path in folder.glob("*_config.json")
        if not path.name.endswith("_hf_quant_config.json")
    }
    ours = {_plain(alias) for alias in (model.id, model.name, *model.aliases)}
    plain = {_plain(name.rsplit("/", 1)[-1]): name for name in sorted(names)}
    marks = {"fp8": ("fp8",), "fp4": ("nvfp4",)}.get(precision, ())
    for name, full in plain.items():
        if any(name.endswith(mark) and name.removesuffix(mark) in ours for mark in marks):
            return full, True
    for name, full in plain.items():
        if name in ours or name.removeprefix("meta") in ours:
            native = model.native_precision.casefold()
            return full, precision == ("fp8" if native.startswith("fp8") else "16-bit")
    return "", False


def _plain(name: str) -> str:
    return "".join(letter for letter in name.rsplit("/", 1)[-1].casefold() if letter.isalnum())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Its notices stay off our output."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with contextlib.redirect_stderr(io.StringIO()):
                yield
    finally:
        logging.disable(before)
