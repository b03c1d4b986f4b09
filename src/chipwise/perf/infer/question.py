"""What a search is asked, and what it answers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chipwise.catalogue.objects import Chip, Model
from chipwise.perf.infer.layouts import space, too_long
from chipwise.perf.infer.options import Options
from chipwise.perf.infer.served import Served
from chipwise.perf.infer.setup import Layout
from chipwise.perf.infer.why import Rejected

if TYPE_CHECKING:
    from chipwise.perf.infer.calibrate import ServingCalibration


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked.

    Parameters
    ----------
    chip, decode_chip : Chip
        The same, or chips of a prefill and of a decode pool.
    chips : int
        In all.
    prefill_chips, decode_chips : int, optional
        A number for each pool instead.
    input_tokens, output_tokens : float
        Mean request.
    tpot_s, ttft_s, gap_s : float, optional
        Targets: means of time per token and to the first, and the longest gap of a step with a chunk.
    engines, weight_precisions, kv_precisions : tuple of str
    catalogue : Catalogue
        Where servers, networks and rents are looked up.
    modes : tuple of str
        ``aggregated``, ``disaggregated`` or both.
    calibration : ServingCalibration, optional
        Own measured points.
    load : str
        ``closed`` (so many always in flight) or ``server`` (random arrivals).
    """

    model: Model
    chip: Chip
    decode_chip: Chip
    chips: int
    input_tokens: float
    output_tokens: float
    engines: tuple[str, ...]
    weight_precisions: tuple[str, ...]
    kv_precisions: tuple[str, ...]
    tensor_limits: tuple[int, int]
    catalogue: Any
    tpot_s: float | None = None
    ttft_s: float | None = None
    gap_s: float | None = None
    prefill_chips: int | None = None
    decode_chips: int | None = None
    modes: tuple[str, ...] = ("aggregated", "disaggregated")
    load: str = "closed"
    calibration: ServingCalibration | None = None
    options: Options = field(default_factory=Options)

    def layouts(self, side: int, engine: str = "") -> tuple[Layout, ...]:
        """Layouts tried on the prefill side (0) or the decode side (1)."""
        most = (self.prefill_chips, self.decode_chips)[side] or self.chips
        return space(
            self.model,
            most,
            tensor_limit=self.tensor_limits[side],
            input_tokens=self.input_tokens,
            engine=engine,
        )

    def formats(self) -> Iterator[dict[str, str]]:
        """Every engine with every pair of formats."""
        for engine, weights, caches in itertools.product(self.engines, self.weight_precisions, self.kv_precisions):
            yield {"engine": engine, "precision": weights, "kv_precision": caches}

    def text(self) -> str:
        """As a person asks it."""
        chips = f"{self.chips} {self.chip.id}"
        if self.mixed or self.prefill_chips is not None:
            parts = [(self.prefill_chips, self.chip.id, "prefill"), (self.decode_chips, self.decode_chip.id, "decode")]
            chips = " + ".join(f"{count or ''} {chip} {role}".strip() for count, chip, role in parts)
            chips += "" if self.prefill_chips else f", {self.chips} in all"
        targets = [
            f"{name} {value * 1e3:g} ms"
            for name, value in (("TTFT", self.ttft_s), ("TPOT", self.tpot_s), ("gap", self.gap_s))
            if value is not None
        ]
        text = f"{self.model.id} on {chips}, {self.input_tokens:,.0f} tokens in, {self.output_tokens:,.0f} out"
        return text + (f", within {' and '.join(targets)}" if targets else ", no target")

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "model": self.model.id,
            "chip": self.chip.id,
            "decode_chip": self.decode_chip.id,
            "chips": self.chips,
            "prefill_chips": self.prefill_chips,
            "decode_chips": self.decode_chips,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "tpot_target_s": self.tpot_s,
            "ttft_target_s": self.ttft_s,
            "gap_target_s": self.gap_s,
            "load": self.load,
            "draft_tokens": self.options.draft_tokens,
            "acceptance": self.options.acceptance,
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of the question."""
        own = ("calibrated on own measured points",) if self.calibration is not None else ()
        return (*own, *too_long(self.model, self.input_tokens + self.output_tokens))

    @property
    def mixed(self) -> bool:
        """Two chip types."""
        return self.chip.id != self.decode_chip.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Outcome of a search.

    Parameters
    ----------
    space : int
        Set-ups of the space; `evaluated` is as many: every one is decided.
    pruned : int
        Decided without a time: memory, engine limits, links.
    feasible : int
        Meet every target.
    setups : tuple of Served
        Best first, one for each mode, engine, formats and layout.
    pareto : tuple of Served
        Feasible and beaten by none in both tokens/s per user and per chip.
    rejected : tuple of Rejected
        Every layout without a feasible set-up, and why.
    facts : tuple of str
        Ids of the figures used.
    """

    space: int
    evaluated: int
    pruned: int
    feasible: int
    seconds: float
    setups: tuple[Served, ...]
    pareto: tuple[Served, ...]
    rejected: tuple[Rejected, ...]
    facts: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "space": self.space,
            "evaluated": self.evaluated,
            "pruned": self.pruned,
            "feasible": self.feasible,
            "seconds": self.seconds,
            "setups": [entry.to_dict() for entry in self.setups],
            "pareto": [entry.to_dict() for entry in self.pareto],
            "rejected": [entry.to_dict() for entry in self.rejected],
            "facts": list(self.facts),
        }
