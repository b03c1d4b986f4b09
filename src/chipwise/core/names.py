"""Nearest valid names for a name that was not found."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest_names(name: str, known: Iterable[str], *, count: int = 3) -> tuple[str, ...]:
    """Return up to `count` known names most like `name`, best first, ignoring case.

    Examples
    --------
    >>> nearest_names("h10-sxm", ["h100-sxm", "a100-80-sxm", "t4"], count=1)
    ('h100-sxm',)
    """
    folded: dict[str, str] = {}
    for entry in known:
        folded.setdefault(entry.casefold(), entry)
    hits = difflib.get_close_matches(name.casefold()[:200], list(folded), n=count, cutoff=0.4)
    return tuple(folded[hit] for hit in hits)
