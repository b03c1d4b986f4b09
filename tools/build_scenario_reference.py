"""Write the tables of docs/reference/scenario.md from the schema; the text above the marker is kept.

Usage: python tools/build_scenario_reference.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chipwise.files.scenario_schema import json_schema

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "scenario.md"
MARKER = "<!-- tables below are written by tools/build_scenario_reference.py -->\n"
SECTIONS = {
    "": "Top level",
    "Number": "A number written as a mapping",
    "Currency": "`currency`",
    "Horizon": "`horizon`",
    "Party": "`party`",
    "Finance": "`finance`",
    "Loan": "`finance.loan`",
    "Option": "`finance.options[]`",
    "Stock": "`stock[]` and `members[].stock[]`",
    "FleetUse": "`fleet_use`",
    "Demand": "`demand`",
    "Paths": "`demand.inference`",
    "Serving": "`demand.serving[]`",
    "Latency": "`demand.latency_slo`",
    "Training": "`demand.training[]`",
    "MarketLine": "`market[]`",
    "Limits": "`limits`",
    "DatedLimit": "`limits.power_mw[]`, `limits.servers[]`",
    "Objective": "`objective`",
    "Risk": "`objective.risk`",
    "Power": "`power`",
    "Site": "`power.sites[]`",
    "RulesOutlook": "`rules_outlook`",
    "State": "One state of `rules_outlook.states` or of a gate",
    "Root": "`rules_outlook.root`",
    "Branching": "`next`",
    "Branch": "`branches[]`",
    "Member": "`members[]`",
    "ExitOption": "`exit_options[]`",
    "NeedsCounsel": "`accept_needs_counsel`",
    "Alternatives": "`alternatives`",
    "Order": "`alternatives.order`; every further key is a reading",
    "Reading": "One reading of the order",
    "Part": "One delivery of an order",
    "FundingOutlook": "`funding_outlook`",
    "Residual": "`horizon.residual_by_age_years`",
    "StaffPath": "`finance.staff_path`",
    "Heads": "`finance.staff_path.value[]`",
    "PathPoint": "Points of `demand.inference.paths`",
    "Shares": "`path_probabilities`, `member_shares`",
    "TokenPrice": "`demand.price_of_tokens`",
    "PriceSeries": "`market[].price_series`",
    "DatedPrice": "`market[].price_series.series[]`",
    "GateEntry": "A gate in a map, unless it is the word `free` or `barred`",
    "DateEntry": "A date written as a mapping",
    "FlagEntry": "Yes or no written as a mapping",
    "NotedEntry": "What is kept for the reader",
}
KINDS = {
    "array": "list",
    "object": "mapping",
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
}


def forms(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The node with references and alternatives opened."""
    yield node
    if "$ref" in node:
        yield from forms(json_schema()["$defs"][node["$ref"].rsplit("/", 1)[1]])
    for part in (*node.get("anyOf", ()), *node.get("allOf", ())):
        yield from forms(part)


def kind(node: dict[str, Any]) -> str:
    """What may stand there, in words."""
    opened = list(forms(node))
    if any(form.get("title") == "Number" for form in opened):
        bounds = next((form["x-bounds"] for form in opened if "x-bounds" in form), "")
        return f"number, {bounds}" if bounds else "number"
    for form in opened:
        if "enum" in form and form.get("type") == "string":
            return ", ".join(f"`{word}`" for word in form["enum"])
        if form.get("pattern", "").startswith("^[0-9]{4}"):
            return "date"
        if isinstance(form.get("type"), str) and form["type"] in KINDS:
            return KINDS[form["type"]]
    return "any"


def table(title: str, node: dict[str, Any]) -> str:
    """One section."""
    mapping = next(form for form in forms(node) if "properties" in form)
    lines = [f"### {title}", "", "| key | needed | what | meaning |", "|---|---|---|---|"]
    for key, below in mapping["properties"].items():
        needed = "yes" if key in mapping.get("required", ()) else ""
        lines.append(f"| `{key}` | {needed} | {kind(below)} | {below.get('description', '')} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Rewrite the page."""
    schema = json_schema()
    parts = [table(title, schema["$defs"][name] if name else schema) for name, title in SECTIONS.items()]
    head = PAGE.read_text(encoding="utf-8").partition(MARKER)[0]
    PAGE.write_text(f"{head}{MARKER}\n" + "\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
