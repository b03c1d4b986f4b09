"""Everything the linear programme reads, as arrays over node, chip, line, workload and run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chipwise.catalogue import Catalogue, Chip
from chipwise.core.dates import add_months, month_start
from chipwise.core.units import HOURS_PER_MONTH, SECONDS_PER_DAY, SECONDS_PER_YEAR
from chipwise.planning.availability import Access
from chipwise.planning.lp import Floats
from chipwise.planning.terms import CARDS_PER_SERVER, Terms, gather_terms, months_of
from chipwise.planning.terms import MONEY_UNIT_USD as MONEY_UNIT_USD
from chipwise.planning.tree import PlanTree, tokens_per_day
from chipwise.planning.work import Run
from chipwise.planning.yields import ChipYield
from chipwise.scenario.objects import MarketLine, Quantity, Scenario

SECONDS_PER_MONTH = SECONDS_PER_YEAR / 12.0
FLOP_UNIT = 1e21
TOKEN_RATE_UNIT = 1e3
MISSED_WORK_FACTOR = 3.0
"""Missed work is valued at this many times the dearest lawful chip bought for that month of work alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInputs:
    """Arrays of one planning problem. Money in USD m, work in 1e21 FLOP, serving in thousand tokens/s.

    Parameters
    ----------
    clusters : (n_chips,) bool
        Chips with a scale-up fabric, on which a final run may be made; research needs none.
    trains : (n_chips, n_runs) bool
        Chips on which a run may be trained: with a scale-up fabric where all that can be had hold the training state
        of the model; a card without one only where one server of it does.
    held : (periods, n_chips) float64
        Chips held on the day of the decision and still working.
    survival_per_month : float
    burn_usd_m, raised_usd_m : (n_nodes,) float64
        Running costs of a whole month, and equity that comes in, USD m.
    span_months : (periods,) float64
        Months of each period that lie after the day of the decision: below 1 in the first, 3 in a quarter.
    train_rate : (n_chips, n_runs) float64
        Work units per chip and month on each run; 0 where it cannot train it.
    missed_flop_cost : (n_runs,) float64
        USD m per work unit of a run that is missing at its deadline.
    serve_rate : (n_chips, n_workloads) float64
        Thousand tokens/s per chip, day average; 0 where it cannot serve.
    demand : (n_operations, n_workloads) float64
    unit_price, api_price : (n_nodes, n_lines) float64
        USD m per chip bought or sold; per chip and month rented or leased; per thousand tokens/s and month through an
        API (`api_price`).
    order_cap : (n_nodes, n_lines) float64
        Chips that may be ordered, leased or sold in the period or held at one time (rented), in whole servers, law and
        licence included.
    discount : (periods,) float64
        Mean discount of the months of each period.
    terms : Terms
        Contracts, resale, limits, spares and risk.
    """

    scenario: Scenario
    tree: PlanTree
    chips: tuple[str, ...]
    lines: tuple[MarketLine, ...]
    access: Access
    runs: tuple[Run, ...]
    workloads: tuple[str, ...]
    held: Floats
    survival_per_month: float
    peak: Floats
    train_rate: Floats
    serve_rate: Floats
    demand: Floats
    power_cost: Floats
    unit_price: Floats
    api_price: Floats
    order_cap: Floats
    line_chip: tuple[int, ...]
    server_chips: tuple[int, ...]
    training_share: float
    cluster_chips: float | None
    missed_token_cost: Floats
    missed_flop_cost: Floats
    discount: Floats
    burn_usd_m: Floats
    raised_usd_m: Floats
    span_months: Floats
    clusters: NDArray[np.bool_]
    trains: NDArray[np.bool_]
    yields: Mapping[str, ChipYield]
    terms: Terms

    @property
    def training_peak(self) -> Floats:
        """Peak of each chip that can train at least one run, PFLOP/s; 0 for the others. (n_chips,)"""
        return np.where(((self.train_rate > 0.0) & self.trains).any(axis=1), self.peak, 0.0)

    @property
    def buy_lines(self) -> list[int]:
        """Lines that add chips to the stock."""
        bound = self.terms.term_months
        return [index for index, line in enumerate(self.lines) if line.access in ("buy", "lease") and not bound[index]]

    @property
    def rent_lines(self) -> list[int]:
        """Lines that lend chips by the month."""
        bound = self.terms.term_months
        return [index for index, line in enumerate(self.lines) if line.access == "rent" and not bound[index]]

    @property
    def contract_lines(self) -> list[int]:
        """Lines that bind for a term: leases and reserved rentals."""
        return [index for index, months in enumerate(self.terms.term_months) if months]

    @property
    def sale_lines(self) -> list[int]:
        """Lines through which chips may be sold."""
        return [index for index, line in enumerate(self.lines) if line.access == "sell"]

    @property
    def api_lines(self) -> list[int]:
        """Lines that sell tokens."""
        return [index for index, line in enumerate(self.lines) if line.access == "api"]


def _api_price(line: MarketLine, day: dt.date, known_after_as_of: bool) -> float:
    points = [(start, price) for start, price in line.api_usd_per_token if known_after_as_of or not price.ex_post]
    if not points:
        return 0.0
    current = [price for start, price in points if start <= day] or [points[0][1]]
    usd_per_token = current[-1].value
    return TOKEN_RATE_UNIT * SECONDS_PER_MONTH * usd_per_token / MONEY_UNIT_USD


def _mean_api_price(line: MarketLine, days: Sequence[dt.date], known_after_as_of: bool) -> float:
    return sum(_api_price(line, day, known_after_as_of) for day in days) / len(days)


def _power_cost(
    chips: tuple[str, ...], yields: Mapping[str, ChipYield], scenario: Scenario, catalogue: Catalogue
) -> Floats:
    home = scenario.party.headquarters_country
    cost = np.zeros(len(chips))
    for index, chip_id in enumerate(chips):
        watts = yields[chip_id].power_w
        power = scenario.power
        domestic = power.usd_per_kwh_domestic
        price = (
            domestic if domestic is not None and catalogue.chip(chip_id).vendor_country == home else power.usd_per_kwh
        )
        if watts is not None:
            cost[index] = watts / 1e3 * HOURS_PER_MONTH * power.pue.value * price.value / MONEY_UNIT_USD
    return cost


def _missed_costs(
    lines: tuple[MarketLine, ...],
    line_chip: tuple[int, ...],
    price: Floats,
    api_price: Floats,
    train: Floats,
    serve: Floats,
) -> tuple[Floats, Floats]:
    """Cost of a month of missed tokens and of missed FLOP: a stated multiple of the dearest lawful way to do it.

    Where nothing is on offer the amount decides nothing, and 1 stands in.
    """
    tokens = np.full(serve.shape[1], api_price.max(initial=0.0))
    flop = np.zeros(train.shape[1])
    for index, line in enumerate(lines):
        chip = line_chip[index]
        if chip < 0 or line.access in ("api", "sell"):
            continue
        able = serve[chip] > 0.0
        tokens[able] = np.maximum(tokens[able], price[index] / serve[chip][able])
        able = train[chip] > 0.0
        flop[able] = np.maximum(flop[able], price[index] / train[chip][able])
    tokens[tokens <= 0.0] = 1.0
    flop[flop <= 0.0] = 1.0
    return MISSED_WORK_FACTOR * tokens, MISSED_WORK_FACTOR * flop


def plan_inputs(
    scenario: Scenario,
    tree: PlanTree,
    access: Access,
    runs: tuple[Run, ...],
    yields: Mapping[str, ChipYield],
    catalogue: Catalogue,
    *,
    hindsight: bool,
) -> PlanInputs:
    """Gather the arrays of one planning problem.

    Parameters
    ----------
    hindsight : bool
        Whether prices known only after the day of the decision may be used.
    """
    lines = access.lines
    chips = tuple(sorted({item.chip_id for item in scenario.stock} | {line.chip_id for line in lines if line.chip_id}))
    place = {chip: index for index, chip in enumerate(chips)}
    workloads = tuple(workload.name for workload in scenario.demand.serving)
    survival = (1.0 - scenario.fleet_use.attrition_per_year.value) ** (1.0 / 12.0)
    firsts, lengths = np.array(tree.first_month), np.array(tree.lengths, float)
    held = np.zeros((tree.periods, len(chips)))
    for item in scenario.stock:
        held[:, place[item.chip_id]] += item.chips.value * survival**firsts
    train = np.zeros((len(chips), len(runs)))
    serve = np.zeros((len(chips), len(workloads)))
    peak = np.zeros(len(chips))
    for chip_id, index in place.items():
        found = yields[chip_id]
        peak[index] = (found.peak_flop_per_s or 0.0) / 1e15
        for number, run in enumerate(runs):
            if run.job in found.training:
                train[index, number] = found.training[run.job].value * SECONDS_PER_MONTH / FLOP_UNIT
        for number, name in enumerate(workloads):
            if name in found.serving:
                serve[index, number] = found.serving[name].value / TOKEN_RATE_UNIT
    line_chip = tuple(-1 if line.chip_id is None else place[line.chip_id] for line in lines)
    terms, price = gather_terms(scenario, tree, lines, chips, yields, catalogue, hindsight=hindsight)
    _leave_unpowered_idle(terms, train, serve)
    cap = np.array([INFINITE_CAP if line.monthly_cap_chips is None else line.monthly_cap_chips.value for line in lines])
    days = [months_of(tree, scenario, period) for period in range(tree.periods)]
    api_price = np.array(
        [
            [_mean_api_price(line, days[node.period], hindsight) if line.access == "api" else 0.0 for line in lines]
            for node in tree.nodes
        ]
    ).reshape(len(tree.nodes), len(lines))
    servers = tuple(_server_chips(line, catalogue) for line in lines)
    trains = _trains(chips, runs, _within_reach(held[0], lines, line_chip, cap, tree.months), catalogue)
    train = np.where(trains, train, 0.0)
    dearest = price.max(axis=0, initial=0.0)
    missed_tokens, missed_flop = _missed_costs(lines, line_chip, dearest, api_price, train, serve)
    by_period = np.array([1.0 if line.access in ("rent", "api") else 0.0 for line in lines])
    node_months = lengths[[node.period for node in tree.nodes]]
    periodic = cap[None, :] * np.where(by_period[None, :] > 0.0, 1.0, node_months[:, None])
    return PlanInputs(
        scenario=scenario,
        tree=tree,
        chips=chips,
        lines=lines,
        access=access,
        runs=runs,
        workloads=workloads,
        held=held,
        survival_per_month=survival,
        peak=peak,
        train_rate=train,
        serve_rate=serve,
        demand=_demand(scenario, tree),
        power_cost=_power_cost(chips, yields, scenario, catalogue),
        unit_price=price,
        api_price=api_price,
        order_cap=whole_servers(access.order_share * periodic, servers),
        line_chip=line_chip,
        server_chips=servers,
        training_share=scenario.fleet_use.training_share.value,
        cluster_chips=(
            None if scenario.fleet_use.largest_cluster_chips is None else scenario.fleet_use.largest_cluster_chips.value
        ),
        missed_token_cost=missed_tokens,
        missed_flop_cost=missed_flop,
        discount=_discount(scenario, tree),
        burn_usd_m=_burn(scenario, tree),
        raised_usd_m=_raised(scenario, tree),
        span_months=_span_months(scenario, tree),
        trains=trains,
        clusters=np.array([_has_fabric(catalogue.chip(chip)) for chip in chips], bool),
        yields=yields,
        terms=terms,
    )


def _leave_unpowered_idle(terms: Terms, train: Floats, serve: Floats) -> None:
    """Where power is limited, a chip whose power is not known cannot be shown to fit: it is given no work."""
    if np.isfinite(terms.power_limit_w).any():
        unknown = np.isnan(terms.power_w)
        train[unknown] = 0.0
        serve[unknown] = 0.0


INFINITE_CAP = 1e6
"""Chips a month where the scenario names no cap: far above any scenario, so that the programme stays bounded."""


def whole_servers(cap: Floats, server_chips: tuple[int, ...]) -> Floats:
    """Monthly caps in chips cut to whole servers, (n_nodes, n_lines): what can be ordered in a month at all."""
    unit = np.array(server_chips, float)
    return np.asarray(np.floor(cap / unit[None, :] + 1e-9) * unit[None, :], float)


def _server_chips(line: MarketLine, catalogue: Catalogue) -> int:
    if line.chips_per_unit > 1:
        return line.chips_per_unit
    server = None if line.chip_id is None else catalogue.server_of(line.chip_id)
    return 1 if server is None else server.chips


def _demand(scenario: Scenario, tree: PlanTree) -> Floats:
    paths = {path.name: path for path in scenario.demand.paths}
    shares = np.array([workload.token_share.value for workload in scenario.demand.serving])
    demand = np.zeros((len(tree.operations), len(shares)))
    days = [months_of(tree, scenario, period) for period in range(tree.periods)]
    for operation in tree.operations:
        if operation.path in paths:
            months = days[tree.nodes[operation.node].period]
            mean = sum(tokens_per_day(paths[operation.path], day) for day in months) / len(months)
            per_second = mean / SECONDS_PER_DAY
            demand[operation.index] = per_second / TOKEN_RATE_UNIT * shares
    return demand


def _span_months(scenario: Scenario, tree: PlanTree) -> Floats:
    span = np.array(tree.lengths, float)
    following = add_months(month_start(scenario.as_of), 1)
    span[0] -= 1.0 - (following - scenario.as_of).days / (following - month_start(scenario.as_of)).days
    return span


def _discount(scenario: Scenario, tree: PlanTree) -> Floats:
    rate = scenario.finance.discount_rate_per_year.value
    monthly = (1.0 + rate) ** (-np.arange(tree.months) / 12.0)
    ends = np.cumsum(tree.lengths)
    return np.array([monthly[end - length : end].mean() for end, length in zip(ends, tree.lengths, strict=True)])


TRAINING_BYTES_PER_PARAMETER = 16.0
"""Weights and gradients in 16 bits, Adam's copy and two moments in 32: 2 + 2 + 12 byte (ZeRO, arXiv 1910.02054)."""

FABRIC_CHIPS = 4
"""Chips that a scale-up fabric joins at least; a bridge between two cards is none."""


def _has_fabric(chip: Chip) -> bool:
    return (chip.scaleup_domain or 1) >= FABRIC_CHIPS


def _trains(
    chips: tuple[str, ...], runs: tuple[Run, ...], within_reach: Floats, catalogue: Catalogue
) -> NDArray[np.bool_]:
    """Whether the training state fits: all chips that can ever be had, or one server of cards without a fabric."""
    able = np.zeros((len(chips), len(runs)), bool)
    for row, chip_id in enumerate(chips):
        chip = catalogue.chip(chip_id)
        server = catalogue.server_of(chip_id)
        together = float(CARDS_PER_SERVER if server is None else server.chips)
        if _has_fabric(chip):
            together = within_reach[row]
        memory = (chip.mem_bytes or 0.0) * together
        for column, run in enumerate(runs):
            able[row, column] = catalogue.model(run.proxy).params_total * TRAINING_BYTES_PER_PARAMETER <= memory
    return able


def _within_reach(
    held: Floats, lines: tuple[MarketLine, ...], line_chip: tuple[int, ...], cap: Floats, months: int
) -> Floats:
    """Chips of each type held at the start or that may be had over the whole horizon. (n_chips,)"""
    reach = np.array(held)
    for index, line in enumerate(lines):
        if line_chip[index] >= 0 and line.access != "sell":
            reach[line_chip[index]] += cap[index] * (1 if line.access == "rent" else months)
    return reach


def _burn(scenario: Scenario, tree: PlanTree) -> Floats:
    """Running costs of each node's month: the path through time where the scenario plans one."""
    finance = scenario.finance
    if finance.burn_usd_per_month is None:
        return np.zeros(len(tree.nodes))
    points = finance.burn_path_usd_per_month or ((scenario.as_of, finance.burn_usd_per_month),)
    by_period = [
        np.mean([_burn_on(points, day) for day in months_of(tree, scenario, period)]) for period in range(tree.periods)
    ]
    return np.array([by_period[node.period] for node in tree.nodes]) / MONEY_UNIT_USD


def _burn_on(points: tuple[tuple[dt.date, Quantity], ...], day: dt.date) -> float:
    current = [amount.value for start, amount in points if start <= day]
    return current[-1] if current else points[0][1].value


def _raised(scenario: Scenario, tree: PlanTree) -> Floats:
    amounts = {equity.name: equity.amount_usd.value / MONEY_UNIT_USD for equity in scenario.finance.equity}
    raised = np.zeros(len(tree.nodes))
    for node in tree.nodes:
        before = tree.nodes[node.parent].raised if node.parent >= 0 else ()
        raised[node.index] = sum(amounts[name] for name in node.raised if name not in before)
    return raised
