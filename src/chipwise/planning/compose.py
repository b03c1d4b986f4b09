"""The main job: one scenario in, a sourced plan out.

scenario → what may be bought → what each chip gives → how long the stock lasts → what to do, month by month.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Literal

from chipwise._version import __version__
from chipwise.catalogue import Catalogue, load_catalogue
from chipwise.core.errors import InfeasiblePlan
from chipwise.planning import account
from chipwise.planning.availability import line_access, offered_lines
from chipwise.planning.grid import grid_name
from chipwise.planning.inputs import MONEY_UNIT_USD
from chipwise.planning.insight import insights
from chipwise.planning.insurance import stock_built
from chipwise.planning.knowing import value_of_knowing
from chipwise.planning.lines import PlanReading, branch_futures, later_lines, now_lines
from chipwise.planning.mend import binding_limits, conflict, mends, missed_runs, missed_tokens
from chipwise.planning.model import PlanModel
from chipwise.planning.pose import REVEAL_MONTHS, Posed, pose, rolled_plan
from chipwise.planning.provenance import plan_facts, with_facts
from chipwise.planning.reasons import placement_reasons
from chipwise.planning.result import Mend, Plan, Sensitivity
from chipwise.planning.rolling import WINDOW_MONTHS
from chipwise.planning.runway import runway
from chipwise.planning.sensitivity import questions, sensitivities
from chipwise.planning.snapshot import snapshot_with
from chipwise.planning.solve import Solved, relaxed_bound
from chipwise.planning.stockbuilding import stock_sentences
from chipwise.planning.tree import build_tree
from chipwise.scenario import load_scenario
from chipwise.scenario.objects import Scenario

Mode = Literal["tree", "rolling"]
OnProgress = Callable[[int, int, str], None]
STAGES = 6
MOST_FUTURES_ALONE = 60
"""Beyond this many futures the worth of knowing them is not computed."""


def _silent(done: int, total: int, message: str) -> None:
    """Default progress: none."""


def _refuse_missed_work(
    posed: Posed, limits: tuple[str, ...], together: tuple[str, ...], mending: tuple[Mend, ...]
) -> None:
    missed = missed_runs(posed.model, posed.solved)
    if not missed:
        return
    worst = max(missed, key=lambda run: (missed[run], -run))
    run = posed.runs[worst]
    changes = "; or ".join(entry.sentence for entry in mending) or "none of the changes tried"
    raise InfeasiblePlan(
        f"{run.name!r} cannot be finished by {account.month_of(posed.tree, run.last):%Y-%m} "
        f"({missed[worst]:.0%} of its compute is missing in expectation); binding limits: "
        f"{', '.join(limits) or 'none found'}; these cannot hold together: {', '.join(together)}; "
        f"smallest change that mends it: {changes}",
        place=f"scenario {posed.inputs.scenario.id}",
    )


def _worth_of_knowing(posed: Posed) -> tuple[str, ...]:
    if len(posed.tree.leaves()) > MOST_FUTURES_ALONE:
        return ()
    worth = value_of_knowing(posed.inputs, relaxed_bound(posed.model))
    return (
        f"To know rules and demand from the first day would be worth USD {worth:,.1f} m, money and the stated value of "
        "missed work together.",
    )


def _moved(
    scenario: Scenario, posed: Posed, reading: PlanReading, catalogue: Catalogue, known_on: dt.date, tell: OnProgress
) -> tuple[Sensitivity, ...]:
    """Solve again for each number worth moving."""

    def resolve(changed: Scenario) -> tuple[PlanModel, Solved, PlanReading]:
        again = pose(changed, catalogue, known_on, whole_servers=False, clusters=posed.solved.clusters)
        return again.model, again.solved, PlanReading(again.model, again.solved, catalogue)

    bought = {line.id for column, line in enumerate(posed.access.lines) if float(reading.order[:, column].sum()) > 0.5}
    return sensitivities(
        questions(scenario, bought),
        resolve,
        lambda done, count, label: tell(4, STAGES, f"what would change it: {done + 1} of {count}, {label}"),
    )


def plan(
    scenario: Scenario | str,
    *,
    known_on: dt.date | None = None,
    seed: int = 0,
    draws: int = 200_000,
    must_meet: bool = False,
    with_sensitivity: bool = True,
    mode: Mode = "tree",
    window_months: int = WINDOW_MONTHS,
    catalogue: Catalogue | None = None,
    on_progress: OnProgress = _silent,
) -> Plan:
    """Make the plan of one scenario.

    Parameters
    ----------
    scenario : Scenario or str
        A scenario, a shipped scenario's id, or a path.
    known_on : datetime.date, optional
        Use law and offers known by this day; the day of the decision when not given.
    seed, draws : int
        Of the runway's Monte Carlo.
    must_meet : bool
        Treat every deadline as binding: missed training work is then infeasible instead of deferred.
    with_sensitivity : bool
        Solve again for each number worth moving.
    mode : {"tree", "rolling"}
        All futures at once, or planned anew at every node with what is known there and `window_months` seen ahead; a
        rolled plan is set against the one over the whole tree.
    window_months : int
    on_progress : callable
        Called with ``(done, total, message)``.

    Returns
    -------
    Plan

    Raises
    ------
    InfeasiblePlan
        When cash runs out whatever is left undone, or with `must_meet` when a run cannot be finished; the message
        names the binding limits and the smallest change that mends it.

    Examples
    --------
    >>> import chipwise as cw
    >>> found = cw.plan("small-startup-2023", draws=1000, with_sensitivity=False)
    >>> found.status in ("optimal", "work deferred")
    True
    """
    catalogue = catalogue or load_catalogue()
    chosen = load_scenario(scenario, catalogue=catalogue) if isinstance(scenario, str) else scenario
    known_on = known_on or chosen.as_of
    on_progress(0, STAGES, "law: who may have what, and when")
    tree = build_tree(chosen, reveal_months=REVEAL_MONTHS)
    lines, left_out = offered_lines(chosen, known_on)
    access = line_access(chosen, tree, lines, catalogue, known_on)
    on_progress(1, STAGES, "yields, then the plan over every future")
    posed = pose(chosen, catalogue, known_on, whole_servers=True, access=access, tree=tree)
    account.refuse_without_money(posed, chosen)
    whole = posed
    if mode == "rolling":
        on_progress(1, STAGES, "planned again at every node, with what is known there")
        posed = rolled_plan(whole, window_months)
    reading = PlanReading(posed.model, posed.solved, catalogue)
    on_progress(2, STAGES, "runway: four senses, Monte Carlo")
    lasts = runway(
        chosen,
        draws=draws,
        seed=seed,
        catalogue=catalogue,
        serving_capacity_tokens_per_s=account.serving_capacity(posed),
    )
    on_progress(3, STAGES, "what is missed and what would mend it")
    limits = binding_limits(posed.model, posed.solved)
    mending = mends(posed.model, posed.solved)
    together = conflict(posed.model, posed.solved)
    if must_meet:
        _refuse_missed_work(posed, limits, together, mending)
    moved = _moved(chosen, posed, reading, catalogue, known_on, on_progress) if with_sensitivity else ()
    worth = _worth_of_knowing(posed) if with_sensitivity else ()
    built = stock_built(whole) if with_sensitivity else None
    on_progress(5, STAGES, "facts behind the plan")
    stock = account.stock_rows(chosen, catalogue, known_on)
    users = account.users_rows(chosen)
    unmet_tokens = missed_tokens(posed.model, posed.solved)
    deferred = bool(missed_runs(posed.model, posed.solved)) or unmet_tokens > 1e-3
    facts = plan_facts(chosen, posed.inputs.chips, posed.yields, lasts, catalogue)
    return Plan(
        scenario=account.scenario_row(chosen),
        data_snapshot=snapshot_with(catalogue),
        version=__version__,
        known_on=known_on,
        verdicts=(
            *(account.verdict_row(judged, chosen) for judged in access.judged),
            *stock,
        ),
        yields=tuple(account.yield_rows(posed.yields)),
        runway=lasts.to_dict(),
        status="work deferred" if deferred else "optimal",
        objective_usd=posed.solved.objective * MONEY_UNIT_USD,
        bound_usd=posed.solved.bound * MONEY_UNIT_USD,
        gap=posed.solved.gap,
        now=with_facts(now_lines(reading), chosen, posed.yields, facts),
        periods=with_facts(later_lines(reading), chosen, posed.yields, facts),
        branches=branch_futures(reading),
        work=tuple(account.work_rows(posed)),
        mends=mending,
        binding_limits=limits,
        conflict=together,
        insights=(
            *account.regret_sentence(whole, posed, window_months),
            *account.risk_sentence(posed),
            *(() if built is None else (built.sentence(),)),
            *insights(reading, moved),
            *placement_reasons(reading),
            *worth,
            *account.held_in_doubt(stock),
            *stock_sentences(posed.inputs),
            *account.users_sentence(users),
        ),
        users=tuple(users),
        names={chip: catalogue.chip(chip).name for chip in posed.inputs.chips},
        finance=account.finance_rows(posed, chosen),
        sensitivity=moved,
        facts=facts,
        warnings=tuple(account.warnings(chosen, posed, left_out)),
        assumptions=account.assumptions(chosen),
        settings={
            "seed": seed,
            "draws": draws,
            "reveal_months": REVEAL_MONTHS,
            "expected_tokens_missed": unmet_tokens,
            "grid": grid_name(chosen),
        },
        mode=mode,
        rolling=account.rolling_rows(whole, posed, window_months),
        stock_building={} if built is None else built.to_dict(),
        risk=account.risk_rows(posed),
    )
