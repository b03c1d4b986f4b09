"""The five collectives over message bytes and group size, tier by tier."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from chipwise.core.errors import InputError
from chipwise.perf.collectives.book import CurveBook, load_book
from chipwise.perf.collectives.evaluate import array_of_messages, many_messages_and_groups, one_message, slower
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
    Inside one tier: the curve of that tier. Over several: the sum of the latencies and the longest of the rest, since
    all tiers are kept busy; `chipwise.perf.collectives.recipe` has what each tier handles.
    """
    _check(name, library, payload)
    curves = book if book is not None else load_book()
    parts = machine.parts if isinstance(machine, MixedMachine) else (machine,)
    finders = [functools.partial(recipe_of, curves, part, name, library, payload) for part in parts]
    return functools.reduce(
        slower, [_evaluated(find, machine.chips, message_bytes, group, per_domain) for find in finders]
    )


def _check(name: str, library: str, payload: str) -> None:
    for place, given, known in (
        ("collective", name, COLLECTIVES),
        ("library", library, LIBRARIES),
        ("payload", payload, PAYLOADS),
    ):
        if given not in known:
            raise InputError(f"{given!r} is no {place}", place=place, allowed=" | ".join(known))


def _evaluated(
    find: Callable[[int, int | None], Recipe],
    chips: int,
    message_bytes: Amounts,
    group: Counts,
    per_domain: int | None,
) -> CollectiveTime:
    """One call, an array of messages, or an array of messages and groups."""
    if isinstance(message_bytes, (int, float)) and isinstance(group, (int, np.integer)):
        return one_message(find(int(group), per_domain), float(message_bytes))
    message = np.ascontiguousarray(message_bytes, dtype=np.float64)
    groups = np.asarray(group)
    if groups.dtype.kind not in "iu" or groups.min(initial=1) < 1 or groups.max(initial=1) > chips:
        raise InputError("a group is a whole number of chips", place="group", allowed=f"1 to {chips}")
    if message.size and not (message.min() >= 0.0 and message.max() < np.inf):
        raise InputError("a message is negative or not finite", place="message_bytes", allowed="0 or more, finite")
    if groups.ndim == 0:
        return array_of_messages(find(int(groups), per_domain), message)
    present = np.flatnonzero(np.bincount(groups.ravel())) if groups.size else np.array([1])
    recipes = {int(size): find(int(size), per_domain) for size in present}
    return many_messages_and_groups(recipes, *np.broadcast_arrays(message, groups))
