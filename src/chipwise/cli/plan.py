"""`chipwise plan`: the main job."""

from __future__ import annotations

import datetime as dt
import math
import time
from pathlib import Path
from typing import Any

import typer

from chipwise.cli.catalogue_tables import CATALOG, catalogue_with
from chipwise.cli.output import Progress, parse_date, print_json
from chipwise.core.errors import InputError


def plan_command(
    scenarios: list[str] = typer.Argument(..., metavar="SCENARIO…", help="Shipped scenario id or a file."),
    out: Path | None = typer.Option(None, "--out", help="Folder for plan.json, Parquet tables and report.html."),
    known_on: str | None = typer.Option(
        None, "--known-on", help="Use law and offers public by this day (default: the day of the decision)."
    ),
    seed: int = typer.Option(0, "--seed", help="Seed of the runway's Monte Carlo."),
    draws: int = typer.Option(200_000, "--draws", min=100, max=5_000_000, help="Draws of the runway's Monte Carlo."),
    must_meet: bool = typer.Option(False, "--must-meet", help="Treat every training deadline as binding."),
    quick: bool = typer.Option(False, "--quick", help="Leave out what would change the answer."),
    compare: bool = typer.Option(False, "--compare", help="Print the scenarios side by side."),
    mode: str = typer.Option("tree", "--mode", help="tree: all futures at once; rolling: planned anew each period."),
    window: int = typer.Option(12, "--window", min=1, max=240, help="Months seen ahead in rolling mode."),
    settings: list[str] = typer.Option([], "--set", metavar="PLACE=NUMBER", help="Change one number; may be repeated."),
    quality: Path | None = typer.Option(None, "--quality", help="Quality file: where a smaller model is good enough."),
    as_json: bool = typer.Option(False, "--json", help="Print plan.json instead of the summary."),
    explain: bool = typer.Option(False, "--explain", help="Print reasons, citations and every source as well."),
    catalog: list[Path] = CATALOG,
) -> None:
    """Plan what to buy, rent, borrow, port and defer: verdicts, yields, runway, plan and report.

    With --out, every scenario gets its files; several scenarios each get a folder of their own below it.
    """
    from chipwise.planning import plan
    from chipwise.scenario import load_scenario
    from chipwise.scenario.mutate import with_settings
    from chipwise.scenario.quality import with_quality

    day = parse_date(known_on, "--known-on")
    _check_target(out)
    if mode not in ("tree", "rolling"):
        raise InputError(f"{mode!r} is no mode of planning", place="--mode", allowed="tree or rolling")
    changes = _settings(settings)
    catalogue = catalogue_with(catalog)
    loaded = [with_settings(load_scenario(name, catalogue=catalogue), changes) for name in scenarios]
    if quality is not None:
        loaded = [with_quality(scenario, quality, catalogue) for scenario in loaded]
    documents: list[dict[str, Any]] = []
    for scenario in loaded:
        started = time.perf_counter()
        progress = Progress()
        try:
            found = plan(
                scenario,
                known_on=day,
                seed=seed,
                draws=draws,
                must_meet=must_meet,
                with_sensitivity=not quick,
                mode="rolling" if mode == "rolling" else "tree",
                window_months=window,
                catalogue=catalogue,
                on_progress=progress,
            )
        finally:
            progress.close()
        document = _plain(found.to_dict())
        documents.append(document)
        if not as_json and not compare:
            _show(document, explain)
        if out is not None:
            folder = out if len(loaded) == 1 else out / scenario.id
            _write(found, document, folder, time.perf_counter() - started, quiet=as_json)
    if compare and not as_json:
        _show_side_by_side(documents)
    if as_json:
        print_json(documents[0] if len(documents) == 1 else documents)


def _settings(entries: list[str]) -> dict[str, float]:
    """``place=number`` entries as a mapping."""
    found: dict[str, float] = {}
    for entry in entries:
        place, equals, text = entry.rpartition("=")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not equals or not place or not math.isfinite(value):
            raise InputError(
                f"{entry!r} is no setting",
                place="--set",
                allowed="PLACE=NUMBER, such as demand.latency_slo.tpot_ms=60",
            )
        found[place] = value
    return found


def _check_target(out: Path | None) -> None:
    if out is not None and out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file", place="--out", allowed="a folder, or a path where one can be made")


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    from chipwise.core.json_text import plain

    settled: dict[str, Any] = plain(document)
    return settled


def _show(document: dict[str, Any], explain: bool) -> None:
    from chipwise.cli.plan_text import plan_lines

    for line in plan_lines(document):
        typer.echo(line)
    if explain:
        _explain(document)


def _show_side_by_side(documents: list[dict[str, Any]]) -> None:
    from chipwise.cli.output import print_table
    from chipwise.cli.plan_compare import comparison

    print_table(comparison(documents), ["", *(str(document["scenario"]["id"]) for document in documents)])
    typer.echo("Not legal advice.")


def _explain(document: dict[str, Any]) -> None:
    typer.echo("\nWhat is allowed and why:")
    for row in document["verdicts"]:
        typer.echo(
            f"  {row['item']} ({row['role']}, {row['access']}) on {row['on']}: {row['outcome']}; {row['because']}"
        )
        for citation in row.get("verdict", {}).get("citations", []):
            typer.echo(f"      {citation}")
    typer.echo("\nAssumptions of the plan:")
    for sentence in document["assumptions"]:
        typer.echo(f"  {sentence}")
    typer.echo("\nWarnings:")
    for sentence in document["warnings"]:
        typer.echo(f"  {sentence}")
    typer.echo("\nSources:")
    for fact in document["facts"]:
        span = f" [{fact['range'][0]:g} to {fact['range'][1]:g}]" if "range" in fact else ""
        typer.echo(f"  {fact['id']} = {fact['value']} {fact['unit']}{span} ({fact['status']}): {fact['source']}")


def _write(found: Any, document: dict[str, Any], folder: Path, seconds: float, *, quiet: bool) -> None:
    from chipwise.report.html import render_report
    from chipwise.runs.store import software_versions, write_run

    finished = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    info = {"finished": finished, "seconds": round(seconds, 2), "versions": software_versions()}
    paths = write_run(found, folder, report_html=render_report(document), run_info=info)
    if not quiet:
        report = next(path for path in paths if path.name == "report.html")
        typer.echo(f"\nReport: {report} (and {len(paths) - 1} files beside it), {seconds:.1f} s")
