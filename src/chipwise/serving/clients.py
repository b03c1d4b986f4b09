"""Mixtures of clients after ServeGen: burstiness lives in clients, not in the crowd."""

from __future__ import annotations

import functools
import importlib.resources
from typing import Any

from chipwise.core.errors import InputError, UnknownName
from chipwise.core.names import nearest_names
from chipwise.serving.generate import gamma_arrivals
from chipwise.serving.trace import Trace, build_trace

SOURCE = "ServeGen, Alibaba Cloud, Apache-2.0; arXiv 2505.09999"


@functools.cache
def _table(name: str) -> Any:
    import pyarrow.parquet as parquet

    place = importlib.resources.files("chipwise") / "data" / "traces" / name
    with importlib.resources.as_file(place) as path:
        return parquet.read_table(path)


def client_mixture(
    model_class: str, rate_per_s: float, duration_s: float, *, seed: int = 0, start_s: float = 0.0
) -> Trace:
    """Arrivals and lengths composed client by client.

    Parameters
    ----------
    model_class : {"m-large", "m-small", "deepseek-r1", "mm-image"}
    rate_per_s : float
        Mean rate the mixture is scaled to; published levels are not to be relied on, shares are.
    duration_s, start_s : float
        Stretch of the recorded day, s.

    Notes
    -----
    Each client sends with gamma gaps of its own variation in each ten-minute window and draws its lengths from its own
    histograms; a client without recorded lengths is left out.

    Raises
    ------
    UnknownName
        No such class.
    """
    import numpy as np

    rates, lengths = _table("servegen_client_rates.parquet"), _table("servegen_client_lengths.parquet")
    known = sorted(set(rates.column("model_class").to_pylist()))
    if model_class not in known:
        raise UnknownName(f"no class {model_class!r}", place="clients", nearest=nearest_names(model_class, known))
    rate = _columns(rates, model_class, ("t_s", "client", "rate_rps", "cv"))
    held = _columns(lengths, model_class, ("client", "field", "bin_lo", "bin_hi", "prob"))
    inside = (rate["t_s"] + 600 > start_s) & (rate["t_s"] < start_s + duration_s)
    inside &= np.isin(rate["client"], np.unique(held["client"]))
    if not rate["rate_rps"][inside].sum() > 0:
        last = (float(rate["t_s"].max()) + 600.0) / 3600.0
        raise InputError(
            f"nothing recorded from {start_s:g} s on", place="clients", allowed=f"within {last:,.0f} hours"
        )
    scale = rate_per_s * duration_s / (rate["rate_rps"][inside].sum() * 600.0)
    draw = np.random.default_rng(seed)
    parts = []
    for t, client, level, cv in zip(*(rate[key][inside] for key in ("t_s", "client", "rate_rps", "cv")), strict=True):
        count = int(level * scale * 600.0 * 1.5 + 20)
        times = gamma_arrivals(level * scale, float(np.clip(cv, 0.1, 10.0)), count, draw) + t - start_s
        times = times[(times < t - start_s + 600.0) & (times >= 0) & (times < duration_s)]
        if len(times):
            pair = [_drawn(held, client, field, len(times), draw) for field in ("input_tokens", "output_tokens")]
            parts.append(build_trace(model_class, times, *pair, source=SOURCE))
    whole = merged_on_one_clock(parts)
    return build_trace(model_class, whole.arrival_s, whole.input_tokens, whole.output_tokens, source=SOURCE)


def merged_on_one_clock(parts: list[Trace]) -> Trace:
    """Traces that share one clock, joined."""
    import numpy as np

    if not parts:
        raise InputError("no client sends anything", place="clients", allowed="a higher rate or a longer stretch")
    return build_trace(
        parts[0].name,
        np.concatenate([part.arrival_s for part in parts]),
        np.concatenate([part.input_tokens for part in parts]),
        np.concatenate([part.output_tokens for part in parts]),
        source=parts[0].source,
    )


def _columns(table: Any, model_class: str, names: tuple[str, ...]) -> dict[str, Any]:
    import numpy as np

    mask = np.array(table.column("model_class").to_pylist()) == model_class
    return {name: np.array(table.column(name).to_pylist())[mask] for name in names}


def _drawn(held: dict[str, Any], client: int, field: str, count: int, draw: Any) -> Any:
    """Lengths from one client's histogram, uniform within a bin."""
    import numpy as np

    mask = (held["client"] == client) & (held["field"] == field)
    weights = held["prob"][mask].astype(float)
    if not weights.sum() > 0:
        return np.ones(count, int)
    pick = draw.choice(len(weights), size=count, p=weights / weights.sum())
    low, high = held["bin_lo"][mask][pick], held["bin_hi"][mask][pick]
    return np.maximum(1, low + (draw.random(count) * np.maximum(high - low, 1)).astype(int))
