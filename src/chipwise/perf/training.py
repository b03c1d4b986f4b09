"""Training yield in closed form: model FLOP over the peak times a measured utilisation."""

from __future__ import annotations

import math
from typing import Any

from chipwise.catalogue.objects import Chip, Model
from chipwise.core.errors import InputError
from chipwise.core.fact import Estimate
from chipwise.perf.flop import training_flop_per_token
from chipwise.perf.objects import TrainingYield
from chipwise.perf.peaks import peak_fact_id, peak_spread, training_precision
from chipwise.perf.tables import constant
from chipwise.perf.training_rows import class_name
from chipwise.perf.utilisation import Utilisation, utilisation


def estimate_training(
    chip: str | Chip,
    model: str | Model,
    *,
    precision: str = "auto",
    seq_len: int = 4096,
    chips: int = 1,
    catalogue: Any = None,
) -> TrainingYield:
    """What one chip contributes to a training run.

    Parameters
    ----------
    chip, model : str or object
        Name (any spelling of the catalogue) or object.
    precision : {"auto", "bf16", "fp16", "fp8", "fp4"}
        ``auto`` is bf16, else fp16 with fp32 accumulation.
    seq_len : int
        Tokens per sequence.
    chips : int
        Size of the run, packages; each doubling costs a fixed share (stragglers).
    catalogue : Catalogue, optional
        Where names are looked up; the shipped one by default.

    Returns
    -------
    TrainingYield

    Raises
    ------
    Undetermined
        The chip has no published dense peak at the precision.
    UnknownName
        No such chip or model.

    Notes
    -----
    tokens/s/chip = peak x utilisation / (6 x weights multiplied per token + 3 x causal attention core). The
    utilisation is one measured number per chip family and class, so layout, stack and batch are inside the interval.
    """
    if seq_len < 1:
        raise InputError(f"{seq_len} is no sequence length", place="seq_len", allowed="1 or more tokens")
    if chips < 1:
        raise InputError(f"{chips} is no number of chips", place="chips", allowed="1 or more")
    chip, model = resolve(chip, model, catalogue)
    chosen = training_precision(chip, precision)
    flop_per_token = training_flop_per_token(model, seq_len)
    share = utilisation(chip, class_name(chosen, bool(model.n_experts)), chips=chips)
    return training_yield(chip, model, share, chosen, flop_per_token, seq_len=seq_len, chips=chips)


def resolve(chip: str | Chip, model: str | Model, catalogue: Any) -> tuple[Chip, Model]:
    """Look up names; objects pass through."""
    if catalogue is None and (isinstance(chip, str) or isinstance(model, str)):
        from chipwise.catalogue import load_catalogue

        catalogue = load_catalogue()
    if isinstance(chip, str):
        chip = catalogue.chip(chip)
    if isinstance(model, str):
        model = catalogue.model(model)
    assert isinstance(chip, Chip)
    assert isinstance(model, Model)
    return chip, model


def training_yield(
    chip: Chip,
    model: Model,
    share: Utilisation,
    precision: str,
    flop_per_token: float,
    *,
    seq_len: int,
    chips: int,
) -> TrainingYield:
    """Put the parts together: mfu, FLOP/s and tokens/s with one interval."""
    peak = chip.rates[precision]
    facts = (peak_fact_id(chip, precision), share.fact_id, f"models/{model.id}#params_matmul_active")
    low_routing = constant("natural_routing_low") if model.n_experts else 1.0
    method = f"median of {len(share.groups)} measured source group(s), rung {share.rung!r}"
    mfu = Estimate(
        value=share.value,
        low=share.low * low_routing,
        high=share.high,
        unit="",
        method=method,
        evidence=share.evidence,
        breakdown={"natural_routing_low": low_routing} if model.n_experts else {},
        facts=facts,
    )
    spread = peak_spread(chip, precision)
    low, high = widened(share.value, mfu.low, mfu.high, spread)
    flop = Estimate(
        value=peak * share.value,
        low=peak * low,
        high=peak * high,
        unit="flop/s",
        method=f"dense {precision} peak x utilisation; {method}",
        evidence=share.evidence,
        breakdown={"peak_flop_per_s": peak, "utilisation_share": share.value},
        facts=facts,
    )
    return TrainingYield(
        chip_id=chip.id,
        model_id=model.id,
        precision=precision,
        seq_len=seq_len,
        chips=chips,
        mfu=mfu,
        flop_per_s_per_chip=flop,
        tokens_per_s_per_chip=flop.scaled(1.0 / flop_per_token, "token/s"),
        peak_flop_per_s=peak,
        flop_per_token=flop_per_token,
        evidence=share.evidence,
        facts=facts,
        notes=_notes(chip, model, chips),
    )


def widened(value: float, low: float, high: float, spread: tuple[float, float]) -> tuple[float, float]:
    """Interval joined with an independent factor of its own range, in logarithms."""
    down = math.hypot(math.log(value / low), math.log(spread[0]))
    up = math.hypot(math.log(high / value), math.log(spread[1]))
    return value * math.exp(-down), value * math.exp(up)


def _notes(chip: Chip, model: Model, chips: int) -> tuple[str, ...]:
    notes = []
    state = constant("training_state_bytes_per_param") * model.params_total
    if chip.mem_bytes and chips > 1 and state > chips * chip.mem_bytes:
        notes.append(
            f"weights, gradients and optimizer take about {state / 1e9:,.0f} GB; "
            f"{chips} chips hold {chips * chip.mem_bytes / 1e9:,.0f} GB"
        )
    if model.params_total < constant("small_model_params"):
        notes.append("smaller than the models the utilisation was measured on: host overhead may cost more than half")
    if model.n_experts:
        notes.append("measured with balanced routing; the low end carries natural routing, 10-20 % slower")
    if chip.rate_ranges:
        notes.append("the chip's figures are a range; the interval carries it")
    return tuple(notes)
