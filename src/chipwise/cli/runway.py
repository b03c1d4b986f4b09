"""``chipwise runway``: how long the stock lasts, in four senses, with the binding one named."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from chipwise.cli import output
from chipwise.cli.catalogue_tables import CATALOG, catalogue_with
from chipwise.core.errors import EXIT_UNDETERMINED

if TYPE_CHECKING:
    from chipwise.planning.runway_ranges import InputRange
    from chipwise.planning.runway_result import Runway, RunwaySense

ENDS_WHEN = {
    "programme": "a year's research and training wants more than the fleet has left for it",
    "flagship": "the biggest run wanted no longer fits on the biggest cluster in the days allowed",
    "squeeze": "inference needs more than training leaves it",
    "wear": "failures bring the largest cluster below the share needed",
}
SHOWN_DRIVERS = 3


def runway_command(
    scenario: str = typer.Argument(..., help="Scenario file, or the id of a shipped one.", metavar="SCENARIO"),
    draws: int = typer.Option(200_000, "--draws", help="Monte Carlo draws over the ranges."),
    seed: int = typer.Option(0, "--seed", help="Seed; the same seed gives the same answer."),
    known_on: str | None = typer.Option(None, "--known-on", help="Use only what was public on DATE.", metavar="DATE"),
    as_json: bool = typer.Option(False, "--json", help="Write JSON."),
    explain: bool = typer.Option(False, "--explain", help="Add every input with range and source."),
    catalog: list[Path] = CATALOG,
) -> None:
    """How long does the stock last? Four senses with intervals, what drives them, and the one that binds."""
    known = output.parse_date(known_on, "--known-on")
    from chipwise.planning.runway import runway
    from chipwise.scenario import load_scenario

    catalogue = catalogue_with(catalog)
    answer = runway(
        load_scenario(scenario, catalogue=catalogue), draws=draws, seed=seed, known_on=known, catalogue=catalogue
    )
    if as_json:
        output.print_json(answer.to_dict())
    else:
        _print_answer(answer)
        if explain:
            _print_inputs(answer)
        typer.echo(output.NOT_LEGAL_ADVICE)
    if not any(sense.determined for sense in answer.senses):
        raise typer.Exit(EXIT_UNDETERMINED)


def years_text(years: float | None) -> str:
    """Years for people: two decimals under ten, ``unbounded`` for infinity, ``-`` for unknown."""
    if years is None:
        return "-"
    if math.isinf(years):
        return "unbounded"
    return "0" if years == 0.0 else f"{years:.2f}" if years < 10.0 else f"{years:.0f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100.0 * share:.0f} %"


def _headline(answer: Runway) -> str:
    start = f"{answer.scenario_id}, {answer.as_of.isoformat()}"
    if answer.binding is None:
        ended = any(sense.determined for sense in answer.senses)
        return f"{start}: {'no runway that can be determined ever ends' if ended else 'undetermined in every sense'}"
    sense: RunwaySense = getattr(answer, answer.binding)
    open_ = [other.name for other in answer.senses if not other.determined]
    among = f" among those determined (not: {', '.join(open_)})" if open_ else ""
    if sense.years == 0.0:
        return f"{start}: the {sense.name} runway binds{among}; it has ended already"
    interval = f"{years_text(sense.low)} to {years_text(sense.high)}"
    return f"{start}: the {sense.name} runway binds{among}, {years_text(sense.years)} years ({interval})"


def _print_answer(answer: Runway) -> None:
    typer.echo(_headline(answer))
    typer.echo("")
    rows = [
        [
            f"T{index} {sense.name}" + (" *" if sense.name == answer.binding else ""),
            years_text(sense.years) if sense.determined else "undetermined",
            f"{years_text(sense.low)} to {years_text(sense.high)}" if sense.determined else "-",
            years_text(sense.median),
            _percent(sense.probability_at_least_one_year),
            _percent(sense.probability_zero),
            sense.ends_on or "-",
            _percent(answer.binding_shares.get(sense.name)),
        ]
        for index, sense in enumerate(answer.senses, start=1)
    ]
    headers = ["sense", "years", "90 % of draws", "median", "1 year or more", "none left", "ends on", "binds in"]
    output.print_table(rows, headers, right=range(1, 8))
    typer.echo("")
    for sense in answer.senses:
        _print_sense(sense)
    for flip in answer.sensitive:
        what = " and ".join(flip.inputs)
        span = f"{years_text(flip.shortest_years)} to {years_text(flip.longest_years)} years"
        typer.echo(f"sensitive: {what}, within range, moves {flip.sense} from {span}")
    for warning in answer.warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(f"{answer.draws:,} draws, seed {answer.seed}; * binds on central inputs; 'binds in' is a share of draws")


def _print_sense(sense: RunwaySense) -> None:
    if not sense.determined:
        typer.echo(f"{sense.name}: undetermined; {sense.undetermined}")
        return
    drivers = ", ".join(f"{d.label} {d.rank_correlation:+.2f}" for d in sense.drivers[:SHOWN_DRIVERS])
    typer.echo(f"{sense.name}: ends when {ENDS_WHEN[sense.name]}; driven by {drivers or 'nothing that has a range'}")
    for variant in sense.variants:
        typer.echo(f"  otherwise {years_text(variant.years)} years: {variant.note}")


def _print_inputs(answer: Runway) -> None:
    def cells(entry: InputRange) -> list[object]:
        span = f"{entry.low:.4g} to {entry.high:.4g}" if entry.drawn else "fixed"
        drawn = entry.distribution if entry.drawn else ""
        return [entry.label, f"{entry.value:.4g}", span, entry.unit, drawn, entry.source, entry.fact]

    typer.echo("")
    headers = ["input", "central", "range", "unit", "drawn", "source", "fact"]
    output.print_table([cells(entry) for entry in answer.inputs], headers, right=(1,))
