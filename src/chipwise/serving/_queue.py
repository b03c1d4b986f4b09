"""Kernels: the waiting line, a leftist heap in arrays, and the list of arrivals to come."""

from __future__ import annotations

from typing import Any

from chipwise._numba import jit, jit_inner
from chipwise.serving import _layout as at


@jit_inner
def before(q: Any, a: int, b: int, by_priority: int) -> bool:
    """Whether request `a` goes before `b`: lower priority number first if those count, then earlier arrival."""
    if by_priority and q.i[a, at.PRIO] != q.i[b, at.PRIO]:
        return bool(q.i[a, at.PRIO] < q.i[b, at.PRIO])
    return a < b


@jit_inner
def merge(q: Any, a: int, b: int, by_priority: int, stack: Any, r: int) -> int:
    """Root of two heaps joined; -1 is the empty heap."""
    depth = 0
    while a >= 0 and b >= 0:
        if not before(q, a, b, by_priority):
            a, b = b, a
        stack[r, depth] = a
        depth += 1
        a = q.i[a, at.RIGHT]
    root = a if a >= 0 else b
    while depth > 0:
        depth -= 1
        node = stack[r, depth]
        q.i[node, at.RIGHT] = root
        other = q.i[node, at.LEFT]
        if root >= 0 and (other < 0 or q.i[other, at.RANK] < q.i[root, at.RANK]):
            q.i[node, at.LEFT], q.i[node, at.RIGHT] = root, other
        low = q.i[node, at.RIGHT]
        q.i[node, at.RANK] = 1 + (q.i[low, at.RANK] if low >= 0 else 0)
        root = node
    return root


@jit
def push(q: Any, c: Any, r: int, i: int) -> None:
    """Put request `i` into the line of replica `r`."""
    q.i[i, at.LEFT], q.i[i, at.RIGHT], q.i[i, at.RANK] = -1, -1, 1
    c.ss[r, at.ROOT] = merge(q, c.ss[r, at.ROOT], i, c.ip[r, at.PRIORITY], c.stack, r)
    c.ss[r, at.N_WAIT] += 1
    c.ss[r, at.WORK] += q.i[i, at.N_IN] + q.i[i, at.GEN] - q.i[i, at.COMPUTED]


@jit_inner
def pop(q: Any, c: Any, r: int) -> int:
    """Take the first request out of the line."""
    i = int(c.ss[r, at.ROOT])
    c.ss[r, at.ROOT] = merge(q, q.i[i, at.LEFT], q.i[i, at.RIGHT], c.ip[r, at.PRIORITY], c.stack, r)
    c.ss[r, at.N_WAIT] -= 1
    c.ss[r, at.WORK] -= q.i[i, at.N_IN] + q.i[i, at.GEN] - q.i[i, at.COMPUTED]
    return int(i)


@jit
def announce(q: Any, c: Any, r: int, i: int) -> None:
    """Send request `i` to replica `r`; arrivals of one replica are announced in time order."""
    q.i[i, at.REPLICA] = r
    q.i[i, at.NEXT] = -1
    if c.ss[r, at.PEND] < 0:
        c.ss[r, at.PEND] = i
    else:
        q.i[c.ss[r, at.PEND_TAIL], at.NEXT] = i
    c.ss[r, at.PEND_TAIL] = i
    c.ss[r, at.PENDING] += 1
    c.ss[r, at.PENDING_WORK] += q.i[i, at.N_IN] + q.i[i, at.GEN] - q.i[i, at.COMPUTED]


@jit
def announce_all(q: Any, c: Any, replica: Any) -> None:
    """Send every request to the replica assigned beforehand."""
    for i in range(len(replica)):
        if replica[i] >= 0:
            announce(q, c, replica[i], i)


@jit_inner
def absorb(q: Any, c: Any, r: int) -> None:
    """Put every request that has arrived into the line; refuse what can never fit.

    With look-ahead the next step was planned when the last one began, so later arrivals are not seen yet.
    """
    now = c.fs[r, at.GATE] if c.ip[r, at.AHEAD] else c.fs[r, at.NOW]
    block = c.ip[r, at.BLOCK]
    while c.ss[r, at.PEND] >= 0 and q.f[c.ss[r, at.PEND], at.ARRIVAL] <= now:
        i = int(c.ss[r, at.PEND])
        c.ss[r, at.PEND] = q.i[i, at.NEXT]
        c.ss[r, at.PENDING] -= 1
        c.ss[r, at.PENDING_WORK] -= q.i[i, at.N_IN] + q.i[i, at.GEN] - q.i[i, at.COMPUTED]
        if (q.i[i, at.N_IN] + q.i[i, at.N_OUT] + block - 1) // block > c.ip[r, at.BLOCKS]:
            q.i[i, at.STATUS] = at.REJECTED
            q.f[i, at.END] = q.f[i, at.ARRIVAL]
            continue
        if c.ss[r, at.ROOT] < 0 or c.ip[r, at.PRIORITY]:
            c.ss[r, at.STABLE] = 0
        q.i[i, at.STATUS] = at.WAITING
        push(q, c, r, i)
