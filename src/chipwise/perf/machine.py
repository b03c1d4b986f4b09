"""A group of chips as the serving model sees it: rates reached, memory an engine may use, links."""

from __future__ import annotations

from dataclasses import dataclass

from chipwise.catalogue.objects import Chip, Model, System
from chipwise.core.errors import InputError, OutsideModelRange, Undetermined
from chipwise.perf.efficiency import Efficiency, efficiency
from chipwise.perf.peaks import sixteen_bit_precision, usable_memory_kind
from chipwise.perf.tables import constant
from chipwise.perf.utilisation import kin_of

WEIGHT_BYTES = {"16-bit": 2.0, "fp8": 1.0, "int8": 1.0, "w8": 1.0, "fp4": 0.5625, "int4": 0.53125}
"""Bytes per weight; four-bit formats carry a scale per block of 16 (fp4) or 32 (int4).

``w8`` and ``int4`` are weights only: read narrow, multiplied in 16 bits."""

KV_BYTES = {"16-bit": 2.0, "fp8": 1.0, "int8": 1.0}

PCIE_BYTES_PER_S_PER_LANE = {3: 0.985e9, 4: 1.969e9, 5: 3.938e9, 6: 7.563e9}
"""One direction."""

ROOFLINE_CLASS = {"16-bit": "16-bit", "fp8": "8-bit", "int8": "8-bit", "w8": "16-bit", "fp4": "4-bit", "int4": "16-bit"}
WEIGHT_PRECISIONS = ("auto", "bf16", "fp16", "fp8", "int8", "fp4", "int4")
KV_PRECISIONS = ("auto", "bf16", "fp16", "fp8", "int8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Rates one chip reaches, and what joins it to its neighbours.

    Parameters
    ----------
    gemm_flop_per_s, moe_flop_per_s, attention_flop_per_s : float
        Matrix, expert and attention arithmetic, FLOP/s reached.
    gemm_bytes_per_s, moe_bytes_per_s, attention_bytes_per_s : float
        Weight, expert and cache reads, byte/s reached.
    memory_bytes : float
        What an engine may fill, byte.
    domain, group_limit : int
        Chips joined by the scale-up link; most chips in one replica.
    link_bytes_per_s, bus_bytes_per_s : float or None
        Reached by one chip in one direction over link and PCIe.
    """

    chip_id: str
    weight_precision: str
    gemm_flop_per_s: float
    moe_flop_per_s: float
    attention_flop_per_s: float
    gemm_bytes_per_s: float
    moe_bytes_per_s: float
    attention_bytes_per_s: float
    memory_bytes: float
    domain: int
    group_limit: int
    link_bytes_per_s: float | None
    bus_bytes_per_s: float | None
    exponent: float
    efficiency: Efficiency
    facts: tuple[str, ...]


def weight_precision_of(chip: Chip, model: Model, precision: str) -> str:
    """``16-bit``, ``fp8``, ``int8``, ``fp4`` or ``int4``; ``auto`` is the model's own where the chip has the rate.

    Raises
    ------
    InputError
        Not a weight precision.
    Undetermined
        The chip has no published rate at it.
    """
    if precision not in (*WEIGHT_PRECISIONS, "16-bit"):
        raise InputError(
            f"{precision!r} is no weight precision", place="precision", allowed=", ".join(WEIGHT_PRECISIONS)
        )
    if precision == "auto":
        native = model.native_precision.casefold()
        if native.startswith("fp8") and chip.rates.get("fp8"):
            return "fp8"
        return "int4" if native.startswith(("mxfp4 experts", "int4 experts")) else "16-bit"
    if precision in ("bf16", "fp16", "16-bit"):
        return "16-bit"
    if precision != "int4" and not chip.rates.get(precision):
        raise Undetermined(f"{chip.id} has no published dense {precision} peak", place=f"chips/{chip.id}")
    return precision


def kv_precision_of(precision: str) -> str:
    """``16-bit``, ``fp8`` or ``int8``; ``auto`` is 16-bit, as the engines have it."""
    if precision not in (*KV_PRECISIONS, "16-bit"):
        raise InputError(f"{precision!r} is no cache precision", place="kv_precision", allowed=", ".join(KV_PRECISIONS))
    return precision if precision in KV_BYTES else "16-bit"


def engine_memory_bytes(chip: Chip) -> float:
    """Memory an engine may fill, byte: a marketed GB is a GiB, less what GDDR keeps for error correction.

    Raises
    ------
    Undetermined
        The size of the memory is not published.
    """
    if not chip.mem_bytes:
        raise Undetermined(f"{chip.id} has no published memory size", place=f"chips/{chip.id}")
    if usable_memory_kind(chip) == "other":
        return chip.mem_bytes * constant("memory_share")
    kept = constant("ecc_share") if usable_memory_kind(chip) == "gddr" and chip.market != "consumer" else 1.0
    return chip.mem_bytes * constant("binary_gb") * kept * constant("memory_share")


def measured_relative(chip: Chip, precision: str) -> str:
    """Id of the chip whose kernels stand for those of `chip`; empty where its own were measured, or no relative's."""
    reached = efficiency(kin_of(chip), chip.china_variant_of, precision)
    if reached.rung != "family":
        return ""
    return chip.china_variant_of if chip.china_variant_of in reached.relatives else reached.relatives[0]


def build_machine(chip: Chip, relative: Chip | None, server: System | None, precision: str) -> Machine:
    """A chip as the serving model sees it, at one weight precision.

    Parameters
    ----------
    relative : Chip or None
        Chip that `measured_relative` names.
    server : System or None
        The usual server.
    precision : str
        As `weight_precision_of` returns it.

    Raises
    ------
    Undetermined
        Peak, memory or bandwidth is not published.
    OutsideModelRange
        The chip keeps its weights in on-chip memory.
    """
    if "SRAM" in chip.mem_type:
        raise OutsideModelRange(f"{chip.id} serves from on-chip memory", place=f"chips/{chip.id}")
    sixteen = sixteen_bit_precision(chip)
    if not chip.mem_bytes_per_s:
        raise Undetermined(f"{chip.id} has no published memory bandwidth", place=f"chips/{chip.id}")
    memory = engine_memory_bytes(chip)
    reached = efficiency(kin_of(chip), chip.china_variant_of, precision)
    name = precision if precision in ("fp8", "int8", "fp4") else sixteen
    peak, capped = chip.rates[name], _power_factor(chip, relative)
    link, bus = chip.link_bytes_per_s_per_dir, _bus_bytes_per_s(chip)
    domain = (chip.scaleup_domain or 1) if link else 1
    over_bus = max(chip.scaleup_domain or 1, server.chips if server else 1) if bus else 1
    return Machine(
        chip_id=chip.id,
        weight_precision=precision,
        gemm_flop_per_s=peak * reached.gemm_compute * capped,
        moe_flop_per_s=peak * reached.moe_compute * capped,
        attention_flop_per_s=chip.rates[sixteen] * reached.prefill_attention * capped,
        gemm_bytes_per_s=chip.mem_bytes_per_s * reached.gemm_memory,
        moe_bytes_per_s=chip.mem_bytes_per_s * reached.moe_memory,
        attention_bytes_per_s=chip.mem_bytes_per_s * reached.decode_attention,
        memory_bytes=memory,
        domain=domain,
        group_limit=int(min(max(domain, over_bus), constant("most_chips_per_replica"))),
        link_bytes_per_s=link * constant("link_efficiency") if link else None,
        bus_bytes_per_s=bus,
        exponent=constant(f"roofline_exponent.{ROOFLINE_CLASS[precision]}"),
        efficiency=reached,
        facts=(
            f"chips/{chip.id}#{name}",
            f"chips/{chip.id}#mem_bytes",
            f"chips/{chip.id}#mem_bytes_per_s",
            f"efficiency/{reached.rung}/{reached.key or 'any'}#{precision}",
        ),
    )


def _bus_bytes_per_s(chip: Chip) -> float | None:
    if not chip.pcie_gen or not chip.pcie_lanes:
        return None
    lane = PCIE_BYTES_PER_S_PER_LANE.get(int(chip.pcie_gen))
    return lane * chip.pcie_lanes * constant("link_efficiency") if lane else None


def _power_factor(chip: Chip, relative: Chip | None) -> float:
    """Arithmetic of a part with less power per peak than the relative that was measured."""
    if relative is None or not chip.tdp_w or not relative.tdp_w:
        return 1.0
    ours, theirs = chip.rates.get("bf16"), relative.rates.get("bf16")
    if not ours or not theirs:
        return 1.0
    ratio = (chip.tdp_w / ours) / (relative.tdp_w / theirs)
    return float(min(1.0, ratio ** constant("power_exponent")))
