"""`chipwise train`: the time, memory and days of a training run, and the search over its layouts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chipwise.cli.catalogue_tables import CATALOG, catalogue_with
from chipwise.cli.output import print_json
from chipwise.cli.train_text import (
    explain_run,
    mixed_json,
    offer_json,
    picture,
    question,
    row_of,
    run_json,
    show_front,
    show_mixed,
    show_run,
    show_search,
)
from chipwise.core.errors import InputError

if TYPE_CHECKING:
    from chipwise.catalogue import Catalogue
    from chipwise.perf.train.run import Problem, Run

app = typer.Typer(help="Training runs: step time, memory, days, and the best layout.", no_args_is_help=True)

MODEL = typer.Option(..., "--model", help="Model, any spelling of `chipwise models list`.")
CHIP = typer.Option(..., "--chip", help="Chip, any spelling of `chipwise chips list`.")
PRECISION = typer.Option("auto", "--precision", help="auto, bf16, fp16, fp8, fp4; mxfp8, mxfp4, nvfp4 scale by block.")
SEQ = typer.Option(4096, "--seq", min=1, help="Tokens per sequence.")
BATCH = typer.Option(None, "--batch", min=1, help="Sequences per step; by default 4 to 32 million tokens.")
LAYOUT = typer.Option(
    None,
    "--layout",
    help="A layout of your own: tp=8,pp=8,vpp=2,mbs=1,zero=1,recompute=0.5; also cp, ep, etp, sp, shard (size of the "
    "sharding group), core, gradient_bytes, offload_weights, offload_activations, offload_optimizer, "
    "schedule=1f1b|zero-bubble|v-half|v-min.",
)
STACK = typer.Option(
    None,
    "--stack",
    help="Software: class=tuned|community,attention=0..3,graphs=0|1,routing=balanced|natural,experts=dropless|padded,"
    "power=0.3..1,age=YEARS,blocks=0|1. What is not named is as usual on the chip; naming any narrows the interval.",
)
TUNING = typer.Option("full", "--tuning", help="full, or lora: frozen weights, trained adapters.")
PRICE = typer.Option(None, "--usd-per-chip-hour", min=0.0, help="Gives the cost.")
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
    stack: str | None = STACK,
    tuning: str = TUNING,
    own: Path | None = typer.Option(
        None, "--own", help="CSV of runs you measured on this stack; corrects the estimate."
    ),
    tokens: float | None = typer.Option(None, "--tokens", help="Tokens to train on in all; gives the days."),
    price: float | None = PRICE,
    svg: Path | None = typer.Option(None, "--svg", help="Write time and memory as stacked bars to this file."),
    as_json: bool = AS_JSON,
    explain: bool = typer.Option(False, "--explain", help="Evidence and sources."),
    catalog: list[Path] = CATALOG,
) -> None:
    """Step time, memory, useful FLOP/s and tokens/s, and the days a run takes."""
    from chipwise.perf.train.days import days_of
    from chipwise.perf.train.measures import mfu_by_convention
    from chipwise.perf.training import estimate_training, yield_of

    if tokens is not None and not 0 < tokens < float("inf"):
        raise InputError(f"{tokens!r} is no number of tokens", place="--tokens", allowed="a positive number")
    catalogue = catalogue_with(catalog)
    asked = {"precision": precision, "seq": seq, "batch": batch, "stack": stack, "adapter": _adapter(tuning)}
    found_run = _run(catalogue, chip, model, chips, layout, asked)
    if found_run is None:
        found = estimate_training(chip, model, precision=precision, seq_len=seq, chips=chips, catalogue=catalogue)
        run, shares = None, {}
    else:
        run, problem = found_run
        shares = mfu_by_convention(run, problem)
        if own is not None:
            run = _with_own(run, own, catalogue)
        found = yield_of(run, chips)
    days = None if tokens is None or run is None else days_of(run, tokens, catalogue, usd_per_chip_hour=price)
    if svg is not None and run is not None:
        svg.write_text(picture(run), encoding="utf-8")
    if as_json:
        print_json({**found.to_dict(), **run_json(run, days), "mfu_by_convention": shares, "tokens": tokens})
    else:
        show_run(found, run, chips, days)
        if explain:
            explain_run(found, shares, catalogue)
    if run is not None and not run.fits:
        raise typer.Exit(1)


def _adapter(tuning: str) -> bool:
    if tuning not in ("full", "lora"):
        raise InputError(f"{tuning!r} is no tuning", place="--tuning", allowed="full | lora")
    return tuning == "lora"


def _run(
    catalogue: Catalogue, chip: str, model: str, chips: int, layout: str | None, asked: dict[str, Any]
) -> tuple[Run, Problem] | None:
    """The run, None where a figure of the chip is missing and only the closed form answers."""
    from chipwise.core.errors import OutsideModelRange, Undetermined
    from chipwise.perf.train.explain import layout_from_text, why_not
    from chipwise.perf.train.run import best_run, least_memory_run, problem_of, usual_chips
    from chipwise.perf.training import laid_out, resolve

    one, shape = resolve(chip, model, catalogue)
    count = chips if chips > 1 else usual_chips(one, shape)
    plain = asked["stack"] is None and not asked["adapter"] and not asked["precision"].startswith(("mx", "nv"))
    try:
        problem = problem_of(one, shape, catalogue, chips=count, **asked)
        if layout is None and plain:
            run = laid_out(one, shape, catalogue, count, asked["precision"], asked["seq"], asked["batch"])
            return run, problem
    except (Undetermined, OutsideModelRange):
        if layout is None and plain:
            return None
        raise
    if layout is None:
        return best_run(problem) or least_memory_run(problem), problem
    named, reasons = why_not(problem, layout_from_text(layout, problem), None)
    if named is None:
        raise InputError("; ".join(reasons), place="--layout", allowed="a layout that divides")
    return named, problem


def _with_own(run: Run, path: Path, catalogue: Catalogue) -> Run:
    """The run corrected by those the user measured."""
    from chipwise.perf.train.own import corrected, correction, own_runs
    from chipwise.validation.score import read_measured
    from chipwise.validation.training import COLUMNS

    runs = own_runs(read_measured(path, COLUMNS), catalogue)
    return corrected(run, correction(runs, run.model.id))


@app.command("search")
def search(
    model: str = MODEL,
    chip: str = CHIP,
    chips: str = typer.Option(..., "--chips", help="Chips in the run; several counts for --pareto: 64,128,256."),
    batch: int | None = BATCH,
    seq: int = SEQ,
    precision: str = PRECISION,
    stack: str | None = STACK,
    tuning: str = TUNING,
    space: str = typer.Option("practical", "--space", help="practical, or full: every execution of the literature."),
    top: int = typer.Option(5, "--top", min=1, max=1000, help="Layouts to show, of each number of chips."),
    pareto: bool = typer.Option(
        False, "--pareto", help="Only layouts no other beats in time, memory, chips, cost and energy."
    ),
    price: float | None = PRICE,
    layout: str | None = LAYOUT,
    as_json: bool = AS_JSON,
    catalog: list[Path] = CATALOG,
) -> None:
    """The fastest layouts that fit; with --layout, why not yours."""
    from chipwise.perf.train.explain import layout_from_text, why_not
    from chipwise.perf.train.front import front, offers
    from chipwise.perf.train.run import problem_of, run_of, search_layouts
    from chipwise.perf.training import resolve

    counts = _counts(chips)
    if len(counts) > 1 and not pareto:
        raise InputError("several numbers of chips", place="--chips", allowed="one, or several with --pareto")
    catalogue = catalogue_with(catalog)
    one, shape = resolve(chip, model, catalogue)
    asked: dict[str, Any] = {
        "precision": precision, "seq": seq, "batch": batch, "stack": stack, "adapter": _adapter(tuning),
    }  # fmt: skip
    problems = [problem_of(one, shape, catalogue, chips=count, **asked) for count in counts]
    problem = problems[0]
    found = search_layouts(problem, space=space, top=top)
    runs = [run_of(problem, entry, blank=True) for entry in found.layouts]
    why: dict[str, Any] = {}
    if layout is not None:
        named, reasons = why_not(problem, layout_from_text(layout, problem), runs[0] if runs else None)
        why = {"why_not": {**(row_of(named) if named else {}), "asked": layout, "reasons": reasons}}
    told = {name: getattr(found, name) for name in ("space", "evaluated", "pruned", "feasible", "seconds")}
    kept = []
    if pareto:
        if space != "practical":
            raise InputError("--pareto in the full space", place="--space", allowed="practical with --pareto")
        whole = front([offer for each in problems for offer in offers(each, catalogue, usd_per_chip_hour=price)])
        kept = [offer for count in counts for offer in [o for o in whole if o.run.chips == count][:top]]
        runs = [offer.run for offer in kept]
    if as_json:
        rows = [offer_json(offer) for offer in kept] if pareto else [row_of(run) for run in runs]
        print_json({**question(problem, space), **told, "layouts": rows, **why})
    elif pareto:
        show_front(problem, kept)
    else:
        show_search(problem, told, runs, why)
    if not runs:
        raise typer.Exit(1)


def _counts(text: str) -> list[int]:
    """``64`` or ``64,128,256``."""
    out = []
    for part in text.split(","):
        if not part.strip().isdigit() or int(part) < 1:
            raise InputError(f"{part!r} is no number of chips", place="--chips", allowed="1 or more, several by commas")
        out.append(int(part))
    return sorted(set(out))


@app.command("mixed")
def mixed(
    model: str = MODEL,
    first: str = typer.Option(..., "--first", help="Chip and count: h800-sxm:256."),
    second: str = typer.Option(..., "--second", help="Another chip and count: a800-80-sxm:512."),
    batch: int = typer.Option(..., "--batch", min=1, help="Sequences per step."),
    seq: int = SEQ,
    precision: str = PRECISION,
    stack: str | None = STACK,
    as_json: bool = AS_JSON,
    catalog: list[Path] = CATALOG,
) -> None:
    """Two kinds of chip in one run: whole pipeline stages each, layers dealt by speed."""
    from chipwise.perf.train.mixed import mixed_run
    from chipwise.perf.train.run import problem_of
    from chipwise.perf.training import resolve

    catalogue = catalogue_with(catalog)
    problems = []
    for place, text in (("--first", first), ("--second", second)):
        name, _, count = text.rpartition(":")
        if not name or not count.isdigit() or int(count) < 1:
            raise InputError(
                f"{text!r} names no chip and count", place=place, allowed="CHIP:COUNT, such as h800-sxm:256"
            )
        one, shape = resolve(name, model, catalogue)
        problems.append(
            problem_of(one, shape, catalogue, chips=int(count), precision=precision, seq=seq, batch=batch, stack=stack)
        )
    run = mixed_run(*problems)
    if as_json:
        print_json(mixed_json(problems[0], run))
    else:
        show_mixed(problems[0], run)
