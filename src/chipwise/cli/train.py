"""`chipwise train`: what a chip contributes to a training run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chipwise.cli.catalogue_tables import CATALOG, catalogue_with
from chipwise.cli.output import print_json, print_table
from chipwise.core.errors import InputError
from chipwise.core.units import SECONDS_PER_DAY

if TYPE_CHECKING:
    from chipwise.catalogue import Catalogue
    from chipwise.core.fact import Estimate
    from chipwise.perf import TrainingYield

app = typer.Typer(help="Training yields: tokens per second and days, with an interval.", no_args_is_help=True)


@app.callback()
def train() -> None:
    """Training yields: tokens per second and days, with an interval."""


@app.command("estimate")
def estimate(
    model: str = typer.Option(..., "--model", help="Model, any spelling of `chipwise models list`."),
    chip: str = typer.Option(..., "--chip", help="Chip, any spelling of `chipwise chips list`."),
    chips: int = typer.Option(1, "--chips", min=1, help="Chips in the run."),
    precision: str = typer.Option("auto", "--precision", help="auto, bf16, fp16, fp8 or fp4."),
    seq: int = typer.Option(4096, "--seq", min=1, help="Tokens per sequence."),
    tokens: float | None = typer.Option(None, "--tokens", help="Tokens to train on in all; gives the days."),
    as_json: bool = typer.Option(False, "--json", help="JSON for machines."),
    explain: bool = typer.Option(False, "--explain", help="Evidence and sources."),
    catalog: list[Path] = CATALOG,
) -> None:
    """Useful FLOP/s and tokens/s of one chip, and the days a run takes."""
    from chipwise.perf import estimate_training

    if tokens is not None and not 0 < tokens < float("inf"):
        raise InputError(f"{tokens!r} is no number of tokens", place="--tokens", allowed="a positive number")
    catalogue = catalogue_with(catalog)
    found = estimate_training(chip, model, precision=precision, seq_len=seq, chips=chips, catalogue=catalogue)
    days = None if tokens is None else run_days(found.tokens_per_s_per_chip, chips, tokens)
    if as_json:
        print_json({**found.to_dict(), "tokens": tokens, "days": days})
        return
    _show(found, chips, tokens, days)
    if explain:
        _explain(found, catalogue)


def run_days(speed: Estimate, chips: int, tokens: float) -> dict[str, float]:
    """Days of uninterrupted running, 90 % interval; stops and restarts come on top."""
    seconds = {name: tokens / (chips * getattr(speed, name)) for name in ("value", "low", "high")}
    return {
        "value": seconds["value"] / SECONDS_PER_DAY,
        "low": seconds["high"] / SECONDS_PER_DAY,
        "high": seconds["low"] / SECONDS_PER_DAY,
    }


def _show(found: TrainingYield, chips: int, tokens: float | None, days: dict[str, float] | None) -> None:
    def span(estimate: Estimate, scale: float, form: str) -> tuple[str, str]:
        low, high = (format(value / scale, form) for value in (estimate.low, estimate.high))
        return format(estimate.value / scale, form), f"{low} to {high}"

    rows: list[tuple[object, ...]] = [
        ("share of peak (MFU)", *span(found.mfu, 0.01, ".1f"), "%"),
        ("useful rate per chip", *span(found.flop_per_s_per_chip, 1e12, ".1f"), "TFLOP/s"),
        ("tokens per chip", *span(found.tokens_per_s_per_chip, 1.0, ",.0f"), "token/s"),
    ]
    if chips > 1:
        rows.append(
            (f"tokens of {chips:,} chips", *span(found.tokens_per_s_per_chip.scaled(chips), 1.0, ",.0f"), "token/s")
        )
    if days is not None and tokens is not None:
        rows.append(
            (
                f"{tokens:.3g} tokens",
                f"{days['value']:,.1f}",
                f"{days['low']:,.1f} to {days['high']:,.1f}",
                "days running",
            )
        )
    title = f"{found.model_id} on {found.chip_id}, {found.precision}, sequences of {found.seq_len:,}"
    print_table(rows, ["", "value", "90 % interval", "unit"], right=(1, 2), title=title)
    typer.echo(f"evidence: {found.evidence}; {found.mfu.method}")
    for note in found.notes:
        typer.echo(f"note: {note}")


def _explain(found: TrainingYield, catalogue: Catalogue) -> None:
    from chipwise.perf.explain import sources_of

    typer.echo(
        f"\npeak {found.peak_flop_per_s / 1e12:,.1f} TFLOP/s dense {found.precision} x utilisation / "
        f"{found.flop_per_token / 1e9:,.2f} GFLOP per token (6 x weights multiplied + 3 x causal attention core)"
    )
    show_sources(sources_of(found.facts, catalogue))


def show_sources(sources: list[dict[str, Any]]) -> None:
    """Print where each figure comes from."""
    rows = [(entry["id"], entry["value"], entry["source"]) for entry in sources]
    print_table(rows, ["fact", "value", "source"])
