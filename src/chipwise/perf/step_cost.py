"""What one step of an engine costs, piecewise linear: the bridge from the physics to the simulator.

A step works on ``P`` prompt tokens that see ``A`` (token, earlier token) pairs and on ``D`` decoding requests that see
``C`` cached tokens in all. Its time is

    overhead + batched(P + D) + a P + b A' + d D + e C',   primes: times `mixed_attention` where both are present.

While the batch stays the same only C changes, by D a step: the times form an arithmetic series.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chipwise.core.errors import InputError
from chipwise.core.fact import Evidence

if TYPE_CHECKING:
    from chipwise.catalogue.objects import Chip, Model

BLOCK_TOKENS = 16
"""Tokens of one block of the paged cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCost:
    """Time of a step of one replica, and the memory its cache takes.

    Parameters
    ----------
    overhead_s : float
        Host and launch time of every step, and what attention takes however little it reads.
    per_prefill_token_s : float
        Prompt work beyond `breakpoints`, s/token.
    per_prefill_token_context_s : float
        Attention of a prompt token to one earlier token, s.
    per_decode_seq_s : float
        Host time, logits and share of attention of a decoding request, s.
    per_decode_context_token_s : float
        Reading one cached token of a decoding request, s.
    breakpoints : tuple of (tokens, s)
        Work all tokens of the step share (matrix products, collectives), linear between and past the last.
    mixed_attention : float
        Factor on attention where prompts and decoding share a step.
    kv_bytes_per_token : float
        Cache of one token over all chips, byte; 0 where the cache does not grow.
    block_tokens : int
    kv_capacity_tokens : int
        Tokens whose cache fits beside the weights.
    power_w : float or None
        Board power of all chips of the replica, where known.
    """

    overhead_s: float
    per_prefill_token_s: float = 0.0
    per_prefill_token_context_s: float = 0.0
    per_decode_seq_s: float = 0.0
    per_decode_context_token_s: float = 0.0
    breakpoints: tuple[tuple[float, float], ...] = ((0.0, 0.0), (1.0, 0.0))
    mixed_attention: float = 1.0
    kv_bytes_per_token: float = 0.0
    block_tokens: int = BLOCK_TOKENS
    kv_capacity_tokens: int = 1 << 40
    power_w: float | None = None
    chip_id: str = ""
    model_id: str = ""
    chips: int = 1
    evidence: Evidence = "scenario"
    facts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        tokens = [knot[0] for knot in self.breakpoints]
        if len(tokens) < 2 or any(a >= b for a, b in itertools.pairwise(tokens)):
            raise InputError("fewer than two breakpoints, or not ascending", place="StepCost.breakpoints")

    def batched_s(self, tokens: float) -> float:
        """Shared work of a step of `tokens` tokens, s."""
        knots = self.breakpoints
        low = max([k for k in range(len(knots) - 1) if knots[k][0] <= tokens], default=0)
        (x0, y0), (x1, y1) = knots[low], knots[low + 1]
        return y0 + (tokens - x0) / (x1 - x0) * (y1 - y0)

    def step_time_s(
        self,
        *,
        prefill_tokens: float = 0.0,
        prefill_pairs: float = 0.0,
        decode_sequences: float = 0.0,
        decode_context_tokens: float = 0.0,
        draft_tokens: int = 0,
        draft_s: float = 0.0,
    ) -> float:
        """Time of one step, s; `draft_tokens` are the speculative tokens of each decoding request."""
        attention = self.per_prefill_token_context_s * prefill_pairs
        attention += self.per_decode_context_token_s * decode_context_tokens
        if prefill_tokens > 0 and decode_sequences > 0:
            attention *= self.mixed_attention
        shared = self.batched_s(prefill_tokens + decode_sequences * (1 + draft_tokens))
        own = self.per_prefill_token_s * prefill_tokens + self.per_decode_seq_s * decode_sequences
        return self.overhead_s + shared + own + attention + (draft_s if draft_tokens and decode_sequences else 0.0)


def step_cost(
    chip: str | Chip,
    model: str | Model,
    *,
    chips: int | None = None,
    engine: str = "vllm",
    weight_precision: str = "auto",
    kv_precision: str = "auto",
    memory_share: float | None = None,
    expert_parallel: int = 1,
    pipeline: int = 1,
    context_tokens: float = 1024.0,
    without: tuple[str, ...] = (),
    catalogue: Any = None,
) -> StepCost:
    """Cost of a step of one copy of `model` on `chips` chips, from the step model of `chipwise.perf.infer`.

    Parameters
    ----------
    chips : int, optional
        Chips that divide one attention among them (tensor parallel); the fewest that hold weights and cache by default.
    engine : str
        Whose host times and memory rule are taken: an engine of ``data/perf/infer/engines.csv``.
    memory_share : float, optional
        Share of the memory the engine may fill; the engine's default otherwise.
    expert_parallel : int
        Data-parallel copies that share one set of routed experts, each on its own chips. They step together, so they
        are one replica here: its batch, budget and cache are those of all copies.
    pipeline : int
        Stages, each on ``chips * expert_parallel`` chips.
    context_tokens : float
        Context about which attention is made linear.
    without : tuple of str
        Chips whose own kernel timings must not be used, to judge what is said of chips nobody timed.

    Raises
    ------
    InputError
        The weights do not fit, or `chips` is no group this chip can form.
    Undetermined
        A needed figure of the chip is not published.
    """
    from chipwise.perf.infer.linear import linear_step
    from chipwise.perf.infer.replica import replica_setup

    setup = replica_setup(
        chip,
        model,
        chips=chips,
        engine=engine,
        weight_precision=weight_precision,
        kv_precision=kv_precision,
        memory_share=memory_share,
        expert_parallel=expert_parallel,
        pipeline=pipeline,
        without=without,
        catalogue=catalogue,
    )
    return linear_step(setup, context_tokens=context_tokens, memory_share=memory_share)
