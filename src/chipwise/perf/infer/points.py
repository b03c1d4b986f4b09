"""Points of a search: the best of each family, and the frontier between users and chips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from chipwise.perf.infer.served import Served


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points:
    """Set-ups that share tables: what each yields, and how to tell it in full.

    Parameters
    ----------
    per_chip, per_user : (n,) float64
        Output tokens/s of a chip and of a user.
    feasible : (n,) bool
    family : (n,) int64
        Set-ups of one family share the layout that decodes: they differ in batch, copies and in who prefills.
    tell : function
        One of them by its place.
    """

    per_chip: Any
    per_user: Any
    feasible: Any
    family: Any
    tell: Callable[[int], Served]


def best_of_each(points: list[Points], top: int) -> Iterator[Served]:
    """The best feasible set-up of every family, best first."""
    chosen: list[tuple[float, float, int, int]] = []
    for index, entry in enumerate(points):
        rate = np.where(entry.feasible, entry.per_chip, 0.0)
        order = np.lexsort((-entry.per_user, -rate))
        order = order[rate[order] > 0.0]
        _, firsts = np.unique(entry.family[order], return_index=True)
        chosen += [(-float(rate[at]), -float(entry.per_user[at]), index, int(at)) for at in order[firsts]]
    seen: set[tuple[Any, ...]] = set()
    for _, _, index, at in sorted(chosen):
        told = points[index].tell(at)
        key = (told.mode, told.engine, told.weight_precision, told.kv_precision, told.pools[-1].layout)
        if key in seen:
            continue
        seen.add(key)
        yield told
        if len(seen) >= top:
            return


def frontier(points: list[Points]) -> Iterator[Served]:
    """Feasible set-ups that none beats in both rates, slowest user first."""
    kept = [(index, np.flatnonzero(entry.feasible)) for index, entry in enumerate(points)]
    if not kept:
        return
    user = np.concatenate([points[index].per_user[at] for index, at in kept])
    chip = np.concatenate([points[index].per_chip[at] for index, at in kept])
    home = np.concatenate([np.full(at.size, index) for index, at in kept])
    place = np.concatenate([at for _, at in kept])
    order = np.lexsort((-chip, -user))
    best = np.maximum.accumulate(np.concatenate(([-np.inf], chip[order][:-1]))) if order.size else order
    for at in order[chip[order] > best * 1.0005][::-1]:
        yield points[int(home[at])].tell(int(place[at]))
