"""How many replicas a load needs: closed form first, then simulation on fresh draws of the same load."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from chipwise.core.errors import InfeasiblePlan, InputError
from chipwise.serving.best_replica import BestReplica, best_by_group, precisions
from chipwise.serving.capacity import Part, Target, peak_rate_per_s
from chipwise.serving.fleet_cost import FleetCost, fleet_cost
from chipwise.serving.generate import resampled
from chipwise.serving.mixing import mixes
from chipwise.serving.simulation import simulate
from chipwise.serving.sized import SizedFleet, Sizing
from chipwise.serving.trace import Trace

CONFIRMING_RUNS = 40
MOST_REPLICAS = 4096
MIXES_TRIED = 12
THREADS = 2
LONGEST = 20_000

OnProgress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is asked: the load, the target, the chips to choose among and what they cost."""

    trace: Trace
    target: Target
    runs: int
    seed: int
    spares: int
    limits: Mapping[str, int]
    price: Callable[[Mapping[str, int]], FleetCost]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """Runs on fresh draws: how many, share that met the target, mean share of good requests, mean busy share."""

    runs: int
    share: float
    good: float
    busy: float
    enough: bool


def size_fleet(
    model: str,
    trace: Trace,
    chips: Sequence[str],
    *,
    slo_ttft_s: float,
    slo_tpot_s: float,
    share: float = 0.99,
    spares: int = 0,
    limits: Mapping[str, int] | None = None,
    usd_per_chip_hour: Mapping[str, float] | None = None,
    runs: int = CONFIRMING_RUNS,
    seed: int = 0,
    engine: str = "vllm",
    weight_precision: str = "auto",
    catalogue: Any = None,
    on_progress: OnProgress | None = None,
) -> Sizing:
    """Least fleet per chip, and the best mix, that carries `trace` within the targets.

    Parameters
    ----------
    share : float
        Share of requests that must finish within both targets for a run to meet them.
    spares : int
        Replicas beyond those needed (N + k), of the strongest kind in the fleet: any k may fail.
    limits : mapping of chip to int, optional
        Most chips of a kind there are.
    usd_per_chip_hour : mapping of chip to float, optional
        Own prices; the catalogue's rental prices for the others.
    runs : int
        Confirming runs, each on a fresh draw of the load.
    weight_precision : str
        ``auto`` takes a chip's usual one, and 8-bit integers where no replica meets the targets with that.

    Raises
    ------
    InputError
        No chip or no request.
    InfeasiblePlan
        No fleet of the chips named can do it; the message says why for each.

    Notes
    -----
    Of a long trace only the busiest stretch of 20,000 requests is simulated: a fleet that meets the target there meets
    it over the whole.
    """
    if not chips or not len(trace):
        raise InputError("no chip or no request to size for", place="size_fleet")
    if catalogue is None:
        from chipwise.catalogue import load_catalogue

        catalogue = load_catalogue()
    ids = list(dict.fromkeys(catalogue.chip(name).id for name in chips))
    own = {catalogue.chip(name).id: usd for name, usd in (usd_per_chip_hour or {}).items()}
    case = Case(
        trace=busiest(trace, LONGEST),
        target=Target(ttft_s=slo_ttft_s, tpot_s=slo_tpot_s, share=share),
        runs=runs,
        seed=seed,
        spares=spares,
        limits={catalogue.chip(name).id: most for name, most in (limits or {}).items()},
        price=lambda counts: fleet_cost(counts, catalogue, own),
    )
    parts: dict[str, BestReplica] = {}
    per_chip: dict[str, SizedFleet] = {}
    why: dict[str, str] = {}
    for place, chip in enumerate(ids):
        if on_progress is not None:
            on_progress(place, len(ids) + 1, chip)
        for precision in precisions(catalogue.chip(chip), weight_precision):
            found = best_by_group(
                chip, model, trace, case.target, engine=engine, weight_precision=precision, catalogue=catalogue
            )
            if isinstance(found, str):
                why.setdefault(chip, found)
                continue
            parts[chip], least = _least_of(chip, found, case)
            why.pop(chip, None)
            if isinstance(least, str):
                why[chip] = least
            else:
                per_chip[chip] = least
            break
    if on_progress is not None:
        on_progress(len(ids), len(ids) + 1, "best mix")
    mixed = _best_mix(per_chip, parts, case)
    if not per_chip and mixed is None:
        raise InfeasiblePlan("; ".join(f"{chip}: {reason}" for chip, reason in why.items()), place="serve size")
    return Sizing(
        per_chip=per_chip,
        mixed=mixed,
        why_not=why,
        target=case.target,
        peak_rate_per_s=peak_rate_per_s(trace),
        trace_name=trace.name,
        model_id=catalogue.model(model).id,
    )


def busiest(trace: Trace, most: int) -> Trace:
    """The stretch of `most` requests that took least time; the trace itself where it is no longer."""
    import numpy as np

    if len(trace) <= most:
        return trace
    start = int(np.argmin(trace.arrival_s[most - 1 :] - trace.arrival_s[: len(trace) - most + 1]))
    return trace.taken(range(start, start + most))


def meets(fleet: Sequence[Part], trace: Trace, target: Target) -> tuple[bool, float, float]:
    """Whether one run meets the target; share of good requests; busy share."""
    result = simulate(trace, list(fleet), router="least load")
    good = float(result.good(target.ttft_s, target.tpot_s).mean())
    busy = sum(row["busy_share"] for row in result.replicas) / len(fleet)
    return good >= target.share, good, busy


def confirm(fleet: Sequence[Part], trace: Trace, target: Target, *, runs: int, seed: int) -> Confirmed:
    """Runs on fresh draws of the load until it is clear whether 19 of 20 meet the target.

    Notes
    -----
    All of `runs` must meet it; with a single miss as many runs again must all meet it. Of a fleet that meets the target
    in 90 % of runs this lets through 1.6 %, of one that does in 99 % it refuses 15 %.
    """
    rows: list[tuple[bool, float, float]] = []
    misses = 0
    with ThreadPoolExecutor(THREADS) as pool:  # the compiled loop lets other threads run
        while len(rows) < (2 if misses else 1) * runs and misses < 2:
            some = range(len(rows), min(len(rows) + THREADS, 2 * runs))
            for met in pool.map(lambda k: meets(fleet, resampled(trace, seed + 1 + k), target), some):
                rows.append(met)
                misses += not met[0]
    n = len(rows)
    share, good, busy = (sum(row[j] for row in rows) / n for j in range(3))
    return Confirmed(runs=n, share=share, good=good, busy=busy, enough=misses < 2)


def _least_of(chip: str, found: Sequence[BestReplica], case: Case) -> tuple[BestReplica, SizedFleet | str]:
    """Fewest chips over the sizes a replica may have; where none will do, the size that makes most of what there is."""
    peak = peak_rate_per_s(case.trace)
    limit = case.limits.get(chip)
    if limit is not None:
        found = sorted(found, key=lambda one: -one.rate_per_s * (limit // one.part[0].chips))
    best, least = found[0], _smallest(chip, found[0], case)
    for other in found[1:]:
        fewest = (math.ceil(peak / max(other.closed_form_per_s, other.rate_per_s)) + case.spares) * other.part[0].chips
        if not isinstance(least, str) and fewest >= least.chips[chip]:
            continue
        tried = _smallest(chip, other, case)
        if not isinstance(tried, str) and (isinstance(least, str) or tried.chips[chip] < least.chips[chip]):
            best, least = other, tried
    return best, least


def _smallest(chip: str, best: BestReplica, case: Case) -> SizedFleet | str:
    """Fewest replicas: bisect on the trace itself, then add until fresh draws meet the target often enough."""
    part, trace, target = best.part, case.trace, case.target
    guess = max(1, math.ceil(peak_rate_per_s(trace) / best.closed_form_per_s))
    most = min(case.limits.get(chip, 1 << 40) // part[0].chips - case.spares, MOST_REPLICAS)
    if most < 1:
        return f"{case.limits[chip]} chips are too few for a replica of {part[0].chips} and the spares"
    low, high = 0, min(guess, most)
    while not meets([part] * high, trace, target)[0]:
        if high >= most or high > max(64, 16 * guess):
            good = meets([part] * high, trace, target)[1]
            return f"{high} replicas of {part[0].chips} serve only {good:.1%} of requests within the targets"
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if meets([part] * middle, trace, target)[0] else (middle, high)
    for count in range(high, min(2 * high + 4, most + 1)):
        met = confirm([part] * count, trace, target, runs=case.runs, seed=case.seed)
        if met.enough:
            return _fleet({chip: count}, {chip: best}, met, case)
    return f"fresh draws of the load still miss the targets with {min(2 * high + 3, most)} replicas"


def _fleet(counts: Mapping[str, int], parts: Mapping[str, BestReplica], met: Confirmed, case: Case) -> SizedFleet:
    strongest = max(counts, key=lambda chip: parts[chip].rate_per_s)
    replicas = {chip: count + (case.spares if chip == strongest else 0) for chip, count in counts.items()}
    chips = {chip: count * parts[chip].part[0].chips for chip, count in replicas.items()}
    peak = peak_rate_per_s(case.trace)
    carried = sum(count * parts[chip].closed_form_per_s for chip, count in counts.items())
    return SizedFleet(
        replicas=replicas,
        chips=chips,
        spares=case.spares,
        closed_form={chip: math.ceil(count * peak / carried) for chip, count in counts.items()},
        layout={
            chip: {
                "chips_per_replica": parts[chip].part[0].chips,
                "max_batch": parts[chip].part[1].max_batch,
                "token_budget": parts[chip].part[1].token_budget,
                "requests_per_s_per_replica": parts[chip].rate_per_s,
                "weight_precision": parts[chip].weight_precision,
                "evidence": parts[chip].part[0].evidence,
            }
            for chip in counts
        },
        confirmed_share=met.share,
        confirming_runs=met.runs,
        good_share=met.good,
        utilisation=met.busy,
        tokens_per_day=case.trace.tokens / max(case.trace.duration_s, 1e-9) * 86400.0,
        cost=case.price(chips),
    )


def _best_mix(per_chip: Mapping[str, SizedFleet], parts: Mapping[str, BestReplica], case: Case) -> SizedFleet | None:
    """Cheapest confirmed fleet of several chips that is cheaper than every fleet of one; None where there is none."""
    priced = all(case.price({chip: 1}).usd_per_hour is not None for chip in parts)

    def price(chips: Mapping[str, int]) -> float:
        cost = case.price(chips).usd_per_hour
        return cost if priced and cost is not None else float(sum(chips.values()))

    alone = min((price(fleet.chips) for fleet in per_chip.values()), default=math.inf)
    tried = 0
    for counts in mixes(parts, peak_rate_per_s(case.trace), case.limits, case.spares, price):
        fleet = [parts[chip].part for chip, number in counts.items() for _ in range(number)]
        strongest = max(counts, key=lambda chip: parts[chip].rate_per_s)
        whole = {
            chip: (number + (case.spares if chip == strongest else 0)) * parts[chip].part[0].chips
            for chip, number in counts.items()
        }
        if price(whole) >= alone or tried >= MIXES_TRIED:
            break
        tried += 1
        if not meets(fleet, case.trace, case.target)[0]:
            continue
        met = confirm(fleet, case.trace, case.target, runs=case.runs, seed=case.seed)
        if met.enough:
            return _fleet(counts, parts, met, case)
    return None
