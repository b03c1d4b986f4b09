"""What the collectives of a chip's own machine reach inside a scale-up domain, as four figures a step reads.

A step asks for gathers of tens to hundreds of megabytes, millions of times: `chipwise.perf.collectives` is asked once
a chip, at the groups below, and the step draws straight lines between them.
"""

from __future__ import annotations

import functools

from chipwise.catalogue.catalogue import Catalogue
from chipwise.catalogue.objects import Chip
from chipwise.core.errors import ChipwiseError
from chipwise.perf.collectives import all_gather
from chipwise.perf.topology import machine

MESSAGE_BYTES = 128e6
"""A gathered layer or activation of a large model."""

GROUPS = (2, 4, 8, 64)
FIELDS = ("gather2", "gather4", "gather8", "gather64")

UNMODELLED = (0.65, 0.65, 0.65, 0.65)
"""Share of the link where topology or link have no model: what switched domains of eight reach."""


@functools.lru_cache(maxsize=512)
def gather_shares(chip: Chip, catalogue: Catalogue, domain: int, link_bytes_per_s: float) -> dict[str, float]:
    """Share of the data-sheet link that a gather reaches in groups of 2, 4, 8 and 64.

    Parameters
    ----------
    domain : int
        Chips joined by the links; larger groups take the figure of the domain.
    link_bytes_per_s : float, byte/s
        Data sheet, one direction.

    Notes
    -----
    On a torus a group is laid along whole axes, as compilers for such machines do, so that it wraps round.
    """
    if domain < 2 or link_bytes_per_s <= 0.0:
        return dict(zip(FIELDS, UNMODELLED, strict=True))
    try:
        shares = [_reached(chip, catalogue, domain, size, link_bytes_per_s) for size in GROUPS]
    except ChipwiseError:
        shares = list(UNMODELLED)
    return dict(zip(FIELDS, shares, strict=True))


def _reached(chip: Chip, catalogue: Catalogue, domain: int, size: int, link: float) -> float:
    group = min(size, domain)
    whole = machine(
        chip, chips=domain, catalogue=catalogue, domain_chips=domain, node_chips=domain, fabric_bytes_per_s=link
    )
    if whole.tiers[0].shape.endswith(("torus", "ring")):
        whole = machine(
            chip, chips=group, catalogue=catalogue, domain_chips=group, node_chips=group, fabric_bytes_per_s=link
        )
    return float(all_gather(whole, MESSAGE_BYTES, group).bus_bytes_per_s) / link
