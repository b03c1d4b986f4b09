"""One copy of a model laid out on chips: formats, tables, links, and what the weights take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chipwise.catalogue.objects import Chip, Model
from chipwise.core.errors import InputError
from chipwise.perf.infer.shapes import Product, Work, work_of
from chipwise.perf.machine import KV_BYTES, WEIGHT_BYTES
from chipwise.perf.operators import FAMILY, OperatorProfile, operator_profile
from chipwise.perf.operators.objects import GENERIC
from chipwise.perf.tables import constant
from chipwise.perf.topology.build import machine as build_topology
from chipwise.perf.topology.objects import Machine as Topology

MATRIX_FORMATS = {
    "16-bit": "bf16",
    "fp8": "fp8",
    "int8": "int8",
    "w8": "int8_wo",
    "fp4": "fp4",
    "int4": "int4_wo",
}
"""Operator table of the matrix products by weight format."""

DENSE_OF = {"mxfp4_wo": "int4_wo"}
"""Dense table that stands for a format of experts: four-bit weights, sixteen-bit arithmetic."""

BLOCK_SCALED = ("DeepSeek", "Kimi", "GLM", "MiniMax")
"""Families published in fp8 with a scale per block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one copy is divided.

    Parameters
    ----------
    tensor : int
        Chips that share one attention.
    data : int
        Attention copies that share one set of experts.
    expert : int
        Ways the experts are divided; the rest of ``tensor * data`` divides their width.
    pipeline : int
        Stages.
    context : int
        Ranks, each with the weights of a stage, that divide the tokens of a prompt and the cache of a request.
    """

    tensor: int = 1
    data: int = 1
    expert: int = 1
    pipeline: int = 1
    context: int = 1

    def __post_init__(self) -> None:
        least = min(self.tensor, self.data, self.expert, self.pipeline, self.context)
        if least < 1 or (self.tensor * self.data) % self.expert:
            raise InputError(
                f"tensor {self.tensor}, data {self.data}, expert {self.expert}, pipeline {self.pipeline}, "
                f"context {self.context}",
                place="layout",
                allowed="whole numbers, and experts divided into a divisor of tensor x data",
            )

    @property
    def group(self) -> int:
        """Chips of one stage."""
        return self.tensor * self.data

    @property
    def chips(self) -> int:
        """Chips of one copy."""
        return self.group * self.pipeline * self.context


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setup:
    """One copy of a model on chips, ready to be costed.

    Parameters
    ----------
    attention_format, dense_format : str
        Operator tables of the attention and feed-forward products.
    expert_format : str
        Operator table of the experts; ``8-bit`` where only 4 and 16 bits were measured.
    capped : float
        Speed left by a power limit, at most 1.
    evidence : int
        Worst evidence of the tables of matrices and experts in the formats used.
    sheet : bool
        No matrix kernel of the chip or its family was measured in any format.
    """

    chip: Chip
    model: Model
    work: Work
    layout: Layout
    profile: OperatorProfile
    topology: Topology
    engine: str
    precision: str
    kv_precision: str
    attention_format: str
    dense_format: str
    expert_format: str
    capped: float
    evidence: int
    sheet: bool

    @property
    def kv_format(self) -> str:
        """Operator table of the cache."""
        return "bf16" if self.kv_precision == "16-bit" else "fp8"


def build_setup(
    chip: Chip,
    model: Model,
    layout: Layout,
    *,
    precision: str,
    kv_precision: str,
    engine: str,
    catalogue: Any,
    without: tuple[str, ...] = (),
    block: bool = False,
) -> Setup:
    """Lay one copy of `model` on chips.

    Parameters
    ----------
    precision : str
        As `chipwise.perf.machine.weight_precision_of` returns it.
    without : tuple of str
        Chips whose kernel tables must not be used.
    block : bool
        The fp8 weights have a scale per block, whatever the family is published with.

    Raises
    ------
    Undetermined
        A needed figure of chip or model is not published.
    OutsideModelRange
        The chip works from on-chip memory.
    """
    profile, work = operator_profile(chip, without=without), work_of(model)
    plain = _tabled(profile, "gemm", _block(model, MATRIX_FORMATS[precision], block))
    native = model.native_precision.casefold()
    mixed = precision == "int4" and bool(work.experts)
    latent_fp4 = precision == "fp4" and model.attention.startswith("mla")
    expert = MATRIX_FORMATS[precision]
    if precision == "int4" and native.startswith("mxfp4"):
        expert = "mxfp4_wo"
    elif precision in ("int8", "w8"):
        expert = "8-bit"
    elif precision == "fp8":
        expert = _block(model, "fp8", block)
    relative = measured_relative(chip, profile)
    attention, dense = "bf16" if mixed or latent_fp4 else plain, "bf16" if mixed else plain
    experts = expert if expert == "8-bit" else _tabled(profile, "moe", expert)
    return Setup(
        chip=chip,
        model=model,
        work=work,
        layout=layout,
        profile=profile,
        topology=build_topology(chip, chips=layout.chips, catalogue=catalogue),
        engine=engine,
        precision=precision,
        kv_precision=kv_precision,
        attention_format=attention,
        dense_format=dense,
        expert_format=experts,
        capped=_power_factor(chip, catalogue.chip(relative) if relative else None),
        evidence=_evidence(profile, {attention, dense}, experts if work.experts else ""),
        sheet=profile.surface("gemm", "bf16").evidence == GENERIC,
    )


def _evidence(profile: OperatorProfile, formats: set[str], experts: str) -> int:
    """Worst evidence of the tables a step reads: its matrices', and of its experts' the better routing."""
    found = [profile.surface("gemm", name).evidence for name in formats]
    if experts:
        name = "int4_wo" if experts == "8-bit" else experts
        if experts in DENSE_OF:
            found.append(profile.surface("gemm", DENSE_OF[experts]).evidence)
        found.append(min(surface.evidence for key, surface in profile.surfaces.items() if key[:2] == ("moe", name)))
    return max(found)


def _block(model: Model, name: str, block: bool) -> str:
    return "fp8_block" if name == "fp8" and (block or model.family.startswith(BLOCK_SCALED)) else name


def _tabled(profile: OperatorProfile, operator: str, wanted: str) -> str:
    """`wanted`, or the nearest format that the chip has a table or a rate for."""
    for name in (wanted, "fp8", "bf16"):
        if any(key[:2] == (operator, name) for key in profile.surfaces):
            return name
    return "bf16"


def measured_relative(chip: Chip, profile: OperatorProfile) -> str:
    """Id of the chip whose kernels stand for those of `chip`; empty where its own were measured, or no relative's."""
    surface = profile.surface("gemm", "bf16")
    if surface.evidence != FAMILY:
        return ""
    return chip.china_variant_of if chip.china_variant_of in surface.donors else surface.donors[0]


def _power_factor(chip: Chip, relative: Chip | None) -> float:
    """Arithmetic of a part with less power per peak than the relative that was measured."""
    if relative is None or not chip.tdp_w or not relative.tdp_w:
        return 1.0
    ours, theirs = chip.rates.get("bf16"), relative.rates.get("bf16")
    if not ours or not theirs:
        return 1.0
    ratio = (chip.tdp_w / ours) / (relative.tdp_w / theirs)
    return float(min(1.0, ratio ** constant("power_exponent")))


def product_bytes(setup: Setup, product: Product) -> float:
    """Bytes of one product's weights on one chip, all layers."""
    kept = setup.precision in ("int4", "fp4")
    plain = product.kind in ("router", "head") or (
        kept and (setup.dense_format if product.kind == "dense" else setup.attention_format) == "bf16"
    )
    each = WEIGHT_BYTES["16-bit"] if plain else WEIGHT_BYTES[setup.precision]
    divided = setup.layout.tensor if product.split else 1
    return product.n * product.k * product.count * each / divided


def weight_bytes_per_chip(setup: Setup) -> float:
    """Bytes of weights on one chip; experts are divided over the whole stage."""
    layout, work = setup.layout, setup.work
    total = sum(product_bytes(setup, product) for product in work.products)
    if work.experts is not None:
        each = 3.0 * work.experts.hidden * work.experts.width
        every = work.experts.layers * work.experts.count * each
        total += every * WEIGHT_BYTES[setup.precision] / layout.group
    table = 0.0 if setup.model.shape is not None and setup.model.shape.tied_embeddings else work.vocab * work.hidden
    return (total + table * WEIGHT_BYTES["16-bit"] / layout.tensor) / layout.pipeline


def cache_bytes_per_chip(setup: Setup, context: Any) -> Any:
    """Cache of one request of `context` tokens on one chip that holds it, byte; `context` may be an array."""
    model, layout = setup.model, setup.layout
    each = KV_BYTES[setup.kv_precision]
    latent = model.attention.startswith("mla")
    shared = 1.0 if latent or not model.kv_heads else float(min(layout.tensor, model.kv_heads))
    window = 0.0
    if model.kv_elems_per_token_window and model.sliding_window:
        import numpy as np

        window = model.kv_elems_per_token_window * np.minimum(context, float(model.sliding_window))
    grown = (model.kv_elems_per_token + model.index_elems_per_token) * context + window
    state = WEIGHT_BYTES["16-bit"] * model.state_elems_per_sequence / layout.tensor
    return (each * grown / (shared * layout.context) + state) / layout.pipeline


def facts_of(setup: Setup) -> tuple[str, ...]:
    """Ids of the figures a setup rests on."""
    chip = setup.chip
    rate = setup.precision if chip.rates.get(setup.precision) else ("bf16" if chip.rates.get("bf16") else "fp16")
    return (
        *(f"chips/{chip.id}#{name}" for name in (rate, "mem_bytes", "mem_bytes_per_s")),
        f"operators/{chip.id}#gemm",
        f"models/{setup.model.id}#params_total",
    )
