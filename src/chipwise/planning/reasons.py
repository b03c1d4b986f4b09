"""Why work stands on the chips it stands on, in words computed from the reduced costs of the solved plan.

With purchases and clusters as planned, the programme is solved once more for its reduced costs: what one chip of
another type put on the same work would add to the objective, in money and the stated value of work it would displace.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chipwise.planning.inputs import MONEY_UNIT_USD
from chipwise.planning.lines import PlanReading
from chipwise.planning.lp import Floats, Solver

FEW_CHIPS = 0.5
SMALL_USD = 0.5


def _reduced_costs(reading: PlanReading) -> Floats | None:
    """Reduced cost of every column with purchases and clusters fixed; None when that cannot be solved."""
    blocks, values = reading.model.blocks, reading.values
    solver = Solver(reading.model.programme, time_limit_s=20.0)
    for columns in (blocks.order, blocks.sign, blocks.adopt, blocks.keep):
        solver.bound_columns(columns, values[columns], values[columns])
    unused = np.where(values[blocks.final] > 1e-9, blocks.final, -1)
    solver.bound_columns(np.where(unused < 0, blocks.final, -1), 0.0, 0.0)
    found = solver.solve()
    return found.reduced if found.status == "optimal" else None


def _strongest_held(reading: PlanReading) -> int | None:
    data = reading.inputs
    held = [chip for chip in range(len(data.chips)) if data.held[0, chip] >= 1.0 and data.peak[chip] > 0.0]
    return max(held, key=lambda chip: (data.peak[chip], -chip), default=None)


def _dearer(usd: float) -> str:
    return "at no extra cost" if usd < SMALL_USD else f"at USD {usd:,.0f} a month each"


def _other_chips(reading: PlanReading, top: int) -> list[int]:
    data = reading.inputs
    return [chip for chip in range(len(data.chips)) if chip != top and data.held[0, chip] >= 1.0]


def _serving(reading: PlanReading, top: int, reduced: Floats) -> Iterator[str]:
    data, blocks = reading.inputs, reading.model.blocks
    first = [op for op in data.tree.operations if op.node == 0]
    months = sum(op.share for op in first) * float(data.span_months[0])
    for number, name in enumerate(data.workloads):
        count = sum(op.share * reading.serve[op.index, top, number] for op in first)
        if count < FEW_CHIPS:
            continue
        parts = []
        for chip in _other_chips(reading, top):
            used = sum(op.share * reading.serve[op.index, chip, number] for op in first)
            if used >= FEW_CHIPS:
                parts.append(f"{used:,.0f} {data.chips[chip]} as well")
            elif data.serve_rate[chip, number] <= 0.0:
                why = data.yields[data.chips[chip]].missing.get(name, "no rate")
                parts.append(f"{data.chips[chip]} cannot ({why})")
            else:
                extra = sum(reduced[blocks.serve[op.index, chip, number]] for op in first) / months * MONEY_UNIT_USD
                tokens = data.serve_rate[top, number] / data.serve_rate[chip, number]
                parts.append(f"{data.chips[chip]} could, {tokens:,.1f} for one, {_dearer(extra)}")
        yield (
            f"{name} is served on {count:,.0f} of {data.held[0, top]:,.0f} {data.chips[top]}, the strongest chip held"
            + (f": {'; '.join(parts)}." if parts else ", the only chip held.")
        )


def _training(reading: PlanReading, top: int, reduced: Floats) -> Iterator[str]:
    """Where the strongest chip has room while weaker ones train."""
    data, blocks = reading.inputs, reading.model.blocks
    busy = float((reading.train[0, top] + reading.final[0, top]).sum())
    others = [
        chip
        for chip in _other_chips(reading, top)
        if float((reading.train[0, chip] + reading.final[0, chip]).sum()) >= FEW_CHIPS
    ]
    columns = blocks.train[0, top]
    if not others or busy > 0.5 * data.held[0, top] or not (columns >= 0).any():
        return
    extra = float(reduced[columns[columns >= 0]].min()) / float(data.span_months[0]) * MONEY_UNIT_USD
    named = " and ".join(data.chips[chip] for chip in others)
    share = f"training's share of the fleet, {data.training_share:.0%} of its peak"
    yield (
        f"Training stands first on {named}: {busy:,.0f} of {data.held[0, top]:,.0f} {data.chips[top]} train in the "
        f"first month, within {share}; one more would come {_dearer(extra)}, and what is not used stays free for "
        "larger runs later."
    )


def placement_reasons(reading: PlanReading) -> tuple[str, ...]:
    """Sentences on what the strongest chip held serves and trains in the first month, and why no weaker one does."""
    top = _strongest_held(reading)
    if top is None:
        return ()
    reduced = _reduced_costs(reading)
    if reduced is None:
        return ()
    serving = tuple(_serving(reading, top, reduced))
    if not serving and any(reading.serve[op.index].sum() > FEW_CHIPS for op in reading.inputs.tree.operations):
        chips = reading.inputs.chips
        serving = (f"No {chips[top]}, the strongest chip held, serves in the first month: weaker chips carry it.",)
    return (*serving, *_training(reading, top, reduced))
