"""A planning problem posed and solved: scenario to tree, law, yields, programme and solution."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from chipwise.catalogue import Catalogue
from chipwise.planning.availability import Access, line_access, offered_lines
from chipwise.planning.clusters import Clusters
from chipwise.planning.inputs import PlanInputs, plan_inputs
from chipwise.planning.model import PlanModel, build_model
from chipwise.planning.rolling import roll
from chipwise.planning.solve import Solved, solve_plan
from chipwise.planning.tree import PlanTree, build_tree
from chipwise.planning.work import Run, runs_to_finish
from chipwise.planning.yields import ChipYield, chip_yields
from chipwise.scenario.objects import Scenario

REVEAL_MONTHS = 6
"""Months after which it is seen which path demand follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posed:
    """A planning problem, posed and solved."""

    tree: PlanTree
    access: Access
    yields: Mapping[str, ChipYield]
    runs: tuple[Run, ...]
    inputs: PlanInputs
    model: PlanModel
    solved: Solved


def pose(
    scenario: Scenario,
    catalogue: Catalogue,
    known_on: dt.date,
    *,
    whole_servers: bool,
    clusters: Clusters | None = None,
    access: Access | None = None,
    tree: PlanTree | None = None,
) -> Posed:
    """Pose and solve one scenario; law and tree may be handed in when they have not changed."""
    tree = tree or build_tree(scenario, reveal_months=REVEAL_MONTHS)
    if access is None:
        lines, _ = offered_lines(scenario, known_on)
        access = line_access(scenario, tree, lines, catalogue, known_on)
    chips = {item.chip_id for item in scenario.stock} | {line.chip_id for line in access.lines if line.chip_id}
    yields = chip_yields(chips, scenario, catalogue)
    runs = runs_to_finish(scenario, tree)
    inputs = plan_inputs(scenario, tree, access, runs, yields, catalogue, hindsight=known_on > scenario.as_of)
    model = build_model(inputs)
    solved = solve_plan(model, whole_servers=whole_servers, clusters=clusters)
    return Posed(tree=tree, access=access, yields=yields, runs=runs, inputs=inputs, model=model, solved=solved)


def rolled_plan(posed: Posed, window_months: int) -> Posed:
    """The same problem planned node by node with a window ahead; the bound is that of the plan over the whole tree."""
    rolled = roll(posed.model, posed.solved.clusters, window_months=window_months)
    gap = rolled.values[posed.model.blocks.gap]
    solved = dataclasses.replace(
        posed.solved, values=rolled.values, objective=rolled.objective, new_money=float(gap.max(initial=0.0))
    )
    return dataclasses.replace(posed, solved=solved)


def pose_again(
    posed: Posed, scenario: Scenario, *, whole_servers: bool = True, clusters: Clusters | None = None
) -> Posed | None:
    """Solve again after probabilities alone have changed: law, yields, prices and work stay as they were.

    Parameters
    ----------
    posed : Posed
        Of the scenario before.
    scenario : Scenario
        The same but for probabilities of branches, of demand paths or of raises.

    Returns
    -------
    Posed or None
        None where a probability has become or was zero, so that the tree has other branches: pose anew.
    """
    tree = build_tree(scenario, reveal_months=REVEAL_MONTHS)
    before = posed.tree
    if [(node.parent, node.branch) for node in tree.nodes] != [(node.parent, node.branch) for node in before.nodes]:
        return None
    inputs = dataclasses.replace(posed.inputs, scenario=scenario, tree=tree)
    model = build_model(inputs)
    solved = solve_plan(model, whole_servers=whole_servers, clusters=clusters)
    return dataclasses.replace(posed, tree=tree, inputs=inputs, model=model, solved=solved)
