"""What a chip yields: results of the closed-form estimates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chipwise.core.fact import Estimate, Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingYield:
    """Training yield of one chip on one model.

    Parameters
    ----------
    mfu : Estimate
        Model FLOP (causal attention, no recomputation) over the dense peak of `precision`, share.
    flop_per_s_per_chip : Estimate
        Useful FLOP/s of one chip.
    tokens_per_s_per_chip : Estimate
        Tokens/s of one chip at `seq_len`.
    peak_flop_per_s : float
        Dense peak of one chip at `precision`, FLOP/s.
    flop_per_token : float
        Forward and backward model FLOP per token.
    facts : tuple of str
        Ids of the facts used.
    notes : tuple of str
        What a reader must know, such as that the chips named cannot hold the training state.
    """

    chip_id: str
    model_id: str
    precision: str
    seq_len: int
    chips: int
    mfu: Estimate
    flop_per_s_per_chip: Estimate
    tokens_per_s_per_chip: Estimate
    peak_flop_per_s: float
    flop_per_token: float
    evidence: Evidence
    facts: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "chip": self.chip_id,
            "model": self.model_id,
            "precision": self.precision,
            "seq_len": self.seq_len,
            "chips": self.chips,
            "mfu": self.mfu.to_dict(),
            "flop_per_s_per_chip": self.flop_per_s_per_chip.to_dict(),
            "tokens_per_s_per_chip": self.tokens_per_s_per_chip.to_dict(),
            "peak_flop_per_s": self.peak_flop_per_s,
            "flop_per_token": self.flop_per_token,
            "evidence": self.evidence,
            "facts": list(self.facts),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingYield:
    """Serving yield of one chip on one model at full load; times and rates are zero-free only if `feasible`.

    Parameters
    ----------
    feasible : bool
        False where no group of chips holds the model, or no batch meets the targets; `why_not` says which.
    chips_per_replica : int
        Chips that hold one copy of the weights together.
    batch : int
        Requests decoding together on one replica.
    tpot_s, ttft_s : Estimate or None
        Mean time per output token and mean time to the first token at that load, s.
    tokens_per_s_per_chip : Estimate or None
        Input and output tokens per second of one chip at full load.
    output_tokens_per_s_per_chip : Estimate or None
        Output tokens alone.
    kv_tokens_capacity : float
        Tokens whose cache fits beside the weights of one replica.
    bound : str
        ``memory capacity``, ``memory bandwidth``, ``compute`` or ``latency target``.
    """

    chip_id: str
    model_id: str
    feasible: bool
    why_not: str
    input_tokens: float
    output_tokens: float
    weight_precision: str
    kv_precision: str
    chips_per_replica: int
    batch: int
    tpot_s: Estimate | None
    ttft_s: Estimate | None
    tokens_per_s_per_chip: Estimate | None
    output_tokens_per_s_per_chip: Estimate | None
    kv_tokens_capacity: float
    bound: str
    evidence: Evidence
    facts: tuple[str, ...]
    breakdown: Mapping[str, float]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        estimates = {
            name: None if value is None else value.to_dict()
            for name, value in (
                ("tpot_s", self.tpot_s),
                ("ttft_s", self.ttft_s),
                ("tokens_per_s_per_chip", self.tokens_per_s_per_chip),
                ("output_tokens_per_s_per_chip", self.output_tokens_per_s_per_chip),
            )
        }
        return {
            "chip": self.chip_id,
            "model": self.model_id,
            "feasible": self.feasible,
            "why_not": self.why_not,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "weight_precision": self.weight_precision,
            "kv_precision": self.kv_precision,
            "chips_per_replica": self.chips_per_replica,
            "batch": self.batch,
            **estimates,
            "kv_tokens_capacity": self.kv_tokens_capacity,
            "bound": self.bound,
            "evidence": self.evidence,
            "breakdown_s": dict(self.breakdown),
            "facts": list(self.facts),
            "notes": list(self.notes),
        }
