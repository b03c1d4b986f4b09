"""`chipwise serve simulate`: a trace through a simulated engine or fleet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chipwise.cli.catalogue_tables import CATALOG, catalogue_with
from chipwise.cli.output import print_json, print_table
from chipwise.cli.serve_fleet import Engine, fleet_of, operation_of
from chipwise.cli.serve_options import (
    CHARACTERS,
    COLUMN,
    COPIES,
    ENGINE,
    JSON,
    KEEP_STAMPS,
    MODEL,
    RATE,
    REQUESTS,
    SCALE,
    SEED,
    TIME_UNIT,
    TRACE,
    WEIGHTS,
    workload_of,
)
from chipwise.core.errors import InputError

if TYPE_CHECKING:
    from chipwise.serving.result import SimulationResult


def simulate_command(
    model: str = MODEL,
    chip: str | None = typer.Option(None, "--chip", help="Chip, any spelling of `chipwise chips list`."),
    trace: str = TRACE,
    fleet: str | None = typer.Option(
        None, "--fleet", help="Replicas of several chips: CHIP[:CHIPS]=REPLICAS, such as h20-96:2=3,l40s=4."
    ),
    chips: int | None = typer.Option(None, "--chips", help="Chips in all; several of --tp make replicas."),
    tp: int | None = typer.Option(None, "--tp", help="Chips that hold one copy (default: --chips, else the fewest)."),
    replicas: int | None = typer.Option(None, "--replicas", help="Copies of the model."),
    engine: str = ENGINE,
    weight_precision: str = WEIGHTS,
    kv_precision: str = typer.Option("auto", "--kv-precision", help="Cache: auto, bf16, fp16, fp8 or int8."),
    router: str = typer.Option("round robin", "--router", help="round robin, least load, prefix, length split or slo."),
    long_replicas: int = typer.Option(
        0, "--long-replicas", help="Router length split: so many, the last, take long ones."
    ),
    long_tokens: int | None = typer.Option(None, "--long-tokens", help="Tokens in and out above which one is long."),
    prefill_replicas: int = typer.Option(0, "--prefill-replicas", help="So many, the first, only read prompts."),
    link_gb_per_s: float = typer.Option(25.0, "--link-gb-per-s", help="Way of the cache out of a prefill replica."),
    max_batch: int | None = typer.Option(None, "--max-batch", help="Requests running at once in a replica."),
    token_budget: int | None = typer.Option(None, "--token-budget", help="Tokens of one step."),
    chunk_tokens: int | None = typer.Option(None, "--chunk-tokens", help="Most prompt tokens of a request in a step."),
    kv_tokens: int | None = typer.Option(None, "--kv-tokens", help="Tokens of cache in a replica."),
    preemption: str | None = typer.Option(None, "--preemption", help="recompute or swap."),
    swap_gb_per_s: float | None = typer.Option(None, "--swap-gb-per-s", help="Speed of the link to the host, to swap."),
    no_prefix_cache: bool = typer.Option(False, "--no-prefix-cache", help="Keep nothing of ended requests."),
    priorities: bool = typer.Option(False, "--priorities", help="Lower numbers of the trace's priority go first."),
    draft_tokens: int | None = typer.Option(None, "--draft-tokens", help="Speculative decoding: drafts a step."),
    acceptance: float | None = typer.Option(None, "--acceptance", help="Chance that a draft is accepted."),
    draft_ms: float | None = typer.Option(None, "--draft-ms", help="Time to draft, ms a step."),
    timeout_s: float | None = typer.Option(None, "--timeout-s", help="Drop a request not finished by then."),
    patience_s: float | None = typer.Option(
        None, "--patience-s", help="Clients leave after an exponential time, mean."
    ),
    outage: list[str] = typer.Option([], "--outage", help="REPLICA:START_S:END_S away; repeatable."),
    failures: str | None = typer.Option(
        None, "--failures", help="HOURS_BETWEEN:HOURS_TO_REPAIR of one replica, drawn."
    ),
    maintenance: str | None = typer.Option(
        None, "--maintenance", help="EVERY_HOURS:HOURS each replica is away, in turn."
    ),
    autoscale: str | None = typer.Option(None, "--autoscale", help="FEWEST:LOAD_UP:LOAD_DOWN:STARTUP_S[:TICK_S]."),
    scale: float = SCALE,
    copies: float | None = COPIES,
    seed: int = SEED,
    requests: int = REQUESTS,
    rate: float | None = RATE,
    column: list[str] = COLUMN,
    time_unit: str | None = TIME_UNIT,
    characters: float | None = CHARACTERS,
    keep_stamps: bool = KEEP_STAMPS,
    slo_ttft_ms: float | None = typer.Option(None, "--slo-ttft-ms", help="Wanted time to the first token, ms."),
    slo_tpot_ms: float | None = typer.Option(None, "--slo-tpot-ms", help="Wanted time per output token, ms."),
    threads: int = typer.Option(1, "--threads", min=1, help="Replicas run on so many threads, under round robin."),
    runs: int = typer.Option(0, "--runs", help="Fresh draws of the load, for a 90 % range of each percentile."),
    out: Path | None = typer.Option(None, "--out", help="Folder for one row per request (Parquet), JSON and picture."),
    as_json: bool = JSON,
    catalog: list[Path] = CATALOG,
) -> None:
    """Run a trace through a simulated engine or fleet: latencies, goodput, queue and use."""
    from chipwise.serving import simulate
    from chipwise.serving.disaggregated import simulate_disaggregated
    from chipwise.serving.fleet_cost import fleet_cost
    from chipwise.serving.generate import patient
    from chipwise.serving.repeats import intervals

    catalogue = catalogue_with(catalog)
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
    if patience_s is not None:
        workload = patient(workload, patience_s, seed=seed)
    options = Engine(
        name=engine,
        weight_precision=weight_precision,
        kv_precision=kv_precision,
        max_batch=max_batch,
        token_budget=token_budget,
        chunk_tokens=chunk_tokens,
        kv_tokens=kv_tokens,
        preemption=preemption,
        swap_gb_per_s=swap_gb_per_s,
        no_prefix_cache=no_prefix_cache,
        priorities=priorities,
        draft_tokens=draft_tokens,
        acceptance=acceptance,
        draft_ms=draft_ms,
        timeout_s=timeout_s,
    )
    parts = fleet_of(
        fleet, model, options, workload.prefix_tokens, catalogue, chip=chip, chips=chips, tp=tp, replicas=replicas
    )
    operation = operation_of(
        len(parts),
        workload.duration_s,
        outage=outage,
        failures=failures,
        maintenance=maintenance,
        autoscale=autoscale,
        long_replicas=long_replicas,
        long_tokens=long_tokens,
        wanted_ttft_s=None if slo_ttft_ms is None else slo_ttft_ms / 1e3,
        seed=seed,
    )

    def run(load: Any, run_seed: int, bins: int = 0) -> SimulationResult:
        if prefill_replicas:
            return simulate_disaggregated(
                load, parts, prefill_replicas, link_bytes_per_s=link_gb_per_s * 1e9, router=router, seed=run_seed
            )
        return simulate(load, parts, router=router, operation=operation, seed=run_seed, bins=bins, threads=threads)

    if prefill_replicas and (operation.changes or long_replicas):
        raise InputError(
            "goes with no outage, no autoscaling and no split by length", place="--prefill-replicas", allowed="either"
        )
    found = run(workload, seed, 120)
    counts: dict[str, int] = {}
    for cost, _ in parts:
        counts[cost.chip_id] = counts.get(cost.chip_id, 0) + cost.chips
    answer = {
        "model": parts[0][0].model_id,
        "chip": ", ".join(counts),
        "chips": sum(counts.values()),
        "fleet": counts,
        "engine": engine,
        "router": router,
        "trace": workload.name,
        "trace_source": workload.source,
        "notes": list(workload.notes),
        "evidence": "; ".join(dict.fromkeys(cost.evidence for cost, _ in parts)),
        "kv_tokens": parts[0][1].kv_tokens,
        **found.to_dict(
            slo_ttft_s=None if slo_ttft_ms is None else slo_ttft_ms / 1e3,
            slo_tpot_s=None if slo_tpot_ms is None else slo_tpot_ms / 1e3,
        ),
        "cost": _cost(found, fleet_cost(counts, catalogue), counts),
        "facts": sorted({fact for cost, _ in parts for fact in cost.facts}),
    }
    if runs > 0:
        answer["intervals90"] = intervals(workload, run, runs=runs, seed=seed)
    if out is not None:
        _write(out, found, answer)
    if as_json:
        print_json(answer)
    else:
        _show(answer, out)


def _cost(found: SimulationResult, price: Any, counts: dict[str, int]) -> dict[str, Any]:
    """USD of the chip-hours the replicas were on, and per million output tokens, where every chip has a price."""
    on_hours = sum(row["on_s"] * row["chips"] for row in found.replicas) / 3600.0
    each = None if price.usd_per_hour is None or len(counts) > 1 else price.usd_per_hour / sum(counts.values())
    usd = None
    if each is not None:
        usd = each * on_hours
    elif price.usd_per_hour is not None:
        usd = price.usd_per_hour * found.makespan_s / 3600.0
    tokens = float(found.generated.sum(dtype="int64"))
    return {
        **price.to_dict(),
        "chip_hours": on_hours,
        "usd": usd,
        "usd_per_million_output_tokens": usd / tokens * 1e6 if usd is not None and tokens else None,
    }


def _write(out: Path, found: SimulationResult, answer: dict[str, Any]) -> None:
    import pyarrow.parquet as parquet

    from chipwise.core.json_text import dumps
    from chipwise.report.serving_pictures import simulation_svg

    out.mkdir(parents=True, exist_ok=True)
    fresh = out / "requests.new"
    parquet.write_table(found.to_arrow(), fresh)
    fresh.replace(out / "requests.parquet")  # whole or not at all
    (out / "simulation.json").write_text(dumps(answer), encoding="utf-8")
    title = f"{answer['model']} on {_fleet_text(answer)}, {answer['trace']}"
    (out / "simulation.svg").write_text(simulation_svg(found, title), encoding="utf-8")


def _show(answer: dict[str, Any], out: Path | None) -> None:
    title = (
        f"{answer['model']} on {_fleet_text(answer)}, {answer['engine']}, "
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
    good, cost = answer["goodput"], answer["cost"]
    typer.echo(
        f"done {answer['done']:,}, cancelled {answer['cancelled']:,}, rejected {answer['rejected']:,}; "
        f"{answer['output_tokens_per_s'] or 0:,.0f} output tokens/s; busy {answer['utilisation']:.0%} of the time"
    )
    if good["slo_ttft_s"] is not None or good["slo_tpot_s"] is not None:
        typer.echo(f"within the targets: {good['share']:.1%}, {good['requests_per_s']:,.2f} requests/s")
    for row, same in _kinds(answer["replicas"]):
        typer.echo(
            f"{same} replica(s) of {row['chips']} x {row['chip']}{row['pool']}: {row['mean_batch']:,.1f} requests at "
            f"once, {row['mean_waiting']:,.1f} waiting, cache {row['mean_kv_share']:.0%} full, "
            f"busy {row['busy_share']:.0%}"
        )
    paid = "no price for every chip" if cost["usd"] is None else f"USD {cost['usd']:,.2f}"
    if cost["usd_per_million_output_tokens"] is not None:
        paid += f", {cost['usd_per_million_output_tokens']:,.2f} per million output tokens"
    energy = "" if answer["energy_j"] is None else f"; energy at most {answer['energy_j'] / 3.6e6:,.1f} kWh of boards"
    typer.echo(f"{answer['preemptions']:,} preemptions; {cost['chip_hours']:,.2f} chip-hours, {paid}{energy}")
    for source in cost["sources"]:
        typer.echo(f"price: {source}")
    for note in answer["notes"]:
        typer.echo(f"note: {note}")
    if answer["rejected"]:
        typer.echo(f"note: a rejected request needs more than the {answer['kv_tokens']:,} tokens of cache of a replica")
    typer.echo(f"evidence: {answer['evidence']}; simulated in {answer['seconds']:.3f} s, {answer['steps']:,} steps")
    if out is not None:
        names = ("requests.parquet", "simulation.json", "simulation.svg")
        typer.echo(f"written: {', '.join(str(out / name) for name in names)}")


def _fleet_text(answer: dict[str, Any]) -> str:
    return " + ".join(f"{count} x {chip}" for chip, count in answer["fleet"].items())


def _kinds(rows: list[dict[str, Any]]) -> list[tuple[dict[str, Any], int]]:
    """Replicas of one chip, group and pool as one row of means, with their number."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["chip"], row["chips"], row.get("pool", "")), []).append(row)
    out = []
    for (chip, chips, pool), same in groups.items():
        means = {
            key: sum(row[key] for row in same) / len(same)
            for key in ("mean_batch", "mean_waiting", "mean_kv_share", "busy_share")
        }
        out.append(({"chip": chip, "chips": chips, "pool": f", {pool}" if pool else "", **means}, len(same)))
    return out
