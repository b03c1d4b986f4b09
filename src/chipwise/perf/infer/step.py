"""Time of the operators of one step by kind, on one chip of a copy; numbers or arrays.

Attention and dense products see the tokens of one attention copy, experts the tokens of the whole stage. With several
pipeline stages the batch is cut into as many parts, which fill the stages one after another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chipwise.perf.collectives import collective
from chipwise.perf.infer.setup import DENSE_OF, Setup
from chipwise.perf.infer.shapes import Product
from chipwise.perf.operators import (
    OperatorTime,
    activation,
    attention_decode,
    attention_prefill,
    gemm,
    mla_decode,
    mla_prefill,
    moe,
    norm,
)
from chipwise.perf.operators.evaluate import largest, least

Number = Any

GROUPED = 1.4
"""Time of a grouped product over one dense product of the same size (CUTLASS grouped GEMM, uneven groups)."""

BUBBLE = 0.15
"""Time a pipeline stage waits per further stage, as a share of its work: stages are never quite equal (TensorRT-LLM
tables at 2, 4 and 8 stages)."""

MLA_SCORE = 576.0
"""Score width of the latent tables; other widths scale by their cached elements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Seconds of a step by kind of operator, before what an engine adds.

    `skew` is what uneven routing adds to the fullest chip, `volume` what a collective takes beyond its latency.
    """

    gemm: Number = 0.0
    attention: Number = 0.0
    experts: Number = 0.0
    skew: Number = 0.0
    stream: Number = 0.0
    collective: Number = 0.0
    volume: Number = 0.0

    def plus(self, other: Parts, factor: Number = 1.0) -> Parts:
        """Sum, `other` times a factor."""
        return Parts(**{name: getattr(self, name) + factor * getattr(other, name) for name in PART_NAMES})

    def times(self, factor: Number) -> Parts:
        """Every part times a factor."""
        return Parts(**{name: getattr(self, name) * factor for name in PART_NAMES})


PART_NAMES = ("gemm", "attention", "experts", "skew", "stream", "collective", "volume")


def token_parts(setup: Setup, tokens: Number, sequences: Number) -> Parts:
    """All but the attention core, for `tokens` of the stage of which `sequences` need logits."""
    layout, work = setup.layout, setup.work
    passing = largest(1.0 * tokens / layout.pipeline, 1.0)
    own, logits = largest(passing / layout.data, 1.0), largest(sequences / (layout.data * layout.pipeline), 1.0)
    matrices = sum((_product(setup, product, own, logits) for product in work.products), start=0.0 * own)
    smallest = norm(setup.profile, own, work.hidden).time_s
    narrow = activation(setup.profile, own, max(work.narrow / layout.tensor, 1.0)).time_s
    stream = 2.0 * work.layers * smallest + work.dense_layers * narrow
    even, uneven = (_experts(setup, passing, routing) for routing in _routings(setup))
    whole = _collectives(setup, own, passing)
    latency = least(_collectives(setup, least(own, 1.0), least(passing, 1.0)), whole)
    bubble = 1.0 + BUBBLE * (layout.pipeline - 1)
    return Parts(
        gemm=matrices * bubble,
        experts=even * bubble,
        skew=(uneven - even) * bubble,
        stream=stream * bubble,
        collective=latency * bubble,
        volume=(whole - latency) * bubble,
    )


def _product(setup: Setup, product: Product, own: Number, logits: Number) -> Number:
    tensor = float(setup.layout.tensor)
    n = product.n / tensor if product.split == "n" else product.n
    k = product.k / tensor if product.split == "k" else product.k
    name = {"attention": setup.attention_format, "dense": setup.dense_format}.get(product.kind, "bf16")
    rows = logits if product.kind == "head" else own
    cost = gemm(setup.profile, rows, max(n, 1.0), max(k, 1.0), dtype=name)
    return product.count * _capped(setup, cost)


def _capped(setup: Setup, cost: OperatorTime) -> Number:
    """Time under a power limit: reading memory at full rate draws most of a board's power too."""
    return cost.time_s / setup.capped


def _routings(setup: Setup) -> tuple[str, str]:
    """Even and skewed routing, or twice the one that was measured on better evidence."""
    name = "int4_wo" if setup.expert_format == "8-bit" else setup.expert_format
    found = {key[2]: surface.evidence for key, surface in setup.profile.surfaces.items() if key[:2] == ("moe", name)}
    even, uneven = found.get("balanced", 9), found.get("natural", 9)
    if even == uneven:
        return "balanced", "natural"
    return ("balanced", "balanced") if even < uneven else ("natural", "natural")


def _experts(setup: Setup, tokens: Number, routing: str) -> Number:
    work, layout = setup.work.experts, setup.layout
    if work is None:
        return 0.0 * tokens
    across = layout.group // layout.expert

    def cost(name: str) -> Number:
        found = moe(
            setup.profile,
            tokens,
            work.hidden,
            work.width,
            work.chosen,
            work.count,
            tensor=float(across),
            expert_parallel=float(layout.expert),
            dtype=name,
            routing=routing,
        )
        time = _capped(setup, found)
        dense = DENSE_OF.get(name, name)
        return least(time, _grouped(setup, tokens, dense)) if ("gemm", dense, "") in setup.profile.surfaces else time

    if setup.expert_format != "8-bit":
        return work.layers * cost(setup.expert_format)
    narrow, wide = cost("int4_wo"), cost("bf16")  # one byte lies a third of the way from 4 to 16 bits
    return work.layers * (narrow + (wide - narrow) * 0.32)


def _grouped(setup: Setup, tokens: Number, name: str) -> Number:
    """The experts as grouped products of the dense kernels, with their loss: engines take them where they win."""
    work, layout = setup.work.experts, setup.layout
    assert work is not None
    share = work.chosen / work.count
    touched = largest(work.count * (1.0 - (1.0 - share) ** tokens) / layout.expert, 1.0)
    rows = largest(tokens * work.chosen / layout.expert / touched, 1.0)
    width = work.width / (layout.group // layout.expert)
    up = gemm(setup.profile, rows, 2.0 * width, work.hidden, dtype=name, groups=touched)
    down = gemm(setup.profile, rows, work.hidden, width, dtype=name, groups=touched)
    return GROUPED * (_capped(setup, up) + _capped(setup, down))


def _collectives(setup: Setup, own: Number, passing: Number) -> Number:
    """Two all-reduces a layer, or one and an exchange of tokens where attention copies share experts."""
    layout, work = setup.layout, setup.work
    total = 0.0 * own
    if layout.group == 1 and layout.pipeline == 1:
        return total
    message = own * work.hidden * 2.0
    routed = work.experts.layers if work.experts is not None and layout.data > 1 else 0.0
    if layout.tensor > 1:
        each = collective("all_reduce", setup.topology, message, layout.tensor, library="engine").time_s
        total = total + (2.0 * work.layers - routed) * each
    if routed:
        spread = least(1.0 * passing, own * layout.data) * work.hidden * 2.0
        gather = collective("all_gather", setup.topology, spread, layout.group).time_s
        scatter = collective("reduce_scatter", setup.topology, spread, layout.group).time_s
        exchange = gather + scatter
        assert work.experts is not None
        if layout.data > work.experts.chosen:
            exchange = least(exchange, _sent(setup, own))
        total = total + routed * exchange
    if layout.pipeline > 1:
        send = collective("send_recv", setup.topology, message, min(layout.chips, layout.group * 2)).time_s
        total = total + (layout.pipeline - 1) * send
    return total


def _sent(setup: Setup, own: Number) -> Number:
    """Each token to the places of its experts and back, which is less than to everyone where experts are spread wide.

    A place is a server where the group spans several, since a token crosses the network once for all its experts
    there, else a chip; tokens go out in the format of the weights and come back in 16 bits (DeepEP).
    """
    layout, work = setup.layout, setup.work
    assert work.experts is not None
    nodes = layout.group / max(setup.topology.node_chips, 1)
    places = nodes if nodes > 1.0 else float(layout.group)
    reached = places * (1.0 - (1.0 - 1.0 / places) ** work.experts.chosen)
    each = own * reached * work.hidden
    out = (1.0 if setup.precision in ("fp8", "int8") else 2.0) * each
    there = collective("all_to_all", setup.topology, out, layout.group).time_s
    return there + collective("all_to_all", setup.topology, 2.0 * each, layout.group).time_s


def decode_core(setup: Setup, sequences: Number, context: Number, queries: float = 1.0) -> Parts:
    """Attention of new tokens in each of `sequences` requests of the stage, and the state they read.

    `queries` tokens of one request are checked together where drafts are: they share the reading of its cache.
    """
    layout, work = setup.layout, setup.work
    own = largest(1.0 * sequences / (layout.data * layout.pipeline), 1.0)
    total, joined = 0.0 * own, 0.0
    if layout.context > 1:
        context = largest(1.0 * context / layout.context, 1.0)
        joined = _joined(setup, own * queries)
    for group in work.attention:
        heads = max(group.heads / layout.tensor, 1.0) * queries
        if group.kind == "mla":
            seen = context
            if work.index is not None:
                seen = least(context, work.index[2])
                total = total + work.index[0] * _read(setup, own * context * work.index[1])
            width = (group.cache_dim or MLA_SCORE) / MLA_SCORE
            cost = mla_decode(setup.profile, own, seen, heads, kv_dtype=setup.kv_format)
            total = total + group.layers * _capped(setup, cost) * width
            continue
        cost = attention_decode(
            setup.profile,
            own,
            context,
            heads,
            max(group.kv_heads / layout.tensor, 1.0),
            group.head_dim,
            window=float(group.window) if group.window else None,
            kv_dtype=setup.kv_format,
        )
        total = total + group.layers * _capped(setup, cost)
    stream = 0.0
    if work.state_elems:
        stream = _read(setup, 2.0 * 2.0 * own * work.state_elems / layout.tensor)
    return Parts(attention=total, stream=stream, collective=joined)


def _joined(setup: Setup, rows: Number) -> Number:
    """Adding up partial attention of ranks that hold parts of a request's cache, every attention layer."""
    total = 0.0 * rows
    for group in setup.work.attention:
        message = rows * group.heads / setup.layout.tensor * group.value_dim * 2.0
        each = collective("all_reduce", setup.topology, message, setup.layout.context, library="engine-median").time_s
        total = total + group.layers * each
    return total


def _passed_on(setup: Setup, prompt: Number) -> Number:
    """Keys and values of a prompt, gathered by ranks that each read a part of it."""
    layout = setup.layout
    latent = setup.model.attention.startswith("mla")
    shared = 1.0 if latent or not setup.model.kv_heads else float(min(layout.tensor, setup.model.kv_heads))
    moved = prompt * (setup.model.kv_elems_per_token + setup.model.kv_elems_per_token_window) * 2.0 / shared
    layers = setup.work.layers
    each = collective("all_gather", setup.topology, moved / layers, layout.context).time_s
    return layers * each


def _read(setup: Setup, moved: Number) -> Number:
    return moved / (setup.profile.bytes_per_s * setup.profile.streaming["activation"].share)


def prefill_core(setup: Setup, prompt: Number) -> Parts:
    """Attention over one whole prompt, on the copy that reads it; chunks add up to the same pairs."""
    layout, work = setup.layout, setup.work
    total = 0.0 * prompt
    for group in work.attention:
        heads = max(group.heads / layout.tensor, 1.0)
        if group.kind == "mla":
            cost = mla_prefill(setup.profile, 1.0, prompt, heads, kv_dtype=setup.kv_format)
            kept = 1.0
            if work.index is not None:
                kept = least(1.0, 2.0 * work.index[2] / prompt)
            total = total + group.layers * _capped(setup, cost) * kept
            continue
        cost = attention_prefill(
            setup.profile,
            1.0,
            prompt,
            heads,
            max(group.kv_heads / layout.tensor, 1.0),
            group.head_dim,
            window=float(group.window) if group.window else None,
            dtype="bf16",
            kv_dtype=setup.kv_format,
        )
        total = total + group.layers * _capped(setup, cost)
    if layout.context > 1:
        return Parts(attention=total / layout.context, collective=_passed_on(setup, prompt))
    return Parts(attention=total)


def decode_parts(setup: Setup, sequences: Number, context: Number) -> Parts:
    """One decode step of `sequences` requests at mean `context`."""
    return token_parts(setup, sequences, sequences).plus(decode_core(setup, sequences, context))


def prompt_parts(setup: Setup, sequences: Number, prompt: float, chunk: Number) -> Parts:
    """What one prompt adds to steps that also decode `sequences` requests and take `chunk` prompt tokens each."""
    tokens = 1.0 * chunk * setup.layout.pipeline  # every stage has a chunk of its own in hand
    together = token_parts(setup, tokens / setup.layout.context + sequences, sequences + tokens / prompt)
    alone = token_parts(setup, sequences, sequences)
    added = together.plus(alone, -1.0).times(prompt / tokens)
    return added.plus(prefill_core(setup, prompt), 1.0 / (setup.layout.data * setup.layout.pipeline))


def lone_prompt_parts(setup: Setup, prompt: float) -> Parts:
    """One prompt read with nothing beside it: its latency."""
    share = prompt * setup.layout.pipeline / setup.layout.context
    return token_parts(setup, share, 1.0).plus(prefill_core(setup, prompt))
