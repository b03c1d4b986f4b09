"""Answers kept on disk between runs, by content; safe to delete at any time.

An answer is kept under a digest of everything that decides it: what was asked, the data and the code. One answer is one
small file, written beside its place and renamed into it, and read back only when its digest fits: an interrupted run,
a full disk or a torn file costs a new computation and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER_VARIABLE = "CHIPWISE_CACHE"
"""Environment variable: a folder to keep answers in, or ``off``."""
KEPT_STATES = 4
"""States of data and code whose answers are kept; older ones are deleted when a new one is begun."""

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentCache:
    """Where answers are kept.

    Parameters
    ----------
    folder : pathlib.Path or None
        None keeps nothing.
    stamp : str
        State of data and code.
    """

    folder: Path | None
    stamp: str


def cache_folder(kind: str) -> Path | None:
    """Folder of one kind of answers in the user's cache; None when switched off or not known."""
    asked = os.environ.get(FOLDER_VARIABLE, "")
    if asked.casefold() == "off":
        return None
    if asked:
        return Path(asked) / kind
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or ""
    if base:
        return Path(base) / "chipwise" / kind
    try:
        return Path.home() / ".cache" / "chipwise" / kind
    except RuntimeError:
        return None


def remembered(cache: ContentCache, question: Mapping[str, Any], compute: Callable[[], Answer]) -> Answer:
    """The kept answer to a question, else a new one, which is then kept.

    Parameters
    ----------
    question : mapping
        Everything that decides the answer beside data and code; plain types.
    compute : callable
        Gives the answer in plain types; floats are kept exactly.

    Notes
    -----
    Whatever rests on the answer comes out the same with and without the cache.
    """
    if cache.folder is None:
        return compute()
    text = json.dumps(question, sort_keys=True)
    name = hashlib.sha256(f"{cache.stamp} {text}".encode()).hexdigest()
    place = cache.folder / cache.stamp / f"{name[:32]}.json"
    kept = _read(place, name)
    if kept is None:
        kept = compute()
        _write(place, name, kept)
    return kept


def _read(place: Path, name: str) -> Answer | None:
    try:
        head, _, body = place.read_text(encoding="utf-8").partition("\n")
        if head != f"{name} {hashlib.sha256(body.encode()).hexdigest()}":
            return None
        answer = json.loads(body)
    except (OSError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


def _write(place: Path, name: str, answer: Answer) -> None:
    body = json.dumps(answer)
    head = f"{name} {hashlib.sha256(body.encode()).hexdigest()}"
    with contextlib.suppress(OSError, ValueError):
        if not place.parent.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True)
            _forget_old(place.parent.parent)
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=place.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
                stream.write(f"{head}\n{body}")
            os.replace(temporary, place)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)


def _forget_old(folder: Path) -> None:
    """Delete all but the newest states."""
    states = sorted((entry for entry in folder.iterdir() if entry.is_dir()), key=lambda entry: entry.stat().st_mtime)
    for state in states[:-KEPT_STATES]:
        shutil.rmtree(state, ignore_errors=True)
