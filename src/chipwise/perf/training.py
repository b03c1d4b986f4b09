"""Training yield of one chip: the step model with the best layout found, or a closed form where that cannot answer."""

from __future__ import annotations

import math
from typing import Any

from chipwise.catalogue.objects import Chip, Model
from chipwise.core.errors import InputError, OutsideModelRange, Undetermined
from chipwise.core.fact import Estimate
from chipwise.perf.flop import training_flop_per_token
from chipwise.perf.objects import TrainingYield
from chipwise.perf.peaks import peak_fact_id, peak_spread, training_precision
from chipwise.perf.tables import constant
from chipwise.perf.train.run import Run, cached_best_run, usual_chips
from chipwise.perf.training_rows import class_name
from chipwise.perf.utilisation import Utilisation, utilisation

WHOLE_GROUPS = (64, 8)
"""Where every chip cannot take part in an even layout, the run is laid out over a multiple of these."""


def estimate_training(
    chip: str | Chip,
    model: str | Model,
    *,
    precision: str = "auto",
    seq_len: int = 4096,
    chips: int = 1,
    batch: int | None = None,
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
        Size of the run, packages; 1 asks for one chip's share of a run of the usual size for the model.
    batch : int, optional
        Sequences of a step; by default 2,048 tokens a chip between 4 and 32 million, for a mixture of experts
        16,384 between 4 and 64 million.
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
    The layout is the fastest of the practical space that fits; software is taken as tuned and mature, experts as
    routed naturally. Chips whose memory or bandwidth is not published, and models known by their size only, take a
    measured utilisation of their class instead.
    """
    if seq_len < 1:
        raise InputError(f"{seq_len} is no sequence length", place="seq_len", allowed="1 or more tokens")
    if chips < 1:
        raise InputError(f"{chips} is no number of chips", place="chips", allowed="1 or more")
    from chipwise.catalogue import load_catalogue

    shelf = catalogue if catalogue is not None else load_catalogue()
    chip, model = resolve(chip, model, shelf)
    chosen = training_precision(chip, precision)
    units = chips if chips > 1 else usual_chips(chip, model)
    try:
        run = laid_out(chip, model, shelf, units, chosen, seq_len, batch)
    except (Undetermined, OutsideModelRange):
        flop_per_token = training_flop_per_token(model, seq_len)
        share = utilisation(chip, class_name(chosen, bool(model.n_experts)), chips=chips)
        return training_yield(chip, model, share, chosen, flop_per_token, seq_len=seq_len, chips=chips)
    return yield_of(run, chips)


def laid_out(
    chip: Chip, model: Model, catalogue: Any, chips: int, precision: str, seq: int, batch: int | None = None
) -> Run:
    """The run with the most tokens a second on at most `chips` chips; spare ones idle."""
    counts = {chips, *(chips - chips % group for group in WHOLE_GROUPS if chips >= 2 * group)}
    runs = [cached_best_run(chip, model, catalogue, count, precision, seq, batch)[0] for count in counts]
    return max(runs, key=lambda run: (run.fits, run.tokens_per_step / run.step_s.value))


def yield_of(run: Run, chips: int) -> TrainingYield:
    """The yield of a run, per chip asked for."""
    used = run.chips / chips if chips >= run.chips else 1.0
    mfu, speed = run.mfu.scaled(used), run.tokens_per_s_per_chip.scaled(used)
    return TrainingYield(
        chip_id=run.chip.id,
        model_id=run.model.id,
        precision=run.precision,
        seq_len=run.seq,
        chips=chips,
        mfu=mfu,
        flop_per_s_per_chip=mfu.scaled(run.peak_flop_per_s, "flop/s"),
        tokens_per_s_per_chip=speed,
        peak_flop_per_s=run.peak_flop_per_s,
        flop_per_token=run.flop_per_token,
        evidence=mfu.evidence,
        facts=mfu.facts,
        notes=_run_notes(run, chips),
    )


def layout_text(run: Run) -> str:
    """``tp 4, pp 4 (5 chunks), dp 16, micro-batch 2``: what differs from one."""
    at = run.layout
    words = [f"tp {at.tp:g}", f"pp {at.pp:g}" + (f" ({at.vpp:g} chunks)" if at.vpp > 1 else ""), f"dp {at.dp:g}"]
    words += [f"{name} {getattr(at, name):g}" for name in ("cp", "ep") if getattr(at, name) > 1]
    words.append(f"micro-batch {at.mbs:g} x {at.accum:g}")
    words.append("fully sharded" if at.zero >= 3 else "sharded optimizer" if at.zero >= 1 else "not sharded")
    words.append("nothing recomputed" if not at.recompute else f"{at.recompute:.0%} recomputed")
    return ", ".join(words)


def _run_notes(run: Run, chips: int) -> tuple[str, ...]:
    notes = [f"layout on {run.chips:,} chips: {layout_text(run)}; batch {run.batch:,} sequences"]
    if not run.fits:
        notes.append(
            f"does not fit: weights, gradients, optimizer and activations take {run.memory.total / 1e9:,.0f} GB a "
            f"chip of {run.room_bytes / 1e9:,.0f} GB"
        )
    if 1 < run.chips < chips:
        notes.append(f"{chips - run.chips:,} chips idle: no even layout uses them all")
    if run.model.params_total < constant("small_model_params"):
        notes.append("smaller than most measured models: host overhead decides, and differs between stacks")
    if run.model.n_experts:
        notes.append("natural routing; tables with forced even routing run about a tenth faster")
    if run.chip.rate_ranges:
        notes.append("the chip's figures are a range; the interval carries it")
    return tuple(notes)


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
    """The closed form: peak times a measured utilisation of the chip's class, layout and stack in the interval."""
    peak = chip.rates[precision]
    facts = (peak_fact_id(chip, precision), share.fact_id, f"models/{model.id}#params_matmul_active")
    low, high = widened(
        share.value,
        share.low * (constant("natural_routing_low") if model.n_experts else 1.0),
        share.high,
        peak_spread(chip, precision),
    )
    mfu = Estimate(
        value=share.value,
        low=low,
        high=high,
        unit="",
        method=f"median of {len(share.groups)} measured source group(s), rung {share.rung!r}",
        evidence=share.evidence,
        facts=facts,
    )
    flop = mfu.scaled(peak, "flop/s")
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
        notes=("a figure of the chip is not published: utilisation of its class, no layout worked out",),
    )


def widened(value: float, low: float, high: float, spread: tuple[float, float]) -> tuple[float, float]:
    """Interval joined with an independent factor of its own range, in logarithms."""
    down = math.hypot(math.log(value / low), math.log(spread[0]))
    up = math.hypot(math.log(high / value), math.log(spread[1]))
    return value * math.exp(-down), value * math.exp(up)
