"""From a catalogue chip and its usual server to the device of a step."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import re

from chipwise.catalogue.catalogue import Catalogue
from chipwise.catalogue.objects import Chip
from chipwise.core.errors import Undetermined
from chipwise.perf.peaks import family_key, sixteen_bit_precision
from chipwise.perf.topology.build import PCIE_BYTES_PER_S_PER_LANE
from chipwise.perf.train.links import gather_shares
from chipwise.perf.train.objects import Device
from chipwise.perf.train.operators import kernel_reach
from chipwise.perf.train.terms import Terms

COMPILED_VENDORS = ("Google", "AWS", "Intel")
"""Chips programmed through a compiler that turns the whole step into one program."""

PIECES_VENDORS, PIECES = ("Google", "AWS"), ("Hopper", "Blackwell")
"""Compilers, and architectures, whose usual stack overlaps tensor traffic piece by piece."""

USUAL_NETWORK_BYTES_PER_S = 12.5e9
"""100 Gbit/s a chip, where neither chip nor server says; evidence is then the data sheet at best."""

REFERENCE_WATTS_PER_TFLOP = 0.7
"""H100 SXM: 700 W over 989 TFLOP/s."""


def device_of(
    chip: Chip,
    catalogue: Catalogue,
    precision: str,
    terms: Terms,
    *,
    network_bytes_per_s: float | None = None,
    domain: float | None = None,
) -> Device:
    """Data sheet of a chip as the step reads it.

    Parameters
    ----------
    precision : str
        As `chipwise.perf.peaks.training_precision` returns it.
    network_bytes_per_s, domain : float, optional
        Instead of those of the usual server.

    Raises
    ------
    Undetermined
        Memory or its bandwidth is not published.
    """
    if not chip.mem_bytes_per_s or not chip.mem_bytes:
        raise Undetermined(f"{chip.id} has no published memory or bandwidth", place=f"chips/{chip.id}")
    server = catalogue.server_of(chip.id)
    sixteen = chip.rates[sixteen_bit_precision(chip)]
    bus = PCIE_BYTES_PER_S_PER_LANE.get(int(chip.pcie_gen or 4), 1.969e9) * (chip.pcie_lanes or 16)
    link = chip.link_bytes_per_s_per_dir or (server.fabric_bytes_per_s_per_dir if server else None) or 0.0
    joined = float(chip.scaleup_domain or (server.chips if server else 1) or 1)
    if link <= 0.0:
        link, joined = bus, float(server.chips if server else 8)
    network = network_bytes_per_s or (server.scaleout_bytes_per_s_per_chip if server else None)
    watts = chip.tdp_w / (sixteen / 1e12) / REFERENCE_WATTS_PER_TFLOP if chip.tdp_w else 1.0
    return Device(
        peak=chip.rates[precision],
        peak16=sixteen,
        bytes_per_s=chip.mem_bytes_per_s,
        mem_bytes=chip.mem_bytes,
        link_bytes_per_s=link,
        network_bytes_per_s=network or USUAL_NETWORK_BYTES_PER_S,
        host_bytes_per_s=bus,
        domain=domain or joined,
        **gather_shares(chip, catalogue, int(domain or joined), link),
        watts_per_tflop=watts,
        kernel=kernel_reach(chip, precision)[0],
        kernel16=kernel_reach(chip, sixteen_bit_precision(chip))[0],
        reach=terms.reach(family_of(chip), chip.id),
        compiled=1.0 if chip.vendor in COMPILED_VENDORS else 0.0,
        pieces=1.0 if chip.vendor in PIECES_VENDORS or chip.architecture.startswith(PIECES) else 0.0,
    )


def split_device(device: Device, share: float) -> Device:
    """A part of a package that a layout counts as a device of its own (a die, a core)."""
    if share == 1.0:
        return device
    changed = {
        name: getattr(device, name) * share
        for name in (
            "peak",
            "peak16",
            "bytes_per_s",
            "mem_bytes",
            "link_bytes_per_s",
            "network_bytes_per_s",
            "host_bytes_per_s",
        )
    }
    return dataclasses.replace(device, **changed, domain=device.domain / share)


def family_of(chip: Chip) -> str:
    """Family whose compute reach is fitted together: the vendor, NVIDIA by kind of memory."""
    key = family_key(chip)
    return f"NVIDIA/{key.rsplit('/', 1)[-1]}" if chip.vendor == "NVIDIA" else chip.vendor


def day_of(text: str) -> dt.date | None:
    """First date a text names: ``2024-09``, ``2025-H2``, ``2022-Q3 (production)``, ``2023-2024`` (the later)."""
    found = re.match(r"(\d{4})(?:-(\d{4})(?!\d)|-(H|Q)(\d)|-(\d{1,2}))?", text.strip())
    if not found:
        return None
    year, month = int(found.group(1)), 7
    if found.group(2):
        return dt.date(int(found.group(2)), 1, 1)
    if found.group(3):
        month = (int(found.group(4)) - 1) * (6 if found.group(3) == "H" else 3) + 2
    elif found.group(5):
        month = int(found.group(5))
    return dt.date(year, min(max(month, 1), 12), 1)


@functools.lru_cache(maxsize=256)
def _architecture_day(catalogue: Catalogue, vendor: str, architecture: str) -> dt.date | None:
    days = [
        day
        for chip in catalogue.chips.values()
        if chip.vendor == vendor and chip.architecture == architecture and (day := day_of(chip.released or ""))
    ]
    return min(days, default=None)


def age_years(chip: Chip, catalogue: Catalogue, on: dt.date | None) -> float:
    """Years from the first product of the architecture to the run; three where either date is not known."""
    name = chip.architecture
    if chip.vendor in ("Google", "Huawei") or not name:
        first = day_of(chip.released or "")
    else:
        first = _architecture_day(catalogue, chip.vendor, name)
    if on is None or first is None:
        return 3.0
    return max((on - first).days / 365.25, 0.0)
