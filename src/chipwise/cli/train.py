"""`chipwise train`: the time, memory and days of a training run, and the search over its layouts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chipwise.cli.catalogue_tables import CATALOG, catalogue_with
from chipwise.cli.output import print_json, print_table
from chipwise.core.errors import InputError

if TYPE_CHECKING:
    from chipwise.catalogue import Catalogue
    from chipwise.core.fact import Estimate
    from chipwise.perf import TrainingYield
    from chipwise.perf.train.days import Days
    from chipwise.perf.train.run import Problem, Run

app = typer.Typer(help="Training runs: step time, memory, days, and the best layout.", no_args_is_help=True)

MODEL = typer.Option(..., "--model", help="Model, any spelling of `chipwise models list`.")
CHIP = typer.Option(..., "--chip", help="Chip, any spelling of `chipwise chips list`.")
PRECISION = typer.Option("auto", "--precision", help="auto, bf16, fp16, fp8 or fp4.")
SEQ = typer.Option(4096, "--seq", min=1, help="Tokens per sequence.")
BATCH = typer.Option(None, "--batch", min=1, help="Sequences per step; by default 4 to 32 million tokens.")
LAYOUT = typer.Option(None, "--layout", help="A layout of your own: tp=8,pp=8,vpp=2,mbs=1,zero=1,recompute=0.5.")
AS_JSON = typer.Option(False, "--json", help="JSON for machines.")


@app.callback()
def train() -> None:
    """Training runs: step time, memory, days, and the best layout."""


@app.command("estimate")
def estimate(
    model: str = MODEL,
    chip: str = CHIP,
    chips: int = typer.Option(1, "--chips", min=1, help="Chips in the run; 1 asks for a usual share of one chip."),
    precision: str = PRECISION,
    seq: int = SEQ,
    batch: int | None = BATCH,
    layout: str | None = LAYOUT,
    tokens: float | None = typer.Option(None, "--tokens", help="Tokens to train on in all; gives the days."),
    price: float | None = typer.Option(None, "--usd-per-chip-hour", min=0.0, help="Gives the cost."),
    svg: Path | None = typer.Option(None, "--svg", help="Write time and memory as stacked bars to this file."),
    as_json: bool = AS_JSON,
    explain: bool = typer.Option(False, "--explain", help="Evidence and sources."),
    catalog: list[Path] = CATALOG,
) -> None:
    """Step time, memory, useful FLOP/s and tokens/s, and the days a run takes."""
    from chipwise.perf.train.days import days_of
    from chipwise.perf.training import estimate_training, yield_of

    if tokens is not None and not 0 < tokens < float("inf"):
        raise InputError(f"{tokens!r} is no number of tokens", place="--tokens", allowed="a positive number")
    catalogue = catalogue_with(catalog)
    run = _run(catalogue, chip, model, chips, precision, seq, batch, layout)
    if run is None:
        found = estimate_training(chip, model, precision=precision, seq_len=seq, chips=chips, catalogue=catalogue)
    else:
        found = yield_of(run, chips)
    days = None if tokens is None or run is None else days_of(run, tokens, catalogue, usd_per_chip_hour=price)
    if svg is not None and run is not None:
        svg.write_text(_picture(run), encoding="utf-8")
    if as_json:
        print_json({**found.to_dict(), **_json(run, days), "tokens": tokens})
    else:
        _show(found, run, chips, days)
        if explain:
            _explain(found, catalogue)
    if run is not None and not run.fits:
        raise typer.Exit(1)


def _run(
    catalogue: Catalogue,
    chip: str,
    model: str,
    chips: int,
    precision: str,
    seq: int,
    batch: int | None,
    layout: str | None,
) -> Run | None:
    """The run, None where a figure of the chip is missing and only the closed form answers."""
    from chipwise.core.errors import OutsideModelRange, Undetermined
    from chipwise.perf.train.explain import layout_from_text, why_not
    from chipwise.perf.train.run import problem_of, usual_chips
    from chipwise.perf.training import laid_out, resolve

    one, shape = resolve(chip, model, catalogue)
    count = chips if chips > 1 else usual_chips(one, shape)
    if layout is None:
        try:
            return laid_out(one, shape, catalogue, count, precision, seq, batch)
        except (Undetermined, OutsideModelRange):
            return None
    problem = problem_of(one, shape, catalogue, chips=count, precision=precision, seq=seq, batch=batch)
    run, reasons = why_not(problem, layout_from_text(layout, problem), None)
    if run is None:
        raise InputError("; ".join(reasons), place="--layout", allowed="a layout that divides")
    return run


@app.command("search")
def search(
    model: str = MODEL,
    chip: str = CHIP,
    chips: int = typer.Option(..., "--chips", min=1, help="Chips in the run."),
    batch: int | None = BATCH,
    seq: int = SEQ,
    precision: str = PRECISION,
    space: str = typer.Option("practical", "--space", help="practical, or full: every execution of the literature."),
    top: int = typer.Option(5, "--top", min=1, max=1000, help="Layouts to show."),
    pareto: bool = typer.Option(False, "--pareto", help="Only layouts no other beats in time and memory."),
    layout: str | None = LAYOUT,
    as_json: bool = AS_JSON,
    catalog: list[Path] = CATALOG,
) -> None:
    """The fastest layouts that fit; with --layout, why not yours."""
    from chipwise.perf.train.explain import layout_from_text, why_not
    from chipwise.perf.train.run import problem_of, run_of, search_layouts
    from chipwise.perf.train.search import pareto as undominated
    from chipwise.perf.training import resolve

    catalogue = catalogue_with(catalog)
    one, shape = resolve(chip, model, catalogue)
    problem = problem_of(one, shape, catalogue, chips=chips, precision=precision, seq=seq, batch=batch)
    found = search_layouts(problem, space=space, top=1000 if pareto else top)
    runs = [run_of(problem, entry, blank=True) for entry in found.layouts]
    if pareto and runs:
        import numpy as np

        times = np.array([run.step_s.value / run.tokens_per_step for run in runs])
        runs = [runs[place] for place in undominated(times, np.array([float(run.memory.total) for run in runs]))][:top]
    asked: dict[str, Any] = {}
    if layout is not None:
        named, reasons = why_not(problem, layout_from_text(layout, problem), runs[0] if runs else None)
        asked = {"why_not": {**(_row(named) if named else {}), "asked": layout, "reasons": reasons}}
    counts = {name: getattr(found, name) for name in ("space", "evaluated", "pruned", "feasible", "seconds")}
    if as_json:
        print_json({**_question(problem, space), **counts, "layouts": [_row(run) for run in runs], **asked})
    else:
        _show_search(problem, counts, runs, asked)
    if not runs:
        raise typer.Exit(1)


def _question(problem: Problem, space: str) -> dict[str, Any]:
    return {
        "model": problem.model.id,
        "chip": problem.chip.id,
        "chips": problem.chips,
        "batch": problem.batch,
        "seq": problem.seq,
        "precision": problem.precision,
        "space_name": space,
    }


def _row(run: Run) -> dict[str, Any]:
    """One layout with its time, memory and parts, as plain types."""
    import dataclasses

    return {
        "layout": {item.name: getattr(run.layout, item.name) for item in dataclasses.fields(run.layout)},
        "step_time_s": run.step_s.value,
        "low_s": run.step_s.low,
        "high_s": run.step_s.high,
        "tokens_per_s_per_chip": run.tokens_per_s_per_chip.value,
        "mfu": run.mfu.value,
        "fits": run.fits,
        "mem_bytes": float(run.memory.total),
        "mem_room_bytes": run.room_bytes,
        "memory": _memory(run),
        "time": dict(run.step_s.breakdown),
        "evidence": run.step_s.evidence,
    }


def _memory(run: Run) -> dict[str, float]:
    import dataclasses

    return {item.name: float(getattr(run.memory, item.name)) for item in dataclasses.fields(run.memory)}


def _json(run: Run | None, days: Days | None) -> dict[str, Any]:
    out: dict[str, Any] = {"run": None if run is None else {"chips": run.chips, "batch": run.batch, **_row(run)}}
    if days is None:
        return {**out, "days": None}
    out["days"] = {name: getattr(days.days, name) for name in ("value", "low", "high")}
    for name in ("chip_hours", "energy_kwh", "cost_usd"):
        value = getattr(days, name)
        out[name] = None if value is None else {end: getattr(value, end) for end in ("value", "low", "high")}
    return {**out, "schedule": days.breakdown}


def _span(estimate: Estimate, scale: float, form: str) -> tuple[str, str]:
    low, high = (format(value / scale, form) for value in (estimate.low, estimate.high))
    return format(estimate.value / scale, form), f"{low} to {high}"


def _show(found: TrainingYield, run: Run | None, chips: int, days: Days | None) -> None:
    rows: list[tuple[object, ...]] = [
        ("share of peak (MFU)", *_span(found.mfu, 0.01, ".1f"), "%"),
        ("useful rate per chip", *_span(found.flop_per_s_per_chip, 1e12, ".1f"), "TFLOP/s"),
        ("tokens per chip", *_span(found.tokens_per_s_per_chip, 1.0, ",.0f"), "token/s"),
    ]
    if chips > 1:
        all_chips = found.tokens_per_s_per_chip.scaled(chips)
        rows.append((f"tokens of {chips:,} chips", *_span(all_chips, 1.0, ",.0f"), "token/s"))
    if run is not None:
        rows.append(("one step", *_span(run.step_s, 1.0, ".3g"), "s"))
    if days is not None:
        rows.append((f"{days.tokens:.3g} tokens", *_span(days.days, 1.0, ",.1f"), "days, failures included"))
        rows.append(("chip-hours", *_span(days.chip_hours, 1.0, ",.0f"), "h"))
        if days.energy_kwh is not None:
            rows.append(("energy of the servers", *_span(days.energy_kwh, 1e3, ",.0f"), "MWh"))
        if days.cost_usd is not None:
            rows.append(("cost", *_span(days.cost_usd, 1e6, ",.2f"), "million USD"))
    title = f"{found.model_id} on {found.chip_id}, {found.precision}, sequences of {found.seq_len:,}"
    print_table(rows, ["", "value", "90 % interval", "unit"], right=(1, 2), title=title)
    if run is not None:
        _show_parts(run)
    if days is not None:
        text = ", ".join(f"{name} {value:,.3g}" for name, value in days.breakdown.items())
        typer.echo(f"calendar: {text}")
    typer.echo(f"evidence: {found.evidence}; {found.mfu.method}; MFU: causal model FLOP, nothing recomputed counted")
    for note in found.notes:
        typer.echo(f"note: {note}")


def _show_parts(run: Run) -> None:
    total = run.step_s.value
    parts = sorted(run.step_s.breakdown.items(), key=lambda entry: -entry[1])
    times = [(name, f"{value:.3g}", f"{value / total:.1%}") for name, value in parts if value / total >= 0.002]
    print_table(times, ["part of the step", "s", "share"], right=(1, 2), title="Time")
    parts = [*_memory(run).items(), ("all", float(run.memory.total)), ("there is", run.room_bytes)]
    print_table([(name, f"{value / 1e9:.1f}") for name, value in parts], ["memory", "GB"], right=(1,), title="Memory")


def _show_search(problem: Problem, counts: dict[str, Any], runs: list[Run], asked: dict[str, Any]) -> None:
    from chipwise.perf.training import layout_text

    rows = [
        (
            layout_text(run),
            *_span(run.step_s, 1.0, ".3g"),
            f"{run.mfu.value:.1%}",
            f"{run.tokens_per_s_per_chip.value:,.0f}",
            f"{run.memory.total / 1e9:.1f}",
        )
        for run in runs
    ]
    title = f"{problem.model.id} on {problem.chips:,} {problem.chip.id}, {problem.precision}, batch {problem.batch:,}"
    head = ["layout", "step s", "90 % interval", "MFU", "token/s/chip", "GB"]
    print_table(rows, head, right=(1, 2, 3, 4, 5), title=title)
    typer.echo(
        f"{counts['space']:,} layouts in {counts['seconds']:.3g} s: {counts['pruned']:,} ruled out without a time, "
        f"{counts['feasible']:,} timed"
    )
    if not runs:
        typer.echo("nothing fits: more chips, a smaller batch or shorter sequences")
    if asked:
        named = asked["why_not"]
        typer.echo(f"{named['asked']}: " + ("; ".join(named["reasons"]) or "as good as the best"))


def _picture(run: Run) -> str:
    from chipwise.perf.train.figure import stacked_bars

    room = run.room_bytes / 1e9
    memory = {name: value / 1e9 for name, value in _memory(run).items()}
    return stacked_bars(
        {"one step": (run.step_s.breakdown, "s", 0.0), "memory of the fullest chip": (memory, "GB", room)},
        title=f"{run.model.name} on {run.chips:,} {run.chip.name}, {run.precision}",
    )


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
