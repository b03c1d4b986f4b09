"""`chipwise perf power`: what a board and its server draw at a load."""

from __future__ import annotations

from pathlib import Path

import typer

from chipwise.cli.catalogue_tables import CATALOG, catalogue_with
from chipwise.cli.output import print_json, print_table
from chipwise.core.errors import InputError


def power_command(
    chip: str | None = typer.Option(None, "--chip", help="Chip."),
    system: str | None = typer.Option(None, "--system", help="Server of the catalogue, in place of --chip."),
    compute: str = typer.Option("0.5", "--compute", help="Share of the dense peak in use, 0 to 1; several: 0.2,0.5."),
    memory: float = typer.Option(0.5, "--memory", help="Share of the memory bandwidth in use, 0 to 1."),
    precision: str = typer.Option("16-bit", "--precision", help="16-bit, 8-bit or 4-bit."),
    as_json: bool = typer.Option(False, "--json", help="JSON for machines, SI units."),
    catalog: list[Path] = CATALOG,
) -> None:
    """Draw of a board, and of its server where --system names one, with 90 % interval and evidence."""
    from chipwise.cli.perf import numbers
    from chipwise.perf.power import board_power, node_power

    catalogue = catalogue_with(catalog)
    if (chip is None) == (system is None):
        raise InputError("one of --chip and --system is needed", place="--chip", allowed="--chip or --system")
    server = None if system is None else catalogue.system(system)
    item = catalogue.chip(str(chip) if server is None else server.chip_id)
    points: list[dict[str, float | str]] = []
    for share in numbers(compute, "--compute"):
        board = board_power(item, share, memory, precision=precision)
        point: dict[str, float | str] = {
            "compute": share,
            "memory": memory,
            "power_w": float(board.power_w),
            "low_w": float(board.low_w),
            "high_w": float(board.high_w),
            "evidence": board.evidence,
        }
        if server is not None:
            node = node_power(item, server, board)
            point |= {"node_w": node.value, "node_low_w": node.low, "node_high_w": node.high, "method": node.method}
        points.append(point)
    if as_json:
        print_json(
            {"chip": item.id, "system": None if server is None else server.id, "precision": precision, "points": points}
        )
        return
    typer.echo(f"{item.id}{'' if server is None else f' in {server.id}'}, {precision}, limit {item.tdp_w:,.0f} W")
    headers = ["compute", "memory", "board W", "90 % interval"]
    headers += ["server W", "90 % interval"] if server is not None else []
    rows = [
        [
            f"{float(point['compute']):.2f}",
            f"{memory:.2f}",
            f"{float(point['power_w']):,.0f}",
            f"{float(point['low_w']):,.0f} – {float(point['high_w']):,.0f}",
            *(
                [
                    f"{float(point['node_w']):,.0f}",
                    f"{float(point['node_low_w']):,.0f} – {float(point['node_high_w']):,.0f}",
                ]
                if server is not None
                else []
            ),
            str(point["evidence"]),
        ]
        for point in points
    ]
    print_table(rows, [*headers, "evidence"], right=tuple(range(len(headers))))
    if server is not None:
        typer.echo(f"Server: {points[0]['method']}.")
