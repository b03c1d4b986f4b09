"""Facts of a plan as rows with anchors, and the links from numbers to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chipwise.report import text

Link = dict[str, str]
MOST_LINKS = 6


@dataclass(frozen=True, slots=True)
class FactIndex:
    """Fact id → its number and anchor in the report; only facts that the plan carries."""

    places: Mapping[str, tuple[int, str]]

    def link(self, fact_id: object) -> Link | None:
        """Number, anchor and id of one fact, None when the plan does not carry it."""
        key = str(fact_id)
        if key not in self.places:
            return None
        number, anchor = self.places[key]
        return {"number": str(number), "href": anchor, "id": key}

    def links(self, ids: Iterable[object], most: int = MOST_LINKS) -> list[Link]:
        """Links of the facts the plan carries among `ids`, at most `most`, by number."""
        found = [self.link(fact_id) for fact_id in dict.fromkeys(ids)]
        return sorted((entry for entry in found if entry is not None), key=lambda entry: int(entry["number"]))[:most]

    def under(self, *prefixes: str, most: int = MOST_LINKS) -> list[Link]:
        """Links of all facts whose id starts with one of `prefixes`."""
        return self.links([fact_id for fact_id in self.places if fact_id.startswith(prefixes)], most)


def group_of(fact_id: str) -> str:
    """The table a fact comes from: what stands before the ``#``."""
    return fact_id.split("#", 1)[0]


def in_order(facts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Facts by the table they come from, the scenario's first, else as the plan orders them."""

    def place(fact: Mapping[str, Any]) -> tuple[bool, str]:
        name = group_of(str(fact["id"]))
        return not name.startswith("scenario/"), name

    return sorted(facts, key=place)


def fact_index(facts: Sequence[Mapping[str, Any]]) -> FactIndex:
    """Numbers and unique anchors of all facts, in the order in which they are printed."""
    places: dict[str, tuple[int, str]] = {}
    taken: set[str] = set()
    for number, fact in enumerate(in_order(facts), start=1):
        base = f"fact-{text.slug(str(fact['id']))}"
        name, turn = base, 2
        while name in taken:
            name, turn = f"{base}-{turn}", turn + 1
        taken.add(name)
        places[str(fact["id"])] = (number, name)
    return FactIndex(places)


def fact_rows(facts: Sequence[Mapping[str, Any]], index: FactIndex) -> list[dict[str, Any]]:
    """Every fact as it is printed: value and range with unit, who says so, and when."""
    rows = []
    for fact in in_order(facts):
        unit = str(fact.get("unit") or "")
        low, high = fact.get("range") or (None, None)
        number, anchor = index.places[str(fact["id"])]
        rows.append(
            {
                "number": number,
                "anchor": anchor,
                "id": str(fact["id"]),
                "short": str(fact["id"]).removeprefix(group_of(str(fact["id"]))) or str(fact["id"]),
                "value": text.quantity(fact.get("value"), unit),
                "exact": "" if fact.get("value") is None else f"{fact['value']} {unit}".strip(),
                "range": _range(low, high, unit),
                "source": str(fact.get("source") or ""),
                "status": str(fact.get("status") or ""),
                "as_of": text.date(fact["as_of"]) if fact.get("as_of") else "",
                "checked_on": text.date(fact["checked_on"]) if fact.get("checked_on") else "",
                "note": str(fact.get("note") or ""),
            }
        )
    return rows


def _range(low: Any, high: Any, unit: str) -> str:
    return text.interval(low, high, lambda end: text.quantity(end, unit))


def grouped(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows by the table they come from, in the order in which they stand."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(group_of(row["id"]), []).append(row)
    return [{"name": name, "facts": found} for name, found in groups.items()]
