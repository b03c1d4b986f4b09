"""`chipwise check`: may this buyer have this item, on this date?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chipwise.cli.catalogue_tables import CATALOG, catalogue_with
from chipwise.cli.output import NOT_LEGAL_ADVICE, parse_date, print_json
from chipwise.core.errors import EXIT_BAD_INPUT, EXIT_YES, InputError

if TYPE_CHECKING:
    from chipwise.catalogue import Catalogue
    from chipwise.rules import Rulebook, Verdict


def check_command(
    item: str = typer.Argument("", help="Chip id, alias or name, or system id.", show_default=False),
    to: str = typer.Option("", "--to", help="Country the item goes to, ISO code."),
    hq: str = typer.Option(
        "unknown", "--hq", help="Country of the buyer's headquarters or ultimate parent, or unknown."
    ),
    on: str = typer.Option("", "--on", help="Day of the transaction, YYYY-MM-DD."),
    known_on: str = typer.Option("", "--known-on", help="Leave out what was published after this day."),
    route: str = typer.Option("export_from_us", "--route", help="How the item moves; a wrong word lists all of them."),
    route_from: str = typer.Option("US", "--route-from", help="Country it is shipped from."),
    buyer: str = typer.Option("commercial", "--buyer", help="Kind of buyer; a wrong word lists all of them."),
    buyer_name: str = typer.Option("", "--buyer-name", help="Name, where a rule names the party."),
    end_use: str = typer.Option("", "--end-use", help="Stated end use, in plain words."),
    listed_ownership: float | None = typer.Option(None, "--listed-ownership", help="Percent owned by listed parties."),
    acquired_on: str = typer.Option("", "--acquired-on", help="For hardware held: the day it was acquired."),
    party_list: Path | None = typer.Option(None, "--party-list", help="Your own list of parties, one name a line."),
    rulebook: str = typer.Option("", "--rulebook", help="Overlay file, or the name of a shipped one."),
    cases: Path | None = typer.Option(None, "--cases", help="CSV file of cases, in the columns of oracles.csv."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
    explain: bool = typer.Option(False, "--explain", help="Print every step with its law."),
    catalog: list[Path] = CATALOG,
) -> None:
    """May this buyer have this chip or system, on this date? Not legal advice."""
    from chipwise.rules import check, load_rulebook

    book, catalogue = load_rulebook(rulebook or None), catalogue_with(catalog)
    if cases is not None:
        if known_on:
            book = book.known_on(_day(known_on, "--known-on"))
        raise typer.Exit(_check_cases(cases, book, catalogue, as_json))
    _need(item, "ITEM", "a chip or system, such as h20-96, or --cases FILE")
    _need(to, "--to", "an ISO country code")
    verdict = check(
        item,
        to=to,
        hq=hq,
        on=_day(on, "--on"),
        known_on=_day(known_on, "--known-on") if known_on else None,
        route=route,
        route_from=route_from,
        buyer=buyer,
        buyer_name=buyer_name,
        end_use=end_use,
        listed_ownership_pct=listed_ownership,
        acquired_on=_day(acquired_on, "--acquired-on") if acquired_on else None,
        party_list=party_list,
        rulebook=book,
        catalogue=catalogue,
    )
    if as_json:
        print_json(verdict.to_dict())
    else:
        _print_verdict(verdict, explain)
    raise typer.Exit(verdict.exit_status)


def _need(value: str, place: str, allowed: str) -> None:
    if not value:
        raise InputError("missing", place=place, allowed=allowed)


def _day(text: str, option: str) -> Any:
    _need(text, option, "YYYY-MM-DD")
    return parse_date(text, option)


def _print_verdict(verdict: Verdict, explain: bool) -> None:
    """The answer for a reader, and the steps when asked."""
    from chipwise.rules.report import explained_lines, summary_lines

    for line in summary_lines(verdict):
        typer.echo(line)
    if explain:
        for line in explained_lines(verdict):
            typer.echo(line)
    typer.echo(NOT_LEGAL_ADVICE)


def _check_cases(path: Path, book: Rulebook, catalogue: Catalogue, as_json: bool) -> int:
    """Answer a file row by row; the status is 0 when every row was answered, 2 when one could not be."""
    from chipwise.core.json_text import dumps
    from chipwise.rules.cases import read_cases
    from chipwise.rules.scoring import scored

    status, first = EXIT_YES, True
    typer.echo("[" if as_json else _header(), nl=not as_json)
    for row in read_cases(path, book, catalogue):
        result = scored(row, book)
        if as_json:
            typer.echo(("\n" if first else ",\n") + dumps(result).rstrip("\n"), nl=False)
        else:
            typer.echo(_line(result))
        first = False
        if "error" in result:
            status = EXIT_BAD_INPUT
    if as_json:
        typer.echo("\n]")
    return status


_COLUMNS = (("id", 8), ("classification", 27), ("licence_required", 17), ("outcome", 28), ("review_policy", 30))


def _header() -> str:
    return "".join(f"{name:<{width}}" for name, width in _COLUMNS) + "agrees"


def _line(result: dict[str, Any]) -> str:
    if "error" in result:
        return f"{result['id']:<8}{result['error']}"
    cells = "".join(f"{result[name] or '':<{width}}" for name, width in _COLUMNS)
    return cells + {True: "yes", False: "NO", None: "-"}[result["agrees"]]
