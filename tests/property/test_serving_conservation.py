"""No request and no token is lost or doubled, whatever fails, leaves, waits or is started."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chipwise.perf.step_cost import StepCost
from chipwise.serving import Autoscale, Operation, Outage, Replica, simulate
from chipwise.serving.disaggregated import simulate_disaggregated
from chipwise.serving.result import STATUS_NAMES, SimulationResult
from chipwise.serving.trace import Trace, build_trace

ENDED = {STATUS_NAMES.index(name) for name in ("done", "cancelled", "rejected")}
COST = StepCost(
    overhead_s=0.004,
    per_prefill_token_s=2e-5,
    per_decode_context_token_s=1e-6,
    breakpoints=((0, 0.001), (64, 0.004)),
    kv_bytes_per_token=1e5,
)


def load(g: random.Random, n: int, *, leaves: bool) -> Trace:
    arrival = np.cumsum([g.expovariate(8.0) for _ in range(n)])
    return build_trace(
        "drawn",
        arrival,
        [g.randint(1, 200) for _ in range(n)],
        [g.randint(1, 50) for _ in range(n)],
        priority=[g.randint(0, 1) for _ in range(n)],
        cancel_s=[a + g.uniform(0.0, 4.0) if g.random() < 0.3 else np.inf for a in arrival] if leaves else None,
    )


def replica(g: random.Random) -> Replica:
    return Replica(
        max_batch=g.choice([1, 4, 16]),
        token_budget=g.choice([16, 128]),
        kv_tokens=g.choice([256, 400, 3000]),
        prefix_cache=g.random() < 0.5,
        prefix_tokens=16,
        preemption=g.choice(["recompute", "swap"]),
        swap_s_per_token=1e-6,
        priorities=g.random() < 0.3,
        look_ahead=g.random() < 0.5,
        prefill_first=g.random() < 0.3,
        draft_tokens=g.choice([0, 0, 2]),
        acceptance=0.5,
        timeout_s=g.choice([float("inf"), 6.0]),
    )


def operation(g: random.Random, count: int) -> Operation:
    outages = []
    for _ in range(g.randint(0, 4)):
        start = g.uniform(0.0, 8.0)
        outages.append(Outage(replica=g.randrange(count), start_s=start, end_s=start + g.uniform(0.1, 5.0)))
    scaler = Autoscale(fewest=1, load_up=4.0, load_down=1.0, tick_s=0.5, startup_s=1.0) if g.random() < 0.4 else None
    pools = tuple(g.randint(0, 1) for _ in range(count))
    return Operation(outages=tuple(outages), autoscale=scaler, pools=pools, threshold_tokens=150)


def assert_conserved(result: SimulationResult, trace: Trace) -> None:
    assert len(result.status) == len(trace)
    assert set(np.unique(result.status).tolist()) <= ENDED
    assert (result.generated[result.done] == trace.output_tokens[result.done]).all()
    assert (result.generated >= 0).all()
    assert (result.generated <= trace.output_tokens).all()
    assert (result.first_token_s[result.done] > trace.arrival_s[result.done]).all()
    assert (result.end_s[result.done] >= result.first_token_s[result.done]).all()
    assert (result.end_s >= trace.arrival_s - 1e-9).all()
    if trace.cancel_s is None:
        assert not np.isnan(result.end_s).any()


@given(seed=st.integers(0, 10**6))
@hypothesis_settings(max_examples=150)
def test_a_fleet_that_fails_and_scales_loses_nothing(seed: int) -> None:
    g = random.Random(seed)
    count, trace = g.randint(1, 4), load(g, g.randint(1, 60), leaves=g.random() < 0.5)
    slow = dataclasses.replace(COST, overhead_s=0.02)
    fleet = [(g.choice([COST, slow]), replica(g)) for _ in range(count)]
    router = g.choice(["round robin", "least load", "prefix", "length split", "slo"])
    result = simulate(trace, fleet, router=router, operation=operation(g, count), seed=seed, bins=8)
    assert_conserved(result, trace)
    assert sum(row["on_s"] for row in result.replicas) <= count * result.makespan_s + 60.0


@given(seed=st.integers(0, 10**6))
@hypothesis_settings(max_examples=60)
def test_two_pools_lose_nothing(seed: int) -> None:
    g = random.Random(seed)
    trace = load(g, g.randint(1, 40), leaves=g.random() < 0.5)
    one = dataclasses.replace(replica(g), draft_tokens=0)
    result = simulate_disaggregated(trace, [(COST, one)] * 3, g.choice([1, 2]), link_bytes_per_s=1e8, seed=seed)
    assert_conserved(result, trace)


@given(seed=st.integers(0, 10**6))
@hypothesis_settings(max_examples=60)
def test_more_memory_never_preempts_more_and_enough_never_at_all(seed: int) -> None:
    g = random.Random(seed)
    trace, one = load(g, 40, leaves=False), replica(g)
    ample = dataclasses.replace(one, kv_tokens=1 << 20)
    assert simulate(trace, (COST, ample)).preempted.sum() == 0
