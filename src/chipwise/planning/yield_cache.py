"""Yields of a plan kept on disk between runs (`chipwise.files.content_cache`)."""

from __future__ import annotations

from chipwise.catalogue import Catalogue
from chipwise.files.content_cache import ContentCache, cache_folder
from chipwise.planning.snapshot import snapshot_with, yield_code_snapshot


def yield_cache(catalogue: Catalogue) -> ContentCache:
    """The cache for a catalogue: shipped data, the user's folders and the code all stand in its stamp."""
    stamp = f"{snapshot_with(catalogue)}-{yield_code_snapshot()}"
    return ContentCache(folder=cache_folder("yields"), stamp=stamp)
