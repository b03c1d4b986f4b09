"""Layouts of one model on one chip, evaluated once on grids: any batches and lengths then cost an interpolation.

A step's work is three tables for each layout: what all tokens share, over tokens; the attention of decoding requests,
over requests and context; the attention of one prompt, over its length. Between nodes they are read linearly.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chipwise.catalogue.frozen import FrozenMapping
from chipwise.core.errors import InputError, Undetermined
from chipwise.perf.infer.capacity import cache_room_per_chip
from chipwise.perf.infer.load import work_s
from chipwise.perf.infer.predict import names_of
from chipwise.perf.infer.setup import Layout, Setup, build_setup, cache_bytes_per_chip, weight_bytes_per_chip
from chipwise.perf.infer.step import PART_NAMES, Parts, decode_core, prefill_core, token_parts
from chipwise.perf.infer.terms import Terms, engine_constant, terms_of

if TYPE_CHECKING:
    from chipwise.catalogue.objects import Chip, Model

Floats = NDArray[np.float64]

STEPS = 8
"""Nodes per doubling of tokens."""

COARSE = 4
"""Nodes per doubling of requests and of context."""

KNOTS: Floats = np.array(
    (1.0, 2.0, 4.0, *(8.0 * k for k in range(1, 33)), *(float(round(256 * 1.19**k)) for k in range(1, 25)))
)
"""Batches considered: those an engine captures as graphs, then about a fifth apart. The same for every chip, so that
more memory or a looser target only ever adds choices."""

FEW = 40
"""Layouts of tables that are kept for the next question; those of a wide search are megabytes."""

TOKENS: Floats = np.exp2(np.arange(20 * STEPS + 1) / STEPS)
REQUESTS: Floats = np.exp2(np.arange(16 * COARSE + 1) / COARSE)
CONTEXTS: Floats = np.exp2(np.arange(21 * COARSE + 1) / COARSE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Values of every layout over one axis.

    Parameters
    ----------
    values, slopes : (layouts, nodes) float64
        At each node, and how they change per unit up to the next.
    """

    nodes: Floats
    steps: int
    values: Floats
    slopes: Floats

    def cell(self, at: Any) -> tuple[Any, Any]:
        """Cell of each coordinate, and how far into it."""
        place = np.minimum((np.log2(at) * self.steps).astype(np.int64), self.nodes.size - 2)
        return place, at - self.nodes[place]

    def read(self, layout: Any, cell: tuple[Any, Any]) -> Any:
        """Value of a layout, or of layouts, at cells."""
        place, into = cell
        return self.values[layout, place] + into * self.slopes[layout, place]


def table(nodes: Floats, steps: int, values: Any) -> Table:
    """A table from its values at the nodes, made to rise."""
    rising = np.maximum.accumulate(np.asarray(values, dtype=float), axis=-1)
    slopes = np.diff(rising, axis=-1) / np.diff(nodes)
    return Table(nodes=nodes, steps=steps, values=rising, slopes=np.concatenate((slopes, slopes[..., -1:]), axis=-1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compiled:
    """Layouts of one model on one chip under one engine and precision, ready for arrays of set-ups.

    Parameters
    ----------
    shared : Table
        Work of a step by its tokens, the logits of one request included, s.
    head : Table
        What the logits of further requests add, s.
    attention : (layouts, requests, contexts) float64
        Attention of decoding requests, s.
    prompt : Table
        Attention of one prompt by its length, s.
    parts : mapping of str to (layouts, nodes) float64
        `shared` by kind of operator, for breakdowns.
    knots_alone : (layouts, batches) float64
        Work of a decode step but its attention at `KNOTS`, s.
    knots_attention : (layouts, batches, contexts) float64
        Attention at `KNOTS`, s.
    room, token_bytes, window_bytes, state_bytes : (layouts,) float64
        Memory for caches on a chip, and what a request takes of it: per token, per token of the window, fixed.
    data, pipeline, context, chips : (layouts,) float64
    draft : int
        Speculative tokens that each decoding request checks in a step.
    unknown : str
        Why a layout is not among them; empty where all are.
    """

    setups: tuple[Setup, ...]
    shared: Table
    head: Table
    attention: Floats
    prompt: Table
    parts: dict[str, Floats]
    knots_alone: Floats
    knots_attention: Floats
    room: Floats
    token_bytes: Floats
    window_bytes: Floats
    window: float
    state_bytes: Floats
    data: Floats
    pipeline: Floats
    context: Floats
    chips: Floats
    weights: Floats
    draft: int
    unknown: str

    @property
    def setup(self) -> Setup:
        """Any one of the layouts: chip, model, engine and formats are the same in all."""
        return self.setups[0]

    def terms(self, regime: str) -> Terms:
        """Terms of a regime, with the operator work already collapsed."""
        return _collapsed(self.setup, regime)

    def full_terms(self, regime: str) -> Terms:
        """Terms of a regime, for parts that are not collapsed."""
        return _full(self.setup, regime)

    def cache_bytes(self, layout: Any, context: Any) -> Any:
        """Cache of one request on a chip that holds it, byte."""
        held = self.token_bytes[layout] * context + self.state_bytes[layout]
        if self.window:
            held = held + self.window_bytes[layout] * np.minimum(context, self.window)
        return held

    def most_requests(self, layout: Any, input_tokens: Any, output_tokens: Any) -> Any:
        """Requests of one copy that run together; 0 where not one fits at its full length."""
        room = self.room[layout]
        kept = input_tokens + output_tokens * engine_constant(self.setup.engine, "reserved_output")
        each = self.cache_bytes(layout, kept)
        fits = (room > 0.0) & (room >= self.cache_bytes(layout, input_tokens + output_tokens))
        with np.errstate(divide="ignore", invalid="ignore"):
            most = np.where(each > 0.0, np.maximum(1.0, room / each) * self.data[layout], 1e6)
        return np.where(fits, most, 0.0)

    def decode_attention(self, layout: Any, requests: Any, context: Any) -> Any:
        """Attention of decoding requests at a mean context, s."""
        i = np.minimum((np.log2(requests) * COARSE).astype(np.int64), REQUESTS.size - 2)
        j = np.minimum((np.log2(context) * COARSE).astype(np.int64), CONTEXTS.size - 2)
        x = (requests - REQUESTS[i]) / (REQUESTS[i + 1] - REQUESTS[i])
        y = (context - CONTEXTS[j]) / (CONTEXTS[j + 1] - CONTEXTS[j])
        low = self.attention[layout, i, j] * (1.0 - y) + self.attention[layout, i, j + 1] * y
        high = self.attention[layout, i + 1, j] * (1.0 - y) + self.attention[layout, i + 1, j + 1] * y
        return low + x * (high - low)


@functools.lru_cache(maxsize=256)
def _full(setup: Setup, regime: str) -> Terms:
    return terms_of(names_of(setup, regime))


@functools.lru_cache(maxsize=256)
def _collapsed(setup: Setup, regime: str) -> Terms:
    terms = _full(setup, regime)
    return dataclasses.replace(terms, gemm=1.0, attention=1.0, experts=1.0, stream=1.0, collective=1.0)


def compiled(
    chip: Chip,
    model: Model,
    layouts: tuple[Layout, ...],
    *,
    precision: str,
    kv_precision: str,
    engine: str,
    catalogue: Any,
    draft: int = 0,
) -> Compiled:
    """Evaluate every layout whose links are known on the grids.

    Parameters
    ----------
    precision, kv_precision : str
        As `chipwise.perf.machine.weight_precision_of` and `kv_precision_of` return them.
    draft : int
        Speculative tokens checked in each decode step.

    Raises
    ------
    Undetermined
        Not one layout can be costed.
    OutsideModelRange
        The chip works from on-chip memory.
    """
    if not isinstance(chip.rates, FrozenMapping):
        chip = dataclasses.replace(chip, rates=FrozenMapping(chip.rates))
    build = _kept if len(layouts) <= FEW else _compiled
    return build(chip, model, layouts, precision, kv_precision, engine, catalogue, draft)


def _compiled(
    chip: Chip,
    model: Model,
    layouts: tuple[Layout, ...],
    precision: str,
    kv_precision: str,
    engine: str,
    catalogue: Any,
    draft: int,
) -> Compiled:
    raw: list[_Raw] = []
    failed: Undetermined | InputError | None = None
    for layout in layouts:
        try:
            raw.append(_raw(chip, model, layout, precision, kv_precision, catalogue, draft))
        except (InputError, Undetermined) as error:
            failed = failed or error
    if not raw:
        raise failed or InputError("no layout given", place="layouts")
    setups = tuple(dataclasses.replace(each.setup, engine=engine) for each in raw)
    terms = terms_of(names_of(setups[0], "max_load"))

    def work(name: str) -> Floats:
        return np.stack([_filled(work_s(getattr(each, name), terms), name) for each in raw])

    head = work("head")
    shared, more = table(TOKENS, STEPS, work("shared")), table(TOKENS, STEPS, head - head[:, :1])
    tokens = KNOTS * (1.0 + draft)
    every = slice(None)
    window = float(model.sliding_window or 0) if model.kv_elems_per_token_window else 0.0
    held = np.array([[float(cache_bytes_per_chip(s, c)) for c in (0.0, 1.0, _FAR, 2.0 * _FAR)] for s in setups])
    token = (held[:, 3] - held[:, 2]) / _FAR
    return Compiled(
        setups=setups,
        shared=shared,
        head=more,
        attention=work("attention"),
        prompt=table(TOKENS, STEPS, work("prompt")),
        parts={name: np.stack([np.zeros_like(TOKENS) + getattr(e.shared, name) for e in raw]) for name in PART_NAMES},
        knots_alone=shared.read(every, shared.cell(tokens)) + more.read(every, more.cell(tokens)),
        knots_attention=work("knots"),
        room=np.array([cache_room_per_chip(s) for s in setups]),
        token_bytes=token,
        window_bytes=held[:, 1] - held[:, 0] - token if window else np.zeros(len(setups)),
        window=window,
        state_bytes=held[:, 0],
        data=np.array([float(s.layout.data) for s in setups]),
        pipeline=np.array([float(s.layout.pipeline) for s in setups]),
        context=np.array([float(s.layout.context) for s in setups]),
        chips=np.array([float(s.layout.chips) for s in setups]),
        weights=np.array([weight_bytes_per_chip(s) for s in setups]),
        draft=draft,
        unknown="" if failed is None else failed.message,
    )


_kept = functools.lru_cache(maxsize=256)(_compiled)
_FAR = 2.0**30
_SHAPES = {
    "attention": (REQUESTS.size, CONTEXTS.size),
    "knots": (KNOTS.size, CONTEXTS.size),
}


def _filled(work: Any, name: str) -> Floats:
    return np.asarray(np.zeros(_SHAPES.get(name, TOKENS.shape)) + work)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Raw:
    """Parts of one layout on the grids: the same under every engine."""

    setup: Setup
    shared: Parts
    head: Parts
    attention: Parts
    knots: Parts
    prompt: Parts


@functools.lru_cache(maxsize=512)
def _raw(
    chip: Chip, model: Model, layout: Layout, precision: str, kv_precision: str, catalogue: Any, draft: int
) -> _Raw:
    setup = build_setup(
        chip, model, layout, precision=precision, kv_precision=kv_precision, engine="vllm", catalogue=catalogue
    )
    queries, contexts = 1.0 + draft, CONTEXTS[None, :]
    return _Raw(
        setup=setup,
        shared=token_parts(setup, TOKENS, 1.0),
        head=token_parts(setup, 1.0, TOKENS),
        attention=decode_core(setup, REQUESTS[:, None], contexts, queries),
        knots=decode_core(setup, KNOTS[:, None], contexts, queries),
        prompt=prefill_core(setup, TOKENS),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stream:
    """Weights that live on the host: their share, and what reading them takes in one pass, (layouts,) s."""

    share: float
    seconds: Floats


def _passed(work: Any, stream: Stream | None, layout: Any, passes: Any = 1.0) -> Any:
    """Shared work of passes whose host part takes as long as its reading, where that is longer."""
    if stream is None:
        return work
    return (1.0 - stream.share) * work + np.maximum(stream.share * work, passes * stream.seconds[layout])


def works(
    found: Compiled,
    layout: Any,
    requests: Any,
    input_tokens: Any,
    output_tokens: Any,
    chunk: Any,
    stream: Stream | None = None,
) -> tuple[Parts, Parts, Parts]:
    """Work of a decode step, of one prompt beside it, and of one prompt alone: arrays of set-ups.

    Parameters
    ----------
    layout : int or integer array
        Which layout of `found`.
    requests, input_tokens, output_tokens, chunk : float or array
        Broadcast against each other and `layout`.
    stream : Stream, optional
        Weights read from the host.
    """
    tokens = requests * (1.0 + found.draft)
    alone = found.shared.read(layout, found.shared.cell(tokens)) + found.head.read(layout, found.head.cell(tokens))
    alone = _passed(alone, stream, layout)
    attention = found.decode_attention(layout, requests, input_tokens + output_tokens / 2.0)
    each, lone = _prompts(found, layout, tokens, alone, input_tokens, chunk, stream)
    return Parts(gemm=alone + attention), Parts(gemm=each), Parts(gemm=lone)


def _prompts(
    found: Compiled, layout: Any, tokens: Any, alone: Any, input_tokens: Any, chunk: Any, stream: Stream | None
) -> tuple[Any, Any]:
    """What one prompt adds to steps that decode `tokens`, which cost `alone` without it; and one prompt alone, s."""
    pipeline, data, context = found.pipeline[layout], found.data[layout], found.context[layout]
    read = chunk * pipeline  # every stage has a chunk of its own in hand
    together = found.shared.read(layout, found.shared.cell(read / context + tokens))
    together = together + found.head.read(layout, found.head.cell(tokens + read / input_tokens))
    core = found.prompt.read(layout, found.prompt.cell(input_tokens))
    each = (_passed(together, stream, layout) - alone) * (input_tokens / read) + core / (data * pipeline)
    share = np.maximum(input_tokens * pipeline / context, 1.0)
    lone = _passed(found.shared.read(layout, found.shared.cell(share)), stream, layout, np.ceil(input_tokens / chunk))
    return each, lone + core


def knot_works(
    found: Compiled, input_tokens: float, output_tokens: float, chunk: Any, stream: Stream | None = None
) -> tuple[Parts, Parts, Parts]:
    """`works` of every layout at every batch of `KNOTS`, (layouts, batches), for one length of request."""
    context = input_tokens + output_tokens / 2.0
    cell = min(int(math.log2(context) * COARSE), CONTEXTS.size - 2)
    share = (context - CONTEXTS[cell]) / (CONTEXTS[cell + 1] - CONTEXTS[cell])
    near, far = found.knots_attention[:, :, cell], found.knots_attention[:, :, cell + 1]
    every = np.arange(len(found.setups))[:, None]
    alone = _passed(found.knots_alone, stream, every)
    each, lone = _prompts(found, every, KNOTS * (1.0 + found.draft), alone, input_tokens, chunk, stream)
    decode = alone + (1.0 - share) * near + share * far
    return Parts(gemm=decode), Parts(gemm=each), Parts(gemm=lone)
