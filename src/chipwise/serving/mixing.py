"""Fleets of several chips that carry a peak in closed form, cheapest first."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping

from chipwise.serving.best_replica import BestReplica

MARGINS = (1.0, 1.08, 1.16, 1.25, 1.4)
"""Carried over needed at which fleets are proposed; bursts and queues eat the rest."""

MOST = 400
"""Most replicas of a kind that are counted through."""


def mixes(
    parts: Mapping[str, BestReplica],
    peak_per_s: float,
    limits: Mapping[str, int],
    spares: int,
    price: Callable[[Mapping[str, int]], float],
) -> Iterator[dict[str, int]]:
    """Replicas by chip, two or three kinds, at least one of each, cheapest first.

    Parameters
    ----------
    peak_per_s : float
        Requests/s to carry.
    limits : mapping of chip to int
        Most chips of a kind; none named, no limit.

    Notes
    -----
    All but the last kind are counted through, the last is the fewest that carries what is left.
    """
    found: dict[tuple[tuple[str, int], ...], float] = {}
    for size in (2, 3):
        for names in itertools.combinations(sorted(parts), size):
            for margin in MARGINS:
                for counts in _fillings(names, parts, margin * peak_per_s, limits, spares):
                    chips = {chip: number * parts[chip].part[0].chips for chip, number in counts.items()}
                    found.setdefault(tuple(counts.items()), price(chips))
    for key in sorted(found, key=lambda key: (found[key], key)):
        yield dict(key)


def _fillings(
    names: tuple[str, ...], parts: Mapping[str, BestReplica], need: float, limits: Mapping[str, int], spares: int
) -> Iterator[dict[str, int]]:
    rates = [parts[name].rate_per_s for name in names]
    most = [limits.get(name, 1 << 40) // parts[name].part[0].chips - spares for name in names]
    tops = [min(limit, math.ceil(need / rate), MOST) for limit, rate in zip(most, rates, strict=True)]
    step = max(1, math.ceil(math.prod(max(top, 1) for top in tops[:-1]) / 2_000)) if len(names) > 2 else 1
    for firsts in itertools.product(*(range(1, top + 1, step) for top in tops[:-1])):
        left = need - sum(count * rate for count, rate in zip(firsts, rates, strict=False))
        last = max(1, math.ceil(left / rates[-1] - 1e-9))
        if last <= min(most[-1], MOST):
            yield dict(zip(names, (*firsts, last), strict=True))
