"""Copies under load, in closed form; numbers or arrays. Little's law holds in every answer.

``requests in flight = rate * (TTFT + TPOT * (output - 1))`` with TPOT the mean gap after the first token. The other
definition in use, latency over output tokens, is `Load.tpot_with_first_s`.

References
----------
Mean-value analysis of a closed network: Reiser and Lavenberg 1980; Schweitzer's approximation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from chipwise.perf.infer.step import Parts
from chipwise.perf.infer.terms import Terms

Number = Any

LOCKED = 4.0
"""Requests of equal length that keep starting together; more of them drift apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One copy in steady state.

    Parameters
    ----------
    in_flight : float or array
        Requests started and not finished, and those waiting for memory.
    tpot_s, ttft_s : float or array
        Mean gap between tokens after the first, and mean time to the first, s.
    requests_per_s : float or array
    step_s, prompt_s : float or array
        A decode step alone, and the prompt work of one request, s.
    """

    in_flight: Number
    tpot_s: Number
    ttft_s: Number
    requests_per_s: Number
    output_tokens: Number
    step_s: Number
    prompt_s: Number

    @property
    def output_tokens_per_s(self) -> Number:
        """Of the whole copy."""
        return self.requests_per_s * self.output_tokens

    @property
    def tpot_with_first_s(self) -> Number:
        """Latency over output tokens: the definition that counts the first token."""
        return (self.ttft_s + self.tpot_s * (self.output_tokens - 1.0)) / self.output_tokens


def work_s(parts: Parts, terms: Terms) -> Number:
    """Operator time of a step."""
    return (
        terms.gemm * parts.gemm
        + terms.attention * parts.attention
        + terms.experts * (parts.experts + terms.skew * parts.skew)
        + terms.stream * parts.stream
        + terms.collective * (parts.collective + terms.volume * parts.volume)
    )


def waiting(terms: Terms, copies_of_attention: Number) -> Number:
    """Factor on the prompts of attention copies that go in step: the others wait while one reads."""
    return 1.0 + terms.copies * (1.0 - 1.0 / copies_of_attention)


def step_s(parts: Parts, terms: Terms, layers: Number, sequences: Number) -> Number:
    """One decode step with the engine's own time."""
    return work_s(parts, terms) + terms.step_s + layers * terms.layer_s + sequences * terms.sequence_s


def lone_prompt_s(parts: Parts, terms: Terms, layers: Number) -> Number:
    """Reading one prompt with nothing beside it."""
    return terms.prompt * work_s(parts, terms) + terms.step_s + layers * terms.layer_s


def closed_loop(
    decode: Parts,
    prompt: Parts,
    lone: Parts,
    terms: Terms,
    *,
    wanted: Number,
    most: Number,
    output_tokens: Number,
    layers: Number,
    copies_of_attention: Number = 1.0,
    equal: Number = 0.0,
) -> Load:
    """`wanted` requests of one copy always in flight; those beyond `most` wait for memory.

    Notes
    -----
    TPOT = step + share * batch / output * prompt: whoever finishes is replaced by one whose prompt others wait for.
    TTFT = front end + R + a share of a wave of prompts + two steps, where R solves a closed network of one prefill
    server of service P and think time Z = output * TPOT: ``R^2 + R (Z - P - w P (N - 1)) - P Z = 0``.
    `equal` is 1 where all requests have one length: those that start together then end together, and wait again.
    """
    batch = _least(wanted, most)
    apart = waiting(terms, copies_of_attention)
    step = step_s(decode, terms, layers, batch / copies_of_attention)
    each = terms.prompt * work_s(prompt, terms) * apart
    tpot = step + terms.prompt_share * batch / output_tokens * each
    service = lone_prompt_s(lone, terms, layers)
    think = output_tokens * tpot
    middle = think - service - terms.queue * each * (batch - 1.0)
    reading = 0.5 * (_root(middle * middle + 4.0 * service * think) - middle)
    together = equal * terms.lock * (1.0 - _decay((batch - 1.0) / LOCKED)) * service
    ttft = terms.front_s + reading + terms.wave * (batch - 1.0) * each + together + 2.0 * step
    inside = ttft + tpot * (output_tokens - 1.0)
    ttft = ttft + inside * (wanted - batch) / batch
    rate = wanted / (ttft + tpot * (output_tokens - 1.0))
    return Load(
        in_flight=wanted,
        tpot_s=tpot,
        ttft_s=ttft,
        requests_per_s=rate * terms.regime,
        output_tokens=output_tokens,
        step_s=step,
        prompt_s=each,
    )


def saturated(
    decode: Parts,
    prompt: Parts,
    lone: Parts,
    terms: Terms,
    *,
    batch: Number,
    output_tokens: Number,
    layers: Number,
    copies_of_attention: Number = 1.0,
) -> Load:
    """`batch` requests decoding, and always another one waiting: the engine's throughput.

    Notes
    -----
    The prompt of each request is work that no step can avoid: a request costs ``(output * step + batch * prompt) /
    batch`` of the engine's time. `Terms.regime` is what ramps, tails and arrivals leave of it.
    """
    apart = waiting(terms, copies_of_attention)
    step = step_s(decode, terms, layers, batch / copies_of_attention)
    each = terms.prompt * work_s(prompt, terms) * apart
    tpot = step + batch / output_tokens * each
    rate = terms.regime * batch / (tpot * output_tokens)
    service = lone_prompt_s(lone, terms, layers)
    busy = _least(batch / output_tokens * each / tpot, 0.95)
    ttft = terms.front_s + service * (1.0 + terms.queue * busy / (1.0 - busy)) + 2.0 * step
    return Load(
        in_flight=rate * (ttft + tpot * (output_tokens - 1.0)),
        tpot_s=tpot,
        ttft_s=ttft,
        requests_per_s=rate,
        output_tokens=output_tokens,
        step_s=step,
        prompt_s=each,
    )


def static_batch(
    decode: Parts,
    prompt: Parts,
    lone: Parts,
    terms: Terms,
    *,
    batch: Number,
    output_tokens: Number,
    layers: Number,
) -> Load:
    """One batch from prompt to end, nothing joining."""
    step = step_s(decode, terms, layers, batch)
    each = terms.prompt * work_s(prompt, terms)
    ttft = each * (batch - 1.0) + lone_prompt_s(lone, terms, layers)
    latency = ttft + step * (output_tokens - 1.0)
    return Load(
        in_flight=batch,
        tpot_s=step,
        ttft_s=ttft,
        requests_per_s=batch / latency,
        output_tokens=output_tokens,
        step_s=step,
        prompt_s=each,
    )


def _least(first: Number, second: Number) -> Number:
    if isinstance(first, (int, float)) and isinstance(second, (int, float)):
        return min(first, second)
    import numpy as np

    return np.minimum(first, second)


def _decay(value: Number) -> Number:
    if isinstance(value, (int, float)):
        return math.exp(-value)
    import numpy as np

    return np.exp(-value)


def _root(value: Number) -> Number:
    return value**0.5
