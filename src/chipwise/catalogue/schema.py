"""JSON Schema of a user's tables, made from the data dictionary, for editors."""

from __future__ import annotations

from typing import Any

from chipwise.catalogue.load import dictionary
from chipwise.core.errors import UnknownName
from chipwise.core.names import nearest_names
from chipwise.files.columns import Column
from chipwise.files.rows import spellings

OVERLAY_TABLES = ("chips", "systems", "prices", "supply", "models")


def overlay_schema(table: str) -> dict[str, Any]:
    """JSON Schema of ``<table>.yaml`` in a user's folder.

    Raises
    ------
    UnknownName
        When users have no such table.
    """
    if table not in OVERLAY_TABLES:
        raise UnknownName(
            f"there is no user table {table!r}",
            place="facts schema",
            allowed=" | ".join(OVERLAY_TABLES),
            nearest=nearest_names(table, OVERLAY_TABLES),
        )
    columns = dictionary()[table]
    properties = {
        name: _property(column, bare) for name, (column, bare) in spellings(columns).items() if column is not columns[0]
    }
    if table == "chips":
        properties["aliases"] = {"type": "array", "items": {"type": "string"}, "description": "Other spellings"}
    if table == "models":
        properties["config"] = {"type": "string", "description": "Path of a Hugging Face config.json"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"chipwise user table: {table}",
        "type": "object",
        "additionalProperties": {"type": "object", "additionalProperties": False, "properties": properties},
    }


def _property(column: Column, bare: bool) -> dict[str, Any]:
    out: dict[str, Any] = {"description": f"{column.meaning}; {column.allowed}" if column.unit else column.meaning}
    if column.choices and column.type == "choice":
        return {**out, "enum": [*column.choices, None]}
    if column.type == "flag":
        return {**out, "type": ["boolean", "string", "integer", "null"]}
    if column.type not in {"number", "integer"}:
        return {**out, "type": ["array", "string", "null"] if column.type == "names" else ["string", "number", "null"]}
    quantity: dict[str, Any] = {"type": "string", "description": f"a number and a unit, such as `{column.unit}`"}
    number: dict[str, Any] = {"type": column.type}
    if column.low is not None:
        number["exclusiveMinimum" if column.open_low else "minimum"] = column.low
    if column.high is not None:
        number["maximum"] = column.high
    single = [quantity, number] if bare and column.unit else [number] if bare else [quantity]
    ranged = {
        "type": "object",
        "required": ["value", "range"],
        "additionalProperties": False,
        "properties": {
            "value": {"anyOf": single},
            "range": {"type": "array", "items": {"anyOf": single}, "minItems": 2, "maxItems": 2},
        },
    }
    return {**out, "anyOf": [*single, *([ranged] if column.type == "number" else []), {"type": "null"}]}
