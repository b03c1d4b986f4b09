"""Simulated answers kept on disk between runs (`chipwise.files.content_cache`)."""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
from collections.abc import Callable

from chipwise.files.content_cache import Answer, ContentCache, cache_folder, remembered


def kept(key: object, compute: Callable[[], Answer]) -> Answer:
    """`compute()`, or what it gave for an equal key under the same code before.

    Parameters
    ----------
    key : object
        Everything the answer rests on, with a faithful ``repr``.
    """
    cache = ContentCache(folder=cache_folder("serving"), stamp=code_digest()[:32])
    return remembered(cache, {"key": repr(key)}, compute)


@functools.cache
def code_digest() -> str:
    """Digest of the simulator's own source: other code, other answers."""
    files = sorted(
        (
            entry
            for entry in (importlib.resources.files("chipwise") / "serving").iterdir()
            if entry.name.endswith(".py")
        ),
        key=lambda entry: entry.name,
    )
    return hashlib.sha256(b"".join(entry.read_bytes() for entry in files)).hexdigest()
