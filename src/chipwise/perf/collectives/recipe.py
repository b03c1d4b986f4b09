"""A collective on one group of one machine as a list of stages, each with its curve."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from chipwise.perf.collectives.book import CurveBook
from chipwise.perf.collectives.ladder import Curve, tier_curve
from chipwise.perf.collectives.objects import bytes_on_the_wire
from chipwise.perf.topology.objects import Machine, Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One stage: the curve at `scale` times the message."""

    curve: Curve
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Stages of one collective on one group.

    Parameters
    ----------
    together : bool
        Stages run at the same time on different links, so the longest counts; otherwise they follow each other.
    wire : float
        Bytes each chip sends per byte of message.
    evidence : int
        Weakest rung among the stages.
    factor : float
        Widest 90 % factor among them: their errors are taken to go together.
    """

    terms: tuple[Term, ...]
    together: bool
    wire: float
    evidence: int
    factor: float


NOTHING = Recipe(terms=(), together=False, wire=0.0, evidence=0, factor=1.0)
"""A group of one."""


@functools.lru_cache(maxsize=8192)
def recipe_of(
    book: CurveBook, machine: Machine, name: str, library: str, payload: str, group: int, per_domain: int | None
) -> Recipe:
    """Stages of `name` on `group` chips.

    Raises
    ------
    InputError
        The group does not fit the machine.
    Undetermined
        A tier it needs is not known.

    Notes
    -----
    With counts n1, n2, … per tier from the inside: a gather or reduce-scatter handles message / (n1 … n(i-1)) in
    tier i. An all-reduce scatters in every inner tier, reduces in the outermost, gathers back. An all-to-all sends
    the share message x n1 … ni / group within tier i, all tiers at once.
    """
    if group == 1:
        return NOTHING
    layers = ((machine.tier_of_span(group), 2.0),) if name == "send_recv" else machine.layers(group, per_domain)
    terms: list[Term] = []
    inside = 1.0
    for number, (tier, count) in enumerate(layers):
        scale = inside * count / group if name == "all_to_all" else 1.0 / inside
        halves = name == "all_reduce" and number < len(layers) - 1
        for stage in ("reduce_scatter", "all_gather") if halves else (name,):
            curve = tier_curve(book, tier, _blocks(machine, tier), stage, library, payload, count)
            terms.append(Term(curve=curve, scale=scale))
        inside *= count
    return Recipe(
        terms=tuple(terms),
        together=name == "all_to_all",
        wire=bytes_on_the_wire(name, group),
        evidence=max(int(term.curve.rung) for term in terms),
        factor=max(term.curve.factor for term in terms),
    )


def _blocks(machine: Machine, tier: Tier) -> int:
    """Blocks of the next inner tier that `tier` joins."""
    position = machine.tiers.index(tier)
    below = machine.tiers[position - 1].chips if position else 1
    return max(1, round(tier.chips / below))
