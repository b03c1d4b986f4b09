"""From objects to the arrays of the kernels."""

from __future__ import annotations

from collections.abc import Sequence

from chipwise.core.errors import InputError
from chipwise.perf.step_cost import StepCost
from chipwise.serving import _layout as at
from chipwise.serving.replica import Replica
from chipwise.serving.trace import Trace


def request_arrays(trace: Trace, timeout_s: float = float("inf")) -> at.Requests:
    """Fresh state of every request of a trace."""
    import numpy as np

    n = len(trace)
    floats, integers = np.empty((n, 4)), np.zeros((n, at.N_I), np.int32)
    floats[:, at.ARRIVAL] = trace.arrival_s
    floats[:, at.CANCEL] = np.inf if trace.cancel_s is None else trace.cancel_s
    np.minimum(floats[:, at.CANCEL], trace.arrival_s + timeout_s, out=floats[:, at.CANCEL])
    floats[:, at.FIRST :] = np.nan
    integers[:, at.N_IN] = trace.input_tokens
    integers[:, at.N_OUT] = trace.output_tokens
    if trace.priority is not None:
        integers[:, at.PRIO] = trace.priority
    integers[:, at.REPLICA :] = -1
    ids = np.zeros(0, np.int32) if trace.prefix_ids is None else trace.prefix_ids
    start = np.zeros(n + 1, np.int64) if trace.prefix_start is None else np.asarray(trace.prefix_start, np.int64)
    return at.Requests(
        f=floats,
        i=integers,
        id_start=start,
        ids=np.ascontiguousarray(ids, dtype=np.int32),
        id_owned=np.zeros(len(ids), np.int8),
    )


def replica_arrays(
    parts: Sequence[tuple[StepCost, Replica]],
    trace: Trace,
    *,
    seed: int = 0,
    bins: int = 0,
    bin_s: float = 1.0,
    own: bool = True,
) -> at.Replicas:
    """Fresh state of a fleet, one row per replica.

    Parameters
    ----------
    own : bool
        Where prompts share no named prefix, a preempted request still finds its own blocks while nobody took them.

    Raises
    ------
    InputError
        A replica caches prefixes in blocks of another size than the trace names them.
    """
    import numpy as np

    count = len(parts)
    cap = max(replica.max_batch for _, replica in parts)
    knots = max(len(cost.breakpoints) for cost, _ in parts)
    fp, ip = np.zeros((count, at.N_FP)), np.zeros((count, at.N_IP), np.int64)
    fs, ss = np.zeros((count, at.N_FS)), np.zeros((count, at.N_SS), np.int64)
    xs, ys = np.zeros((count, knots)), np.zeros((count, knots))
    shared = trace.prefix_ids is not None and any(replica.prefix_cache for _, replica in parts)
    keys = int(trace.prefix_ids.max()) + 1 if shared and trace.prefix_ids is not None and len(trace.prefix_ids) else 0
    for r, (cost, replica) in enumerate(parts):
        if keys and replica.prefix_cache and replica.prefix_tokens != trace.prefix_tokens:
            raise InputError(
                f"prefix blocks of {replica.prefix_tokens} tokens for a trace with {trace.prefix_tokens}",
                place="Replica.prefix_tokens",
                allowed=str(trace.prefix_tokens),
            )
        fp[r] = _floats(cost, replica)
        ip[r] = _integers(replica, keys > 0, seed)
        ip[r, at.OWN] = int(own and replica.prefix_cache and keys == 0)
        xs[r], ys[r] = _knots(cost, knots)
        for column in (at.ROOT, at.PEND, at.PEND_TAIL, at.OLDEST, at.NEWEST):
            ss[r, column] = -1
        ss[r, at.FREE] = ip[r, at.BLOCKS]
    return at.Replicas(
        fp=fp,
        ip=ip,
        fs=fs,
        ss=ss,
        knots=np.ascontiguousarray(np.stack((xs, ys), axis=1)),
        slots=np.zeros((count, 3, cap), np.int32),
        stack=np.zeros((count, 256), np.int64),
        keys=np.full((count, 3, keys), -1, np.int32),
        bins=np.zeros((count, bins, 5)),
        bin_s=np.array([bin_s]),
    )


def _floats(cost: StepCost, replica: Replica) -> list[float]:
    return [
        cost.overhead_s,
        cost.per_prefill_token_s,
        cost.per_prefill_token_context_s,
        cost.per_decode_seq_s,
        cost.per_decode_context_token_s,
        cost.mixed_attention,
        replica.swap_s_per_token,
        replica.draft_s,
        replica.acceptance,
    ]


def _integers(replica: Replica, shared: bool, seed: int) -> list[int]:
    return [
        replica.max_batch,
        replica.token_budget,
        replica.kv_tokens // replica.block_tokens,
        replica.block_tokens,
        int(replica.prefill_first),
        int(replica.reserve_prompt),
        int(replica.preemption == "swap"),
        int(replica.priorities),
        replica.draft_tokens,
        replica.prefix_tokens if shared and replica.prefix_cache else 0,
        replica.chunk_tokens,
        seed,
        int(replica.look_ahead),
        0,
    ]


def _knots(cost: StepCost, count: int) -> tuple[list[float], list[float]]:
    """Breakpoints, filled up with points on the last line so that every row has the same length."""
    xs = [knot[0] for knot in cost.breakpoints]
    ys = [knot[1] for knot in cost.breakpoints]
    slope = (ys[-1] - ys[-2]) / (xs[-1] - xs[-2])
    while len(xs) < count:
        xs.append(xs[-1] * 2 + 1)
        ys.append(ys[-1] + slope * (xs[-1] - xs[-2]))
    return xs, ys
