"""Tiers, machines and mixed machines as frozen values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from chipwise.core.errors import InputError, Undetermined

SHAPES = ("switch", "full mesh", "ring", "2D torus", "3D torus", "tree", "network")
KINDS = ("scaleup", "bridge", "pcie", "network")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One level of links.

    Parameters
    ----------
    name : str
        ``domain``, ``node``, ``rail`` or ``spine``.
    chips : int
        Chips of one block of this tier, inner tiers included.
    shape : str
        One of `SHAPES`; how the blocks of the tier below are joined.
    kind, family, fabric : str
        Kind of link (one of `KINDS`), its family, and the measured fabric it is; the last two may be empty.
    bytes_per_s : float or None
        Data sheet, one chip, one direction, all links together, byte/s; None where not published.
    blank : str
        What is missing, where something is.
    """

    name: str
    chips: int
    shape: str
    kind: str
    family: str = ""
    fabric: str = ""
    bytes_per_s: float | None = None
    blank: str = ""

    def __post_init__(self) -> None:
        if self.chips < 1:
            raise InputError(f"a block of {self.chips} chips", place=f"tier {self.name}", allowed="1 or more")
        if self.bytes_per_s is not None and not (math.isfinite(self.bytes_per_s) and self.bytes_per_s > 0):
            raise InputError(f"{self.bytes_per_s} byte/s", place=f"tier {self.name}", allowed="a number above 0")
        if self.shape and self.shape not in SHAPES:
            raise InputError(f"{self.shape!r} is no shape", place=f"tier {self.name}", allowed=" | ".join(SHAPES))
        if self.kind not in KINDS:
            raise InputError(f"{self.kind!r} is no kind of link", place=f"tier {self.name}", allowed=" | ".join(KINDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Chips of one type and the links between them, inner tier first.

    Parameters
    ----------
    chips : int
        Chips of the whole machine.
    node_chips : int
        Chips of one server or rack as sold.
    tiers : tuple of Tier
        Ascending in `Tier.chips`; the last one reaches every chip, or says in `Tier.blank` why it cannot.
    network_bytes_per_s : float or None
        Network of one chip between pods, one direction, byte/s; None where not known. Held even where the machine is
        one server and has no tier for it.
    blanks : tuple of str
        Every figure that is not known, and every reading of a word that is a simplification.
    facts : tuple of str
        Ids of the catalogue figures used.
    """

    chip_id: str
    system_id: str
    chips: int
    node_chips: int
    tiers: tuple[Tier, ...]
    oversubscription: float = 1.0
    network_bytes_per_s: float | None = None
    blanks: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.chips < 1:
            raise InputError(f"{self.chips} chips", place="machine", allowed="1 or more")
        sizes = [tier.chips for tier in self.tiers]
        if sizes != sorted(set(sizes)):
            raise InputError(f"tiers of {sizes} chips", place="machine", allowed="each tier larger than the one before")

    @property
    def domain_chips(self) -> int:
        """Chips of the innermost tier."""
        return self.tiers[0].chips if self.tiers else 1

    def layers(self, group: int, per_domain: int | None = None) -> tuple[tuple[Tier, float], ...]:
        """Tiers that a group of `group` chips uses, each with the number of blocks it joins.

        Parameters
        ----------
        group : int
            Chips of the group, filled domain by domain.
        per_domain : int, optional
            Members of the group in one domain; 1 for a data-parallel group with one member per server.

        Raises
        ------
        InputError
            The group is larger than the machine, or `per_domain` does not fit.
        Undetermined
            A tier that the group needs has an unknown shape or bandwidth.

        Notes
        -----
        Blocks are filled evenly: 12 chips on servers of eight are 2 x 6, and 9 are 2 x 4.5.
        """
        if not 1 <= group <= self.chips:
            raise InputError(f"a group of {group}", place="group", allowed=f"1 to {self.chips} chips")
        inner = self.domain_chips if per_domain is None else per_domain
        if not 1 <= inner <= self.domain_chips:
            raise InputError(f"{inner} per domain", place="per_domain", allowed=f"1 to {self.domain_chips}")
        found: list[tuple[Tier, float]] = []
        left, below = float(group), self.domain_chips / inner
        for index, tier in enumerate(self.tiers):
            room = tier.chips / below
            last = index == len(self.tiers) - 1
            blocks = 1 if last else math.ceil(left / room)
            count, left = left / blocks, float(blocks)
            if count > 1:
                found.append((_usable(tier, self), count))
            below = float(tier.chips)
        if left > 1:
            raise Undetermined("no tier reaches the whole group", place=f"machine {self.system_id or self.chip_id}")
        return tuple(found)

    def tier_of_span(self, span: int) -> Tier:
        """Innermost tier whose block holds `span` neighbouring chips.

        Raises
        ------
        InputError
            The span is larger than the machine.
        Undetermined
            The tier's bandwidth or shape is unknown.
        """
        if not 2 <= span <= max(self.chips, 2):
            raise InputError(f"a span of {span}", place="span", allowed=f"2 to {self.chips} chips")
        for tier in self.tiers:
            if span <= tier.chips:
                return _usable(tier, self)
        raise Undetermined("no tier reaches that far", place=f"machine {self.system_id or self.chip_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedMachine:
    """Machines of different types that work in one job.

    A collective over a mixed group ends when its slowest part ends; between parts every chip has the narrowest
    network of any part.

    Parameters
    ----------
    parts : tuple of Machine
        Two or more; each keeps its own inner tiers and reaches every chip of the job over its last.
    """

    parts: tuple[Machine, ...]

    @property
    def chips(self) -> int:
        """Chips of the whole job."""
        return self.parts[0].chips

    @property
    def blanks(self) -> tuple[str, ...]:
        """Blanks of all parts."""
        return tuple(f"{part.system_id or part.chip_id}: {blank}" for part in self.parts for blank in part.blanks)


def mixed_machine(parts: Sequence[Machine]) -> MixedMachine:
    """Join machines into one job: the network between them is the narrowest of theirs.

    Raises
    ------
    InputError
        Fewer than two parts.
    Undetermined
        The network of a part is unknown.
    """
    if len(parts) < 2:
        raise InputError(f"{len(parts)} part", place="mixed machine", allowed="two machines or more")
    rates = []
    for part in parts:
        if part.network_bytes_per_s is None:
            raise Undetermined(
                f"the network of {part.system_id or part.chip_id} is not known",
                place="mixed machine",
                allowed="scaleout_bytes_per_s on each part",
            )
        rates.append(part.network_bytes_per_s)
    total = sum(part.chips for part in parts)
    between = Tier(name="spine", chips=total, shape="network", kind="network", bytes_per_s=min(rates))
    joined = []
    for part in parts:
        inner = tuple(tier for tier in part.tiers if tier.kind != "network" or tier.chips < part.chips)
        joined.append(dataclasses.replace(part, chips=total, tiers=(*inner, between)))
    return MixedMachine(parts=tuple(joined))


def _usable(tier: Tier, machine: Machine) -> Tier:
    if tier.bytes_per_s is None or not tier.shape:
        raise Undetermined(
            tier.blank or "bandwidth not published",
            place=f"machine {machine.system_id or machine.chip_id}, tier {tier.name}",
            allowed="state it: fabric_bytes_per_s, shape or scaleout_bytes_per_s",
        )
    return tier
