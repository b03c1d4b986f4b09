"""What the `train` commands print."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import typer

from chipwise.cli.output import print_table

if TYPE_CHECKING:
    from chipwise.catalogue import Catalogue
    from chipwise.core.fact import Estimate
    from chipwise.perf import TrainingYield
    from chipwise.perf.train.days import Days
    from chipwise.perf.train.front import Offer
    from chipwise.perf.train.mixed import MixedRun
    from chipwise.perf.train.run import Problem, Run


def question(problem: Problem, space: str) -> dict[str, Any]:
    return {
        "model": problem.model.id,
        "chip": problem.chip.id,
        "chips": problem.chips,
        "batch": problem.batch,
        "seq": problem.seq,
        "precision": problem.precision,
        "space_name": space,
    }


def row_of(run: Run) -> dict[str, Any]:
    """One layout with its time, memory and parts, as plain types."""
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
    return {item.name: float(getattr(run.memory, item.name)) for item in dataclasses.fields(run.memory)}


def run_json(run: Run | None, days: Days | None) -> dict[str, Any]:
    out: dict[str, Any] = {"run": None if run is None else {"chips": run.chips, "batch": run.batch, **row_of(run)}}
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


def show_run(found: TrainingYield, run: Run | None, chips: int, days: Days | None) -> None:
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


def show_search(problem: Problem, counts: dict[str, Any], runs: list[Run], asked: dict[str, Any]) -> None:
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


def picture(run: Run) -> str:
    from chipwise.perf.train.figure import stacked_bars

    room = run.room_bytes / 1e9
    memory = {name: value / 1e9 for name, value in _memory(run).items()}
    return stacked_bars(
        {"one step": (run.step_s.breakdown, "s", 0.0), "memory of the fullest chip": (memory, "GB", room)},
        title=f"{run.model.name} on {run.chips:,} {run.chip.name}, {run.precision}",
    )


def explain_run(found: TrainingYield, shares: dict[str, float], catalogue: Catalogue) -> None:
    from chipwise.perf.explain import sources_of

    typer.echo(
        f"\npeak {found.peak_flop_per_s / 1e12:,.1f} TFLOP/s dense {found.precision} x utilisation / "
        f"{found.flop_per_token / 1e9:,.2f} GFLOP per token (6 x weights multiplied + 3 x causal attention core)"
    )
    if shares:
        from chipwise.perf.train.measures import CONVENTIONS

        rows = [(name, f"{value:.1%}", CONVENTIONS[name]) for name, value in shares.items()]
        print_table(rows, ["share of peak", "", "counts"], right=(1,))
    show_sources(sources_of(found.facts, catalogue))


def show_sources(sources: list[dict[str, Any]]) -> None:
    """Print where each figure comes from."""
    rows = [(entry["id"], entry["value"], entry["source"]) for entry in sources]
    print_table(rows, ["fact", "value", "source"])


def offer_json(offer: Offer) -> dict[str, Any]:
    """A layout of the front with what a token costs, as plain types."""
    costs = {
        name: getattr(offer, name)
        for name in ("s_per_token", "chip_s_per_token", "usd_per_million_tokens", "joule_per_token")
    }
    return {"chips": offer.run.chips, **row_of(offer.run), **costs}


def show_front(problem: Problem, kept: list[Offer]) -> None:
    """The undominated layouts as a table."""
    from chipwise.perf.training import layout_text

    rows = [
        (
            f"{offer.run.chips:,}",
            layout_text(offer.run),
            f"{offer.run.step_s.value:.3g}",
            f"{offer.run.memory.total / 1e9:.1f}",
            f"{offer.chip_s_per_token * 1e6 / 3600.0:.3g}",
            "" if offer.usd_per_million_tokens is None else f"{offer.usd_per_million_tokens:.3g}",
            "" if offer.joule_per_token is None else f"{offer.joule_per_token:.3g}",
        )
        for offer in kept
    ]
    head = ["chips", "layout", "step s", "GB", "chip-h a million tokens", "USD a million", "J a token"]
    title = f"{problem.model.id} on {problem.chip.id}, {problem.precision}: nothing beats these in all five"
    print_table(rows, head, right=(0, 2, 3, 4, 5, 6), title=title)
    if not kept:
        typer.echo("nothing fits: more chips, a smaller batch or shorter sequences")


def mixed_json(problem: Problem, run: MixedRun) -> dict[str, Any]:
    """A run on two kinds of chip as plain types."""
    return {
        "model": problem.model.id,
        "batch": problem.batch,
        "seq": problem.seq,
        "dp": run.dp,
        "accum": run.accum,
        "recompute": run.recompute,
        "step_time_s": run.step_s.value,
        "low_s": run.step_s.low,
        "high_s": run.step_s.high,
        "tokens_per_s": run.tokens_per_s.value,
        "tokens_per_s_alone": dict(run.alone),
        "evidence": run.step_s.evidence,
        "parts": [dataclasses.asdict(part) for part in run.parts],
    }


def show_mixed(problem: Problem, run: MixedRun) -> None:
    """Both parts, the step, and what either would do alone."""
    rows = [
        (
            part.chip_id,
            f"{part.chips:,}",
            part.tp,
            part.stages,
            part.layers,
            f"{part.stage_s * 1e3:.3g}",
            f"{part.mem_bytes / 1e9:.1f}",
        )
        for part in run.parts
    ]
    head = ["chip", "chips", "tp", "stages", "layers", "stage ms", "GB"]
    title = f"{problem.model.id}, batch {problem.batch:,}: {run.dp} data ranks, {run.accum} micro-batches"
    print_table(rows, head, right=(1, 2, 3, 4, 5, 6), title=title)
    step, speed = run.step_s, run.tokens_per_s
    typer.echo(f"one step {step.value:.3g} s ({step.low:.3g} to {step.high:.3g}), {run.recompute:.0%} recomputed")
    typer.echo(f"{speed.value:,.0f} token/s together ({speed.low:,.0f} to {speed.high:,.0f})")
    for name, alone in run.alone:
        typer.echo(f"{name} alone: " + ("does not fit" if alone is None else f"{alone:,.0f} token/s"))
    typer.echo(f"evidence: {step.evidence}; {step.method}")
