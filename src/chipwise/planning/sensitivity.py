"""What would change the answer: one number at a time to each end of its range, and the plan solved again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chipwise.planning.inputs import MONEY_UNIT_USD
from chipwise.planning.lines import PlanReading, expected_bought
from chipwise.planning.mend import missed_share, missed_tokens
from chipwise.planning.model import PlanModel
from chipwise.planning.result import Sensitivity
from chipwise.planning.solve import Solved, cost_parts, expected_cost
from chipwise.scenario.mutate import with_values
from chipwise.scenario.objects import Quantity, Scenario

Resolve = Callable[[Scenario], tuple[PlanModel, Solved, PlanReading]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One number to move: to which value, and the scenario with it moved."""

    label: str
    quantity: str
    unit: str
    central: float
    value: float
    scenario: Scenario
    source: str


def _ends(scenario: Scenario, quantity: Quantity | None, label: str) -> Iterator[Question]:
    if quantity is None:
        return
    for value in (quantity.low, quantity.high):
        if value != quantity.value:
            yield Question(
                label=label,
                quantity=quantity.id,
                unit=quantity.unit,
                central=quantity.value,
                value=value,
                scenario=with_values(scenario, {quantity.id: value}),
                source=quantity.source,
            )


def _only_path(scenario: Scenario, name: str) -> Scenario:
    paths = tuple(
        dataclasses.replace(path, probability=1.0 if path.name == name else 0.0) for path in scenario.demand.paths
    )
    return dataclasses.replace(scenario, demand=dataclasses.replace(scenario.demand, paths=paths))


def questions(scenario: Scenario, bought_lines: set[str]) -> list[Question]:
    """Numbers worth moving in this scenario: policy, utilisation, demand, prices and caps of purchases, salvage."""
    use, demand = scenario.fleet_use, scenario.demand
    found: list[Question] = []
    found.extend(_ends(scenario, demand.final_run_share, "final runs' share of research compute"))
    found.extend(_ends(scenario, use.training_share, "share of the held fleet for training"))
    found.extend(_ends(scenario, use.mfu, "MFU"))
    runs = [job for job in demand.training if not job.done and job.per_year is None]
    for job in sorted(runs, key=lambda entry: -entry.flop.value)[:2]:
        found.extend(_ends(scenario, job.flop, f"FLOP of {job.name}"))
    found.extend(
        Question(
            label=f"demand follows the {path.name} path for certain",
            quantity=f"scenario/{scenario.id}#demand.inference.paths.{path.name}",
            unit="probability",
            central=path.probability,
            value=1.0,
            scenario=_only_path(scenario, path.name),
            source="",
        )
        for path in demand.paths
        if 0.0 < path.probability < 1.0
    )
    for line in scenario.market:
        if line.id in bought_lines:
            found.extend(_ends(scenario, line.monthly_cap_chips, f"monthly cap of {line.item_id}"))
            found.extend(_ends(scenario, line.price_usd_per_chip, f"price of {line.item_id}"))
    if bought_lines:
        bare = dataclasses.replace(
            scenario,
            horizon=dataclasses.replace(
                scenario.horizon, residual_by_age_years=dict.fromkeys(scenario.horizon.residual_by_age_years, 0.0)
            ),
        )
        found.append(
            Question(
                label="chips are worth nothing a year on",
                quantity=f"scenario/{scenario.id}#horizon.residual_by_age_years",
                unit="share of price",
                central=scenario.horizon.residual_by_age_years.get(1, 0.0),
                value=0.0,
                scenario=bare,
                source=scenario.horizon.residual_source,
            )
        )
    return found


def measure(question: Question, model: PlanModel, solved: Solved, reading: PlanReading) -> Sensitivity:
    """Summary of one re-solved plan."""
    parts = cost_parts(model, solved)
    return Sensitivity(
        quantity=question.quantity,
        label=question.label,
        unit=question.unit,
        central=question.central,
        value=question.value,
        chips_bought_now=float(reading.order[0, reading.inputs.buy_lines].sum()),
        chips_bought_expected=expected_bought(reading),
        cost_usd=expected_cost(parts) * MONEY_UNIT_USD,
        missed_share=max(missed_share(model, solved), missed_tokens(model, solved)),
        objective_usd=solved.objective * MONEY_UNIT_USD,
        source=question.source,
    )


def sensitivities(
    asked: list[Question], resolve: Resolve, on_done: Callable[[int, int, str], None]
) -> tuple[Sensitivity, ...]:
    """Solve again for every question; `resolve` turns a scenario into a solved plan."""
    found = []
    for number, question in enumerate(asked):
        on_done(number, len(asked), question.label)
        found.append(measure(question, *resolve(question.scenario)))
    return tuple(found)
