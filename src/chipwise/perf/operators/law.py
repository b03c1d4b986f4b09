"""The roofline law of the operators, and what a table node of each kind computes and moves.

``time = (compute^p + memory^p)^(1/p) + launch`` with ``compute = FLOP / (peak * e_c)`` and
``memory = bytes / (bandwidth * e_m)``: four numbers per chip and precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chipwise.perf.operators.grids import GRIDS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

GATED_MATRICES = 3.0
"""Weight matrices of one gated expert: gate, up and down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """Four numbers of a table.

    Parameters
    ----------
    compute, memory : float
        Shares of peak and of bandwidth reached where each binds alone.
    exponent : float
        How sharply the two combine; large is a sharp roofline.
    launch_s : float
        Time of the smallest call, s.
    """

    compute: float
    memory: float
    exponent: float
    launch_s: float

    def time_s(self, flop: Array, moved: Array, peak: float, bandwidth: float) -> Array:
        """Time of `flop` operations that move `moved` bytes."""
        p = self.exponent
        arithmetic = (flop / (peak * self.compute)) ** p
        traffic = (moved / (bandwidth * self.memory)) ** p
        return (arithmetic + traffic) ** (1.0 / p) + self.launch_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """Bytes per element of what an operator reads and writes."""

    activation: float
    weight: float
    output: float = 2.0


def gemm_work(m: Array, n: Array, k: Array, widths: Widths) -> tuple[Array, Array]:
    """FLOP and bytes of ``(m, k) x (k, n)``."""
    return 2.0 * m * n * k, widths.activation * m * k + widths.weight * n * k + widths.output * m * n


def prefill_work(pairs: Array, new: Array, visible: Array, score: float, value: float) -> tuple[Array, Array]:
    """FLOP, and bytes of queries and outputs, of `pairs` sequence-heads; caches are added by the caller."""
    rows = pairs * new
    return 2.0 * rows * visible * (score + value), 2.0 * rows * (score + value)


def decode_work(
    pairs: Array, context: Array, caches: Array, score: float, value: float, cache_bytes: float
) -> tuple[Array, Array]:
    """FLOP and bytes of one new token a sequence; `cache_bytes` is one cache head's bytes per token of context."""
    return (
        2.0 * pairs * context * (score + value),
        caches * context * cache_bytes + 2.0 * pairs * (score + value),
    )


def moe_work(rows_hidden: Array, experts_hidden: Array, width: Array, weight_bytes: float) -> tuple[Array, Array]:
    """FLOP and bytes of gated experts: rows times hidden, experts touched times hidden, width of an expert."""
    flop = 2.0 * GATED_MATRICES * rows_hidden * width
    return flop, GATED_MATRICES * experts_hidden * width * weight_bytes + 4.0 * rows_hidden


def node_work(kind: str, widths: Widths, score: float, value: float, cache_bytes: float) -> tuple[Array, Array]:
    """FLOP and bytes at every node of the grid of `kind`."""
    x, y, z = GRIDS[kind].mesh()
    if kind == "gemm":
        return gemm_work(x, y, z, widths)
    if kind == "prefill":
        flop, moved = prefill_work(x, y, z, score, value)
        return flop, moved + 0.0 * flop
    if kind == "decode":
        return decode_work(x, y, z, score, value, cache_bytes)
    return moe_work(x, y, z, widths.weight)
