"""`chipwise chips`: what exists, with sources and dates."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chipwise.cli import catalogue_tables
from chipwise.cli.catalogue_tables import CATALOG, JSON, ON, SVG, catalogue_with, one_of, write_picture
from chipwise.cli.output import NOT_LEGAL_ADVICE, parse_date, print_json, print_table
from chipwise.core.errors import EXIT_NO, InputError
from chipwise.core.names import nearest_names

if TYPE_CHECKING:
    from chipwise.catalogue import Chip

app = typer.Typer(no_args_is_help=True, help="Chips: list, show, compare. Every figure has a source and a date.")
app.command("systems")(catalogue_tables.systems_command)
app.command("prices")(catalogue_tables.prices_command)
app.command("supply")(catalogue_tables.supply_command)


@app.command("list")
def list_command(
    vendor: str = typer.Option("", help="Part of the vendor's name."),
    country: str = typer.Option("", help="Country of the vendor's headquarters (ISO code)."),
    market: str = typer.Option("", help="datacenter, consumer, workstation, server CPU or embedded."),
    on: str | None = typer.Option(None, "--on", metavar="YYYY-MM-DD", help="Only what was on sale by that day."),
    min_memory: str = typer.Option(
        "", "--min-memory", metavar="SIZE", help="Least memory: `80 GB`, or a number of GB."
    ),
    confidence: str = typer.Option("", help="Least confidence: A, B or C."),
    as_json: bool = JSON,
    catalog: list[Path] = CATALOG,
) -> None:
    """List chips, one line each."""
    from chipwise.catalogue import describe
    from chipwise.files.units import parse_quantity

    catalogue = catalogue_with(catalog)
    every = list(catalogue.chips.values())
    names = list(describe.vendors(every))
    if vendor and not any(vendor.casefold() in name.casefold() for name in names):
        raise InputError(f"no vendor is called {vendor!r}", place="--vendor", nearest=nearest_names(vendor, names))
    chips = describe.select_chips(
        catalogue,
        vendor=vendor,
        country=one_of(country, sorted({chip.vendor_country for chip in every}), "--country"),
        market=one_of(market, sorted({chip.market for chip in every}), "--market"),
        on=parse_date(on, "--on"),
        min_memory_bytes=parse_quantity(min_memory, "GB", place="--min-memory") * 1e9 if min_memory else 0.0,
        confidence=one_of(confidence, ["A", "B", "C"], "--confidence"),
    )
    lines = [describe.chip_line(chip) for chip in chips]
    if as_json:
        print_json({"n": len(lines), "chips": lines, "data_snapshot": catalogue.snapshot})
    else:
        _print_list(lines)
        typer.echo(f"{len(lines)} of {len(every)} chips. Rates are dense, TPP and density computed. {NOT_LEGAL_ADVICE}")
        days = sorted(line["checked_on"] for line in lines if line["checked_on"])
        if days:
            never = len(lines) - len(days)
            rest = f", {never} never" if never else ""
            typer.echo(f"Last compared with their sources from {days[0]} to {days[-1]}{rest}.")
    if not lines:
        raise typer.Exit(EXIT_NO)


def _print_list(lines: list[dict[str, Any]]) -> None:
    from chipwise.catalogue.describe import shown

    headers = ["id", "vendor", "released", "market", "bf16\nTFLOPS", "fp8\nTFLOPS", "memory\nGB", "bandwidth\nGB/s"]
    headers += ["link 1-way\nGB/s", "power\nW", "TPP", "TPP/mm2", "conf."]
    units = {"bf16_flops": "FLOP/s", "fp8_flops": "FLOP/s", "mem_bytes": "byte", "mem_bytes_per_s": "byte/s"}
    units |= {"link_bytes_per_s_per_dir": "byte/s", "tdp_w": "W"}
    rows = []
    for line in lines:
        density = line["performance_density"]
        figures = [shown(line[field], unit) for field, unit in units.items()]
        law = [shown(line["tpp"], ""), "-" if density is None else f"{density:.2f}", line["confidence"]]
        rows.append([line["id"], line["vendor"], line["released"] or "-", line["market"], *figures, *law])
    print_table(rows, headers, right=range(4, 12))


@app.command("show")
def show_command(
    name: str = typer.Argument(help="Id, name or alias of a chip, or a system (its chip is shown)."),
    explain: bool = typer.Option(False, "--explain", help="Sources, formulas, conflicts and every price."),
    on: str | None = ON,
    as_json: bool = JSON,
    catalog: list[Path] = CATALOG,
) -> None:
    """Show every figure of one chip with unit, source, date and status."""
    from chipwise.catalogue import describe

    catalogue = catalogue_with(catalog)
    chip = catalogue.chip_of(name)
    alias = catalogue.aliases.get(name)
    day = parse_date(on, "--on") or dt.date.today()  # noqa: DTZ011
    record = describe.describe_chip(catalogue, chip, day)
    if as_json:
        print_json({**record, "data_snapshot": catalogue.snapshot})
        return
    if alias is not None and alias.note:
        typer.echo(f"{name!r} is read as {chip.id}: {alias.note}.")
    if name in catalogue.systems:
        catalogue_tables.print_system(catalogue.systems[name])
    _print_chip(chip, record, explain)


def _print_chip(chip: Chip, record: dict[str, Any], explain: bool) -> None:
    from chipwise.catalogue import describe

    typer.echo(f"{chip.name} ({chip.id}), {chip.vendor}, {chip.vendor_country}; {chip.market}, {chip.status}")
    words = {
        "released": chip.released,
        "end of sale": chip.end_of_sale,
        "memory": chip.mem_type,
        "links": chip.link_name,
        "process": " ".join(part for part in (chip.node, chip.foundry) if part),
        "China variant of": chip.china_variant_of,
        "note": chip.notes,
        "die": chip.die_note,
    }
    for key, text in words.items():
        if text:
            typer.echo(f"  {key}: {text}")
    typer.echo("")
    rows = []
    for fact in describe.chip_facts(chip):
        field = fact.id.rpartition("#")[2]
        row = [
            describe.label(field),
            describe.shown_range(fact),
            describe.shown_unit(fact.unit),
            fact.status,
            fact.as_of,
        ]
        rows.append([*row, fact.source] if explain else row)
    headers = ["figure", "value", "unit", "status", "as of"]
    print_table(rows, [*headers, "source"] if explain else headers, right=(1,))
    typer.echo("")
    typer.echo(record["tpp_formula"])
    for conflict in record["tpp_conflicts"]:
        typer.echo(f"  open: {conflict}")
    for fact in record["second_opinions"]:
        field = fact["id"].rpartition("#")[2].removesuffix("@epoch")
        theirs = f"{describe.shown(fact['value'], fact['unit'])} {describe.shown_unit(fact['unit'])}"
        typer.echo(f"  differs: {describe.label(field)} is {theirs} in the Epoch AI hardware dataset")
    stale = " (stale)" if record["stale"] else ""
    checked = f"checked on {chip.checked_on}{stale}" if chip.checked_on else "never checked against its source"
    typer.echo(f"Confidence {chip.confidence}; {checked}; source: {chip.sources}")
    if chip.origin:
        changed = ", ".join(chip.overridden) or "the whole row"
        typer.echo(f"From the user file {chip.origin}: {changed}")
    if explain and chip.cross_check:
        typer.echo(f"Against the Epoch AI hardware dataset: {chip.cross_check}")
    for system in record["systems"]:
        typer.echo(f"System: {system['id']} ({system['name']}), {system['chips']} chips")
    _print_prices(record["prices"], explain)
    typer.echo(NOT_LEGAL_ADVICE)


def _print_prices(prices: list[dict[str, Any]], explain: bool) -> None:
    if not prices:
        typer.echo("No price observation.")
        return
    shown = prices if explain else prices[-6:]
    typer.echo("")
    rows = []
    for price in shown:
        per_chip, per_hour = price["usd_per_chip"], price["usd_per_gpu_hour"]
        amount = f"{per_chip:,.0f} USD per chip" if per_chip is not None else f"{per_hour:,.2f} USD per chip-hour"
        kind = f"{price['kind']} (market fact, no offer)" if price["market_fact_only"] else price["kind"]
        row = [price["date"], price["place"], kind, price["basis"], amount, price["reliability"]]
        rows.append([*row, price["source"]] if explain else row)
    headers = ["date", "place", "kind", "basis", "amount", "rel."]
    title = (
        f"Prices ({len(shown)} of {len(prices)} observations{'' if explain else ', newest last; --explain for all'})"
    )
    print_table(rows, [*headers, "source"] if explain else headers, right=(4,), title=title)


@app.command("compare")
def compare_command(
    names: list[str] = typer.Argument(help="Two or more chips."),
    svg: Path | None = SVG,
    as_json: bool = JSON,
    catalog: list[Path] = CATALOG,
) -> None:
    """Put chips side by side; the multiple in brackets is relative to the first."""
    from chipwise.catalogue import describe

    if len(names) < 2:
        raise InputError(f"{len(names)} chip given", place="chips compare", allowed="two or more names")
    catalogue = catalogue_with(catalog)
    chips = [catalogue.chip(name) for name in names]
    rows = describe.compare_chips(chips)
    if svg is not None:
        from chipwise.report.chip_pictures import comparison_svg

        company = describe.select_chips(catalogue, market="datacenter")
        write_picture(svg, comparison_svg(chips, rows, company), quiet=as_json)
    if as_json:
        ids = [chip.id for chip in chips]
        print_json({"chips": ids, "rows": rows, "data_snapshot": catalogue.snapshot})
        return
    head = [
        [word, "", *[str(getattr(chip, word)) or "-" for chip in chips]]
        for word in ("vendor", "market", "status", "released", "mem_type", "link_name", "confidence")
    ]
    body = [
        [
            describe.label(row["field"]),
            describe.shown_unit(row["unit"]),
            *[_with_multiple(fact, row["facts"][0]) for fact in row["facts"]],
        ]
        for row in rows
    ]
    print_table([*head, *body], ["", "unit", *[chip.id for chip in chips]])
    typer.echo(f"Rates are dense; - is not known. {NOT_LEGAL_ADVICE}")


def _with_multiple(fact: Any, first: Any) -> str:
    from chipwise.catalogue.describe import shown_range

    text = shown_range(fact)
    counts = ("pcie_gen", "pcie_lanes", "logic_dies", "scaleup_domain")
    numbers = isinstance(fact.value, (int, float)) and isinstance(first.value, (int, float))
    if fact is first or not numbers or not first.value or fact.id.rpartition("#")[2] in counts:
        return text
    return f"{text} [{fact.value / first.value:.2f}x]"
