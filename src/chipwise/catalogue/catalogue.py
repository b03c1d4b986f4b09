"""The catalogue: every table, and the names by which its rows are found."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from chipwise.catalogue.objects import Alias, Chip, Model, Price, Supply, System
from chipwise.core.errors import DataError, Undetermined, UnknownName
from chipwise.core.names import nearest_names
from chipwise.core.notebook import shown_in_notebook

COUNTED = ("chips", "systems", "prices", "supply", "models")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Catalogue:
    """Chips, systems, prices, supply, models and the spellings of their names.

    Parameters
    ----------
    chips, systems, models : mapping of id to object
    prices, supply : tuple of observations
    aliases : mapping of spelling to Alias
    snapshot : str
        Short digest of all tables, the same for the same data.
    overlays : tuple of str
        Names of the user folders laid over the shipped tables.
    """

    chips: Mapping[str, Chip]
    systems: Mapping[str, System]
    prices: tuple[Price, ...]
    supply: tuple[Supply, ...]
    models: Mapping[str, Model]
    aliases: Mapping[str, Alias]
    snapshot: str
    overlays: tuple[str, ...] = ()

    _repr_html_ = shown_in_notebook

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(getattr(self, name))} {name}" for name in COUNTED)
        return f"<Catalogue {self.snapshot}: {counts}>"

    def chip(self, name: str) -> Chip:
        """The chip with that id, exact alias, or (ignoring case) id, alias or name.

        Raises
        ------
        UnknownName
            When no chip, or more than one, has that name.
        """
        return self.chip_and_count(name)[0]

    def chip_and_count(self, name: str) -> tuple[Chip, float]:
        """The chip, and how many catalogue packages one unit of that spelling is (0.5 where it counts dies)."""
        if name in self.chips:
            return self.chips[name], 1.0
        alias = self.aliases.get(name)
        if alias is not None:
            return self._aliased(alias)
        found = _chip_names(self).get(name.strip().casefold(), ())
        if len({entry.chip_id for entry in found}) > 1:
            raise UnknownName(
                f"{name!r} is the name of several chips", place="chip", nearest=sorted({e.chip_id for e in found})
            )
        if not found:
            raise UnknownName(f"no chip is called {name!r}", place="chip", nearest=self._nearest_chips(name))
        return self._aliased(found[0])

    def _aliased(self, alias: Alias) -> tuple[Chip, float]:
        if not alias.chip_id:
            why = f" ({alias.note})" if alias.note else ""
            raise UnknownName(
                f"{alias.alias!r} names no single chip{why}", place="chip", nearest=self._nearest_chips(alias.alias)
            )
        return self.chips[alias.chip_id], alias.per_unit

    def _nearest_chips(self, name: str) -> tuple[str, ...]:
        known = _chip_names(self)
        part = name.strip().casefold()
        ids = sorted((chip for chip in self.chips if len(part) > 2 and part in chip), key=len)
        ids += [known[hit][0].chip_id for hit in nearest_names(part, known, count=6)]
        return tuple(dict.fromkeys(entry for entry in ids if entry))[:3]

    def system(self, name: str) -> System:
        """The system with that id or name, ignoring case.

        Raises
        ------
        UnknownName
            When there is none.
        """
        if name in self.systems:
            return self.systems[name]
        wanted = name.strip().casefold()
        for system in self.systems.values():
            if wanted in (system.id.casefold(), system.name.casefold()):
                return system
        raise UnknownName(f"no system is called {name!r}", place="system", nearest=nearest_names(name, self.systems))

    def item(self, name: str) -> Chip | System:
        """The system or the chip of that name; a system's id wins over a chip's alias."""
        if name in self.chips:
            return self.chips[name]
        try:
            return self.system(name)
        except UnknownName:
            pass
        try:
            return self.chip(name)
        except UnknownName as error:
            near = tuple(dict.fromkeys((*error.nearest, *nearest_names(name, self.systems, count=2))))
            raise UnknownName(error.message.replace("no chip is", "no chip or system is"), nearest=near) from None

    def chip_of(self, name: str) -> Chip:
        """The chip itself, or the chip inside the system of that name."""
        item = self.item(name)
        return item if isinstance(item, Chip) else self.chips[item.chip_id]

    def model(self, name: str, *, allow_shapeless: bool = False) -> Model:
        """The model with that id, name or alias, ignoring case.

        Raises
        ------
        UnknownName
            When no model has that name.
        Undetermined
            When only its size was announced, so that nothing can be computed; `allow_shapeless` returns it anyway.
        """
        model = self.models.get(name) or self.models.get(_model_names(self).get(name.strip().casefold(), ""))
        if model is None:
            ids = [_model_names(self)[hit] for hit in nearest_names(name.strip(), _model_names(self), count=5)]
            raise UnknownName(f"no model is called {name!r}", place="model", nearest=tuple(dict.fromkeys(ids))[:3])
        if not model.has_shape and not allow_shapeless:
            raise Undetermined(f"the shape of {model.name} is not published ({model.notes})", place=f"model {model.id}")
        return model

    def models_by_spelling(self) -> Mapping[str, str]:
        """Every spelling of every model, in lower case, to its id.

        Raises
        ------
        DataError
            When a spelling names two models.
        """
        return _model_names(self)

    def server_of(self, chip_id: str) -> System | None:
        """The usual server of a chip: eight chips if there is one, else its commonest size; None if none is known.

        Among equals a vendor's own system goes before a cloud instance, then the order of the table decides.
        """
        systems = [system for system in self.systems.values() if system.chip_id == chip_id]
        if not systems:
            return None
        eights = [system for system in systems if system.chips == 8]
        if not eights:
            counts = [system.chips for system in systems]
            usual = min(set(counts), key=lambda size: (-counts.count(size), size))
            eights = [system for system in systems if system.chips == usual]
        return min(eights, key=lambda system: system.vendor in _CLOUDS)

    def prices_of(self, item_id: str) -> tuple[Price, ...]:
        """Price observations of one chip or system, oldest first."""
        found = [price for price in self.prices if price.item_id == item_id]
        return tuple(sorted(found, key=lambda price: (price.date, price.id)))

    def __hash__(self) -> int:
        return hash((self.snapshot, self.overlays))


_CLOUDS = frozenset({"AWS", "Google", "Microsoft", "Azure"})


@functools.lru_cache(maxsize=16)
def _chip_names(catalogue: Catalogue) -> Mapping[str, tuple[Alias, ...]]:
    """Every spelling of every chip, folded, to the aliases it may mean; ids first."""
    names: dict[str, list[Alias]] = {}
    for chip in catalogue.chips.values():
        for spelling in (chip.id, chip.name):
            entry = Alias(alias=spelling, chip_id=chip.id, per_unit=1.0, where_used="", note="")
            names.setdefault(spelling.casefold(), []).append(entry)
    for alias in catalogue.aliases.values():
        names.setdefault(alias.alias.casefold(), []).append(alias)
    return {name: tuple(entries) for name, entries in names.items()}


@functools.lru_cache(maxsize=16)
def _model_names(catalogue: Catalogue) -> Mapping[str, str]:
    """Every spelling of every model, folded, to its id; of ``maker/name`` the name alone too, where it is clear."""
    names: dict[str, str] = {}
    for model in catalogue.models.values():
        for spelling in (model.id, model.name, *model.aliases):
            owner = names.setdefault(spelling.casefold(), model.id)
            if owner != model.id:
                raise DataError(f"{spelling!r} is the name of {owner} and of {model.id}", place="models.csv")
    tails: dict[str, set[str]] = {}
    for spelling, owner in names.items():
        if "/" in spelling:
            tails.setdefault(spelling.rpartition("/")[2], set()).add(owner)
    return {tail: next(iter(owners)) for tail, owners in tails.items() if len(owners) == 1} | names
