"""Reading a dated table at one day: rows in force, values, and membership of country groups."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
Places = Mapping[str, bool | None]
"""Country code to membership; a code that is missing is not known."""


def in_force(row: Row, day: dt.date) -> bool:
    """Whether a dated row holds on a day, [from, until)."""
    start, end = row.get("from"), row.get("until")
    return (start is None or start <= day) and (end is None or day < end)


def value_on(values: Mapping[dt.date, Any] | None, day: dt.date) -> Any:
    """The entry of a date-keyed mapping in force on a day; None before the first and where it ceased."""
    past = [start for start in values or {} if start <= day]
    return (values or {})[max(past)] if past else None


def member(groups: Mapping[str, Any], group: str, day: dt.date) -> bool | None:
    """Membership of a country group on a day; None where the table leaves it open."""
    entry = groups.get(group, False)
    if isinstance(entry, bool):
        return entry
    if entry.get("open"):
        return None
    between = entry.get("until_between")
    if between is not None:
        return True if day < between[0] else (None if day <= between[1] else False)
    return in_force(entry, day)


class Geography:
    """Country groups read at one day."""

    def __init__(self, table: Row, day: dt.date) -> None:
        self.rows = {row["code"]: row["groups"] for row in table["rows"]}
        self.day = day

    def places(self, spec: Row | None) -> Places | None:
        """Expand ``{groups, codes, not_groups}`` into a membership for every code of the table."""
        if spec is None:
            return None
        codes, groups, barred = spec.get("codes", ()), spec.get("groups", ()), spec.get("not_groups", ())
        return {code: self._inside(code, own, codes, groups, barred) for code, own in self.rows.items()}

    def _inside(
        self, code: str, own: Row, codes: Sequence[str], groups: Sequence[str], barred: Sequence[str]
    ) -> bool | None:
        inside = True if code in codes else self._in_one(own, groups)
        outside = self._in_one(own, barred)
        if inside is False or outside is True:
            return False
        return None if inside is None or outside is None else True

    def _in_one(self, own: Row, groups: Sequence[str]) -> bool | None:
        found = [member(own, group, self.day) for group in groups]
        return True if True in found else (None if None in found else False)
