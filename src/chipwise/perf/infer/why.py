"""Why a layout was rejected: the first cause that holds, with its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chipwise.perf.infer.capacity import driver_memory_bytes
from chipwise.perf.infer.compiled import KNOTS, Compiled
from chipwise.perf.infer.layouts import layout_text
from chipwise.perf.infer.operate import most_running, operate
from chipwise.perf.infer.setup import Layout

if TYPE_CHECKING:
    from chipwise.perf.infer.question import Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A layout without a feasible set-up; `layout` is None where the cause holds for all."""

    mode: str
    engine: str
    precision: str
    kv_precision: str
    layout: Layout | None
    cause: str

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "mode": self.mode,
            "engine": self.engine,
            "weight_precision": self.precision,
            "kv_precision": self.kv_precision,
            "layout": None if self.layout is None else layout_text(self.layout),
            "cause": self.cause,
        }


def why_not(found: Compiled, place: int, question: Question) -> str:
    """First cause that rules a layout out; empty where some batch is feasible."""
    setup, options = found.setups[place], question.options
    lengths = (question.input_tokens, question.output_tokens)
    chips = f"{setup.layout.chips} chip{'s' if setup.layout.chips > 1 else ''}"
    if found.room[place] <= 0:
        memory, weights = driver_memory_bytes(setup), float(found.weights[place])
        return (
            f"memory: {weights / 1e9:,.1f} GB of {setup.precision} weights on each of {chips}, "
            f"{-found.room[place] / 1e9:,.1f} GB more than {setup.engine} leaves them of {memory / 1e9:,.1f} GB"
        )
    most = float(most_running(found, options, place, *lengths))
    if most < 1.0:
        need = float(found.cache_bytes(place, sum(lengths)))
        return (
            f"memory: the cache of one request of {sum(lengths):,.0f} tokens takes {need / 1e9:,.2f} GB a chip, "
            f"{found.room[place] / 1e9:,.2f} GB are left beside the weights"
        )
    alone = operate(found, options, place, 1.0, *lengths, load=question.load)
    tpot, ttft = float(alone.tpot_s), float(alone.ttft_s)
    if question.tpot_s is not None and tpot > question.tpot_s:
        return f"TPOT: even one request takes {tpot * 1e3:.1f} ms a token, wanted {question.tpot_s * 1e3:g}"
    if question.ttft_s is not None and ttft > question.ttft_s:
        return (
            f"TTFT: even one request waits {ttft * 1e3:,.0f} ms for its first token, wanted {question.ttft_s * 1e3:g}"
        )
    batches = KNOTS[most >= KNOTS]
    load = operate(found, options, place, batches, *lengths, load=question.load)
    good = np.ones(batches.size, dtype=bool)
    for value, target in ((load.tpot_s, question.tpot_s), (load.ttft_s, question.ttft_s)):
        if target is not None:
            good &= np.broadcast_to(value, good.shape) <= target
    if not good.any():
        return "TPOT and TTFT: no batch meets both"
    if question.gap_s is not None:
        return f"longest gap: no chunk keeps it within {question.gap_s * 1e3:g} ms"
    return ""
