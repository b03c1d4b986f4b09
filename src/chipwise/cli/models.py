"""`chipwise models`: model shapes, and what follows from them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer

from chipwise.cli.catalogue_tables import CATALOG, JSON, catalogue_with, one_of
from chipwise.cli.output import parse_date, print_json, print_table
from chipwise.core.errors import EXIT_NO, InputError
from chipwise.core.names import nearest_names

app = typer.Typer(no_args_is_help=True, help="Model shapes: list, show, import a configuration.")


def _billions(value: float | None) -> str:
    if value is None or value != value:
        return "-"
    return f"{value / 1e9:,.4g}" if value < 1e13 else f"{value / 1e9:,.0f}"


@app.command("list")
def list_command(
    vendor: str = typer.Option("", help="Part of the vendor's name."),
    country: str = typer.Option("", help="Country of the vendor's headquarters (ISO code)."),
    family: str = typer.Option("", help="Part of the family's name."),
    kind: str = typer.Option("", help="dense or moe."),
    on: str | None = typer.Option(None, "--on", metavar="YYYY-MM-DD", help="Only what was released by that day."),
    confidence: str = typer.Option("", help="Least confidence in the shape: high, medium or low."),
    tests: bool = typer.Option(False, "--tests", help="Include the tiny test shapes."),
    as_json: bool = JSON,
    catalog: list[Path] = CATALOG,
) -> None:
    """List models, one line each."""
    from chipwise.catalogue.describe_models import CONFIDENCE, model_line, select_models

    if kind not in ("", "dense", "moe"):
        raise InputError(f"{kind!r} is no kind", place="--kind", allowed="dense | moe")
    catalogue = catalogue_with(catalog)
    for option, word, names in (
        ("--vendor", vendor, {model.vendor for model in catalogue.models.values()}),
        ("--family", family, {model.family for model in catalogue.models.values()}),
    ):
        if word and not any(word.casefold() in name.casefold() for name in names):
            raise InputError(f"{word!r} occurs in no row", place=option, nearest=nearest_names(word, sorted(names)))
    models = select_models(
        catalogue,
        vendor=vendor,
        country=country,
        family=family,
        kind=kind,
        on=parse_date(on, "--on"),
        confidence=one_of(confidence, list(CONFIDENCE), "--confidence"),
        tests=tests,
    )
    lines = [model_line(model) for model in models]
    if as_json:
        print_json({"n": len(lines), "models": lines, "data_snapshot": catalogue.snapshot})
    else:
        _print_list(lines)
        typer.echo(f"{len(lines)} of {len(catalogue.models)} models. Weights are computed from the shape.")
    if not lines:
        raise typer.Exit(EXIT_NO)


def _print_list(lines: list[dict[str, Any]]) -> None:
    def row(line: dict[str, Any]) -> list[object]:
        cache = line["kv_elems_per_token"]
        shown = "-" if cache != cache else f"{cache:,.0f}"
        head = [line[key] for key in ("id", "vendor", "release_date", "kind")]
        sizes = [_billions(line["params_total"]), _billions(line["params_active"])]
        shape = [line["layers"] or "-", line["hidden"] or "-", shown, line["confidence"]]
        return [*head, line["attention"] or "-", *sizes, *shape]

    headers = ["id", "vendor", "released", "kind", "attention", "weights\n10^9", "active\n10^9", "layers", "width"]
    print_table(map(row, lines), [*headers, "KV elements\nper token", "shape"], right=range(5, 10))


@app.command("show")
def show_command(
    name: str = typer.Argument(help="Id, name or alias of a model."),
    explain: bool = typer.Option(False, "--explain", help="Every column of the shape, sources, evidence."),
    as_json: bool = JSON,
    catalog: list[Path] = CATALOG,
) -> None:
    """Show one model: weights, cache per token, work per token."""
    from chipwise.catalogue.describe_models import describe_model

    catalogue = catalogue_with(catalog)
    record = describe_model(catalogue.model(name, allow_shapeless=True))
    if as_json:
        print_json({**record, "data_snapshot": catalogue.snapshot})
        return
    typer.echo(
        f"{record['name']} ({record['id']}), {record['vendor']}, {record['vendor_country'] or 'country unknown'}"
    )
    rows = []
    for fact in record["facts"]:
        field, value = fact["id"].rpartition("#")[2], fact["value"]
        weights = fact["unit"] == "weights"
        shown = _billions(value) if weights else f"{value:,.10g}"
        row = [field, shown, "10^9 weights" if weights else fact["unit"], fact["status"]]
        rows.append([*row, fact["source"]] if explain else row)
    headers = ["figure", "value", "unit", "status"]
    print_table(rows, [*headers, "source"] if explain else headers, right=(1,))
    _print_work(record)
    if explain and record["shape"]:
        print_table(record["shape"].items(), ["column", "value"], title="Shape")
    typer.echo(f"Evidence: {record['evidence']} (confidence {record['confidence']}); source: {record['sources']}")
    if record["notes"]:
        typer.echo(f"Note: {record['notes']}")
    if record["aliases"]:
        typer.echo("Also called: " + ", ".join(record["aliases"]))


def _print_work(record: dict[str, Any]) -> None:
    if not record["shape"]:
        typer.echo("No shape is published: nothing can be computed for this model.")
        return
    cache = record["kv_bytes_per_token"]
    typer.echo("Cache per token of context: " + ", ".join(f"{v / 1e3:,.4g} kB at {k}" for k, v in cache.items()))
    work = record["flop_per_token"]
    typer.echo(
        "Forward work per token (2 x weights multiplied + attention): "
        + ", ".join(f"{v / 1e9:,.4g} GFLOP at context {int(k):,}" for k, v in work.items())
    )


@app.command("import")
def import_command(
    config: Path = typer.Argument(help="A Hugging Face config.json, or the folder that holds it."),
    name: str = typer.Option("", "--as", help="Id for the model (default: from the file)."),
    as_json: bool = JSON,
) -> None:
    """Read a Hugging Face configuration and print it as an entry of a models.yaml for --catalog."""
    import dataclasses

    from chipwise.catalogue.derive import derive
    from chipwise.catalogue.describe_models import overlay_entry, shape_columns
    from chipwise.catalogue.hf_config import read_config

    read = read_config(config)
    model_id = re.sub(r"[^A-Za-z0-9._+-]+", "-", name or read.name.rpartition("/")[2].lower()).strip("-.") or "model"
    derived = derive(read.shape)
    if as_json:
        record = {"id": model_id, "model_type": read.model_type, "kind": read.kind, "max_context": read.max_context}
        shape = {"shape": shape_columns(read.shape), "derived": dataclasses.asdict(derived)}
        print_json({**record, **shape, "defaults_taken": list(read.defaults_taken)})
        return
    source = f"config.json of {read.name}"
    typer.echo(overlay_entry(model_id, read.name, read.kind, read.shape, read.max_context, source), nl=False)
    weights, active = _billions(derived.params_total), _billions(derived.params_active)
    cache = f"{derived.kv_elems_per_token:,.0f} cache elements per token"
    typer.echo(f"# {read.model_type}: {weights} x 10^9 weights, {active} active, {cache}")
    for default in read.defaults_taken:
        typer.echo(f"# default of the class: {default}")
    typer.echo("# put this into models.yaml in a folder and pass --catalog FOLDER")
