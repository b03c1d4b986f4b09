"""How far percentiles move between draws of the same load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chipwise.serving.generate import resampled
from chipwise.serving.result import PERCENTILES, SimulationResult
from chipwise.serving.trace import Trace


def intervals(
    trace: Trace, run: Callable[[Trace, int], SimulationResult], *, runs: int, seed: int = 0
) -> dict[str, Any]:
    """90 % range of each percentile over `runs` fresh draws of the load.

    Parameters
    ----------
    run : callable
        ``run(trace, seed)`` simulates one of them.

    Returns
    -------
    dict
        ``runs``; for ``ttft_s``, ``tpot_s``, ``latency_s`` by percentile, the fifth and 95th percentile over runs.
    """
    import numpy as np

    rows: dict[str, list[Any]] = {"ttft_s": [], "tpot_s": [], "latency_s": []}
    for k in range(runs):
        found = run(resampled(trace, seed + 1 + k), seed + 1 + k)
        for name, values in found.metrics().items():
            finite = values[np.isfinite(values)]
            rows[name].append(np.percentile(finite, PERCENTILES) if len(finite) else np.full(len(PERCENTILES), np.nan))
    out: dict[str, Any] = {"runs": runs}
    for name, found_rows in rows.items():
        low, high = np.percentile(np.array(found_rows), (5, 95), axis=0)
        out[name] = {f"p{p}": [float(a), float(b)] for p, a, b in zip(PERCENTILES, low, high, strict=True)}
    return out
