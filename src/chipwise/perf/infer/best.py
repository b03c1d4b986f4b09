"""The best copy of a model on one chip type: the layout, and the batch that memory and targets leave."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from chipwise.core.errors import Undetermined
from chipwise.perf.infer.compiled import KNOTS, Compiled, knot_works, works
from chipwise.perf.infer.load import Load, saturated
from chipwise.perf.infer.predict import chunk_of
from chipwise.perf.infer.setup import Setup
from chipwise.perf.infer.terms import engine_constant

SAME = 1.001
"""A larger group must be better by more than this to be taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One layout under load.

    Parameters
    ----------
    place : int
        Which layout of the compiled ones.
    batch : int
        Requests decoding together.
    most : float
        Requests whose caches fit, or the engine's cap.
    """

    setup: Setup
    place: int
    load: Load
    batch: int
    most: float

    @property
    def output_tokens_per_s_per_chip(self) -> float:
        """Output tokens/s of one chip."""
        return float(self.load.output_tokens_per_s) / self.setup.layout.chips


def best(
    found: Compiled, input_tokens: float, output_tokens: float, tpot_s: float | None, ttft_s: float | None
) -> Candidate | None:
    """Most output tokens/s a chip, the smaller group of equals; None where no layout fits and meets the targets.

    Targets are means.

    Raises
    ------
    Undetermined
        No layout fits, and one could not be costed for want of a published link.
    """
    every = np.arange(len(found.setups))
    fits = found.most_requests(every, input_tokens, output_tokens)
    most = np.floor(np.minimum(fits, engine_constant(found.setup.engine, "batch_cap") * found.data))
    if not most.any():
        if found.unknown:
            chip = found.setup.chip.id
            raise Undetermined(f"groups of {chip}: {found.unknown}", place=f"chips/{chip}")
        return None
    bounded = tpot_s is not None or ttft_s is not None
    load = _loads(found, input_tokens, output_tokens, "server" if bounded else "max_load")
    rate = np.where(most[:, None] >= KNOTS, load.requests_per_s, 0.0)
    if tpot_s is not None:
        rate *= load.tpot_s <= tpot_s
    if ttft_s is not None:
        rate *= load.ttft_s <= ttft_s
    knots = rate.argmax(axis=1)
    per_chip = (rate[every, knots] / found.chips).tolist()
    place, high = -1, 0.0
    for layout, value in enumerate(per_chip):
        if value > (SAME * high if place >= 0 else 0.0):
            place, high = layout, value
    if place < 0:
        return None
    knot = int(knots[place])
    return Candidate(
        setup=found.setups[place],
        place=place,
        load=_at(load, place, knot),
        batch=int(KNOTS[knot]),
        most=float(most[place]),
    )


def _loads(found: Compiled, input_tokens: float, output_tokens: float, regime: str) -> Load:
    chunk = chunk_of(found.setup, KNOTS, input_tokens)
    decode, prompt, lone = knot_works(found, input_tokens, output_tokens, chunk)
    return saturated(
        decode,
        prompt,
        lone,
        found.terms(regime),
        batch=KNOTS,
        output_tokens=output_tokens,
        layers=found.setup.work.layers,
        copies_of_attention=found.data[:, None],
    )


def _at(load: Load, layout: int, knot: int) -> Load:
    """One set-up of arrays of (layouts, batches)."""
    picked = {}
    for field in _FIELDS:
        value = np.asarray(getattr(load, field))
        if value.ndim:
            value = value[min(layout, value.shape[0] - 1)] if value.ndim == 2 else value
            value = value[min(knot, value.shape[0] - 1)]
        picked[field] = float(value)
    return Load(**picked)


_FIELDS = tuple(field.name for field in dataclasses.fields(Load))


def one_request(found: Compiled, place: int, input_tokens: float, output_tokens: float) -> Load:
    """A single request on one layout."""
    chunk: Any = chunk_of(found.setup, 1.0, input_tokens)
    return saturated(
        *works(found, place, 1.0, input_tokens, output_tokens, chunk),
        found.terms("server"),
        batch=1.0,
        output_tokens=output_tokens,
        layers=found.setup.work.layers,
        copies_of_attention=float(found.data[place]),
    )


def breakdown(found: Compiled, candidate: Candidate, context: float) -> dict[str, float]:
    """Seconds of one output token by cause."""
    place, load = candidate.place, candidate.load
    terms = found.full_terms("max_load")
    cell, into = found.shared.cell(candidate.batch * (1.0 + found.draft))
    width = found.shared.nodes[cell + 1] - found.shared.nodes[cell]

    def at(name: str) -> float:
        low, high = found.parts[name][place, cell], found.parts[name][place, cell + 1]
        return float(low + (high - low) * into / width)

    own = {
        "matrices_s": terms.gemm * at("gemm"),
        "experts_s": terms.experts * (at("experts") + terms.skew * at("skew")),
        "attention_s": float(found.decode_attention(place, float(candidate.batch), context)),
        "norms_s": terms.stream * at("stream"),
        "collective_s": terms.collective * (at("collective") + terms.volume * at("volume")),
    }
    own["engine_s"] = float(load.step_s) - sum(own.values())
    own["prefill_s"] = float(load.tpot_s - load.step_s)
    return {name: value for name, value in own.items() if value > 0.0}
