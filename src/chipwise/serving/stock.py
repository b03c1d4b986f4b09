"""What a stock of chips carries: requests, tokens and users a day, each as an interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chipwise.core.errors import InfeasiblePlan, InputError, Undetermined
from chipwise.serving.allocation import served
from chipwise.serving.chip_load import ChipLoad, carried_by_chip
from chipwise.serving.trace import Trace

DRAWS = 2_000
SPREAD_Z = 1.645
"""Ranges are read as the 5th and 95th percentile."""

Range = tuple[float, float, float]
"""Value, low, high."""
EXACT: Range = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A class of tokens to serve.

    Parameters
    ----------
    model : str or Model
        The model, or the one that stands for it.
    token_share : (value, low, high)
        Share of all tokens.
    size : (value, low, high)
        Parameters at work per token over those of `model`.
    """

    name: str
    model: Any
    token_share: Range = EXACT
    size: Range = EXACT


@dataclass(frozen=True, slots=True, kw_only=True)
class StockLoad:
    """What a stock carries a day, targets met at the peak.

    Parameters
    ----------
    tokens_per_day, users : (value, low, high)
        Input and output tokens; daily active users, None where nobody said what one takes.
    chips : tuple of mapping
        A row per chip and need: count, tokens/s per chip, evidence, or why not.
    """

    tokens_per_day: Range
    peak_requests_per_s: Range
    users: Range | None
    chips: tuple[Mapping[str, Any], ...]
    trace_name: str
    facts: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        named = ("value", "low", "high")
        return {
            "trace": self.trace_name,
            "tokens_per_day": dict(zip(named, self.tokens_per_day, strict=True)),
            "peak_requests_per_s": dict(zip(named, self.peak_requests_per_s, strict=True)),
            "users": None if self.users is None else dict(zip(named, self.users, strict=True)),
            "chips": [dict(row) for row in self.chips],
            "facts": list(self.facts),
        }


def carried_by_stock(
    stock: Mapping[str, Range],
    needs: Sequence[Need],
    *,
    trace: Trace,
    slo_ttft_s: float,
    slo_tpot_s: float,
    share: float = 0.99,
    part: Range = EXACT,
    availability: Range = EXACT,
    tokens_per_user_day: Range | None = None,
    engine: str = "vllm",
    catalogue: Any = None,
    seed: int = 0,
) -> StockLoad:
    """Tokens and users a day that a stock carries, its chips given to the needs as suits them best.

    Parameters
    ----------
    stock : mapping of chip to (value, low, high)
        Chips held.
    part : (value, low, high)
        Share of the stock that serves; the rest trains, say.
    availability : (value, low, high)
        Share of the chips in working order.
    tokens_per_user_day : (value, low, high), optional
        Input and output tokens a daily active user takes; there is no default.

    Raises
    ------
    InputError
        No chip, no need, or a range out of order.
    InfeasiblePlan
        No chip held can serve one of the needs; the message says why.

    Notes
    -----
    The fleet meets the targets at the peak of the day; `chipwise.perf.day_load_factor` gives the day's mean. The
    interval is that of draws over every range, the errors of all chips taken to go together. The value is that of
    all central values.
    """
    import numpy as np

    from chipwise.perf.traffic import day_load_factor

    if not stock or not needs:
        raise InputError("no chip or nothing to serve", place="carried_by_stock")
    ranges = [*stock.values(), part, availability, *(need.token_share for need in needs), *(n.size for n in needs)]
    for value, low, high in [*ranges, *([tokens_per_user_day] if tokens_per_user_day else [])]:
        if not 0 <= low <= value <= high or not value > 0:
            raise InputError(
                f"{value:g} ({low:g} to {high:g})", place="carried_by_stock", allowed="0 <= low <= value <= high"
            )
    if catalogue is None:
        from chipwise.catalogue import load_catalogue

        catalogue = load_catalogue()
    names = list(stock)
    loads = [
        [_load(chip, need, trace, slo_ttft_s, slo_tpot_s, share, engine, catalogue) for need in needs] for chip in names
    ]
    for w, need in enumerate(needs):
        if not any(isinstance(row[w], ChipLoad) and row[w].feasible for row in loads):  # type: ignore[union-attr]
            reasons = "; ".join(f"{chip}: {_why(row[w])}" for chip, row in zip(names, loads, strict=True))
            raise InfeasiblePlan(f"no chip of the stock serves {need.name}: {reasons}", place="carried_by_stock")
    draw = np.random.default_rng(seed)
    day = day_load_factor()

    def drawn(given: Range, z: Any = None) -> Any:
        """Two half log-normals that meet at the value, the lower one normal and cut at 0 where the range begins there.

        The first entry is the value itself.
        """
        value, low, high = given
        normal = draw.standard_normal(DRAWS) if z is None else z
        above = value * np.exp(np.maximum(normal, 0.0) * np.log(high / value) / SPREAD_Z)
        if low > 0:
            below = value * np.exp(np.minimum(normal, 0.0) * np.log(value / low) / SPREAD_Z)
        else:
            below = np.maximum(value * (1.0 + np.minimum(normal, 0.0) / SPREAD_Z), 0.0)
        return np.concatenate(([value], np.where(normal > 0, above, below)))

    common = draw.standard_normal(DRAWS)
    rates = np.zeros((DRAWS + 1, len(names), len(needs)))
    for c, row in enumerate(loads):
        for w, load in enumerate(row):
            if isinstance(load, ChipLoad) and load.tokens_per_s_per_chip is not None:
                each = load.tokens_per_s_per_chip
                rates[:, c, w] = drawn((each.value, each.low, each.high), common)
    for w, need in enumerate(needs):
        rates[:, :, w] /= drawn(need.size)[:, None]
    counts = np.stack([drawn(stock[name]) for name in names], axis=1)
    counts *= (np.minimum(drawn(part), 1.0) * np.minimum(drawn(availability), 1.0))[:, None]
    shares = np.stack([drawn(need.token_share) for need in needs], axis=1)
    shares /= shares.sum(axis=1, keepdims=True)
    tokens = np.array([served(n, r, s) for n, r, s in zip(counts, rates, shares, strict=True)])
    per_day = tokens * drawn((day.value, day.low, day.high)) * 86_400.0
    users = None if tokens_per_user_day is None else _range(per_day / drawn(tokens_per_user_day))
    return StockLoad(
        tokens_per_day=_range(per_day),
        peak_requests_per_s=_range(tokens * len(trace) / trace.tokens),
        users=users,
        chips=tuple(
            _row(chip, need, stock[chip], load)
            for chip, row in zip(names, loads, strict=True)
            for need, load in zip(needs, row, strict=True)
        ),
        trace_name=trace.name,
        facts=tuple(sorted({fact for row in loads for load in row for fact in _facts(load)} | set(day.facts))),
    )


def _load(
    chip: str, need: Need, trace: Trace, ttft_s: float, tpot_s: float, share: float, engine: str, catalogue: Any
) -> ChipLoad | str:
    try:
        return carried_by_chip(
            chip,
            need.model,
            trace=trace,
            slo_ttft_s=ttft_s,
            slo_tpot_s=tpot_s,
            share=share,
            engine=engine,
            catalogue=catalogue,
        )
    except Undetermined as error:
        return error.line()


def _why(load: ChipLoad | str) -> str:
    return load if isinstance(load, str) else load.why_not


def _facts(load: ChipLoad | str) -> tuple[str, ...]:
    if isinstance(load, str) or load.requests_per_s_per_chip is None:
        return ()
    return load.requests_per_s_per_chip.facts


def _row(chip: str, need: Need, count: Range, load: ChipLoad | str) -> dict[str, Any]:
    each = None if isinstance(load, str) else load.tokens_per_s_per_chip
    return {
        "chip": chip,
        "count": count[0],
        "need": need.name,
        "model": need.model if isinstance(need.model, str) else need.model.id,
        "tokens_per_s_per_chip": None if each is None else {"value": each.value, "low": each.low, "high": each.high},
        "evidence": "" if each is None else each.evidence,
        "weight_precision": "" if isinstance(load, str) else load.weight_precision,
        "why_not": _why(load),
    }


def _range(values: Any) -> Range:
    import numpy as np

    low, high = np.percentile(values[1:], (5, 95))
    value = float(values[0])
    return value, min(value, float(low)), max(value, float(high))
