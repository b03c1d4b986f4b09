"""What a runway is computed from: named ranges read off a scenario and the catalogue.

A figure the scenario does not give stays None, and the senses that need it are undetermined by name.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Collection
from dataclasses import replace
from itertools import pairwise
from typing import Protocol

from chipwise.catalogue.objects import Chip
from chipwise.core.dates import add_months, last_day, month_start, years_between
from chipwise.core.errors import Undetermined
from chipwise.perf.peaks import peak_fact_id, training_precision
from chipwise.planning.runway_ranges import Distribution, FleetLine, InputRange, RunLine, RunwayInputs, ServingLine
from chipwise.scenario.objects import Quantity, Scenario, TokenPath, TrainingJob

__all__ = ["ChipTable", "FleetLine", "InputRange", "RunwayInputs", "roll_forward", "runway_inputs", "trains"]

RUN_DAYS = 90.0
"""Days the biggest run may take."""
NEED_SHARE = (0.7, 0.8, 0.9)
"""Share of today's largest cluster below which it counts as worn out: low, central, high."""
_DATE = re.compile(r"\b(?:19|20)\d{2}-\d{2}(?:-\d{2})?\b")

Keep = Callable[[Quantity | None], Quantity | None]


class ChipTable(Protocol):
    """Anything that finds a chip by its catalogue id."""

    def chip(self, chip_id: str, /) -> Chip:
        """The chip of that id."""
        ...


def trains(chip: Chip) -> bool:
    """Whether a chip counts for training, as against serving only: a dense bf16 rate is published for it."""
    return bool(chip.rates.get("bf16"))


def runway_inputs(
    scenario: Scenario,
    catalogue: ChipTable,
    *,
    known_on: dt.date | None = None,
    token_growth_per_year: float | None = None,
    serving_only: Collection[str] | None = None,
) -> RunwayInputs:
    """Read the inputs of the four senses off a scenario.

    Parameters
    ----------
    scenario : Scenario
    catalogue : ChipTable
        Gives peaks and links of the chips held.
    known_on : datetime.date, optional
        Leave out every figure whose evidence became public later.
    token_growth_per_year : float, optional
        Factor by which tokens grow, instead of the mean growth of the scenario's paths.
    serving_only : collection of str, optional
        Chip ids that serve only, instead of the rule of `trains`.

    Returns
    -------
    RunwayInputs

    Raises
    ------
    UnknownName
        When the catalogue does not know a chip of the stock.
    ScenarioError
        When a figure is negative or not finite.

    Notes
    -----
    Final runs of the first year are the runs of every job that recurs, and each single job not yet done that is due
    within twelve months (one without a deadline counts, unless it starts later). The flagship is the largest of them;
    when none is due that soon, it is the next job due, and the programme is undetermined. Tokens and their growth run
    over the stated paths: tokens in the month of the decision (of the first date stated, where the path starts
    later), and the mean factor a year from there to the last date; ranges span the paths.
    """
    withheld: list[str] = []

    def keep(quantity: Quantity | None) -> Quantity | None:
        if quantity is None or known_on is None or not quantity.ex_post or _public(quantity, known_on):
            return quantity
        withheld.append(quantity.id)
        return None

    use, demand = scenario.fleet_use, scenario.demand
    runs, flagship = _runs(demand.training, scenario.as_of, keep)
    tokens, growth = _tokens(scenario, token_growth_per_year)
    wanted, share = keep(demand.growth_per_year), keep(demand.final_run_share)
    return RunwayInputs(
        scenario_id=scenario.id,
        as_of=scenario.as_of,
        fleet=_fleet(scenario, catalogue, serving_only, keep),
        training_share=_read(keep(use.training_share), "training_share", "share of the fleet for training"),
        availability=_read(keep(use.availability), "availability", "availability"),
        mfu=_read(keep(use.mfu), "mfu", "MFU"),
        serving_utilisation=_read(keep(use.serving_utilisation), "serving_utilisation", "serving utilisation"),
        attrition_per_year=_read(keep(use.attrition_per_year), "attrition_per_year", "attrition"),
        cluster_chips=_read(keep(use.largest_cluster_chips), "largest_cluster_chips", "largest cluster", "log-uniform"),
        runs=runs,
        flagship=flagship,
        final_run_share=_read(share, "final_run_share", "final-run share of research compute"),
        growth_per_year=_read(wanted, "growth_per_year", "growth of compute wanted", "log-uniform"),
        serving=_serving(scenario, keep),
        tokens_per_day=tokens,
        token_growth_per_year=growth,
        run_days=_assumed("run_days", "days allowed for a run", RUN_DAYS, RUN_DAYS, RUN_DAYS, "day"),
        need_share=_assumed("need_share", "share of the largest cluster needed", *NEED_SHARE, ""),
        withheld=tuple(withheld),
        owners=max(len(scenario.members), 1),
    )


def roll_forward(inputs: RunwayInputs, *, months: int, added: tuple[FleetLine, ...] = ()) -> RunwayInputs:
    """The same outlook asked again `months` later, the reserve unchanged but for the lines `added`.

    What is wanted is measured from the new day: a reserve is a flow, so time passing uses none of it up.
    """
    return replace(inputs, as_of=add_months(inputs.as_of, months), fleet=inputs.fleet + added)


def _public(quantity: Quantity, known_on: dt.date) -> bool:
    """Whether the source of an after-the-fact figure carries a date no later than `known_on`."""
    dates = _DATE.findall(quantity.source)
    return bool(dates) and max(last_day(text) for text in dates) <= known_on


def _read(
    quantity: Quantity | None, name: str, label: str, distribution: Distribution = "uniform"
) -> InputRange | None:
    return None if quantity is None else _range(quantity, name, label, distribution)


def _range(quantity: Quantity, name: str, label: str, distribution: Distribution = "uniform") -> InputRange:
    return InputRange(
        name=name,
        label=label,
        value=quantity.value,
        low=quantity.low,
        high=quantity.high,
        unit=quantity.unit,
        fact=quantity.id,
        source=quantity.source,
        distribution=distribution if quantity.low > 0.0 else "uniform",
        ex_post=quantity.ex_post,
    )


def _assumed(name: str, label: str, low: float, value: float, high: float, unit: str) -> InputRange:
    return InputRange(
        name=name, label=label, value=value, low=low, high=high, unit=unit, fact=f"assumption/runway#{name}",
        source="assumption of chipwise",
    )  # fmt: skip


def _fleet(
    scenario: Scenario, catalogue: ChipTable, serving_only: Collection[str] | None, keep: Keep
) -> tuple[FleetLine, ...]:
    lines: list[FleetLine] = []
    seen: dict[str, int] = {}
    for item in scenario.stock:
        if keep(item.chips) is None:
            continue
        chip = catalogue.chip(item.chip_id)
        seen[chip.id] = seen.get(chip.id, 0) + 1
        nth = f"#{seen[chip.id]}" if seen[chip.id] > 1 else ""
        count = _range(item.chips, f"chips/{chip.id}{nth}", f"number of {chip.name}", "log-uniform")
        trained = trains(chip) if serving_only is None else chip.id not in serving_only
        lines.append(FleetLine(chip_id=chip.id, chips=count, peak_flops=_peak(chip), trains=trained))
    return tuple(lines)


def _peak(chip: Chip) -> InputRange | None:
    """Dense bf16 peak, else fp16 with fp32 accumulate, with its range where the catalogue gives one."""
    try:
        precision = training_precision(chip, "auto")
    except Undetermined:
        return None
    value = chip.rates[precision]
    low, high = chip.rate_ranges.get(precision, (value, value))
    return InputRange(
        name=f"peak/{chip.id}", label=f"peak of {chip.name}", value=value, low=low, high=high, unit="FLOP/s",
        fact=peak_fact_id(chip, precision), source=chip.sources,
    )  # fmt: skip


def _runs(jobs: tuple[TrainingJob, ...], as_of: dt.date, keep: Keep) -> tuple[tuple[RunLine, ...], str]:
    """Runs due in the first twelve months and the name of the flagship."""
    year_end = add_months(as_of, 12)
    open_jobs = [job for job in jobs if not job.done and keep(job.flop) is not None]
    lines: list[RunLine] = []
    for job in open_jobs:
        started = job.earliest is None or job.earliest < year_end
        due = started and (job.per_year is not None or job.deadline is None or job.deadline <= year_end)
        flop = _range(job.flop, f"run/{job.name}", f"FLOP of {job.name}", "log-uniform")
        lines.append(RunLine(flop=flop, runs_per_year=(job.per_year or 1.0) if due else 0.0))
    due_lines = tuple(line for line in lines if line.runs_per_year > 0.0)
    if due_lines:
        return due_lines, max(due_lines, key=lambda line: line.flop.value).flop.name
    if not lines:
        return (), ""
    dates = [job.deadline or job.earliest or year_end for job in open_jobs]
    following = lines[dates.index(min(dates))]
    return (following,), following.flop.name


def _serving(scenario: Scenario, keep: Keep) -> tuple[ServingLine, ...]:
    return tuple(
        ServingLine(
            active_params=_range(work.active_params, f"active_params/{work.name}", f"active parameters of {work.name}"),
            token_share=_range(work.token_share, f"token_share/{work.name}", f"token share of {work.name}"),
        )
        for work in scenario.demand.serving
        if keep(work.active_params) is not None and keep(work.token_share) is not None
    )


def _level(path: TokenPath, day: dt.date) -> float:
    """Tokens a day on `day`: log-linear between dates, flat outside them."""
    points = [(when, quantity.value) for when, quantity in path.points]
    if day <= points[0][0]:
        return points[0][1]
    for (start, first), (end, second) in pairwise(points):
        if day <= end:
            part = (day - start).days / (end - start).days
            return first ** (1.0 - part) * second**part if first > 0.0 < second else first + part * (second - first)
    return points[-1][1]


def _growth(path: TokenPath, month: dt.date) -> float | None:
    """Mean factor a year from `month` to the last date stated."""
    start, end = max(month, path.points[0][0]), path.points[-1][0]
    first, last = _level(path, start), path.points[-1][1].value
    if end <= start or first <= 0.0:
        return None
    return float((last / first) ** (1.0 / years_between(start, end)))


def _central(scenario: Scenario) -> TokenPath | None:
    named = {path.name: path for path in scenario.demand.paths if path.points}
    return named.get("central") or max(named.values(), key=lambda path: path.probability, default=None)


def _tokens(scenario: Scenario, override: float | None) -> tuple[InputRange | None, InputRange | None]:
    central = _central(scenario)
    if central is None:
        return None, None
    month = month_start(scenario.as_of)
    paths = [path for path in scenario.demand.paths if path.points]
    levels = [_level(path, month) for path in paths]
    first = central.points[0][1]
    fact, source = f"{first.id.split('#')[0]}#demand.inference.paths", first.source or "stated paths"
    level = _level(central, month)
    tokens = InputRange(
        name="tokens_per_day", label="tokens a day", value=level, low=min(levels), high=max(levels), unit="token/day",
        fact=fact, source=source, distribution="log-uniform" if min(levels) > 0.0 else "uniform",
    )  # fmt: skip
    if override is not None:
        fact, source, growths, value = "argument#token_growth_per_year", "given with the question", [override], override
    else:
        found = _growth(central, month)
        if found is None:
            return tokens, None
        value, growths = found, [g for path in paths if (g := _growth(path, month)) is not None]
    growth = InputRange(
        name="token_growth_per_year", label="growth of tokens", value=value, low=min(growths), high=max(growths),
        unit="1/year", fact=fact, source=source, distribution="log-uniform" if min(growths) > 0.0 else "uniform",
    )  # fmt: skip
    return tokens, growth
