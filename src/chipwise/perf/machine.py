"""Formats of weights and caches, the memory an engine may fill, and how many chips can share a copy."""

from __future__ import annotations

from chipwise.catalogue.objects import Chip, Model, System
from chipwise.core.errors import InputError, Undetermined
from chipwise.perf.peaks import usable_memory_kind
from chipwise.perf.tables import constant

WEIGHT_BYTES = {"16-bit": 2.0, "fp8": 1.0, "int8": 1.0, "w8": 1.0, "fp4": 0.5625, "int4": 0.53125}
"""Bytes per weight; four-bit formats carry a scale per block of 16 (fp4) or 32 (int4).

``w8`` and ``int4`` are weights only: read narrow, multiplied in 16 bits."""

KV_BYTES = {"16-bit": 2.0, "fp8": 1.0, "int8": 1.0}

WEIGHT_PRECISIONS = ("auto", "bf16", "fp16", "fp8", "int8", "fp4", "int4")
KV_PRECISIONS = ("auto", "bf16", "fp16", "fp8", "int8")


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


def group_limit(chip: Chip, server: System | None) -> int:
    """Most chips in one group: its scale-up domain, or the usual server over PCIe."""
    domain = (chip.scaleup_domain or 1) if chip.link_bytes_per_s_per_dir else 1
    bus = bool(chip.pcie_gen and chip.pcie_lanes)
    over_bus = max(chip.scaleup_domain or 1, server.chips if server else 1) if bus else 1
    return int(min(max(domain, over_bus), constant("most_chips_per_replica")))
