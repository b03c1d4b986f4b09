"""`chipwise serve`: what a chip serves, in closed form and in simulation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from chipwise.cli.catalogue_tables import CATALOG, catalogue_with
from chipwise.cli.output import print_json, print_table
from chipwise.cli.serve_long import long_command
from chipwise.cli.serve_search import search_command
from chipwise.cli.serve_simulate import simulate_command
from chipwise.cli.serve_size import size_command
from chipwise.cli.serve_trace import trace_command
from chipwise.cli.serve_users import users_command
from chipwise.core.errors import EXIT_NO

if TYPE_CHECKING:
    from chipwise.catalogue import Catalogue
    from chipwise.core.fact import Estimate
    from chipwise.perf import ServingYield

app = typer.Typer(
    help="What a chip serves: a yield in closed form, the best set-up, a simulation, the size of a fleet.",
    no_args_is_help=True,
)


@app.callback()
def serve() -> None:
    """What a chip serves: a yield in closed form, the best set-up, a simulation, the size of a fleet."""


app.command("search")(search_command)
app.command("simulate")(simulate_command)
app.command("size")(size_command)
app.command("users")(users_command)
app.command("trace")(trace_command)
app.command("long")(long_command)


@app.command("estimate")
def estimate(
    model: str = typer.Option(..., "--model", help="Model, any spelling of `chipwise models list`."),
    chip: str = typer.Option(..., "--chip", help="Chip, any spelling of `chipwise chips list`."),
    isl: float | None = typer.Option(
        None, "--isl", help="Mean input tokens of a request (default: chat trace, 1,155)."
    ),
    osl: float | None = typer.Option(None, "--osl", help="Mean output tokens of a request (default: chat trace, 211)."),
    tpot_ms: float | None = typer.Option(None, "--tpot-ms", help="Target: time per output token, ms."),
    ttft_ms: float | None = typer.Option(None, "--ttft-ms", help="Target: time to the first token, ms."),
    precision: str = typer.Option("auto", "--precision", help="Weights: auto, bf16, fp16, fp8, int8, fp4 or int4."),
    kv_precision: str = typer.Option("auto", "--kv-precision", help="Cache: auto, bf16, fp16, fp8 or int8."),
    as_json: bool = typer.Option(False, "--json", help="JSON for machines."),
    explain: bool = typer.Option(False, "--explain", help="Evidence and sources."),
    catalog: list[Path] = CATALOG,
) -> None:
    """Tokens/s of one chip at full load within the targets; exit 1 where it cannot serve the model."""
    from chipwise.perf import estimate_serving

    catalogue = catalogue_with(catalog)
    found = estimate_serving(
        chip,
        model,
        input_tokens=isl,
        output_tokens=osl,
        tpot_s=None if tpot_ms is None else tpot_ms / 1e3,
        ttft_s=None if ttft_ms is None else ttft_ms / 1e3,
        weight_precision=precision,
        kv_precision=kv_precision,
        catalogue=catalogue,
    )
    if as_json:
        print_json(found.to_dict())
    else:
        _show(found)
        if explain:
            _explain(found, catalogue)
    if not found.feasible:
        raise typer.Exit(EXIT_NO)


def _show(found: ServingYield) -> None:
    title = (
        f"{found.model_id} on {found.chip_id}, {found.weight_precision} weights, "
        f"{found.input_tokens:,.0f} tokens in, {found.output_tokens:,.0f} out"
    )
    if not found.feasible:
        typer.echo(title)
        typer.echo(f"no: {found.why_not}")
    else:
        rows: list[tuple[object, ...]] = []
        for label, estimate, scale, form, unit in (
            ("output tokens per chip", found.output_tokens_per_s_per_chip, 1.0, ",.0f", "token/s"),
            ("all tokens per chip", found.tokens_per_s_per_chip, 1.0, ",.0f", "token/s"),
            ("time per output token", found.tpot_s, 1e-3, ",.1f", "ms"),
            ("time to first token", found.ttft_s, 1e-3, ",.0f", "ms"),
        ):
            if estimate is not None:
                rows.append((label, *_span(estimate, scale, form), unit))
        print_table(rows, ["", "value", "90 % interval", "unit"], right=(1, 2), title=title)
        typer.echo(
            f"replica: {found.chips_per_replica} chip(s), {found.batch} requests at once, room for "
            f"{found.kv_tokens_capacity:,.0f} cached tokens; bound by {found.bound}"
        )
    typer.echo(f"evidence: {found.evidence}")
    for note in found.notes:
        typer.echo(f"note: {note}")


def _span(estimate: Estimate, scale: float, form: str) -> tuple[str, str]:
    low, high = (format(value / scale, form) for value in (estimate.low, estimate.high))
    return format(estimate.value / scale, form), f"{low} to {high}"


def _explain(found: ServingYield, catalogue: Catalogue) -> None:
    from chipwise.cli.train import show_sources
    from chipwise.perf.explain import sources_of

    if found.breakdown:
        parts = ", ".join(f"{name.removesuffix('_s')} {value * 1e3:,.2f} ms" for name, value in found.breakdown.items())
        typer.echo(f"\none step by cause (compute and memory overlap): {parts}")
    show_sources(sources_of(found.facts, catalogue))
