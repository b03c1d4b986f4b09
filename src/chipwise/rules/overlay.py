"""A user's YAML laid over the shipped rulebook: parameters changed, rows changed, rows removed, rows added.

::

    name: tpp-line-2400
    describe: "What if the first limb of 3A090.a stood at 2400?"
    parameters:
      a_tpp: {2023-11-17: 2400}            # new dated values of a number; null = ceased
    change:
      tests.class_2022: {until: null}      # new entries of a row, found by table and id
    remove: [acs-2023-10]                  # every row that rests on a provision, or has that id
    add:
      scope.requirements: [{id: ..., classes: [a], from: 2026-01-01, until: null, destinations: {codes: [CN]}}]

Nothing but the rulebook changes; the shipped law stays as it is.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from chipwise.core.errors import RuleError
from chipwise.core.names import nearest_names
from chipwise.rules.rulebook import Rulebook, read_yaml, rulebook_of, without_rows

SECTIONS = ("name", "describe", "parameters", "change", "remove", "add")
LISTS = (
    *(
        "scope.requirements",
        "scope.open_requirements",
        "scope.embargoes",
        "scope.exceptions",
        "scope.review",
        "letters",
    ),
    *("parties.carve_outs", "parties.named_licences", "duties", "china_gate.items", "provisions"),
)
"""Tables that hold a list of rows; `tests` and `parameters` are keyed by name."""


def shipped_overlays() -> Mapping[str, Path]:
    """Name to file of the overlays that ship."""
    folder = Path(str(resources.files("chipwise.data").joinpath("rules/overlays")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def read_overlay(path: str | Path) -> tuple[Mapping[str, Any], str]:
    """Read an overlay file, or a shipped one by name; returns it and its name.

    Raises
    ------
    RuleError
        When there is no such file, or it is no mapping of the known sections.
    """
    shipped = shipped_overlays()
    file = shipped.get(str(path), Path(path))
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(
            f"the rulebook {str(path)!r} cannot be read ({type(error).__name__})",
            place="--rulebook",
            allowed="a YAML file, or " + ", ".join(shipped),
            nearest=nearest_names(str(path), shipped),
        ) from None
    table = read_yaml(text, str(file.name))
    if not isinstance(table, Mapping):
        raise RuleError("an overlay is a mapping", place=file.name, allowed=", ".join(SECTIONS))
    for key in table:
        if key not in SECTIONS:
            raise RuleError(
                f"unknown section {key!r}",
                place=file.name,
                allowed=", ".join(SECTIONS),
                nearest=nearest_names(str(key), SECTIONS),
            )
    return table, str(table.get("name", file.stem))


def apply_overlay(rulebook: Rulebook, overlay: Mapping[str, Any], name: str) -> Rulebook:
    """The rulebook with an overlay laid over it; removal first, then changes, then additions.

    Raises
    ------
    RuleError
        When a parameter, row or table is not known, or a value has the wrong form.
    """
    tables: dict[str, Any] = copy.deepcopy(dict(rulebook.tables))
    removed = _listed(overlay, "remove", name)
    for entry in removed:
        _known_id(tables, str(entry), name)
    if removed:
        tables = without_rows(tables, {str(entry) for entry in removed})
    for parameter, values in _mapped(overlay, "parameters", name).items():
        _set_parameter(tables, str(parameter), values, name)
    for place, entries in _mapped(overlay, "change", name).items():
        _change(tables, str(place), entries, name)
    for place, rows in _mapped(overlay, "add", name).items():
        _add(tables, str(place), rows, name)
    try:
        book = rulebook_of(tables, f"{rulebook.name} + {name}" if rulebook.name != "shipped" else name)
        for day in book.dates:
            book.law(day)
    except RuleError as error:
        raise RuleError(
            error.message, place=f"{name}: {error.place}", allowed=error.allowed, nearest=error.nearest
        ) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RuleError(
            f"the overlay leaves a table that cannot be read ({type(error).__name__}: {error})", place=name
        ) from None
    return book


def _mapped(overlay: Mapping[str, Any], section: str, name: str) -> Mapping[Any, Any]:
    found = overlay.get(section) or {}
    if not isinstance(found, Mapping):
        raise RuleError("is a mapping", place=f"{name}.{section}")
    return found


def _listed(overlay: Mapping[str, Any], section: str, name: str) -> list[Any]:
    found = overlay.get(section) or []
    if not isinstance(found, list):
        raise RuleError("is a list of ids", place=f"{name}.{section}")
    return found


def _set_parameter(tables: dict[str, Any], parameter: str, values: Any, name: str) -> None:
    place = f"{name}.parameters.{parameter}"
    if not isinstance(values, Mapping) or not values:
        raise RuleError("needs dated values", place=place, allowed="{YYYY-MM-DD: number or null}")
    for day, value in values.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not isinstance(day, dt.date) or not (value is None or number):
            raise RuleError(f"{day}: {value} cannot be used", place=place, allowed="{YYYY-MM-DD: number or null}")
    known = tables["parameters"]
    if parameter not in known:
        raise RuleError(f"no parameter {parameter!r}", place=place, nearest=nearest_names(parameter, known))
    known[parameter] = {**known[parameter], "values": dict(values), "citation": f"overlay {name}", "basis": "overlay"}


def _rows(tables: Mapping[str, Any], place: str, name: str) -> Any:
    found: Any = tables
    for part in place.split("."):
        if not isinstance(found, Mapping) or part not in found:
            raise RuleError(
                f"no table {place!r}",
                place=name,
                allowed=", ".join((*LISTS, "tests")),
                nearest=nearest_names(place, LISTS),
            )
        found = found[part]
    return found


def _change(tables: dict[str, Any], place: str, entries: Any, name: str) -> None:
    table, _, row_id = place.rpartition(".")
    if not table or not isinstance(entries, Mapping):
        raise RuleError(f"{place!r} names no row", place=f"{name}.change", allowed="table.row: {key: value}")
    rows = _rows(tables, table, name)
    if isinstance(rows, Mapping):
        ids = list(rows)
        row = rows.get(row_id)
    else:
        ids = [str(row.get("id")) for row in rows]
        row = next((row for row in rows if row.get("id") == row_id), None)
    if row is None:
        raise RuleError(f"no row {row_id!r} in {table}", place=f"{name}.change", nearest=nearest_names(row_id, ids))
    row.update(entries)
    row["citation"] = f"overlay {name}"


def _add(tables: dict[str, Any], place: str, rows: Any, name: str) -> None:
    target = _rows(tables, place, name)
    if isinstance(target, dict) and isinstance(rows, Mapping):
        target.update(rows)
    elif isinstance(target, list) and isinstance(rows, list):
        target[:0] = [{"citation": f"overlay {name}", **row} for row in rows]
    else:
        raise RuleError(
            f"{place!r} takes rows of another form",
            place=f"{name}.add",
            allowed="a list of rows, or name: row for tests",
        )


def _ids(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if "id" in value:
            yield str(value["id"])
        for entry in value.values():
            yield from _ids(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _ids(entry)


def _known_id(tables: Mapping[str, Any], wanted: str, name: str) -> None:
    known = set(_ids({key: value for key, value in tables.items() if key not in ("country_groups", "item_facts")}))
    if wanted not in known:
        raise RuleError(f"no rule {wanted!r}", place=f"{name}.remove", nearest=nearest_names(wanted, sorted(known)))
