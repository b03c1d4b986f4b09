"""Change one number of a scenario and get a new scenario; nothing is edited in place."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from chipwise.core.errors import ScenarioError
from chipwise.core.names import nearest_names
from chipwise.scenario.objects import OutlookNode, Quantity, Scenario, TokenPath


def quantities(value: object) -> Iterator[Quantity]:
    """Every `Quantity` inside a scenario or a part of one, in the order of its fields."""
    if isinstance(value, Quantity):
        yield value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from quantities(getattr(value, field.name))
    elif isinstance(value, tuple):
        for entry in value:
            yield from quantities(entry)
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from quantities(entry)


def _rebuilt(value: Any, changes: Mapping[str, float]) -> Any:
    if isinstance(value, Quantity):
        if value.id not in changes:
            return value
        new = changes[value.id]
        return dataclasses.replace(value, value=new, low=min(value.low, new), high=max(value.high, new))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        touched = {}
        for field in dataclasses.fields(value):
            before = getattr(value, field.name)
            after = _rebuilt(before, changes)
            if after is not before:
                touched[field.name] = after
        return dataclasses.replace(value, **touched) if touched else value
    if isinstance(value, tuple):
        entries = tuple(_rebuilt(entry, changes) for entry in value)
        return entries if any(a is not b for a, b in zip(entries, value, strict=True)) else value
    return value


def with_values(scenario: Scenario, changes: Mapping[str, float]) -> Scenario:
    """The scenario with the central value of some quantities changed.

    Parameters
    ----------
    scenario : Scenario
    changes : mapping of str to float
        Quantity id (``scenario/<id>#<path>``, or the path alone) → new value in the quantity's unit.

    Raises
    ------
    ScenarioError
        For an id the scenario does not have.
    """
    known = {quantity.id for quantity in quantities(scenario)}
    full: dict[str, float] = {}
    for key, value in changes.items():
        name = key if key in known else f"scenario/{scenario.id}#{key}"
        if name not in known:
            raise ScenarioError(
                f"{key!r} is no quantity of scenario {scenario.id!r}", nearest=nearest_names(name, known)
            )
        full[name] = float(value)
    changed: Scenario = _rebuilt(scenario, full)
    return changed


PATH_PLACE = "demand.inference.path_probabilities."


def with_settings(scenario: Scenario, changes: Mapping[str, float]) -> Scenario:
    """The scenario with some numbers changed; probabilities that must sum to one are rescaled around the one changed.

    Parameters
    ----------
    scenario : Scenario
    changes : mapping of str to float
        Place of a number in the file (``finance.cash``, ``rules_outlook.root.next.branches[1].p``,
        ``demand.inference.path_probabilities.high``) → new value, in the unit after conversion (`chipwise scenario
        show`).

    Raises
    ------
    ScenarioError
        For a place that has no number, or a probability outside 0 to 1.
    """
    changed = scenario
    branches = {child.probability.id for node in scenario.outlook.root.walk() for child in node.children}
    paths = {f"{PATH_PLACE}{path.name}": path.name for path in scenario.demand.paths}
    for key, value in changes.items():
        full = key if key in branches else f"scenario/{scenario.id}#{key}"
        if full in branches:
            _demand_share(key, value)
            changed = with_branch_probability(changed, full, value)
        elif key in paths:
            _demand_share(key, value)
            changed = _with_path(changed, paths[key], value)
        else:
            changed = with_values(changed, {key: value})
    said = tuple(f"changed for this run: {key} = {value:g}" for key, value in changes.items())
    return dataclasses.replace(changed, warnings=(*said, *changed.warnings))


def _demand_share(key: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ScenarioError(f"{value:g} is no probability", place=key, allowed="0 to 1")


def _others(old: float, new: float, place: str) -> float:
    """Factor on the other shares."""
    if old >= 1.0:
        if new < 1.0:
            raise ScenarioError("nothing else may happen in its place", place=place, allowed="1")
        return 1.0
    return (1.0 - new) / (1.0 - old)


def with_branch_probability(scenario: Scenario, id: str, value: float) -> Scenario:
    """The scenario with one branch more or less probable; its siblings share the rest in their proportions."""

    def rebuilt(node: OutlookNode) -> OutlookNode:
        mine = next((child for child in node.children if child.probability.id == id), None)
        children = tuple(rebuilt(child) for child in node.children)
        if mine is not None:
            factor = _others(mine.probability.value, value, id)
            children = tuple(
                dataclasses.replace(
                    child,
                    probability=_moved(
                        child.probability, value if child.probability.id == id else child.probability.value * factor
                    ),
                )
                for child in children
            )
        return dataclasses.replace(node, children=children)

    outlook = dataclasses.replace(scenario.outlook, root=rebuilt(scenario.outlook.root))
    return dataclasses.replace(scenario, outlook=outlook)


def _moved(quantity: Quantity, value: float) -> Quantity:
    return dataclasses.replace(quantity, value=value, low=min(quantity.low, value), high=max(quantity.high, value))


def _with_path(scenario: Scenario, name: str, value: float) -> Scenario:
    old = next(path.probability for path in scenario.demand.paths if path.name == name)
    factor = _others(old, value, f"{PATH_PLACE}{name}")

    def moved(path: TokenPath) -> TokenPath:
        return dataclasses.replace(path, probability=value if path.name == name else path.probability * factor)

    demand = dataclasses.replace(scenario.demand, paths=tuple(moved(path) for path in scenario.demand.paths))
    return dataclasses.replace(scenario, demand=demand)
