"""Tables beside the chips: systems, prices, supply; and the options every catalogue command shares."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chipwise.cli.output import parse_date, print_json, print_table
from chipwise.core.errors import EXIT_NO, InputError
from chipwise.core.names import nearest_names

if TYPE_CHECKING:
    from chipwise.catalogue import Catalogue, System

CATALOG = typer.Option([], "--catalog", help="Folder with your own chips, systems, prices or models; repeatable.")
JSON = typer.Option(False, "--json", help="Print JSON, SI units.")
SVG = typer.Option(None, "--svg", metavar="FILE", help="Draw it as a picture too.")
ON = typer.Option(None, "--on", metavar="YYYY-MM-DD", help="Day asked about (default: today).")


def catalogue_with(folders: list[Path]) -> Catalogue:
    """The shipped catalogue with the user's folders laid over it."""
    from chipwise.catalogue import load_catalogue

    return load_catalogue(overlays=tuple(folders))


def write_picture(path: Path, picture: str, *, quiet: bool) -> None:
    """Write an SVG file, whole or not at all, and say so."""
    from chipwise.files.atomic import write_text

    if os.path.exists(path) and not path.is_file():
        raise InputError("not a regular file", place=str(path), allowed="a new file, or one to replace")
    write_text(path, picture)
    if not quiet:
        typer.echo(f"written: {path}")


def one_of(value: str, known: list[str], option: str) -> str:
    """The value, if it is blank or one of `known`, ignoring case; else the error that says what is allowed."""
    if value and value.casefold() not in {entry.casefold() for entry in known}:
        raise InputError(
            f"{value!r} occurs in no row", place=option, allowed=" | ".join(known), nearest=nearest_names(value, known)
        )
    return value


def systems_command(
    chip: str = typer.Option("", help="Only systems with this chip."),
    as_json: bool = JSON,
    catalog: list[Path] = CATALOG,
) -> None:
    """List servers, racks and cloud instances."""
    from chipwise.catalogue.describe import system_line

    catalogue = catalogue_with(catalog)
    wanted = catalogue.chip(chip).id if chip else ""
    systems = [system for system in catalogue.systems.values() if wanted in ("", system.chip_id)]
    if as_json:
        print_json({"n": len(systems), "systems": [system_line(system) for system in systems]})
    elif systems:
        rows = [
            [
                system.id,
                system.chip_id,
                system.chips,
                system.vendor,
                system.topology,
                _scaled(system.fabric_bytes_per_s_per_dir, 1e9),
                _scaled(system.scaleout_bytes_per_s_per_chip, 1e9),
                _scaled(system.node_power_w, 1e3),
                _scaled(system.price_usd, 1.0),
                system.confidence,
            ]
            for system in systems
        ]
        headers = ["id", "chip", "chips", "vendor", "fabric", "fabric 1-way\nGB/s a chip", "network\nGB/s a chip"]
        print_table(rows, [*headers, "power\nkW", "price\nUSD", "conf."], right=(2, 5, 6, 7, 8))
    else:
        typer.echo("No system is known with this chip.")
    if not systems:
        raise typer.Exit(EXIT_NO)


def _scaled(value: float | None, unit: float) -> str:
    return "-" if value is None else f"{value / unit:,.6g}"


def print_system(system: System) -> None:
    """One system in a few lines."""
    typer.echo(f"{system.name} ({system.id}), {system.vendor}: {system.chips} x {system.chip_id}")
    when = f"{system.price_kind or 'no kind'}, {system.price_date or 'no date'}"
    words = {
        "fabric": f"{system.fabric}, {system.topology}, {_scaled(system.fabric_bytes_per_s_per_dir, 1e9)} GB/s one way",
        "network": f"{_scaled(system.scaleout_bytes_per_s_per_chip, 1e9)} GB/s one way per chip",
        "power": f"{_scaled(system.node_power_w, 1e3)} kW at most",
        "price": "not known" if system.price_usd is None else f"{system.price_usd:,.0f} USD ({when})",
        "source": f"{system.sources} (confidence {system.confidence})",
        "note": system.notes,
    }
    for key, text in words.items():
        if text:
            typer.echo(f"  {key}: {text}")
    typer.echo("")


def prices_command(
    name: str = typer.Argument(help="A chip (its servers and instances count too), or one system."),
    rental: bool = typer.Option(False, "--rental", help="Rent per chip-hour instead of purchase per chip."),
    place: str = typer.Option("", help="Only this market: US, China, EU, global."),
    kind: str = typer.Option("", help="Only this kind: list, contract, street, resale, rental on-demand, ..."),
    since: str | None = typer.Option(None, "--from", metavar="YYYY-MM-DD", help="Only from that day."),
    until: str | None = typer.Option(None, "--until", metavar="YYYY-MM-DD", help="Only up to that day."),
    svg: Path | None = SVG,
    as_json: bool = JSON,
    catalog: list[Path] = CATALOG,
) -> None:
    """Show the history of prices, oldest first; street and resale rows are market facts, never offers."""
    from chipwise.catalogue.describe import price_history

    catalogue = catalogue_with(catalog)
    one_of(place, sorted({price.place for price in catalogue.prices}), "--place")
    one_of(kind, sorted({price.kind for price in catalogue.prices}), "--kind")
    rows = price_history(
        catalogue,
        name,
        rental=rental,
        place=place,
        kind=kind,
        first=parse_date(since, "--from"),
        last=parse_date(until, "--until"),
    )
    if svg is not None and rows:
        from chipwise.report.chip_pictures import prices_svg

        field = "usd_per_gpu_hour" if rental else "usd_per_chip"
        title = f"{catalogue.item(name).name}: {'rent' if rental else 'prices'}, {len(rows)} observations"
        write_picture(svg, prices_svg(rows, field, title), quiet=as_json)
    if as_json:
        print_json({"item": catalogue.item(name).id, "n": len(rows), "prices": rows})
    elif rows:
        _print_history(rows, "usd_per_gpu_hour" if rental else "usd_per_chip")
    else:
        typer.echo("No price observation.")
    if not rows:
        raise typer.Exit(EXIT_NO)


def _print_history(rows: list[dict[str, Any]], field: str) -> None:
    most = max(row[field] for row in rows)
    digits = 2 if field == "usd_per_gpu_hour" else 0
    table = [
        [
            row["date"],
            row["place"],
            f"{row['kind']} *" if row["market_fact_only"] else row["kind"],
            row["basis"],
            f"{row[field]:,.{digits}f}",
            "#" * max(1, round(30 * row[field] / most)),
            row["reliability"] + ("" if row["read_in_source"] else " ?"),
            row["source"],
        ]
        for row in rows
    ]
    unit = "USD per\nchip-hour" if digits else "USD per\nchip"
    print_table(table, ["date", "place", "kind", "basis", unit, "", "rel.", "source"], right=(4,))
    typer.echo("* a market fact, no offer.  ? not read again in its source: check before relying on it.")


def supply_command(
    subject: str = typer.Option("", help="Part of the name of a maker, seller, buyer or holder."),
    chip: str = typer.Option("", help="Only rows about this chip."),
    year: str = typer.Option("", help="Only this year."),
    as_json: bool = JSON,
    catalog: list[Path] = CATALOG,
) -> None:
    """List observations of supply; orders, plans and approvals are not deliveries."""
    import dataclasses

    catalogue = catalogue_with(catalog)
    subjects = sorted({row.subject for row in catalogue.supply})
    if subject and not any(subject.casefold() in name.casefold() for name in subjects):
        raise InputError(f"{subject!r} occurs in no row", place="--subject", nearest=nearest_names(subject, subjects))
    wanted = catalogue.chip(chip).id if chip else ""
    rows = [
        row
        for row in catalogue.supply
        if subject.casefold() in row.subject.casefold() and wanted in ("", row.chip_id) and year in ("", row.year)
    ]
    if as_json:
        print_json({"n": len(rows), "supply": [dataclasses.asdict(row) for row in rows]})
    elif rows:
        table = [
            [
                row.period,
                row.subject,
                row.role,
                row.place,
                row.chip_label,
                row.measure,
                row.kind,
                _units(row),
                row.source,
            ]
            for row in rows
        ]
        print_table(
            table, ["period", "subject", "role", "place", "chip", "measure", "kind", "units", "source"], right=(7,)
        )
        typer.echo("Orders, plans and approvals are not deliveries.")
    if not rows:
        raise typer.Exit(EXIT_NO)


def _units(row: Any) -> str:
    ends = [value for value in (row.units_low, row.units, row.units_high) if value is not None]
    if not ends:
        return "-" if row.value_usd is None else f"{row.value_usd / 1e9:,.3g} bn USD"
    if row.units is None and row.units_low is None:
        return f"up to {row.units_high:,.0f}"
    return f"{ends[0]:,.0f}" if min(ends) == max(ends) else f"{min(ends):,.0f} to {max(ends):,.0f}"
