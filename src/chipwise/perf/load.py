"""Replicas under load: batch, time per token, time to first token, throughput."""

from __future__ import annotations

from dataclasses import dataclass

from chipwise.perf.step import (
    Replica,
    StepTime,
    cache_room_bytes,
    decode_step,
    prefill_time,
    request_cache_bytes,
    shared_prefill_time,
)
from chipwise.perf.tables import constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One replica with `batch` requests in flight.

    Parameters
    ----------
    tpot_s, ttft_s : float
        Mean time per output token and to the first token, s.
    output_tokens_per_s : float
        Of the whole replica, before gaps.
    step : StepTime
        The decode step alone.
    prefill_s : float
        Prefill work that falls on one decode step, s.
    """

    batch: int
    tpot_s: float
    ttft_s: float
    output_tokens_per_s: float
    step: StepTime
    prefill_s: float


def largest_batch(replica: Replica, input_tokens: float, output_tokens: float) -> int:
    """Requests whose caches fit beside the weights at mean context; 0 where not one fits at its full length."""
    room = cache_room_bytes(replica)
    if room <= 0 or room < request_cache_bytes(replica, input_tokens + output_tokens):
        return 0
    each = request_cache_bytes(replica, input_tokens + output_tokens / 2.0)
    return int(min(max(room / each, 1.0), 1e6)) if each > 0 else 10**6


def under_load(replica: Replica, batch: int, input_tokens: float, output_tokens: float) -> Load:
    """Steady state with `batch` requests in flight.

    Notes
    -----
    TPOT = decode step + share x (batch / output) x prefill: each request that finishes is replaced by one whose
    prompt must be read while the others wait. TTFT = front end + prefill with a queue + two steps.
    """
    step = decode_step(replica, batch, input_tokens + output_tokens / 2.0)
    each = shared_prefill_time(replica, input_tokens)
    waiting = constant("prefill_share") * batch / output_tokens * each
    tpot = step.total + waiting
    alone = prefill_time(replica, input_tokens)
    busy = min(batch / output_tokens * each / tpot, 0.95)
    queue = constant("ttft_queue_weight") * busy / (1.0 - busy)
    ttft = constant("front_end_s") + alone * (1.0 + queue) + 2.0 * step.total
    return Load(
        batch=batch,
        tpot_s=tpot,
        ttft_s=ttft,
        output_tokens_per_s=batch / tpot,
        step=step,
        prefill_s=waiting,
    )


def batch_within(
    replica: Replica,
    most: int,
    input_tokens: float,
    output_tokens: float,
    tpot_s: float | None,
    ttft_s: float | None,
) -> Load | None:
    """Largest load of at most `most` requests that meets the targets; None where one request misses them."""

    def meets(load: Load) -> bool:
        return (tpot_s is None or load.tpot_s <= tpot_s) and (ttft_s is None or load.ttft_s <= ttft_s)

    best = under_load(replica, most, input_tokens, output_tokens)
    if meets(best):
        return best
    low, high = 0, most
    found = None
    while high - low > 1:
        middle = (low + high) // 2
        load = under_load(replica, middle, input_tokens, output_tokens)
        if meets(load):
            low, found = middle, load
        else:
            high = middle
    return found
