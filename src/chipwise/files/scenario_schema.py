"""The scenario file as a schema: reads a tree, reports the first fault with its place, exports JSON Schema."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, ValidationError

from chipwise.core.errors import ScenarioError
from chipwise.core.names import nearest_names
from chipwise.files.scenario_schema_entries import Anything, Entry, Name, PartialDate, Text
from chipwise.files.scenario_schema_market import Demand, Limits, MarketLine, Power
from chipwise.files.scenario_schema_numbers import NotNegative
from chipwise.files.scenario_schema_outlook import (
    Alternatives,
    ExitOption,
    FundingOutlook,
    Kept,
    Member,
    NeedsCounsel,
    RulesOutlook,
)
from chipwise.files.scenario_schema_sections import Currency, Finance, FleetUse, Horizon, Objective, Party, Stock
from chipwise.files.yaml_tree import NodePath, YamlTree, shown

VERSION = "planning-scenario/0.3"
READABLE = ("planning-scenario/0.2", VERSION)
SINCE_0_3 = {
    (): ("objective", "limits"),
    ("horizon",): ("grid",),
    ("fleet_use",): ("spare_share", "mixed_stages"),
    ("market", "*"): ("price_factor_in_states", "term_months", "lease_rate", "residual", "buy_out", "haircut"),
}
"""Keys by section that a file of schema 0.2 cannot have."""


class ScenarioFile(Entry):
    """A scenario of schema 0.3; files of 0.2 read as they stand."""

    schema_: Literal["planning-scenario/0.2", "planning-scenario/0.3"] = Field(
        ..., alias="schema", description=f"{VERSION}; files of 0.2 read as they stand"
    )
    id: Name = Field(..., description="short name of the scenario")
    as_of: PartialDate = Field(..., description="day of the decision, a whole date")
    question: Text = Field(..., description="what is to be decided")
    currency: Currency = Field(..., description="reporting currency and rates")
    horizon: Horizon = Field(..., description="how far to plan")
    party: Party = Field(..., description="the buyer")
    finance: Finance = Field(..., description="money on hand, running costs, borrowing")
    stock: list[Stock] = Field(..., description="chips held on as_of; [] for none")
    fleet_use: FleetUse = Field(..., description="how the fleet is used")
    demand: Demand = Field(..., description="what is to be served and trained")
    market: list[MarketLine] = Field(..., description="lawful sources of supply; [] for none")
    power: Power = Field(..., description="price of power")
    limits: Limits | None = Field(None, description="power and space of the site")
    objective: Objective | None = Field(None, description="what the plan minimises beyond the expected cost")
    rules_outlook: RulesOutlook = Field(..., description="futures of the rules")
    accept_needs_counsel: NeedsCounsel | None = Field(
        None, description="opt-in for chips made in the buyer's own country that the US side leaves to counsel"
    )
    members: list[Member] = Field(default_factory=list, description="members of a group of buyers")
    alternatives: Alternatives | None = Field(None, description="facts that sources print differently")
    exit_options: list[ExitOption] = Field(default_factory=list, description="ways out of the business")
    funding_outlook: FundingOutlook | None = Field(None, description="money that may come")
    value_of_missing_chip: NotNegative | None = Field(None, description="what a chip is worth that cannot be bought")
    ex_post: Kept = Field(default_factory=dict, description="known only after as_of; never an input")
    truth_for_backtest: Kept = Field(default_factory=dict, description="what happened; never an input")
    expected: Kept = Field(default_factory=dict, description="results to compare with; never an input")
    checks: list[Anything] = Field(default_factory=list, description="what a plan must meet, in words")


def read_scenario_file(tree: YamlTree) -> ScenarioFile:
    """Check a tree against the schema.

    Raises
    ------
    ScenarioError
        With the place of the first fault in the file.
    """
    if not isinstance(tree.value, dict):
        message = f"expected a mapping of sections, given {shown(tree.value)}"
        raise ScenarioError(message, place=tree.place(()), allowed=f"schema: {VERSION} and the sections")
    try:
        scenario = ScenarioFile.model_validate(tree.value)
    except ValidationError as error:
        raise _located(error, tree) from None
    scenario.stamp(())
    _refuse_newer_keys(scenario, tree)
    return scenario


def _refuse_newer_keys(scenario: ScenarioFile, tree: YamlTree) -> None:
    """A file says which schema it is written in: newer keys need the newer schema."""
    if scenario.schema_ == VERSION:
        return
    for section, keys in SINCE_0_3.items():
        for path, entry in _entries(tree.value, section):
            for key in keys:
                if key in entry:
                    raise ScenarioError(
                        f"`{key}` is not part of {scenario.schema_}",
                        place=tree.place((*path, key)),
                        allowed=f"schema: {VERSION} at the top of the file",
                    )
    for number, line in enumerate(scenario.market):
        if line.access == "sell":
            raise ScenarioError(
                f"access sell is not part of {scenario.schema_}",
                place=tree.place(("market", number, "access")),
                allowed=f"schema: {VERSION} at the top of the file",
            )


def _entries(value: Any, section: tuple[str, ...]) -> Iterator[tuple[NodePath, Mapping[str, Any]]]:
    """Mappings of the file at a section; ``*`` stands for every entry of a list."""
    found: list[tuple[NodePath, Any]] = [((), value)]
    for key in section:
        deeper: list[tuple[NodePath, Any]] = []
        for path, entry in found:
            if key == "*" and isinstance(entry, list):
                deeper.extend(((*path, number), below) for number, below in enumerate(entry))
            elif isinstance(entry, dict) and key in entry:
                deeper.append(((*path, key), entry[key]))
        found = deeper
    yield from ((path, entry) for path, entry in found if isinstance(entry, dict))


@functools.cache
def json_schema() -> dict[str, Any]:
    """JSON Schema of the scenario file, for editors."""
    schema = ScenarioFile.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "chipwise scenario, schema 0.3"
    return schema


def _located(error: ValidationError, tree: YamlTree) -> ScenarioError:
    """The fault that comes first in the file, with the number of the others."""
    faults = [_fault(detail, tree) for detail in error.errors(include_url=False)]
    misspelt = {(fault.path[:-1], name) for fault in faults for name in fault.nearest if fault.unknown}
    faults = [fault for fault in faults if not fault.missing or (fault.path[:-1], fault.path[-1]) not in misspelt]
    faults.sort(key=lambda fault: fault.line)
    message = faults[0].message
    if len(faults) > 1:
        message += f" (and {len(faults) - 1} more fault{'s' if len(faults) > 2 else ''})"
    return ScenarioError(
        message, place=tree.place(faults[0].path), allowed=faults[0].allowed, nearest=faults[0].nearest
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    line: int
    path: NodePath
    message: str
    allowed: str
    nearest: tuple[str, ...]
    missing: bool
    unknown: bool


def _fault(detail: Mapping[str, Any], tree: YamlTree) -> _Fault:
    path: NodePath = tuple(key for key in detail["loc"] if key != "[key]")
    context: Mapping[str, Any] = detail.get("ctx", {})
    kind: str = detail["type"]
    message, allowed = "", ""
    nearest: tuple[str, ...] = ()
    if kind == "chipwise":
        path = (*path, *context["below"])
        message, allowed = context["said"], context["allowed"]
        if message.startswith("unknown key"):
            kind = "extra_forbidden"
    if kind == "missing":
        message = f"missing key `{path[-1]}`"
        allowed = _description(path)
    elif kind == "extra_forbidden":
        message = f"unknown key {shown(path[-1])}"
        keys = _keys(path[:-1])
        nearest = nearest_names(str(path[-1]), keys)
        allowed = "" if nearest else ", ".join(keys)
    elif not message:
        message, allowed, nearest = _type_fault(kind, detail, path, context)
    return _Fault(
        line=tree.line(path),
        path=path,
        message=message,
        allowed=allowed,
        nearest=nearest,
        missing=kind == "missing",
        unknown=kind == "extra_forbidden",
    )


_WANTED = {
    "string": "text",
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "dict": "a mapping",
    "model": "a mapping",
    "list": "a list",
}


def _type_fault(
    kind: str, detail: Mapping[str, Any], path: NodePath, context: Mapping[str, Any]
) -> tuple[str, str, tuple[str, ...]]:
    given = shown(detail["input"])
    wanted = _WANTED.get(kind.split("_")[0]) if kind.endswith("_type") else None
    if wanted:
        return f"expected {wanted}, given {given}", _description(path), ()
    if kind == "literal_error":
        allowed = str(context.get("expected", ""))
        names = [part.strip("'") for part in allowed.replace(" or ", ", ").split(", ")]
        return f"{given} is not known", allowed, nearest_names(str(detail["input"]), names)
    message = str(detail["msg"])
    return f"{given}: {message[:1].lower()}{message[1:]}", _description(path), ()


def _description(path: NodePath) -> str:
    return next((str(node["description"]) for node in _nodes(path) if "description" in node), "")


def _keys(path: NodePath) -> list[str]:
    out: list[str] = []
    for node in _nodes(path):
        for form in _forms(node):
            out.extend(key for key in form.get("properties", {}) if key not in out)
    return out


def _nodes(path: NodePath) -> list[dict[str, Any]]:
    """Places of the JSON Schema that speak of `path`."""
    nodes = [json_schema()]
    for key in path:
        nodes = [below for node in nodes for form in _forms(node) for below in _below(form, key)]
    return nodes


def _below(form: dict[str, Any], key: str | int) -> Iterator[dict[str, Any]]:
    if isinstance(key, int) and "items" in form:
        yield form["items"]
    elif str(key) in form.get("properties", {}):
        yield form["properties"][str(key)]
    elif isinstance(form.get("additionalProperties"), dict):
        yield form["additionalProperties"]


def _forms(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The node with references and alternatives opened."""
    yield node
    if "$ref" in node:
        yield from _forms(json_schema()["$defs"][node["$ref"].rsplit("/", 1)[1]])
    for part in (*node.get("anyOf", ()), *node.get("allOf", ())):
        yield from _forms(part)
