"""Ways to lay one copy of a model on chips."""

from __future__ import annotations

import functools

from chipwise.catalogue.objects import Model
from chipwise.perf.infer.setup import Layout


@functools.lru_cache(maxsize=256)
def groups(model: Model, most_chips: int) -> tuple[Layout, ...]:
    """Power-of-two groups; experts divided by width, by expert, or among attention copies."""
    found, chips = [], 1
    while chips <= most_chips and chips <= (model.heads or chips):
        found.append(Layout(tensor=chips))
        if model.n_experts and chips > 1 and model.n_experts % chips == 0:
            found.append(Layout(tensor=chips, expert=chips))
            found.append(Layout(data=chips, expert=chips))
        chips *= 2
    return tuple(found)
