"""`chipwise serve long`: runs of any length in bounded memory, which go on after a stop."""

from __future__ import annotations

from pathlib import Path

import typer

from chipwise.cli.catalogue_tables import CATALOG, catalogue_with
from chipwise.cli.output import Progress, print_json, print_table
from chipwise.cli.serve_fleet import Engine, fleet_of
from chipwise.cli.serve_options import ENGINE, JSON, MODEL, SEED


def long_command(
    model: str = MODEL,
    chip: str | None = typer.Option(None, "--chip", help="Chip, any spelling of `chipwise chips list`."),
    fleet: str | None = typer.Option(None, "--fleet", help="CHIP[:CHIPS]=REPLICAS, …; requests go round in turn."),
    trace: str = typer.Option(..., "--trace", help="poisson:RATE:IN:OUT, gamma:RATE:CV:IN:OUT, or a trace, redrawn."),
    requests: int = typer.Option(..., "--requests", help="Requests in all."),
    out: Path = typer.Option(..., "--out", help="Folder of the run; the same command in it goes on after a stop."),
    chips: int | None = typer.Option(None, "--chips", help="Chips in all; several of --tp make replicas."),
    tp: int | None = typer.Option(None, "--tp", help="Chips that hold one copy."),
    replicas: int | None = typer.Option(None, "--replicas", help="Copies of the model."),
    engine: str = ENGINE,
    timeout_s: float | None = typer.Option(None, "--timeout-s", help="Drop a request not finished by then."),
    stretch: int = typer.Option(500_000, "--stretch", help="Requests between two checkpoints."),
    seed: int = SEED,
    as_json: bool = JSON,
    catalog: list[Path] = CATALOG,
) -> None:
    """Millions of requests: arrivals in stretches, finished ones to Parquet, a checkpoint after each stretch."""
    from chipwise.serving.long_run import simulate_long
    from chipwise.serving.long_workload import stretches

    options = Engine(name=engine, timeout_s=timeout_s)
    parts = fleet_of(
        fleet, model, options, 512, catalogue_with(catalog), chip=chip, chips=chips, tp=tp, replicas=replicas
    )
    progress = Progress()
    found = simulate_long(
        stretches(trace, requests, each=stretch, seed=seed),
        parts,
        out,
        total=requests,
        about=f"{trace} {requests} {stretch} {seed}",
        on_progress=progress,
    )
    progress.close()
    if as_json:
        print_json({"trace": trace, "out": str(out), **found})
        return
    rows = []
    for key, label in (("ttft_s", "first token"), ("tpot_s", "per output token"), ("latency_s", "whole answer")):
        rows.append([label, *(f"{found[key][p] * 1e3:,.1f}" for p in ("p50", "p90", "p99"))])
    print_table(rows, ["ms", "p50", "p90", "p99"], right=(1, 2, 3), title=f"{found['requests']:,} requests of {trace}")
    typer.echo(
        f"done {found['done']:,}, cancelled {found['cancelled']:,}, rejected {found['rejected']:,}; "
        f"this call simulated for {found['seconds']:.2f} s; requests in {out}/part-*.parquet"
    )
