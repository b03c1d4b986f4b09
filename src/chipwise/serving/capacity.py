"""Closed form of what one replica carries, and the replicas worth a simulation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chipwise.core.errors import InputError
from chipwise.perf.step_cost import StepCost, step_cost
from chipwise.serving.replica import Replica, preset
from chipwise.serving.trace import Trace

BUDGETS = (256, 512, 1024, 2048, 4096, 8192)
Part = tuple[StepCost, Replica]
BATCHES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A run meets it when `share` of its requests finish with TTFT and TPOT within it, s."""

    ttft_s: float
    tpot_s: float
    share: float = 0.99


def peak_rate_per_s(trace: Trace, window_s: float = 60.0) -> float:
    """Largest arrival rate over any window that starts at a whole multiple of it, requests/s."""
    import numpy as np

    width = min(window_s, max(trace.duration_s, 1e-9))
    bins = ((trace.arrival_s - trace.arrival_s[0]) // width).astype(np.int64)
    return float(np.bincount(bins).max() / width)


def carried_per_s(cost: StepCost, replica: Replica, trace: Trace, tpot_s: float) -> tuple[float, int]:
    """Requests/s one replica carries with TPOT within the target, and the batch at which it does; (0, 0) where none.

    Notes
    -----
    With B requests decoding at mean context c, each output token costs its share of a decode step and each prompt token
    its share of a full step: rate = 1 / (in * prefill + out * step(B) / B), TPOT = B / (rate * out).
    """
    tokens_in, tokens_out = float(trace.input_tokens.mean()), float(trace.output_tokens.mean())
    context = tokens_in + tokens_out / 2.0
    best, at = 0.0, 0
    base = cost.step_time_s(prefill_tokens=1.0)
    for batch in BATCHES:
        if batch > replica.max_batch or batch * context > cost.kv_capacity_tokens:
            break
        full = float(replica.token_budget - batch)
        if full < 1:
            break
        pairs = full * tokens_in / 2.0
        prefill = (cost.step_time_s(prefill_tokens=full, prefill_pairs=pairs) - base) / full
        decode = cost.step_time_s(decode_sequences=batch, decode_context_tokens=batch * context) / batch
        each = tokens_in * prefill + tokens_out * decode
        if batch * each / tokens_out <= tpot_s and 1.0 / each > best:
            best, at = 1.0 / each, batch
    return best, at


def candidates(
    chip: Any,
    model: Any,
    trace: Trace,
    target: Target,
    engine: str,
    catalogue: Any,
    *,
    weight_precision: str = "auto",
) -> list[tuple[Part, float]] | str:
    """Replicas that read a long prompt in time, most requests/s per chip first, each with its rate; or why not.

    Group sizes are powers of two; token budgets those whose full step stays below eight times the wanted TPOT.
    """
    import numpy as np

    long_prompt = float(np.percentile(trace.input_tokens, 100.0 * target.share))
    found: list[tuple[Part, float]] = []
    why = "no group of chips holds the model"
    count = 1
    while count <= 64:
        try:
            cost = step_cost(
                chip, model, chips=count, engine=engine, weight_precision=weight_precision, catalogue=catalogue
            )
        except InputError as error:
            why = error.message if not found and count == 1 else why
            count *= 2
            continue
        alone = cost.step_time_s(prefill_tokens=long_prompt, prefill_pairs=long_prompt**2 / 2.0)
        first = cost.step_time_s(decode_sequences=1, decode_context_tokens=long_prompt)
        if alone > target.ttft_s or first > target.tpot_s:
            why = f"on {count} chip(s) a prompt of {long_prompt:,.0f} tokens takes {alone:.2f} s, a token {first:.3f} s"
        for replica in (
            _replicas(cost, engine, target, trace.prefix_tokens)
            if alone <= target.ttft_s and first <= target.tpot_s
            else ()
        ):
            rate, batch = carried_per_s(cost, replica, trace, target.tpot_s)
            if batch:
                found.append(((cost, replica), rate))
            else:
                why = f"on {count} chip(s) no batch keeps a token within {target.tpot_s:.3f} s"
        count *= 2
    return sorted(found, key=lambda pair: (-pair[1] / pair[0][0].chips, pair[0][0].chips)) or why


def _replicas(cost: StepCost, engine: str, target: Target, prefix_tokens: int) -> list[Replica]:
    """The engine's defaults with each token budget worth a try."""
    default = preset(engine)
    allowed = [b for b in BUDGETS if cost.step_time_s(prefill_tokens=float(b)) <= 8.0 * target.tpot_s] or [BUDGETS[0]]
    return [
        preset(
            engine,
            token_budget=budget,
            max_batch=min(default.max_batch, budget - 1),
            kv_tokens=cost.kv_capacity_tokens,
            block_tokens=cost.block_tokens,
            prefix_tokens=prefix_tokens,
        )
        for budget in allowed
    ]
