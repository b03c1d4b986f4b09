"""What a simulation found: times of every request, and their percentiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chipwise.serving.trace import Floats, Integers, Trace

PERCENTILES = (50, 90, 99)
STATUS_NAMES = ("coming", "waiting", "running", "swapped", "done", "cancelled", "rejected")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulationResult:
    """Times and counts of every request, in the order of the trace.

    Parameters
    ----------
    first_token_s, end_s : (n,) float64, s on the clock of the trace
        NaN where a request never had a first token; of cancelled ones the end is when the client left.
    generated : (n,) int32
    status : (n,) int8
        Index into `STATUS_NAMES`.
    cached_tokens : (n,) int32
        Prompt tokens served by the prefix cache, repeats after preemption included.
    seconds : float
        Wall time of the simulation alone, s: no import, compilation or reading.
    replicas : tuple of mapping
        Per replica: chip, chips, busy share, steps, preemptions, mean batch, mean waiting, mean cache share.
    timeline : mapping of str to tuple
        Through time: ``time_s, running, waiting, kv_share, busy_share, tokens_per_s``; empty where not asked for.
    """

    trace: Trace
    first_token_s: Floats
    end_s: Floats
    generated: Integers
    status: Integers
    preempted: Integers
    cached_tokens: Integers
    replica: Integers
    seconds: float
    events: int
    steps: int
    replicas: tuple[Mapping[str, Any], ...]
    timeline: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    energy_j: float | None = None
    seed: int = 0

    @property
    def done(self) -> Any:
        """(n,) bool: requests that got every token."""
        return self.status == STATUS_NAMES.index("done")

    @property
    def ttft_s(self) -> Floats:
        """(m,) time to the first token of finished requests, s."""
        found: Floats = (self.first_token_s - self.trace.arrival_s)[self.done]
        return found

    @property
    def latency_s(self) -> Floats:
        """(m,) time to the last token of finished requests, s."""
        found: Floats = (self.end_s - self.trace.arrival_s)[self.done]
        return found

    @property
    def tpot_s(self) -> Floats:
        """(m,) mean time per output token after the first, s; NaN for requests of one token."""
        import numpy as np

        later = self.trace.output_tokens[self.done] - 1
        span = (self.end_s - self.first_token_s)[self.done]
        return np.where(later > 0, span / np.maximum(later, 1), np.nan)

    @property
    def makespan_s(self) -> float:
        """From the first arrival to the last end, s."""
        import numpy as np

        return float(np.nanmax(self.end_s) - self.trace.arrival_s[0]) if len(self.trace) else 0.0

    def good(self, ttft_s: float | None, tpot_s: float | None) -> Any:
        """(n,) bool: finished within both targets; a request of one token has no TPOT to miss."""
        import numpy as np

        later = np.maximum(self.trace.output_tokens - 1, 1)
        per = np.where(self.trace.output_tokens > 1, (self.end_s - self.first_token_s) / later, 0.0)
        within = self.done.copy()
        if ttft_s is not None:
            within &= np.nan_to_num(self.first_token_s - self.trace.arrival_s, nan=np.inf) <= ttft_s
        if tpot_s is not None:
            within &= np.nan_to_num(per, nan=np.inf) <= tpot_s
        return within

    def to_dict(self, *, slo_ttft_s: float | None = None, slo_tpot_s: float | None = None) -> dict[str, Any]:
        """Plain types for JSON, SI units."""
        import numpy as np

        span = self.makespan_s
        good = self.good(slo_ttft_s, slo_tpot_s)
        counts = {name: int((self.status == k).sum()) for k, name in enumerate(STATUS_NAMES) if k >= 4}
        out: dict[str, Any] = {
            "requests": len(self.trace),
            "tokens": self.trace.tokens,
            "seconds": self.seconds,
            **{name: spread(values) for name, values in self.metrics().items()},
            **counts,
            "output_tokens": int(self.generated.sum(dtype="int64")),
            "makespan_s": span,
            "output_tokens_per_s": float(self.generated.sum(dtype="int64") / span) if span else None,
            "goodput": {
                "slo_ttft_s": slo_ttft_s,
                "slo_tpot_s": slo_tpot_s,
                "share": float(good.mean()) if len(good) else None,
                "requests_per_s": float(good.sum() / span) if span else None,
            },
            "utilisation": float(np.mean([row["busy_share"] for row in self.replicas])),
            "preemptions": int(self.preempted.sum()),
            "cached_token_share": float(self.cached_tokens.sum(dtype="int64") / self.trace.input_tokens.sum()),
            "steps": self.steps,
            "events": self.events,
            "energy_j": self.energy_j,
            "seed": self.seed,
            "replicas": [dict(row) for row in self.replicas],
        }
        if self.timeline:
            out["timeline"] = {name: list(values) for name, values in self.timeline.items()}
        return out

    def metrics(self) -> dict[str, Floats]:
        """The three times by name."""
        return {"ttft_s": self.ttft_s, "tpot_s": self.tpot_s, "latency_s": self.latency_s}

    def to_arrow(self) -> Any:
        """One row per request as an Arrow table."""
        import pyarrow as pa

        trace = self.trace
        return pa.table(
            {
                "arrival_s": trace.arrival_s,
                "input_tokens": trace.input_tokens,
                "output_tokens": trace.output_tokens,
                "first_token_s": self.first_token_s,
                "last_token_s": self.end_s,
                "generated_tokens": self.generated,
                "cached_tokens": self.cached_tokens,
                "preemptions": self.preempted,
                "replica": self.replica,
                "status": pa.DictionaryArray.from_arrays(pa.array(self.status), list(STATUS_NAMES)),
            }
        )


def spread(values: Any) -> dict[str, float | None]:
    """Percentiles 50, 90, 99 and mean of the finite values."""
    import numpy as np

    values = values[np.isfinite(values)]
    if not len(values):
        return {**{f"p{percent}": None for percent in PERCENTILES}, "mean": None}
    found = np.percentile(values, PERCENTILES)
    return {**{f"p{p}": float(v) for p, v in zip(PERCENTILES, found, strict=True)}, "mean": float(values.mean())}
