"""`chipwise scenario new`: a scenario from a few answers, or from a template."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chipwise.cli.catalogue_tables import CATALOG, catalogue_with
from chipwise.core.errors import InputError

if TYPE_CHECKING:
    from chipwise.catalogue import Catalogue
    from chipwise.scenario.questions import Answers

Text = Annotated[str | None, typer.Option(help="Answer to the question of that name.")]
Texts = Annotated[list[str] | None, typer.Option(help="Answer to the question of that name; repeatable.")]
TEMPLATE = "small-startup-2023"
SHOWN_OFFERS = 24


def new_command(
    out: Annotated[Path, typer.Option("--out", help="File to write.")],
    id: Annotated[str, typer.Option("--id", help="Id of the new scenario (default: the name of the file).")] = "",
    template: Annotated[
        str | None, typer.Option("--from", help="Shipped id or path to start from, without questions.")
    ] = None,
    answers: Annotated[Path | None, typer.Option("--answers", help="YAML file: question: answer.")] = None,
    like: Annotated[
        str, typer.Option("--like", help="Shipped scenario whose assumptions stand where nothing is asked.")
    ] = TEMPLATE,
    name: Text = None,
    hq: Text = None,
    as_of: Text = None,
    months: Text = None,
    cash: Text = None,
    stock: Texts = None,
    train: Texts = None,
    serve: Text = None,
    market: Texts = None,
    close: Text = None,
    outlook: Annotated[
        str, typer.Option("--outlook", help="Ready outlook of the rules to insert; see `scenario outlooks`.")
    ] = "",
    demand: Annotated[
        str, typer.Option("--demand", help="Ready spread of demand around the path given; see `scenario outlooks`.")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    catalog: list[Path] = CATALOG,
) -> None:
    """Start a scenario file: from answers (asked for on a terminal), or from another scenario.

    The questions are name, hq, as_of, months, cash, stock, train, serve, market and close. Then edit the file, run
    `chipwise scenario validate` and `chipwise plan`.
    """
    from chipwise.scenario.insert import with_outlook
    from chipwise.scenario.new import write_new
    from chipwise.scenario.template import new_scenario

    if os.path.exists(out) and not force:
        raise InputError("the file exists", place=str(out), allowed="a new file, or --force to replace it")
    flags = {"name": name, "hq": hq, "as_of": as_of, "months": months, "cash": cash, "serve": serve, "close": close}
    lists = {"stock": stock, "train": train, "market": market}
    given = {key: text for key, text in flags.items() if text is not None}
    given |= {key: "; ".join(texts) for key, texts in lists.items() if texts}
    asked = answers is not None or bool(given)
    if template is not None and asked:
        raise InputError("both a template and answers", place="--from", allowed="--from, or answers")
    if outlook and close is not None:
        raise InputError("both a chance of closing and an outlook", place="--outlook", allowed="--close, or --outlook")
    identity = id or out.stem
    if template is not None or (not asked and not sys.stdin.isatty()):
        if demand:
            raise InputError("a template has its own paths of demand", place="--demand", allowed="answers")
        path = new_scenario(template or TEMPLATE, identity, out, overwrite=force, outlook=outlook)
    else:
        catalogue = catalogue_with(catalog)
        text = _from_answers(given, answers, identity, like, catalogue, demand)
        if outlook:
            text = with_outlook(text, outlook, file=str(out), catalogue=catalogue)
        path = write_new(text, out, overwrite=force)
    more = "".join(f" --catalog {folder}" for folder in catalog)
    typer.echo(
        f"written: {path}\nnext: edit it, then `chipwise scenario validate {path}{more}` and "
        f"`chipwise plan {path}{more}`"
    )


def _from_answers(
    flags: Mapping[str, str],
    answers: Path | None,
    identity: str,
    like: str,
    catalogue: Catalogue,
    demand: str,
) -> str:
    from chipwise.scenario.new import read_answers, scenario_text
    from chipwise.scenario.questions import answers_from

    given = {**(read_answers(answers) if answers is not None else {}), **flags}
    known = _interview(given, catalogue) if sys.stdin.isatty() else answers_from(given, catalogue)
    return scenario_text(known, identity, like=like, demand=demand)


def _interview(given: Mapping[str, str], catalogue: Catalogue) -> Answers:
    """Ask what is not given, again until the answer can be used."""
    from chipwise.scenario.questions import QUESTIONS, answered, nothing_known

    known = nothing_known(catalogue)
    for question in QUESTIONS:
        if question.key in given:
            known = answered(question, given[question.key], known)
            continue
        if question.key == "market":
            _show_offers(known)
        while True:
            text = typer.prompt(question.ask, default="" if question.blank else None, show_default=False)
            try:
                known = answered(question, text, known)
            except InputError as error:
                typer.echo(f"  {error.line()}", err=True)
            else:
                break
    return known


def _show_offers(known: Answers) -> None:
    from chipwise.scenario.questions import open_offers

    offers = open_offers(known)
    typer.echo(f"Chips on sale by {known.as_of} that such a buyer may have without a licence, with the price known:")
    for found in offers[:SHOWN_OFFERS]:
        price = "no price known" if found.price_usd is None else f"{found.price_usd:,.0f} USD"
        note = " (home-made; the US side is for counsel)" if found.outcome == "needs_counsel" else ""
        typer.echo(f"  {found.chip.id}: {price}{note}")
    if len(offers) > SHOWN_OFFERS:
        typer.echo(f"  and {len(offers) - SHOWN_OFFERS} more: `chipwise chips list --on {known.as_of}`")
