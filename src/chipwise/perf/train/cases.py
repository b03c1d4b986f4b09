"""Measured runs: what one row says, in the terms of the model, and what it leaves open."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass

from chipwise.catalogue.catalogue import Catalogue
from chipwise.catalogue.objects import Chip, Model
from chipwise.core.errors import ChipwiseError, Undetermined
from chipwise.perf.flop import adapter_flop_per_token, shape_flop_per_token, training_flop_per_token
from chipwise.perf.peaks import training_precision
from chipwise.perf.train.conventions import (
    bucket_weights,
    community_stack,
    flag,
    flash_of,
    gradient_width,
    held_share,
    recompute_of,
    stated_network,
    tensor_overlap,
    whole_graphs,
)
from chipwise.perf.train.devices import age_years, day_of, device_of, split_device
from chipwise.perf.train.objects import Device, Layout, Shape, Stack
from chipwise.perf.train.shapes import shape_of_columns, shape_of_model
from chipwise.perf.train.terms import Terms
from chipwise.perf.training_rows import SHAPE_COLUMNS, number, package_share, precision_name

AUDIT_LIMIT = 0.72
"""Model FLOP/s over dense peak above this means a fault of units."""

LONG_SEQUENCE = 131072.0
"""Sequences from here on say nothing without their context-parallel layout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Fields of the layout that a row leaves open."""

    tp: bool
    pp: bool
    vpp: bool
    mbs: bool
    recompute: bool
    cp: bool
    zero: bool

    @property
    def full(self) -> bool:
        """Whether the layout that decides most is stated."""
        return self.tp and self.pp and self.mbs


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One measured run.

    Parameters
    ----------
    units : float
        Devices of the layout (chips, dies or cores).
    per_unit : float
        Packages per unit that the row counts.
    gbs : float
        Sequences of a step; NaN where not stated.
    known : Known
    speed : float or None
        Measured tokens/s per unit that the row counts.
    printed_speed : bool
        False where the speed had to be worked out from a printed FLOP/s whose convention is stated.
    step_time_s : float or None
    mem_bytes : float or None
        Measured memory of one unit.
    faults : tuple of str
        Why the row must not be scored; empty for a sound row.
    assumed : tuple of str
    release : str
        Software and recipe: runs of one sweep share it.
    """

    run_id: str
    group: str
    chip: Chip
    precision: str
    shape: Shape
    layout: Layout
    device: Device
    stack: Stack
    known: Known
    units: float
    row_chips: float
    per_unit: float
    gbs: float
    flop_per_token: float
    speed: float | None
    printed_speed: bool
    step_time_s: float | None
    mem_bytes: float | None
    mixture: bool
    phase: str
    faults: tuple[str, ...]
    assumed: tuple[str, ...]
    model_id: str
    out_of_memory: bool
    release: str


def read_run(row: Mapping[str, str], catalogue: Catalogue, terms: Terms) -> Case | str:
    """One row as a case, or what it lacks."""
    if (row.get("status") or "ok") not in ("ok", "oom"):
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
        found = _shape(row, catalogue)
        device = device_of(chip, catalogue, precision, terms, network_bytes_per_s=stated_network(row))
    except ChipwiseError as error:
        return f"missing: {error.message}"
    if isinstance(found, str):
        return found
    shape, flop, model_id = found
    seq, count = number(row, "seq_len"), number(row, "n_chips")
    if not seq:
        return "missing: seq_len"
    if not count:
        return "missing: n_chips"
    return _case(row, catalogue, chip, precision, shape, flop, device, seq, count, model_id, assumed)


def _case(
    row: Mapping[str, str],
    catalogue: Catalogue,
    chip: Chip,
    precision: str,
    shape: Shape,
    flop: float,
    device: Device,
    seq: float,
    count: float,
    model_id: str,
    assumed: str,
) -> Case:
    per_unit = package_share(row, catalogue)
    speed = measured_speed(row, seq, count)
    printed_speed = speed is not None
    if speed is None:
        speed = speed_from_rate(row, flop, shape, seq)
    if per_unit < 1.0 and speed and speed * flop > AUDIT_LIMIT * chip.rates[precision] * per_unit:
        per_unit = 1.0
    ways = _ways(row)
    unit_share, units = per_unit, count
    if ways and not per_unit < 1.0 and abs(ways / count - 2.0) < 1e-6:
        unit_share, units = 0.5, 2.0 * count
    layout, known, gbs = _layout(row, chip, seq, units)
    mem = number(row, "mem_gb")
    gib = "gib" in (row.get("mem_kind") or "").casefold()
    return Case(
        run_id=row.get("run_id") or "",
        group=row.get("source_group") or "",
        chip=chip,
        precision=precision,
        shape=shape,
        layout=layout,
        device=split_device(device, unit_share),
        stack=_stack(row, chip, catalogue, precision),
        known=known,
        units=units,
        row_chips=count,
        per_unit=per_unit,
        gbs=gbs,
        flop_per_token=flop,
        speed=speed,
        printed_speed=printed_speed,
        step_time_s=number(row, "step_time_s"),
        mem_bytes=mem * (2.0**30 if gib else 1e9) if mem else None,
        mixture=bool(shape.moe_layers),
        phase=row.get("phase") or "pretrain",
        faults=_faults(chip, precision, flop, speed, per_unit, units, ways, known, seq, layout),
        assumed=(assumed,) if assumed else (),
        model_id=model_id,
        out_of_memory=row.get("status") == "oom",
        release=" ".join(row.get(name) or "" for name in ("framework", "framework_version", "precision", "source")),
    )


def measured_speed(row: Mapping[str, str], seq: float, count: float) -> float | None:
    """Tokens/s per counted unit: as printed, from the step, or from samples."""
    speed, step, batch = number(row, "tokens_per_s_per_chip"), number(row, "step_time_s"), number(row, "gbs")
    samples = number(row, "samples_per_s")
    if speed is None and step and batch:
        speed = batch * seq / step / count
    if speed is None and samples:
        speed = samples * seq / count
    return speed


def speed_from_rate(row: Mapping[str, str], flop: float, shape: Shape, seq: float) -> float | None:
    """Tokens/s from a printed model FLOP/s that counts the whole (not the causal) core; None for other conventions."""
    rate = number(row, "tflops_per_chip")
    whole = "full" in (row.get("attention_count") or "").casefold()
    if not rate or not whole or (row.get("flops_kind") or "") != "model":
        return None
    return rate * 1e12 / (flop + 3.0 * float(shape.full_layers * shape.core_full) * seq)


def _shape(row: Mapping[str, str], catalogue: Catalogue) -> tuple[Shape, float, str] | str:
    """Shape, model FLOP per token and id of the model."""
    columns = {name: value for name in SHAPE_COLUMNS if (value := number(row, name)) is not None}
    seq = columns.get("seq_len")
    adapter = (row.get("phase") or "") == "lora"
    try:
        model: Model | None = catalogue.model(row.get("model") or "")
    except ChipwiseError:
        model = None
    mtp = columns.get("mtp_layers", 0.0)
    if model is not None and model.layers and _same_size(model, columns):
        try:
            shape = shape_of_model(model, mtp=mtp)
        except Undetermined:
            return "missing: shape"
        if not seq:
            return "missing: seq_len"
        flop = adapter_flop_per_token(model, seq) if adapter else training_flop_per_token(model, seq)
        return shape, flop * (1.0 + mtp / model.layers), model.id
    printed = shape_of_columns(columns)
    flop_printed = shape_flop_per_token(columns, adapter=adapter) if seq else None
    if printed is None or flop_printed is None:
        return "unknown model" if model is None else "missing: shape"
    return printed, flop_printed, ""


def _same_size(model: Model, columns: Mapping[str, float]) -> bool:
    """Whether what is printed of the shape agrees with the catalogue's model of that name."""
    return columns.get("layers") in (None, model.layers) and columns.get("hidden") in (None, model.hidden)


def _ways(row: Mapping[str, str]) -> float | None:
    parts = [number(row, name) for name in ("tp", "pp", "dp")]
    if any(part is None for part in parts):
        return None
    product = flag(row, "cp", 1.0)
    for part in parts:
        product *= part or 1.0
    return product


def _layout(row: Mapping[str, str], chip: Chip, seq: float, units: float) -> tuple[Layout, Known, float]:
    tp, pp, cp = (number(row, name) for name in ("tp", "pp", "cp"))
    zero = number(row, "zero_stage")
    sharded = (row.get("fsdp") or "").casefold()
    if zero is None and sharded.startswith("fsdp"):
        zero = 3.0
    if zero is None and sharded.startswith("optimizer"):
        zero = 1.0
    fsdp = (zero or 0.0) >= 2.0
    tp, pp = (1.0 if fsdp and tp is None else tp), (1.0 if fsdp and pp is None else pp)
    dp = max(units / ((tp or 1.0) * (pp or 1.0) * (cp or 1.0)), 1.0)
    mbs, gbs = number(row, "mbs"), number(row, "gbs")
    accum = max(gbs / (dp * mbs), 1.0) if gbs and mbs else float("nan")
    crowded = bool(gbs) and dp * (mbs or 1.0) > (gbs or 0.0) * (1.0 + 1e-9)  # ranks without a sequence: context ways
    recompute, core = recompute_of(row)
    expert = flag(row, "ep", 1.0)
    sp = number(row, "sequence_parallel")
    modern = (day_of(row.get("date_published") or "") or dt.date(2023, 1, 1)) >= dt.date(2022, 6, 1)
    size = re.search(r"(?:within|size) (\d+)", sharded)
    layout = Layout(
        seq=seq,
        tp=tp or 1.0,
        pp=pp or 1.0,
        vpp=flag(row, "vpp", 1.0),
        dp=dp,
        cp=cp or 1.0,
        ep=expert,
        etp=flag(row, "etp", 1.0),
        sp=sp if sp is not None else (1.0 if modern and (tp or 1.0) > 1.0 else 0.0),
        zero=1.0 if zero is None else zero,
        shard=float(size.group(1)) if size else dp * (cp or 1.0),
        mbs=mbs or 1.0,
        accum=accum,
        recompute=recompute or 0.0,
        recompute_core=core,
        bubble=0.35 if re.search(r"zero|zb", (row.get("pp_schedule") or "").casefold()) else 1.0,
        in_flight=held_share(row.get("pp_schedule") or ""),
        adapter=1.0 if (row.get("phase") or "") == "lora" else 0.0,
        fine=1.0 if recompute is None or 0.0 < recompute < 1.0 else 0.0,
        gradient_bytes=gradient_width(row, fsdp, modern),
        bucket=bucket_weights(row),
        scatter_send=1.0,
        tp_overlap=tensor_overlap(row, chip),
    )
    known = Known(
        tp=tp is not None,
        pp=pp is not None,
        vpp=number(row, "vpp") is not None or pp == 1.0 or (row.get("pp_schedule") or "") == "1F1B",
        mbs=mbs is not None,
        recompute=recompute is not None,
        cp=cp is not None or ((seq < 32768 or (tp is not None and pp is not None)) and not crowded),
        zero=zero is not None or (tp is not None and pp is not None),
    )
    return layout, known, gbs if gbs else float("nan")


def _stack(row: Mapping[str, str], chip: Chip, catalogue: Catalogue, precision: str) -> Stack:
    on = day_of(row.get("date_published") or "")
    bits = {"fp8": 8.0, "fp4": 4.0}.get(precision, 16.0)
    mlperf = (row.get("source_kind") or "") == "MLPerf"
    return Stack(
        element_bits=bits,
        blocks=1.0 if re.search(r"mx|block|nvfp4", (row.get("precision") or "").casefold()) else 0.0,
        flash=flash_of(row, chip, on),
        community=community_stack(row),
        graphs=1.0 if chip.vendor == "NVIDIA" and (mlperf or whole_graphs(row, chip, on)) else 0.0,
        padded=1.0 if "tokendrop" in (row.get("notes") or "").casefold() else 0.0,
        natural=0.0,
        moe_years=max((on - dt.date(2025, 1, 1)).days / 365.25, 0.0) if on else 1.0,
        age_years=age_years(chip, catalogue, on),
    )


def _faults(
    chip: Chip,
    precision: str,
    flop: float,
    speed: float | None,
    per_unit: float,
    units: float,
    ways: float | None,
    known: Known,
    seq: float,
    layout: Layout,
) -> tuple[str, ...]:
    out = []
    if speed and speed * flop > AUDIT_LIMIT * chip.rates[precision] * per_unit:
        share = speed * flop / (chip.rates[precision] * per_unit)
        out.append(f"model FLOP/s at {share:.2f} of the dense peak: a fault of units")
    if ways and known.full and abs(ways / units - 1.0) > 1e-6:
        out.append(f"tp x pp x cp x dp = {ways:g} on {units:g} units")
    if known.tp and known.pp and layout.tp * layout.pp * layout.cp > units * (1 + 1e-9):
        out.append(f"tp x pp x cp = {layout.tp * layout.pp * layout.cp:g} on {units:g} units")
    if seq >= LONG_SEQUENCE and not (known.tp and known.pp):
        out.append(f"sequences of {seq:g} tokens without a layout")
    if layout.adapter == 0 and speed and not known.full and speed * flop < 0.02 * chip.rates[precision] * per_unit:
        out.append("below 2 % of the dense peak without a layout: a field is missing")
    return tuple(out)


def scorable(case: Case, row: Mapping[str, str]) -> str:
    """Why a case does not enter fits and scores of step time; empty where it does."""
    if case.out_of_memory:
        return "out of memory"
    if case.faults:
        return case.faults[0]
    if "not re-verified" in (row.get("evidence") or ""):
        return "not re-verified"
    if case.speed is None:
        return "no speed"
    return ""
