"""`chipwise perf`: what one operator costs on one chip."""

from __future__ import annotations

import typer

app = typer.Typer(help="Operators and collectives on a chip: time, FLOP and bytes, with the evidence per point.")


@app.callback()
def perf() -> None:
    """Operators and collectives on a chip: time, FLOP and bytes, with the evidence per point."""
