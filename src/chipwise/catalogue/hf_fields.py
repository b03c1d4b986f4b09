"""Typed access to the fields of a configuration; every complaint names file and field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chipwise.core.errors import DataError
from chipwise.core.names import nearest_names

MOST = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Fields of one configuration.

    Parameters
    ----------
    content : mapping
    place : str
        File, for messages.
    taken : list of str
        Grows by every class default that is used.
    """

    content: Mapping[str, Any]
    place: str
    taken: list[str]

    def optional(self, *names: str, low: int = 1) -> int | None:
        """The first of `names` that is given, as a whole number; None where none is, or is null."""
        for name in names:
            value = self.content.get(name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= MOST:
                raise self.bad(name, f"a whole number from {low} to {MOST:,}")
            return value
        return None

    def needed(self, *names: str, low: int = 1) -> int:
        """The first of `names` that is given; an error where none is."""
        value = self.optional(*names, low=low)
        if value is None:
            known = [str(key) for key in self.content]
            raise DataError(
                "is missing",
                place=f"{self.place} {' or '.join(names)}",
                allowed="a whole number",
                nearest=nearest_names(names[0], known),
            )
        return value

    def number(self, name: str, default: float) -> float:
        """A number with the default of its class."""
        value = self.content.get(name)
        if value is None:
            self.taken.append(f"{name} = {default:g}")
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < MOST:
            raise self.bad(name, "a positive number")
        return float(value)

    def flag(self, name: str, default: bool, *, silent: bool = False) -> bool:
        """A yes or no with the default of its class."""
        value = self.content.get(name)
        if value is None:
            if not silent:
                self.taken.append(f"{name} = {str(default).lower()}")
            return default
        if not isinstance(value, bool):
            raise self.bad(name, "true or false")
        return value

    def listed(self, name: str) -> list[Any] | None:
        """A list, or None where the field is not given."""
        value = self.content.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) > 10_000:
            raise self.bad(name, "a list")
        return value

    def inner(self, name: str) -> Fields:
        """The fields of a nested object; empty where it is not given."""
        value = self.content.get(name) or {}
        if not isinstance(value, dict):
            raise self.bad(name, "an object")
        return Fields(content=value, place=f"{self.place} {name}", taken=self.taken)

    def bad(self, name: str, allowed: str) -> DataError:
        """The complaint about one field."""
        return DataError(
            f"{str(self.content.get(name))[:60]!r} cannot stand here", place=f"{self.place} {name}", allowed=allowed
        )
