"""What was read from a scenario file, flat: for people, for comparison, for machines."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from chipwise.scenario.objects import MarketLine, Quantity, Scenario

_KEPT = ("truth", "expected", "ex_post", "order", "sha256", "id", "title", "warnings", "readings")
"""Fields that are no input or are shown on their own."""


def flat(scenario: Scenario) -> dict[str, object]:
    """Every input of a scenario under a name that says what it is, not where it stands in the file.

    Returns
    -------
    dict of str to object
        `Quantity`, text, number, date or None; names such as ``stock.h20-96.chips`` or
        ``market.buy h20-96 in CN.lead_months``.
    """
    out: dict[str, object] = {}
    for field in dataclasses.fields(scenario):
        if field.name in _KEPT:
            continue
        for name, value in _leaves(field.name, getattr(scenario, field.name)):
            out[_free(name, out)] = value
    return out


def quantities_of(scenario: Scenario) -> dict[str, Quantity]:
    """The quantities among `flat`."""
    return {name: value for name, value in flat(scenario).items() if isinstance(value, Quantity)}


def _free(name: str, taken: Mapping[str, object]) -> str:
    """The name, numbered when another thing has it already."""
    count = 2
    candidate = name
    while candidate in taken:
        candidate, count = f"{name} ({count})", count + 1
    return candidate


def _leaves(name: str, value: Any) -> Iterator[tuple[str, object]]:
    if isinstance(value, Quantity):
        yield name, value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _leaves(f"{name}.{field.name}", getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _leaves(f"{name}.{key}", entry)
    elif isinstance(value, (tuple, list)):
        for index, entry in enumerate(value):
            yield from _leaves(f"{name}.{_label(entry, index)}", _content(entry))
    else:
        yield name, value


def _label(entry: Any, index: int) -> str:
    if isinstance(entry, MarketLine):
        return f"{entry.access} {entry.item_id or entry.api_model or 'not published'} in {entry.place}"
    if isinstance(entry, tuple) and entry and isinstance(entry[0], dt.date):
        return entry[0].isoformat()
    for key in ("id", "chip_id", "name"):
        label = getattr(entry, key, None)
        if isinstance(label, str):
            return label
    if isinstance(entry, Mapping) and isinstance(entry.get("kind"), str):
        return str(entry["kind"])
    return str(index)


def _content(entry: Any) -> Any:
    """A dated entry without its date, which is in the label."""
    dated = isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], dt.date)
    return entry[1] if dated else entry


def summary(scenario: Scenario) -> dict[str, object]:
    """How much was read."""
    quantities = list(quantities_of(scenario).values())
    nodes = list(scenario.outlook.root.walk())
    return {
        "id": scenario.id,
        "title": scenario.title,
        "as_of": scenario.as_of.isoformat(),
        "months": scenario.horizon.months,
        "sha256": scenario.sha256,
        "stock_lines": len(scenario.stock),
        "chips": sum(line.chips.value for line in scenario.stock),
        "market_lines": len(scenario.market),
        "runs": len(scenario.demand.training),
        "demand_paths": len(scenario.demand.paths),
        "states": len(scenario.outlook.states),
        "futures": sum(not node.children for node in nodes),
        "numbers": len(quantities),
        "with_range": sum(part.low != part.high for part in quantities),
        "assumed": sum(part.status == "assumed" for part in quantities),
        "known_only_later": sum(part.ex_post for part in quantities),
        "accept_needs_counsel": scenario.accept_needs_counsel,
        "readings": list(scenario.readings),
        "reading": scenario.reading,
        "warnings": list(scenario.warnings),
    }


def document(scenario: Scenario) -> dict[str, object]:
    """The scenario for machines: the summary, every number with its source, every other input as text."""
    numbers, others = [], {}
    for name, value in flat(scenario).items():
        if isinstance(value, Quantity):
            numbers.append({"name": name, **value.fact().to_dict()})
        else:
            others[name] = value
    return {**summary(scenario), "quantities": numbers, "inputs": others}
