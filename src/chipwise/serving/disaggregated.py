"""Prompts read on some replicas, answers written on others, the cache sent between."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from chipwise.core.errors import InputError
from chipwise.serving.result import SimulationResult
from chipwise.serving.simulation import Part, simulate
from chipwise.serving.trace import Trace


def simulate_disaggregated(
    trace: Trace,
    parts: Sequence[Part],
    prefill_replicas: int,
    *,
    link_bytes_per_s: float = 25e9,
    link_latency_s: float = 1e-3,
    router: str = "least load",
    seed: int = 0,
) -> SimulationResult:
    """Two pools in a row; a request moves when its first token is there.

    Parameters
    ----------
    parts : sequence of (StepCost, Replica)
        The first `prefill_replicas` of them read prompts, the others write answers; chips may differ.
    link_bytes_per_s, link_latency_s : float
        Way out of one prefill replica; transfers of one replica queue behind one another. 25e9 is a 200 Gbit/s port.

    Notes
    -----
    The first pool does not wait for the second. Prefixes serve the first pool only. A client that leaves is missed in
    either pool.

    Raises
    ------
    InputError
        A pool without replicas, or no speed of the link.
    """
    import numpy as np

    prefill, decode = list(parts[:prefill_replicas]), list(parts[max(prefill_replicas, 0) :])
    if not prefill or not decode:
        raise InputError(
            f"{prefill_replicas} of {len(parts)} replicas",
            place="--prefill-replicas",
            allowed="at least one in each pool",
        )
    if not link_bytes_per_s > 0:
        raise InputError(f"{link_bytes_per_s} byte/s", place="--link-gb-per-s", allowed="above 0")
    patience = min(replica.timeout_s for _, replica in parts)
    if np.isfinite(patience):
        leave = trace.arrival_s + patience
        trace = dataclasses.replace(
            trace, cancel_s=leave if trace.cancel_s is None else np.minimum(leave, trace.cancel_s)
        )
        prefill, decode = (
            [(cost, dataclasses.replace(replica, timeout_s=float("inf"))) for cost, replica in pool]
            for pool in (prefill, decode)
        )
    ones = dataclasses.replace(trace, output_tokens=np.ones_like(trace.output_tokens))
    first = simulate(ones, prefill, router=router, seed=seed)
    moved = np.flatnonzero(first.done & (trace.output_tokens > 1))
    each = np.array([cost.kv_bytes_per_token for cost, _ in prefill])[first.replica[moved]]
    size = trace.input_tokens[moved] * each / link_bytes_per_s
    arrival = arrivals_behind(first.end_s[moved], size, first.replica[moved]) + link_latency_s
    order = np.argsort(arrival, kind="stable")
    moved, arrival = moved[order], arrival[order]
    end, generated = first.end_s.copy(), first.generated.copy()
    status = first.status.copy()
    if not len(moved):
        return dataclasses.replace(first, trace=trace)
    later = dataclasses.replace(trace.taken(moved), arrival_s=arrival, prefix_start=None, prefix_ids=None)
    second = simulate(
        later,
        decode,
        router=router,
        seed=seed,
        start=(later.input_tokens, np.ones(len(moved), np.int32), first.first_token_s[moved]),
    )
    end[moved], generated[moved], status[moved] = second.end_s, second.generated, second.status
    preempted = first.preempted.copy()
    preempted[moved] += second.preempted
    return dataclasses.replace(
        first,
        trace=trace,
        end_s=end,
        generated=generated,
        status=status,
        preempted=preempted,
        seconds=first.seconds + second.seconds,
        events=first.events + second.events,
        steps=first.steps + second.steps,
        replicas=tuple([{"pool": "prefill", **row} for row in first.replicas])
        + tuple([{"pool": "decode", **row} for row in second.replicas]),
        energy_j=None if first.energy_j is None or second.energy_j is None else first.energy_j + second.energy_j,
    )


def arrivals_behind(ready_s: Any, length_s: Any, sender: Any) -> Any:
    """End of each transfer when those of one sender queue in the order they are ready, s.

    Notes
    -----
    With S the running sum of lengths, end_k = S_k + max over j <= k of (ready_j - S_{j-1}).
    """
    import numpy as np

    out = np.empty(len(ready_s))
    for one in np.unique(sender):
        mine = np.flatnonzero(sender == one)
        mine = mine[np.argsort(ready_s[mine], kind="stable")]
        total = np.cumsum(length_s[mine])
        out[mine] = total + np.maximum.accumulate(ready_s[mine] - (total - length_s[mine]))
    return out
