"""`chipwise serve estimate`: what a chip serves at full load, or a set-up under a named load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chipwise.cli.catalogue_tables import CATALOG, catalogue_with
from chipwise.cli.output import print_json, print_table
from chipwise.core.errors import EXIT_NO, InputError

if TYPE_CHECKING:
    from chipwise.catalogue import Catalogue
    from chipwise.core.fact import Estimate
    from chipwise.perf import ServingYield
    from chipwise.perf.infer.answer import Answer
    from chipwise.perf.infer.calibrate import ServingCalibration


def estimate_command(
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
    load: str | None = typer.Option(
        None,
        "--load",
        help="closed, saturated, static, open, mlperf-offline, mlperf-server or mlperf-interactive; "
        "by default the best yield of one chip at full load.",
    ),
    concurrency: float | None = typer.Option(None, "--concurrency", help="Load closed: requests in flight in all."),
    batch: float | None = typer.Option(None, "--batch", help="Loads static and saturated: requests of one copy."),
    rate: float | None = typer.Option(None, "--rate", help="Load open: requests a second in all, at random."),
    variation: float = typer.Option(1.0, "--variation", help="Load open: coefficient of variation of service."),
    chips: int | None = typer.Option(None, "--chips", min=1, help="Chips in all; the layout's or a server by default."),
    layout: str | None = typer.Option(None, "--layout", help="tp=8,dp=2,ep=16,pp=1,cp=1; the best by default."),
    engine: str = typer.Option("vllm", "--engine", help="vllm, sglang, tensorrt-llm, mindie, vllm-ascend, llama.cpp."),
    engine_version: str = typer.Option("", "--engine-version", help="Changes host times where its makers say so."),
    drafts: int = typer.Option(0, "--draft-tokens", min=0, help="Tokens drafted per step (multi-token prediction)."),
    acceptance: float = typer.Option(0.0, "--acceptance", help="Probability that a draft is accepted."),
    weights_on_host: float = typer.Option(0.0, "--weights-on-host", help="Share of the weights kept in host memory."),
    cache_on_host: float = typer.Option(0.0, "--cache-on-host", help="Share of the caches kept in host memory."),
    memory_share: float | None = typer.Option(None, "--memory-share", help="Share of the memory the engine may fill."),
    price: float | None = typer.Option(None, "--usd-per-chip-hour", min=1e-9, help="Instead of the catalogue's rent."),
    calibration: Path | None = typer.Option(
        None, "--calibration", help="Own measured points: CSV in the columns of `validate inference`."
    ),
    as_json: bool = typer.Option(False, "--json", help="JSON for machines."),
    explain: bool = typer.Option(False, "--explain", help="Evidence and sources."),
    catalog: list[Path] = CATALOG,
) -> None:
    """Tokens/s and times of one chip at full load, or of a set-up under a named load; exit 1 where it cannot serve."""
    catalogue = catalogue_with(catalog)
    own_points = own_points_of(calibration, catalogue)
    named = {
        "--concurrency": concurrency,
        "--batch": batch,
        "--rate": rate,
        "--chips": chips,
        "--layout": layout,
        "--engine-version": engine_version or None,
        "--draft-tokens": drafts or None,
        "--weights-on-host": weights_on_host or None,
        "--cache-on-host": cache_on_host or None,
        "--memory-share": memory_share,
        "--engine": None if engine == "vllm" else engine,
    }
    if load is None and not any(value is not None for value in named.values()):
        _yield(
            chip,
            model,
            isl,
            osl,
            tpot_ms,
            ttft_ms,
            (precision, kv_precision),
            price,
            own_points,
            as_json,
            explain,
            catalogue,
        )
        return
    from chipwise.perf.infer.answer import NotServed
    from chipwise.perf.infer.asked_load import Asked
    from chipwise.perf.infer.layouts import layout_from_text
    from chipwise.perf.infer.loads import answer_load
    from chipwise.perf.infer.options import Options
    from chipwise.perf.infer.terms import engines
    from chipwise.perf.training import resolve

    if engine not in engines():
        raise InputError(f"{engine!r} is no engine known here", place="--engine", allowed=", ".join(engines()))
    one, shape = resolve(chip, model, catalogue)
    own = layout_from_text(layout) if layout is not None else None
    found = answer_load(
        Asked(
            chip=one,
            model=shape,
            load=load or ("closed" if concurrency else "open" if rate else "saturated"),
            chips=chips or (own.chips if own else _server(one, catalogue)),
            engine=engine,
            engine_version=engine_version,
            weight_precision=precision,
            kv_precision=kv_precision,
            layout=own,
            input_tokens=isl,
            output_tokens=osl,
            concurrency=concurrency,
            batch=batch,
            rate=rate,
            variation=variation,
            tpot_s=None if tpot_ms is None else tpot_ms / 1e3,
            ttft_s=None if ttft_ms is None else ttft_ms / 1e3,
            usd_per_chip_hour=price,
            calibration=own_points,
            options=Options(
                draft_tokens=drafts,
                acceptance=acceptance,
                weights_on_host=weights_on_host,
                cache_on_host=cache_on_host,
                memory_share=memory_share,
            ),
        ),
        catalogue,
    )
    if as_json:
        print_json(found.to_dict())
    elif isinstance(found, NotServed):
        typer.echo(f"{found.model_id} on {found.chip_id}\nno: {found.cause}")
    else:
        _show_answer(found)
        if explain:
            _sources(found.facts, catalogue)
    if isinstance(found, NotServed):
        raise typer.Exit(EXIT_NO)


def own_points_of(path: Path | None, catalogue: Catalogue) -> ServingCalibration | None:
    """Own measured points of a file; None where none is named."""
    if path is None:
        return None
    from chipwise.perf.infer.calibrate import read_serving_calibration

    return read_serving_calibration(path, catalogue)


def _server(chip: Any, catalogue: Catalogue) -> int:
    from chipwise.perf.machine import group_limit

    return group_limit(chip, catalogue.server_of(chip.id))


def _yield(
    chip: str,
    model: str,
    isl: float | None,
    osl: float | None,
    tpot_ms: float | None,
    ttft_ms: float | None,
    formats: tuple[str, str],
    price: float | None,
    own_points: ServingCalibration | None,
    as_json: bool,
    explain: bool,
    catalogue: Catalogue,
) -> None:
    from chipwise.perf import estimate_serving
    from chipwise.perf.infer.bill import cost_of

    found = estimate_serving(
        chip,
        model,
        input_tokens=isl,
        output_tokens=osl,
        tpot_s=None if tpot_ms is None else tpot_ms / 1e3,
        ttft_s=None if ttft_ms is None else ttft_ms / 1e3,
        weight_precision=formats[0],
        kv_precision=formats[1],
        calibration=own_points,
        catalogue=catalogue,
    )
    cost, priced = None, ""
    if found.output_tokens_per_s_per_chip is not None:
        cost, priced = cost_of(found.chip_id, found.output_tokens_per_s_per_chip, catalogue, price)
    if as_json:
        print_json({**found.to_dict(), "usd_per_million_output_tokens": None if cost is None else cost.to_dict()})
    else:
        _show(found, cost, priced)
        if explain:
            _explain(found, catalogue)
    if not found.feasible:
        raise typer.Exit(EXIT_NO)


def _show(found: ServingYield, cost: Estimate | None, priced: str) -> None:
    title = (
        f"{found.model_id} on {found.chip_id}, {found.weight_precision} weights, "
        f"{found.input_tokens:,.0f} tokens in, {found.output_tokens:,.0f} out"
    )
    if not found.feasible:
        typer.echo(title)
        typer.echo(f"no: {found.why_not}")
    else:
        rows = [
            ("output tokens per chip", found.output_tokens_per_s_per_chip, 1.0, ",.0f", "token/s"),
            ("all tokens per chip", found.tokens_per_s_per_chip, 1.0, ",.0f", "token/s"),
            ("time per output token", found.tpot_s, 1e-3, ",.1f", "ms"),
            ("time to first token", found.ttft_s, 1e-3, ",.0f", "ms"),
            ("a million output tokens", cost, 1.0, ",.2f", "USD"),
        ]
        _table(rows, title)
        typer.echo(
            f"replica: {found.chips_per_replica} chip(s), {found.batch} requests at once, room for "
            f"{found.kv_tokens_capacity:,.0f} cached tokens; bound by {found.bound}"
        )
        typer.echo(priced)
    typer.echo(f"evidence: {found.evidence}")
    for note in found.notes:
        typer.echo(f"note: {note}")


def _show_answer(found: Answer) -> None:
    from chipwise.perf.infer.layouts import layout_text

    title = (
        f"{found.model_id} on {found.chips:g} {found.chip_id}, {found.engine}, {found.weight_precision} weights, "
        f"{found.kv_precision} cache, {found.input_tokens:,.0f} tokens in, {found.output_tokens:,.0f} out, "
        f"load: {found.load}"
    )
    rows = [
        ("output tokens per chip", found.output_tokens_per_s_per_chip, 1.0, ",.0f", "token/s"),
        ("time per output token", found.tpot_s, 1e-3, ",.1f", "ms"),
        ("the same, first token included", found.tpot_with_first_s, 1e-3, ",.1f", "ms"),
        ("time to first token", found.ttft_s, 1e-3, ",.0f", "ms"),
        ("whole request", found.latency_s, 1.0, ",.2f", "s"),
        ("power of a chip and its share of the server", found.power_w, 1.0, ",.0f", "W"),
        ("energy of an output token", found.energy_j_per_token, 1.0, ",.2f", "J"),
        ("a million output tokens", found.usd_per_million_tokens, 1.0, ",.2f", "USD"),
    ]
    _table(rows, title)
    typer.echo(
        f"{found.copies:g} x ({layout_text(found.layout)}), {found.batch:,.4g} requests at once in each; "
        f"{found.in_flight:,.4g} in flight = {found.requests_per_s:,.4g} requests/s x {found.latency_s.value:,.3g} s"
    )
    typer.echo(
        f"memory of a chip: {found.weight_bytes / 1e9:,.1f} GB weights, {found.cache_room_bytes / 1e9:,.1f} GB for "
        f"caches; a copy holds {found.cache_tokens:,.0f} tokens"
    )
    if found.goodput is not None:
        typer.echo(
            f"within the targets: {found.goodput.share:.1%} of requests, {found.goodput.requests_per_s:,.4g} requests/s"
        )
    typer.echo(f"evidence: {found.evidence}")
    for note in found.notes:
        typer.echo(f"note: {note}")


def _table(rows: list[tuple[str, Estimate | None, float, str, str]], title: str) -> None:
    shown = [
        (label, *_span(estimate, scale, form), unit)
        for label, estimate, scale, form, unit in rows
        if estimate is not None
    ]
    print_table(shown, ["", "value", "90 % interval", "unit"], right=(1, 2), title=title)


def _span(estimate: Estimate, scale: float, form: str) -> tuple[str, str]:
    low, high = (format(value / scale, form) for value in (estimate.low, estimate.high))
    return format(estimate.value / scale, form), f"{low} to {high}"


def _explain(found: ServingYield, catalogue: Catalogue) -> None:
    if found.breakdown:
        parts = ", ".join(f"{name.removesuffix('_s')} {value * 1e3:,.2f} ms" for name, value in found.breakdown.items())
        typer.echo(f"\none step by cause (compute and memory overlap): {parts}")
    _sources(found.facts, catalogue)


def _sources(facts: tuple[str, ...], catalogue: Catalogue) -> None:
    from chipwise.cli.train_text import show_sources
    from chipwise.perf.explain import sources_of

    show_sources(sources_of(facts, catalogue))
