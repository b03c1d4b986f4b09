"""What is to be trained: each run with its window, its own FLOP and the research compute around it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chipwise.planning.tree import PlanTree, months_into
from chipwise.scenario.objects import Quantity, Scenario, TrainingJob

QUARTER_MONTHS = 3.0
"""Recurring runs that come more often than this are planned in bundles of one quarter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run to finish.

    Parameters
    ----------
    name, proxy : str
    flop : float
        FLOP of the final run.
    research_flop : float
        FLOP of everything around it: experiments, data work, failed starts.
    first, last : int
        Periods in which the final run may go on; research may start at once and ends at `last`.
    homogeneous : bool
        The final run is made on a cluster of its own, of chips with a scale-up fabric.
    stages : bool
        Whether it may go through clusters of several chip types; else it stays on one type from start to end.
    job : str
        Name of the job of the scenario of which this is one occurrence.
    """

    name: str
    proxy: str
    flop: float
    research_flop: float
    first: int
    last: int
    homogeneous: bool
    stages: bool = False
    job: str = ""

    @property
    def one_type(self) -> bool:
        """Whether the final run must stay on one chip type."""
        return self.homogeneous and not self.stages

    @property
    def total_flop(self) -> float:
        """Final run and research together."""
        return self.flop + self.research_flop


def final_run_share(scenario: Scenario) -> Quantity | None:
    """Share of research compute that goes into final runs, None when the scenario does not say."""
    return scenario.demand.final_run_share


def runs_to_finish(scenario: Scenario, tree: PlanTree | None = None) -> tuple[Run, ...]:
    """Runs whose window meets the horizon, recurring ones one by one.

    A final run is `final_run_share` of the research compute; without that share only the final run is counted, which
    makes every answer too rosy, and the plan warns of it. Windows are in periods of `tree`, in months without one.
    """
    share = final_run_share(scenario)
    overhead = 0.0 if share is None else 1.0 / share.value - 1.0
    runs: list[Run] = []
    for job in scenario.demand.training:
        if not job.done:
            runs.extend(_occurrences(job, scenario, overhead))
    if tree is None:
        return tuple(runs)
    return tuple(replace(run, first=tree.period_of(run.first), last=tree.period_of(run.last)) for run in runs)


def _occurrences(job: TrainingJob, scenario: Scenario, overhead: float) -> list[Run]:
    months = scenario.horizon.months
    first = months_into(scenario, job.earliest, 0)
    last = min(months - 1, months_into(scenario, job.deadline, months - 1))
    if job.per_year is None:
        if first >= months or (job.deadline is not None and job.deadline < scenario.as_of):
            return []
        return [
            Run(
                name=job.name,
                proxy=job.proxy,
                flop=job.flop.value,
                research_flop=job.flop.value * overhead,
                first=min(first, last),
                last=last,
                homogeneous=True,
                job=job.name,
                stages=scenario.fleet_use.mixed_stages,
            )
        ]
    every = max(QUARTER_MONTHS, 12.0 / job.per_year)
    bundled = job.flop.value * job.per_year * every / 12.0
    runs = []
    for number in range(max(1, int((last - first + 1) / every + 1e-9))):
        start = min(last, first + round(number * every))
        runs.append(
            Run(
                name=f"{job.name} {number + 1}",
                proxy=job.proxy,
                flop=bundled,
                research_flop=bundled * overhead,
                first=start,
                last=min(last, max(start, first + round((number + 1) * every) - 1)),
                homogeneous=False,
                job=job.name,
            )
        )
    return runs
