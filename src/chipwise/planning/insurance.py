"""What is bought today against a closure of the rules: how many chips, their cost, what they save, from what chance.

The plan is set against one made as if the door were to stay open at the first change of rules. Chips bought before
that change beyond what the open door asks for are the stock built; what they cost where the door stays open is the
premium, what they save where it shuts is the cover. The break-even is the chance of a closure from which such a stock
is built, found by halving. All of it is taken without whole servers, so that rounding does not enter.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chipwise.planning.clusters import Clusters, choose_clusters
from chipwise.planning.inputs import MONEY_UNIT_USD
from chipwise.planning.lp import Floats, Solver
from chipwise.planning.model import PlanModel
from chipwise.planning.pose import Posed, pose_again
from chipwise.scenario.objects import OutlookNode, Scenario

NEVER = 1e-9
"""Chance that stands for none, so that the tree keeps its branches."""
SMALL_STOCK = 0.5
"""Chips below which nothing is built."""
HALVINGS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class StockBuilt:
    """What is bought against a closure; money in USD, discounted, with the stated value of missed work.

    Parameters
    ----------
    closure : float
        Chance, at the first change of rules, of a state that bars or licenses what may be bought today.
    chips : mapping of str to float
        Chips bought before that change beyond what the plan with an open door buys until then.
    premium_usd : float
        What the plan costs more where the door stays open.
    cover_usd : float
        What it saves where the door shuts, against today's purchases of the plan with an open door.
    break_even : float or None
        Chance of a closure from which stock is built; None where none is built however likely it is.
    """

    closure: float
    chips: Mapping[str, float]
    premium_usd: float
    cover_usd: float
    break_even: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "closure": self.closure,
            "chips": dict(self.chips),
            "premium_usd": self.premium_usd,
            "cover_usd": self.cover_usd,
            "break_even": self.break_even,
            "sentence": self.sentence(),
        }

    def sentence(self) -> str:
        """The answer in words."""
        if self.break_even is None:
            return "However likely a closure at the first change of rules, no stock is worth building against it."
        start = (
            f"Stock against a closure is worth building from a chance of {self.break_even:.1%} at the first change of "
            f"rules; the outlook gives {self.closure:.1%}"
        )
        if not self.chips:
            return f"{start}, so none is built."
        listed = ", ".join(f"{count:,.0f} {chip}" for chip, count in self.chips.items())
        return (
            f"{start}: {listed} are bought before it that an open door would not ask for. This costs USD "
            f"{self.premium_usd / 1e6:,.1f} m where the door stays open and saves USD {self.cover_usd / 1e6:,.1f} m "
            "where it shuts, the stated value of missed work included."
        )


def closing_branches(posed: Posed) -> list[OutlookNode]:
    """Branches of the first change of rules in whose state a chip on offer today is barred or needs a licence."""
    scenario, data = posed.inputs.scenario, posed.inputs
    today = {data.lines[column].chip_id for column in data.buy_lines if data.order_cap[0, column] > 0.0}
    return [
        child
        for child in scenario.outlook.root.children
        if any(scenario.outlook.states[child.state].gates[chip].kind != "free" for chip in today if chip)
    ]


def with_closure(scenario: Scenario, ids: set[str], chance: float) -> Scenario:
    """The scenario with the branches `ids` of the first change together as likely as `chance`, in their proportions."""
    root = scenario.outlook.root
    total = sum(child.probability.value for child in root.children if child.id in ids)

    def moved(child: OutlookNode) -> OutlookNode:
        factor = chance / total if child.id in ids else (1.0 - chance) / (1.0 - total)
        value = child.probability.value * factor
        return dataclasses.replace(child, probability=dataclasses.replace(child.probability, value=value))

    children = tuple(moved(child) for child in root.children)
    outlook = dataclasses.replace(scenario.outlook, root=dataclasses.replace(root, children=children))
    return dataclasses.replace(scenario, outlook=outlook)


def _relaxed(model: PlanModel, clusters: Clusters) -> Floats:
    solver = Solver(model.programme)
    first = solver.solve()
    choose_clusters(model, solver, first.values, clusters)
    return solver.solve().values


def _before(posed: Posed, model: PlanModel) -> NDArray[np.bool_]:
    """Nodes before the first change of rules."""
    start = min(child.start for child in posed.inputs.scenario.outlook.root.children)
    return np.array([node.parent < 0 or node.date < start for node in model.inputs.tree.nodes])


def _bought_before(posed: Posed, model: PlanModel, values: Floats) -> Floats:
    """Expected chips of each type ordered before the first change of rules. (n_chips,)"""
    data, bought = model.inputs, np.zeros(len(model.inputs.chips))
    weight = model.probability * _before(posed, model)
    for column in data.buy_lines:
        bought[data.line_chip[column]] += float((values[model.blocks.order[:, column]] * weight).sum())
    return bought


def stock_built(posed: Posed, *, find_break_even: bool = True) -> StockBuilt | None:
    """Stock the plan builds against a closure; None where no change of rules can shut what may be bought today.

    Parameters
    ----------
    posed : Posed
    find_break_even : bool
        Solve again at other chances of a closure to find the one from which stock is built.
    """
    closing = closing_branches(posed)
    ids = {child.id for child in closing}
    closure = sum(child.probability.value for child in closing)
    if not 0.0 < closure < 1.0:
        return None
    scenario = posed.inputs.scenario

    def solved(chance: float) -> tuple[PlanModel, Floats]:
        again = pose_again(posed, with_closure(scenario, ids, chance), whole_servers=False, clusters={})
        found = posed if again is None else again
        return found.model, found.solved.values

    clusters = posed.solved.clusters
    values = _relaxed(posed.model, clusters)
    open_model, open_values = solved(NEVER)
    open_bought = _bought_before(posed, open_model, open_values)

    def extra(model: PlanModel, found: Floats) -> Floats:
        return np.maximum(_bought_before(posed, model, found) - open_bought, 0.0)

    built = extra(posed.model, values)
    premium, cover = _money(posed, values, open_values)
    chips = {chip: float(built[index]) for index, chip in enumerate(posed.inputs.chips) if built[index] >= SMALL_STOCK}
    break_even = None
    if find_break_even:
        break_even = _break_even(lambda chance: float(extra(*solved(chance)).sum()), closure, bool(chips))
    return StockBuilt(
        closure=closure,
        chips=chips,
        premium_usd=max(0.0, premium) * MONEY_UNIT_USD,
        cover_usd=max(0.0, cover) * MONEY_UNIT_USD,
        break_even=break_even,
    )


def _money(posed: Posed, values: Floats, open_values: Floats) -> tuple[float, float]:
    """Premium where the door stays open, cover where it shuts; USD m."""
    model = posed.model
    tree = model.inputs.tree
    shut_rules = {node.id for child in closing_branches(posed) for node in child.walk()}
    leaves = tree.leaves()
    shut = np.array([leaf.rule_node in shut_rules for leaf in leaves])
    chance = np.array([leaf.probability for leaf in leaves])
    solver = Solver(model.programme)
    choose_clusters(model, solver, values, posed.solved.clusters)
    columns = model.blocks.order[_before(posed, model)][:, model.inputs.buy_lines]
    solver.bound_columns(columns, open_values[columns], open_values[columns])
    without = solver.solve()
    costs = model.costs_of_futures(values)
    bare = model.costs_of_futures(without.values) if without.status == "optimal" else costs
    return (
        float(((costs - bare) * chance)[~shut].sum() / chance[~shut].sum()),
        float(((bare - costs) * chance)[shut].sum() / chance[shut].sum()),
    )


def _break_even(built_at: Callable[[float], float], closure: float, built: bool) -> float | None:
    """Least chance of a closure from which stock is built, between none and almost certain."""
    low, high = (0.0, closure) if built else (closure, 1.0 - 1e-6)
    if not built and built_at(high) < SMALL_STOCK:
        return None
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if built_at(middle) >= SMALL_STOCK else (middle, high)
    return 0.5 * (low + high)
