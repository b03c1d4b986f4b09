"""What differs between two scenarios, by meaning: order and line numbers do not matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chipwise.scenario.objects import Quantity, Scenario
from chipwise.scenario.show import flat

Kind = Literal["changed", "only in first", "only in second"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One input that differs; the side that lacks it is None."""

    kind: Kind
    name: str
    first: object
    second: object


def differences(first: Scenario, second: Scenario) -> tuple[Difference, ...]:
    """Inputs of two scenarios that differ, in the order of the first, then what only the second has.

    A quantity differs when its value, range, unit, source or time of knowledge does.
    """
    a, b = flat(first), flat(second)
    out = []
    for name, value in a.items():
        if name not in b:
            out.append(Difference(kind="only in first", name=name, first=value, second=None))
        elif _comparable(value) != _comparable(b[name]):
            out.append(Difference(kind="changed", name=name, first=value, second=b[name]))
    for name, value in b.items():
        if name not in a:
            out.append(Difference(kind="only in second", name=name, first=None, second=value))
    return tuple(out)


def _comparable(value: object) -> object:
    """A value without its place in a file."""
    if isinstance(value, Quantity):
        return (value.value, value.low, value.high, value.unit, value.source, value.ex_post, value.bound)
    return value
