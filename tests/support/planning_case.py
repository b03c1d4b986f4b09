"""Planning problems of any size, made from random numbers: for tests of the optimiser alone and for benchmarks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np

from chipwise.planning.availability import Access
from chipwise.planning.inputs import PlanInputs, whole_servers
from chipwise.planning.terms import plain_terms
from chipwise.planning.tree import DecisionNode, Operation, PlanTree
from chipwise.planning.work import Run
from chipwise.scenario import Scenario, load_scenario
from chipwise.scenario.objects import (
    Currency,
    Finance,
    Horizon,
    Loan,
    MarketLine,
    Power,
    Quantity,
)

START = dt.date(2024, 1, 1)


def number(value: float, name: str = "x", unit: str = "") -> Quantity:
    """A quantity without a range."""
    return Quantity(id=f"scenario/made#{name}", value=value, low=value, high=value, unit=unit, source="made for a test")


def tree_of(months: int, splits: Sequence[int], ways: int = 2) -> PlanTree:
    """A tree that splits into `ways` equiprobable branches at each month of `splits`."""
    nodes: list[DecisionNode] = []
    frontier: list[tuple[int, str, float]] = [(-1, "r", 1.0)]
    for period in range(months):
        following = []
        for parent, name, probability in frontier:
            children = [(name, probability)]
            if period in splits:
                children = [(f"{name}.{way}", probability / ways) for way in range(ways)]
            for child, share in children:
                nodes.append(
                    DecisionNode(
                        index=len(nodes),
                        parent=parent,
                        period=period,
                        date=_month(period),
                        rule_node=child,
                        state="any",
                        path="only",
                        probability=share,
                    )
                )
                following.append((len(nodes) - 1, child, share))
        frontier = following
    operations = tuple(Operation(index=node.index, node=node.index, path="only", share=1.0) for node in nodes)
    return PlanTree(nodes=tuple(nodes), operations=operations, periods=months, reveal_period=0)


def _month(period: int) -> dt.date:
    return dt.date(START.year + (START.month - 1 + period) // 12, (START.month - 1 + period) % 12 + 1, 1)


def line(
    chip: str, price_usd: float, *, cap: float, lead: int = 0, port: float | None = None, place: int = 0
) -> MarketLine:
    """A line that sells one chip type."""
    return MarketLine(
        id=f"market[{place}]",
        item_id=chip,
        chip_id=chip,
        chips_per_unit=1,
        access="buy",
        place="CN",
        available_from=None,
        available_until=None,
        price_usd_per_chip=number(price_usd, f"market[{place}].price", "USD"),
        price_unit="per chip",
        rent_usd_per_chip_hour=None,
        api_model=None,
        api_usd_per_token=(),
        monthly_cap_chips=number(cap, f"market[{place}].cap", "chips"),
        lead_months=number(lead, f"market[{place}].lead", "months"),
        port_cost_usd=None if port is None else number(port, f"market[{place}].port", "USD"),
        available_probability=None,
        import_gate_probability=None,
        only_in_states=(),
        ex_post=False,
        note="",
    )


def bare_scenario(
    months: int,
    *,
    cash_usd: float | None = None,
    loans: tuple[Loan, ...] = (),
    discount: float = 0.0,
    residual: dict[int, float] | None = None,
    kwh: float = 0.0,
) -> Scenario:
    """A scenario whose numbers outside the arrays are as plain as can be; the rest is a shipped scenario's."""
    import dataclasses

    base = load_scenario("small-startup-2023")
    finance = Finance(
        cash_usd=None if cash_usd is None else number(cash_usd, "finance.cash", "USD"),
        capex_ceiling_usd_per_year=None,
        burn_usd_per_month=None,
        loans=loans,
        equity=(),
        discount_rate_per_year=number(discount, "finance.discount_rate"),
    )
    horizon = Horizon(
        months=months,
        residual_by_age_years=residual or {0: 0.0, 1: 0.0},
        residual_plus_minus=0.0,
        residual_source="made for a test",
    )
    power = Power(usd_per_kwh=number(kwh, "power.price"), usd_per_kwh_domestic=None, pue=number(1.0, "power.pue"))
    return dataclasses.replace(
        base,
        id="made",
        as_of=START,
        finance=finance,
        horizon=horizon,
        power=power,
        currency=Currency(unit="USD", per_usd=number(1.0)),
    )


def random_inputs(
    *,
    months: int,
    chips: int,
    splits: Sequence[int],
    seed: int,
    ways: int = 2,
    ports: bool = False,
    scale: float = 1.0,
    single: bool = True,
) -> PlanInputs:
    """A problem like the planner's races: four classes of tokens, two kinds of run, four deadlines, barred branches."""
    rng = np.random.default_rng(seed)
    tree = tree_of(months, splits, ways)
    names = tuple(f"chip{index}" for index in range(chips))
    strength = rng.uniform(0.2, 3.0, chips)
    memory = strength * rng.uniform(0.5, 1.5, chips)
    price = 1e4 * strength * rng.uniform(0.7, 1.6, chips)
    lines = tuple(
        line(
            name,
            float(price[index]),
            cap=float(rng.integers(50, 600)),
            lead=2,
            place=index,
            port=2e6 if ports else None,
        )
        for index, name in enumerate(names)
    )
    caps = np.array([entry.monthly_cap_chips.value for entry in lines if entry.monthly_cap_chips])
    closed = _barred(rng, tree, chips)
    share = np.where(closed, 0.0, 1.0)
    access = Access(lines=lines, order_share=share, delivery_share=share, lead_months=(2,) * chips, judged=())
    demand = scale * _growing_demand(rng, tree, 4)
    deadlines = [max(1, round(months * part) - 1) for part in (0.25, 0.5, 0.75, 1.0)]
    runs = tuple(
        Run(
            name=f"run{kind}{deadline}",
            proxy="any",
            flop=scale * (2.0e24 if kind else 6e23) * (deadline / months + 0.3),
            research_flop=scale * (6.0e24 if kind else 1.8e24) * (deadline / months + 0.3),
            first=max(0, deadline - months // 4),
            last=deadline,
            homogeneous=bool(kind) and single,
        )
        for kind in (0, 1)
        for deadline in deadlines
    )
    return PlanInputs(
        scenario=bare_scenario(
            months, cash_usd=5e9, discount=0.1, residual={1: 0.62, 2: 0.43, 3: 0.3, 4: 0.18, 5: 0.12}
        ),
        tree=tree,
        chips=names,
        lines=lines,
        access=access,
        runs=runs,
        workloads=("a", "b", "c", "d"),
        held=np.tile(rng.integers(0, 800, chips).astype(float), (months, 1))
        * (0.95 ** (np.arange(months) / 12.0))[:, None],
        survival_per_month=0.95 ** (1.0 / 12.0),
        peak=strength * 0.3,
        train_rate=np.tile(strength[:, None] * 0.25, (1, len(runs))),
        serve_rate=memory[:, None] * rng.uniform(0.3, 3.0, (chips, 4)),
        demand=demand,
        power_cost=strength * 5e-5,
        unit_price=np.tile(price / 1e6, (len(tree.nodes), 1)),
        api_price=np.zeros((len(tree.nodes), chips)),
        order_cap=whole_servers(share * caps, (8,) * chips),
        line_chip=tuple(range(chips)),
        server_chips=(8,) * chips,
        training_share=0.5,
        cluster_chips=None,
        missed_token_cost=np.full(4, 0.2),
        missed_flop_cost=np.full(len(runs), 0.2),
        discount=1.1 ** (-np.arange(months) / 12.0),
        burn_usd_m=np.zeros(len(tree.nodes)),
        raised_usd_m=np.zeros(len(tree.nodes)),
        span_months=np.ones(months),
        clusters=np.ones(chips, bool),
        trains=np.ones((chips, len(runs)), bool),
        yields={},
        terms=plain_terms(len(tree.nodes), chips, chips, months),
    )


def _barred(rng: np.random.Generator, tree: PlanTree, chips: int) -> np.ndarray:
    """Chips barred on each node: a third of them on branches whose name ends in 1, from then on."""
    closed = np.zeros((len(tree.nodes), chips), bool)
    choice = rng.random(chips) < 0.33
    for node in tree.nodes:
        if ".1" in node.rule_node:
            closed[node.index] = choice
    return closed


def _growing_demand(rng: np.random.Generator, tree: PlanTree, workloads: int) -> np.ndarray:
    start = rng.uniform(50.0, 300.0, workloads)
    growth = rng.uniform(1.5, 3.0, workloads)
    years = np.array([tree.nodes[operation.node].period / 12.0 for operation in tree.operations])
    return start[None, :] * growth[None, :] ** years[:, None]
