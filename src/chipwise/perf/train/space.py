"""Spaces of layouts: what is divisible, block by block, without writing any layout down.

A block fixes the ways of tensor, pipeline, context and expert parallelism and the recomputation; its other axes are
independent, so a layout is a position in a grid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chipwise.core.errors import InputError
from chipwise.perf.train.objects import Device, Shape

Option = tuple[tuple[str, float], ...]
"""Fields of a layout that an axis sets together."""

SPACES = ("practical", "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A grid of layouts.

    Parameters
    ----------
    fixed : tuple of (field, value)
        Fields every layout of the block shares.
    held : tuple of axes
        Axes that memory depends on; an axis is a tuple of options.
    timed : tuple of axes
        Axes that only time depends on.
    batch : float
        Sequences of a step.
    """

    fixed: Option
    held: tuple[tuple[Option, ...], ...]
    timed: tuple[tuple[Option, ...], ...]
    batch: float

    @property
    def size(self) -> int:
        """Layouts of the block."""
        return math.prod(len(axis) for axis in (*self.held, *self.timed))


def divisors(number: int) -> list[int]:
    """Every divisor, ascending.

    Examples
    --------
    >>> divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    small = [value for value in range(1, math.isqrt(number) + 1) if number % value == 0]
    return sorted({*small, *(number // value for value in small)})


def axis(name: str, values: Sequence[float]) -> tuple[Option, ...]:
    """An axis of one field."""
    return tuple(((name, float(value)),) for value in values)


def full_space(shape: Shape, units: int, batch: int, seq: float) -> Iterator[Block]:
    """Every execution of the exhaustive space of Calculon (Isaev et al. 2023), in its own axes.

    Tensor ways divide heads and width, pipeline ways the layers; interleaving, recomputation (all, core, none), sharded
    optimizer, communication (all-reduce; scattered between stages; reduce-scatter and gather with or without a second
    gather), overlap of data and tensor traffic, offload of weights, activations and optimizer, micro-batch, and one of
    two networks for each of tensor, pipeline and data traffic.
    """
    hidden, heads, layers = int(shape.hidden), int(shape.heads), int(shape.layers)
    both = axis("offload_weights", (1, 0)), axis("offload_optimizer", (1, 0))
    for tp in divisors(math.gcd(units, math.gcd(hidden, heads))):
        for pp in divisors(math.gcd(units // tp, layers)):
            dp = units // (tp * pp)
            if dp > batch:
                continue
            whole = batch // dp * dp
            sizes = [n for n in divisors(whole // dp) if n * seq % tp == 0]
            timed = (
                axis("dp_overlap", (1, 0) if dp > 1 else (0,)),
                axis("tp_overlap", (0, 2, 1) if tp > 1 else (0,)),
                axis("tp_net", (0, 1) if tp > 1 else (-1,)),
                axis("pp_net", (0, 1) if pp > 1 else (-1,)),
                axis("dp_net", (0, 1) if dp > 1 else (-1,)),
            )
            for recompute, core in ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0)):
                fixed = (("tp", tp), ("pp", pp), ("dp", dp), ("recompute", recompute), ("recompute_core", core))
                held = (
                    axis("vpp", divisors(layers // pp) if pp > 1 else (1,)),
                    axis("zero", (1, 0) if dp > 1 else (0,)),
                    _communication(recompute),
                    axis("mbs", sizes),
                    axis("offload_activations", (0,) if recompute else (1, 0)),
                    *both,
                )
                yield Block(fixed=fixed, held=held, timed=timed, batch=float(whole))


def _communication(recompute: float) -> tuple[Option, ...]:
    plain = (("sp", 0.0), ("scatter_send", 0.0), ("regather", 1.0))
    scattered = (("sp", 0.0), ("scatter_send", 1.0), ("regather", 1.0))
    again = (("sp", 1.0), ("scatter_send", 1.0), ("regather", 1.0))
    once = (("sp", 1.0), ("scatter_send", 1.0), ("regather", 0.0))
    return (plain, scattered, once) if recompute else (plain, scattered, again, once)


def practical_space(
    shape: Shape, units: int, batch: int, seq: float, device: Device, adapter: bool = False
) -> Iterator[Block]:
    """What training stacks offer: no traffic on the wrong links, no offload, sequence parallelism with tensor ways.

    Tensor ways stay inside the scale-up domain; context ways from 32,768 tokens; experts over data ranks; full
    sharding instead of a pipeline; chunks up to eight; micro-batches up to sixteen; recomputation none, half by the
    cheapest parts, or full.
    """
    heads, layers = int(shape.heads), int(shape.layers)
    domain, experts = int(device.domain), int(shape.experts)
    most_tp = min(domain, 32)
    for tp in [n for n in divisors(math.gcd(units, heads)) if n <= most_tp]:
        for cp in [1] if seq < 32768 else [n for n in divisors(units // tp) if n in (1, 2, 4, 8, 16)]:
            for pp in [n for n in divisors(math.gcd(units // (tp * cp), layers)) if n <= 64]:
                dp = units // (tp * cp * pp)
                if dp > batch:
                    continue
                yield from _practical_blocks(tp, cp, pp, dp, batch, experts, layers, adapter)


UNEVEN = 0.15
"""Idle share of a pipeline whose layers do not divide that is still worth a look."""


def _even(layers: int, chunks: int) -> bool:
    """Whether layers can be dealt to so many chunks without much idling."""
    return chunks <= layers and math.ceil(layers / chunks) * chunks <= (1.0 + UNEVEN) * layers


def _practical_blocks(
    tp: int, cp: int, pp: int, dp: int, batch: int, experts: int, layers: int, adapter: bool
) -> Iterator[Block]:
    whole = batch // dp * dp
    sizes = [n for n in divisors(whole // dp) if n <= 16]
    ranks = tp * cp * dp
    shares = [n for n in divisors(math.gcd(experts, ranks)) if n <= 64] if experts else [1]
    chunks = [n for n in range(1, 9) if n == 1 or layers % (pp * n) == 0] if pp > 1 else [1]
    sharded = (1, 3) if pp == 1 and dp * cp > 1 else (1,)
    for recompute, fine in ((0.0, 0.0), (0.5, 1.0), (1.0, 0.0)):
        fixed = (
            ("tp", tp), ("cp", cp), ("pp", pp), ("dp", dp), ("recompute", recompute), ("fine", fine),
            ("sp", 1.0 if tp > 1 else 0.0), ("recompute_core", 0.0), ("gradient_bytes", 2.0),
            ("adapter", float(adapter)),
        )  # fmt: skip
        held = (axis("vpp", chunks), axis("zero", sharded), axis("mbs", sizes), axis("ep", shares))
        yield Block(fixed=fixed, held=held, timed=(), batch=float(whole))


def blocks_of(
    name: str, shape: Shape, units: int, batch: int, seq: float, device: Device, *, adapter: bool = False
) -> Iterator[Block]:
    """Blocks of a named space.

    Raises
    ------
    InputError
        No such space, or nothing to lay out.
    """
    if name not in SPACES:
        raise InputError(f"{name!r} is no space of layouts", place="space", allowed=" | ".join(SPACES))
    if units < 1 or batch < 1:
        raise InputError(f"{units} chips, batch {batch}", place="search", allowed="1 or more of each")
    if name == "full" and adapter:
        raise InputError("adapters in the full space", place="space", allowed="the practical space for adapters")
    if name == "full":
        return full_space(shape, units, batch, seq)
    return practical_space(shape, units, batch, seq, device, adapter)
