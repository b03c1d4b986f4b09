"""Small answers kept on disk under a digest of everything they rest on."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.resources
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = "CHIPWISE_CACHE"
"""Environment variable that names the folder, or ``off``. Default: ``chipwise`` in the user's cache folder."""


def folder() -> Path | None:
    """Where answers are kept; None where they are not."""
    named = os.environ.get(FOLDER, "")
    if named == "off":
        return None
    base = named or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "chipwise")
    return Path(base) / "serving"


def kept(key: object, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """`compute()`, or what it gave for an equal key under the same code before.

    Parameters
    ----------
    key : object
        Everything the answer rests on, with a faithful ``repr``.
    """
    digest = hashlib.sha256(f"{code_digest()} {key!r}".encode()).hexdigest()
    place = folder()
    path = None if place is None else place / digest[:2] / f"{digest}.json"
    if path is not None:
        with contextlib.suppress(OSError, ValueError):
            read = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(read, dict):
                return read
    found = compute()
    if path is not None:
        with contextlib.suppress(OSError):  # a cache that cannot be written costs time, nothing else
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(f".{os.getpid()}")
            fresh.write_text(json.dumps(found), encoding="utf-8")
            fresh.replace(path)
    return found


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
