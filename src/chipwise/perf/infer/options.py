"""What an operator sets beyond layout and formats: drafts, memory on the host, engine limits."""

from __future__ import annotations

from dataclasses import dataclass

from chipwise.catalogue.objects import Chip
from chipwise.core.errors import InputError, Undetermined
from chipwise.perf.infer.terms import engine_constant
from chipwise.perf.topology.build import PCIE_BYTES_PER_S_PER_LANE

HOST_SHARE = 0.80
"""Share of the PCIe data sheet that long copies from pinned host memory reach (assumption; 25 of 31.5 GB/s is usual on
generation 4 with 16 lanes)."""

MOST_DRAFTS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Settings of an engine; the defaults are its own.

    Parameters
    ----------
    draft_tokens : int
        Tokens drafted for each request and step, by a draft head or layer of the model (multi-token prediction, EAGLE).
    acceptance : float
        Probability that a drafted token is accepted, given that those before it were.
    draft_cost : float, optional
        Time of one drafted token as a share of a decode step; that of one layer and the output head by default.
    weights_on_host, cache_on_host : float
        Share of the weights and of the caches kept in host memory and read over PCIe when needed.
    memory_share : float, optional
        Share of the memory the engine may fill.
    chunk_tokens : float, optional
        Prompt tokens of one step.
    batch_cap : float, optional
        Most requests of one attention copy that run together.
    host_factor : float
        Host times over those of the fitted versions: `chipwise.perf.infer.versions`.
    """

    draft_tokens: int = 0
    acceptance: float = 0.0
    draft_cost: float | None = None
    weights_on_host: float = 0.0
    cache_on_host: float = 0.0
    memory_share: float | None = None
    chunk_tokens: float | None = None
    batch_cap: float | None = None
    host_factor: float = 1.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("acceptance", 0.0, 1.0),
            ("weights_on_host", 0.0, 1.0),
            ("cache_on_host", 0.0, 0.95),
            ("draft_tokens", 0, MOST_DRAFTS),
        ):
            if not low <= getattr(self, name) <= high:
                raise InputError(f"{getattr(self, name)!r}", place=name, allowed=f"{low:g} to {high:g}")
        for name in ("draft_cost", "memory_share", "chunk_tokens", "batch_cap", "host_factor"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{value!r} is not positive", place=name, allowed="a positive number")
        if self.memory_share is not None and self.memory_share > 1.0:
            raise InputError(f"{self.memory_share!r}", place="memory_share", allowed="above 0, at most 1")

    @property
    def tokens_per_step(self) -> float:
        """Tokens one decode step yields a request on average: its own and the leading drafts accepted.

        Examples
        --------
        >>> Options(draft_tokens=3, acceptance=0.5).tokens_per_step
        1.875
        """
        if self.acceptance >= 1.0:
            return 1.0 + self.draft_tokens
        return (1.0 - self.acceptance ** (self.draft_tokens + 1)) / (1.0 - self.acceptance)

    def chunk(self, engine: str) -> float:
        """Prompt tokens of one step."""
        return engine_constant(engine, "chunk_tokens") if self.chunk_tokens is None else self.chunk_tokens

    def cap(self, engine: str) -> float:
        """Most requests of one attention copy."""
        return engine_constant(engine, "batch_cap") if self.batch_cap is None else self.batch_cap


def host_bytes_per_s(chip: Chip) -> float:
    """What one chip reads from host memory, byte/s.

    Raises
    ------
    Undetermined
        Generation or lanes of its PCIe are not published.
    """
    lane = PCIE_BYTES_PER_S_PER_LANE.get(int(chip.pcie_gen or 0))
    if lane is None or not chip.pcie_lanes:
        raise Undetermined(f"the PCIe link of {chip.id} is not published", place=f"chips/{chip.id}#pcie_gen")
    return lane * chip.pcie_lanes * HOST_SHARE
