"""`chipwise facts`: what the data rests on and under which licences it travels."""

from __future__ import annotations

import typer

from chipwise.cli.output import print_json, print_table

app = typer.Typer(no_args_is_help=True, help="The data: licences and attributions, and what each field means.")


@app.command("licences")
def licences_command(
    full: bool = typer.Option(False, "--full", help="Print the whole file and the licence texts."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show where the data comes from, its licences and the attribution lines."""
    from chipwise.catalogue import licences

    if full:
        typer.echo(licences.notice(), nl=False)
        for name, text in licences.texts().items():
            typer.echo(f"\n===== {name} =====\n\n{text}", nl=False)
        return
    rows = licences.attributions()
    if as_json:
        print_json({"attributions": rows, "texts": list(licences.texts())})
        return
    print_table(
        [[row["data"], row["licence"], row["attribution"], row["files"]] for row in rows],
        ["data", "licence stated there", "attribution", "files"],
    )
    typer.echo("Licence texts: " + ", ".join(licences.texts()) + " (chipwise facts licences --full prints them).")


@app.command("dictionary")
def dictionary_command(
    table: str = typer.Argument("", help="chips, ranges, systems, prices, supply, aliases or models; blank for all."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show every field of the tables: type, unit, bounds and meaning."""
    from chipwise.catalogue.load import dictionary
    from chipwise.core.errors import UnknownName
    from chipwise.core.names import nearest_names

    tables = dictionary()
    if table and table not in tables:
        raise UnknownName(
            f"no table is called {table!r}", place="facts dictionary", nearest=nearest_names(table, tables)
        )
    columns = [column for name, group in tables.items() if table in ("", name) for column in group]
    if as_json:
        keys = ("table", "field", "attribute", "type", "unit", "default", "required", "meaning", "allowed")
        print_json({"fields": [{key: getattr(column, key) for key in keys} for column in columns]})
        return
    print_table(
        [[c.table, c.field, c.type, c.unit, c.allowed, "yes" if c.required else "", c.meaning] for c in columns],
        ["table", "field", "type", "unit", "allowed", "required", "meaning"],
    )


@app.command("schema")
def schema_command(
    table: str = typer.Argument(help="chips, systems, prices or models."),
) -> None:
    """Print the JSON Schema of a table of your own (chips.yaml, ...), for an editor."""
    from chipwise.catalogue.schema import overlay_schema

    print_json(overlay_schema(table))
