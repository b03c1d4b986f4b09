"""`chipwise serve users`: how many users a scenario's stock serves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from chipwise.cli import output
from chipwise.cli.catalogue_tables import CATALOG, catalogue_with
from chipwise.cli.serve_size import show_stock
from chipwise.core.errors import InputError

if TYPE_CHECKING:
    from chipwise.scenario.objects import Quantity
    from chipwise.serving.stock import Range


def users_command(
    scenario: str = typer.Argument(..., help="Scenario file, or the id of a shipped one.", metavar="SCENARIO"),
    trace: str = typer.Option("azure", "--trace", help="Lengths and bursts of the requests."),
    share: float = typer.Option(0.99, "--share", help="Share of requests that must be within the scenario's targets."),
    with_training: bool = typer.Option(
        False, "--with-training", help="Let the chips set aside for training serve too."
    ),
    seed: int = typer.Option(0, "--seed", help="Seed of the draws over the ranges."),
    as_json: bool = typer.Option(False, "--json", help="JSON for machines."),
    catalog: list[Path] = CATALOG,
) -> None:
    """How many users does the stock of a scenario serve, the share that trains left aside?"""
    from chipwise.cli.serve_options import workload_of
    from chipwise.scenario import load_scenario
    from chipwise.serving.stock import EXACT, Need, carried_by_stock

    catalogue = catalogue_with(catalog)
    held = load_scenario(scenario, catalogue=catalogue)
    demand, use = held.demand, held.fleet_use
    if demand.ttft_s is None or demand.tpot_s is None:
        raise InputError("states no latency targets", place=f"{held.id}: demand.latency_slo", allowed="ttft_s, tpot_ms")
    stock: dict[str, Range] = {}
    for item in held.stock:
        counts = _triple(item.chips)
        before = stock.get(item.chip_id, (0.0, 0.0, 0.0))
        stock[item.chip_id] = tuple(a + b for a, b in zip(before, counts, strict=True))  # type: ignore[assignment]
    needs = []
    for each in demand.serving:
        active = float(catalogue.model(each.proxy).params_active)
        value, low, high = _triple(each.active_params)
        size = (value / active, low / active, high / active)
        needs.append(Need(name=each.name, model=each.proxy, token_share=_triple(each.token_share), size=size))
    value, low, high = _triple(use.training_share)
    part = EXACT if with_training else (1.0 - value, 1.0 - high, 1.0 - low)
    each_user = demand.tokens_per_active_user_per_day
    found = carried_by_stock(
        stock,
        needs,
        trace=workload_of(trace, seed=seed),
        slo_ttft_s=demand.ttft_s.value,
        slo_tpot_s=demand.tpot_s.value,
        share=share,
        part=part,
        availability=_triple(use.availability),
        tokens_per_user_day=None if each_user is None else _triple(each_user),
        catalogue=catalogue,
        seed=seed,
    )
    aside = (
        "no chip set aside for training"
        if with_training
        else f"{value:.0%} ({low:.0%} to {high:.0%}) aside for training"
    )
    note = (
        f"{aside}; everything else serves these workloads: what search, advertising or resale takes must be taken off"
    )
    if as_json:
        output.print_json({"scenario": held.id, "note": note, **found.to_dict()})
        return
    show_stock(found)
    typer.echo(f"targets of {held.id}: TTFT {demand.ttft_s.value:g} s, TPOT {demand.tpot_s.value * 1e3:g} ms; {note}")


def _triple(quantity: Quantity) -> Range:
    return quantity.value, quantity.low, quantity.high
