"""Which facts a plan rests on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from chipwise.catalogue import Catalogue
from chipwise.catalogue.measures import chip_fact
from chipwise.core.fact import Fact, Status
from chipwise.perf.explain import sources_of
from chipwise.planning.result import PlanLine
from chipwise.planning.runway_result import Runway
from chipwise.planning.yields import ChipYield
from chipwise.scenario.mutate import quantities
from chipwise.scenario.objects import Scenario

PLAN_FIELDS = ("tpp", "performance_density", "mem_bytes", "mem_bytes_per_s", "tdp_w")


def plan_facts(
    scenario: Scenario, chips: Iterable[str], yields: Mapping[str, ChipYield], lasts: Runway, catalogue: Catalogue
) -> tuple[Fact, ...]:
    """Every fact behind a plan, once, ordered by id.

    The scenario's numbers, the chips' figures, what the yields rest on, and the assumptions of the runway.
    """
    found: dict[str, Fact] = {entry.id: entry.fact() for entry in quantities(scenario)}
    for chip_id in sorted(set(chips)):
        chip = catalogue.chip(chip_id)
        for name in (*PLAN_FIELDS, *sorted(f"rates.{precision}" for precision in chip.rates)):
            fact = chip_fact(chip, name)
            if fact.value is not None:
                found[fact.id] = fact
    for entry in lasts.inputs:
        fact = entry.to_fact()
        found.setdefault(fact.id, fact)
    for fact in _outlook_facts(scenario):
        found[fact.id] = fact
    for identity in sorted(_yield_facts(yields) - found.keys()):
        row = sources_of([identity], catalogue)[0]
        if row["source"]:
            found[identity] = Fact(
                id=identity, value=row["value"], unit="", source=row["source"], status=_status_of(identity)
            )
    return tuple(found[key] for key in sorted(found))


def _outlook_facts(scenario: Scenario) -> list[Fact]:
    """Probabilities of the demand paths and the worth of chips at the end, which are no ranged numbers of the file."""
    paths = [
        Fact(
            id=f"scenario/{scenario.id}#demand.inference.paths.{path.name}",
            value=path.probability,
            unit="probability",
            source="path_probabilities of the scenario",
            status="assumed",
        )
        for path in scenario.demand.paths
    ]
    worth = Fact(
        id=f"scenario/{scenario.id}#horizon.residual_by_age_years",
        value=scenario.horizon.residual_by_age_years.get(1),
        unit="share of price after one year",
        source=scenario.horizon.residual_source or "the scenario",
        status="assumed",
    )
    return [*paths, worth]


def _status_of(identity: str) -> Status:
    return "measured" if identity.startswith(("operators/", "utilisation/", "perf/day_load")) else "estimated"


def _yield_facts(yields: Mapping[str, ChipYield]) -> set[str]:
    found: set[str] = set()
    for entry in yields.values():
        for estimate in (*entry.training.values(), *entry.serving.values()):
            found.update(estimate.facts)
    return found


def with_facts(
    lines: Iterable[PlanLine], scenario: Scenario, yields: Mapping[str, ChipYield], facts: Iterable[Fact]
) -> tuple[PlanLine, ...]:
    """Lines of a plan, each with the ids of the facts behind it.

    A purchase, lease, rental or sale rests on its market line; work on the chips held and on what one of them gives;
    money on the terms of the loan; work left undone on the demand.
    """
    known = {fact.id for fact in facts}
    place = f"scenario/{scenario.id}#"
    held: dict[str, list[str]] = {}
    for item in scenario.stock:
        held.setdefault(item.chip_id, []).append(item.chips.id)

    def behind(line: PlanLine) -> tuple[str, ...]:
        ids = [key for key in known if line.market and key.startswith(f"{place}{line.market}.")]
        if line.action in ("assign", "defer"):
            ids += [*held.get(line.chip or "", ()), *_work_facts(line.workload, line.chip, scenario, yields)]
        if line.action in ("borrow", "repay"):
            ids += [key for key in known if key.startswith(f"{place}finance.loan")]
        if line.action == "port" and line.chip:
            ids += [
                entry.port_cost_usd.id
                for entry in scenario.market
                if entry.chip_id == line.chip and entry.port_cost_usd is not None
            ]
        return tuple(sorted(set(ids) & known))

    return tuple(dataclasses.replace(line, facts=behind(line)) for line in lines)


def _work_facts(workload: str, chip: str | None, scenario: Scenario, yields: Mapping[str, ChipYield]) -> Iterable[str]:
    """Facts behind a run or a class of tokens: its size, and what the chip gives."""
    name = workload.removeprefix("serve: ")
    found = yields.get(chip or "")
    for entry in scenario.demand.serving:
        if workload.startswith("serve: ") and entry.name == name:
            yield entry.token_share.id
            yield entry.active_params.id
            if found is not None and name in found.serving:
                yield from found.serving[name].facts
    for job in scenario.demand.training:
        if workload.startswith(job.name):
            yield job.flop.id
            if found is not None and job.name in found.training:
                yield from found.training[job.name].facts
