"""Numbers of the scenario schema: plain or with source, range and unit; bounds; shares that sum to one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import (
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PrivateAttr,
    ValidatorFunctionWrapHandler,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from chipwise.files.scenario_schema_entries import Sourced, Text, plain_or, refuse
from chipwise.files.yaml_tree import shown


class Number(Sourced):
    """A number: plain, or a mapping with its range, unit and source."""

    value: float | None = Field(..., description="central value; null when it was not published")
    range: list[float] | None = Field(None, min_length=2, max_length=2, description="[low, high]")
    unit: Text | None = Field(None, description="unit; a sum of money must have one")
    bound: str | None = Field(None, pattern="^(lower|upper)$", description="lower or upper when value is only a bound")
    tol: float | None = Field(None, description="absolute tolerance of an expected value")
    tol_rel: float | None = Field(None, description="relative tolerance of an expected value")

    _plain: bool = PrivateAttr(default=False)

    @property
    def plain(self) -> bool:
        """True when the file has a bare number."""
        return self._plain

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, data: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if isinstance(data, dict):
            entry = handler(data)
            entry.demand_source()
            entry.demand_order()
            return entry
        if isinstance(data, bool) or not isinstance(data, (int, float)):
            raise refuse(f"expected a number, given {shown(data)}", allowed="a number, or {value, range, unit, src}")
        entry = handler({"value": data})
        entry._plain = True
        return entry

    def demand_order(self) -> None:
        """Raise unless low <= value <= high."""
        if self.range is None:
            return
        low, high = self.range
        if low > high:
            raise refuse(f"range [{low:g}, {high:g}] is upside down", allowed="[low, high]", below=("range",))
        if self.value is not None and not low <= self.value <= high:
            allowed = f"low <= {self.value:g} <= high"
            raise refuse(f"value outside its range [{low:g}, {high:g}]", allowed=allowed, below=("range",))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Export as a plain number or the mapping."""
        return {"title": "Number", **plain_or({"type": "number"}, schema, handler)}


@dataclass(frozen=True, slots=True)
class Between:
    """Bounds of a `Number`, its range included."""

    low: float
    high: float
    open_low: bool = False

    def check(self, entry: Number) -> Number:
        """Return the entry or raise."""
        below = () if entry.plain else ("value",)
        for value, at in ((entry.value, below), *((end, ("range",)) for end in entry.range or ())):
            if value is not None and not self.holds(value):
                raise refuse(f"{value:g} is out of bounds", allowed=self.text(), below=at)
        return entry

    def holds(self, value: float) -> bool:
        """Whether `value` lies inside."""
        return (value > self.low if self.open_low else value >= self.low) and value <= self.high

    def text(self) -> str:
        """``0 to 1`` or ``more than 0``."""
        if math.isinf(self.high):
            return f"more than {self.low:g}" if self.open_low else f"{self.low:g} or more"
        return f"{'more than ' if self.open_low else ''}{self.low:g} to {self.high:g}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check after the number has been read."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Show the bounds to editors."""
        return {"allOf": [handler(schema)], "x-bounds": self.text()}


Share = Annotated[Number, Between(0.0, 1.0)]
Rate = Annotated[Number, Between(0.0, 100.0)]
NotNegative = Annotated[Number, Between(0.0, math.inf)]
Positive = Annotated[Number, Between(0.0, math.inf, open_low=True)]
Months = Annotated[Number, Between(0.0, 1200.0)]
ExchangeRate = Annotated[Number, Between(1e-3, 1e6)]
AboveOne = Annotated[Number, Between(1.0, 100.0)]


class Shares(Sourced):
    """Shares by name; they sum to one."""

    NEAR: ClassVar[float] = 1e-9

    value: dict[str, float] = Field(..., description="name: share")

    @model_validator(mode="after")
    def _sum(self) -> Shares:
        self.demand_source()
        for name, share in self.value.items():
            if not 0.0 <= share <= 1.0:
                raise refuse(f"{share:g} is no share", allowed="0 to 1", below=("value", name))
        total = math.fsum(self.value.values())
        if abs(total - 1.0) > self.NEAR:
            raise refuse(f"shares sum to {total:.12g}", allowed="shares that sum to 1", below=("value",))
        return self
