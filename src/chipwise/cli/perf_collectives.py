"""`chipwise perf collectives`: what a collective costs on a machine."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from chipwise.cli.catalogue_tables import CATALOG, catalogue_with
from chipwise.cli.output import print_json, print_table
from chipwise.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chipwise.catalogue.catalogue import Catalogue
    from chipwise.perf.calibration import Factor
    from chipwise.perf.collectives import CollectiveTime


def collectives_command(
    chip: str | None = typer.Option(None, "--chip", help="Chip, in its usual server."),
    system: str | None = typer.Option(None, "--system", help="System of the catalogue, in place of --chip."),
    chips: int = typer.Option(8, "--chips", help="Chips of --chip or --system."),
    beside: list[str] = typer.Option(
        [], "--with", help="More chips of another type in the same job, NAME:CHIPS (a chip or a system); repeatable."
    ),
    op: str = typer.Option("all-reduce", "--op", help="all-reduce, all-gather, reduce-scatter, all-to-all, send-recv."),
    size: str = typer.Option("1e6,1e8", "--bytes", help="Message, bytes: 1e6, several, or 1024..1e9 (doubling)."),
    group: int | None = typer.Option(None, "--group", help="Chips of the group; all if not given."),
    per_domain: int | None = typer.Option(None, "--per-domain", help="Members of the group in one domain."),
    oversubscription: float = typer.Option(1.0, "--oversubscription", help="Of the network, 1 or more."),
    pod_chips: int | None = typer.Option(None, "--pod-chips", help="Chips under one set of rail switches."),
    shape: str | None = typer.Option(
        None, "--shape", help="Of the scale-up domain: switch, full mesh, ring, 2D torus, 3D torus."
    ),
    domain_chips: int | None = typer.Option(None, "--domain-chips", help="Chips of the scale-up domain."),
    node_chips: int | None = typer.Option(None, "--node-chips", help="Chips of the server."),
    fabric: float | None = typer.Option(None, "--fabric", help="Scale-up, one chip, one direction, byte/s."),
    scaleout: float | None = typer.Option(None, "--scaleout", help="Network, one chip, one direction, byte/s."),
    library: str = typer.Option("nccl", "--library", help="nccl, engine or engine-median."),
    payload: str = typer.Option("16-bit", "--payload", help="16-bit or 8-bit elements."),
    overlapped: float | None = typer.Option(
        None, "--overlapped", help="Share of the arithmetic that runs beside collectives: how much it slows."
    ),
    calibration: Path | None = typer.Option(None, "--calibration", help="Own timings (calibration.yaml)."),
    as_json: bool = typer.Option(False, "--json", help="JSON for machines, SI units."),
    catalog: list[Path] = CATALOG,
) -> None:
    """Time of a collective at every message size, with 90 % interval, bus bandwidth and evidence."""
    from chipwise.cli.perf import numbers
    from chipwise.perf.calibration import calibrated_collective
    from chipwise.perf.collectives import collective, compute_slowdown
    from chipwise.perf.topology import machine, mixed_machine

    catalogue = catalogue_with(catalog)
    if (chip is None) == (system is None):
        raise InputError("one of --chip and --system is needed", place="--chip", allowed="--chip or --system")
    item = catalogue.chip(chip) if chip is not None else catalogue.system(str(system))
    first = machine(
        item,
        chips=chips,
        catalogue=catalogue,
        oversubscription=oversubscription,
        pod_chips=pod_chips,
        shape=shape,
        domain_chips=domain_chips,
        node_chips=node_chips,
        fabric_bytes_per_s=fabric,
        scaleout_bytes_per_s=scaleout,
    )
    others = [machine(name, chips=count, catalogue=catalogue) for name, count in map(_part, beside)]
    whole = mixed_machine([first, *others]) if others else first
    members = whole.chips if group is None else group
    name = op.replace("-", "_")
    found = [
        collective(name, whole, message, members, per_domain=per_domain, library=library, payload=payload)
        for message in numbers(size, "--bytes")
    ]
    factor = None if calibration is None else _own_factor(calibration, catalogue, first.chip_id, name, found)
    points = [
        _point(message, calibrated_collective(one, factor))
        for message, one in zip(numbers(size, "--bytes"), found, strict=True)
    ]
    slowdown = None if overlapped is None else compute_slowdown(overlapped)
    parts = " and ".join([item.id, *(part.system_id or part.chip_id for part in others)])
    if as_json:
        print_json(
            {
                "machine": parts,
                "chips": whole.chips,
                "group": members,
                "operator": op,
                "points": points,
                "compute_slowdown": None if slowdown is None else dict(zip(ENDS, slowdown, strict=True)),
                "own_timings": None if factor is None else {"factor": factor.value, "cases": factor.cases},
                "blanks": list(whole.blanks),
            }
        )
        return
    _print(op, parts, whole.chips, members, points)
    if slowdown is not None:
        value, low, high = slowdown
        typer.echo(f"Arithmetic beside it takes {value:.2f} ({low:.2f} – {high:.2f}) times as long.")
    if factor is not None:
        typer.echo(f"Times {factor.value:.3f} from {factor.cases} own timing(s).")
    for blank in whole.blanks:
        typer.echo(f"Not known or simplified: {blank}.")


ENDS = ("value", "low", "high")


def _part(text: str) -> tuple[str, int]:
    name, colon, count = text.rpartition(":")
    if not colon or not name or not count.isdigit() or int(count) < 1:
        raise InputError(f"{text!r} is no part of a machine", place="--with", allowed="NAME:CHIPS, such as h20-96:8")
    return name, int(count)


def _point(message: float, found: CollectiveTime) -> dict[str, float | str]:
    from chipwise.perf.collectives import Rung

    rung = Rung(int(found.evidence))
    at_other_size = ", at another group size" if rung is Rung.FABRIC else ""
    return {
        "bytes": message,
        "time_s": float(found.time_s),
        "low_s": float(found.low_s),
        "high_s": float(found.high_s),
        "bus_bytes_per_s": float(found.bus_bytes_per_s),
        "evidence": f"{rung.words}{at_other_size}",
    }


def _own_factor(
    path: Path, catalogue: Catalogue, chip_id: str, name: str, found: Sequence[CollectiveTime]
) -> Factor | None:
    """Factor of own timings of that collective on that chip; believed before as widely as the widest interval."""
    from chipwise.perf.calibration import Profile, calibrate, predict_collective
    from chipwise.perf.calibration_file import read_calibration

    known = [one for one in read_calibration(path, catalogue) if (one.chip_id, one.operator) == (chip_id, name)]
    widest = max(
        (math.sqrt(float(one.high_s) / float(one.low_s)) for one in found if float(one.low_s) > 0), default=2.0
    )
    prior = Profile(predict=lambda one: predict_collective(one, catalogue), prior_factor={"": widest})
    return calibrate(known, prior).of(chip_id, name)


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
