"""`chipwise serve simulate` and `chipwise serve size`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chipwise.cli.catalogue_tables import CATALOG, catalogue_with
from chipwise.cli.output import Progress, print_json, print_table
from chipwise.core.errors import InputError

if TYPE_CHECKING:
    from chipwise.serving.result import SimulationResult
    from chipwise.serving.sizing import SizedFleet, Sizing
    from chipwise.serving.trace import Trace

MODEL = typer.Option(..., "--model", help="Model, any spelling of `chipwise models list`.")
TRACE = typer.Option(
    ..., "--trace", help="azure, mooncake, sharegpt, poisson:RATE:IN:OUT[:N], gamma:RATE:CV:IN:OUT, diurnal:…, or FILE."
)
ENGINE = typer.Option("vllm", "--engine", help="vllm, sglang or sarathi: scheduler and its defaults.")
SCALE = typer.Option(1.0, "--scale", help="Times the rate of the trace.")
SEED = typer.Option(0, "--seed", help="Seed of everything drawn.")
JSON = typer.Option(False, "--json", help="JSON for machines.")
COLUMN = typer.Option([], "--column", help="OURS=THEIRS: a file's column, such as input_tokens=prompt; repeatable.")


def simulate_command(
    model: str = MODEL,
    chip: str = typer.Option(..., "--chip", help="Chip, any spelling of `chipwise chips list`."),
    trace: str = TRACE,
    chips: int | None = typer.Option(None, "--chips", help="Chips in all; several of --tp make replicas."),
    tp: int | None = typer.Option(None, "--tp", help="Chips that hold one copy (default: --chips, else the fewest)."),
    engine: str = ENGINE,
    replicas: int | None = typer.Option(None, "--replicas", help="Copies of the model."),
    router: str = typer.Option("round robin", "--router", help="round robin, least load, prefix, length split or slo."),
    prefill_replicas: int = typer.Option(0, "--prefill-replicas", help="So many of the replicas only read prompts."),
    max_batch: int | None = typer.Option(None, "--max-batch", help="Requests running at once in a replica."),
    token_budget: int | None = typer.Option(None, "--token-budget", help="Tokens of one step."),
    kv_tokens: int | None = typer.Option(None, "--kv-tokens", help="Tokens of cache in a replica."),
    scale: float = SCALE,
    seed: int = SEED,
    slo_ttft_ms: float | None = typer.Option(None, "--slo-ttft-ms", help="Wanted time to the first token, ms."),
    slo_tpot_ms: float | None = typer.Option(None, "--slo-tpot-ms", help="Wanted time per output token, ms."),
    timeout_s: float | None = typer.Option(None, "--timeout-s", help="Drop a request not finished by then."),
    requests: int = typer.Option(10_000, "--requests", help="Requests of a generated workload."),
    runs: int = typer.Option(0, "--runs", help="Fresh draws of the load, for a 90 % range of each percentile."),
    column: list[str] = COLUMN,
    out: Path | None = typer.Option(None, "--out", help="Folder for one row per request (Parquet) and the JSON."),
    as_json: bool = JSON,
    catalog: list[Path] = CATALOG,
) -> None:
    """Run a trace through a simulated engine or fleet: latencies, goodput, queue and use."""
    from chipwise.serving import preset, simulate, step_cost
    from chipwise.serving.disaggregated import simulate_disaggregated
    from chipwise.serving.generate import scaled

    workload = _workload(trace, seed, requests, column)
    workload = workload if scale == 1.0 else scaled(workload, scale)
    group = tp if tp is not None else (chips if replicas is None else None)
    cost = step_cost(
        chip, model, chips=group, engine="vllm" if engine == "sarathi" else engine, catalogue=catalogue_with(catalog)
    )
    count = _count(chips, cost.chips, replicas)
    replica = preset(
        engine,
        max_batch=max_batch,
        token_budget=token_budget,
        kv_tokens=kv_tokens or cost.kv_capacity_tokens,
        block_tokens=cost.block_tokens,
        prefix_tokens=workload.prefix_tokens,
        timeout_s=timeout_s,
    )
    if prefill_replicas:
        found = simulate_disaggregated(workload, (cost, replica), prefill_replicas, count - prefill_replicas)
    else:
        found = simulate(workload, [(cost, replica)] * count, router=router, seed=seed, bins=120)
    answer = {
        "model": cost.model_id,
        "chip": cost.chip_id,
        "chips": count * cost.chips,
        "engine": engine,
        "router": router,
        "trace": workload.name,
        "trace_source": workload.source,
        "evidence": cost.evidence,
        "kv_tokens": replica.kv_tokens,
        **found.to_dict(
            slo_ttft_s=None if slo_ttft_ms is None else slo_ttft_ms / 1e3,
            slo_tpot_s=None if slo_tpot_ms is None else slo_tpot_ms / 1e3,
        ),
        "facts": list(cost.facts),
    }
    if runs > 0 and not prefill_replicas:
        from chipwise.serving.repeats import intervals

        answer["intervals90"] = intervals(workload, [(cost, replica)] * count, router=router, runs=runs, seed=seed)
    if out is not None:
        _write(out, found, answer)
    if as_json:
        print_json(answer)
    else:
        _show(answer, out)


def _workload(text: str, seed: int, requests: int, column: list[str]) -> Trace:
    from chipwise.serving import generate, read_trace

    if text.split(":")[0] in ("poisson", "gamma", "diurnal"):
        return generate(text, seed=seed, requests=requests)
    pairs = dict(entry.partition("=")[::2] for entry in column)
    if any(not ours or not theirs for ours, theirs in pairs.items()):
        raise InputError("not OURS=THEIRS", place="--column", allowed="arrival_s=time, input_tokens=prompt, …")
    return read_trace(text, columns=pairs, seed=seed)


def _count(chips: int | None, group: int, replicas: int | None) -> int:
    if replicas is not None:
        if replicas < 1:
            raise InputError(f"{replicas} replicas", place="--replicas", allowed="at least 1")
        return replicas
    if chips is None:
        return 1
    if chips % group:
        raise InputError(f"{chips} chips are no multiple of {group}", place="--chips", allowed="a multiple of --tp")
    return chips // group


def _write(out: Path, found: SimulationResult, answer: dict[str, Any]) -> None:
    import pyarrow.parquet as parquet

    from chipwise.core.json_text import dumps

    out.mkdir(parents=True, exist_ok=True)
    parquet.write_table(found.to_arrow(), out / "requests.parquet")
    (out / "simulation.json").write_text(dumps(answer), encoding="utf-8")


def _show(answer: dict[str, Any], out: Path | None) -> None:
    title = (
        f"{answer['model']} on {answer['chips']} x {answer['chip']}, {answer['engine']}, "
        f"{answer['requests']:,} requests of {answer['trace']}"
    )
    rows = []
    for key, label in (("ttft_s", "first token"), ("tpot_s", "per output token"), ("latency_s", "whole answer")):
        spread = answer[key]
        rows.append([label, *("-" if spread[p] is None else f"{spread[p] * 1e3:,.1f}" for p in ("p50", "p90", "p99"))])
    print_table(rows, ["ms", "p50", "p90", "p99"], right=(1, 2, 3), title=title)
    ranges: dict[str, Any] = answer.get("intervals90", {})
    for key, label in (("ttft_s", "first token"), ("tpot_s", "per output token")) if ranges else ():
        low, high = (value * 1e3 for value in ranges[key]["p99"])
        typer.echo(f"p99 of {label} over {ranges['runs']} draws of the load: {low:,.1f} to {high:,.1f} ms (90 %)")
    good, row = answer["goodput"], answer["replicas"][0]
    typer.echo(
        f"done {answer['done']:,}, cancelled {answer['cancelled']:,}, rejected {answer['rejected']:,}; "
        f"{answer['output_tokens_per_s'] or 0:,.0f} output tokens/s; busy {answer['utilisation']:.0%} of the time"
    )
    if good["slo_ttft_s"] is not None or good["slo_tpot_s"] is not None:
        typer.echo(f"within the targets: {good['share']:.1%}, {good['requests_per_s']:,.2f} requests/s")
    typer.echo(
        f"first replica: {row['mean_batch']:,.1f} requests at once, {row['mean_waiting']:,.1f} waiting, cache "
        f"{row['mean_kv_share']:.0%} full; {answer['preemptions']:,} preemptions in all"
    )
    typer.echo(f"evidence: {answer['evidence']}; simulated in {answer['seconds']:.3f} s, {answer['steps']:,} steps")
    if out is not None:
        typer.echo(f"written: {out / 'requests.parquet'}, {out / 'simulation.json'}")


def size_command(
    model: str = MODEL,
    chips: str = typer.Option(..., "--chips", help="Chips to choose among, separated by commas."),
    trace: str = TRACE,
    slo_ttft_ms: float = typer.Option(..., "--slo-ttft-ms", help="Wanted time to the first token, ms."),
    slo_tpot_ms: float = typer.Option(..., "--slo-tpot-ms", help="Wanted time per output token, ms."),
    share: float = typer.Option(0.99, "--share", help="Share of requests that must be within both."),
    spares: int = typer.Option(0, "--spares", help="Replicas beyond those needed."),
    stock: str | None = typer.Option(None, "--stock", help="CHIP=COUNT: what that stock carries instead."),
    tokens_per_user_day: float | None = typer.Option(
        None, "--tokens-per-user-day", help="With --stock: input and output tokens of one user in a day."
    ),
    scale: float = SCALE,
    seed: int = SEED,
    engine: str = ENGINE,
    requests: int = typer.Option(10_000, "--requests", help="Requests of a generated workload."),
    column: list[str] = COLUMN,
    as_json: bool = JSON,
    catalog: list[Path] = CATALOG,
) -> None:
    """Least fleet per chip, and the best mix, that carries a load within its targets; or what a stock carries."""
    from chipwise.serving import size_fleet
    from chipwise.serving.generate import scaled
    from chipwise.serving.sizing import carried

    workload = _workload(trace, seed, requests, column)
    workload = workload if scale == 1.0 else scaled(workload, scale)
    catalogue = catalogue_with(catalog)
    if not 0 < share <= 1:
        raise InputError(f"{share}", place="--share", allowed="above 0, at most 1")
    if stock is not None:
        chip, _, text = stock.partition("=")
        if not text.isdigit() or int(text) < 1:
            raise InputError(f"{stock!r} is no stock", place="--stock", allowed="CHIP=COUNT")
        found = carried(
            model,
            chip,
            int(text),
            workload,
            slo_ttft_s=slo_ttft_ms / 1e3,
            slo_tpot_s=slo_tpot_ms / 1e3,
            share=share,
            engine=engine,
            catalogue=catalogue,
        )
        if tokens_per_user_day is not None:
            found["users"] = found["tokens_per_day"] / tokens_per_user_day
        if as_json:
            print_json(found)
        else:
            print_table([[name, f"{value:,.6g}"] for name, value in found.items()], ["", "value"], right=(1,))
        return
    progress = Progress(enabled=not as_json)
    sizing = size_fleet(
        model,
        workload,
        [name.strip() for name in chips.split(",") if name.strip()],
        slo_ttft_s=slo_ttft_ms / 1e3,
        slo_tpot_s=slo_tpot_ms / 1e3,
        share=share,
        spares=spares,
        seed=seed,
        engine=engine,
        catalogue=catalogue,
        on_progress=progress,
    )
    progress.close()
    if as_json:
        print_json(sizing.to_dict())
    else:
        _show_sizing(sizing)


def _show_sizing(sizing: Sizing) -> None:
    def row(name: str, fleet: SizedFleet) -> list[str]:
        usd = fleet.cost.usd_per_hour
        return [
            name,
            " + ".join(f"{count} x {chip}" for chip, count in fleet.chips.items()),
            " + ".join(str(count) for count in fleet.replicas.values()),
            " + ".join(str(count) for count in fleet.closed_form.values()),
            f"{fleet.confirmed_share:.0%}",
            f"{fleet.good_share:.2%}",
            f"{fleet.utilisation:.0%}",
            "-" if usd is None else f"{usd:,.0f}",
        ]

    wanted = sizing.target
    target = f"{wanted.share:.0%} within TTFT {wanted.ttft_s * 1e3:g} ms and TPOT {wanted.tpot_s * 1e3:g} ms"
    rows = [row(chip, fleet) for chip, fleet in sizing.per_chip.items()]
    if sizing.mixed is not None:
        rows.append(row("best mix", sizing.mixed))
    print_table(
        rows,
        ["", "chips", "replicas", "closed form", "runs that meet it", "requests within", "busy", "USD/h"],
        right=(2, 3, 4, 5, 6, 7),
        title=f"{sizing.model_id}, {sizing.trace_name}: {sizing.peak_rate_per_s:,.2f} requests/s at peak, {target}",
    )
    for chip, reason in sizing.why_not.items():
        typer.echo(f"{chip}: no, {reason}")
    for source in sorted({entry for fleet in sizing.per_chip.values() for entry in fleet.cost.sources}):
        typer.echo(f"price: {source}")
    for note in sorted({fleet.cost.note for fleet in sizing.per_chip.values() if fleet.cost.note}):
        typer.echo(f"note: {note}")
    if sizing.mixed is None and len(sizing.per_chip) > 1:
        typer.echo("note: no mix of two chips is cheaper than the cheapest fleet of one")
