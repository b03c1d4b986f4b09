"""How many replicas a load needs: closed form first, then simulation on fresh draws of the same load."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chipwise.core.errors import InfeasiblePlan, InputError
from chipwise.perf.step_cost import StepCost, step_cost
from chipwise.serving.capacity import Target, best_layout, peak_rate_per_s
from chipwise.serving.fleet_cost import FleetCost, fleet_cost
from chipwise.serving.generate import resampled
from chipwise.serving.operation import Operation
from chipwise.serving.replica import Replica
from chipwise.serving.simulation import Part, simulate
from chipwise.serving.trace import Trace

CONFIRMING_RUNS = 40
NEEDED_SHARE = 0.975
"""Share of confirming runs that must meet the target: above the 95 % promised, since forty runs are a sample."""
MOST_REPLICAS = 4096

OnProgress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedFleet:
    """A fleet that carries a load within its targets.

    Parameters
    ----------
    replicas : mapping of chip id to int
        Copies of the model by chip, spares included.
    chips : mapping of chip id to int
    closed_form : mapping of chip id to int
        Replicas of the first guess: peak rate over the rate one replica carries.
    confirmed_share : float
        Confirming runs on fresh draws that met the target; spares stand idle in them.
    good_share : float
        Mean share of requests within both targets in those runs.
    cost : FleetCost
        From catalogue prices with their source, or chips alone.
    """

    replicas: Mapping[str, int]
    chips: Mapping[str, int]
    spares: int
    closed_form: Mapping[str, int]
    layout: Mapping[str, Mapping[str, Any]]
    confirmed_share: float
    good_share: float
    utilisation: float
    tokens_per_day: float
    cost: FleetCost

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "replicas": dict(self.replicas),
            "chips": dict(self.chips),
            "spares": self.spares,
            "closed_form_replicas": dict(self.closed_form),
            "layout": {name: dict(row) for name, row in self.layout.items()},
            "confirmed_share": self.confirmed_share,
            "good_share": self.good_share,
            "utilisation": self.utilisation,
            "tokens_per_day": self.tokens_per_day,
            "cost": self.cost.to_dict(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """Answer of `size_fleet`: a fleet per chip, the best mix, and why a chip has none."""

    per_chip: Mapping[str, SizedFleet]
    mixed: SizedFleet | None
    why_not: Mapping[str, str]
    target: Target
    peak_rate_per_s: float
    trace_name: str
    model_id: str

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "model": self.model_id,
            "trace": self.trace_name,
            "slo_ttft_s": self.target.ttft_s,
            "slo_tpot_s": self.target.tpot_s,
            "slo_share": self.target.share,
            "peak_rate_per_s": self.peak_rate_per_s,
            "per_chip": {chip: fleet.to_dict() for chip, fleet in self.per_chip.items()},
            "mixed": None if self.mixed is None else self.mixed.to_dict(),
            "why_not": dict(self.why_not),
        }


def size_fleet(
    model: str,
    trace: Trace,
    chips: Sequence[str],
    *,
    slo_ttft_s: float,
    slo_tpot_s: float,
    share: float = 0.99,
    spares: int = 0,
    runs: int = CONFIRMING_RUNS,
    seed: int = 0,
    engine: str = "vllm",
    catalogue: Any = None,
    on_progress: OnProgress | None = None,
) -> Sizing:
    """Least fleet per chip, and the best mix of two, that carries `trace` within the targets.

    Parameters
    ----------
    share : float
        Share of requests that must finish within both targets for a run to meet them.
    spares : int
        Replicas beyond those needed (N + k).
    runs : int
        Confirming runs, each on a fresh draw of the load.

    Raises
    ------
    InputError
        No chip or no request.
    InfeasiblePlan
        No chip named can do it; the message says why for each.
    """
    if not chips or not len(trace):
        raise InputError("no chip or no request to size for", place="size_fleet")
    if catalogue is None:
        from chipwise.catalogue import load_catalogue

        catalogue = load_catalogue()
    target = Target(ttft_s=slo_ttft_s, tpot_s=slo_tpot_s, share=share)
    per_chip: dict[str, SizedFleet] = {}
    why: dict[str, str] = {}
    parts: dict[str, tuple[Part, float]] = {}
    ids = [catalogue.chip(name).id for name in chips]
    for done, chip in enumerate(ids):
        if on_progress is not None:
            on_progress(done, len(ids) + 1, f"{chip}: smallest fleet that meets the targets")
        found = best_layout(chip, model, trace, target, engine, catalogue)
        if isinstance(found, str):
            why[chip] = found
            continue
        part, rate = found
        sized = _smallest(part, rate, trace, target, runs, seed)
        if isinstance(sized, str):
            why[chip] = sized
            continue
        needed, share_met, good, busy, guess = sized
        parts[chip] = (part, peak_rate_per_s(trace) / needed)
        per_chip[chip] = _fleet({chip: needed}, {chip: guess}, parts, spares, (share_met, good, busy), trace, catalogue)
    if not per_chip:
        raise InfeasiblePlan("; ".join(f"{chip}: {reason}" for chip, reason in why.items()), place="serve size")
    if on_progress is not None:
        on_progress(len(ids), len(ids) + 1, "best mix")
    mixed = _best_mix(per_chip, parts, trace, target, runs, seed, spares, catalogue)
    return Sizing(
        per_chip=per_chip,
        mixed=mixed,
        why_not=why,
        target=target,
        peak_rate_per_s=peak_rate_per_s(trace),
        trace_name=trace.name,
        model_id=catalogue.model(model).id,
    )


def meets(fleet: Sequence[Part], trace: Trace, target: Target) -> tuple[bool, float, float]:
    """Whether one run meets the target; share of good requests; busy share."""
    result = simulate(trace, list(fleet), router="least load", operation=Operation())
    good = float(result.good(target.ttft_s, target.tpot_s).mean())
    busy = sum(row["busy_share"] for row in result.replicas) / len(fleet)
    return good >= target.share, good, busy


def confirm(fleet: Sequence[Part], trace: Trace, target: Target, runs: int, seed: int) -> tuple[float, float, float]:
    """Share of runs on fresh draws that meet the target; mean good share; mean busy share."""
    found = [meets(fleet, resampled(trace, seed + 1 + k), target) for k in range(runs)]
    return tuple(sum(row[j] for row in found) / runs for j in range(3))  # type: ignore[return-value]


def _smallest(
    part: Part, rate: float, trace: Trace, target: Target, runs: int, seed: int
) -> tuple[int, float, float, float, int] | str:
    """Fewest replicas: bisect on the trace itself, then add until fresh draws meet the target often enough."""
    guess = max(1, math.ceil(peak_rate_per_s(trace) / rate))
    low, high = 0, guess
    while not meets([part] * high, trace, target)[0]:
        low, high = high, high * 2
        if high > max(64, 16 * guess) or high > MOST_REPLICAS:
            good = meets([part] * low, trace, target)[1]
            return f"{low} replicas of {part[0].chips} still serve only {good:.1%} of requests within the targets"
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if meets([part] * middle, trace, target)[0] else (middle, high)
    for count in range(high, high * 2 + 4):
        share, good, busy = confirm([part] * count, trace, target, runs, seed)
        if share >= NEEDED_SHARE:
            return count, share, good, busy, guess
    return f"fresh draws of the load still miss the targets with {high * 2 + 3} replicas"


def _fleet(
    counts: Mapping[str, int],
    guess: Mapping[str, int],
    parts: Mapping[str, tuple[Part, float]],
    spares: int,
    met: tuple[float, float, float],
    trace: Trace,
    catalogue: Any,
) -> SizedFleet:
    cheapest = min(counts, key=lambda chip: parts[chip][0][0].chips)
    replicas = {chip: count + (spares if chip == cheapest else 0) for chip, count in counts.items()}
    chips = {chip: count * parts[chip][0][0].chips for chip, count in replicas.items()}
    return SizedFleet(
        replicas=replicas,
        chips=chips,
        spares=spares,
        closed_form=dict(guess),
        layout={
            chip: {
                "chips_per_replica": parts[chip][0][0].chips,
                "max_batch": parts[chip][0][1].max_batch,
                "token_budget": parts[chip][0][1].token_budget,
                "evidence": parts[chip][0][0].evidence,
            }
            for chip in counts
        },
        confirmed_share=met[0],
        good_share=met[1],
        utilisation=met[2],
        tokens_per_day=trace.tokens / max(trace.duration_s, 1e-9) * 86400.0,
        cost=fleet_cost(chips, catalogue),
    )


def _best_mix(
    per_chip: Mapping[str, SizedFleet],
    parts: Mapping[str, tuple[Part, float]],
    trace: Trace,
    target: Target,
    runs: int,
    seed: int,
    spares: int,
    catalogue: Any,
) -> SizedFleet | None:
    """Cheapest confirmed fleet of two chips, if one is cheaper than every fleet of one."""
    priced = all(fleet.cost.usd_per_hour is not None for fleet in per_chip.values())

    def price(chips: Mapping[str, int]) -> float:
        cost = fleet_cost(chips, catalogue)
        return cost.usd_per_hour if priced and cost.usd_per_hour is not None else float(sum(chips.values()))

    def group(chip: str) -> int:
        return parts[chip][0][0].chips

    best_alone = min(price({chip: (fleet.replicas[chip] - spares) * group(chip)}) for chip, fleet in per_chip.items())
    peak = peak_rate_per_s(trace)
    candidates = []
    names = list(per_chip)
    for x, first in enumerate(names):
        for second in names[x + 1 :]:
            for count in range(1, per_chip[first].replicas[first] - spares):
                rest = math.ceil((peak - count * parts[first][1]) / parts[second][1] - 1e-9)
                if rest < 1:
                    break
                counts = {first: count, second: rest}
                chips = {chip: number * group(chip) for chip, number in counts.items()}
                candidates.append((price(chips), tuple(counts.items())))
    for cost, items in sorted(candidates)[:6]:
        if cost >= best_alone:
            break
        counts = dict(items)
        fleet = [parts[chip][0] for chip, number in counts.items() for _ in range(number)]
        met = confirm(fleet, trace, target, runs, seed)
        if met[0] >= NEEDED_SHARE:
            return _fleet(counts, counts, parts, spares, met, trace, catalogue)
    return None


def carried(
    model: str,
    chip: str,
    count: int,
    trace: Trace,
    *,
    slo_ttft_s: float,
    slo_tpot_s: float,
    share: float = 0.99,
    engine: str = "vllm",
    catalogue: Any = None,
) -> dict[str, float]:
    """Load a stock of `count` chips carries: the trace sped up until the target is just met.

    Returns
    -------
    dict
        ``replicas``, ``factor`` (times the trace's rate), ``peak_requests_per_s`` and, with the load swinging over
        the day as production traffic does, ``requests_per_day`` and ``tokens_per_day``.
    """
    from chipwise.perf.traffic import day_load_factor
    from chipwise.serving.generate import scaled

    if catalogue is None:
        from chipwise.catalogue import load_catalogue

        catalogue = load_catalogue()
    target = Target(ttft_s=slo_ttft_s, tpot_s=slo_tpot_s, share=share)
    found = best_layout(catalogue.chip(chip).id, model, trace, target, engine, catalogue)
    if isinstance(found, str):
        raise InfeasiblePlan(found, place=chip)
    part, rate = found
    replicas = count // part[0].chips
    if replicas < 1:
        raise InfeasiblePlan(f"{count} chips are fewer than one replica of {part[0].chips}", place=chip)
    some = min(replicas, 8)
    own = len(trace) / max(trace.duration_s, 1e-9)
    low, high = 0.0, 2.0 * rate * some / own
    for _ in range(12):
        middle = (low + high) / 2.0
        low, high = (middle, high) if meets([part] * some, scaled(trace, middle), target)[0] else (low, middle)
    factor = low * replicas / some
    mean = factor * own * day_load_factor().value
    return {
        "replicas": float(replicas),
        "factor": factor,
        "peak_requests_per_s": factor * own,
        "requests_per_day": mean * 86400.0,
        "tokens_per_day": mean * 86400.0 * trace.tokens / len(trace),
    }


def with_costs(cost: StepCost, engine_replica: Replica) -> Part:
    """A replica whose memory is what the step cost leaves."""
    return cost, replace(engine_replica, kv_tokens=cost.kv_capacity_tokens, block_tokens=cost.block_tokens)


__all__ = ["SizedFleet", "Sizing", "carried", "confirm", "meets", "size_fleet", "step_cost", "with_costs"]
