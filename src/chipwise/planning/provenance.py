"""Which facts a plan rests on, and which snapshot of the shipped data it used."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable

from chipwise.catalogue import Catalogue
from chipwise.catalogue.measures import chip_fact
from chipwise.core.fact import Fact, Status
from chipwise.perf.explain import sources_of
from chipwise.planning.runway_result import Runway
from chipwise.planning.yields import ChipYield
from chipwise.scenario.mutate import quantities
from chipwise.scenario.objects import Scenario

SNAPSHOT_FOLDERS = ("catalogue", "models", "rules", "perf", "scenarios", "planning")
PLAN_FIELDS = ("tpp", "performance_density", "mem_bytes", "mem_bytes_per_s", "tdp_w")


def _files(folder: Traversable, prefix: str) -> Iterable[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.startswith(("_", ".")):
            continue
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        elif entry.is_file():
            yield f"{prefix}{entry.name}", entry.read_bytes()


@functools.cache
def data_snapshot() -> str:
    """SHA-256 over every shipped table and rulebook, names and bytes, first 16 hex digits."""
    digest = hashlib.sha256()
    root = resources.files("chipwise").joinpath("data")
    for name in SNAPSHOT_FOLDERS:
        folder = root.joinpath(name)
        if folder.is_dir():
            for path, content in _files(folder, f"{name}/"):
                digest.update(path.encode())
                digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def snapshot_with(catalogue: Catalogue) -> str:
    """Snapshot of the shipped data, and of the user's folders laid over it where there are any."""
    if not catalogue.overlays:
        return data_snapshot()
    return hashlib.sha256(f"{data_snapshot()} {catalogue.snapshot}".encode()).hexdigest()[:16]


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
        if entry.training_flop_per_s is not None:
            found.update(entry.training_flop_per_s.facts)
        for estimate in entry.serving_tokens_per_s.values():
            found.update(estimate.facts)
    return found
