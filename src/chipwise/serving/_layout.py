"""Columns of the arrays a kernel works on, and the two bundles they travel in.

Rows of `fp`, `ip`, `fs`, `ss` are replicas: constant floats and integers, changing floats and integers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

# ip: constant integers of a replica
CAP, BUDGET, BLOCKS, BLOCK, PREFILL_FIRST, WHOLE, SWAP, PRIORITY, SPEC, PREFIX, CHUNK, SEED, AHEAD, OWN = range(14)
N_IP = 14
# fp: constant floats of a replica
OVERHEAD, PF_TOKEN, PF_CONTEXT, DEC_SEQ, DEC_CONTEXT, MIXED, SWAP_S, DRAFT_S, ACCEPT = range(9)
N_FP = 9
# ss: changing integers
N_RUN, ROOT, N_WAIT, PEND, PEND_TAIL, FREE, EVICTABLE, OLDEST, NEWEST, STABLE, PREEMPTIONS, STEPS, EVENTS, WORK = range(
    14
)
PENDING, PENDING_WORK, N_LEAVING = 14, 15, 16
N_SS = 17
# fs: changing floats
NOW, BUSY, I_RUN, I_WAIT, I_KV, DEBT, GATE = range(7)
N_FS = 7
# status of a request
COMING, WAITING, RUNNING, SWAPPED, DONE, CANCELLED, REJECTED = range(7)
# columns of a time bin
B_BUSY, B_RUN, B_WAIT, B_KV, B_TOKENS = range(5)
# q.f: floats of a request
ARRIVAL, CANCEL, FIRST, END = range(4)
# q.i: integers of a request; NEXT, LEFT, RIGHT, RANK, BEFORE are links of queues. Without prefix ids OWNED counts the
# blocks a request that does not run still has in the cache, NEXT and BEFORE link such requests by age.
N_IN, N_OUT, PRIO, COMPUTED, GEN, HELD, OWNED, STATUS, PREEMPTED, HIT, REPLICA, NEXT, LEFT, RIGHT, RANK, BEFORE = range(
    16
)
N_I = 16
# c.slots: running requests, their tokens of this step, requests that ended while the next step was already planned
RUN, NEW, LEAVING = range(3)
# c.keys: holders of a cached prefix block (-1 absent), and links of the blocks nobody holds
REF, OLDER, NEWER = range(3)


class Requests(NamedTuple):
    """Requests in order of arrival: `f` (n, 4) float64 and `i` (n, 16) int32, one cache line each.

    `id_start` and `ids` list the prefix blocks of each request, `id_owned` says which of them it holds in the cache.
    """

    f: Any
    i: Any
    id_start: Any
    ids: Any
    id_owned: Any


class Replicas(NamedTuple):
    """Arrays over replicas; `knots` holds the breakpoints (tokens, s), `bins` totals by time."""

    fp: Any
    ip: Any
    fs: Any
    ss: Any
    knots: Any
    slots: Any
    stack: Any
    keys: Any
    bins: Any
    bin_s: Any


class Control(NamedTuple):
    """What the router and the operator know of each replica.

    `ci` (n, 3): state, pool and kind; `cf` (n, 5): weight, cost, prefill s per token, ready time, seconds on. `op`:
    router, threshold, next in turn, fewest, most; `of`: wanted TTFT, tick, scale-up and scale-down load, start-up.
    """

    ci: Any
    cf: Any
    op: Any
    of: Any


# ci
STATE, POOL = range(2)
OFF, LIVE, STARTING, DRAINING, DOWN = range(5)
# cf
WEIGHT, COST, PREFILL_S, READY, ON_S = range(5)
# op
ROUTER, THRESHOLD, TURN, FEWEST, MOST = range(5)
# of
WANTED_TTFT, TICK, LOAD_UP, LOAD_DOWN, STARTUP = range(5)
ROUTERS = ("round robin", "least load", "prefix", "length split", "slo")
