"""Mixtures of experts: routing and the products of the experts, split over chips by width and by expert."""

from __future__ import annotations

from typing import Any

from chipwise.core.errors import InputError
from chipwise.perf.operators.coordinates import moe_coordinates
from chipwise.perf.operators.evaluate import Work, evaluate
from chipwise.perf.operators.objects import OperatorProfile, OperatorTime
from chipwise.perf.operators.precision import PRECISIONS, canonical

ROUTINGS = ("balanced", "natural")


def moe(
    profile: OperatorProfile,
    tokens: Any,
    hidden: Any,
    expert_width: Any,
    top_k: Any,
    experts: Any,
    *,
    tensor: Any = 1.0,
    expert_parallel: Any = 1.0,
    dtype: str = "bf16",
    routing: str = "balanced",
) -> OperatorTime:
    """Routing and gated expert products on one chip of a group.

    Parameters
    ----------
    tokens : float or array
        Tokens of the whole expert group, not of one chip.
    hidden, expert_width : float or array
        Width of the model and of one expert's inner layer.
    top_k, experts : float or array
        Experts chosen by a token, and in all.
    tensor, expert_parallel : float or array
        Ways the width of an expert, and the experts, are split.
    routing : {"balanced", "natural"}
        Even, or skewed by a power law of exponent 1.2: time of the fullest chip.

    Raises
    ------
    InputError, Undetermined
        As for `gemm`.
    """
    if routing not in ROUTINGS:
        raise InputError(f"{routing!r} is no routing", place="routing", allowed=", ".join(ROUTINGS))
    name = canonical(dtype)
    surface = profile.surface("moe", name, routing)
    widths = PRECISIONS[name].widths

    def work(t: Any, h: Any, i: Any, k: Any, e: Any, tp: Any, ep: Any) -> Work:
        return moe_coordinates(t, h, i, k, e, tp, ep, widths, routing)

    return evaluate(surface, work, (tokens, hidden, expert_width, top_k, experts, tensor, expert_parallel))
