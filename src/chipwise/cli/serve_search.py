"""`chipwise serve search`: the best serving set-up within targets, and why not the others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chipwise.cli.catalogue_tables import CATALOG, catalogue_with
from chipwise.cli.output import print_json, print_table
from chipwise.cli.serve_estimate import own_points_of
from chipwise.core.errors import EXIT_NO, InputError

if TYPE_CHECKING:
    from chipwise.perf.infer.question import Found, Question
    from chipwise.perf.infer.served import Served

CHIP = typer.Option(None, "--chip", help="Chip, any spelling of `chipwise chips list`.")
SHOWN_CAUSES = 8


def search_command(
    model: str = typer.Option(..., "--model", help="Model, any spelling of `chipwise models list`."),
    chip: str | None = CHIP,
    chips: int | None = typer.Option(None, "--chips", min=1, help="Chips in all."),
    isl: float = typer.Option(1024.0, "--isl", help="Mean input tokens of a request."),
    osl: float = typer.Option(512.0, "--osl", help="Mean output tokens of a request."),
    ttft_ms: float | None = typer.Option(None, "--ttft-ms", help="Target: mean time to the first token, ms."),
    tpot_ms: float | None = typer.Option(None, "--tpot-ms", help="Target: mean time per output token, ms."),
    gap_ms: float | None = typer.Option(None, "--gap-ms", help="Target: longest gap while others' prompts are read."),
    engine: str = typer.Option("any", "--engine", help="any, or names separated by commas: vllm, sglang, …"),
    precision: str = typer.Option("auto", "--precision", help="Weights: auto, any, or bf16, fp8, … by commas."),
    kv_precision: str = typer.Option("auto", "--kv-precision", help="Cache: auto, any, or bf16, fp8 by commas."),
    mode: str = typer.Option("any", "--mode", help="any, aggregated or disaggregated."),
    prefill_chip: str | None = typer.Option(None, "--prefill-chip", help="Chip of the prefill pool."),
    decode_chip: str | None = typer.Option(None, "--decode-chip", help="Chip of the decode pool."),
    prefill_chips: int | None = typer.Option(None, "--prefill-chips", min=1, help="Its number, instead of --chips."),
    decode_chips: int | None = typer.Option(None, "--decode-chips", min=1, help="Its number, instead of --chips."),
    drafts: int = typer.Option(0, "--draft-tokens", min=0, help="Tokens drafted per step (multi-token prediction)."),
    acceptance: float = typer.Option(0.0, "--acceptance", help="Probability that a draft is accepted."),
    layout: str | None = typer.Option(None, "--layout", help="Why not yours: tp=8,dp=2,ep=16,pp=1,cp=1."),
    top: int = typer.Option(5, "--top", min=1, max=1000, help="Set-ups to show."),
    pareto: bool = typer.Option(False, "--pareto", help="Show the frontier of tokens/s per user and per chip."),
    calibration: Path | None = typer.Option(
        None, "--calibration", help="Own measured points: CSV in the columns of `validate inference`."
    ),
    as_json: bool = typer.Option(False, "--json", help="JSON for machines."),
    catalog: list[Path] = CATALOG,
) -> None:
    """The best set-ups within the targets, on one pool or on two; exit 1 where none is."""
    from chipwise.perf.infer.asked import question_of
    from chipwise.perf.infer.judged import judged
    from chipwise.perf.infer.layouts import layout_from_text
    from chipwise.perf.infer.options import Options
    from chipwise.perf.infer.search import search_setups

    catalogue = catalogue_with(catalog)
    question = question_of(
        model,
        chip,
        catalogue=catalogue,
        chips=chips,
        prefill_chip=prefill_chip,
        decode_chip=decode_chip,
        prefill_chips=prefill_chips,
        decode_chips=decode_chips,
        input_tokens=isl,
        output_tokens=osl,
        tpot_s=_seconds(tpot_ms, "--tpot-ms"),
        ttft_s=_seconds(ttft_ms, "--ttft-ms"),
        gap_s=_seconds(gap_ms, "--gap-ms"),
        engine=engine,
        weight_precision=precision,
        kv_precision=kv_precision,
        mode=mode,
        options=Options(draft_tokens=drafts, acceptance=acceptance),
        calibration=own_points_of(calibration, catalogue),
    )
    found = search_setups(question, top=top)
    asked: dict[str, Any] = {}
    if layout is not None:
        asked = judged(question, layout_from_text(layout), found.setups[0] if found.setups else None)
    if as_json:
        answer = {**question.to_dict(), **found.to_dict(), "notes": list(question.notes)}
        print_json({**answer, **({"why_not": {"asked": layout, **asked}} if asked else {})})
    else:
        _show(question, found, pareto, top)
        if asked:
            typer.echo(f"{layout}: {asked['cause']}")
    if not found.setups:
        raise typer.Exit(EXIT_NO)


def _seconds(value: float | None, option: str) -> float | None:
    if value is None:
        return None
    if not 0 < value < float("inf"):
        raise InputError(f"{value!r} is not positive", place=option, allowed="a positive number")
    return value / 1e3


def _show(question: Question, found: Found, pareto: bool, top: int) -> None:
    shown = found.pareto if pareto else found.setups
    title = f"{question.text()}; {'frontier, ' if pareto else ''}means with 90 % intervals"
    head = [
        "",
        "set-up",
        "engine",
        "weights/cache",
        "token/s/chip",
        "90 %",
        "token/s/user",
        "TPOT ms",
        "TTFT ms",
        "USD/Mtoken",
    ]
    rows = [_row(place, entry) for place, entry in enumerate(shown, 1)]
    print_table(rows, head, right=(0, 4, 5, 6, 7, 8, 9), title=title)
    typer.echo(
        f"{found.space:,} set-ups decided in {found.seconds:.2f} CPU s: {found.pruned:,} without a time (memory, "
        f"limits, links, or beaten by another of no more chips), {found.feasible:,} meet the targets"
    )
    if shown:
        typer.echo(f"evidence: {shown[0].evidence}")
        if any(entry.mode == "disaggregated" for entry in shown):
            typer.echo("note: pools apart were not judged on measured runs; their intervals are those of one pool")
    if shown and question.tpot_s is None and question.ttft_s is None:
        typer.echo("note: no target (--tpot-ms, --ttft-ms): the highest rate, however slow each user is served")
    for note in question.notes:
        typer.echo(f"note: {note}")
    causes = list(dict.fromkeys(_cause(entry) for entry in found.rejected))
    if not found.setups:
        typer.echo("no set-up is feasible:")
        causes, left = causes[:SHOWN_CAUSES], max(len(causes) - SHOWN_CAUSES, 0)
        for cause in causes:
            typer.echo(f"  {cause}")
        if left:
            typer.echo(f"  and {left} more: --json")
    elif causes:
        typer.echo(f"{len(causes)} layouts have no feasible set-up; --layout or --json says why")


def _cause(entry: Any) -> str:
    from chipwise.perf.infer.layouts import layout_text

    name = entry.mode if entry.layout is None else layout_text(entry.layout)
    return f"{name}, {entry.engine}, {entry.precision}: {entry.cause}"


def _row(place: int, entry: Served) -> tuple[object, ...]:
    rate = entry.output_tokens_per_s_per_chip
    return (
        place,
        entry.text(),
        entry.engine,
        f"{entry.weight_precision}/{entry.kv_precision}",
        f"{rate.value:,.0f}",
        f"{rate.low:,.0f} to {rate.high:,.0f}",
        f"{entry.tokens_per_s_per_user:,.1f}",
        f"{entry.tpot_s.value * 1e3:,.1f}",
        f"{entry.ttft_s.value * 1e3:,.0f}",
        "-" if entry.usd_per_million_tokens is None else f"{entry.usd_per_million_tokens.value:,.2f}",
    )
