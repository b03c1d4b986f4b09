"""Cases from a file in the columns of the oracle rows; a row's own figures win over the catalogue."""

from __future__ import annotations

import csv
import datetime as dt
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chipwise.core.errors import InputError, RuleError
from chipwise.core.names import nearest_names
from chipwise.rules import vocabulary
from chipwise.rules.geography import as_treated, country_code
from chipwise.rules.items import item_fields
from chipwise.rules.objects import UNKNOWN, CaseSpec, Span
from chipwise.rules.rulebook import Rulebook

if TYPE_CHECKING:
    from chipwise.catalogue import Catalogue

NEEDED = ("item_kind", "as_of", "destination")
EXPECTED = ("expected_class", "licence_required", "expected_outcome", "review_policy")
KNOWN = (
    *("id", "chip", "item_kind", "chip_id", "tpp", "perf_density", "mem_bw_density", "dram_GBps", "io_GBps"),
    *("datacenter_design", "die_node_nm", "die_planar", "die_transistors_bn", "die_has_hbm", "packager", "designer_hq"),
    *("as_of", "route", "route_from", "destination", "buyer", "buyer_name", "buyer_hq", "listed_ownership_pct"),
    *(*EXPECTED, "authority", "source", "evidence", "contested", "note", "end_use"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """One row: its id, the case, or the error that says why there is none; and the expected answers, if given."""

    id: str
    line: int
    case: CaseSpec | None
    error: InputError | None
    expected: Mapping[str, str]
    contested: bool


def read_cases(path: Path, rulebook: Rulebook, catalogue: Catalogue) -> Iterator[CaseRow]:
    """Rows of a file, one at a time; a bad row carries its error, a bad file raises.

    Raises
    ------
    RuleError
        When the file cannot be read, or lacks a column that every case needs.
    """
    try:
        stream = path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise RuleError(f"cannot be read: {error.strerror}", place=str(path)) from None
    with stream:
        reader = csv.DictReader(stream)
        try:
            _check_header(reader.fieldnames or (), str(path))
            for row in reader:
                yield _row(row, f"{path.name}:{reader.line_num}", reader.line_num, rulebook, catalogue)
        except (UnicodeDecodeError, csv.Error) as error:
            raise RuleError(f"not a UTF-8 CSV file: {error}", place=f"{path}:{reader.line_num}") from None


def _check_header(names: Any, place: str) -> None:
    """Refuse a header that lacks a needed column or misspells one; other columns are left alone."""
    missing = [name for name in NEEDED if name not in names]
    if missing:
        near = nearest_names(missing[0], [str(name) for name in names])
        raise RuleError(
            f"no column {', '.join(missing)}", place=place, allowed="the columns of oracles.csv", nearest=near
        )
    for name in (str(name) for name in names if name not in KNOWN):
        close = difflib.get_close_matches(name.casefold(), KNOWN, n=1, cutoff=0.8)
        if close:
            raise RuleError(f"unknown column {name!r}", place=place, allowed=", ".join(KNOWN), nearest=close)


def _row(row: dict[Any, Any], place: str, line: int, rulebook: Rulebook, catalogue: Catalogue) -> CaseRow:
    expected = {name: row[name] for name in EXPECTED if row.get(name)}
    case, problem = None, None
    try:
        if None in row or None in row.values():
            raise RuleError("the row has more or fewer cells than the header", place=place)
        case = case_of_row(row, place, rulebook, catalogue)
    except InputError as error:
        problem = error
    return CaseRow(
        id=str(row.get("id") or f"line {line}"),
        line=line,
        case=case,
        error=problem,
        expected=expected,
        contested=row.get("contested") == "1",
    )


def case_of_row(row: Mapping[str, str], place: str, rulebook: Rulebook, catalogue: Catalogue) -> CaseSpec:
    """The case of one row: a filled cell wins, a blank one is looked up by chip_id, and what is left is unknown."""
    cell = {name: (row.get(name) or "").strip() for name in KNOWN}
    kind = vocabulary.one_of(cell["item_kind"], vocabulary.ITEM_KINDS, f"{place} item_kind")
    fields: dict[str, Any] = {}
    if cell["chip_id"]:
        fields = dict(item_fields(catalogue.chip(cell["chip_id"]), rulebook))
    if kind == "system" and fields.get("data_center_design") is False:
        fields["data_center_design"] = None
    fields |= _figures(cell, place)
    if cell["tpp"]:
        fields["firmware_locked"] = False
    if cell["datacenter_design"]:
        fields["data_center_design"] = _flag(cell["datacenter_design"], f"{place} datacenter_design")
    to = country_code(cell["destination"], place=f"{place} destination", rulebook=rulebook)
    hq = country_code(cell["buyer_hq"], place=f"{place} buyer_hq", rulebook=rulebook, unknown_allowed=True)
    origin = cell["route_from"]
    return CaseSpec(
        item=cell["chip"] or cell["chip_id"] or kind,
        item_kind=kind,
        on=_day(cell["as_of"], f"{place} as_of"),
        to=as_treated(to, rulebook),
        hq=as_treated(hq, rulebook),
        asked_to=to,
        asked_hq=hq,
        route=vocabulary.one_of(cell["route"] or "export_from_us", vocabulary.ROUTES, f"{place} route"),
        route_from=country_code(origin, place=f"{place} route_from", rulebook=rulebook) if origin else "",
        buyer=vocabulary.one_of(cell["buyer"] or "commercial", vocabulary.BUYERS, f"{place} buyer"),
        buyer_name=cell["buyer_name"],
        end_use=cell["end_use"],
        listed_ownership_pct=_number(cell["listed_ownership_pct"], f"{place} listed_ownership_pct", top=100.0),
        **fields,
        **_die(cell, place, rulebook),
    )


def _figures(cell: Mapping[str, str], place: str) -> dict[str, Span]:
    out = {}
    for name in ("tpp", "perf_density", "mem_bw_density", "dram_GBps", "io_GBps"):
        value = _number(cell[name], f"{place} {name}")
        if value is not None:
            out[name] = (value, value)
    return out


def _die(cell: Mapping[str, str], place: str, rulebook: Rulebook) -> dict[str, Any]:
    designer = cell["designer_hq"]
    code = (
        country_code(designer, place=f"{place} designer_hq", rulebook=rulebook, unknown_allowed=True)
        if designer
        else ""
    )
    return {
        "die_node_nm": _number(cell["die_node_nm"], f"{place} die_node_nm"),
        "die_planar": _flag(cell["die_planar"], f"{place} die_planar"),
        "die_transistors_bn": _number(cell["die_transistors_bn"], f"{place} die_transistors_bn"),
        "die_has_hbm": _flag(cell["die_has_hbm"], f"{place} die_has_hbm"),
        "packager": vocabulary.one_of(cell["packager"], vocabulary.PACKAGERS, f"{place} packager"),
        "designer_hq": as_treated(code, rulebook) if code not in ("", "unknown") else "",
    }


def _flag(text: str, place: str) -> bool | None:
    if text not in ("", "0", "1"):
        raise RuleError(f"{text!r} is no flag", place=place, allowed="1, 0 or blank")
    return {"": None, "0": False, "1": True}[text]


def _number(text: str, place: str, top: float = 1e9) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= top:
        raise RuleError(f"{text!r} cannot be used", place=place, allowed=f"a number from 0 to {top:g}, or blank")
    return value


def _day(text: str, place: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise RuleError(f"{text!r} is not a date", place=place, allowed="YYYY-MM-DD") from None


__all__ = ["EXPECTED", "UNKNOWN", "CaseRow", "case_of_row", "read_cases"]
