"""The simulator against queueing theory: c servers, one line; and look-ahead by hand."""

from __future__ import annotations

import heapq
import math

import numpy as np
import pytest

from chipwise.perf.step_cost import StepCost
from chipwise.serving import Replica, simulate
from chipwise.serving.trace import Trace, build_trace

STEP_S = 0.001


def served_by(servers: int, load: float, mean_tokens: float, draw: str, n: int = 60_000) -> Trace:
    """Poisson arrivals for `servers` servers at that load; service is its tokens times a fixed step."""
    g = np.random.default_rng(7)
    tokens = {
        "fixed": lambda: np.full(n, int(mean_tokens)),
        "geometric": lambda: g.geometric(1 / mean_tokens, size=n),
        "two kinds": lambda: np.where(g.random(n) < 0.9, mean_tokens / 2, 5.5 * mean_tokens).astype(int),
    }[draw]()
    gap = tokens.mean() * STEP_S / (load * servers)
    return build_trace(draw, np.cumsum(g.exponential(gap, size=n)), np.ones(n), tokens)


def waits(trace: Trace, servers: int) -> np.ndarray:
    """Waits of a batch of `servers` places whose step takes the same time however full."""
    one = Replica(max_batch=servers, token_budget=servers, prefix_cache=False)
    result = simulate(trace, (StepCost(overhead_s=STEP_S), one))
    assert result.done.all()
    return result.latency_s - trace.output_tokens * STEP_S


def exact_waits(trace: Trace, servers: int) -> np.ndarray:
    """First come, first served by the soonest free of `servers` servers."""
    free = [0.0] * servers
    out = []
    for arrival, tokens in zip(trace.arrival_s.tolist(), trace.output_tokens.tolist(), strict=True):
        start = max(arrival, heapq.heappop(free))
        heapq.heappush(free, start + tokens * STEP_S)
        out.append(start - arrival)
    return np.array(out)


def erlang_wait(servers: int, load: float, service_s: float) -> float:
    """Mean wait of M/M/c."""
    offered = servers * load
    tail = offered**servers / math.factorial(servers) / (1 - load)
    queue = tail / (sum(offered**k / math.factorial(k) for k in range(servers)) + tail)
    return queue * service_s / (servers * (1 - load))


@pytest.mark.parametrize("servers", [1, 3, 8])
@pytest.mark.parametrize("draw", ["fixed", "geometric", "two kinds"])
def test_many_servers_and_one_line_wait_as_the_recursion_says(servers: int, draw: str) -> None:
    trace = served_by(servers, 0.8, 100.0, draw, n=20_000)
    ours, theirs = waits(trace, servers), exact_waits(trace, servers)
    assert ours.mean() == pytest.approx(theirs.mean(), rel=0.02, abs=STEP_S)
    assert np.percentile(ours, 99) == pytest.approx(np.percentile(theirs, 99), rel=0.02, abs=2 * STEP_S)


@pytest.mark.parametrize("servers", [1, 4, 16])
def test_geometric_service_at_many_servers_is_the_erlang_limit(servers: int) -> None:
    load, mean = 0.7, 200.0
    trace = served_by(servers, load, mean, "geometric", n=200_000)
    assert waits(trace, servers).mean() == pytest.approx(erlang_wait(servers, load, mean * STEP_S), rel=0.1, abs=STEP_S)


def test_fixed_service_waits_about_half_as_long_as_geometric() -> None:
    servers, load = 4, 0.8
    fixed, drawn = (
        waits(served_by(servers, load, 200.0, draw, n=200_000), servers).mean() for draw in ("fixed", "geometric")
    )
    assert fixed / drawn == pytest.approx(0.5, abs=0.06)


def test_a_request_that_comes_in_a_step_waits_for_the_next_but_one() -> None:
    trace = build_trace("two", [0.0, 1.5], [1, 1], [6, 1])
    for ahead, first in ((False, 3.0), (True, 4.0)):
        one = Replica(max_batch=4, prefix_cache=False, look_ahead=ahead)
        result = simulate(trace, (StepCost(overhead_s=1.0), one))
        assert result.first_token_s.tolist() == [1.0, first]
        assert result.end_s[0] == 6.0


def test_a_place_is_free_one_step_later_when_steps_are_planned_ahead() -> None:
    trace = build_trace("line", [0.0, 0.0], [1, 1], [3, 1])
    for ahead, first in ((False, 4.0), (True, 4.0)):
        one = Replica(max_batch=1, prefix_cache=False, look_ahead=ahead)
        assert simulate(trace, (StepCost(overhead_s=1.0), one)).first_token_s[1] == first
    busy = build_trace("line", [0.0, 0.0, 0.0], [1, 1, 1], [3, 9, 1])
    for ahead, first in ((False, 4.0), (True, 5.0)):
        two = Replica(max_batch=2, prefix_cache=False, look_ahead=ahead)
        assert simulate(busy, (StepCost(overhead_s=1.0), two)).first_token_s[2] == first


def test_a_preempted_request_finds_what_nobody_took() -> None:
    trace = build_trace("tight", [0.0, 0.0, 0.0], [48, 48, 48], [60, 60, 60])
    cost = StepCost(overhead_s=0.01, per_prefill_token_s=0.001)
    kept, lost = (
        simulate(trace, (cost, Replica(kv_tokens=256, block_tokens=16, prefix_cache=cache, prefix_tokens=16)))
        for cache in (True, False)
    )
    assert kept.preempted.sum() > 0
    assert kept.cached_tokens.sum() > 0
    assert lost.cached_tokens.sum() == 0
    assert kept.makespan_s < lost.makespan_s
