"""`chipwise serve size`: the least fleet for a load, or what a stock carries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from chipwise.cli.catalogue_tables import CATALOG, catalogue_with
from chipwise.cli.output import Progress, print_json, print_table
from chipwise.cli.serve_options import (
    COLUMN,
    COPIES,
    ENGINE,
    JSON,
    MODEL,
    RATE,
    REQUESTS,
    SCALE,
    SEED,
    TIME_UNIT,
    TRACE,
    WEIGHTS,
    numbers_by_chip,
    workload_of,
)
from chipwise.core.errors import InputError

if TYPE_CHECKING:
    from chipwise.serving.sized import SizedFleet, Sizing
    from chipwise.serving.stock import Range, StockLoad


def size_command(
    model: str = MODEL,
    chips: str | None = typer.Option(None, "--chips", help="Chips to choose among, separated by commas."),
    trace: str = TRACE,
    slo_ttft_ms: float = typer.Option(..., "--slo-ttft-ms", help="Wanted time to the first token, ms."),
    slo_tpot_ms: float = typer.Option(..., "--slo-tpot-ms", help="Wanted time per output token, ms."),
    share: float = typer.Option(0.99, "--share", help="Share of requests that must be within both."),
    spares: int = typer.Option(0, "--spares", help="Replicas beyond those needed: any so many may fail."),
    limit: list[str] = typer.Option([], "--limit", help="CHIP=COUNT: there are no more of it; repeatable."),
    usd: list[str] = typer.Option([], "--usd-per-hour", help="CHIP=USD: your own price of a chip; repeatable."),
    stock: list[str] = typer.Option(
        [], "--stock", help="CHIP=COUNT or CHIP=LOW:VALUE:HIGH: what that stock carries instead; repeatable."
    ),
    tokens_per_user_day: str | None = typer.Option(
        None, "--tokens-per-user-day", help="With --stock: tokens of one user in a day, in and out; or LOW:VALUE:HIGH."
    ),
    scale: float = SCALE,
    copies: float | None = COPIES,
    seed: int = SEED,
    engine: str = ENGINE,
    weight_precision: str = WEIGHTS,
    requests: int = REQUESTS,
    rate: float | None = RATE,
    column: list[str] = COLUMN,
    time_unit: str | None = TIME_UNIT,
    as_json: bool = JSON,
    catalog: list[Path] = CATALOG,
) -> None:
    """Least fleet per chip, and the best mix, that carries a load within its targets; or what a stock carries."""
    workload = workload_of(
        trace, seed=seed, requests=requests, column=column, scale=scale, copies=copies, rate=rate, time_unit=time_unit
    )
    catalogue = catalogue_with(catalog)
    if not 0 < share <= 1:
        raise InputError(f"{share}", place="--share", allowed="above 0, at most 1")
    if spares < 0:
        raise InputError(f"{spares}", place="--spares", allowed="0 or more")
    if stock:
        from chipwise.serving.stock import Need, carried_by_stock

        found = carried_by_stock(
            {name: _range(text, f"--stock {name}") for name, text in _pairs(stock, "--stock").items()},
            [Need(name=model, model=model)],
            trace=workload,
            slo_ttft_s=slo_ttft_ms / 1e3,
            slo_tpot_s=slo_tpot_ms / 1e3,
            share=share,
            tokens_per_user_day=None
            if tokens_per_user_day is None
            else _range(tokens_per_user_day, "--tokens-per-user-day"),
            engine=engine,
            catalogue=catalogue,
            seed=seed,
        )
        if as_json:
            print_json(found.to_dict())
        else:
            show_stock(found)
        return
    if not chips:
        raise InputError("names no chip", place="--chips", allowed="h20-96,l20,…, or --stock CHIP=COUNT")
    from chipwise.serving import size_fleet

    progress = Progress(enabled=not as_json)
    sizing = size_fleet(
        model,
        workload,
        [name.strip() for name in chips.split(",") if name.strip()],
        slo_ttft_s=slo_ttft_ms / 1e3,
        slo_tpot_s=slo_tpot_ms / 1e3,
        share=share,
        spares=spares,
        limits={name: int(value) for name, value in numbers_by_chip(limit, "--limit").items()},
        usd_per_chip_hour=numbers_by_chip(usd, "--usd-per-hour"),
        seed=seed,
        engine=engine,
        weight_precision=weight_precision,
        catalogue=catalogue,
        on_progress=progress,
    )
    progress.close()
    if as_json:
        print_json(sizing.to_dict())
    else:
        _show_sizing(sizing)


def _pairs(entries: list[str], place: str) -> dict[str, str]:
    pairs = [part.strip().partition("=") for entry in entries for part in entry.split(",") if part.strip()]
    if any(not name or not text for name, _, text in pairs):
        raise InputError(f"{', '.join(entries)}", place=place, allowed="CHIP=COUNT")
    return {name: text for name, _, text in pairs}


def _range(text: str, place: str) -> Range:
    """A number, or LOW:VALUE:HIGH, as (value, low, high)."""
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers = numbers * 3
    if len(numbers) != 3 or not 0 < numbers[0] <= numbers[1] <= numbers[2] < float("inf"):
        raise InputError(f"{text!r}", place=place, allowed="a number, or LOW:VALUE:HIGH in that order")
    low, value, high = numbers
    return value, low, high


def show_stock(found: StockLoad) -> None:
    """A stock's load as a table and three lines."""
    rows = []
    for row in found.chips:
        each = row["tokens_per_s_per_chip"]
        spread = "-" if each is None else f"{each['low']:,.0f} to {each['high']:,.0f}"
        rows.append(
            [
                row["chip"],
                f"{row['count']:,.0f}",
                row["need"],
                row["model"],
                "-" if each is None else f"{each['value']:,.0f}",
                spread,
                row["weight_precision"],
                row["evidence"] or f"no: {row['why_not']}",
            ]
        )
    print_table(
        rows,
        ["chip", "held", "serves", "as", "tokens/s a chip", "90 %", "weights", "evidence"],
        right=(1, 4, 5),
        title=f"within the targets at the peak, lengths and bursts of {found.trace_name}",
    )
    for label, spread_of, scale, unit in (
        ("tokens a day", found.tokens_per_day, 1e9, "billion"),
        ("requests/s at the peak", found.peak_requests_per_s, 1.0, ""),
        ("daily users", found.users, 1e6, "million"),
    ):
        if spread_of is not None:
            value, low, high = (figure / scale for figure in spread_of)
            typer.echo(f"{label}: {value:,.4g} {unit} ({low:,.4g} to {high:,.4g})".replace("  ", " "))
    if found.users is None:
        typer.echo("users: say with --tokens-per-user-day what one takes")


def _show_sizing(sizing: Sizing) -> None:
    def row(name: str, fleet: SizedFleet) -> list[str]:
        usd = fleet.cost.usd_per_hour
        return [
            name,
            " + ".join(f"{count} x {chip}" for chip, count in fleet.chips.items()),
            " + ".join(str(count) for count in fleet.replicas.values()),
            " + ".join(str(count) for count in fleet.closed_form.values()),
            f"{fleet.confirmed_share:.0%} of {fleet.confirming_runs}",
            f"{fleet.good_share:.2%}",
            f"{fleet.utilisation:.0%}",
            "-" if usd is None else f"{usd:,.2f}",
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
    fleets = [*sizing.per_chip.values(), *([sizing.mixed] if sizing.mixed else [])]
    for chip, reason in sizing.why_not.items():
        typer.echo(f"{chip}: no, {reason}")
    for chip, layout in {chip: row for fleet in fleets for chip, row in fleet.layout.items()}.items():
        typer.echo(
            f"replica of {chip}: {layout['chips_per_replica']} chip(s), {layout['max_batch']} requests at once, "
            f"{layout['token_budget']} tokens a step, {layout['requests_per_s_per_replica']:.3g} requests/s; "
            f"{layout['weight_precision']} weights; {layout['evidence']}"
        )
    for source in sorted({entry for fleet in fleets for entry in fleet.cost.sources}):
        typer.echo(f"price: {source}")
    for note in sorted({fleet.cost.note for fleet in fleets if fleet.cost.note}):
        typer.echo(f"note: {note}")
    if sizing.mixed is None and len(sizing.per_chip) > 1:
        typer.echo("note: no mix of these chips is cheaper than the cheapest fleet of one")
