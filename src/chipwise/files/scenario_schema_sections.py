"""Sections of the scenario schema: party, money, stock, use of the fleet."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from chipwise.files.scenario_schema_entries import (
    Anything,
    Country,
    DateEntry,
    Entry,
    FlagEntry,
    NotedEntry,
    OptionalDate,
    PartialDate,
    Sourced,
    Text,
    refuse,
)
from chipwise.files.scenario_schema_numbers import (
    ExchangeRate,
    Months,
    NotNegative,
    Number,
    Positive,
    Rate,
    Share,
)

PERIOD_KEY = r"^(revenue|operating_profit|capex)_(q[1-4]_)?[0-9]{4}$"
"""Dated figures of a firm: revenue_2022, capex_q2_2023."""


class Currency(Entry):
    """Reporting currency and rates to the US dollar."""

    unit: str = Field(..., pattern="^[A-Z]{3}$", description="reporting currency: USD, RMB or another code")
    per_usd: ExchangeRate = Field(..., description="units of the reporting currency for one US dollar")
    rmb_per_usd: ExchangeRate | None = Field(None, description="RMB for one US dollar, when the unit is another")


class Residual(Sourced):
    """What remains of a chip's price by age in years."""

    value: dict[int, Annotated[float, Field(ge=0, le=1)]] = Field(..., description="age in whole years: share of price")
    plus_minus: float = Field(0.0, ge=0, le=1, description="half width of the range")


class Horizon(Entry):
    """How far to plan and what remains at the end is worth."""

    months: int = Field(..., ge=1, le=240, description="months planned from the month of as_of")
    end: OptionalDate = Field(None, description="month after the last one planned; must agree with months")
    grid: Literal["months", "quarters"] | None = Field(
        None, description="periods after the first year; left out: months up to three years, quarters beyond"
    )
    end_rule: Text | None = Field(None, description="what chips, loans and unfinished work count at the end")
    residual_by_age_years: Residual = Field(..., description="share of the price that remains, by age in years")
    money_unit_of_objective: Text | None = Field(None, description="unit in which results are shown")


class Party(Entry):
    """The buyer."""

    name: Text = Field(..., description="name of the buyer")
    headquarters: Text = Field(..., description="city and country (`Beijing, CN`), a country (`CN`), or `unknown`")
    ultimate_parent_country: Country | None = Field(None, description="country of the ultimate parent, ISO code")
    listed: NotedEntry | None = Field(None, description="stock exchanges")
    founded: DateEntry | None = Field(None, description="when the firm began")
    entity_list: FlagEntry | None = Field(None, description="whether the party is on the Entity List")
    military_end_use: FlagEntry | None = Field(None, description="whether a military end use is known")
    state_funded_site: FlagEntry | None = Field(None, description="whether the site is state-funded")
    group_rules: Text | None = Field(None, description="what the members of a group do together")


class Loan(Entry):
    """Borrowing that is open: `rate`, `max` and `tenor_months`, or `past` and `new`."""

    rate: Rate | None = Field(None, description="interest per year as a share")
    max: NotNegative | None = Field(None, description="most that may be borrowed, a sum of money")
    tenor_months: Months | None = Field(None, description="months until it is due")
    ltv: Share | None = Field(None, description="loan to value of the chips that secure it")
    spread_by_contract: Anything = Field(None, description="spreads of contracts in basis points, kept as written")
    past: NotedEntry | None = Field(None, description="a loan already repaid, kept as written")
    new: Loan | None = Field(None, description="the loan that is open now")

    @model_validator(mode="after")
    def _whole(self) -> Loan:
        given = [self.rate, self.max, self.tenor_months]
        if self.new is None and any(part is None for part in given) and (self.past is None or any(given)):
            missing = next(
                name for name, part in zip(("rate", "max", "tenor_months"), given, strict=True) if part is None
            )
            raise refuse(f"missing key `{missing}`", allowed="rate, max and tenor_months, or past and new")
        return self


class Option(Entry):
    """A way to raise money."""

    kind: Literal["loan", "equity_now", "equity_after_model", "equity", "cloud_credit"] = Field(
        ..., description="loan, equity_now, equity_after_model, equity or cloud_credit"
    )
    lender: Text | None = Field(None, description="who lends")
    max: NotNegative | None = Field(None, description="most that may be raised, a sum of money")
    amount: NotNegative | None = Field(None, description="amount that would be raised, a sum of money")
    pre_money: NotNegative | None = Field(None, description="value of the firm before the money, a sum of money")
    rate: Rate | None = Field(None, description="interest per year as a share")
    tenor_months: Months | None = Field(None, description="months until it is due")
    security: NotedEntry | None = Field(None, description="what secures the loan")
    ltv: Share | None = Field(None, description="loan to value of the chips that secure it")
    from_: OptionalDate = Field(None, alias="from", description="first day it is open")
    p_available: Share | None = Field(None, description="probability that it is open at all")
    condition: Text | None = Field(None, description="what must have happened first")


class Heads(Entry):
    """Staff at a date."""

    date: PartialDate = Field(..., description="from when")
    heads: float = Field(..., ge=0, description="people")


class StaffPath(Sourced):
    """Staff through time."""

    value: list[Heads] = Field(..., min_length=1, description="people by date, ascending")


class Finance(Entry, extra="allow"):
    """Money on hand, running costs, borrowing. Dated figures such as revenue_2022 may be added for the reader."""

    __pydantic_extra__: dict[str, Number] = Field(init=False)

    cash: NotNegative | None = Field(None, description="cash on as_of, a sum of money")
    cash_and_investments: NotNegative | None = Field(None, description="cash and short investments on as_of")
    revenue: NotNegative | None = Field(None, description="running revenue, money per year or month")
    revenue_per_year: NotNegative | None = Field(None, description="revenue in a year, a sum of money")
    staff: NotNegative | None = Field(None, description="people on as_of")
    staff_path: StaffPath | None = Field(None, description="people by date")
    cost_per_head: NotNegative | None = Field(None, description="cost of one person, money per year or month")
    other_burn: NotNegative | None = Field(None, description="other running costs, money per year or month")
    training_data: NotNegative | None = Field(None, description="cost of training data, money per year or month")
    valuation: NotNegative | None = Field(None, description="value of the firm, a sum of money")
    ai_capex_ceiling_per_year: NotNegative | None = Field(None, description="most spent on chips in twelve months")
    accelerator_budget_per_year: NotNegative | None = Field(None, description="most spent on chips in twelve months")
    depreciation_years: Positive | None = Field(None, description="years over which chips are written off")
    loan: Loan | None = Field(None, description="borrowing that is open")
    options: list[Option] = Field(default_factory=list, description="ways to raise money")
    repay_rule: Text | None = Field(None, description="when a loan falls due, in words")
    discount_rate: Rate = Field(..., description="discount rate per year as a share")

    @model_validator(mode="before")
    @classmethod
    def _dated_only(cls, data: Any) -> Any:
        return only_known(cls, data, PERIOD_KEY)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Say which further keys are allowed."""
        out = handler.resolve_ref_schema(handler(schema))
        out["patternProperties"] = {PERIOD_KEY: out["additionalProperties"]}
        out["additionalProperties"] = False
        return out


class Risk(Entry):
    """How much bad futures weigh beyond their probability."""

    cvar_alpha: Share = Field(..., description="share of futures left out: the mean cost of the worst 1 - alpha counts")
    weight: Share = Field(..., description="weight of that mean; the expected cost has the rest")


class Objective(Entry):
    """What the plan minimises, beyond the expected cost."""

    risk: Risk | None = Field(None, description="aversion to bad futures; left out: the expected cost alone")


class Stock(Entry):
    """Chips held on as_of."""

    chip: Text = Field(..., description="id of a chip or system of the catalogue")
    count: NotNegative = Field(..., description="how many")
    bought: DateEntry | None = Field(None, description="when they were bought")
    alternatives: list[Text] = Field(default_factory=list, description="other types it may have been")
    note: Text | None = Field(None, description="what a reader must know")


class FleetUse(Entry):
    """How the fleet is used."""

    training_share: Share = Field(..., description="share of the fleet for research and training")
    availability: Share = Field(..., description="share of time in which chips work")
    mfu: Share = Field(..., description="share of peak FLOP/s that training reaches")
    serving_utilisation: Share = Field(..., description="share of peak FLOP/s that serving reaches over the day")
    attrition_per_year: Share = Field(..., description="share of chips lost in a year")
    largest_cluster_chips: NotNegative | None = Field(None, description="most chips of one type in one cluster")
    spare_share: Share | None = Field(None, description="spare chips kept ready for each chip at work, as a share")
    mixed_stages: bool = Field(False, description="true when a final run may go through clusters of several chip types")


def only_known(model: type[Entry], data: Any, pattern: str) -> Any:
    """Let through the fields of `model` and keys like `pattern`; pydantic's `extra` cannot say this."""
    if not isinstance(data, dict):
        return data
    known = {info.alias or name for name, info in model.model_fields.items()}
    for key in data:
        if key not in known and not re.match(pattern, str(key)):
            raise refuse("unknown key", below=(key,))
    return data
