"""The rulebook as a library: every rule by id, and every chip as a point."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chipwise.rules.items import item_fields
from chipwise.rules.picture import Point
from chipwise.rules.rulebook import Rulebook

if TYPE_CHECKING:
    from chipwise.catalogue import Catalogue

_LISTED = (
    ("provisions", None),
    ("letters", None),
    ("scope", "requirements"),
    ("scope", "open_requirements"),
    ("scope", "embargoes"),
    ("scope", "exceptions"),
    ("scope", "review"),
    ("parties", "carve_outs"),
    ("parties", "named_licences"),
    ("duties", None),
)


def entries(rulebook: Rulebook) -> Mapping[str, Mapping[str, Any]]:
    """Every provision, letter, requirement, exception, parameter and test by id; a provision wins a shared id."""
    out: dict[str, Mapping[str, Any]] = {}
    for table, inner in _LISTED:
        rows = rulebook.tables[table][inner] if inner else rulebook.tables[table]
        for row in rows:
            place = inner or table
            out.setdefault(row["id"], {"table": place, **_dated(row, place)})
    for name, row in rulebook.tables["parameters"].items():
        days = list(row["values"])
        out.setdefault(name, {"table": "parameters", "id": name, "effective": min(days), **row})
    for name, row in rulebook.tables["tests"].items():
        out.setdefault(name, {"table": "tests", "id": name, **_dated(row, "tests")})
    return out


def _dated(row: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The row with its first day under one name in every table."""
    out = dict(row)
    if place != "provisions" and "from" in out:
        out["effective"] = out.pop("from")
    return out


def map_points(catalogue: Catalogue, rulebook: Rulebook) -> tuple[Point, ...]:
    """Every chip whose TPP and density are known."""
    out = []
    for chip in catalogue.chips.values():
        fields = item_fields(chip, rulebook)
        tpp, density = fields["tpp"], fields["perf_density"]
        if math.isfinite(tpp[1] + density[1]):
            out.append(Point(chip.id, tpp[1], density[1], fields["data_center_design"]))
    return tuple(out)
