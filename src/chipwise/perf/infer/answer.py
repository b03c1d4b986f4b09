"""What a set-up yields under one load, with intervals: times, rates, energy and cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chipwise.core.fact import Estimate, Evidence
from chipwise.perf.infer.layouts import layout_text
from chipwise.perf.infer.setup import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodput:
    """Requests that keep both targets.

    Parameters
    ----------
    share : float
        Of all requests.
    requests_per_s : float
    tpot_s, ttft_s : float or None
        Targets.
    """

    share: float
    requests_per_s: float
    tpot_s: float | None
    ttft_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotServed:
    """No set-up carries the load, and why."""

    model_id: str
    chip_id: str
    cause: str

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {"model": self.model_id, "chip": self.chip_id, "feasible": False, "why_not": self.cause}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One set-up under one load.

    Parameters
    ----------
    load : str
        ``closed``, ``saturated``, ``static``, ``open``, ``mlperf-offline``, ``mlperf-server`` or
        ``mlperf-interactive``.
    copies, batch : float
        Copies of the model, and requests that run together in one.
    in_flight : float
        Requests in all copies: rate times (time to the first token + gaps), by Little's law.
    tpot_s : Estimate
        Mean gap after the first token.
    tpot_with_first_s : Estimate
        Latency over output tokens, the other definition in use.
    latency_s : Estimate
        Whole request.
    goodput : Goodput or None
        Where a target was named.
    cache_tokens, cache_room_bytes, weight_bytes : float
        Of one copy; of one chip; of one chip.
    power_w, energy_j_per_token : Estimate or None
        One chip with its share of the server, and per output token; None where the power limit is not published.
    usd_per_million_tokens : Estimate or None
        Output tokens, at the rent or price of an hour; None where there is none.
    """

    model_id: str
    chip_id: str
    engine: str
    load: str
    layout: Layout
    copies: float
    batch: float
    in_flight: float
    input_tokens: float
    output_tokens: float
    weight_precision: str
    kv_precision: str
    requests_per_s: float
    tpot_s: Estimate
    tpot_with_first_s: Estimate
    ttft_s: Estimate
    latency_s: Estimate
    output_tokens_per_s_per_chip: Estimate
    goodput: Goodput | None
    cache_tokens: float
    cache_room_bytes: float
    weight_bytes: float
    power_w: Estimate | None
    energy_j_per_token: Estimate | None
    usd_per_million_tokens: Estimate | None
    evidence: Evidence
    facts: tuple[str, ...]
    breakdown: Mapping[str, float]
    notes: tuple[str, ...]

    @property
    def chips(self) -> float:
        """Of all copies."""
        return self.copies * self.layout.chips

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""

        def plain(value: Estimate | None) -> dict[str, Any] | None:
            if value is None:
                return None
            return {"value": value.value, "low": value.low, "high": value.high, "unit": value.unit}

        good = self.goodput
        return {
            "model": self.model_id,
            "chip": self.chip_id,
            "feasible": True,
            "engine": self.engine,
            "load": self.load,
            "layout": layout_text(self.layout),
            "chips_per_copy": self.layout.chips,
            "copies": self.copies,
            "chips": self.chips,
            "batch": self.batch,
            "in_flight": self.in_flight,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "weight_precision": self.weight_precision,
            "kv_precision": self.kv_precision,
            "requests_per_s": self.requests_per_s,
            "tpot_s": plain(self.tpot_s),
            "tpot_with_first_s": plain(self.tpot_with_first_s),
            "ttft_s": plain(self.ttft_s),
            "latency_s": plain(self.latency_s),
            "output_tokens_per_s_per_chip": plain(self.output_tokens_per_s_per_chip),
            "output_tokens_per_s": self.output_tokens_per_s_per_chip.value * self.chips,
            "tokens_per_s_per_user": 1.0 / self.tpot_s.value,
            "output_tps_per_chip": self.output_tokens_per_s_per_chip.value,
            "tpot_mean_ms": self.tpot_s.value * 1e3,
            "ttft_mean_ms": self.ttft_s.value * 1e3,
            "goodput": None
            if good is None
            else {
                "share": good.share,
                "requests_per_s": good.requests_per_s,
                "tpot_target_s": good.tpot_s,
                "ttft_target_s": good.ttft_s,
            },
            "cache_tokens": self.cache_tokens,
            "cache_room_bytes_per_chip": self.cache_room_bytes,
            "weight_bytes_per_chip": self.weight_bytes,
            "power_w_per_chip": plain(self.power_w),
            "energy_j_per_output_token": plain(self.energy_j_per_token),
            "usd_per_million_output_tokens": plain(self.usd_per_million_tokens),
            "evidence": self.evidence,
            "breakdown_s": dict(self.breakdown),
            "facts": list(self.facts),
            "notes": list(self.notes),
        }
