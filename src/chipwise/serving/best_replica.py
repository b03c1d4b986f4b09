"""The replica of a chip that carries most per chip in simulation: group of chips, token budget, rate."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from chipwise.core.errors import InputError
from chipwise.perf.machine import weight_precision_of
from chipwise.serving.answer_cache import kept
from chipwise.serving.capacity import Part, Target, candidates
from chipwise.serving.generate import superposed
from chipwise.serving.simulation import simulate
from chipwise.serving.trace import Trace

REPLICAS = 2
"""Replicas of the simulated fleet; a larger one pools bursts a little better."""

REQUESTS, SHORTEST_S = 6_000, 120.0
"""Requests of one simulated run, and its least length."""

TOLERANCE = 0.02
"""Relative width at which the search for the rate ends."""


BETTER = 1.05
"""A replica must carry so much more per chip than the best so far to take its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BestReplica:
    """A replica, the requests/s it carries in simulation, and in closed form (which knows no queues)."""

    part: Part
    rate_per_s: float
    closed_form_per_s: float
    weight_precision: str


def best_replica(
    chip: Any,
    model: Any,
    trace: Trace,
    target: Target,
    *,
    engine: str = "vllm",
    weight_precision: str = "auto",
    catalogue: Any,
) -> BestReplica | str:
    """Replica that carries most requests/s per chip within the target; or why there is none.

    Notes
    -----
    Candidates of the closed form in its order; one is searched only if it holds 5 % more than the best so far. A fleet
    of two is simulated on independent copies of the trace laid over one another. The answer is kept on disk under a
    digest of step costs, limits, trace, target and code (`chipwise.serving.answer_cache`).
    """
    found = candidates(chip, model, trace, target, engine, catalogue, weight_precision=weight_precision)
    return (
        found
        if isinstance(found, str)
        else _searched(found, trace, target, _format(chip, model, weight_precision, catalogue))
    )


def precisions(chip: Any, wanted: str) -> tuple[str, ...]:
    """Weight formats to try in turn: ``auto`` is the chip's usual one, then 8-bit integers where the chip has them."""
    return (wanted, "int8") if wanted == "auto" and "int8" in chip.rates else (wanted,)


def best_by_group(
    chip: Any,
    model: Any,
    trace: Trace,
    target: Target,
    *,
    engine: str = "vllm",
    weight_precision: str = "auto",
    catalogue: Any,
) -> list[BestReplica] | str:
    """The same for every number of chips a replica may take, most requests/s per chip first.

    A load of a few replicas may be carried with fewer chips by replicas that are not the best per chip.
    """
    found = candidates(chip, model, trace, target, engine, catalogue, weight_precision=weight_precision)
    if isinstance(found, str):
        return found
    groups = sorted({part[0].chips for part, _ in found})
    kept_as = _format(chip, model, weight_precision, catalogue)
    answers = [
        _searched([pair for pair in found if pair[0][0].chips == size], trace, target, kept_as) for size in groups
    ]
    best = [answer for answer in answers if not isinstance(answer, str)]
    if not best:
        return next(answer for answer in answers if isinstance(answer, str))
    return sorted(best, key=lambda one: -one.rate_per_s / one.part[0].chips)


def _format(chip: Any, model: Any, precision: str, catalogue: Any) -> str:
    """The weight format a precision means for this chip and model."""
    held = catalogue.chip(chip) if isinstance(chip, str) else chip
    return weight_precision_of(held, catalogue.model(model) if isinstance(model, str) else model, precision)


def _searched(
    found: list[tuple[Part, float]], trace: Trace, target: Target, weight_precision: str
) -> BestReplica | str:
    answer = kept(
        ("best replica", found, target, digest(trace), REPLICAS, REQUESTS, SHORTEST_S, TOLERANCE, BETTER),
        lambda: _best_of(found, trace, target),
    )
    if answer["rate"] <= 0:
        return f"more than {1 - target.share:.1%} of the requests of {trace.name} miss the targets at any rate tried"
    part, guess = found[answer["place"]]
    return BestReplica(part=part, rate_per_s=answer["rate"], closed_form_per_s=guess, weight_precision=weight_precision)


def _best_of(found: list[tuple[Part, float]], trace: Trace, target: Target) -> dict[str, Any]:
    best: dict[str, Any] = {"place": 0, "rate": 0.0}
    per_chip = 0.0
    for place, (part, guess) in enumerate(found):
        chips = part[0].chips
        least = BETTER * per_chip * chips
        if guess < least:
            break
        if least > 0 and not holds(part, trace, target, least, guess):
            continue
        rate = simulated_rate(part, trace, target, guess, at_least=least)
        if rate / chips > per_chip:
            best, per_chip = {"place": place, "rate": rate}, rate / chips
    return best


def holds(part: Part, trace: Trace, target: Target, rate: float, guess: float, *, replicas: int = REPLICAS) -> bool:
    """Whether replicas of that kind meet the target at `rate` requests/s each."""
    own = len(trace) / max(trace.duration_s, 1e-9)
    length = min(max(SHORTEST_S, REQUESTS / (guess * replicas)), max(trace.duration_s, SHORTEST_S))
    load = superposed(trace, rate * replicas / own, duration_s=length, seed=1)
    if not len(load):
        return True
    result = simulate(load, [part] * replicas, router="least load")
    return float(result.good(target.ttft_s, target.tpot_s).mean()) >= target.share


def simulated_rate(part: Part, trace: Trace, target: Target, guess: float, *, at_least: float = 0.0) -> float:
    """Most requests/s one replica carries within the target on copies of `trace` laid over one another; 0 where none.

    Parameters
    ----------
    guess : float
        About where to look, requests/s of one replica.
    at_least : float
        A rate known to hold.
    """
    high = max(guess, at_least)
    low = at_least
    while holds(part, trace, target, high, guess):
        low, high = high, high * 1.5
        if high > 64.0 * guess:
            raise InputError("the load never gets too much", place="simulated_rate", allowed="a real step cost")
    tries = 0
    while high - low > TOLERANCE * high and tries < 12:
        middle = (low + high) / 2.0
        low, high = (middle, high) if holds(part, trace, target, middle, guess) else (low, middle)
        tries += 1
    return low if low > 0.01 * guess else 0.0


def digest(trace: Trace) -> str:
    """Content of a trace, for keys."""
    import numpy as np

    mark = hashlib.sha256()
    for column in (trace.arrival_s, trace.input_tokens, trace.output_tokens, trace.prefix_start, trace.prefix_ids):
        mark.update(b"-" if column is None else np.ascontiguousarray(column).tobytes())
    return mark.hexdigest()
