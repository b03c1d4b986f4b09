"""A YAML file as plain values in which every node knows its line.

The reader takes the plain part of YAML and refuses the rest: no tags, no merge keys, no second document, no
duplicate keys, no NaN or infinity. Aliases are allowed and counted, so that a file cannot unfold without limit.
Only ``true`` and ``false`` are booleans (``NO`` is Norway), ``1e25`` is a number, ``2023-11-21`` a date and
``2023-11`` text.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chipwise.core.errors import InputError

MAX_BYTES = 2_000_000
MAX_NODES = 50_000
MAX_DEPTH = 60
MAX_SCALAR = 20_000
MAX_NUMBER = 1e60

Key = str | int
NodePath = tuple[Key, ...]

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)|[-+]?(inf|Inf|INF|nan|NaN|NAN)")
_WORD = re.compile(r"[\w+@: -]{1,80}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def path_text(path: NodePath) -> str:
    """Write a path as a person would: ``market[1].price.value``.

    Examples
    --------
    >>> path_text(("market", 1, "price", "value"))
    'market[1].price.value'
    """
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            word = key if _WORD.fullmatch(key) else shown(key)
            text += f".{word}" if text else word
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlTree:
    """A parsed file: plain values, the line of every node, the hash of the bytes.

    Parameters
    ----------
    file : str
        Name used in messages.
    value : object
        dict, list, str, int, float, bool, datetime.date or None, nested.
    lines : mapping of path to int
        Line, counted from 1, of the key (or list entry) at each path.
    sha256 : str
        Hash of the file's bytes.
    first_comment : str
        First line when it is a comment, without the sign.
    """

    file: str
    value: Any
    lines: Mapping[NodePath, int]
    sha256: str
    first_comment: str

    def line(self, path: NodePath) -> int:
        """Line of the node at `path`, or of the nearest node above it that is in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def place(self, path: NodePath) -> str:
        """``file.yaml:44 market[1].price.value``."""
        where = f"{self.file}:{self.line(path)}"
        return f"{where} {path_text(path)}" if path else where


def read_yaml(path: str | Path) -> YamlTree:
    """Read a YAML file.

    Raises
    ------
    InputError
        When the file is missing, is no regular file, is too big, or is not the plain YAML described above.
    """
    target = Path(path)
    name = str(path)
    try:
        if not target.exists():
            raise InputError("no such file", place=name, allowed="the path of a YAML file")
        if not target.is_file():
            raise InputError("not a regular file", place=name, allowed="the path of a YAML file")
        size = target.stat().st_size
        if size > MAX_BYTES:
            raise InputError(f"file of {size:,} bytes", place=name, allowed=f"at most {MAX_BYTES:,} bytes")
        content = target.read_bytes()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InputError(f"cannot read: {reason}", place=name, allowed="a file you may read") from None
    return parse_yaml(content, file=name)


def parse_yaml(content: bytes, *, file: str) -> YamlTree:
    """Read YAML from bytes; `file` is the name used in messages. See `read_yaml`."""
    import yaml

    text = _decode(content, file)
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _Builder(file=file)
    try:
        value = builder.document(yaml.parse(text, Loader=loader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = min(mark.line + 1, len(text.splitlines())) if mark is not None else 1
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
        raise InputError(f"not valid YAML: {problem}", place=f"{file}:{line}", allowed="plain YAML") from None
    head = text.split("\n", 1)[0].strip()
    return YamlTree(
        file=file,
        value=value,
        lines=builder.lines,
        sha256=hashlib.sha256(content).hexdigest(),
        first_comment=head.lstrip("#").strip() if head.startswith("#") else "",
    )


def _decode(content: bytes, file: str) -> str:
    if len(content) > MAX_BYTES:
        raise InputError(f"{len(content):,} bytes", place=file, allowed=f"at most {MAX_BYTES:,} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError("not a text file", place=f"{file}:{line}", allowed="YAML in UTF-8") from None
    position = text.find("\x00")
    if position >= 0:
        line = text.count("\n", 0, position) + 1
        raise InputError("not a text file", place=f"{file}:{line}", allowed="YAML in UTF-8")
    if not text.strip():
        raise InputError("the file is empty", place=file, allowed="a YAML mapping")
    return text


@dataclass(slots=True, kw_only=True)
class _Builder:
    """Turns parser events into values; counts nodes, aliases included."""

    file: str
    lines: dict[NodePath, int] = field(default_factory=dict)
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    nodes: int = 0

    def fail(self, message: str, event: Any, path: NodePath, allowed: str = "") -> InputError:
        where = f"{self.file}:{event.start_mark.line + 1}"
        return InputError(message, place=f"{where} {path_text(path)}" if path else where, allowed=allowed)

    def document(self, events: Iterator[Any]) -> Any:
        """Build the one document of the stream."""
        value: Any = None
        seen = False
        for event in events:
            kind = type(event).__name__
            if kind in ("StreamStartEvent", "StreamEndEvent", "DocumentEndEvent"):
                continue
            if kind == "DocumentStartEvent":
                if seen:
                    raise self.fail("a second document starts here", event, (), "one document per file")
                seen = True
                continue
            value = self.node(event, events, (), 0)
        if not seen:
            raise InputError("the file holds no data", place=self.file, allowed="a YAML mapping")
        return value

    def node(self, event: Any, events: Iterator[Any], path: NodePath, depth: int) -> Any:
        """Build one node from its first event."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self.fail("too many nodes", event, path, f"at most {MAX_NODES:,}, aliases unfolded")
        if depth > MAX_DEPTH:
            raise self.fail("nested too deeply", event, path, f"at most {MAX_DEPTH} levels")
        self.lines.setdefault(path, event.start_mark.line + 1)
        kind = type(event).__name__
        if kind == "AliasEvent":
            return self.alias(event, path)
        if event.tag is not None:
            raise self.fail(f"tag {shown(event.tag)}", event, path, "plain YAML without tags")
        before = self.nodes
        if kind == "ScalarEvent":
            value = self.scalar(event, path)
        elif kind == "SequenceStartEvent":
            value = self.sequence(events, path, depth)
        else:
            value = self.mapping(events, path, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, self.nodes - before + 1)
        return value

    def alias(self, event: Any, path: NodePath) -> Any:
        if event.anchor not in self.anchors:
            raise self.fail(f"alias *{shown(event.anchor)} has no finished anchor above it", event, path)
        value: Any
        value, size = self.anchors[event.anchor]
        self.nodes += size
        if self.nodes > MAX_NODES:
            raise self.fail("too many nodes", event, path, f"at most {MAX_NODES:,}, aliases unfolded")
        return value

    def sequence(self, events: Iterator[Any], path: NodePath, depth: int) -> list[Any]:
        out: list[Any] = []
        for event in events:
            if type(event).__name__ == "SequenceEndEvent":
                break
            out.append(self.node(event, events, (*path, len(out)), depth + 1))
        return out

    def mapping(self, events: Iterator[Any], path: NodePath, depth: int) -> dict[Key, Any]:
        out: dict[Key, Any] = {}
        for event in events:
            if type(event).__name__ == "MappingEndEvent":
                break
            key = self.key(event, path)
            here = (*path, key)
            if key in out:
                first = self.lines[here]
                raise self.fail(f"key {shown(key)} is given twice, first on line {first}", event, here, "each key once")
            self.lines[here] = event.start_mark.line + 1
            out[key] = self.node(next(events), events, here, depth + 1)
        return out

    def key(self, event: Any, path: NodePath) -> Key:
        if type(event).__name__ != "ScalarEvent" or event.tag is not None:
            raise self.fail("a key must be a word or a whole number", event, path, "key: value")
        if not event.style and event.value == "<<":
            raise self.fail("merge key <<", event, path, "write the keys out")
        value = self.scalar(event, path)
        return value if isinstance(value, int) and not isinstance(value, bool) else str(event.value)

    def scalar(self, event: Any, path: NodePath) -> Any:
        text: str = event.value
        if len(text) > MAX_SCALAR:
            raise self.fail(f"text of {len(text):,} characters", event, path, f"at most {MAX_SCALAR:,}")
        if event.style:  # the two parsers say None or "" for plain text
            return text
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        if _NOT_FINITE.fullmatch(text):
            raise self.fail(f"{shown(text)} is not a number", event, path, "a finite number, or null for not published")
        if _DATE.fullmatch(text):
            try:
                return dt.date.fromisoformat(text)
            except ValueError:
                raise self.fail(f"{shown(text)} is no day of the calendar", event, path, "a real date") from None
        return self.number(text, event, path)

    def number(self, text: str, event: Any, path: NodePath) -> str | int | float:
        """A number where the text is one, else the text."""
        if not _FLOAT.fullmatch(text):
            return text
        value = float(text)
        if not math.isfinite(value) or abs(value) > MAX_NUMBER:
            raise self.fail(f"number {shown(text)} is too big", event, path, f"at most {MAX_NUMBER:g}")
        return int(text) if _INT.fullmatch(text) else value


def shown(value: object) -> str:
    """A value for a message: quoted, control characters escaped, long ones cut."""
    if isinstance(value, dt.date):
        return value.isoformat()
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
