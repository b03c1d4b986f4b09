"""What is missed, which limits bind, and the smallest single change that would mend it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import numpy as np

from chipwise.planning.inputs import PlanInputs
from chipwise.planning.lp import INFINITY, Floats, Ints, Solver
from chipwise.planning.model import PlanModel, build_model
from chipwise.planning.result import Mend
from chipwise.planning.solve import Solved, solve_plan

TOLERANCE = 1e-3
"""Share of a run's compute below which it counts as done."""
LATER_MONTHS = (1, 2, 3, 6, 9, 12)


def missed_runs(model: PlanModel, solved: Solved) -> dict[int, float]:
    """Run number → expected share of its compute that is missing by its deadline, over all branches."""
    short = solved.values[model.blocks.short]
    weight = np.array([node.probability for node in model.inputs.tree.nodes])
    expected = (short * weight[:, None]).sum(axis=0)
    return {int(run): float(expected[run]) for run in np.flatnonzero(expected > TOLERANCE)}


def missed_tokens(model: PlanModel, solved: Solved) -> float:
    """Expected share of tokens over the horizon that cannot be served."""
    data = model.inputs
    share = np.array([op.share * data.tree.nodes[op.node].probability for op in data.tree.operations])
    wanted = float((data.demand * share[:, None]).sum())
    missed = float((solved.values[model.blocks.unserved] * share[:, None]).sum())
    return missed / wanted if wanted > 0.0 else 0.0


def missed_share(model: PlanModel, solved: Solved) -> float:
    """Expected share of all compute wanted for training that is missing."""
    data = model.inputs
    total = sum(run.total_flop for run in data.runs)
    missing = sum(data.runs[run].total_flop * share for run, share in missed_runs(model, solved).items())
    return missing / total if total > 0.0 else 0.0


def binding_limits(model: PlanModel, solved: Solved) -> tuple[str, ...]:
    """Limits the plan runs into, in words, most often first."""
    data, blocks, values = model.inputs, model.blocks, solved.values
    found: list[tuple[float, str]] = []
    weight = np.array([node.probability for node in data.tree.nodes])
    for column in data.buy_lines:
        cap = model.programme.upper[blocks.order[:, column]]
        full = (cap > 0.0) & (values[blocks.order[:, column]] >= cap - max(1.0, data.server_chips[column]))
        if full.any():
            line = data.lines[column]
            found.append((float(weight[full].sum()), f"monthly cap of {line.item_id} ({line.id})"))
    able = data.training_peak
    used = ((values[blocks.train] + values[blocks.final]).sum(axis=2) * able[None, :]).sum(axis=1)
    rows = blocks.share_row
    full = (used > 0.0) & (_row_activity(model, solved, rows) >= model.programme.row_upper[rows] - 1e-6 * used)
    if full.any():
        found.append((float(weight[full].sum()), f"share of the held fleet for training ({data.training_share:.0%})"))
    if (values[blocks.gap] > 1e-6).any():
        found.append((1e6, "cash"))
    elif data.scenario.finance.cash_usd is not None and (values[blocks.cash] < 1e-3).any():
        found.append((float(weight[values[blocks.cash] < 1e-3].sum()), "cash"))
    if blocks.capex_rows.size:
        activity = _row_activity(model, solved, blocks.capex_rows)
        if (activity >= model.programme.row_upper[blocks.capex_rows] * (1.0 - 1e-6)).any():
            found.append((1.0, "yearly ceiling on buying"))
    return tuple(sentence for _, sentence in sorted(found, key=lambda entry: (-entry[0], entry[1])))


def _row_activity(model: PlanModel, solved: Solved, rows: Ints) -> Floats:
    programme = model.programme
    per_column = np.diff(programme.starts)
    contribution = programme.values * np.repeat(solved.values[:-1], per_column)
    activity = np.bincount(programme.rows, weights=contribution, minlength=programme.row_lower.size)
    return np.asarray(activity[rows], float)


def _smallest(model: PlanModel, solved: Solved, opened: Ints, room: float) -> float | None:
    """Least total of the `opened` columns with which every run is done on every branch and no more tokens are missed.

    None when they cannot mend it.
    """
    solver = Solver(model.programme)
    blocks = model.blocks
    solver.cost_columns(np.arange(model.programme.cost.size), 0.0)
    solver.bound_columns(blocks.short, 0.0, 0.0)
    solver.bound_columns(blocks.unserved, 0.0, solved.values[blocks.unserved] * (1.0 + 1e-6) + 1e-6)
    solver.bound_columns(blocks.gap, 0.0, 0.0)
    solver.bound_columns(opened, 0.0, room)
    solver.cost_columns(opened, 1.0)
    found = solver.solve()
    return float(found.values[opened].sum()) if found.status == "optimal" else None


def _share_mend(model: PlanModel, solved: Solved, names: str) -> Mend | None:
    data = model.inputs
    amount = _smallest(model, solved, model.blocks.extra_share, 1.0 - data.training_share)
    if amount is None:
        return None
    new = data.training_share + amount
    return Mend(
        missed=names,
        change="training share",
        amount=new,
        unit="share of the held fleet",
        sentence=f"give training {new:.1%} of the held fleet, not {data.training_share:.1%}, from the first month",
    )


def _chip_mend(model: PlanModel, solved: Solved, names: str) -> Mend | None:
    data = model.inputs
    best = int(np.argmax(data.train_rate.max(axis=1, initial=0.0) * data.clusters))
    amount = _smallest(model, solved, model.blocks.extra_chips[best : best + 1], INFINITY)
    if amount is None:
        return None
    chips = int(np.ceil(amount - 1e-6))
    return Mend(
        missed=names,
        change="more chips held",
        amount=float(chips),
        unit=data.chips[best],
        sentence=f"{chips:,} more {data.chips[best]} (or their equal) in hand on the day of the decision",
    )


def _end(inputs: PlanInputs, period: int) -> int:
    """Month after the last of a period."""
    return inputs.tree.first_month[period] + inputs.tree.lengths[period]


def _later_mend(inputs: PlanInputs, solved: Solved, missed: Collection[int], names: str) -> Mend | None:
    last = max(inputs.runs[run].last for run in missed)
    for months in LATER_MONTHS:
        if _end(inputs, last) + months > inputs.tree.months:
            return None
        runs = tuple(
            dataclasses.replace(entry, last=inputs.tree.period_of(_end(inputs, entry.last) + months - 1))
            if number in missed
            else entry
            for number, entry in enumerate(inputs.runs)
        )
        model = build_model(dataclasses.replace(inputs, runs=runs))
        if not missed_runs(model, solve_plan(model, whole_servers=False, clusters=solved.clusters)):
            plural = "s" if months > 1 else ""
            return Mend(
                missed=names,
                change="later deadline",
                amount=float(months),
                unit="months",
                sentence=f"move the deadline{'s' if len(missed) > 1 else ''} by {months} month{plural}",
            )
    return None


def mends(model: PlanModel, solved: Solved) -> tuple[Mend, ...]:
    """Smallest single changes that would let all missed runs be done on every branch, each alone.

    Empty when nothing is missed. Cost is no object, but no more tokens may be missed than before and no money appears.
    """
    missed = missed_runs(model, solved)
    if not missed:
        return ()
    names = ", ".join(model.inputs.runs[run].name for run in missed)
    found = [
        _share_mend(model, solved, names),
        _chip_mend(model, solved, names),
        _later_mend(model.inputs, solved, missed, names),
    ]
    return tuple(entry for entry in found if entry is not None)
