"""The compiled simulator against its slow twin, and against queueing theory."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from chipwise.perf.step_cost import StepCost
from chipwise.serving import Replica, generate, simulate
from chipwise.serving.result import STATUS_NAMES, SimulationResult
from chipwise.serving.trace import Trace, build_trace
from tests.reference.serving_twin import Request, Twin


def random_case(seed: int) -> tuple[Trace, StepCost, Replica]:
    """A small workload and a replica whose limits bind now and then."""
    g = random.Random(seed)
    n, rate = g.randint(1, 40), g.choice([0.5, 3, 20])
    arrival = np.cumsum([g.expovariate(rate) for _ in range(n)])
    inputs = [g.randint(1, g.choice([20, 300])) for _ in range(n)]
    outputs = [g.randint(1, g.choice([3, 60])) for _ in range(n)]
    block = g.choice([1, 4, 16])
    prefix_tokens = block * g.choice([1, 4])
    prefix = [shared_ids(g, i, inputs[i] // prefix_tokens) for i in range(n)] if g.random() < 0.5 else None
    leaves = g.random() < 0.4
    trace = build_trace(
        "random",
        arrival,
        inputs,
        outputs,
        prefix=prefix,
        prefix_tokens=prefix_tokens,
        priority=[g.randint(0, 2) for _ in range(n)],
        cancel_s=[a + g.uniform(0, 5) if g.random() < 0.2 else math.inf for a in arrival] if leaves else None,
    )
    replica = Replica(
        max_batch=g.choice([1, 3, 16]),
        token_budget=g.choice([3, 32, 256]),
        chunk_tokens=g.choice([0, 0, 16]),
        kv_tokens=g.choice([200, 400, 800, 10_000]),
        block_tokens=block,
        prefill_first=g.random() < 0.3,
        reserve_prompt=g.random() < 0.4,
        preemption=g.choice(["recompute", "swap"]),
        swap_s_per_token=1e-5,
        prefix_cache=g.random() < 0.8,
        prefix_tokens=prefix_tokens,
        priorities=g.random() < 0.4,
        draft_tokens=g.choice([0, 0, 0, 2]),
        acceptance=0.6,
        draft_s=0.001,
        look_ahead=g.random() < 0.5,
    )
    cost = StepCost(
        overhead_s=0.005,
        per_prefill_token_s=1e-5,
        per_prefill_token_context_s=1e-8,
        per_decode_seq_s=1e-4,
        per_decode_context_token_s=g.choice([0, 1e-6, 1e-4]),
        breakpoints=((0, 0.001), (4, 0.002), (64, 0.02)),
        mixed_attention=1.4,
    )
    return trace, cost, replica


def shared_ids(g: random.Random, i: int, most: int) -> list[int]:
    root, count = g.randint(0, 3), min(most, g.randint(0, 30))
    shared = g.randint(0, count)
    return [root * 1000 + j for j in range(shared)] + [10**6 + i * 1000 + j for j in range(count - shared)]


def run_twin(trace: Trace, cost: StepCost, replica: Replica, seed: int) -> tuple[Twin, list[Request]]:
    starts, ids = trace.prefix_start, trace.prefix_ids
    cached = starts is not None and ids is not None and replica.prefix_cache
    requests = [
        Request(
            i,
            float(trace.arrival_s[i] - trace.arrival_s[0]),
            int(trace.input_tokens[i]),
            int(trace.output_tokens[i]),
            int(trace.priority[i]) if trace.priority is not None else 0,
            float(trace.cancel_s[i] - trace.arrival_s[0]) if trace.cancel_s is not None else math.inf,
            tuple(ids[starts[i] : starts[i + 1]].tolist()) if cached else (),
        )
        for i in range(len(trace))
    ]
    twin = Twin(cost, replica, seed)
    twin.run(requests)
    return twin, requests


def assert_equal(result: SimulationResult, twin: Twin, requests: list[Request]) -> None:
    origin = result.trace.arrival_s[0]
    for r in requests:
        assert STATUS_NAMES[result.status[r.index]] == r.status
        assert result.generated[r.index] == r.generated
        assert result.cached_tokens[r.index] == r.hit
        assert result.preempted[r.index] == r.preempted
        for ours, theirs in ((result.first_token_s, r.first), (result.end_s, r.end)):
            assert ours[r.index] - origin == pytest.approx(theirs, rel=1e-9, abs=1e-9, nan_ok=True)
    assert result.steps == twin.steps


def check(seed: int) -> SimulationResult:
    trace, cost, replica = random_case(seed)
    result = simulate(trace, (cost, replica), seed=seed)
    assert_equal(result, *run_twin(trace, cost, replica, seed))
    return result


def test_kernel_equals_twin() -> None:
    results = [check(seed) for seed in range(150)]
    assert sum(int(result.preempted.sum()) for result in results) > 50
    assert sum(int(result.cached_tokens.sum()) for result in results) > 1000
    assert any((result.status == STATUS_NAMES.index("cancelled")).any() for result in results)
    assert any((result.status == STATUS_NAMES.index("rejected")).any() for result in results)


@pytest.mark.slow
def test_kernel_equals_twin_on_a_thousand_workloads() -> None:
    for seed in range(150, 1150):
        check(seed)


@pytest.mark.parametrize("seed", range(20))
def test_no_request_and_no_token_is_lost_or_doubled(seed: int) -> None:
    trace, cost, replica = random_case(seed)
    result = simulate(trace, (cost, replica), seed=seed)
    assert result.done.sum() + (result.status == 5).sum() + (result.status == 6).sum() == len(trace)
    assert (result.generated[result.done] == trace.output_tokens[result.done]).all()
    assert (result.generated <= trace.output_tokens).all()
    assert (result.end_s[result.done] >= result.first_token_s[result.done]).all()


SERVICE_S = 0.1
ONE_AT_A_TIME = Replica(max_batch=1, prefix_cache=False)


def test_one_server_with_fixed_service_waits_as_in_queueing_theory() -> None:
    load = 0.7
    trace = generate(f"poisson:{load / SERVICE_S}:1:1:200000", seed=1)
    result = simulate(trace, (StepCost(overhead_s=SERVICE_S), ONE_AT_A_TIME))
    wait = (result.latency_s - SERVICE_S).mean()
    assert wait == pytest.approx(load * SERVICE_S / (2 * (1 - load)), rel=0.05)


def test_one_server_with_geometric_service_waits_as_in_queueing_theory() -> None:
    draw = np.random.default_rng(2)
    step, mean_tokens, load, n = 0.001, 100.0, 0.6, 200_000
    arrival = np.cumsum(draw.exponential(mean_tokens * step / load, size=n))
    trace = build_trace("geometric", arrival, np.ones(n), draw.geometric(1 / mean_tokens, size=n))
    result = simulate(trace, (StepCost(overhead_s=step), ONE_AT_A_TIME))
    service = trace.output_tokens * step
    expected = load * (service**2).mean() / (2 * service.mean() * (1 - load))
    assert (result.latency_s - service).mean() == pytest.approx(expected, rel=0.06)
    assert expected == pytest.approx(load * mean_tokens * step / (1 - load), rel=0.05)  # the M/M/1 limit
