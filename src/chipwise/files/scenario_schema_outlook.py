"""Sections of the scenario schema: the tree of rule futures, a group's members and readings, ways out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema

from chipwise.files.scenario_schema_entries import (
    Anything,
    Entry,
    Name,
    OptionalDate,
    PartialDate,
    Sourced,
    Text,
    refuse,
)
from chipwise.files.scenario_schema_numbers import (
    NotNegative,
    Share,
)
from chipwise.files.scenario_schema_sections import Stock
from chipwise.files.yaml_tree import shown

GATE_FORMS = "free, barred or {licence: probability}"


class GateEntry(Entry):
    """What a state says of a class or chip: free, barred, or the probability that a licence is granted in time."""

    word: Literal["free", "barred", "licence"] = Field("licence", exclude=True)
    licence: Share = Field(..., description="probability that a licence is granted in time")

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, data: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if data == "free":
            return handler({"word": "free", "licence": 1})
        if data == "barred":
            return handler({"word": "barred", "licence": 0})
        if not isinstance(data, dict):
            raise refuse(f"expected what the rules say, given {shown(data)}", allowed=GATE_FORMS)
        if "word" in data:
            raise refuse("unknown key", allowed=GATE_FORMS, below=("word",))
        return handler(data)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Export the three forms as the file writes them."""
        mapping = handler.resolve_ref_schema(handler(schema))
        mapping["properties"].pop("word", None)
        return {"title": "Gate", "anyOf": [{"enum": ["free", "barred"]}, mapping]}


class State(Entry):
    """One state of the rules."""

    nearest_rulebook: Text = Field("", description="which dated rulebook the state stands for, in words")
    map: dict[Name, GateEntry] = Field(..., description="class or chip id: free, barred or {licence: probability}")
    use_limit: Text | None = Field(None, description="use to which the gate is limited")
    note: Text | None = Field(None, description="what a reader must know")


def _state_name(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and value and all(isinstance(part, str) for part in value.values()):
        return value
    raise refuse(f"expected a state, given {shown(value)}", allowed="a name, or one name for each gate")


StateName = Annotated[
    Any,
    BeforeValidator(_state_name),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}]}),
]


class Branch(Entry):
    """One future from a branching on."""

    p: Share = Field(..., description="probability of this branch")
    state: StateName = Field(..., description="state that holds, or one for each gate")
    next: Branching | None = Field(None, description="the next branching; without one the state holds to the horizon")


class Branching(Entry):
    """A date at which the rules may change."""

    date: PartialDate = Field(..., description="first day of the new states")
    branches: list[Branch] = Field(..., min_length=1, description="futures; probabilities sum to one")


class Root(Entry):
    """The state on as_of."""

    date: PartialDate = Field(..., description="day from which the state holds, not after as_of")
    state: StateName = Field(..., description="state that holds, or one for each gate")
    next: Branching | None = Field(None, description="the first branching")


class RulesOutlook(Entry):
    """Futures of the rules as a tree."""

    applies_to: Text = Field("", description="what the map answers")
    classes: dict[Name, list[Text]] = Field(..., description="class: ids of chips or systems")
    states: dict[Name, State] | None = Field(None, description="states by name")
    gates: dict[Name, dict[Name, State]] | None = Field(None, description="gates, each with its states; all must open")
    note_on_domestic: Text | None = Field(None, description="what a reader must know of home-made chips")
    root: Root = Field(..., description="the tree")

    @model_validator(mode="after")
    def _one_form(self) -> RulesOutlook:
        if not self.states and not self.gates:
            raise refuse("missing key `states`", allowed="states, or gates with states")
        if self.states and self.gates:
            raise refuse("both `states` and `gates`", allowed="one of them")
        return self


class ExitOption(Entry):
    """A way out of the business."""

    kind: Name = Field(..., description="whole_purchase, licence_and_hire, pivot_to_open_weights, close ...")
    amount: NotNegative | None = Field(None, description="what it brings, a sum of money")
    cost: NotNegative | None = Field(None, description="what it costs, a sum of money")
    p_per_year: Share | None = Field(None, description="probability in a year")
    note: Text | None = Field(None, description="what a reader must know")


class FundingOutlook(Entry):
    """Money that may come."""

    next_round_p_per_year: Share | None = Field(None, description="probability of a round in a year")
    amount: NotNegative | None = Field(None, description="size of the round, a sum of money")
    acquisition_or_team_transfer_p_per_year: Share | None = Field(None, description="probability in a year")


class Part(Entry):
    """One delivery of an order."""

    item: Text | None = Field(None, description="id of a chip or system; null when the type was not published")
    count: NotNegative | None = Field(None, description="how many; null when not published")
    amount: NotNegative | None = Field(None, description="what is paid, a sum of money")
    deliver: OptionalDate = Field(None, description="when it is delivered")


class Reading(Entry):
    """The order as one source prints it."""

    deliver_2023: Part | None = Field(None, description="delivery of 2023")
    deliver_2024: Part | None = Field(None, description="delivery of 2024")
    implied_price: NotNegative | None = Field(None, description="price of a chip that follows, money per chip")


class Order(Entry, extra="allow"):
    """An order that sources print differently: `default` names the reading taken unless another is asked for."""

    __pydantic_extra__: dict[str, Reading] = Field(init=False)

    default: Name = Field(..., description="reading taken unless another is asked for")
    price_test: Text | None = Field(None, description="how the price compares, in words")

    @model_validator(mode="after")
    def _default_exists(self) -> Order:
        if self.default not in self.readings():
            allowed = ", ".join(self.readings()) or "a reading"
            raise refuse(f"no reading {shown(self.default)}", allowed=allowed, below=("default",))
        return self

    def readings(self) -> dict[str, Reading]:
        """Readings by name."""
        return dict(self.__pydantic_extra__ or {})


class Alternatives(Entry):
    """Facts that sources print differently."""

    order: Order = Field(..., description="the order")


class Member(Entry):
    """One member of a group of buyers."""

    id: Name = Field(..., description="short name")
    cash: NotNegative | None = Field(None, description="cash on as_of, a sum of money")
    capex_per_year: NotNegative | None = Field(None, description="capital expenditure in a year, a sum of money")
    order_share: Share = Field(..., description="share of the group's order")
    stock: list[Stock] = Field(default_factory=list, description="chips held on as_of")
    own_reported_order: Part | None = Field(None, description="an order reported for this member alone")


class NeedsCounsel(Sourced):
    """Opt-in for chips made in the buyer's own country that the US side leaves to counsel."""

    reason: Text = Field(..., min_length=20, description="why, in a sentence with its source")


Kept = dict[str, Anything]
"""A section kept as written."""
