"""Precisions of the operator tables: what is read, what multiplies, and the table that was measured."""

from __future__ import annotations

from dataclasses import dataclass

from chipwise.perf.operators.law import Widths

FP4_BYTES = 0.5625
"""Four bits and an eight-bit scale per 16 elements."""

INT4_BYTES = 0.53125
"""Four bits and an eight-bit scale per 32 elements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """One precision of a matrix product.

    Parameters
    ----------
    peak : str
        Precision of the data sheet that multiplies; ``16-bit`` is bf16, else fp16 with fp32 accumulation.
    table : str
        Name in the measured GEMM tables; empty where none exists.
    moe_table : str
        Name in the measured expert tables.
    note : str
    """

    widths: Widths
    peak: str
    table: str
    moe_table: str
    note: str


def _row(activation: float, weight: float, peak: str, table: str, moe_table: str, note: str) -> Precision:
    widths = Widths(activation=activation, weight=weight)
    return Precision(widths=widths, peak=peak, table=table, moe_table=moe_table, note=note)


PRECISIONS: dict[str, Precision] = {
    "bf16": _row(2.0, 2.0, "16-bit", "bfloat16", "bfloat16", "16-bit inputs; fp16 takes the same table"),
    "fp8": _row(1.0, 1.0, "fp8", "fp8", "fp8", "one scale a tensor or row"),
    "fp8_block": _row(
        1.0, 1.0, "fp8", "fp8_block", "fp8_block", "a scale per block of 128; n and k below 128 are padded"
    ),
    "fp8_static": _row(1.0, 1.0, "fp8", "fp8_static", "", "scales fixed beforehand"),
    "fp4": _row(FP4_BYTES, FP4_BYTES, "fp4", "nvfp4", "nvfp4", "a scale per 16 elements"),
    "int8": _row(1.0, 1.0, "int8", "sq", "", "weights and activations in int8"),
    "int8_wo": _row(2.0, 1.0, "16-bit", "int8_wo", "", "int8 weights, 16-bit arithmetic"),
    "int4_wo": _row(2.0, INT4_BYTES, "16-bit", "int4_wo", "int4_wo", "4-bit weights, 16-bit arithmetic"),
    "mxfp4_wo": _row(2.0, INT4_BYTES, "16-bit", "", "w4a16_mxfp4", "4-bit block floats, 16-bit arithmetic"),
    "mxfp4_fp8": _row(1.0, INT4_BYTES, "fp8", "", "w4a8_mxfp4_mxfp8", "4-bit block floats, fp8 arithmetic"),
}
"""Precision by the name the operators take."""

BLOCK_SCALED = {"fp8_block": 128.0}
"""Smallest n and k a block-scaled kernel works on; engines fall back to slow general kernels below."""

CACHE_BYTES = {"bf16": 2.0, "fp8": 1.0}
"""Bytes per element of a key-value cache."""

ATTENTION = {
    ("bf16", "bf16"): "bf16",
    ("bf16", "fp8"): "bf16/fp8",
    ("fp8", "fp8"): "fp8",
}
"""Table name by precision of the arithmetic and of the cache."""

SPELLINGS = {"fp16": "bf16", "bfloat16": "bf16", "float16": "bf16", "nvfp4": "fp4"}
"""Other names of a precision."""

SIXTEEN_BIT = ("bf16", "fp16")


def canonical(name: str) -> str:
    """The name the tables use."""
    return SPELLINGS.get(name, name)
