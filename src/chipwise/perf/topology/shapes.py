"""What share of its links a chip can use in a group, by the shape that joins them."""

from __future__ import annotations

import math

from chipwise.core.errors import InputError

_AXES = {"ring": 1, "2D torus": 2, "3D torus": 3}


def bandwidth_share(shape: str, size: int, group: float, collective: str) -> float:
    """Share of a chip's scale-up bandwidth that a collective can use, at most 1.

    Parameters
    ----------
    shape : str
        ``switch``, ``full mesh``, ``ring``, ``2D torus``, ``3D torus``, ``tree`` or ``network``.
    size : int
        Blocks that the tier joins.
    group : float
        Of them, members of the group.
    collective : str
        ``all_reduce``, ``all_gather``, ``reduce_scatter``, ``all_to_all`` or ``send_recv``.

    Notes
    -----
    - Full mesh: a pair owns 1/(size - 1) of the links, a group of n owns (n - 1)/(size - 1).
    - Ring and torus of d axes: a group is a block as cubic as it can be and uses the axes it spans; unless it wraps
      round the whole tier it has one direction only. In an all-to-all every byte crosses on average k/4 links per
      axis of k chips (k/3 without the wrap), so the share falls by the mean number of links.
    - Send and receive: one link, which is 1/(2d) of a torus.

    Raises
    ------
    InputError
        An unknown shape.
    """
    if shape in ("switch", "tree", "network") or size <= 1:
        return 1.0
    if shape == "full mesh":
        return 1.0 / (size - 1) if collective == "send_recv" else min(1.0, max(group - 1.0, 0.0) / (size - 1)) or 1.0
    if shape not in _AXES:
        raise InputError(f"{shape!r} is no shape", place="topology", allowed="switch | full mesh | ring | torus | tree")
    axes = _AXES[shape]
    if collective == "send_recv":
        return 1.0 / (2.0 * axes)
    whole = group >= size
    used = min(float(axes), max(1.0, math.log2(max(group, 2.0))))
    share = used / axes * (1.0 if whole else 0.5)
    if collective == "all_to_all":
        side = max(group, 2.0) ** (1.0 / used)
        hops = used * side / (4.0 if whole else 3.0)
        share /= max(1.0, hops)
    return share
