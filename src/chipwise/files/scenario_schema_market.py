"""Sections of the scenario schema: demand, market, power."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from chipwise.files.scenario_schema_entries import (
    Country,
    Entry,
    Name,
    NotedEntry,
    OptionalDate,
    PartialDate,
    Text,
    refuse,
)
from chipwise.files.scenario_schema_numbers import (
    AboveOne,
    Months,
    NotNegative,
    Number,
    Positive,
    Rate,
    Share,
    Shares,
)


class PathPoint(Entry):
    """Demand at a date."""

    date: PartialDate = Field(..., description="from when; a month counts from its first day")
    value: float = Field(..., gt=0, description="tokens per day in the unit of the section, more than 0")


class Paths(Entry):
    """Paths of demand; more names than low, central and high are allowed."""

    unit: Text = Field(..., description="trillion, billion or million tokens per day")
    scope: Text | None = Field(None, description="whose tokens")
    interpolation: Literal["log-linear between dates"] = Field("log-linear between dates", description="only this one")
    paths: dict[Name, Annotated[list[PathPoint], Field(min_length=1)]] = Field(..., description="points by path")
    path_probabilities: Shares = Field(..., description="probability of each path")
    member_shares: Shares | None = Field(None, description="share of each member of a group")
    basis: NotedEntry | None = Field(None, description="where the paths come from")


class Serving(Entry):
    """A class of tokens to serve."""

    name: Text = Field(..., description="name of the workload")
    proxy: Text = Field(..., description="id of the model whose shape stands in")
    active_params_b: Positive = Field(..., description="active parameters in billions")
    token_share: Share = Field(..., description="share of all tokens")
    proxy_note: Text | None = Field(None, description="why this proxy")


class Training(Entry):
    """Work to train: one run (`flop`) or a recurring one (`flop_each` and `per_year`)."""

    name: Text = Field(..., description="name of the run")
    proxy: Text = Field(..., description="id of the model whose shape stands in")
    earliest: OptionalDate = Field(None, description="first day it may start")
    deadline: OptionalDate = Field(None, description="last day it may end")
    done: OptionalDate = Field(None, description="when it was finished, if it was")
    flop: Positive | None = Field(None, description="FLOP of the final run")
    flop_each: Positive | None = Field(None, description="FLOP of each recurring run")
    per_year: float | None = Field(None, gt=0, le=1000, description="recurring runs in a year")
    per_member: bool = Field(False, description="true when each member of a group does it")

    @model_validator(mode="after")
    def _one_size(self) -> Training:
        if (self.flop is None) == (self.flop_each is None):
            raise refuse("needs exactly one of `flop` and `flop_each`", allowed="flop, or flop_each with per_year")
        if (self.flop_each is None) != (self.per_year is None):
            raise refuse("`flop_each` and `per_year` go together", allowed="flop, or flop_each with per_year")
        return self


class Latency(Entry):
    """What users will bear."""

    ttft_s: Positive | None = Field(None, description="seconds to the first token")
    tpot_ms: Positive | None = Field(None, description="milliseconds for each further token")


class TokenPrice(Entry):
    """What the firm's own tokens earn."""

    input: NotNegative | None = Field(None, description="money per million input tokens")
    output: NotNegative | None = Field(None, description="money per million output tokens")


class Demand(Entry):
    """What is to be served and trained."""

    inference: Paths | None = Field(None, description="tokens per day")
    tokens_per_active_user_per_day: Positive | None = Field(None, description="tokens of one daily active user")
    users_rule: Text | None = Field(None, description="how users follow from tokens, in words")
    serving: list[Serving] = Field(default_factory=list, description="classes of tokens; shares sum to one")
    latency_slo: Latency | None = Field(None, description="latency that users will bear")
    training: list[Training] = Field(default_factory=list, description="runs")
    final_run_share_of_research_compute: Share | None = Field(None, description="share of training taken by final runs")
    growth_per_year: Positive | None = Field(None, description="factor by which wanted compute grows in a year")
    input_output_ratio: Positive | None = Field(None, description="input tokens for one output token")
    cache_hit_share: Share | None = Field(None, description="share of input tokens found in the cache")
    price_of_tokens: TokenPrice | None = Field(None, description="price of the firm's own tokens")


class PriceSeries(Entry):
    """Dated prices: each holds from its date to the next, and may fall or rise."""

    unit: Text = Field(..., description="money per million tokens, per chip or per chip and hour, as the access asks")
    series: list[DatedPrice] = Field(..., min_length=1, description="prices by date, ascending")


class DatedPrice(Number):
    """A price from a date on."""

    date: PartialDate = Field(..., description="from when")


class MarketLine(Entry):
    """One lawful source of supply, or (access sell) one lawful way to part with chips."""

    item: Text | None = Field(None, description="id of a chip or system; null when the type was not published")
    model: Text | None = Field(None, description="id of a model, for access api")
    access: Literal["buy", "rent", "lease", "api", "sell"] = Field(..., description="buy, rent, lease, api or sell")
    place: Country = Field(..., description="where it is delivered or stands, ISO country code")
    from_: OptionalDate = Field(None, alias="from", description="first day it is on sale")
    until: OptionalDate = Field(None, description="last day it is on sale")
    price: NotNegative | None = Field(None, description="price; the unit says whether the server is inside")
    server_add_on: NotNegative | None = Field(None, description="share of server and network on top of a bare module")
    price_series: PriceSeries | None = Field(None, description="dated prices in place of price; falling or rising")
    price_factor_in_states: dict[Name, Positive] = Field(
        default_factory=dict, description="factor on the price while the rules stand in a state"
    )
    term_months: Months | None = Field(None, description="months a lease or a reserved rental binds")
    lease_rate: Rate | None = Field(None, description="interest of a lease per year as a share")
    residual: Share | None = Field(None, description="share of the price a lease leaves unpaid at its end")
    buy_out: bool = Field(False, description="true when the chip may be kept at the end of a lease for that residual")
    haircut: Share | None = Field(None, description="share of the used price that a seller loses, for access sell")
    monthly_cap: NotNegative | None = Field(None, description="most items bought in a month")
    monthly_cap_servers: NotNegative | None = Field(None, description="most servers bought in a month")
    monthly_cap_gpus: NotNegative | None = Field(None, description="most chips rented at one time")
    lead_months: Months | None = Field(None, description="months from order to delivery; of a sale, to the money")
    port_cost: NotNegative | None = Field(None, description="one-off cost of moving software, a sum of money")
    available_p: Share | None = Field(None, description="probability that a provider serves this buyer")
    import_gate_p: Share | None = Field(None, description="probability that the import is let in")
    only_in_states: list[Name] = Field(default_factory=list, description="states in which it is on sale")
    ex_post: bool = Field(False, description="true when it could not be known on as_of")
    note: Text | None = Field(None, description="what a reader must know")


class DatedLimit(Number):
    """A limit from a date on."""

    date: PartialDate = Field(..., description="from when; the first also holds before")


class Limits(Entry):
    """What the site takes: each list holds from its dates on."""

    power_mw: list[DatedLimit] = Field(default_factory=list, description="megawatts for chips at work, PUE included")
    servers: list[DatedLimit] = Field(default_factory=list, description="servers that may be at work at one time")


class Site(Entry):
    """A place with its own price of power."""

    name: Text = Field(..., description="name of the site")
    price: NotNegative | None = Field(None, description="money per kWh")
    price_domestic_chips: NotNegative | None = Field(None, description="money per kWh for chips made at home")
    price_foreign_chips: NotNegative | None = Field(None, description="money per kWh for other chips")
    pue: AboveOne = Field(..., description="power usage effectiveness")


class Power(Entry):
    """Price of power: one, or several sites."""

    price: NotNegative | None = Field(None, description="money per kWh")
    pue: AboveOne | None = Field(None, description="power usage effectiveness")
    sites: list[Site] = Field(default_factory=list, description="sites, the one planned for first")
    energy_penalty_domestic: Positive | None = Field(None, description="energy of home-made chips for the same work")

    @model_validator(mode="after")
    def _one_form(self) -> Power:
        if self.sites and (self.price or self.pue):
            raise refuse("both `sites` and a single price", allowed="price and pue, or sites")
        if not self.sites and (self.price is None or self.pue is None):
            missing = "price" if self.price is None else "pue"
            raise refuse(f"missing key `{missing}`", allowed="price and pue, or sites")
        return self
