"""From the entries of a file to quantities in SI units and US dollars, and from names to catalogue ids."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chipwise.catalogue import Catalogue, System
from chipwise.core.dates import first_day, last_day
from chipwise.core.errors import ScenarioError, Undetermined, UnknownName
from chipwise.files.quantities import MONEY_FORMS, MoneyUnit, fits, money_unit
from chipwise.files.yaml_tree import NodePath, YamlTree, path_text, shown
from chipwise.scenario.objects import Quantity

if TYPE_CHECKING:
    from chipwise.files.scenario_schema_numbers import Number, Shares

MAX_NAME = 200
PLAIN_SOURCE = "written in the scenario file without a source"

UNIT_OF_KIND = {
    "sum": "USD",
    "sum per year": "USD/year",
    "rate": "USD/month",
    "per chip": "USD/chip",
    "per hour": "USD/chip-hour",
    "per token": "USD/token",
    "per kWh": "USD/kWh",
}
"""Unit after conversion of each kind of money."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What a name of the catalogue stands for: the thing sold, the chip inside, chips in one of it."""

    item_id: str
    chip_id: str
    chips: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Border:
    """What every conversion needs: the file (for places), the rates of money, the catalogue.

    Parameters
    ----------
    rates : mapping of currency to float
        Units of the currency for one US dollar.
    """

    tree: YamlTree
    scenario_id: str
    rates: Mapping[str, float]
    catalogue: Catalogue

    def fail(self, path: NodePath, message: str, *, allowed: str = "", nearest: Sequence[str] = ()) -> ScenarioError:
        """An error with its place in the file."""
        return ScenarioError(message, place=self.tree.place(path), allowed=allowed, nearest=nearest)

    def id_of(self, path: NodePath) -> str:
        """Id of the quantity at `path`."""
        return f"scenario/{self.scenario_id}#{path_text(path)}"

    # -- numbers

    def number(
        self, entry: Number | None, unit: str = "", *, scale: float = 1.0, words: Iterable[str] = ()
    ) -> Quantity | None:
        """A number without money, times `scale`; None when absent or not published.

        `words` are the texts that may stand as its unit.
        """
        if entry is None or entry.value is None:
            return None
        if entry.unit is not None and entry.unit not in words:
            allowed = ", ".join(words) or "no unit here"
            raise self.fail((*entry.path, "unit"), f"unit {shown(entry.unit)} is not expected", allowed=allowed)
        return self.quantity(entry, unit, scale)

    def needed(self, entry: Number, unit: str = "", *, scale: float = 1.0, words: Iterable[str] = ()) -> Quantity:
        """A number that must be there."""
        quantity = self.number(entry, unit, scale=scale, words=words)
        if quantity is None:
            raise self.null(entry)
        return quantity

    def money(self, entry: Number | None, kind: str, *, unit: str | None = None) -> Quantity | None:
        """Money of one kind in US dollars; None when absent or not published.

        Parameters
        ----------
        kind : str
            A key of `chipwise.files.quantities.MONEY_FORMS`.
        unit : str, optional
            Unit that stands elsewhere, as for a series.
        """
        if entry is None:
            return None
        parsed = self.money_unit(entry, kind, unit)
        if entry.value is None:
            return None
        scale = parsed.scale / self.rates[parsed.currency]
        if kind == "rate" and parsed.per == "year":
            scale /= 12.0
        return self.quantity(entry, UNIT_OF_KIND[kind], scale)

    def money_needed(self, entry: Number, kind: str) -> Quantity:
        """Money that must be there."""
        quantity = self.money(entry, kind)
        if quantity is None:
            raise self.null(entry)
        return quantity

    def money_unit(self, entry: Number, kind: str, unit: str | None = None) -> MoneyUnit:
        """The unit of a sum of money, which must stand and fit."""
        forms = ", ".join(MONEY_FORMS[kind])
        text = unit if unit is not None else entry.unit
        if text is None:
            raise self.fail(
                entry.path, "a sum of money without unit", allowed=f"{{value, unit, src}}, unit one of {forms}"
            )
        place = entry.path if unit is not None else (*entry.path, "unit")
        parsed = money_unit(text)
        if parsed is None or not fits(parsed, kind):
            raise self.fail(place, f"unit {shown(text)} is not one for money of this kind", allowed=forms)
        if parsed.currency not in self.rates:
            known = ", ".join(self.rates)
            raise self.fail(place, f"no rate for {parsed.currency} in this file", allowed=f"{known}; see `currency`")
        return parsed

    def quantity(self, entry: Number, unit: str, scale: float) -> Quantity:
        """The entry's number and range times `scale`."""
        value = entry.value
        if value is None:
            raise self.null(entry)
        low, high = entry.range or (value, value)
        return Quantity(
            id=self.id_of(entry.path),
            value=value * scale,
            low=low * scale,
            high=high * scale,
            unit=unit,
            source=entry.source() or PLAIN_SOURCE,
            status="estimated" if entry.src else "assumed",
            ex_post=entry.ex_post,
            bound=entry.bound or "",
        )

    def null(self, entry: Number) -> ScenarioError:
        """The error for a number that is needed and was not published."""
        path = entry.path if entry.plain else (*entry.path, "value")
        return self.fail(path, "not published (null), but needed", allowed="a number, with assume if it is a guess")

    # -- names and dates

    def item(self, name: str, path: NodePath) -> Item:
        """Resolve the name of a chip or system."""
        self.short(name, path)
        try:
            found = self.catalogue.item(name)
            if isinstance(found, System):
                return Item(item_id=found.id, chip_id=found.chip_id, chips=float(found.chips))
            chip, per_unit = self.catalogue.chip_and_count(name)
        except UnknownName as error:
            raise self.fail(path, error.message, nearest=error.nearest, allowed="an id of the catalogue") from None
        return Item(item_id=chip.id, chip_id=chip.id, chips=per_unit)

    def model(self, name: str, path: NodePath, *, shape: bool = True) -> str:
        """Resolve the name of a model; with `shape`, one whose shape is published."""
        self.short(name, path)
        try:
            return self.catalogue.model(name, allow_shapeless=not shape).id
        except UnknownName as error:
            raise self.fail(path, error.message, nearest=error.nearest, allowed="a model of the catalogue") from None
        except Undetermined as error:
            raise self.fail(path, error.message, allowed="a model whose shape is published") from None

    def short(self, name: str, path: NodePath) -> None:
        """Refuse what is too long to be a name."""
        if len(name) > MAX_NAME:
            raise self.fail(path, f"{shown(name)} is too long for a name", allowed=f"at most {MAX_NAME} characters")

    def shares(self, entry: Shares, names: Iterable[str]) -> dict[str, float]:
        """Shares by name, for exactly these names."""
        wanted = set(names)
        for name in entry.value:
            if name not in wanted:
                known = ", ".join(sorted(wanted))
                raise self.fail((*entry.path, "value", name), f"{shown(name)} is not one of them", allowed=known)
        for name in sorted(wanted - set(entry.value)):
            raise self.fail((*entry.path, "value"), f"missing key `{name}`", allowed="a share for each")
        return dict(entry.value)


def first(value: str | dt.date | None) -> dt.date | None:
    """First day of a partial date: available from."""
    return None if value is None else first_day(value)


def last(value: str | dt.date | None) -> dt.date | None:
    """Last day of a partial date: known by, until, deadline."""
    return None if value is None else last_day(value)


def added(id: str, parts: Sequence[Quantity], source: str) -> Quantity:
    """Sum of quantities of one unit; low with low, high with high."""
    return Quantity(
        id=id,
        value=sum(part.value for part in parts),
        low=sum(part.low for part in parts),
        high=sum(part.high for part in parts),
        unit=parts[0].unit,
        source=source,
        status="estimated" if all(part.status == "estimated" for part in parts) else "assumed",
        ex_post=any(part.ex_post for part in parts),
    )


def negative(part: Quantity) -> Quantity:
    """The quantity with its sign turned; low and high change places."""
    return replace(part, value=-part.value, low=-part.high, high=-part.low)


def times(part: Quantity, other: Quantity) -> Quantity:
    """Product of two quantities that are not negative, in the unit of the second."""
    return replace(other, value=part.value * other.value, low=part.low * other.low, high=part.high * other.high)
