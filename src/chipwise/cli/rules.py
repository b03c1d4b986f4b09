"""`chipwise rules`: read the law itself."""

from __future__ import annotations

import typer

app = typer.Typer(help="Read the law: one rule, a chip through time, what a date changed, the map.", no_args_is_help=True)


@app.command("show")
def show_command(
    rule: str = typer.Argument(..., help="Id of a provision, parameter or test."),
    rulebook: str = typer.Option("", "--rulebook", help="Overlay file, or the name of a shipped one."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show one rule with its dates and citation."""
    raise typer.Exit(0)
