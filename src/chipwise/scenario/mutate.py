"""Change one number of a scenario and get a new scenario; nothing is edited in place."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from chipwise.core.errors import ScenarioError
from chipwise.core.names import nearest_names
from chipwise.scenario.objects import Quantity, Scenario


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
