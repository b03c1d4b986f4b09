"""Build a machine from the catalogue, and say every blank."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from chipwise.catalogue.catalogue import Catalogue
from chipwise.catalogue.objects import Chip, System
from chipwise.core.errors import InputError
from chipwise.perf.tables import read_rows
from chipwise.perf.topology.objects import Machine, Tier

PCIE_BYTES_PER_S_PER_LANE = {3: 0.985e9, 4: 1.969e9, 5: 3.938e9, 6: 7.563e9}
"""One direction, after line coding (PCI-SIG base specifications)."""

LARGEST_HOST = 16
"""Chips of the largest server whose groups PCIe joins; a rack of more is joined by its network."""


@functools.cache
def _links() -> Mapping[str, Mapping[str, str]]:
    return {row["text"]: row for row in read_rows("collectives/links.csv")}


@functools.cache
def _layouts() -> Mapping[str, Mapping[str, str]]:
    return {row["text"]: row for row in read_rows("collectives/topologies.csv")}


@functools.cache
def _fabrics() -> Mapping[str, Mapping[str, str]]:
    return {row["fabric"]: row for row in read_rows("collectives/fabrics.csv")}


def machine(
    name: str | Chip | System,
    *,
    chips: int,
    catalogue: Catalogue,
    oversubscription: float = 1.0,
    pod_chips: int | None = None,
    fabric_bytes_per_s: float | None = None,
    shape: str | None = None,
    domain_chips: int | None = None,
    node_chips: int | None = None,
    scaleout_bytes_per_s: float | None = None,
) -> Machine:
    """The machine of `chips` chips of a system, or of a chip in its usual server.

    Parameters
    ----------
    name : str or Chip or System
        Id, alias or row.
    chips : int
        Accelerators in all.
    oversubscription : float
        Network bandwidth inside a pod over that between pods; 1 is a full fat tree. The catalogue cannot know it.
    pod_chips : int, optional
        Chips under one set of rail switches; None takes the network as one tier, wholly oversubscribed.
    fabric_bytes_per_s, scaleout_bytes_per_s : float, optional
        One chip, one direction, byte/s; instead of the catalogue's.
    shape, domain_chips, node_chips : optional
        Shape and size of the scale-up domain and size of the server, instead of the catalogue's.

    Raises
    ------
    UnknownName
        Neither a chip nor a system has that name.
    InputError
        Counts or factors out of range.

    Notes
    -----
    A blank is listed in `Machine.blanks` and becomes `Undetermined` only when a question needs the figure.
    """
    stated = _Stated(
        oversubscription=oversubscription,
        pod_chips=pod_chips,
        fabric_bytes_per_s=fabric_bytes_per_s,
        shape=shape,
        domain_chips=domain_chips,
        node_chips=node_chips,
        scaleout_bytes_per_s=scaleout_bytes_per_s,
    )
    item = catalogue.item(name) if isinstance(name, str) else name
    if isinstance(item, System):
        return _assembled(catalogue.chips[item.chip_id], item, chips, stated, [])
    server = _usual_server(item, catalogue)
    said = f"server: {server.id} taken as usual" if server else "server: none known for this chip"
    return _assembled(item, server, chips, stated, [said])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stated:
    """What the user states instead of the catalogue; None leaves it to the catalogue."""

    oversubscription: float
    pod_chips: int | None
    fabric_bytes_per_s: float | None
    shape: str | None
    domain_chips: int | None
    node_chips: int | None
    scaleout_bytes_per_s: float | None


def _assembled(chip: Chip, server: System | None, chips: int, stated: _Stated, blanks: list[str]) -> Machine:
    if chips < 1:
        raise InputError(f"{chips} chips", place="chips", allowed="1 or more")
    if not stated.oversubscription >= 1.0:
        raise InputError(f"{stated.oversubscription}", place="oversubscription", allowed="1 or more")
    domain = _domain(chip, server, chips, stated, blanks)
    node = stated.node_chips or (server.chips if server else domain.chips)
    tiers = [domain]
    if domain.chips < min(node, chips) and node <= LARGEST_HOST:
        tiers.append(_host(chip, node, blanks))
    outer = _network(server, chips, tiers[-1].chips, stated, blanks)
    rate = stated.scaleout_bytes_per_s or (server.scaleout_bytes_per_s_per_chip if server else None)
    place = f"systems/{server.id}" if server else f"chips/{chip.id}"
    return Machine(
        chip_id=chip.id,
        system_id=server.id if server else "",
        chips=chips,
        node_chips=node,
        tiers=(*tiers, *outer),
        oversubscription=stated.oversubscription,
        network_bytes_per_s=rate / stated.oversubscription if rate else None,
        blanks=tuple(blanks),
        facts=(f"{place}#fabric", f"{place}#topology", f"{place}#scaleout_bytes_per_s_per_chip"),
    )


def _usual_server(chip: Chip, catalogue: Catalogue) -> System | None:
    """The catalogue's usual server, or the system that is exactly one scale-up domain where that one is not."""
    usual = catalogue.server_of(chip.id)
    if usual is None or usual.chips == chip.scaleup_domain:
        return usual
    whole = [one for one in catalogue.systems.values() if one.chip_id == chip.id and one.chips == chip.scaleup_domain]
    return whole[0] if whole else usual


def _domain(chip: Chip, server: System | None, chips_in_job: int, stated: _Stated, blanks: list[str]) -> Tier:
    """The scale-up domain; the system's words go before the chip's."""
    text = server.fabric if server and server.fabric else chip.link_name
    link = _links().get(text, {})
    words = server.topology if server else ""
    layout = _layouts().get(words, {})
    if words and not layout and not stated.shape:
        blanks.append(f"topology {words!r} is not modelled: state shape")
    elif layout.get("note"):
        blanks.append(f"topology {words!r}: {layout['note']}")
    if link.get("note"):
        blanks.append(f"link {text!r}: {link['note']}")
    if text and text != "none" and not link:
        blanks.append(f"link {text!r} belongs to no known family: data sheet only")
    found = stated.shape or layout.get("shape") or ("" if words else link.get("topology", ""))
    whole = server.chips if server else (chip.scaleup_domain or 1)
    chips = stated.domain_chips or int(layout.get("domain") or 0) or whole
    published = server.fabric_bytes_per_s_per_dir if server else None
    if found.endswith("torus") and stated.domain_chips is None and chips_in_job < chips:
        chips = chips_in_job
        blanks.append(f"torus: a slice of {chips} chips is taken to wrap round")
    bandwidth = stated.fabric_bytes_per_s or published or chip.link_bytes_per_s_per_dir or None
    kind = link.get("kind", "pcie" if text.startswith("PCIe") else "scaleup")
    missing = [word for word, known in (("shape", found), ("bandwidth", bandwidth)) if not known]
    if missing and chips > 1:
        blanks.append(f"scale-up {' and '.join(missing)}: not published")
    return Tier(
        name="domain",
        chips=chips,
        shape=found,
        kind=kind,
        family=link.get("family", ""),
        fabric=chip.id if chip.id in _fabrics() and _fabrics()[chip.id]["family"] == link.get("family") else "",
        bytes_per_s=bandwidth,
        blank=f"scale-up {' and '.join(missing)} of {text or 'the link'} not published" if missing else "",
    )


def _host(chip: Chip, node: int, blanks: list[str]) -> Tier:
    """PCIe between the groups of one server."""
    lane = PCIE_BYTES_PER_S_PER_LANE.get(int(chip.pcie_gen or 0))
    rate = lane * chip.pcie_lanes if lane and chip.pcie_lanes else None
    if rate is None:
        blanks.append("host link between groups of one server: PCIe generation or lanes not published")
    return Tier(
        name="node",
        chips=node,
        shape="tree",
        kind="pcie",
        family=f"pcie{int(chip.pcie_gen)}" if chip.pcie_gen else "",
        bytes_per_s=rate,
        blank="" if rate else "PCIe of the host not published",
    )


def _network(server: System | None, chips: int, inner: int, stated: _Stated, blanks: list[str]) -> tuple[Tier, ...]:
    """Rail and spine beyond the server; none where the machine is one server."""
    pod_chips, given = stated.pod_chips, stated.scaleout_bytes_per_s
    if pod_chips is not None and pod_chips < inner:
        raise InputError(f"a pod of {pod_chips} chips", place="pod_chips", allowed=f"{inner} or more")
    if chips <= inner:
        return ()
    rate = given or (server.scaleout_bytes_per_s_per_chip if server else None)
    blank = "" if rate else "network bandwidth of a chip not published: state scaleout_bytes_per_s"
    if blank:
        blanks.append(blank)
    if given is None and server is not None and server.nics is not None and rate:
        blanks.append(f"network: every one of {server.nics} adapters of a server used at once")
    narrow = rate / stated.oversubscription if rate else None
    if pod_chips is None or pod_chips >= chips or pod_chips == inner:
        tier = Tier(name="rail", chips=chips, shape="network", kind="network", bytes_per_s=narrow, blank=blank)
        if pod_chips is None:
            blanks.append("network: taken as one tier, pods unknown")
        elif pod_chips >= chips:
            tier = Tier(name="rail", chips=chips, shape="network", kind="network", bytes_per_s=rate, blank=blank)
        return (tier,)
    return (
        Tier(name="rail", chips=pod_chips, shape="network", kind="network", bytes_per_s=rate, blank=blank),
        Tier(name="spine", chips=chips, shape="network", kind="network", bytes_per_s=narrow, blank=blank),
    )
