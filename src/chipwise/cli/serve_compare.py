"""`chipwise serve replace` and `chipwise serve compare`: other chips, and other predictors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from chipwise.cli.catalogue_tables import CATALOG, catalogue_with
from chipwise.cli.output import print_json, print_table
from chipwise.core.errors import EXIT_NO

MODEL = typer.Option(..., "--model", help="Model, any spelling of `chipwise models list`.")
CHIP = typer.Option(..., "--chip", help="Chip, any spelling of `chipwise chips list`.")
ISL = typer.Option(None, "--isl", help="Mean input tokens of a request (default: chat trace, 1,155).")
OSL = typer.Option(None, "--osl", help="Mean output tokens of a request (default: chat trace, 211).")
JSON = typer.Option(False, "--json", help="JSON for machines.")


def replace_command(
    model: str = MODEL,
    chip: str = CHIP,
    chips: int = typer.Option(1, "--chips", min=1, help="How many are to be replaced."),
    by: list[str] = typer.Option([], "--by", help="Only this chip; repeatable."),
    isl: float | None = ISL,
    osl: float | None = OSL,
    tpot_ms: float | None = typer.Option(None, "--tpot-ms", help="Target: time per output token, ms."),
    ttft_ms: float | None = typer.Option(None, "--ttft-ms", help="Target: time to the first token, ms."),
    top: int = typer.Option(20, "--top", min=1, help="Chips to show."),
    as_json: bool = JSON,
    catalog: list[Path] = CATALOG,
) -> None:
    """How many of every other chip do the work of this one: physics alone, `chips alternatives` adds the law."""
    from chipwise.perf.infer.substitution import substitutes

    found = substitutes(
        chip,
        model,
        chips=chips,
        among=by or None,
        input_tokens=isl,
        output_tokens=osl,
        tpot_s=None if tpot_ms is None else tpot_ms / 1e3,
        ttft_s=None if ttft_ms is None else ttft_ms / 1e3,
        catalogue=catalogue_with(catalog),
    )
    able = [entry for entry in found if entry.chips_for_one is not None]
    if as_json:
        print_json({"chip": chip, "model": model, "chips": chips, "substitutes": [each.to_dict() for each in found]})
    else:
        rows = [
            (
                entry.name,
                f"{entry.chips_for_one.value:,.2f}",
                f"{entry.chips_for_one.low:,.2f} to {entry.chips_for_one.high:,.2f}",
                f"{entry.chips_for:,}",
                entry.chips_per_copy,
                f"{entry.rate.value:,.0f}",
                entry.rate.evidence,
            )
            for entry in able[:top]
            if entry.chips_for_one is not None and entry.rate is not None
        ]
        head = ["chip", "for one", "90 %", f"for {chips:,}", "chips/copy", "token/s/chip", "evidence"]
        print_table(rows, head, right=(1, 2, 3, 4, 5), title=f"in the place of {chip} for {model}, fewest first")
        typer.echo(
            f"{len(able)} chips can do the work, {len(found) - len(able)} cannot or lack a figure (--json says why)"
        )
        for entry in [each for each in found if each.chips_for_one is None][: top if by else 0]:
            typer.echo(f"{entry.name}: no, {entry.why_not}")
    if not able:
        raise typer.Exit(EXIT_NO)


def compare_command(
    model: str = MODEL,
    chip: str = CHIP,
    layout: str = typer.Option("tp=1", "--layout", help="tp=8,dp=2,ep=16,pp=1."),
    engine: str = typer.Option("vllm", "--engine", help="vllm, sglang, tensorrt-llm, …"),
    precision: str = typer.Option("auto", "--precision", help="Weights: auto, bf16, fp8, int8, fp4 or int4."),
    kv_precision: str = typer.Option("auto", "--kv-precision", help="Cache: auto, bf16 or fp8."),
    isl: float = typer.Option(1024.0, "--isl", help="Input tokens of a request."),
    osl: float = typer.Option(256.0, "--osl", help="Output tokens of a request."),
    concurrency: float = typer.Option(16.0, "--concurrency", help="Requests of one copy in flight."),
    as_json: bool = JSON,
    catalog: list[Path] = CATALOG,
) -> None:
    """What every installed predictor says of one set-up at fixed concurrency, or why it says nothing."""
    from chipwise.core.errors import Undetermined
    from chipwise.perf.infer.layouts import layout_from_text
    from chipwise.perf.machine import kv_precision_of, weight_precision_of
    from chipwise.perf.predictors import PredictorCase, predictors
    from chipwise.perf.training import resolve

    one, shape = resolve(chip, model, catalogue_with(catalog))
    case = PredictorCase(
        chip=one,
        model=shape,
        engine=engine,
        layout=layout_from_text(layout),
        weight_precision=weight_precision_of(one, shape, precision),
        kv_precision=kv_precision_of(kv_precision),
        input_tokens=isl,
        output_tokens=osl,
        concurrency=concurrency,
    )
    answers: dict[str, dict[str, Any]] = {}
    for name, each in predictors().items():
        reason = each.unknown(case)
        try:
            answers[name] = {"unknown": reason} if reason else each.predict(case).to_dict()
        except Undetermined as error:
            answers[name] = {"unknown": error.message}
    if as_json:
        print_json({"model": shape.id, "chip": one.id, "predictors": answers})
        return
    rows = []
    for name, answer in answers.items():
        if "unknown" in answer:
            rows.append((name, "", "", "", f"no answer: {answer['unknown']}"))
        else:
            times = [f"{answer[key] * 1e3:,.1f}" for key in ("tpot_s", "ttft_s")]
            rows.append((name, *times, f"{answer['output_tokens_per_s_per_chip']:,.0f}", answer["method"]))
    title = f"{shape.id} on {one.id}, {engine}, {layout}, {isl:,.0f} in, {osl:,.0f} out, {concurrency:g} in flight"
    print_table(rows, ["predictor", "TPOT ms", "TTFT ms", "token/s/chip", ""], right=(1, 2, 3), title=title)
