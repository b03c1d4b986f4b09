"""The five collectives over message bytes and group size, tier by tier."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chipwise.core.errors import InputError
from chipwise.perf.collectives._kernels import interpolate_one, many_groups, one_group
from chipwise.perf.collectives.book import CurveBook, load_book
from chipwise.perf.collectives.objects import COLLECTIVES, LIBRARIES, PAYLOADS, CollectiveTime, Floats
from chipwise.perf.collectives.recipe import Recipe, recipe_of
from chipwise.perf.topology.objects import Machine, MixedMachine

Amounts = float | Floats | Sequence[float]
Counts = int | NDArray[np.integer] | Sequence[int]


def all_reduce(
    machine: Machine | MixedMachine,
    message_bytes: Amounts,
    group: Counts,
    *,
    per_domain: int | None = None,
    library: str = "nccl",
    payload: str = "16-bit",
    book: CurveBook | None = None,
) -> CollectiveTime:
    """Sum over the group; message: the buffer of one rank, bytes. See `collective`."""
    return collective(
        "all_reduce", machine, message_bytes, group, per_domain=per_domain, library=library, payload=payload, book=book
    )


def all_gather(
    machine: Machine | MixedMachine,
    message_bytes: Amounts,
    group: Counts,
    *,
    per_domain: int | None = None,
    payload: str = "16-bit",
    book: CurveBook | None = None,
) -> CollectiveTime:
    """Gather the shards of the group; message: the gathered whole, bytes. See `collective`."""
    return collective("all_gather", machine, message_bytes, group, per_domain=per_domain, payload=payload, book=book)


def reduce_scatter(
    machine: Machine | MixedMachine,
    message_bytes: Amounts,
    group: Counts,
    *,
    per_domain: int | None = None,
    payload: str = "16-bit",
    book: CurveBook | None = None,
) -> CollectiveTime:
    """Sum, each rank keeping its shard; message: the whole input of one rank, bytes. See `collective`."""
    return collective(
        "reduce_scatter", machine, message_bytes, group, per_domain=per_domain, payload=payload, book=book
    )


def all_to_all(
    machine: Machine | MixedMachine,
    message_bytes: Amounts,
    group: Counts,
    *,
    per_domain: int | None = None,
    payload: str = "16-bit",
    book: CurveBook | None = None,
) -> CollectiveTime:
    """Exchange shards, evenly; message: the whole input of one rank, its own shard included, bytes."""
    return collective("all_to_all", machine, message_bytes, group, per_domain=per_domain, payload=payload, book=book)


def send_recv(
    machine: Machine | MixedMachine,
    message_bytes: Amounts,
    span: Counts = 2,
    *,
    book: CurveBook | None = None,
) -> CollectiveTime:
    """Send from one chip to another inside a block of `span` neighbouring chips; message: what is sent, bytes."""
    return collective("send_recv", machine, message_bytes, span, book=book)


def collective(
    name: str,
    machine: Machine | MixedMachine,
    message_bytes: Amounts,
    group: Counts,
    *,
    per_domain: int | None = None,
    library: str = "nccl",
    payload: str = "16-bit",
    book: CurveBook | None = None,
) -> CollectiveTime:
    """Time of one collective, with interval and evidence.

    Parameters
    ----------
    name : str
        One of `COLLECTIVES`.
    machine : Machine or MixedMachine
    message_bytes : float or (n,) array, bytes
        The buffer of a rank where it holds most (`bytes_on_the_wire` says which); 0 costs the latency.
    group : int or (n,) array of int
        Chips of the group, filled domain by domain; for ``send_recv`` the span of chips holding both ends. One
        costs nothing.
    per_domain : int, optional
        Members of the group in one scale-up domain; 1 for a group with one member per server. Every chip of the
        server is taken to run such a group at once, so each has its own share of the adapters.
    library : str
        ``nccl``; ``engine`` for the fastest all-reduce of the inference engines, ``engine-median`` for the median
        over engines and versions. Collectives an engine has no kernel of its own for take ``nccl``.
    payload : str
        ``16-bit`` or ``8-bit`` elements: a switch that reduces does so in 16 bits.
    book : CurveBook, optional
        Measured curves; the shipped ones if not given.

    Raises
    ------
    InputError
        A count, message or name out of range.
    Undetermined
        A tier the group needs has no known bandwidth or shape.

    Notes
    -----
    Inside one tier: the curve of that tier. Over several: reduce-scatter in the inner tiers, all-reduce of the rest
    across, all-gather back; a gather and a reduce-scatter do one half of that. All-to-all uses all tiers at once.
    """
    if name not in COLLECTIVES:
        raise InputError(f"{name!r} is no collective", place="collective", allowed=" | ".join(COLLECTIVES))
    if library not in LIBRARIES:
        raise InputError(f"{library!r} is no library", place="library", allowed=" | ".join(LIBRARIES))
    if payload not in PAYLOADS:
        raise InputError(f"{payload!r} is no payload", place="payload", allowed=" | ".join(PAYLOADS))
    curves = book if book is not None else load_book()
    if isinstance(machine, MixedMachine):
        parts = [
            collective(
                name, part, message_bytes, group, per_domain=per_domain, library=library, payload=payload, book=curves
            )
            for part in machine.parts
        ]
        return functools.reduce(_slower, parts)
    find = functools.partial(recipe_of, curves, machine, name, library, payload)
    if isinstance(message_bytes, (int, float)) and isinstance(group, (int, np.integer)):
        return _one(find(int(group), per_domain), float(message_bytes))
    message = np.ascontiguousarray(message_bytes, dtype=np.float64)
    groups = np.asarray(group)
    if groups.dtype.kind not in "iu" or groups.min(initial=1) < 1:
        raise InputError("a group is a whole number of chips", place="group", allowed=f"1 to {machine.chips}")
    if message.size and not (message.min() >= 0.0 and message.max() < np.inf):
        raise InputError("a message is negative or not finite", place="message_bytes", allowed="0 or more, finite")
    if groups.ndim == 0:
        return _array(find(int(groups), per_domain), message)
    present = np.flatnonzero(np.bincount(groups.ravel())) if groups.size else np.array([1])
    recipes = {int(size): find(int(size), per_domain) for size in present}
    return _arrays(recipes, *np.broadcast_arrays(message, groups))


def _one(recipe: Recipe, message: float) -> CollectiveTime:
    if not 0.0 <= message < float("inf"):
        raise InputError(f"a message of {message} bytes", place="message_bytes", allowed="0 or more, finite")
    time = 0.0
    for term in recipe.terms:
        part = interpolate_one(message * term.scale, term.curve.knots)
        time = max(time, part) if recipe.together else time + part
    return CollectiveTime(
        time_s=time,
        low_s=time / recipe.factor,
        high_s=time * recipe.factor,
        bus_bytes_per_s=recipe.wire * message / time if time else 0.0,
        evidence=recipe.evidence,
    )


def _array(recipe: Recipe, message: Floats) -> CollectiveTime:
    """One group over an array of messages."""
    if not recipe.terms:
        nothing = np.zeros(message.shape)
        return CollectiveTime(
            time_s=nothing,
            low_s=nothing,
            high_s=nothing,
            bus_bytes_per_s=nothing,
            evidence=np.zeros(message.shape, dtype=np.int64),
        )
    time = np.empty(message.shape)
    one_group(
        message.reshape(-1),
        np.array([term.curve.time_s for term in recipe.terms]),
        np.array([term.scale for term in recipe.terms]),
        recipe.together,
        time.reshape(-1),
    )
    bus = message / time
    bus *= recipe.wire
    return CollectiveTime(
        time_s=time,
        low_s=time * (1.0 / recipe.factor),
        high_s=time * recipe.factor,
        bus_bytes_per_s=bus,
        evidence=np.broadcast_to(np.int64(recipe.evidence), message.shape),
    )


def _arrays(recipes: dict[int, Recipe], message: Floats, groups: NDArray[np.integer]) -> CollectiveTime:
    """Every message with its own group."""
    sizes = sorted(recipes)
    chosen = [recipes[size] for size in sizes]
    row_of = np.zeros(sizes[-1] + 1, dtype=np.int64)
    row_of[sizes] = np.arange(len(sizes))
    rows = row_of[groups.reshape(-1)]
    stages = max(1, *(len(recipe.terms) for recipe in chosen)) if len(chosen) > 1 else max(1, len(chosen[0].terms))
    curves = list({id(term.curve): term.curve for recipe in chosen for term in recipe.terms}.values())
    if not curves:
        return _array(chosen[0], np.ascontiguousarray(message))
    number = {id(curve): index for index, curve in enumerate(curves)}
    curve = np.zeros((stages, len(sizes)), dtype=np.int64)
    scales, weights = np.ones(curve.shape), np.zeros(curve.shape)
    for column, recipe in enumerate(chosen):
        for stage, term in enumerate(recipe.terms):
            curve[stage, column] = number[id(term.curve)]
            scales[stage, column], weights[stage, column] = term.scale, 1.0
    flat = np.ascontiguousarray(message).reshape(-1)
    time = np.empty(flat.size)
    table = np.array([entry.time_s for entry in curves])
    many_groups(flat, rows, table, curve, scales, weights, chosen[-1].together, time)
    factor = np.array([recipe.factor for recipe in chosen]).take(rows)
    bus = np.array([recipe.wire for recipe in chosen]).take(rows)
    bus *= flat
    np.divide(bus, time, out=bus, where=time > 0.0)
    shape = message.shape
    return CollectiveTime(
        time_s=time.reshape(shape),
        low_s=(time / factor).reshape(shape),
        high_s=(time * factor).reshape(shape),
        bus_bytes_per_s=bus.reshape(shape),
        evidence=np.array([recipe.evidence for recipe in chosen]).take(rows).reshape(shape),
    )


def _slower(one: CollectiveTime, other: CollectiveTime) -> CollectiveTime:
    """Element by element the slower of two; each end of the interval is the later one."""
    if isinstance(one.time_s, float) and isinstance(other.time_s, float):
        other_is_later = other.time_s > one.time_s
        return CollectiveTime(
            time_s=max(one.time_s, other.time_s),
            low_s=max(float(one.low_s), float(other.low_s)),
            high_s=max(float(one.high_s), float(other.high_s)),
            bus_bytes_per_s=other.bus_bytes_per_s if other_is_later else one.bus_bytes_per_s,
            evidence=max(int(one.evidence), int(other.evidence)),
        )
    return CollectiveTime(
        time_s=np.maximum(one.time_s, other.time_s),
        low_s=np.maximum(one.low_s, other.low_s),
        high_s=np.maximum(one.high_s, other.high_s),
        bus_bytes_per_s=np.minimum(one.bus_bytes_per_s, other.bus_bytes_per_s),
        evidence=np.maximum(one.evidence, other.evidence),
    )
