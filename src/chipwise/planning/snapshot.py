"""Which state of the shipped data, of the user's own and of the code a result rests on."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from importlib import resources
from importlib.resources.abc import Traversable

from chipwise.catalogue import Catalogue

SNAPSHOT_FOLDERS = ("catalogue", "models", "rules", "perf", "scenarios", "planning", "traces")
YIELD_CODE = ("perf", "catalogue", "core", "serving", "planning")
"""Packages whose code decides a yield."""


def _files(folder: Traversable, prefix: str) -> Iterable[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.startswith(("_", ".")) and not entry.name.endswith(".py"):
            continue
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        elif entry.is_file():
            yield f"{prefix}{entry.name}", entry.read_bytes()


def _digest(root: Traversable, folders: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for name in folders:
        folder = root.joinpath(name)
        if folder.is_dir():
            for path, content in _files(folder, f"{name}/"):
                digest.update(path.encode())
                digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


@functools.cache
def data_snapshot() -> str:
    """SHA-256 over every shipped table and rulebook, names and bytes, first 16 hex digits."""
    return _digest(resources.files("chipwise").joinpath("data"), SNAPSHOT_FOLDERS)


def snapshot_with(catalogue: Catalogue) -> str:
    """Snapshot of the shipped data, and of the user's folders laid over it where there are any."""
    if not catalogue.overlays:
        return data_snapshot()
    return hashlib.sha256(f"{data_snapshot()} {catalogue.snapshot}".encode()).hexdigest()[:16]


@functools.cache
def yield_code_snapshot() -> str:
    """The same over the code that decides a yield, so that a yield kept by other code is never read."""
    return _digest(resources.files("chipwise"), YIELD_CODE)
