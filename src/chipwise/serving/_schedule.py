"""Kernels: which requests run in the next step, and with how many tokens each."""

from __future__ import annotations

from typing import Any

from chipwise._numba import jit_inner
from chipwise.serving import _cache as cache
from chipwise.serving import _layout as at
from chipwise.serving import _queue as queue


@jit_inner
def remove(c: Any, r: int, slot: int) -> None:
    """Take a running request out of its slot; the order of the others stays."""
    last = c.ss[r, at.N_RUN] - 1
    for k in range(slot, last):
        c.slots[r, at.RUN, k] = c.slots[r, at.RUN, k + 1]
        c.slots[r, at.NEW, k] = c.slots[r, at.NEW, k + 1]
    c.slots[r, at.NEW, last] = 0
    c.ss[r, at.N_RUN] = last


@jit_inner
def victim_slot(q: Any, c: Any, r: int) -> int:
    """Slot of the running request that goes last: it is the one preempted."""
    found = 0
    for k in range(1, c.ss[r, at.N_RUN]):
        if queue.before(q, c.slots[r, at.RUN, found], c.slots[r, at.RUN, k], c.ip[r, at.PRIORITY]):
            found = k
    return found


@jit_inner
def preempt(q: Any, c: Any, r: int, slot: int) -> None:
    """Send a running request back to the line, its cache dropped or swapped out."""
    i = int(c.slots[r, at.RUN, slot])
    remove(c, r, slot)
    cache.release(q, c, r, i)
    q.i[i, at.PREEMPTED] += 1
    c.ss[r, at.PREEMPTIONS] += 1
    if c.ip[r, at.SWAP] and q.i[i, at.COMPUTED] > 0:
        q.i[i, at.STATUS] = at.SWAPPED
        c.fs[r, at.DEBT] += q.i[i, at.COMPUTED] * c.fp[r, at.SWAP_S]
    else:
        q.i[i, at.STATUS] = at.WAITING
        q.i[i, at.COMPUTED] = 0
    queue.push(q, c, r, i)


@jit_inner
def drop_cancelled(q: Any, c: Any, r: int) -> None:
    """End running requests and the head of the line whose client has gone."""
    now = c.fs[r, at.NOW]
    slot = 0
    while slot < c.ss[r, at.N_RUN]:
        i = int(c.slots[r, at.RUN, slot])
        if q.f[i, at.CANCEL] <= now:
            remove(c, r, slot)
            cache.release(q, c, r, i)
            q.i[i, at.STATUS] = at.CANCELLED
            q.f[i, at.END] = q.f[i, at.CANCEL]
        else:
            slot += 1
    while c.ss[r, at.ROOT] >= 0 and q.f[c.ss[r, at.ROOT], at.CANCEL] <= now:
        i = queue.pop(q, c, r)
        q.i[i, at.STATUS] = at.CANCELLED
        q.f[i, at.END] = q.f[i, at.CANCEL]


@jit_inner
def is_decoding(q: Any, i: int) -> bool:
    """Whether only the token generated last is left to compute."""
    return bool(q.i[i, at.GEN] > 0 and q.i[i, at.N_IN] + q.i[i, at.GEN] - q.i[i, at.COMPUTED] == 1)


@jit_inner
def wanted(q: Any, c: Any, r: int, i: int, computed: int, budget: int) -> int:
    """Tokens request `i` would compute in this step; 0 where the budget does not reach."""
    left = q.i[i, at.N_IN] + q.i[i, at.GEN] - computed
    if q.i[i, at.GEN] > 0 and left == 1:
        want = 1 + c.ip[r, at.SPEC]
        return int(want) if want <= budget else 0
    want = min(left, budget)
    if c.ip[r, at.CHUNK] > 0:
        want = min(want, c.ip[r, at.CHUNK])
    return int(want)


@jit_inner
def coverage(q: Any, c: Any, r: int, i: int, computed: int, want: int) -> int:
    """Tokens that need memory when `want` more are computed."""
    if c.ip[r, at.WHOLE]:
        want = max(want, q.i[i, at.N_IN] + q.i[i, at.GEN] - computed)
    return int(min(computed + want, q.i[i, at.N_IN] + q.i[i, at.N_OUT]))


@jit_inner
def schedule_running(q: Any, c: Any, r: int, budget: int) -> int:
    """Give running requests their tokens in order of admission; preempts where memory is short.

    Returns the budget left, or -1 where something was preempted.
    """
    slot, preempted = 0, False
    while slot < c.ss[r, at.N_RUN] and budget > 0:
        i = int(c.slots[r, at.RUN, slot])
        want = wanted(q, c, r, i, q.i[i, at.COMPUTED], budget)
        if want == 0:
            break
        itself = False
        while not cache.grow(q, c, r, i, coverage(q, c, r, i, q.i[i, at.COMPUTED], want)):
            victim = victim_slot(q, c, r)
            preempted = True
            if victim < slot:
                budget += c.slots[r, at.NEW, victim]
                slot -= 1
            itself = c.slots[r, at.RUN, victim] == i
            preempt(q, c, r, victim)
            if itself:
                break
        if itself:
            break
        c.slots[r, at.NEW, slot] = want
        budget -= want
        slot += 1
    return -1 if preempted else budget


@jit_inner
def schedule_prefills(q: Any, c: Any, r: int, budget: int) -> int:
    """Give unfinished prompts their tokens, nothing to decoding requests; returns the budget left."""
    for slot in range(c.ss[r, at.N_RUN]):
        i = int(c.slots[r, at.RUN, slot])
        if budget == 0:
            break
        if is_decoding(q, i):
            continue
        want = wanted(q, c, r, i, q.i[i, at.COMPUTED], budget)
        if cache.grow(q, c, r, i, coverage(q, c, r, i, q.i[i, at.COMPUTED], want)):
            c.slots[r, at.NEW, slot] = want
            budget -= want
    return budget


@jit_inner
def admit(q: Any, c: Any, r: int, budget: int) -> int:
    """Take requests from the line while batch, budget and memory allow; returns how many."""
    count, now = 0, c.fs[r, at.NOW]
    cap = c.ip[r, at.CAP] - c.ss[r, at.N_LEAVING]
    while c.ss[r, at.ROOT] >= 0 and c.ss[r, at.N_RUN] < cap and budget > 0:
        i = int(c.ss[r, at.ROOT])
        if q.f[i, at.CANCEL] <= now:
            queue.pop(q, c, r)
            q.i[i, at.STATUS] = at.CANCELLED
            q.f[i, at.END] = q.f[i, at.CANCEL]
            continue
        hits = cache.cached_prefix(q, c, r, i) if q.i[i, at.COMPUTED] == 0 else 0
        start = q.i[i, at.COMPUTED] + hits * cache.hit_tokens(c, r)
        want = wanted(q, c, r, i, start, budget)
        if want == 0:
            break
        per_id = cache.id_blocks(c, r)
        room = cache.available(c, r) - cache.unheld(q, c, r, i, hits) * per_id
        if cache.lacking(q, c, r, i, coverage(q, c, r, i, start, want)) - hits * per_id > room:
            break
        queue.pop(q, c, r)
        if q.i[i, at.STATUS] == at.SWAPPED:
            c.fs[r, at.DEBT] += q.i[i, at.COMPUTED] * c.fp[r, at.SWAP_S]
        cache.hold(q, c, r, i, hits)
        q.i[i, at.HIT] += hits * cache.hit_tokens(c, r)
        q.i[i, at.COMPUTED] = start
        cache.grow(q, c, r, i, coverage(q, c, r, i, start, want))
        q.i[i, at.STATUS] = at.RUNNING
        slot = c.ss[r, at.N_RUN]
        c.slots[r, at.RUN, slot] = i
        c.slots[r, at.NEW, slot] = want
        c.ss[r, at.N_RUN] = slot + 1
        budget -= want
        count += 1
    return count


@jit_inner
def end(q: Any, c: Any, r: int, i: int) -> None:
    """End request `i`; with look-ahead its place and memory stay taken until the next step is planned."""
    q.i[i, at.STATUS] = at.DONE
    q.f[i, at.END] = c.fs[r, at.NOW]
    if c.ip[r, at.AHEAD]:
        c.slots[r, at.LEAVING, c.ss[r, at.N_LEAVING]] = i
        c.ss[r, at.N_LEAVING] += 1
    else:
        cache.release(q, c, r, i)


@jit_inner
def let_go(q: Any, c: Any, r: int) -> None:
    """Give back what ended requests still hold."""
    for k in range(c.ss[r, at.N_LEAVING]):
        cache.release(q, c, r, c.slots[r, at.LEAVING, k])
    c.ss[r, at.N_LEAVING] = 0


@jit_inner
def plan_step(q: Any, c: Any, r: int) -> int:
    """Fill `new` for the next step; 0 where nothing but plain decoding changed, else 1."""
    for k in range(c.ss[r, at.N_RUN]):
        c.slots[r, at.NEW, k] = 0
    budget = c.ip[r, at.BUDGET]
    if c.ip[r, at.PREFILL_FIRST]:
        left = schedule_prefills(q, c, r, budget)
        admitted = admit(q, c, r, left)
        if left < budget or admitted:
            return 1
        return 1 if schedule_running(q, c, r, budget) < 0 else 0
    left = schedule_running(q, c, r, budget)
    if left < 0:
        return 1
    return 1 if admit(q, c, r, left) > 0 else 0
