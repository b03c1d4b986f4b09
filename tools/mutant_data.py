"""Every small change that a mutation run may make to the dated data of a package.

Dates move by a day, numbers by a step, flags turn, and words of the vocabulary give way to a neighbour. Left alone, by
category: where a row comes from and when it was read, prose, and the table of country groups where it holds no date
(it is copied from the source by a tool and read by no rule of its own).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.mutant_sites import Mutant, Words, mutant_of

PROVENANCE = frozenset(
    {"checked_on", "as_of", "basis", "source", "sources", "citation", "note", "text", "title", "changed", "meaning"}
    | {"describe", "fact", "name", "kind", "issuer", "contested", "id", "by", "provision", "ended_by", "code"}
)
"""Keys whose values tell a reader where a row comes from; no answer turns on them."""


def data_mutants(path: Path, name: str, words: Words) -> Iterator[Mutant]:
    """Every mutant of one YAML file."""
    import yaml

    text = path.read_text(encoding="utf-8")
    for node, keys in _scalars(yaml.compose(text), ()):
        if PROVENANCE & set(keys) or ("groups" in keys and node.tag.endswith(":bool")):
            continue
        start, end = node.start_mark.index, node.end_mark.index
        written = text[start:end]
        for kind, new in _changes(node, words):
            changed = text[:start] + written.replace(node.value, new) + text[end:]
            line = node.start_mark.line + 1
            yield mutant_of(name, line, kind, (".".join(keys) + ": " + node.value, new), changed)


def _scalars(node: Any, keys: tuple[str, ...]) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Every scalar with the keys that lead to it; a date that is itself a key comes with them."""
    if hasattr(node, "style") and isinstance(node.value, str):
        yield node, keys
    elif isinstance(node.value, list):
        for entry in node.value:
            if isinstance(entry, tuple):
                if entry[0].tag.endswith(":timestamp"):
                    yield entry[0], keys
                yield from _scalars(entry[1], (*keys, str(entry[0].value)))
            else:
                yield from _scalars(entry, keys)


def _changes(node: Any, words: Words) -> Iterator[tuple[str, str]]:
    kind = node.tag.rpartition(":")[2]
    if kind == "timestamp":
        day = dt.date.fromisoformat(node.value)
        for step in (-1, 1):
            yield "date", (day + dt.timedelta(days=step)).isoformat()
    elif kind == "int":
        yield "number", str(int(node.value) + 1)
        yield "number", str(int(node.value) - 1)
    elif kind == "float":
        yield "number", f"{float(node.value) * 1.01:.12g}"
        yield "number", f"{float(node.value) * 0.99:.12g}"
    elif kind == "bool":
        yield "flag", "false" if node.value.lower() == "true" else "true"
    elif kind == "str" and node.value in words:
        yield "word", words[node.value]
