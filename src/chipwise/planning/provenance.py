"""Which facts a plan rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chipwise.catalogue import Catalogue
from chipwise.catalogue.measures import chip_fact
from chipwise.core.fact import Fact, Status
from chipwise.perf.explain import sources_of
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
