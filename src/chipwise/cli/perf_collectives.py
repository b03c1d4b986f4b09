"""`chipwise perf collectives`: what a collective costs on a machine."""

from __future__ import annotations

from pathlib import Path

import typer

from chipwise.cli.catalogue_tables import CATALOG, catalogue_with
from chipwise.cli.output import print_json, print_table
from chipwise.core.errors import InputError


def collectives_command(
    chip: str | None = typer.Option(None, "--chip", help="Chip, in its usual server."),
    system: str | None = typer.Option(None, "--system", help="System of the catalogue, in place of --chip."),
    chips: int = typer.Option(8, "--chips", help="Chips of the whole machine."),
    op: str = typer.Option("all-reduce", "--op", help="all-reduce, all-gather, reduce-scatter, all-to-all, send-recv."),
    size: str = typer.Option("1e6,1e8", "--bytes", help="Message, bytes: 1e6, several, or 1024..1e9 (doubling)."),
    group: int | None = typer.Option(None, "--group", help="Chips of the group; all if not given."),
    per_domain: int | None = typer.Option(None, "--per-domain", help="Members of the group in one domain."),
    oversubscription: float = typer.Option(1.0, "--oversubscription", help="Of the network, 1 or more."),
    library: str = typer.Option("nccl", "--library", help="nccl, engine or engine-median."),
    as_json: bool = typer.Option(False, "--json", help="JSON for machines, SI units."),
    catalog: list[Path] = CATALOG,
) -> None:
    """Time of a collective at every message size, with 90 % interval, bus bandwidth and evidence."""
    from chipwise.cli.perf import numbers
    from chipwise.perf.collectives import Rung, collective
    from chipwise.perf.topology import machine

    catalogue = catalogue_with(catalog)
    if (chip is None) == (system is None):
        raise InputError("one of --chip and --system is needed", place="--chip", allowed="--chip or --system")
    item = catalogue.chip(chip) if chip is not None else catalogue.system(str(system))
    whole = machine(item, chips=chips, catalogue=catalogue, oversubscription=oversubscription)
    members = chips if group is None else group
    points: list[dict[str, float | str]] = []
    for message in numbers(size, "--bytes"):
        found = collective(op.replace("-", "_"), whole, message, members, per_domain=per_domain, library=library)
        rung = Rung(int(found.evidence))
        at_other_size = ", at another group size" if rung is Rung.FABRIC else ""
        points.append(
            {
                "bytes": message,
                "time_s": float(found.time_s),
                "low_s": float(found.low_s),
                "high_s": float(found.high_s),
                "bus_bytes_per_s": float(found.bus_bytes_per_s),
                "evidence": f"{rung.words}{at_other_size}",
            }
        )
    if as_json:
        print_json(
            {
                "machine": item.id,
                "chips": chips,
                "group": members,
                "operator": op,
                "points": points,
                "blanks": list(whole.blanks),
            }
        )
        return
    _print(op, item.id, chips, members, points)
    for blank in whole.blanks:
        typer.echo(f"Not known or simplified: {blank}.")


def _print(op: str, name: str, chips: int, members: int, points: list[dict[str, float | str]]) -> None:
    from chipwise.cli.perf import time_text

    typer.echo(f"{op} over {members} of {chips} chips of {name}")
    rows = [
        [
            f"{float(point['bytes']):,g}",
            time_text(float(point["time_s"])),
            f"{time_text(float(point['low_s']))} – {time_text(float(point['high_s']))}",
            f"{float(point['bus_bytes_per_s']) / 1e9:.1f}",
            str(point["evidence"]),
        ]
        for point in points
    ]
    print_table(rows, ["bytes", "time", "90 % interval", "bus GB/s", "evidence"], right=(0, 1, 2, 3))
