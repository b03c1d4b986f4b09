"""Layouts that nothing beats: in time, memory, chips, cost and energy at once, over several numbers of chips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chipwise.catalogue.catalogue import Catalogue
from chipwise.perf.train.days import draw_of
from chipwise.perf.train.run import Problem, Run, run_of, search_layouts

KEPT = 400
"""Fastest layouts of one number of chips that are weighed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A layout and what a token costs with it.

    Parameters
    ----------
    s_per_token : float, s
        Of the whole run.
    chip_s_per_token : float, s
        Chips times that.
    usd_per_million_tokens, joule_per_token : float or None
        None where the price, or the power of the chip, is not known.
    """

    run: Run
    s_per_token: float
    chip_s_per_token: float
    usd_per_million_tokens: float | None
    joule_per_token: float | None


def offers(problem: Problem, catalogue: Catalogue, *, usd_per_chip_hour: float | None = None) -> list[Offer]:
    """The fastest layouts of one problem, each with its costs."""
    found = search_layouts(problem, top=KEPT)
    return [_offer(run_of(problem, layout, blank=True), catalogue, usd_per_chip_hour) for layout in found.layouts]


def _offer(run: Run, catalogue: Catalogue, price: float | None) -> Offer:
    seconds = run.step_s.value / run.tokens_per_step
    draw = draw_of(run, catalogue)
    return Offer(
        run=run,
        s_per_token=seconds,
        chip_s_per_token=run.chips * seconds,
        usd_per_million_tokens=None if price is None else price * run.chips * seconds / 3600.0 * 1e6,
        joule_per_token=None if draw is None else draw.value * seconds,
    )


def front(options: Sequence[Offer]) -> list[Offer]:
    """Those no other beats in time, memory, chips, cost and energy a token, fastest first.

    Notes
    -----
    Without a price the cost is the chip-seconds of a token. Of layouts alike in all five the first stays.
    """
    if not options:
        return []
    table = np.array(
        [
            [
                offer.s_per_token,
                float(offer.run.memory.total),
                float(offer.run.chips),
                offer.chip_s_per_token,
                offer.joule_per_token or 0.0,
            ]
            for offer in options
        ]
    )
    return [options[place] for place in undominated(table)]


def undominated(table: NDArray[np.float64]) -> list[int]:
    """Rows no other row beats, by the first column.

    Parameters
    ----------
    table : (n, d) float64
        Less is better in every column.

    Examples
    --------
    >>> import numpy as np
    >>> undominated(np.array([[2.0, 1.0], [1.0, 2.0], [2.0, 2.0]]))
    [1, 0]
    """
    kept: list[int] = []
    for place in np.lexsort(table.T[::-1]):
        others = table[kept]
        if not bool((others <= table[place] * (1.0 + 1e-12)).all(axis=1).any()):
            kept.append(int(place))
    return kept
