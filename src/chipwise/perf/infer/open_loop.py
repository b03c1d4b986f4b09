"""Random arrivals at a rate: decoding slowed by prompts, prompts queued for their turn, requests for memory.

Symbols: a rate of requests/s of one copy, B requests decoding, c places, S time a prompt is in service, cv the
coefficient of variation of service.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from chipwise.core.errors import OutsideModelRange
from chipwise.perf.infer.compiled import KNOTS, Compiled
from chipwise.perf.infer.operate import chunk_at, operate
from chipwise.perf.infer.options import Options

VARIATION = 1.0
"""Coefficient of variation of prompt lengths in chat traffic, about (Azure 2023: 1.0)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLoad:
    """One copy under random arrivals.

    Parameters
    ----------
    rate : float
        Requests/s.
    decoding, in_flight : float
        Requests that decode, and all in the system.
    tpot_s, ttft_s : float
        Means.
    queue_s, memory_s : float
        Parts of `ttft_s`: waiting for other prompts, and for memory.
    busy, full : float
        Share of its time the engine reads prompts, and share of places taken.
    highest_rate : float
        Rate from which there is no steady state.
    """

    rate: float
    decoding: float
    in_flight: float
    tpot_s: float
    ttft_s: float
    queue_s: float
    memory_s: float
    busy: float
    full: float
    highest_rate: float

    def ttft_quantile_s(self, share: float) -> float:
        """Time to the first token that a share of requests keeps: waits are taken as exponential."""
        wait = self.queue_s + self.memory_s
        waiting = max(self.busy, self.full**8)
        base = self.ttft_s - wait
        if wait <= 0.0 or share <= 1.0 - waiting:
            return base
        return base + wait / waiting * math.log(waiting / (1.0 - share))

    def within_ttft(self, target_s: float) -> float:
        """Share of requests whose first token comes in time."""
        wait = self.queue_s + self.memory_s
        waiting, spare = max(self.busy, self.full**8), target_s - (self.ttft_s - wait)
        if spare < 0.0:
            return 0.0
        return 1.0 if wait <= 0.0 else 1.0 - waiting * math.exp(-spare * waiting / wait)


def open_load(
    found: Compiled,
    options: Options,
    layout: int,
    rate: float,
    input_tokens: float,
    output_tokens: float,
    *,
    most: float,
    variation: float = VARIATION,
) -> OpenLoad:
    """Steady state of one copy at a rate of requests/s.

    Parameters
    ----------
    most : float
        Requests that run together.
    variation : float
        Coefficient of variation of service: 0 for equal prompts, 1 as in chat traffic.

    Raises
    ------
    OutsideModelRange
        No steady state: more arrives than is served.

    Notes
    -----
    - A decode step S(B) is stretched by the prompts that arrive meanwhile: ``TPOT = S(B) / (1 - rate * P)``, and
      ``B = rate * (output - 1) * TPOT`` (Little's law).
    - A prompt is in service for ``P + S(B) * input / chunk``; it waits as in an M/G/1 queue (Pollaczek-Khinchine).
    - With c places of which a share r is taken, memory is waited for ``r**(sqrt(2 (c + 1)) - 1) / (c (1 - r))`` holding
      times (Sakasegawa).
    """
    batches = KNOTS[most >= KNOTS]
    batches = np.unique(np.append(batches, max(most, 1.0)))
    load = operate(found, options, layout, batches, input_tokens, output_tokens, load="server")
    steps, prompt = np.broadcast_to(load.step_s, batches.shape), np.broadcast_to(load.prompt_s, batches.shape)
    chunk = np.broadcast_to(chunk_at(found, options, batches, input_tokens), batches.shape)
    rates = batches / (max(output_tokens - 1.0, 1.0) * steps + batches * prompt)  # at which each batch is in balance
    service = prompt + steps * np.minimum(input_tokens / chunk, 1e9)
    rates = np.maximum.accumulate(rates)
    stable = rates * service < 1.0
    highest = float(rates[-1] if stable.all() else np.interp(1.0, rates * service, rates))
    if not rate < highest:
        raise OutsideModelRange(
            f"{rate:.3g} requests/s arrive at a copy that serves {highest:.3g}: no steady state",
            place="--rate",
            allowed=f"below {highest:.3g} requests/s a copy, or more copies",
        )
    decoding = float(np.interp(rate, np.append(0.0, rates), np.append(0.0, batches)))
    at = max(decoding, 1.0)
    one = operate(found, options, layout, at, input_tokens, output_tokens, load="server")
    step, each = float(one.step_s), float(one.prompt_s)
    busy = min(rate * each, 0.999)
    tpot = step / (1.0 - busy)
    held = each + step * float(input_tokens / chunk_at(found, options, at, input_tokens))
    used = min(rate * held, 0.999)
    spread = (1.0 + variation * variation) / 2.0
    queue = used / (1.0 - used) * spread * held
    alone = operate(found, options, layout, 1.0, input_tokens, output_tokens, load="static")
    base = found.terms("server").front_s + float(alone.ttft_s) + 2.0 * step
    stay = base + queue + tpot * (output_tokens - 1.0)
    full = min(rate * stay / most, 0.999)
    memory = full ** (math.sqrt(2.0 * (most + 1.0)) - 1.0) / (most * (1.0 - full)) * spread * stay
    ttft = base + queue + memory
    return OpenLoad(
        rate=rate,
        decoding=decoding,
        in_flight=rate * (ttft + tpot * (output_tokens - 1.0)),
        tpot_s=tpot,
        ttft_s=ttft,
        queue_s=queue,
        memory_s=memory,
        busy=used,
        full=full,
        highest_rate=highest,
    )
