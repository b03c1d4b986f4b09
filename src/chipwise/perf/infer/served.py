"""One set-up of a search, as a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chipwise.core.fact import Estimate, Evidence
from chipwise.perf.infer.layouts import layout_text
from chipwise.perf.infer.setup import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Copies of one kind.

    Parameters
    ----------
    role : {"both", "prefill", "decode"}
    batch : float
        Requests of one copy that run together.
    """

    role: str
    chip_id: str
    layout: Layout
    copies: int
    batch: float

    @property
    def chips(self) -> int:
        """Of all copies."""
        return self.copies * self.layout.chips

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        layout = self.layout
        return {
            "role": self.role,
            "chip": self.chip_id,
            "layout": {
                "tp": layout.tensor,
                "dp": layout.data,
                "ep": layout.expert,
                "pp": layout.pipeline,
                "cp": layout.context,
            },
            "copies": self.copies,
            "chips": self.chips,
            "batch": self.batch,
        }

    def text(self) -> str:
        """As a person writes it: ``4 x (tp=2), batch 64``."""
        return f"{self.copies} x ({layout_text(self.layout)}), batch {self.batch:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A set-up and what it yields.

    Parameters
    ----------
    mode : {"aggregated", "disaggregated"}
    pools : tuple of Pool
        One, or prefill and decode.
    chunk_tokens : float
        Prompt tokens of one step.
    in_flight : float
        Requests in all copies.
    tpot_s, ttft_s : Estimate
        Mean gap after the first token, and mean time to it.
    longest_gap_s : float
        A step that also reads a whole chunk of prompts.
    output_tokens_per_s_per_chip : Estimate
        Over every chip given, idle ones too.
    usd_per_million_tokens : Estimate or None
        Output tokens at the rents of the chips used; None where one has no lawful rent in the catalogue.
    """

    mode: str
    engine: str
    weight_precision: str
    kv_precision: str
    pools: tuple[Pool, ...]
    chunk_tokens: float
    chips_given: int
    in_flight: float
    output_tokens: float
    tpot_s: Estimate
    ttft_s: Estimate
    longest_gap_s: float
    requests_per_s: float
    output_tokens_per_s_per_chip: Estimate
    usd_per_million_tokens: Estimate | None
    sent_s: float | None
    evidence: Evidence

    @property
    def chips_used(self) -> int:
        """Of all pools."""
        return sum(pool.chips for pool in self.pools)

    @property
    def tokens_per_s_per_user(self) -> float:
        """After the first token."""
        return 1.0 / self.tpot_s.value

    def text(self) -> str:
        """Pools as a person writes them."""
        if self.mode == "aggregated":
            return self.pools[0].text()
        reads, writes = self.pools
        return f"{reads.copies} x ({layout_text(reads.layout)}) prefill + {writes.text()} decode"

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""

        def span(estimate: Estimate) -> dict[str, Any]:
            return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "unit": estimate.unit}

        return {
            "mode": self.mode,
            "engine": self.engine,
            "weight_precision": self.weight_precision,
            "kv_precision": self.kv_precision,
            "pools": [pool.to_dict() for pool in self.pools],
            "chunk_tokens": self.chunk_tokens,
            "chips_given": self.chips_given,
            "chips_used": self.chips_used,
            "in_flight": self.in_flight,
            "requests_per_s": self.requests_per_s,
            "tpot_s": span(self.tpot_s),
            "tpot_with_first_s": (self.ttft_s.value + self.tpot_s.value * (self.output_tokens - 1.0))
            / self.output_tokens,
            "ttft_s": span(self.ttft_s),
            "longest_gap_s": self.longest_gap_s,
            "tokens_per_s_per_user": self.tokens_per_s_per_user,
            "output_tps_per_chip": self.output_tokens_per_s_per_chip.value,
            "tpot_mean_ms": self.tpot_s.value * 1e3,
            "ttft_mean_ms": self.ttft_s.value * 1e3,
            "output_tokens_per_s_per_chip": span(self.output_tokens_per_s_per_chip),
            "output_tokens_per_s": self.output_tokens_per_s_per_chip.value * self.chips_given,
            "usd_per_million_output_tokens": None
            if self.usd_per_million_tokens is None
            else span(self.usd_per_million_tokens),
            "cache_sent_s": self.sent_s,
            "evidence": self.evidence,
        }
