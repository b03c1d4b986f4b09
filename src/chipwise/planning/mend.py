"""What is missed, which limits bind, and the smallest single change that would mend it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection

import numpy as np

from chipwise.planning.inputs import PlanInputs
from chipwise.planning.lp import INFINITY, Floats, Ints, Solver
from chipwise.planning.model import PlanModel, build_model
from chipwise.planning.result import Mend
from chipwise.planning.solve import Solved

TOLERANCE = 1e-3
"""Share of a run's compute below which it counts as done."""
MOST_MONTHS_LATER = 12
MOST_NAMED = 3
CAP_FACTORS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0)


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


def _solver_that_must(model: PlanModel, missed_before: Floats) -> Solver:
    """A solver for which every run must be done on every branch, no more tokens be missed and no money appear."""
    solver = Solver(model.programme)
    blocks = model.blocks
    solver.cost_columns(np.arange(model.programme.cost.size), 0.0)
    solver.bound_columns(blocks.short, 0.0, 0.0)
    solver.bound_columns(blocks.unserved, 0.0, missed_before * (1.0 + 1e-6) + 1e-6)
    solver.bound_columns(blocks.gap, 0.0, 0.0)
    return solver


def _smallest(model: PlanModel, solved: Solved, opened: Ints, room: float) -> float | None:
    """Least total of the `opened` columns with which every run is done on every branch and no more tokens are missed.

    None when they cannot mend it.
    """
    solver = _solver_that_must(model, solved.values[model.blocks.unserved])
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


def _later_mend(model: PlanModel, solved: Solved, missed: Collection[int], names: str) -> Mend | None:
    """Fewest months by which the deadlines of the missed runs must move so that the runs can be done.

    Chips that train longer serve less meanwhile, so tokens are left open here.
    """
    inputs = model.inputs
    last = max(inputs.runs[run].last for run in missed)
    for months in range(1, MOST_MONTHS_LATER + 1):
        if _end(inputs, last) + months > inputs.tree.months:
            return None
        runs = tuple(
            dataclasses.replace(entry, last=inputs.tree.period_of(_end(inputs, entry.last) + months - 1))
            if number in missed
            else entry
            for number, entry in enumerate(inputs.runs)
        )
        later = build_model(dataclasses.replace(inputs, runs=runs))
        solver = _solver_that_must(later, solved.values[model.blocks.unserved])
        solver.bound_columns(later.blocks.unserved, 0.0, INFINITY)
        if solver.solve().status == "optimal":
            plural = "s" if months > 1 else ""
            return Mend(
                missed=names,
                change="later deadline",
                amount=float(months),
                unit="months",
                sentence=f"move the deadline{'s' if len(missed) > 1 else ''} by {months} month{plural}",
            )
    return None


def _cap_mend(model: PlanModel, solved: Solved, names: str) -> Mend | None:
    """Smallest factor tried on every monthly cap of what may be bought, leased or reserved."""
    for factor in CAP_FACTORS:
        solver = _solver_that_must(model, solved.values[model.blocks.unserved])
        _open_caps(model, solver, factor)
        if solver.solve().status == "optimal":
            return Mend(
                missed=names,
                change="more chips on offer",
                amount=factor,
                unit="times the monthly caps",
                sentence=f"{factor:g} times as many chips on offer each month, where the law lets them in",
            )
    return None


def _open_caps(model: PlanModel, solver: Solver, factor: float) -> None:
    for block in (model.blocks.order, model.blocks.sign):
        made = block[block >= 0]
        solver.bound_columns(made, 0.0, model.programme.upper[made] * factor)


def _site_mends(model: PlanModel, solved: Solved, names: str) -> list[Mend]:
    """Least power, and fewest servers, that the site must give more."""
    found = []
    for place, (what, unit) in enumerate((("power of the site", "MW"), ("space of the site", "servers"))):
        column = model.blocks.extra_site[place : place + 1]
        if column[0] < 0:
            continue
        amount = _smallest(model, solved, column, INFINITY)
        if amount is not None and amount > 1e-6:
            text = f"{amount:,.1f} MW more power" if unit == "MW" else f"room for {np.ceil(amount):,.0f} more servers"
            text = f"{text} at the site"
            found.append(Mend(missed=names, change=f"more {what}", amount=amount, unit=unit, sentence=text))
    return found


def conflict(model: PlanModel, solved: Solved) -> tuple[str, ...]:
    """Limits that together leave a run unfinished, none of which could be left out; empty when nothing is missed.

    A deletion filter: each limit is lifted in turn and stays lifted where the runs still cannot be done without it
    (Chinneck and Dravnieks 1991). The deadlines themselves and the law are part of every such set.
    """
    missed = missed_runs(model, solved)
    if not missed:
        return ()
    blocks, data = model.blocks, model.inputs
    lifts: list[tuple[str, Callable[[Solver], None]]] = [
        ("tokens to serve", lambda solver: solver.bound_columns(blocks.unserved, 0.0, INFINITY)),
        ("cash and loans", lambda solver: solver.bound_columns(blocks.gap, 0.0, INFINITY)),
    ]
    if blocks.capex_rows.size:
        lifts.append(("yearly ceiling on buying", lambda solver: _free_rows(solver, blocks.capex_rows)))
    for place, name in enumerate(("power of the site", "space of the site")):
        column = blocks.extra_site[place : place + 1]
        if column[0] >= 0:
            lifts.append((name, functools.partial(_open_columns, columns=column)))
    lifts += [
        ("monthly caps of what is on offer", lambda solver: _open_caps(model, solver, 1e3)),
        (
            f"share of the held fleet for training ({data.training_share:.0%})",
            lambda solver: solver.bound_columns(blocks.extra_share, 0.0, 1.0 - data.training_share),
        ),
    ]
    lifted: list[Callable[[Solver], None]] = []
    found = []
    for name, lift in lifts:
        solver = _solver_that_must(model, solved.values[blocks.unserved])
        for other in (*lifted, lift):
            other(solver)
        if solver.solve().status == "optimal":
            found.append(name)
        else:
            lifted.append(lift)
    names = [data.runs[run].name for run in missed]
    runs = ", ".join(names) if len(names) <= MOST_NAMED else f"{', '.join(names[:MOST_NAMED])} and others"
    return (f"deadline of {runs}", *found, *(() if found else ("chips held and lawful offers",)))


def _free_rows(solver: Solver, rows: Ints) -> None:
    for row in rows:
        solver.bound_row(int(row), -INFINITY, INFINITY)


def _open_columns(solver: Solver, columns: Ints) -> None:
    solver.bound_columns(columns, 0.0, INFINITY)


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
        _later_mend(model, solved, missed, names),
        _cap_mend(model, solved, names),
        *_site_mends(model, solved, names),
    ]
    return tuple(entry for entry in found if entry is not None)
