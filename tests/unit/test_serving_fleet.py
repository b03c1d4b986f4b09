"""Fleets: routers, outages, autoscaling, disaggregation; nothing is lost."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from chipwise.core.errors import InputError, UnknownName
from chipwise.perf.step_cost import StepCost
from chipwise.serving import Autoscale, Operation, Outage, Replica, generate, simulate
from chipwise.serving.disaggregated import arrivals_behind, simulate_disaggregated
from chipwise.serving.generate import sessions
from chipwise.serving.long_run import simulate_long
from chipwise.serving.simulation import Part
from chipwise.serving.trace import Trace

FAST = StepCost(
    overhead_s=0.004,
    per_decode_context_token_s=1e-8,
    per_prefill_token_s=2e-5,
    breakpoints=((0, 0.004), (256, 0.005), (2048, 0.03)),
    kv_bytes_per_token=1e5,
)
SLOW = dataclasses.replace(FAST, overhead_s=0.012, per_prefill_token_s=8e-5)
REPLICA = Replica(kv_tokens=60_000, prefix_cache=False)
LOAD = generate("poisson:20:400:60:1500", seed=3)


def fleet(count: int) -> list[Part]:
    return [(FAST, REPLICA)] * count


@pytest.mark.parametrize("router", ["round robin", "least load", "length split", "slo"])
def test_every_request_gets_every_token(router: str) -> None:
    result = simulate(LOAD, fleet(4), router=router, operation=Operation(pools=(0, 0, 1, 1), threshold_tokens=400))
    assert result.done.all()
    assert (result.generated == LOAD.output_tokens).all()
    assert set(np.unique(result.replica)) <= {0, 1, 2, 3}


def test_threads_do_not_change_the_answer() -> None:
    one, two = (simulate(LOAD, fleet(4), threads=threads) for threads in (1, 2))
    assert (one.end_s == two.end_s).all()


def test_looking_at_the_load_beats_turns_on_uneven_replicas() -> None:
    uneven = [(FAST, REPLICA), (SLOW, REPLICA)]
    blind, looking = (simulate(LOAD, uneven, router=router) for router in ("round robin", "least load"))
    assert np.percentile(looking.latency_s, 99) < np.percentile(blind.latency_s, 99)


def test_lengths_are_split() -> None:
    mixed = generate("poisson:10:400:60:400", seed=1)
    longer = mixed.input_tokens.copy()
    longer[::4] = 3000
    mixed = dataclasses.replace(mixed, input_tokens=longer)
    result = simulate(
        mixed, fleet(3), router="length split", operation=Operation(pools=(0, 0, 1), threshold_tokens=2000)
    )
    assert ((result.replica == 2) == (longer > 2000)).all()


def test_a_failed_replica_loses_no_request_and_no_token() -> None:
    outages = (Outage(replica=0, start_s=10.0, end_s=40.0), Outage(replica=1, start_s=20.0, end_s=25.0))
    result = simulate(LOAD, fleet(2), router="least load", operation=Operation(outages=outages))
    assert result.done.all()
    assert (result.generated == LOAD.output_tokens).all()
    calm = simulate(LOAD, fleet(2), router="least load")
    assert np.percentile(result.latency_s, 99) > np.percentile(calm.latency_s, 99)


def test_with_every_replica_down_requests_wait_for_the_repair() -> None:
    operation = Operation(outages=(Outage(replica=0, start_s=5.0, end_s=30.0),))
    result = simulate(generate("poisson:2:50:5:60", seed=4), fleet(1), router="least load", operation=operation)
    assert result.done.all()
    assert result.ttft_s.max() > 15.0


def test_autoscaling_starts_replicas_under_load_and_pays_less_than_all() -> None:
    scaler = Autoscale(fewest=1, load_up=8.0, load_down=2.0, tick_s=2.0, startup_s=5.0)
    result = simulate(LOAD, fleet(4), router="least load", operation=Operation(autoscale=scaler))
    on = [row["on_s"] for row in result.replicas]
    assert result.done.all()
    assert on[1] > 0
    assert sum(on) < 4 * result.makespan_s


def test_prefix_router_finds_more_in_the_cache_than_turns() -> None:
    talk = sessions(1.0, 120, turns=4.0, think_s=8.0, question_tokens=300, answer_tokens=60, seed=5)
    replica = Replica(kv_tokens=60_000, prefix_tokens=talk.prefix_tokens)
    aware, blind = (simulate(talk, [(FAST, replica)] * 4, router=router) for router in ("prefix", "round robin"))
    assert aware.cached_tokens.sum() > 1.3 * blind.cached_tokens.sum()
    assert aware.done.all()


def test_disaggregated_halves_do_all_the_work() -> None:
    result = simulate_disaggregated(LOAD, fleet(4), 2, link_bytes_per_s=1e9)
    together = simulate(LOAD, fleet(4), router="least load")
    assert result.done.all()
    assert (result.generated == LOAD.output_tokens).all()
    assert np.nanpercentile(result.tpot_s, 99) < np.nanpercentile(together.tpot_s, 99) + 0.06
    assert {row["pool"] for row in result.replicas} == {"prefill", "decode"}


def test_transfers_of_one_sender_queue() -> None:
    end = arrivals_behind(np.array([0.0, 0.1, 5.0]), np.array([1.0, 1.0, 1.0]), np.array([0, 0, 0]))
    assert end.tolist() == [1.0, 2.0, 6.0]


def test_speculation_shortens_and_swap_and_priorities_keep_everything() -> None:
    plain = simulate(LOAD, (FAST, REPLICA))
    drafted = simulate(LOAD, (FAST, dataclasses.replace(REPLICA, draft_tokens=3, acceptance=0.8)))
    assert np.nanmedian(drafted.tpot_s) < np.nanmedian(plain.tpot_s)
    tight = dataclasses.replace(REPLICA, kv_tokens=4000, preemption="swap", swap_s_per_token=1e-7)
    swapped = simulate(LOAD, (FAST, tight))
    assert swapped.done.all()
    assert swapped.preempted.sum() > 0


def test_a_request_past_its_time_is_dropped_once() -> None:
    result = simulate(LOAD, (SLOW, dataclasses.replace(REPLICA, timeout_s=2.0)))
    assert 0 < result.done.sum() < len(LOAD)
    longest_step = SLOW.step_time_s(prefill_tokens=2048)
    assert (result.end_s - LOAD.arrival_s).max() <= 2.0 + longest_step


def test_what_cannot_be_simulated_is_said() -> None:
    with pytest.raises(UnknownName, match="least load"):
        simulate(LOAD, fleet(2), router="least laod")
    with pytest.raises(InputError, match="nothing to simulate"):
        simulate(LOAD, [])
    with pytest.raises(InputError, match="weights"):
        simulate(LOAD, fleet(2), router="least load", operation=Operation(weights=(1.0,)))


def test_through_time_adds_up() -> None:
    result = simulate(LOAD, (FAST, REPLICA), bins=50)
    width = result.timeline["time_s"][1] - result.timeline["time_s"][0]
    tokens = sum(result.timeline["tokens_per_s"]) * width
    assert tokens == pytest.approx(LOAD.tokens - len(LOAD), rel=1e-6)


def test_a_run_in_chunks_is_the_whole_run_and_goes_on_after_a_stop(tmp_path: Path) -> None:
    def chunk(k: int) -> Trace | None:
        return LOAD.taken(np.arange(k * 400, min((k + 1) * 400, len(LOAD)))) if k * 400 < len(LOAD) else None

    def stopping(done: int, total: int, message: str) -> None:
        if done == 800:
            raise KeyboardInterrupt

    tight = dataclasses.replace(REPLICA, kv_tokens=6000)
    shifted = dataclasses.replace(LOAD, arrival_s=LOAD.arrival_s - LOAD.arrival_s[0])
    whole = simulate(shifted, [(FAST, tight)] * 2).to_dict()
    with pytest.raises(KeyboardInterrupt):
        simulate_long(chunk, [(FAST, tight)] * 2, tmp_path, on_progress=stopping)
    parts = simulate_long(chunk, [(FAST, tight)] * 2, tmp_path)
    assert parts["requests"] == parts["done"] == len(LOAD)
    assert parts["tokens"] == whole["tokens"]
    for key in ("ttft_s", "tpot_s", "latency_s"):
        assert parts[key]["p99"] == pytest.approx(whole[key]["p99"], rel=1e-9)
    with pytest.raises(InputError, match="other replicas"):
        simulate_long(chunk, [(FAST, REPLICA)], tmp_path)
