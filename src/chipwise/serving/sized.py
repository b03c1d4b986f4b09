"""Fleets sized for a load, as `chipwise.serving.size_fleet` returns them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chipwise.serving.capacity import Target
from chipwise.serving.fleet_cost import FleetCost


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedFleet:
    """A fleet that carries a load within its targets.

    Parameters
    ----------
    replicas : mapping of chip id to int
        Copies of the model by chip, spares included.
    chips : mapping of chip id to int
    closed_form : mapping of chip id to int
        Replicas of the first guess: peak rate over the rate one replica carries in closed form.
    layout : mapping of chip id to mapping
        Chips, batch, token budget of a replica, and the requests/s it carries in simulation.
    confirmed_share : float
        Confirming runs on fresh draws that met the target; spares stand idle in them.
    confirming_runs : int
    good_share : float
        Mean share of requests within both targets in those runs.
    cost : FleetCost
        From catalogue prices with their source, or chips alone.
    """

    replicas: Mapping[str, int]
    chips: Mapping[str, int]
    spares: int
    closed_form: Mapping[str, int]
    layout: Mapping[str, Mapping[str, Any]]
    confirmed_share: float
    confirming_runs: int
    good_share: float
    utilisation: float
    tokens_per_day: float
    cost: FleetCost

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "replicas": dict(self.replicas),
            "chips": dict(self.chips),
            "spares": self.spares,
            "closed_form_replicas": dict(self.closed_form),
            "layout": {name: dict(row) for name, row in self.layout.items()},
            "confirmed_share": self.confirmed_share,
            "confirming_runs": self.confirming_runs,
            "good_share": self.good_share,
            "utilisation": self.utilisation,
            "tokens_per_day": self.tokens_per_day,
            "cost": self.cost.to_dict(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """Answer of `size_fleet`: a fleet per chip, the best mix, and why a chip has none."""

    per_chip: Mapping[str, SizedFleet]
    mixed: SizedFleet | None
    why_not: Mapping[str, str]
    target: Target
    peak_rate_per_s: float
    trace_name: str
    model_id: str

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "model": self.model_id,
            "trace": self.trace_name,
            "slo_ttft_s": self.target.ttft_s,
            "slo_tpot_s": self.target.tpot_s,
            "slo_share": self.target.share,
            "peak_rate_per_s": self.peak_rate_per_s,
            "per_chip": {chip: fleet.to_dict() for chip, fleet in self.per_chip.items()},
            "mixed": None if self.mixed is None else self.mixed.to_dict(),
            "why_not": dict(self.why_not),
        }
