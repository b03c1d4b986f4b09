"""What a predictor is asked and answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from chipwise.catalogue.objects import Chip, Model
from chipwise.core.errors import InputError
from chipwise.perf.infer.setup import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorCase:
    """One copy of a model at fixed concurrency.

    Parameters
    ----------
    weight_precision, kv_precision : str
        ``16-bit``, ``fp8``, ``int8``, ``fp4`` or ``int4``; ``16-bit`` or ``fp8``.
    concurrency : float
        Requests of the copy always in flight.
    """

    chip: Chip
    model: Model
    engine: str = "vllm"
    layout: Layout = field(default_factory=Layout)
    weight_precision: str = "16-bit"
    kv_precision: str = "16-bit"
    input_tokens: float = 1024.0
    output_tokens: float = 256.0
    concurrency: float = 16.0

    def __post_init__(self) -> None:
        for name in ("input_tokens", "output_tokens", "concurrency"):
            value = getattr(self, name)
            if not 1 <= value < float("inf"):
                raise InputError(f"{value!r}", place=name, allowed="1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Means of one case.

    Parameters
    ----------
    tpot_s, ttft_s : float
        Mean gap after the first token, and mean time to it.
    output_tokens_per_s_per_chip : float
    low, high : tuple of float or None
        90 % interval of the three figures in that order, where the predictor has one.
    method : str
        Name and version of what computed it.
    """

    tpot_s: float
    ttft_s: float
    output_tokens_per_s_per_chip: float
    method: str
    low: tuple[float, float, float] | None = None
    high: tuple[float, float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "tpot_s": self.tpot_s,
            "ttft_s": self.ttft_s,
            "output_tokens_per_s_per_chip": self.output_tokens_per_s_per_chip,
            "low": None if self.low is None else list(self.low),
            "high": None if self.high is None else list(self.high),
            "method": self.method,
        }


@runtime_checkable
class Predictor(Protocol):
    """Pure functions under a name; anything heavy is loaded on first use."""

    @property
    def name(self) -> str:
        """How the command line calls it."""

    def unknown(self, case: PredictorCase) -> str:
        """Why it cannot answer the case; empty where it can."""

    def predict(self, case: PredictorCase) -> Prediction:
        """The answer.

        Raises
        ------
        Undetermined
            Where `unknown` gives a reason.
        """
