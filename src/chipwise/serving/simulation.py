"""Run a trace through one replica or a fleet."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from chipwise.core.errors import InputError, UnknownName
from chipwise.core.names import nearest_names
from chipwise.perf.step_cost import StepCost
from chipwise.serving import _layout as at
from chipwise.serving._arrays import replica_arrays, request_arrays
from chipwise.serving.operation import Operation, control_arrays, outage_arrays
from chipwise.serving.replica import Replica
from chipwise.serving.result import SimulationResult
from chipwise.serving.trace import Trace

Part = tuple[StepCost, Replica]


def simulate(
    trace: Trace,
    parts: Part | Sequence[Part],
    *,
    router: str = "round robin",
    operation: Operation | None = None,
    seed: int = 0,
    bins: int = 0,
    threads: int = 1,
    start: tuple[Any, Any, Any] | None = None,
) -> SimulationResult:
    """Run `trace` through replicas, iteration by iteration, jumping where the batch stands still.

    Parameters
    ----------
    parts : (StepCost, Replica) or a sequence of them
        One entry per replica; chips may differ.
    router : {"round robin", "least load", "prefix", "length split", "slo"}
        How requests find a replica.
    operation : Operation, optional
        Pools, weights, outages and autoscaling.
    seed : int
        Of the draws of speculative decoding; everything else is determined.
    bins : int
        Stretches of time for which queue, batch and memory are recorded.
    threads : int
        Replicas run on so many threads where the router does not look at them.
    start : (computed, generated, first_token_s) arrays, optional
        State in which requests arrive, for the decoding half of a disaggregated fleet.

    Raises
    ------
    InputError
        An empty fleet or trace, or an unknown router.
    """
    fleet: list[Part] = [parts] if _is_part(parts) else list(parts)  # type: ignore[list-item, arg-type]
    if not fleet or not len(trace):
        raise InputError("nothing to simulate: no replica or no request", place="simulate")
    if router not in at.ROUTERS:
        raise UnknownName(
            f"no router is called {router!r}",
            place="--router",
            allowed=", ".join(at.ROUTERS),
            nearest=nearest_names(router, at.ROUTERS),
        )
    operation = operation or Operation()
    _warm(not _blind(len(fleet), router, operation))
    origin = float(trace.arrival_s[0])
    begun = time.perf_counter()
    width = 1.1 * max(trace.duration_s, 1e-9) / bins if bins else 1.0
    shifted = trace if origin == 0.0 else _shifted(trace, -origin)
    q = request_arrays(shifted, min(replica.timeout_s for _, replica in fleet))
    c = replica_arrays(fleet, shifted, seed=seed, bins=bins, bin_s=width)
    if start is not None:
        q.i[:, at.COMPUTED], q.i[:, at.GEN], q.f[:, at.FIRST] = start[0], start[1], start[2] - origin
    on_s = _run(q, c, fleet, router, operation, threads)
    seconds = time.perf_counter() - begun
    return _result(trace, q, c, fleet, origin, seconds, seed, on_s)


def _is_part(parts: Any) -> bool:
    return isinstance(parts, tuple) and len(parts) == 2 and isinstance(parts[0], StepCost)


def _shifted(trace: Trace, by: float) -> Trace:
    cancel = None if trace.cancel_s is None else trace.cancel_s + by
    return replace(trace, arrival_s=trace.arrival_s + by, cancel_s=cancel)


def _run(q: Any, c: Any, fleet: list[Part], router: str, operation: Operation, threads: int) -> Any:
    """Run to the end; returns seconds each replica was on."""
    import numpy as np

    from chipwise.serving import _advance, _fleet, _queue

    n, count = len(q.f), len(fleet)
    if _blind(count, router, operation):
        _queue.announce_all(q, c, np.arange(n, dtype=np.int64) % count)
        if threads > 1 and count > 1:
            with ThreadPoolExecutor(threads) as pool:
                jobs = [pool.submit(_advance.advance, q, c, r, np.inf, 1 << 60) for r in range(count)]
                for job in jobs:
                    job.result()
        else:
            for r in range(count):
                _advance.advance(q, c, r, np.inf, 1 << 60)
        return np.full(count, float(np.nanmax(q.f[:, at.END])))
    k = control_arrays(fleet, router, operation)
    outage_s, outage = outage_arrays(operation, count)
    _fleet.run_fleet(q, c, k, outage_s, outage, np.zeros(n, np.int8))
    return k.cf[:, at.ON_S]


@functools.cache
def _warm(looking: bool) -> None:
    """Compile or load the kernels before the clock starts: for lone replicas, or a router that looks at them."""
    from chipwise.serving.trace import build_trace

    tiny = build_trace("warm-up", [0.0, 0.1], [8, 8], [2, 2])
    part = (StepCost(overhead_s=0.01), Replica(prefix_cache=False))
    fleet = [part, part] if looking else [part]
    q, c = request_arrays(tiny), replica_arrays(fleet, tiny)
    _run(q, c, fleet, "least load" if looking else "round robin", Operation(), 1)


def _blind(count: int, router: str, operation: Operation) -> bool:
    """Whether every request's replica is known beforehand."""
    return (count == 1 or router == "round robin") and not operation.changes


def _result(
    trace: Trace, q: Any, c: Any, fleet: list[Part], origin: float, seconds: float, seed: int, on_s: Any
) -> SimulationResult:
    import numpy as np

    rows, energy, known = [], 0.0, True
    for r, (cost, replica) in enumerate(fleet):
        busy, blocks = float(c.fs[r, at.BUSY]), float(c.ip[r, at.BLOCKS])
        known = known and cost.power_w is not None
        energy += busy * (cost.power_w or 0.0)
        rows.append(
            {
                "chip": cost.chip_id,
                "chips": cost.chips,
                "on_s": float(on_s[r]),
                "busy_share": busy / on_s[r] if on_s[r] > 0 else 0.0,
                "steps": int(c.ss[r, at.STEPS]),
                "preemptions": int(c.ss[r, at.PREEMPTIONS]),
                "mean_batch": float(c.fs[r, at.I_RUN] / busy) if busy else 0.0,
                "mean_waiting": float(c.fs[r, at.I_WAIT] / busy) if busy else 0.0,
                "mean_kv_share": float(c.fs[r, at.I_KV] / busy / blocks) if busy else 0.0,
                "max_batch": replica.max_batch,
            }
        )
    return SimulationResult(
        trace=trace,
        first_token_s=q.f[:, at.FIRST] + origin,
        end_s=q.f[:, at.END] + origin,
        generated=q.i[:, at.GEN].copy(),
        status=q.i[:, at.STATUS].astype(np.int8),
        preempted=q.i[:, at.PREEMPTED].copy(),
        cached_tokens=q.i[:, at.HIT].copy(),
        replica=q.i[:, at.REPLICA].copy(),
        seconds=seconds,
        events=int(c.ss[:, at.EVENTS].sum()),
        steps=int(c.ss[:, at.STEPS].sum()),
        replicas=tuple(rows),
        timeline=_timeline(c, origin),
        energy_j=energy if known else None,
        seed=seed,
    )


def _timeline(c: Any, origin: float) -> dict[str, tuple[float, ...]]:
    count = c.bins.shape[1]
    if not count:
        return {}
    width, total = float(c.bin_s[0]), c.bins.sum(axis=0)
    blocks, replicas = float(c.ip[:, at.BLOCKS].sum()), c.bins.shape[0]
    return {
        "time_s": tuple(origin + (b + 0.5) * width for b in range(count)),
        "running": tuple((total[:, at.B_RUN] / width).tolist()),
        "waiting": tuple((total[:, at.B_WAIT] / width).tolist()),
        "kv_share": tuple((total[:, at.B_KV] / width / blocks).tolist()),
        "busy_share": tuple((total[:, at.B_BUSY] / width / replicas).tolist()),
        "tokens_per_s": tuple((total[:, at.B_TOKENS] / width).tolist()),
    }
