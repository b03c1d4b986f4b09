"""The step model made piecewise linear: exact in tokens at its knots, a plane in (requests, cached tokens)."""

from __future__ import annotations

from typing import Any

from chipwise.perf.flop import mean_visible_keys
from chipwise.perf.infer.capacity import cache_tokens
from chipwise.perf.infer.load import work_s
from chipwise.perf.infer.predict import names_of
from chipwise.perf.infer.setup import Setup, facts_of
from chipwise.perf.infer.step import Parts, decode_core, prefill_core, token_parts
from chipwise.perf.infer.terms import Terms, engine_constant, terms_of
from chipwise.perf.machine import KV_BYTES
from chipwise.perf.operators import EVIDENCE
from chipwise.perf.operators.objects import OWN
from chipwise.perf.step_cost import StepCost
from chipwise.perf.tables import read_rows

KNOTS = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096, 8192, 16384)
"""Tokens of a step at which the shared work is computed; linear between."""

SPAN = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Contexts about the one asked for over which attention is made linear."""

LOGITS = 256.0
"""Requests over which the output head is made linear."""

CHUNK = 2048.0
"""Of copies that step together one usually reads a prompt of so many tokens while the others wait."""


def linear_step(setup: Setup, *, context_tokens: float = 1024.0, memory_share: float | None = None) -> StepCost:
    """Coefficients of one copy's step.

    Parameters
    ----------
    context_tokens : float
        Context about which attention is made linear, within a factor of four either way.
    memory_share : float, optional
        Share of the memory the engine may fill; the engine's default otherwise.

    Notes
    -----
    Attention of D requests that hold C cached tokens is ``a0 + a1 D + e C``, fitted to the operator tables by least
    squares of the error as a share of the whole step. Prompt work beyond its tables (`Terms.prompt`) is put on each
    prompt token at the slope that large steps have.
    """
    terms = terms_of(names_of(setup, "closed"))
    layout, model, chip = setup.layout, setup.model, setup.chip
    shared = _shared(setup, terms)
    start, each, cached = _decode_plane(setup, terms, shared, context_tokens)
    head = _work(token_parts(setup, 1.0, LOGITS), terms) - _work(token_parts(setup, 1.0, 1.0), terms)
    slope = (shared[-1][1] - shared[-2][1]) / (shared[-1][0] - shared[-2][0])
    return StepCost(
        overhead_s=terms.step_s + setup.work.layers * terms.layer_s + start,
        per_prefill_token_s=(terms.prompt - 1.0) * slope,
        per_prefill_token_context_s=terms.prompt * _pair_s(setup, terms, context_tokens),
        per_decode_seq_s=terms.sequence_s / layout.data + head / (LOGITS - 1.0) + each,
        per_decode_context_token_s=cached,
        breakpoints=((0.0, shared[0][1]), *shared),
        mixed_attention=_mixed(setup),
        kv_bytes_per_token=_token_cache_bytes(setup),
        block_tokens=int(engine_constant(setup.engine, "block_tokens")),
        kv_capacity_tokens=_capacity(setup, context_tokens, memory_share),
        power_w=chip.tdp_w * layout.chips if chip.tdp_w else None,
        chip_id=chip.id,
        model_id=model.id,
        chips=layout.chips,
        evidence=EVIDENCE[setup.evidence],
        facts=facts_of(setup),
    )


def _work(parts: Parts, terms: Terms) -> Any:
    return work_s(parts, terms)


def _shared(setup: Setup, terms: Terms) -> tuple[tuple[float, float], ...]:
    """Work all tokens of a step share, at every knot; the logits of one request are in it."""
    import numpy as np

    tokens = np.array(KNOTS, dtype=float)
    parts = token_parts(setup, tokens, 1.0)
    copies = setup.layout.data
    if copies > 1:
        busiest = np.minimum(tokens, np.maximum(CHUNK, tokens / copies)) * copies
        own = token_parts(setup, busiest, 1.0)
        parts = Parts(
            gemm=own.gemm,
            attention=0.0,
            experts=parts.experts,
            skew=parts.skew,
            stream=own.stream,
            collective=parts.collective,
            volume=parts.volume,
        )
    times = np.maximum.accumulate(_work(parts, terms))
    return tuple(zip(tokens.tolist(), times.tolist(), strict=True))


def _decode_plane(
    setup: Setup, terms: Terms, shared: tuple[tuple[float, float], ...], context: float
) -> tuple[float, float, float]:
    """Attention as ``a0 + a1 D + e C``, none of them negative."""
    import numpy as np

    most = engine_constant(setup.engine, "batch_cap") * setup.layout.data
    batches = np.array([tokens for tokens, _ in shared if tokens <= max(most, 2.0)])
    contexts = context * np.array(SPAN)
    requests, seen = (grid.ravel() for grid in np.meshgrid(batches, contexts, indexing="ij"))
    times = _work(decode_core(setup, requests, seen), terms)
    whole = times + np.interp(requests, *np.array(shared).T) + terms.step_s + setup.work.layers * terms.layer_s
    columns = np.stack((np.ones_like(requests), requests, requests * seen), axis=1)
    kept = [0, 1, 2]
    while True:
        found = np.zeros(3)
        found[kept] = np.linalg.lstsq(columns[:, kept] / whole[:, None], times / whole, rcond=None)[0]
        if (found >= 0.0).all():
            return float(found[0]), float(found[1]), float(found[2])
        kept.remove(int(np.argmin(found)))


def _pair_s(setup: Setup, terms: Terms, context: float) -> float:
    """Attention of one prompt token to one earlier token, s."""
    pairs = context * mean_visible_keys(context, None)
    core = float(_work(prefill_core(setup, context), terms))
    return core / (pairs * setup.layout.data * setup.layout.pipeline)


def _token_cache_bytes(setup: Setup) -> float:
    """Cache one token takes over all chips of its request, byte; latent caches are counted once."""
    model, copies = setup.model, 1.0
    if not model.attention.startswith("mla") and model.kv_heads:
        copies = max(1.0, setup.layout.tensor / model.kv_heads)
    return KV_BYTES[setup.kv_precision] * copies * (model.kv_elems_per_token + model.index_elems_per_token)


def _capacity(setup: Setup, context: float, memory_share: float | None) -> int:
    held = cache_tokens(setup, context, memory_share)
    return int(held) if held < float(1 << 40) else 1 << 40


def _mixed(setup: Setup) -> float:
    """Factor on attention in steps of prompts and decodes, as an engine's own layers show it on this chip."""
    if setup.evidence != OWN:
        return 1.0
    rows = [row for row in read_rows("step_rates.csv") if row["chip"] == setup.chip.id]
    return float(next((row["value"] for row in rows if row["rate"] == "mixed_attention"), 1.0))
