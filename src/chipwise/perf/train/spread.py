"""Width of the 90 % interval, by what is known."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from chipwise.catalogue.objects import Chip
from chipwise.core.fact import Evidence
from chipwise.perf.tables import read_rows
from chipwise.perf.train.devices import family_of
from chipwise.perf.train.terms import Terms

RUNGS: Mapping[str, Evidence] = {
    "chip": "measured on this chip",
    "family": "measured on its family",
    "data sheet": "data sheet only",
}
REFERENCE_FAMILY = "NVIDIA/hbm"


@functools.cache
def shipped_spread() -> Mapping[tuple[str, str], float]:
    """90 % factor either way by rung and kind (``dense``, ``moe``, ``blank``: what an open layout adds)."""
    return {(row["rung"], row["kind"]): float(row["factor"]) for row in read_rows("train/spread.csv")}


@functools.cache
def taught_sources() -> frozenset[str]:
    """Source groups that taught the shipped terms."""
    return frozenset(row["source_group"] for row in read_rows("train/sources.csv"))


def rung_of(chip: Chip, terms: Terms) -> str:
    """``chip``, ``family`` or ``data sheet``."""
    if chip.id in terms.chip and not chip.rate_ranges:
        return "chip"
    family = family_of(chip)
    return "family" if family in terms.family or family == REFERENCE_FAMILY else "data sheet"


def interval_factor(rung: str, *, mixture: bool, blank: bool = False, said: bool = True) -> float:
    """90 % factor either way.

    Parameters
    ----------
    mixture : bool
        A mixture of experts.
    blank : bool
        The layout was chosen, not stated.
    said : bool
        Class and tuning of the software are known.
    """
    spread = shipped_spread()
    wider = (spread["any", "blank"] if blank else 1.0) * (1.0 if said else spread["any", "stack"])
    return spread[rung, "moe" if mixture else "dense"] * wider
