"""Every layout under a load: what one copy does, and which layout carries the load best."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from chipwise.core.errors import OutsideModelRange
from chipwise.perf.infer.asked_load import REGIMES, Asked, lengths_of
from chipwise.perf.infer.compiled import KNOTS, Compiled
from chipwise.perf.infer.load import Load
from chipwise.perf.infer.open_loop import open_load
from chipwise.perf.infer.operate import most_running, operate, operate_knots
from chipwise.perf.infer.options import Options
from chipwise.perf.infer.own_points import factor
from chipwise.perf.infer.predict import TPOT_TAIL
from chipwise.perf.infer.terms import LITTLE

TPOT_SPREAD = math.log(TPOT_TAIL) / 2.33
"""Standard deviation of the logarithm of TPOT between requests, from what its 99th percentile is over the mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One layout under the load: figures of one copy, `within` the share of requests that keep the targets."""

    place: int
    batch: float
    copies: float
    rate: float
    tpot_s: float
    ttft_s: float
    step_s: float
    within: float | None
    notes: tuple[str, ...] = ()


def states_of(asked: Asked, options: Options, found: Compiled) -> Iterator[State]:
    """Every layout that carries the load."""
    lengths, every = lengths_of(asked), np.arange(len(found.setups))
    most = most_running(found, options, every, *lengths)
    knots = operate_knots(found, options, *lengths, load=REGIMES[asked.load]) if _largest(asked) else None
    for place in np.flatnonzero(most >= 1.0).tolist():
        copies = float(asked.chips // found.chips[place])
        if copies < 1.0:
            continue
        if knots is not None:
            state = _largest_batch(asked, found, knots, place, copies, float(most[place]))
        elif asked.load == "open":
            state = _open(asked, options, found, place, copies, float(most[place]))
        else:
            state = _fixed(asked, options, found, place, copies, float(most[place]))
        if state is not None:
            yield state


def _largest(asked: Asked) -> bool:
    return asked.load in ("saturated", "mlperf-offline", "mlperf-server", "mlperf-interactive") and asked.batch is None


def _largest_batch(asked: Asked, found: Compiled, knots: Load, place: int, copies: float, most: float) -> State | None:
    """The batch with most tokens/s that fits and meets the targets."""
    shape, chip, regime = (len(found.setups), KNOTS.size), asked.chip.id, REGIMES[asked.load]
    tpot, ttft, rate, step = (
        np.broadcast_to(getattr(knots, name), shape)[place] for name in ("tpot_s", "ttft_s", "requests_per_s", "step_s")
    )
    tpot = tpot * factor(asked.calibration, chip, regime, "tpot_mean_ms")
    ttft = ttft * factor(asked.calibration, chip, regime, "ttft_mean_ms")
    rate = rate * factor(asked.calibration, chip, regime, "output_tps_per_chip")
    good = most >= KNOTS
    for value, target in ((tpot, asked.tpot_s), (ttft, asked.ttft_s)):
        if target is not None:
            good &= value <= target
    if not good.any():
        return None
    at = int(np.argmax(np.where(good, rate, 0.0)))
    return State(
        place=place,
        batch=float(KNOTS[at]),
        copies=copies,
        rate=float(rate[at]),
        tpot_s=float(tpot[at]),
        ttft_s=float(ttft[at]),
        step_s=float(step[at]),
        within=None,
    )


def _fixed(asked: Asked, options: Options, found: Compiled, place: int, copies: float, most: float) -> State | None:
    """So many requests in flight, or in a batch."""
    lengths = lengths_of(asked)
    notes: tuple[str, ...] = ()
    if asked.load == "closed":
        copies = min(copies, max(math.floor(asked.concurrency or 1.0), 1.0))
        wanted = max((asked.concurrency or 1.0) / copies, 1.0)
        batch = min(wanted, most)
        if wanted > most:
            notes = (f"{wanted:,.0f} requests a copy are in flight, {most:,.0f} run together: the rest wait",)
    else:
        batch = wanted = asked.batch or most
        if batch > most:
            return None
    regime = REGIMES[asked.load]
    load = operate(found, options, place, batch, *lengths, load=regime, wanted=wanted if regime == "closed" else None)
    rate, tpot, ttft = (float(getattr(load, name)) for name in ("requests_per_s", "tpot_s", "ttft_s"))
    if asked.calibration is not None:
        tpot *= factor(asked.calibration, asked.chip.id, regime, "tpot_mean_ms")
        ttft *= factor(asked.calibration, asked.chip.id, regime, "ttft_mean_ms")
        if regime in LITTLE:  # the rate follows from the times
            rate = wanted / (ttft + tpot * (lengths[1] - 1.0))
        else:
            rate *= factor(asked.calibration, asked.chip.id, regime, "output_tps_per_chip")
    return State(
        place=place,
        batch=batch,
        copies=copies,
        rate=rate,
        tpot_s=tpot,
        ttft_s=ttft,
        step_s=float(load.step_s),
        within=_within(asked, tpot, _ttft_share(ttft, asked.ttft_s)),
        notes=notes,
    )


def _open(asked: Asked, options: Options, found: Compiled, place: int, copies: float, most: float) -> State | None:
    """Random arrivals, shared evenly among copies."""
    lengths = lengths_of(asked)
    rate = (asked.rate or 0.0) / copies
    try:
        load = open_load(found, options, place, rate, *lengths, most=most, variation=asked.variation)
    except OutsideModelRange:
        return None
    share = 1.0 if asked.ttft_s is None else load.within_ttft(asked.ttft_s)
    quantiles = ", ".join(f"p{p} {load.ttft_quantile_s(p / 100.0) * 1e3:,.0f} ms" for p in (50, 90, 99))
    return State(
        place=place,
        batch=load.decoding,
        copies=copies,
        rate=rate,
        tpot_s=load.tpot_s,
        ttft_s=load.ttft_s,
        step_s=load.tpot_s,
        within=_within(asked, load.tpot_s, share),
        notes=(
            f"time to the first token: {quantiles}; {load.queue_s * 1e3:,.0f} ms of the mean behind other prompts, "
            f"{load.memory_s * 1e3:,.0f} ms for memory",
            f"a copy serves at most {load.highest_rate:.3g} requests/s; {rate / load.highest_rate:.0%} of that arrives",
        ),
    )


def _ttft_share(mean_s: float, target_s: float | None) -> float:
    """Share of requests in time where only the mean is known: exponential beyond half the mean."""
    if target_s is None:
        return 1.0
    least = 0.5 * mean_s
    return 0.0 if target_s < least else 1.0 - math.exp(-(target_s - least) / (mean_s - least))


def _within(asked: Asked, tpot_s: float, ttft_share: float) -> float | None:
    if asked.tpot_s is None and asked.ttft_s is None:
        return None
    share = ttft_share
    if asked.tpot_s is not None:
        share *= 0.5 * (1.0 + math.erf(math.log(asked.tpot_s / tpot_s) / (TPOT_SPREAD * math.sqrt(2.0))))
    return share


def merit(asked: Asked, state: State, found: Compiled) -> tuple[float, ...]:
    """Best layout: most tokens/s within the targets; under arrivals most requests within them, then the shortest."""
    chips = float(found.chips[state.place])
    if asked.load == "open":
        stay = state.ttft_s + state.tpot_s * (lengths_of(asked)[1] - 1.0)
        return (state.within if state.within is not None else 0.0, -stay)
    rate = state.rate * state.copies * (1.0 if state.within is None else max(state.within, 1e-6))
    return (round(math.log(rate) / 1e-3), -chips)
