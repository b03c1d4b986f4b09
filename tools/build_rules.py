"""Build the generated rule tables from the facts folder: provisions, country groups and oracle rows.

Usage: ``python tools/build_rules.py FACTS [OUT]`` where FACTS holds ``export-controls/``. The hand-kept tables
(parameters, tests, scope, letters, parties, questions, duties, gate) are the source of law and are not written here.
"""

from __future__ import annotations

import datetime as dt
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

GROUPS = ("A1", "A2", "A3", "A4", "A5", "A6", "B", "D1", "D2", "D3", "D4", "D5", "E1", "E2")
CHANGED_BY = {"AE": "uae-2026-07", "KH": "cambodia-2026-02", "NI": "nicaragua-2024-03"}
"""Provision behind the dated membership of a country."""
EXTRA_PROVISIONS = [
    {
        "id": "part-746",
        "title": "Embargoes and other special controls: Iran, Cuba, North Korea, Syria",
        "issuer": "BIS",
        "kind": "standing_rule",
        "citation": "15 CFR Part 746",
        "published": None,
        "effective": dt.date(2022, 2, 24),
        "until": None,
        "changed": "Items on the control list, including entries with anti-terrorism reasons only, need a licence.",
        "sources": ["15 CFR Part 746 (background)"],
        "basis": "background",
    }
]


def day_after(value: dt.date | None) -> dt.date | None:
    """The first day out of force for a last day in force."""
    return None if value is None else value + dt.timedelta(days=1)


def first_effective(value: Any) -> tuple[Any, dict[str, Any]]:
    """The earliest day of an effective entry that may be a mapping, and the mapping itself."""
    if not isinstance(value, dict):
        return value, {}
    days = [entry for entry in value.values() if isinstance(entry, dt.date)]
    return (min(days) if days else None), {str(key): entry for key, entry in value.items()}


def provision(row: dict[str, Any], checked_on: dt.date) -> dict[str, Any]:
    """One rule of the facts with half-open dates."""
    effective, parts = first_effective(row.get("effective"))
    out: dict[str, Any] = {
        "id": row["id"],
        "title": row["title"],
        "issuer": row.get("issuer"),
        "kind": row.get("kind"),
        "citation": row.get("citation"),
        "published": row.get("published"),
        "released": row.get("released"),
        "effective": effective,
        "until": day_after(row.get("ended")),
        "changed": row.get("changed"),
        "sources": row.get("sources", []),
        "basis": row.get("basis"),
        "checked_on": checked_on,
    }
    if parts:
        out["effective_parts"] = parts
    if row.get("compliance") is not None:
        out["compliance"] = row["compliance"]
    for key in ("items", "own_controls"):
        if key in row:
            out[key] = row[key]
    return out


def provisions(facts: dict[str, Any]) -> dict[str, Any]:
    """The table of provisions."""
    checked_on = facts["meta"]["as_of"]
    rows = [provision(row, checked_on) for row in facts["rules"]]
    rows += [{**row, "checked_on": checked_on} for row in EXTRA_PROVISIONS]
    return {"checked_on": checked_on, "provisions": rows}


def country_groups(facts: dict[str, Any]) -> dict[str, Any]:
    """Members of every country group with half-open dates; `open` marks what is not settled."""
    meta = facts["meta"]
    rows = []
    for row in facts["rows"]:
        groups = {group: row[group] for group in GROUPS if group in row}
        if row["code"] == "ET":  # the State list, not the column, may decide: see the note
            groups["D5"] = {"open": True}
        if row["code"] in CHANGED_BY:
            by = {"by": CHANGED_BY[row["code"]]}
            groups = {name: {**span, **by} if isinstance(span, dict) else span for name, span in groups.items()}
        rows.append({"code": row["code"], "name": row["name"], "groups": groups, "note": row.get("note", "")})
    return {
        "citation": meta["citation"],
        "as_of": meta["table_as_of"],
        "checked_on": meta["checked_on"],
        "treated_as": facts["treated_as"],
        "rows": rows,
    }


def write_yaml(path: Path, head: str, value: Any) -> None:
    """Write one table with a comment above it."""
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=160, default_flow_style=None)
    path.write_text(f"# {head}\n{text}", encoding="utf-8")


def main(facts_folder: str, out_folder: str = "src/chipwise/data/rules") -> None:
    """Build all three tables."""
    source = Path(facts_folder) / "export-controls"
    out = Path(out_folder)
    out.mkdir(parents=True, exist_ok=True)
    rules = yaml.safe_load((source / "rules.yaml").read_text(encoding="utf-8"))
    groups = yaml.safe_load((source / "country_groups.yaml").read_text(encoding="utf-8"))
    write_yaml(
        out / "provisions.yaml", "Provisions, built by tools/build_rules.py. Half-open dates.", provisions(rules)
    )
    write_yaml(
        out / "country_groups.yaml",
        "Supplement No. 1 to Part 740, built by tools/build_rules.py.",
        country_groups(groups),
    )
    shutil.copyfile(source / "oracles.csv", out / "oracles.csv")
    (out / "oracles.csv").chmod(0o644)


if __name__ == "__main__":
    main(*sys.argv[1:])
