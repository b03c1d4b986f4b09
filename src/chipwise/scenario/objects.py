"""The scenario as frozen objects: SI units, US dollars, dates; every number a `Quantity` that knows its source.

Money is converted to US dollars once, at the border, with the scenario's own rate; the reporting currency is kept
for display. What the file leaves blank is None here, never a default.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from chipwise.scenario.quantity import Quantity as Quantity

Access = Literal["buy", "rent", "lease", "api", "sell"]
Grid = Literal["auto", "months", "quarters"]
GateKind = Literal["free", "licence", "barred"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """The buyer. Countries are ISO 3166 codes; `headquarters_country` None means unknown, never the destination.

    `members` names the members of a group that is planned as one buyer.
    """

    name: str
    headquarters: str
    headquarters_country: str | None
    parent_country: str | None
    entity_listed: bool | None
    military_end_use: bool | None = None
    state_funded_site: bool | None = None
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """Borrowing that is open to the party: annual rate, ceiling in USD, tenor in months, loan-to-value."""

    name: str
    rate_per_year: Quantity
    max_usd: Quantity
    tenor_months: Quantity
    loan_to_value: Quantity | None
    available_from: dt.date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Equity:
    """Money that may be raised: amount in USD, from when, with what probability, at what value of the firm before."""

    name: str
    amount_usd: Quantity
    available_from: dt.date | None
    probability: Quantity | None
    pre_money_usd: Quantity | None = None
    condition: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finance:
    """Cash, burn, ceilings and borrowing; None where the file says nothing.

    Parameters
    ----------
    cash_usd : Quantity or None
        Cash on the day of the decision.
    capex_ceiling_usd_per_year : Quantity or None
        Most that may be spent on chips in twelve months.
    burn_usd_per_month : Quantity or None
        Staff, data and other running costs less revenue, without chips, power and rent; negative is income.
    burn_path_usd_per_month : tuple of (date, Quantity)
        The same from each date on, where the file plans its staff through time; the first entry is `as_of`.
    cloud_credits : tuple of Equity
        Compute paid in kind by an investor: it may pay rent, never a purchase.
    """

    cash_usd: Quantity | None
    capex_ceiling_usd_per_year: Quantity | None
    burn_usd_per_month: Quantity | None
    loans: tuple[Loan, ...]
    equity: tuple[Equity, ...]
    discount_rate_per_year: Quantity
    burn_path_usd_per_month: tuple[tuple[dt.date, Quantity], ...] = ()
    cloud_credits: tuple[Equity, ...] = ()
    repay_rule: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StockItem:
    """Chips held on the day of the decision. `chips` counts single chips; `alternatives` are other possible types."""

    chip_id: str
    chips: Quantity
    bought: dt.date | None
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetUse:
    """How the fleet is used: shares of 0 to 1, attrition per year, largest single-type cluster in chips.

    `spare_share` is the spare chips kept ready for each chip at work; `mixed_stages` lets a final run go through
    clusters of several chip types, one after the other.
    """

    training_share: Quantity
    availability: Quantity
    mfu: Quantity
    serving_utilisation: Quantity
    attrition_per_year: Quantity
    largest_cluster_chips: Quantity | None
    spare_share: Quantity | None = None
    mixed_stages: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPath:
    """One path of demand: tokens per day (input and output) at dates, log-linear between, flat after the last."""

    name: str
    probability: float
    points: tuple[tuple[dt.date, Quantity], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingWorkload:
    """A class of tokens to serve: the model whose shape stands in (`proxy`), its active parameters, its share."""

    name: str
    proxy: str
    active_params: Quantity
    token_share: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """Work to train: FLOP of the final run, from `earliest` (None: at once) to `deadline` (None: the horizon).

    `per_year` is not None for work that recurs; `flop` is then the FLOP of one run.
    `done` marks a run finished before the day of the decision.
    """

    name: str
    proxy: str
    flop: Quantity
    earliest: dt.date | None
    deadline: dt.date | None
    per_year: float | None
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is to be served and trained."""

    paths: tuple[TokenPath, ...]
    tokens_per_active_user_per_day: Quantity | None
    serving: tuple[ServingWorkload, ...]
    ttft_s: Quantity | None
    tpot_s: Quantity | None
    training: tuple[TrainingJob, ...]
    final_run_share: Quantity | None
    growth_per_year: Quantity | None
    input_output_ratio: Quantity | None
    cache_hit_share: Quantity | None = None
    price_usd_per_input_token: Quantity | None = None
    price_usd_per_output_token: Quantity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketLine:
    """One lawful source of supply, as the scenario lists it; with access ``sell``, one lawful way to part with chips.

    Parameters
    ----------
    id : str
        ``market[3]``, its place in the file.
    item_id, chip_id : str or None
        Catalogue id of what is sold, and of the chip inside; None when the type was not published, or for ``api``.
    chips_per_unit : int
        Chips in one sellable unit of `item_id` (1 for a chip).
    price_usd_per_chip : Quantity or None
        For ``buy`` and ``lease``, with or without its share of the server as the file says (`price_unit`).
    rent_usd_per_chip_hour : Quantity or None
        For ``rent``.
    api_usd_per_token : tuple of (date, Quantity)
        For ``api``: dated price of one token.
    price_path : tuple of (date, Quantity)
        Dated prices in the unit of the access (per chip, or per chip and hour for ``rent``), each until the next; empty
        where one price holds throughout. For ``sell`` they are those of a used chip, whatever its age.
    price_factor_in_states : mapping of str to Quantity
        Factor on the price while the outlook stands in a state.
    term_months : Quantity or None
        Months for which a lease or a reserved rental binds; None for one that ends with each month.
    lease_rate_per_year, residual_share : Quantity or None
        Interest of a lease, and the share of the price left unpaid at its end.
    buy_out : bool
        Whether the chip may be kept at the end of a lease for that residual.
    haircut : Quantity or None
        Share of the used price that a seller loses.
    lead_months : Quantity or None
        Months from order to delivery; for ``sell`` from the sale to the money.
    monthly_cap_chips : Quantity or None
        New purchases per month, or chips rented at one time for ``rent``.
    ex_post : bool
        True when the line could not be known on the day of the decision.
    """

    id: str
    item_id: str | None
    chip_id: str | None
    chips_per_unit: int
    access: Access
    place: str
    available_from: dt.date | None
    available_until: dt.date | None
    price_usd_per_chip: Quantity | None
    price_unit: str
    rent_usd_per_chip_hour: Quantity | None
    api_model: str | None
    api_usd_per_token: tuple[tuple[dt.date, Quantity], ...]
    monthly_cap_chips: Quantity | None
    lead_months: Quantity | None
    port_cost_usd: Quantity | None
    available_probability: Quantity | None
    import_gate_probability: Quantity | None
    only_in_states: tuple[str, ...]
    ex_post: bool
    note: str
    price_path: tuple[tuple[dt.date, Quantity], ...] = ()
    price_factor_in_states: Mapping[str, Quantity] = field(default_factory=dict)
    term_months: Quantity | None = None
    lease_rate_per_year: Quantity | None = None
    residual_share: Quantity | None = None
    buy_out: bool = False
    haircut: Quantity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the site takes, by date: watts for chips at work (PUE included), servers at work; empty for no limit.

    The first entry of each holds before its date too.
    """

    power_w: tuple[tuple[dt.date, Quantity], ...] = ()
    servers: tuple[tuple[dt.date, Quantity], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """Weight of bad futures: ``(1 - weight) x expected cost + weight x CVaR``.

    CVaR is the mean cost of the worst ``1 - cvar_alpha`` of futures (Rockafellar and Uryasev 2000).
    """

    cvar_alpha: Quantity
    weight: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerSite:
    """A place with its own price of a kWh in USD and its own power usage effectiveness."""

    name: str
    usd_per_kwh: Quantity
    usd_per_kwh_domestic: Quantity | None
    pue: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """Price of a kWh in USD (foreign and domestic chips may differ), and power usage effectiveness.

    Where the file lists several `sites`, the first is the one planned for. `energy_penalty_domestic` is the energy
    home-made chips need for the same work, as a factor.
    """

    usd_per_kwh: Quantity
    usd_per_kwh_domestic: Quantity | None
    pue: Quantity
    energy_penalty_domestic: Quantity | None = None
    sites: tuple[PowerSite, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a state says of a chip: free, barred, or a licence granted with `probability`."""

    kind: GateKind
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlookState:
    """One state of the rules: chip id → gate. Two gates (US and China) are multiplied into one here."""

    name: str
    nearest_rulebook: str
    gates: Mapping[str, Gate]
    note: str
    use_limit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlookNode:
    """A stretch of time under one state, from `start` to the start of its children, with branch probability."""

    id: str
    start: dt.date
    state: str
    probability: Quantity
    children: tuple[OutlookNode, ...]

    def walk(self) -> Iterator[OutlookNode]:
        """This node and everything below, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The tree of rule futures; node ids are ``r``, ``r.0``, ``r.0.1`` …"""

    applies_to: str
    states: Mapping[str, OutlookState]
    root: OutlookNode


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """Months planned from the month of `as_of`, and what remains of a chip's price by age in years.

    `grid` says how the months after the first year are planned: one by one or in quarters; ``auto`` takes months up to
    three years and quarters beyond.
    """

    months: int
    residual_by_age_years: Mapping[int, float]
    residual_plus_minus: float
    residual_source: str
    grid: Grid = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Currency:
    """Reporting currency and its rate: units of it for one US dollar."""

    unit: str
    per_usd: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of a group of buyers; the scenario's own stock and cash are the sums over members."""

    id: str
    cash_usd: Quantity | None
    capex_usd_per_year: Quantity | None
    order_share: Quantity
    stock: tuple[StockItem, ...]
    token_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One scenario file, read and checked.

    `sha256` is the hash of the file's bytes; `accept_needs_counsel` is the written reason for using home-made chips
    that the US side leaves to counsel, None when the scenario does not opt in; `truth`, `expected` and `ex_post` are
    kept as read and are never inputs.

    `members` is empty but for a group. `readings` are the names under which the file keeps an order that sources
    print differently, `reading` the one taken, `order` that order as read.
    """

    id: str
    title: str
    as_of: dt.date
    question: str
    currency: Currency
    horizon: Horizon
    party: Party
    finance: Finance
    stock: tuple[StockItem, ...]
    fleet_use: FleetUse
    demand: Demand
    market: tuple[MarketLine, ...]
    power: Power
    outlook: Outlook
    exit_options: tuple[Mapping[str, object], ...]
    accept_needs_counsel: str | None
    truth: Mapping[str, object]
    expected: Mapping[str, object]
    ex_post: Mapping[str, object]
    sha256: str
    warnings: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()
    readings: tuple[str, ...] = ()
    reading: str = ""
    order: Mapping[str, object] = field(default_factory=dict)
    value_of_missing_chip_usd: Quantity | None = None
    funding_outlook: Mapping[str, object] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    risk: Risk | None = None
