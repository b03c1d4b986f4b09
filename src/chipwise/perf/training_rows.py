"""Measured training rows: what one row says, in one convention, or why it cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chipwise.catalogue.objects import Chip, Model
from chipwise.core.errors import ChipwiseError
from chipwise.perf.flop import adapter_flop_per_token, shape_flop_per_token, training_flop_per_token
from chipwise.perf.peaks import training_precision

SHAPE_COLUMNS = (
    "layers",
    "hidden",
    "ffn_hidden",
    "gated_mlp",
    "heads",
    "kv_heads",
    "head_dim",
    "vocab",
    "seq_len",
    "n_experts",
    "top_k",
    "n_shared_experts",
    "expert_ffn_hidden",
    "first_dense_layers",
    "mtp_layers",
    "mla_q_lora_rank",
    "mla_kv_lora_rank",
    "mla_qk_nope_dim",
    "mla_qk_rope_dim",
    "mla_v_dim",
)

PACKAGE_GROUPS = ("ascend-A3-mindspeed",)
"""Groups labelled by die whose speed is that of the two-die package: it would need 99 % of one die's peak."""

UNSOUND_ROWS = {
    "trn02979": "262,144-token rows imply more than the peak",
    "trn02980": "262,144-token rows imply more than the peak",
    "trn00587": "512k tokens without a context-parallel layout",
    "trn00589": "1M tokens without a context-parallel layout",
}

TINY_SHAPE_GROUPS = ("vtrain",)
"""Groups of tiny shapes on one node: host overhead, no guide to utilisation."""

AUDIT_LIMIT = 0.80
"""Model FLOP over dense peak above this means a fault of units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCase:
    """One measured run in our convention.

    Parameters
    ----------
    chips : float or None
        Packages.
    tokens_per_s_per_chip : float or None
        Measured, per package.
    per_unit : float
        Packages per unit the row counts.
    flop_per_token : float
        Model FLOP, causal, no recomputation.
    utilisation_class : str
        ``16-bit dense``, ``fp8 moe`` …
    unsound : str
        Why the row must not teach; empty for a sound row.
    """

    run_id: str
    source_group: str
    chip: Chip
    chips: float | None
    precision: str
    utilisation_class: str
    flop_per_token: float
    peak_flop_per_s: float
    tokens_per_s_per_chip: float | None
    step_time_s: float | None
    tokens_per_step: float | None
    per_unit: float
    unsound: str
    assumed: tuple[str, ...]

    @property
    def utilisation(self) -> float | None:
        """Measured model FLOP over dense peak."""
        speed = self.tokens_per_s_per_chip
        return None if speed is None else speed * self.flop_per_token / self.peak_flop_per_s


def number(row: Mapping[str, str], column: str) -> float | None:
    """The cell as a number; None where blank or not a number."""
    try:
        return float(row.get(column) or "")
    except ValueError:
        return None


def precision_name(row: Mapping[str, str], chip: Chip) -> tuple[str, str]:
    """Precision of a row and, where it had to be assumed, the assumption; empty name where it cannot be told."""
    text = (row.get("precision") or "").casefold()
    if "nvfp4" in text or "fp4" in text:
        return "fp4", ""
    if "fp8" in text:
        return "fp8", ""
    if any(word in text for word in ("bf16", "fp16", "amp")):
        return ("fp16" if "fp16" in text and "bf16" not in text else "bf16"), ""
    if text:
        return "", ""
    if not chip.rates.get("fp8"):
        return "bf16", "precision blank: the chip has no fp8 rate, 16-bit taken"
    if "mlperf" in (row.get("source_group") or "") and chip.vendor in ("NVIDIA", "AMD"):
        return "fp8", "precision blank: MLPerf submissions on chips with fp8 are mostly fp8"
    return "bf16", "precision blank: 16-bit taken, the default of training stacks"


def class_name(precision: str, mixture: bool) -> str:
    """Utilisation class: ``16-bit dense``, ``16-bit moe``, ``fp8 dense``, ``fp8 moe``, ``fp4 dense``, ``fp4 moe``."""
    width = precision if precision in ("fp8", "fp4") else "16-bit"
    return f"{width} {'moe' if mixture else 'dense'}"


def read_case(row: Mapping[str, str], catalogue: Any) -> TrainingCase | str:
    """Turn one row in the columns of the facts into a case, or say what is missing."""
    if (row.get("status") or "ok") != "ok":
        return f"status {row['status']}"
    try:
        chip = catalogue.chip(row.get("chip_id") or "")
    except ChipwiseError:
        return "unknown chip"
    precision, assumed = precision_name(row, chip)
    if not precision:
        return "missing: precision"
    try:
        precision = training_precision(chip, precision)
    except ChipwiseError as error:
        return f"missing: {error.message}"
    flop, mixture, how = _flop_of_row(row, catalogue)
    if flop is None:
        return how
    return _measured(row, catalogue, chip, precision, flop, mixture, tuple(text for text in (assumed, how) if text))


def _measured(
    row: Mapping[str, str],
    catalogue: Any,
    chip: Chip,
    precision: str,
    flop: float,
    mixture: bool,
    assumed: tuple[str, ...],
) -> TrainingCase:
    per_unit = package_share(row, catalogue)
    units, seq_len, batch = number(row, "n_chips"), number(row, "seq_len"), number(row, "gbs")
    tokens_per_step = batch * seq_len if batch and seq_len else None
    step, speed, samples = (number(row, name) for name in ("step_time_s", "tokens_per_s_per_chip", "samples_per_s"))
    if speed is None and step and units and tokens_per_step:
        speed = tokens_per_step / step / units
    if speed is None and samples and seq_len and units:
        speed = samples * seq_len / units
    return TrainingCase(
        run_id=row.get("run_id") or "",
        source_group=row.get("source_group") or "",
        chip=chip,
        chips=units * per_unit if units else None,
        precision=precision,
        utilisation_class=class_name(precision, mixture),
        flop_per_token=flop,
        peak_flop_per_s=chip.rates[precision],
        tokens_per_s_per_chip=None if speed is None else speed / per_unit,
        step_time_s=step,
        tokens_per_step=tokens_per_step,
        per_unit=per_unit,
        unsound=UNSOUND_ROWS.get(row.get("run_id") or "", ""),
        assumed=assumed,
    )


def package_share(row: Mapping[str, str], catalogue: Any) -> float:
    """Catalogue packages per unit the row counts: 0.5 where it counts dies."""
    if (row.get("source_group") or "") in PACKAGE_GROUPS:
        return 1.0
    for column in ("chip_label", "chip_raw", "chip_id"):
        try:
            share: float = catalogue.chip_and_count(row.get(column) or "")[1]
        except ChipwiseError:
            continue
        return share
    return 1.0


def why_not_taught(case: TrainingCase, row: Mapping[str, str]) -> str:
    """Why a case must not enter the table of utilisations; empty where it may."""
    if case.unsound:
        return case.unsound
    if "not re-verified" in (row.get("evidence") or ""):
        return "not re-verified"
    if case.source_group.startswith(TINY_SHAPE_GROUPS):
        return "tiny shapes"
    if (row.get("phase") or "pretrain") == "lora":
        return "adapter tuning"
    if case.utilisation is None:
        return "no speed"
    return "above the audit limit" if case.utilisation > AUDIT_LIMIT else ""


def _flop_of_row(row: Mapping[str, str], catalogue: Any) -> tuple[float | None, bool, str]:
    """FLOP per token, whether experts are mixed, and how it was found (or why not)."""
    adapter = (row.get("phase") or "") == "lora"
    shape = {name: value for name in SHAPE_COLUMNS if (value := number(row, name)) is not None}
    seq_len = shape.get("seq_len")
    try:
        model: Model | None = catalogue.model(row.get("model") or "")
    except ChipwiseError:
        model = None
    if model is not None and not model.params_matmul_active:
        model = None
    if model is not None and seq_len and _same_shape(model, shape):
        flop = adapter_flop_per_token(model, seq_len) if adapter else training_flop_per_token(model, seq_len)
        extra = shape.get("mtp_layers", 0.0)
        if extra and model.layers:
            flop *= 1.0 + extra / model.layers
        return flop, bool(model.n_experts), ""
    flop_of_shape = shape_flop_per_token(shape, adapter=adapter)
    mixture = bool(shape.get("n_experts")) or (row.get("arch_type") or "") == "moe"
    if flop_of_shape is not None:
        return flop_of_shape, mixture, ""
    if not seq_len:
        return None, mixture, "missing: seq_len"
    return None, mixture, "unknown model" if model is None else "missing: shape"


def _same_shape(model: Model, shape: Mapping[str, float]) -> bool:
    """Whether the row prints nothing that contradicts the catalogue; where it does, the row wins."""
    pairs = (("layers", model.layers), ("hidden", model.hidden), ("heads", model.heads), ("vocab", model.vocab))
    for name, ours in pairs:
        theirs = shape.get(name)
        if theirs and ours and abs(theirs - ours) > 0.02 * ours:
            return False
    return True
