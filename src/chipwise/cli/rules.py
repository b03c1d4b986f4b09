"""`chipwise rules`: read the law itself — one rule, a chip through time, what a date changed, the map."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chipwise.cli.output import NOT_LEGAL_ADVICE, parse_date, print_json, print_table
from chipwise.core.errors import InputError, RuleError
from chipwise.core.names import nearest_names

if TYPE_CHECKING:
    from chipwise.rules import Rulebook

app = typer.Typer(
    help="Read the law: one rule, a chip through time, what a date changed, the map.", no_args_is_help=True
)

_RULEBOOK = typer.Option("", "--rulebook", help="Overlay file, or the name of a shipped one.")
_JSON = typer.Option(False, "--json", help="Print JSON.")


def _book(name: str) -> Rulebook:
    from chipwise.rules import load_rulebook

    return load_rulebook(name or None)


def _date(text: str, place: str) -> dt.date:
    day = parse_date(text or None, place)
    if day is None:
        raise InputError("missing", place=place, allowed="YYYY-MM-DD")
    return day


@app.command("show")
def show_command(
    rule: str = typer.Argument("", help="Id of a provision, parameter, test or letter; blank lists them."),
    rulebook: str = _RULEBOOK,
    as_json: bool = _JSON,
) -> None:
    """Show one rule with its dates, citation and sources, or list all."""
    from chipwise.rules.library import entries

    known = entries(_book(rulebook))
    if not rule:
        _list_rules(known, as_json)
        return
    if rule not in known:
        raise RuleError(
            f"no rule {rule!r}",
            place="RULE",
            allowed="an id of `chipwise rules show`",
            nearest=nearest_names(rule, known),
        )
    if as_json:
        print_json(known[rule])
        return
    for key, value in known[rule].items():
        if value not in (None, [], "", {}):
            typer.echo(f"{key:<16}{_cell(value)}")
    typer.echo(NOT_LEGAL_ADVICE)


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_cell(entry)}" for key, entry in value.items())
    if isinstance(value, (list, tuple)):
        return "; ".join(_cell(entry) for entry in value)
    return "ceased" if value is None else str(value)


def _list_rules(known: Mapping[str, Mapping[str, Any]], as_json: bool) -> None:
    rows = [
        (name, entry["table"], entry.get("effective", ""), entry.get("until", ""), entry.get("citation", ""))
        for name, entry in known.items()
    ]
    if as_json:
        print_json([dict(zip(("id", "table", "from", "until", "citation"), row, strict=True)) for row in rows])
    else:
        print_table(rows, ("id", "table", "from", "until", "citation"))


@app.command("timeline")
def timeline_command(
    chip: str = typer.Argument(..., help="Chip or system."),
    to: str = typer.Option(..., "--to", help="Country, ISO code."),
    hq: str = typer.Option("", "--hq", help="Headquarters; a home firm of the destination when blank."),
    first: str = typer.Option("2022-08-01", "--from", help="First day."),
    last: str = typer.Option("", "--until", help="Last day drawn; the newest source when blank."),
    out: Path | None = typer.Option(None, "--out", help="Write the picture to this SVG file."),
    rulebook: str = _RULEBOOK,
    as_json: bool = _JSON,
) -> None:
    """The status of one chip for one destination through time, in text and as a picture."""
    from chipwise.rules.geography import country_code
    from chipwise.rules.items import case_for
    from chipwise.rules.picture import timeline_svg
    from chipwise.rules.timeline import timeline

    book = _book(rulebook)
    place = country_code(to, place="--to", rulebook=book)
    seat = country_code(hq or to, place="--hq", rulebook=book, unknown_allowed=True)
    start = _date(first, "--from")
    end = _date(last, "--until") if last else book.newest_source
    case = case_for(chip, on=start, to=place, hq=seat, rulebook=book)
    stretches = timeline(case, book, start, end)
    title = f"{chip} to {place}, headquarters {seat}"
    if out is not None:
        _write(out, timeline_svg(stretches, title, end))
    if as_json:
        print_json({"item": chip, "to": place, "hq": seat, "stretches": [stretch.to_dict() for stretch in stretches]})
        return
    rows = [
        (s.first, s.until or "", s.answer.outcome, s.answer.classification, s.answer.review_policy, s.answer.question)
        for s in stretches
    ]
    print_table(rows, ("from", "to before", "outcome", "class", "review policy", "open question"), title=title)
    typer.echo(f"Free answers are conditional on party screening. {NOT_LEGAL_ADVICE}")


@app.command("diff")
def diff_command(
    first: str = typer.Argument(..., help="First day."),
    second: str = typer.Argument(..., help="Second day."),
    to: str = typer.Option("", "--to", help="Only these countries, comma-separated; all when blank."),
    chip: str = typer.Option("", "--chip", help="Only these chips, comma-separated; all when blank."),
    hq: str = typer.Option("", "--hq", help="Headquarters; a home firm of each destination when blank."),
    rulebook: str = _RULEBOOK,
    against: str = typer.Option("", "--against", help="Rulebook for the second day; the same when blank."),
    as_json: bool = _JSON,
) -> None:
    """Every chip and destination whose answer differs between two days."""
    from chipwise.catalogue import load_catalogue
    from chipwise.rules.geography import as_treated, country_code
    from chipwise.rules.timeline import differences

    book, catalogue = _book(rulebook), load_catalogue()
    places = [country_code(code, place="--to", rulebook=book) for code in to.split(",") if code]
    found = differences(
        _date(first, "DATE1"),
        _date(second, "DATE2"),
        book,
        catalogue,
        destinations=[as_treated(code, book) for code in places] or None,
        chips=[catalogue.chip(name).id for name in chip.split(",") if name] or None,
        hq=country_code(hq, place="--hq", rulebook=book, unknown_allowed=True) if hq else None,
        other=_book(against) if against else None,
    )
    if as_json:
        print_json([change.to_dict() for change in found])
        return
    groups: dict[tuple[str, str, str], list[str]] = {}
    for change in found:
        before = f"{change.before.outcome} ({change.before.review_policy})"
        after = f"{change.after.outcome} ({change.after.review_policy})"
        groups.setdefault((change.chip_id, before, after), []).append(change.to)
    rows = [(name, _places(codes), before, after) for (name, before, after), codes in groups.items()]
    print_table(rows, ("chip", "to", f"on {first}", f"on {second}"))
    typer.echo(f"{sum(len(codes) for codes in groups.values())} answers differ. {NOT_LEGAL_ADVICE}")


def _places(codes: list[str]) -> str:
    return " ".join(codes) if len(codes) <= 8 else " ".join(codes[:8]) + f" and {len(codes) - 8} more"


@app.command("map")
def map_command(
    on: str = typer.Option(..., "--on", help="Day of the law."),
    out: Path = typer.Option(Path("rules-map.svg"), "--out", help="SVG or HTML file to write."),
    rulebook: str = _RULEBOOK,
    as_json: bool = _JSON,
) -> None:
    """Draw compute against compute density: regions of the law that day, chips as points."""
    from chipwise.catalogue import load_catalogue
    from chipwise.rules.library import map_points
    from chipwise.rules.picture import map_svg

    book, day = _book(rulebook), _date(on, "--on")
    law = book.law(day)
    points = map_points(load_catalogue(), book)
    if out.suffix not in (".svg", ".html"):
        raise InputError(f"{out.suffix!r} cannot be written", place="--out", allowed=".svg or .html")
    picture = map_svg(law, points, day)
    _write(
        out,
        picture
        if out.suffix == ".svg"
        else f"<!doctype html>\n<meta charset='utf-8'>\n<title>Export-control map</title>\n{picture}",
    )
    if as_json:
        print_json({"on": day, "file": str(out), "points": [point._asdict() for point in points]})
    else:
        typer.echo(f"{len(points)} chips with known TPP and density drawn to {out}. {NOT_LEGAL_ADVICE}")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", place=str(path)) from None
