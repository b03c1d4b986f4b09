"""`chipwise serve trace`: what a workload is like, in numbers and pictures."""

from __future__ import annotations

from pathlib import Path

import typer

from chipwise.cli.output import print_json, print_table
from chipwise.cli.serve_options import (
    CHARACTERS,
    COLUMN,
    COPIES,
    KEEP_STAMPS,
    RATE,
    REQUESTS,
    SCALE,
    SEED,
    TIME_UNIT,
    workload_of,
)

SAID = {
    "requests": ("requests", ",.0f", ""),
    "duration_s": ("from first to last", ",.1f", "s"),
    "tokens": ("tokens, in and out", ",.0f", ""),
    "mean_rate_per_s": ("mean rate", ",.3f", "requests/s"),
    "interarrival_cv": ("variation of the gaps (1: Poisson)", ",.2f", ""),
    "peak_to_mean_10s": ("busiest ten seconds over mean", ",.2f", ""),
    "index_of_dispersion_10s": ("variance over mean of counts in 10 s (1: Poisson)", ",.2f", ""),
    "infinite_cache_prefix_hit": ("input an endless prefix cache would serve", ".1%", ""),
}


def trace_command(
    trace: str = typer.Argument(..., help="As --trace of `serve simulate`: a name, a file, a form.", metavar="TRACE"),
    scale: float = SCALE,
    copies: float | None = COPIES,
    seed: int = SEED,
    requests: int = REQUESTS,
    rate: float | None = RATE,
    column: list[str] = COLUMN,
    time_unit: str | None = TIME_UNIT,
    characters: float | None = CHARACTERS,
    keep_stamps: bool = KEEP_STAMPS,
    out: Path | None = typer.Option(None, "--out", help="Folder for the requests (Parquet), the JSON and the picture."),
    as_json: bool = typer.Option(False, "--json", help="JSON for machines."),
) -> None:
    """Arrivals, lengths, bursts and shared prefixes of a trace or a generated workload."""
    from chipwise.serving.trace import summary

    workload = workload_of(
        trace,
        seed=seed,
        requests=requests,
        column=column,
        scale=scale,
        copies=copies,
        rate=rate,
        time_unit=time_unit,
        characters=characters,
        keep_stamps=keep_stamps,
    )
    numbers = summary(workload)
    answer = {"trace": workload.name, "source": workload.source, "notes": list(workload.notes), **numbers}
    if out is not None:
        from chipwise.core.json_text import dumps
        from chipwise.report.serving_pictures import trace_svg
        from chipwise.serving.trace import write_trace

        out.mkdir(parents=True, exist_ok=True)
        write_trace(workload, out / "trace.parquet")
        (out / "trace.json").write_text(dumps(answer), encoding="utf-8")
        (out / "trace.svg").write_text(trace_svg(workload, workload.name), encoding="utf-8")
    if as_json:
        print_json(answer)
        return
    rows = [[label, format(numbers[key], form), unit] for key, (label, form, unit) in SAID.items() if key in numbers]
    print_table(rows, ["", "", ""], right=(1,), title=f"{workload.name} ({workload.source})")
    lengths = [
        [kind, *(f"{numbers[f'{kind}_{part}']:,.0f}" for part in ("mean", "p50", "p90", "p99", "max"))]
        for kind in ("input", "output")
        if f"{kind}_mean" in numbers
    ]
    print_table(lengths, ["tokens", "mean", "p50", "p90", "p99", "most"], right=(1, 2, 3, 4, 5))
    for note in workload.notes:
        typer.echo(f"note: {note}")
    if out is not None:
        typer.echo(f"written: {out / 'trace.parquet'}, {out / 'trace.json'}, {out / 'trace.svg'}")
