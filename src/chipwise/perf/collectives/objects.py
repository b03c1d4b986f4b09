"""What a collective call returns, and what its message means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from chipwise.core.fact import Evidence

Floats = NDArray[np.float64]

COLLECTIVES = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all", "send_recv")
LIBRARIES = ("nccl", "engine", "engine-median")
PAYLOADS = ("16-bit", "8-bit")


class Rung(IntEnum):
    """Rung of the evidence ladder, best first."""

    TABLE = 0
    """Measured on this fabric at this group size."""
    FABRIC = 1
    """Measured on this fabric, at another group size."""
    FAMILY = 2
    """Measured on another fabric of the same link family, moved by the ratio of the bandwidths."""
    DATA_SHEET = 3
    """Curves of the same kind of link, moved to the data sheet of this one."""

    @property
    def words(self) -> Evidence:
        """The rung in the words of `chipwise.core.fact`."""
        words: tuple[Evidence, ...] = (
            "measured on this chip",
            "measured on this chip",
            "measured on its family",
            "data sheet only",
        )
        return words[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectiveTime:
    """Time of a collective, element by element where the message or the group was an array.

    Parameters
    ----------
    time_s, low_s, high_s : float or (n,) float64
        Central time and 90 % interval, s.
    bus_bytes_per_s : float or (n,) float64
        Bytes each chip sends by the ring algorithm over the time (the bus bandwidth of nccl-tests), byte/s; above
        the link's own rate where the switch reduces. 0 for a group of one.
    evidence : int or (n,) int64
        `Rung` of the weakest tier used.
    """

    time_s: float | Floats
    low_s: float | Floats
    high_s: float | Floats
    bus_bytes_per_s: float | Floats
    evidence: int | NDArray[np.int64]


def bytes_on_the_wire(name: str, group: float) -> float:
    """Bytes each chip sends by the ring or direct algorithm, per byte of message.

    Notes
    -----
    Message: the buffer that each rank holds when it holds most. ``all_reduce``: input = output = message.
    ``all_gather``: output of a rank (its own shard is message / n). ``reduce_scatter``: input of a rank (it keeps
    message / n). ``all_to_all``: input of a rank, n shards, one of which stays. ``send_recv``: what is sent.
    This is how nccl-tests counts and how both sources of the shipped tables count.
    """
    if name == "send_recv":
        return 1.0
    once = max(group - 1.0, 0.0) / group if group > 0 else 0.0
    return 2.0 * once if name == "all_reduce" else once


def least_wire(name: str, group: float, shape: str) -> float:
    """Bytes each chip must send per byte of message, whatever the algorithm; a switch may reduce on the way."""
    ring = bytes_on_the_wire(name, group)
    if name == "all_reduce" and shape == "switch" and group > 1:
        return min(ring, 1.0 + 1.0 / group)
    return ring
