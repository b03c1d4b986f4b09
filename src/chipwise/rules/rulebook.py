"""The rulebook: dated tables as shipped, or with a user's overlay; the law of a day is read from it."""

from __future__ import annotations

import bisect
import datetime as dt
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from chipwise.core.errors import RuleError
from chipwise.rules.law import Law, build_law

_FILES = {
    "parameters": "parameters",
    "tests": "tests",
    "scope": None,
    "letters": "letters",
    "parties": None,
    "open_questions": "questions",
    "duties": "duties",
    "china_gate": None,
    "country_groups": None,
    "item_facts": None,
    "provisions": "provisions",
}
_BUILT = ("from", "until", "compliance_from", "others_until")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rulebook:
    """Dated tables of the law.

    Parameters
    ----------
    name : str
        ``shipped``, or the names of the overlays laid over it.
    tables : mapping
        One entry per YAML file of ``chipwise.data.rules``.
    digest : str
        SHA-256 of the tables; two rulebooks with the same digest give the same answers.
    dates : tuple of datetime.date
        Every day on which something changes, ascending; a verdict is constant between two of them.
    """

    name: str
    tables: Mapping[str, Any]
    digest: str
    dates: tuple[dt.date, ...]

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rulebook) and self.digest == other.digest

    @property
    def newest_source(self) -> dt.date:
        """Day of the newest source the tables were checked against."""
        day: dt.date = self.tables["scope"]["newest_source"]
        return day

    @property
    def coverage_from(self) -> dt.date:
        """First day the tables speak of."""
        day: dt.date = self.tables["scope"]["coverage_from"]
        return day

    def recheck_required(self, day: dt.date) -> bool:
        """Whether a day lies past the newest source."""
        return day > self.newest_source

    def interval(self, day: dt.date) -> int:
        """Index of the stretch of constant law that holds `day`.

        Raises
        ------
        RuleError
            When the day lies before the rulebook begins.
        """
        if day < self.coverage_from:
            raise RuleError(
                f"{day.isoformat()} lies before the rulebook", place="--on", allowed=f"{self.coverage_from} or later"
            )
        return bisect.bisect_right(self.dates, day) - 1

    def law(self, day: dt.date) -> Law:
        """The law in force on a day."""
        return _law(self, self.interval(day))

    def provision(self, name: str) -> Mapping[str, Any]:
        """A provision by id, or an empty mapping."""
        found: Mapping[str, Any] = _provisions(self).get(name, {})
        return found

    def known_on(self, day: dt.date) -> Rulebook:
        """The rulebook as it was public on a day: rows of provisions published later are left out."""
        return _known_on(self, day)


@functools.lru_cache(maxsize=512)
def _law(rulebook: Rulebook, index: int) -> Law:
    dates = rulebook.dates
    return build_law(rulebook.tables, dates[index], dates[index + 1] if index + 1 < len(dates) else None)


@functools.lru_cache(maxsize=32)
def _provisions(rulebook: Rulebook) -> Mapping[str, Mapping[str, Any]]:
    return {row["id"]: row for row in rulebook.tables["provisions"]}


def rulebook_of(tables: Mapping[str, Any], name: str) -> Rulebook:
    """Make a rulebook from tables: find its dates and its digest."""
    text = json.dumps(_jsonable(tables), sort_keys=True)
    start: dt.date = tables["scope"]["coverage_from"]
    dates = sorted({start, *(day for day in _dates(tables) if day > start)})
    return Rulebook(name=name, tables=tables, digest=hashlib.sha256(text.encode()).hexdigest(), dates=tuple(dates))


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(entry) for entry in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def _dates(tables: Mapping[str, Any]) -> Iterator[dt.date]:
    """Days on which an answer may change."""
    skipped = ("provisions", "open_questions", "item_facts")
    for name, table in tables.items():
        if name not in skipped:
            yield from _row_dates(table)
    yield tables["scope"]["newest_source"] + dt.timedelta(days=1)


def _row_dates(value: Any) -> Iterator[dt.date]:
    if isinstance(value, Mapping):
        for key, entry in value.items():
            if isinstance(key, dt.date):
                yield key
            if key in _BUILT and isinstance(entry, dt.date):
                yield entry
            elif key == "until_between":
                yield entry[0]
                yield entry[1] + dt.timedelta(days=1)
            else:
                yield from _row_dates(entry)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from _row_dates(entry)


def read_yaml(text: str, place: str) -> Any:
    """Parse YAML, with the place named when it is not YAML."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        raise RuleError(f"not YAML: {getattr(error, 'problem', error)}", place=f"{place}{line}") from None


@functools.cache
def _shipped() -> Rulebook:
    folder = resources.files("chipwise.data").joinpath("rules")
    tables: dict[str, Any] = {}
    for name, inner in _FILES.items():
        table = read_yaml(folder.joinpath(f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml")
        tables[name] = table[inner] if inner else table
    return rulebook_of(tables, "shipped")


def load_rulebook(path: str | Path | None = None) -> Rulebook:
    """The shipped rulebook, or the shipped one with an overlay.

    Parameters
    ----------
    path : str or Path or None
        A YAML overlay, or the name of a shipped one (``no-october-2023``).

    Raises
    ------
    RuleError
        When the overlay cannot be used; the message names the place.
    """
    if path is None:
        return _shipped()
    from chipwise.rules.overlay import apply_overlay, read_overlay

    overlay, name = read_overlay(path)
    return apply_overlay(_shipped(), overlay, name)


@functools.lru_cache(maxsize=64)
def _known_on(rulebook: Rulebook, day: dt.date) -> Rulebook:
    hidden = {
        row["id"]
        for row in rulebook.tables["provisions"]
        if (public := _published(row.get("released") or row.get("published"))) is not None and public > day
    }
    tables = without_rows(rulebook.tables, hidden)
    gate = tables["china_gate"]
    tables["china_gate"] = {**gate, "items": [row for row in gate["items"] if row["from"] <= day]}
    tables["letters"] = [_practice_known(row, day) for row in tables["letters"]]
    return rulebook_of(tables, f"{rulebook.name}, as public on {day.isoformat()}")


def _practice_known(letter: Mapping[str, Any], day: dt.date) -> Mapping[str, Any]:
    """A letter without practice that was reported later."""
    later = letter.get("named_policies") or {}
    return {**letter, "named_policies": {start: policy for start, policy in later.items() if start <= day}}


def _published(value: Any) -> dt.date | None:
    if value is None or isinstance(value, dt.date):
        return value
    from chipwise.core.dates import last_day

    return last_day(str(value))


def without_rows(value: Any, hidden: set[str]) -> Any:
    """A copy of the tables without rows that rest on a hidden provision; what it alone had ended goes on."""
    if isinstance(value, Mapping):
        kept = {key: entry for key, entry in value.items() if not _rests_on(entry, hidden, by_id=False)}
        if value.get("ended_by") in hidden:
            kept["until"] = None
            if isinstance(kept.get("values"), Mapping):
                kept["values"] = {day: number for day, number in kept["values"].items() if number is not None}
        if value.get("by") in hidden:
            return _unchanged_membership(kept)
        return {key: without_rows(entry, hidden) for key, entry in kept.items()}
    if isinstance(value, list):
        return [without_rows(entry, hidden) for entry in value if not _rests_on(entry, hidden, by_id=True)]
    return value


def _rests_on(entry: Any, hidden: set[str], *, by_id: bool) -> bool:
    if not isinstance(entry, Mapping):
        return False
    return entry.get("provision") in hidden or (by_id and entry.get("id") in hidden)


def _unchanged_membership(entry: Mapping[str, Any]) -> Any:
    """Membership of a country group as it was before the change that is left out."""
    if "until" not in entry:
        return False
    return {"from": entry["from"]} if "from" in entry else True
