"""Building blocks of the scenario schema: entries with their place, texts, dates, names.

pydantic checks shape and bounds and exports the JSON Schema; meaning (units, names, dates that must ascend) is
checked where the scenario is built.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PrivateAttr,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from chipwise.core.dates import first_day
from chipwise.core.errors import InputError
from chipwise.files.yaml_tree import Key, NodePath, shown

FIRST_YEAR = 1950
LAST_YEAR = 2200
DATE_PATTERN = r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$"


def refuse(message: str, *, allowed: str = "", below: tuple[Key, ...] = ()) -> PydanticCustomError:
    """An error of our own; `below` is added to the path of the entry that raises it."""
    # braces are doubled because pydantic formats the message
    text = message.replace("{", "{{").replace("}", "}}")
    return PydanticCustomError("chipwise", text, {"said": message, "allowed": allowed, "below": below})


class Entry(BaseModel):
    """A mapping of the file. `path` is its place; it is set once the whole file is valid."""

    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=(), populate_by_name=False)

    _path: NodePath = PrivateAttr(default=())

    @property
    def path(self) -> NodePath:
        """Place of the entry in the file."""
        return self._path

    def stamp(self, path: NodePath) -> None:
        """Set `path` here and in every entry below."""
        self._path = path
        for name, info in type(self).model_fields.items():
            _stamp(getattr(self, name), (*path, info.alias or name))
        for key, value in (self.__pydantic_extra__ or {}).items():
            _stamp(value, (*path, key))


def _stamp(value: Any, path: NodePath) -> None:
    if isinstance(value, Entry):
        value.stamp(path)
    elif isinstance(value, list):
        for index, element in enumerate(value):
            _stamp(element, (*path, index))
    elif isinstance(value, dict):
        for key, element in value.items():
            _stamp(element, (*path, key))


def _text(value: Any) -> Any:
    """Prose may look like a number or a date to YAML: ``assume: 2023``."""
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value


def _partial(value: Any) -> Any:
    if isinstance(value, dt.date):
        return _near_now(value, value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not re.match(DATE_PATTERN, value):
        raise refuse(f"expected a date, given {shown(value)}", allowed="YYYY, YYYY-MM or YYYY-MM-DD")
    try:
        day = first_day(value)
    except InputError as error:
        raise refuse(error.message, allowed=error.allowed) from None
    return _near_now(day, value)


def _near_now(day: dt.date, value: Any) -> Any:
    """Refuse slips such as 0223; far years would also leave the calendar."""
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise refuse(f"year {day.year} is out of bounds", allowed=f"{FIRST_YEAR} to {LAST_YEAR}")
    return value


Text = Annotated[str, BeforeValidator(_text)]
"""Prose."""

PartialDate = Annotated[
    Any,
    BeforeValidator(_partial),
    WithJsonSchema({"type": ["string", "integer"], "pattern": DATE_PATTERN}),
]
"""A date: whole (``datetime.date``) or partial (text)."""

OptionalDate = Annotated[
    Any,
    BeforeValidator(lambda value: None if value is None else _partial(value)),
    WithJsonSchema({"type": ["string", "integer", "null"], "pattern": DATE_PATTERN}),
]
"""A date that may be left out."""

Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="country as ISO 3166 code of two letters")]

Anything = Annotated[Any, Field(description="kept as written, never an input")]


class Sourced(Entry):
    """What every entry with a source may carry."""

    src: Text | None = Field(None, description="who says so")
    assume: Text | None = Field(None, description="an assumption and why")
    note: Text | None = Field(None, description="what a reader must know")
    ex_post: bool = Field(False, description="true when the evidence became public only after as_of")

    @model_validator(mode="before")
    @classmethod
    def _rejoin(cls, data: Any) -> Any:
        """Put prose together again that an unquoted comma has cut: ``{assume: from a release, not re-verified}``."""
        if not isinstance(data, dict):
            return data
        out: dict[Any, Any] = {}
        prose = ""
        for key, value in data.items():
            if prose and value is None and isinstance(key, str) and " " in key:
                out[prose] = f"{out[prose]}, {key}"
                continue
            prose = key if key in ("src", "assume", "note") and isinstance(value, str) else ""
            out[key] = value
        return out

    def source(self) -> str:
        """Text of `src` or `assume`."""
        return self.src or self.assume or ""

    def demand_source(self) -> None:
        """Raise unless `src` or `assume` stands."""
        if not self.source():
            raise refuse("neither `src` nor `assume` is given", allowed="src: who says so, or assume: why")


def plain_or(plain: dict[str, Any], schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
    """JSON Schema of an entry that may also be written plain."""
    return {"anyOf": [plain, handler.resolve_ref_schema(handler(schema))]}


class DateEntry(Sourced):
    """A date, plain or with its source."""

    value: PartialDate = Field(..., description="YYYY, YYYY-MM or YYYY-MM-DD")

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, data: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if isinstance(data, dict):
            entry = handler(data)
            entry.demand_source()
            return entry
        return handler({"value": _partial(data)})

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Export as a plain date or the mapping."""
        return plain_or({"type": ["string", "integer"], "pattern": DATE_PATTERN}, schema, handler)


class FlagEntry(Sourced):
    """Yes or no with its source."""

    value: bool | None = Field(..., description="true, false, or null when not known")

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, data: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if isinstance(data, dict):
            entry = handler(data)
            entry.demand_source()
            return entry
        if not isinstance(data, bool):
            raise refuse(f"expected true or false, given {shown(data)}", allowed="true, false or {value, src}")
        return handler({"value": data})

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Export as true, false or the mapping."""
        return plain_or({"type": "boolean"}, schema, handler)


class NotedEntry(Sourced):
    """A value of any kind that is kept for the reader."""

    value: Any = Field(None, description="kept as written")
    amount: Any = Field(None, description="kept as written")
    rate: Any = Field(None, description="kept as written")


MAX_WORD = 80
STATE_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""How classes, states and gates may be called."""


def _name(value: Any) -> Any:
    value = _text(value)
    if isinstance(value, str) and not (STATE_WORD.fullmatch(value) and len(value) <= MAX_WORD):
        raise refuse(f"{shown(value)} is no name", allowed=f"letters, digits, _ . - and at most {MAX_WORD} of them")
    return value


Name = Annotated[str, BeforeValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{STATE_WORD.pattern}$"})]
