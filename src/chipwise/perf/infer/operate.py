"""Set-ups under a load: compiled work, what options change of it, and the closed forms of a load."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from chipwise.perf.infer.capacity import cache_room_per_chip
from chipwise.perf.infer.compiled import KNOTS, Compiled, Stream, knot_works, works
from chipwise.perf.infer.load import Load, closed_loop, saturated, static_batch
from chipwise.perf.infer.options import Options, host_bytes_per_s
from chipwise.perf.infer.predict import WAVE_SHARE
from chipwise.perf.infer.step import Parts
from chipwise.perf.infer.terms import Terms

LOADS = ("closed", "max_load", "static", "backlog", "mlperf_offline", "server")
"""Loads of a copy at a stated number of requests."""


def prepared(found: Compiled, options: Options) -> Compiled:
    """The tables with the memory that options leave; `found` must be compiled for as many drafts.

    Raises
    ------
    Undetermined
        Something lives on the host and the chip's PCIe link is not published.
    """
    if options.memory_share is None and not options.weights_on_host and not options.cache_on_host:
        return found
    room = np.array([cache_room_per_chip(setup, options.memory_share) for setup in found.setups])
    stay = 1.0 - options.cache_on_host
    return dataclasses.replace(
        found,
        room=room + options.weights_on_host * found.weights,
        token_bytes=stay * found.token_bytes,
        window_bytes=stay * found.window_bytes,
        state_bytes=stay * found.state_bytes,
    )


def stream_of(found: Compiled, options: Options) -> Stream | None:
    """Weights read from the host in every pass; None where all are on the chip."""
    if not options.weights_on_host:
        return None
    seconds = options.weights_on_host * found.weights / host_bytes_per_s(found.setup.chip)
    return Stream(share=options.weights_on_host, seconds=seconds)


def most_running(found: Compiled, options: Options, layout: Any, input_tokens: Any, output_tokens: Any) -> Any:
    """Requests of one copy that run together: memory and the engine's limit; 0 where not one fits."""
    fits = found.most_requests(layout, input_tokens, output_tokens)
    return np.floor(np.minimum(fits, options.cap(found.setup.engine) * found.data[layout]))


def chunk_at(found: Compiled, options: Options, requests: Any, input_tokens: Any) -> Any:
    """Prompt tokens of one step: at most the chunk, at least the prompts that arrive together."""
    together = np.maximum(input_tokens, WAVE_SHARE * requests * input_tokens)
    return np.minimum(options.chunk(found.setup.engine), together)


def operate(
    found: Compiled,
    options: Options,
    layout: Any,
    requests: Any,
    input_tokens: Any,
    output_tokens: Any,
    *,
    load: str = "closed",
    wanted: Any = None,
) -> Load:
    """Set-ups under a load; every argument may be an array, broadcast against the others.

    Parameters
    ----------
    found : Compiled
        As `prepared` returns it.
    layout : int or integer array
    requests : float or array
        Running together in one copy.
    load : {"closed", "max_load", "static", "backlog", "mlperf_offline", "server"}
    wanted : float or array, optional
        Requests in flight where more are than run: the others wait for memory. For ``closed`` only.
    """
    chunk = chunk_at(found, options, requests, input_tokens)
    work = works(found, layout, requests, input_tokens, output_tokens, chunk, stream_of(found, options))
    return _loaded(found, options, layout, requests, input_tokens, output_tokens, work, load, wanted)


def operate_knots(
    found: Compiled, options: Options, input_tokens: float, output_tokens: float, *, load: str = "closed"
) -> Load:
    """`operate` of every layout at every batch of `KNOTS`: arrays of (layouts, batches)."""
    chunk = chunk_at(found, options, KNOTS, input_tokens)
    every = np.arange(len(found.setups))[:, None]
    work = knot_works(found, input_tokens, output_tokens, chunk, stream_of(found, options))
    return _loaded(found, options, every, KNOTS, input_tokens, output_tokens, work, load, None)


def _loaded(
    found: Compiled,
    options: Options,
    layout: Any,
    requests: Any,
    input_tokens: Any,
    output_tokens: Any,
    work: tuple[Parts, Parts, Parts],
    load: str,
    wanted: Any,
) -> Load:
    layers, data = found.setup.work.layers, found.data[layout]
    terms = hosted(found.terms(load), options)
    decode, prompt, lone = work
    if options.cache_on_host:
        decode = Parts(gemm=decode.gemm + _read_s(found, options, layout, requests, input_tokens, output_tokens))
    if options.draft_tokens:
        decode, lone, terms = drafted(found, options, layout, requests, decode, lone, terms)
    shared: dict[str, Any] = {"output_tokens": output_tokens, "layers": layers}
    if load == "static":
        return static_batch(decode, prompt, lone, terms, batch=requests, **shared)
    shared["copies_of_attention"] = data
    if load == "closed":
        wanted = requests if wanted is None else wanted
        return closed_loop(decode, prompt, lone, terms, wanted=wanted, most=requests, **shared)
    return saturated(decode, prompt, lone, terms, batch=requests, **shared)


def hosted(terms: Terms, options: Options) -> Terms:
    """Terms with the host times of another version."""
    factor = options.host_factor
    if factor == 1.0:
        return terms
    return dataclasses.replace(
        terms,
        step_s=factor * terms.step_s,
        layer_s=factor * terms.layer_s,
        sequence_s=factor * terms.sequence_s,
        front_s=factor * terms.front_s,
    )


def _read_s(
    found: Compiled, options: Options, layout: Any, requests: Any, input_tokens: Any, output_tokens: Any
) -> Any:
    """Time one step reads caches from the host, s."""
    stay = 1.0 - options.cache_on_host
    held = found.cache_bytes(layout, input_tokens + output_tokens / 2.0) * options.cache_on_host / stay
    own = np.maximum(requests / (found.data[layout] * found.pipeline[layout]), 1.0)
    return own * held / host_bytes_per_s(found.setup.chip)


def drafted(
    found: Compiled, options: Options, layout: Any, requests: Any, decode: Parts, lone: Parts, terms: Terms
) -> tuple[Parts, Parts, Terms]:
    """A step with drafts, per token it yields: work and engine times divided by the tokens of a step."""
    layers, drafts, yielded = found.setup.work.layers, options.draft_tokens, options.tokens_per_step
    if options.draft_cost is None:
        shared = found.shared.read(layout, found.shared.cell(requests))
        head = found.head.read(layout, found.head.cell(requests))
        each = shared / layers + head + terms.layer_s
    else:
        each = options.draft_cost * decode.gemm
    own = terms.step_s + layers * terms.layer_s
    return (
        Parts(gemm=(decode.gemm + drafts * each) / yielded),
        Parts(gemm=lone.gemm + own * (1.0 - 1.0 / yielded) / terms.prompt),
        dataclasses.replace(
            terms,
            step_s=terms.step_s / yielded,
            layer_s=terms.layer_s / yielded,
            sequence_s=terms.sequence_s / yielded,
        ),
    )
