"""What the operator layer knows about a chip, as the step reads it."""

from __future__ import annotations

import functools

from chipwise.catalogue.objects import Chip
from chipwise.core.errors import ChipwiseError
from chipwise.perf.operators import gemm, operator_profile

LARGE = 8192.0
"""Rows, columns and depth of the product that anchors a chip."""

TABLE_NAME = {"fp16": "bf16", "bf16": "bf16", "fp8": "fp8", "fp4": "fp4"}


@functools.lru_cache(maxsize=512)
def kernel_reach(chip: Chip, precision: str) -> tuple[float, int]:
    """Share of the dense peak that the best tabled kernel reaches in a large product, and its evidence code.

    A chip or precision without any table takes one half at 16 bits.
    """
    try:
        time = gemm(operator_profile(chip), LARGE, LARGE, LARGE, dtype=TABLE_NAME[precision])
    except ChipwiseError:
        return 0.5, 2
    return float(time.flop / time.time_s / chip.rates[precision]), time.evidence
