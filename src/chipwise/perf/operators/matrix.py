"""Matrix products: plain, batched, grouped, with narrow weights; logits."""

from __future__ import annotations

from typing import Any

from chipwise.perf.operators.evaluate import Work, evaluate, largest
from chipwise.perf.operators.law import Widths
from chipwise.perf.operators.objects import OperatorProfile, OperatorTime
from chipwise.perf.operators.precision import BLOCK_SCALED, PRECISIONS, canonical


def gemm(profile: OperatorProfile, m: Any, n: Any, k: Any, *, dtype: str = "bf16", groups: Any = None) -> OperatorTime:
    """``(m, k) x (k, n)``, or `groups` of them at once.

    Parameters
    ----------
    m, n, k : float or array
        Rows (tokens), columns of the weight, depth. Broadcast against each other.
    dtype : str
        ``bf16``, ``fp16``, ``fp8``, ``fp8_block``, ``fp8_static``, ``fp4``, ``int8``, and weights only: ``int8_wo``,
        ``int4_wo``. Quantising activations is a pass of its own: `quantise`.
    groups : float or array, optional
        Products with weights of their own in one call (batched or grouped).

    Returns
    -------
    OperatorTime

    Raises
    ------
    Undetermined
        The chip has no rate at that precision.
    InputError
        A dimension is not positive, or the precision is not tabled.

    Notes
    -----
    A group of products is looked up as one product `groups` times as wide; the inputs it reads on top are counted.

    Examples
    --------
    >>> from chipwise.catalogue import load_catalogue
    >>> from chipwise.perf.operators import operator_profile
    >>> gemm(operator_profile(load_catalogue().chip("h100-sxm")), 4096, 4096, 4096).flop
    137438953472.0
    """
    name = canonical(dtype)
    surface = profile.surface("gemm", name)
    widths = PRECISIONS[name].widths
    smallest = BLOCK_SCALED.get(name)
    if groups is None:

        def work(m: Any, n: Any, k: Any) -> Work:
            flop = 2.0 * m * n * k
            moved = widths.activation * m * k + widths.weight * n * k + widths.output * m * n
            if smallest is None:
                return m, n, k, flop, moved
            return m, largest(n, smallest), largest(k, smallest), flop, moved

        return evaluate(surface, work, (m, n, k))
    return evaluate(surface, _grouped(widths, smallest), (m, n, k, groups))


def _grouped(widths: Widths, smallest: float | None) -> Any:
    def work(m: Any, n: Any, k: Any, groups: Any) -> Work:
        flop = 2.0 * m * n * k * groups
        moved = groups * (widths.activation * m * k + widths.weight * n * k + widths.output * m * n)
        wide = n * largest(groups, 1.0)
        if smallest is not None:
            wide, k = largest(wide, smallest), largest(k, smallest)
        return m, wide, k, flop, moved

    return work


def logits(profile: OperatorProfile, tokens: Any, hidden: Any, vocab: Any, *, dtype: str = "bf16") -> OperatorTime:
    """Output head: ``(tokens, hidden) x (hidden, vocab)``."""
    return gemm(profile, tokens, vocab, hidden, dtype=dtype)
