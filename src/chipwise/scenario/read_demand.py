"""Demand, use of the fleet and power of a scenario file."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from chipwise.core.dates import first_day
from chipwise.files.quantities import TOKEN_FORMS, tokens_per_day
from chipwise.files.yaml_tree import shown
from chipwise.scenario.border import Border, first, last
from chipwise.scenario.objects import (
    Demand,
    FleetUse,
    Power,
    PowerSite,
    Quantity,
    ServingWorkload,
    TokenPath,
    TrainingJob,
)

if TYPE_CHECKING:
    from chipwise.files.scenario_schema import ScenarioFile
    from chipwise.files.scenario_schema_market import Latency, PathPoint, Paths, Site, Training
    from chipwise.files.scenario_schema_numbers import Number


def read_fleet_use(file: ScenarioFile, border: Border) -> FleetUse:
    """How the fleet is used."""
    use = file.fleet_use
    return FleetUse(
        training_share=border.needed(use.training_share),
        availability=border.needed(use.availability),
        mfu=border.needed(use.mfu),
        serving_utilisation=border.needed(use.serving_utilisation),
        attrition_per_year=border.needed(use.attrition_per_year, "1/year"),
        largest_cluster_chips=border.number(use.largest_cluster_chips, "chips"),
        spare_share=border.number(use.spare_share),
        mixed_stages=use.mixed_stages,
    )


def read_demand(file: ScenarioFile, border: Border) -> Demand:
    """What is to be served and trained; tokens and prices per token are in units, not millions."""
    demand = file.demand
    slo: Latency | None = demand.latency_slo
    price = demand.price_of_tokens
    words = ("tokens per daily active user",)
    return Demand(
        paths=_paths(demand.inference, border) if demand.inference else (),
        tokens_per_active_user_per_day=border.number(demand.tokens_per_active_user_per_day, "token/day", words=words),
        serving=_serving(file, border),
        ttft_s=border.number(slo.ttft_s, "s") if slo else None,
        tpot_s=border.number(slo.tpot_ms, "s", scale=1e-3) if slo else None,
        training=_training(file, border),
        final_run_share=border.number(demand.final_run_share_of_research_compute),
        growth_per_year=border.number(demand.growth_per_year, "factor/year"),
        input_output_ratio=border.number(demand.input_output_ratio),
        cache_hit_share=border.number(demand.cache_hit_share),
        price_usd_per_input_token=border.money(price.input, "per token") if price else None,
        price_usd_per_output_token=border.money(price.output, "per token") if price else None,
    )


def _paths(section: Paths, border: Border) -> tuple[TokenPath, ...]:
    scale = tokens_per_day(section.unit)
    if scale is None:
        allowed = ", ".join(TOKEN_FORMS)
        raise border.fail((*section.path, "unit"), f"unit {shown(section.unit)} is not known", allowed=allowed)
    if not section.paths:
        raise border.fail((*section.path, "paths"), "no path is given", allowed="at least one path")
    probabilities = border.shares(section.path_probabilities, section.paths)
    source = section.basis.source() if section.basis else ""
    return tuple(
        TokenPath(name=name, probability=probabilities[name], points=_points(points, scale, source, border))
        for name, points in section.paths.items()
    )


def _points(
    points: Sequence[PathPoint], scale: float, source: str, border: Border
) -> tuple[tuple[dt.date, Quantity], ...]:
    out: list[tuple[dt.date, Quantity]] = []
    for point in points:
        day = first_day(point.date)
        if out and day <= out[-1][0]:
            raise border.fail((*point.path, "date"), "dates do not ascend", allowed=f"after {out[-1][0]}")
        tokens = point.value * scale
        quantity = Quantity(
            id=border.id_of(point.path),
            value=tokens,
            low=tokens,
            high=tokens,
            unit="token/day",
            source=source or "path of the scenario",
        )
        out.append((day, quantity))
    return tuple(out)


def _serving(file: ScenarioFile, border: Border) -> tuple[ServingWorkload, ...]:
    out = tuple(
        ServingWorkload(
            name=entry.name,
            proxy=border.model(entry.proxy, (*entry.path, "proxy")),
            active_params=border.needed(entry.active_params_b, "parameters", scale=1e9),
            token_share=border.needed(entry.token_share),
        )
        for entry in file.demand.serving
    )
    total = math.fsum(workload.token_share.value for workload in out)
    if out and abs(total - 1.0) > 1e-9:
        place = ("demand", "serving")
        raise border.fail(place, f"token shares sum to {total:.12g}", allowed="shares that sum to 1")
    if file.demand.inference and not out:
        raise border.fail(("demand",), "missing key `serving`", allowed="the classes of tokens that are served")
    return out


def _training(file: ScenarioFile, border: Border) -> tuple[TrainingJob, ...]:
    """Runs; those of each member of a group become one run a member, recurring ones are counted together."""
    out: list[TrainingJob] = []
    names: set[str] = set()
    for entry in file.demand.training:
        if entry.name in names:
            raise border.fail((*entry.path, "name"), f"{shown(entry.name)} is listed twice", allowed="each run once")
        names.add(entry.name)
        job = _job(entry, border)
        members = [member.id for member in file.members]
        if not entry.per_member:
            out.append(job)
        elif not members:
            raise border.fail((*entry.path, "per_member"), "the file has no members", allowed="leave per_member out")
        elif job.per_year is not None:
            out.append(replace(job, per_year=job.per_year * len(members)))
        else:
            out.extend(replace(job, name=f"{job.name} ({member})") for member in members)
    return tuple(out)


def _job(entry: Training, border: Border) -> TrainingJob:
    size: Number | None = entry.flop if entry.flop is not None else entry.flop_each
    if size is None:
        raise border.fail(entry.path, "missing key `flop`", allowed="flop, or flop_each with per_year")
    earliest, deadline = first(entry.earliest), last(entry.deadline)
    if earliest and deadline and deadline < earliest:
        raise border.fail((*entry.path, "deadline"), "deadline before earliest", allowed=f"{earliest} or later")
    return TrainingJob(
        name=entry.name,
        proxy=border.model(entry.proxy, (*entry.path, "proxy")),
        flop=border.needed(size, "FLOP"),
        earliest=earliest,
        deadline=deadline,
        per_year=entry.per_year,
        done=entry.done is not None,
    )


def read_power(file: ScenarioFile, border: Border) -> tuple[Power, list[str]]:
    """Price of power and warnings; of several sites the first is the one planned for."""
    power = file.power
    sites = tuple(_site(site, border) for site in power.sites)
    penalty = border.number(power.energy_penalty_domestic)
    if sites:
        here = sites[0]
        warnings = [f"{len(sites)} sites are listed: the plan stands at the first, {here.name}"] if sites[1:] else []
        return (
            Power(
                usd_per_kwh=here.usd_per_kwh,
                usd_per_kwh_domestic=here.usd_per_kwh_domestic,
                pue=here.pue,
                energy_penalty_domestic=penalty,
                sites=sites,
            ),
            warnings,
        )
    if power.price is None or power.pue is None:
        raise border.fail(power.path, "missing key `price` or `pue`", allowed="price and pue, or sites")
    price = border.money_needed(power.price, "per kWh")
    pue = border.needed(power.pue)
    return Power(usd_per_kwh=price, usd_per_kwh_domestic=None, pue=pue, energy_penalty_domestic=penalty), []


def _site(site: Site, border: Border) -> PowerSite:
    general = site.price or site.price_foreign_chips
    if general is None:
        raise border.fail(site.path, "missing key `price`", allowed="price, or price_foreign_chips")
    return PowerSite(
        name=site.name,
        usd_per_kwh=border.money_needed(general, "per kWh"),
        usd_per_kwh_domestic=border.money(site.price_domestic_chips, "per kWh"),
        pue=border.needed(site.pue),
    )
