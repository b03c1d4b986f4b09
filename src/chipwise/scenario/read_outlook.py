"""The tree of rule futures: classes to chips, two gates into one, probabilities that sum to one."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chipwise.core.dates import first_day
from chipwise.core.names import nearest_names
from chipwise.files.yaml_tree import NodePath, shown
from chipwise.scenario.border import Border
from chipwise.scenario.objects import Gate, MarketLine, Outlook, OutlookNode, OutlookState, Quantity

if TYPE_CHECKING:
    from chipwise.files.scenario_schema import ScenarioFile
    from chipwise.files.scenario_schema_outlook import Branch, Branching, GateEntry, Root, RulesOutlook, State

FREE = Gate(kind="free", probability=1.0)
BARRED = Gate(kind="barred", probability=0.0)


def read_outlook(file: ScenarioFile, border: Border, as_of: dt.date, used: Iterable[tuple[str, NodePath]]) -> Outlook:
    """The outlook tree.

    Parameters
    ----------
    used : iterable of (chip id, place)
        Chips of stock and market; each must have a gate in every state.
    """
    section = file.rules_outlook
    states = _states(section, border)
    _check_used(section, states, border, used)
    tree = _Tree(border=border, states=states, gates=tuple(section.gates or ()))
    return Outlook(applies_to=section.applies_to, states=states, root=tree.root(section.root, as_of))


def used_chips(file: ScenarioFile, border: Border) -> Iterator[tuple[str, NodePath]]:
    """Chips named in stock, members' stock and market, with their places."""
    stocks = [*file.stock, *(line for member in file.members for line in member.stock)]
    for entry in stocks:
        yield border.item(entry.chip, (*entry.path, "chip")).chip_id, (*entry.path, "chip")
        for index, name in enumerate(entry.alternatives):
            place = (*entry.path, "alternatives", index)
            yield border.item(name, place).chip_id, place
    for line in file.market:
        if line.item is not None:
            yield border.item(line.item, (*line.path, "item")).chip_id, (*line.path, "item")


def check_only_in_states(market: Iterable[MarketLine], outlook: Outlook, file: ScenarioFile, border: Border) -> None:
    """Raise when a market line names a state that the outlook does not have."""
    gates = file.rules_outlook.gates or {}
    known = [*outlook.states, *(name for states in gates.values() for name in states)]
    for line, entry in zip(market, file.market, strict=True):
        for index, state in enumerate(line.only_in_states):
            if state not in known:
                place = (*entry.path, "only_in_states", index)
                raise border.fail(place, f"no state {shown(state)}", nearest=nearest_names(state, known))


def check_state_factors(market: Iterable[MarketLine], outlook: Outlook, file: ScenarioFile, border: Border) -> None:
    """Raise when a price factor names a state that the outlook does not have."""
    gates = file.rules_outlook.gates or {}
    known = [*outlook.states, *(name for states in gates.values() for name in states)]
    for line, entry in zip(market, file.market, strict=True):
        for state in line.price_factor_in_states:
            if state not in known:
                place = (*entry.path, "price_factor_in_states", state)
                raise border.fail(place, f"no state {shown(state)}", nearest=nearest_names(state, known))


def _classes(section: RulesOutlook, border: Border) -> dict[str, tuple[str, ...]]:
    """Class to chip ids; a chip stands in one class only."""
    owner: dict[str, str] = {}
    out: dict[str, tuple[str, ...]] = {}
    for name, members in section.classes.items():
        chips: list[str] = []
        for index, member in enumerate(members):
            place = (*section.path, "classes", name, index)
            chip = border.item(member, place).chip_id
            if chip in owner:
                raise border.fail(
                    place, f"{chip} is already in class {owner[chip]!r}", allowed="each chip in one class"
                )
            owner[chip] = name
            chips.append(chip)
        out[name] = tuple(chips)
    return out


def _states(section: RulesOutlook, border: Border) -> dict[str, OutlookState]:
    """States by name; with several gates, one state for each combination."""
    classes = _classes(section, border)
    if section.states:
        return {name: _state(name, state, classes, border) for name, state in section.states.items()}
    gates = section.gates or {}
    for name, states in gates.items():
        if not states:
            raise border.fail((*section.path, "gates", name), "a gate without states", allowed="at least one state")
    single = [[_state(name, state, classes, border) for name, state in states.items()] for states in gates.values()]
    if math.prod(len(states) for states in single) > 1000:
        raise border.fail((*section.path, "gates"), "too many combinations of states", allowed="at most 1000")
    return {combined.name: combined for combined in map(_combined, itertools.product(*single))}


def _state(name: str, entry: State, classes: Mapping[str, tuple[str, ...]], border: Border) -> OutlookState:
    """One state; ids beat classes, and every class must be mapped."""
    by_class: dict[str, Gate] = {}
    by_chip: dict[str, Gate] = {}
    for key, gate in entry.map.items():
        if key in classes:
            by_class.update(dict.fromkeys(classes[key], _gate(gate, border)))
        else:
            by_chip[_mapped_chip(key, (*entry.path, "map", key), classes, border)] = _gate(gate, border)
    for key, chips in classes.items():
        if key not in entry.map and not set(chips) <= set(by_chip):
            raise border.fail((*entry.path, "map"), f"class `{key}` is not mapped", allowed="a gate for every class")
    return OutlookState(
        name=name,
        nearest_rulebook=entry.nearest_rulebook,
        gates={**by_class, **by_chip},
        note=entry.note or "",
        use_limit=entry.use_limit or "",
    )


def _mapped_chip(key: str, place: NodePath, classes: Mapping[str, tuple[str, ...]], border: Border) -> str:
    known = [*classes, *border.catalogue.chips, *border.catalogue.systems]
    if key not in known and key not in border.catalogue.aliases:
        nearest = nearest_names(key, known)
        raise border.fail(
            place, f"{shown(key)} is neither a class nor a chip", allowed="a class or an id", nearest=nearest
        )
    return border.item(key, place).chip_id


def _gate(entry: GateEntry, border: Border) -> Gate:
    if entry.word == "free":
        return FREE
    if entry.word == "barred":
        return BARRED
    return Gate(kind="licence", probability=border.needed(entry.licence).value)


def _combined(parts: tuple[OutlookState, ...]) -> OutlookState:
    """All gates at once: barred by one is barred, licence probabilities multiply."""
    chips = [chip for chip in parts[0].gates if all(chip in part.gates for part in parts)]
    return OutlookState(
        name="+".join(part.name for part in parts),
        nearest_rulebook="; ".join(part.nearest_rulebook for part in parts if part.nearest_rulebook),
        gates={chip: _product([part.gates[chip] for part in parts]) for chip in chips},
        note="; ".join(part.note for part in parts if part.note),
        use_limit="; ".join(part.use_limit for part in parts if part.use_limit),
    )


def _product(gates: list[Gate]) -> Gate:
    if any(gate.kind == "barred" for gate in gates):
        return BARRED
    if all(gate.kind == "free" for gate in gates):
        return FREE
    return Gate(kind="licence", probability=math.prod(gate.probability for gate in gates))


def _check_used(
    section: RulesOutlook, states: Mapping[str, OutlookState], border: Border, used: Iterable[tuple[str, NodePath]]
) -> None:
    for chip, place in used:
        for state in states.values():
            if chip not in state.gates:
                classes = ", ".join(section.classes)
                message = f"{chip} has no gate in state {state.name!r} of rules_outlook"
                raise border.fail(place, message, allowed=f"put it in a class ({classes}) or map its id")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    """Builds nodes; `gates` are the names of the gates, empty for plain states."""

    border: Border
    states: Mapping[str, OutlookState]
    gates: tuple[str, ...]

    def root(self, entry: Root, as_of: dt.date) -> OutlookNode:
        start = first_day(entry.date)
        if start > as_of:
            raise self.border.fail((*entry.path, "date"), "the root starts after as_of", allowed=f"{as_of} or earlier")
        place = self.border.id_of(entry.path)
        certain = Quantity(id=f"{place}.p", value=1.0, low=1.0, high=1.0, unit="", source="the state on as_of")
        return OutlookNode(
            id="r",
            start=as_of,
            state=self.state(entry.state, (*entry.path, "state")),
            probability=certain,
            children=self.children("r", entry.next, as_of),
        )

    def state(self, given: str | Mapping[str, str], place: NodePath) -> str:
        """Name of the state, combined over gates."""
        if isinstance(given, str):
            name = given
        else:
            if not self.gates or set(given) != set(self.gates):
                allowed = f"one state for each of {', '.join(self.gates)}" if self.gates else "the name of a state"
                raise self.border.fail(place, f"state {shown(dict(given))} does not fit", allowed=allowed)
            name = "+".join(given[gate] for gate in self.gates)
        if name not in self.states:
            raise self.border.fail(
                place,
                f"no state {shown(name)}",
                allowed="a state of the outlook",
                nearest=nearest_names(name, self.states),
            )
        return name

    def children(self, parent: str, entry: Branching | None, after: dt.date) -> tuple[OutlookNode, ...]:
        if entry is None:
            return ()
        start = first_day(entry.date)
        if start <= after:
            raise self.border.fail((*entry.path, "date"), "dates do not ascend", allowed=f"after {after}")
        nodes = tuple(self.child(f"{parent}.{index}", branch, start) for index, branch in enumerate(entry.branches))
        total = math.fsum(node.probability.value for node in nodes)
        if abs(total - 1.0) > 1e-9:
            place = (*entry.path, "branches")
            raise self.border.fail(place, f"probabilities sum to {total:.12g}", allowed="probabilities that sum to 1")
        return nodes

    def child(self, id: str, entry: Branch, start: dt.date) -> OutlookNode:
        return OutlookNode(
            id=id,
            start=start,
            state=self.state(entry.state, (*entry.path, "state")),
            probability=self.border.needed(entry.p),
            children=self.children(id, entry.next, start),
        )
