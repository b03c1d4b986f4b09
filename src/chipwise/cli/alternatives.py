"""`chipwise chips alternatives`: lawful chips that could stand in for one, and how many of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from chipwise.cli.output import NOT_LEGAL_ADVICE, parse_date, print_json, print_table
from chipwise.core.errors import EXIT_NO, InputError

MOST_ROWS = 25
MOST_REASONS = 2


def alternatives_command(
    chip: str = typer.Argument(..., help="The chip to stand in for."),
    to: str = typer.Option(..., "--to", help="Destination, ISO 3166 code."),
    hq: str = typer.Option("unknown", "--hq", help="Country of the ultimate parent, or unknown."),
    on: str = typer.Option(..., "--on", help="Day asked about."),
    model: str = typer.Option(..., "--for", help="Model to run."),
    work: str = typer.Option("serve", "--work", help="serve or train."),
    count: int = typer.Option(1, "--count", min=1, help="How many of the chip are to be replaced."),
    tpot_ms: float | None = typer.Option(None, "--tpot-ms", help="Most time per output token, ms."),
    ttft_ms: float | None = typer.Option(None, "--ttft-ms", help="Most time to the first token, ms."),
    as_json: bool = typer.Option(False, "--json"),
) -> None:
    """Lawful chips ranked by what they do for a work, licence status beside; barred ones are counted, not listed."""
    from chipwise.planning.alternatives import alternatives

    day = parse_date(on, "--on")
    if work not in ("serve", "train"):
        raise InputError(f"{work!r} is no kind of work", place="--work", allowed="serve or train")
    found = alternatives(
        chip,
        to=to,
        hq=hq,
        on=day,  # type: ignore[arg-type]
        model=model,
        work=work,  # type: ignore[arg-type]
        count=count,
        tpot_s=None if tpot_ms is None else tpot_ms / 1e3,
        ttft_s=None if ttft_ms is None else ttft_ms / 1e3,
    )
    if as_json:
        print_json(found.to_dict())
    else:
        _show(found)
    if not found.free and not found.counsel and not found.by_licence:
        raise typer.Exit(EXIT_NO)


def _show(found: Any) -> None:
    typer.echo(
        f"In place of {found.count:,} {found.chip_id} to {found.work} {found.model_id}, to {found.to} on {found.on}:"
    )
    groups = (
        ("free on the day, best first", found.free),
        ("left to counsel, not ranked", found.counsel),
        ("by a licence weighed case by case, not ranked", found.by_licence),
    )
    for title, entries in groups:
        if not entries:
            continue
        rows = [
            (
                entry.chip_id,
                entry.vendor_country,
                f"{entry.chips_for_one.value:.2f}",
                f"{entry.chips_for_one.low:.2f} to {entry.chips_for_one.high:.2f}",
                f"{entry.chips:,}",
                f"{entry.rate.value:,.0f}",
                entry.rate.evidence,
                entry.outcome if entry.outcome != "licence_required" else entry.review_policy,
                entry.import_gate,
            )
            for entry in entries[:MOST_ROWS]
        ]
        rate = "output tokens/s" if found.work == "serve" else "tokens/s"
        headers = ("chip", "made in", "for one", "90 % interval", f"for {found.count:,}", rate, "evidence")
        print_table(rows, (*headers, "US side", "import gate"), right=(2, 3, 4, 5), title=title)
        if len(entries) > MOST_ROWS:
            typer.echo(f"  and {len(entries) - MOST_ROWS} more: --json")
    typer.echo(
        f"{found.licence_or_barred} chips would normally be refused or are barred on the day; "
        f"{len(found.undetermined)} more are undetermined: they cannot do this work, or a figure is not published"
        + (f" ({_some(found.undetermined)})." if found.undetermined else ".")
    )
    typer.echo("Whether a maker sells a chip at all is not asked here.")
    typer.echo(NOT_LEGAL_ADVICE)


def _some(undetermined: Mapping[str, str]) -> str:
    shown = [f"{chip}: {why}" for chip, why in undetermined.items()][:MOST_REASONS]
    return "; ".join(shown) + ("; the rest with --json" if len(undetermined) > len(shown) else "")
