"""Kernels: a fleet whose router looks at the replicas as they are when a request comes."""

from __future__ import annotations

from typing import Any

import numpy as np

from chipwise._numba import jit, jit_inner
from chipwise.serving import _advance as advancing
from chipwise.serving import _cache as cache
from chipwise.serving import _layout as at
from chipwise.serving import _queue as queue
from chipwise.serving import _schedule as schedule


@jit_inner
def outstanding(c: Any, r: int) -> int:
    """Requests sent to replica `r` that have not ended."""
    return int(c.ss[r, at.N_RUN] + c.ss[r, at.N_WAIT] + c.ss[r, at.PENDING])


@jit_inner
def expected_ttft(q: Any, c: Any, k: Any, r: int, i: int, now: float) -> float:
    """Rough time to the first token of request `i` on replica `r`, s: what stands before it, read at full budget."""
    ahead = c.ss[r, at.WORK] + c.ss[r, at.PENDING_WORK] + q.i[i, at.N_IN]
    wait = max(0.0, c.fs[r, at.NOW] - now) if outstanding(c, r) > 0 else 0.0
    full = max(0, outstanding(c, r) + 1 - c.ip[r, at.CAP])
    return float(wait + ahead * k.cf[r, at.PREFILL_S] * (1.0 + full))


@jit_inner
def pool_of(q: Any, k: Any, i: int) -> int:
    """Pool that takes request `i` under a split by length."""
    return 1 if q.i[i, at.N_IN] + q.i[i, at.N_OUT] > k.op[at.THRESHOLD] else 0


@jit_inner
def least_loaded(c: Any, k: Any, pool: int) -> int:
    """Live replica of the pool (-1: any) with least outstanding per weight; the first of equals."""
    best, least = -1, np.inf
    for r in range(len(k.ci)):
        if k.ci[r, at.STATE] != at.LIVE or (pool >= 0 and k.ci[r, at.POOL] != pool):
            continue
        load = (outstanding(c, r) + 1) / k.cf[r, at.WEIGHT]
        if load < least:
            best, least = r, load
    return best


@jit_inner
def in_turn(k: Any) -> int:
    """The next live replica."""
    count = len(k.ci)
    for step in range(count):
        r = (k.op[at.TURN] + step) % count
        if k.ci[r, at.STATE] == at.LIVE:
            k.op[at.TURN] = r + 1
            return int(r)
    return -1


@jit_inner
def with_prefix(q: Any, c: Any, k: Any, i: int) -> int:
    """Replica that holds most of the prompt, unless it is far busier than the least loaded one."""
    least = least_loaded(c, k, -1)
    if least < 0:
        return -1
    best, most = least, cache.cached_prefix(q, c, least, i)
    limit = 2.0 * (outstanding(c, least) + 4) / k.cf[least, at.WEIGHT]
    for r in range(len(k.ci)):
        if k.ci[r, at.STATE] != at.LIVE or outstanding(c, r) / k.cf[r, at.WEIGHT] > limit:
            continue
        found = cache.cached_prefix(q, c, r, i)
        if found > most:
            best, most = r, found
    return best


@jit_inner
def within_target(q: Any, c: Any, k: Any, i: int, now: float) -> int:
    """Cheapest replica expected to meet the wanted TTFT, least loaded among equals; else the soonest."""
    best, cost, load, soonest, least = -1, np.inf, np.inf, -1, np.inf
    for r in range(len(k.ci)):
        if k.ci[r, at.STATE] != at.LIVE:
            continue
        ttft = expected_ttft(q, c, k, r, i, now)
        if ttft < least:
            soonest, least = r, ttft
        mine = outstanding(c, r) / k.cf[r, at.WEIGHT]
        cheaper = k.cf[r, at.COST] < cost or (k.cf[r, at.COST] == cost and mine < load)
        if ttft <= k.of[at.WANTED_TTFT] and outstanding(c, r) < c.ip[r, at.CAP] and cheaper:
            best, cost, load = r, k.cf[r, at.COST], mine
    return best if best >= 0 else soonest


@jit_inner
def choose(q: Any, c: Any, k: Any, i: int, now: float) -> int:
    """Replica for request `i`; -1 where none is live."""
    router = k.op[at.ROUTER]
    if router == 0:
        return in_turn(k)
    if router == 2:
        return with_prefix(q, c, k, i)
    if router == 3:
        found = least_loaded(c, k, pool_of(q, k, i))
        return found if found >= 0 else least_loaded(c, k, -1)
    if router == 4:
        return within_target(q, c, k, i, now)
    return least_loaded(c, k, -1)


@jit_inner
def send(q: Any, c: Any, k: Any, i: int, now: float, parked: Any) -> None:
    """Route request `i`; with no live replica it is parked."""
    r = choose(q, c, k, i, now)
    if r < 0:
        parked[i] = 1
        return
    parked[i] = 0
    if outstanding(c, r) == 0:
        c.fs[r, at.NOW] = max(c.fs[r, at.NOW], now)
        c.ss[r, at.STABLE] = 0
    queue.announce(q, c, r, i)


@jit_inner
def evacuate(q: Any, c: Any, r: int, parked: Any) -> None:
    """Park every unfinished request of a replica that failed: cache lost, tokens sent so far kept."""
    while c.ss[r, at.N_RUN] > 0:
        i = int(c.slots[r, at.RUN, 0])
        schedule.remove(c, r, 0)
        cache.release(q, c, r, i)
        parked[i] = 1
    schedule.let_go(q, c, r)
    while c.ss[r, at.ROOT] >= 0:
        parked[queue.pop(q, c, r)] = 1
    i = int(c.ss[r, at.PEND])
    while i >= 0:
        parked[i] = 1
        i = int(q.i[i, at.NEXT])
    c.ss[r, at.PEND], c.ss[r, at.PENDING], c.ss[r, at.PENDING_WORK] = -1, 0, 0
    while c.ip[r, at.OWN] and c.ss[r, at.OLDEST] >= 0:
        cache.evict_own(q, c, r, c.ss[r, at.FREE] + 1)
    while c.ss[r, at.OLDEST] >= 0:
        key = int(c.ss[r, at.OLDEST])
        cache.unlink(c, r, key)
        c.keys[r, at.REF, key] = -1
        c.ss[r, at.FREE] += cache.id_blocks(c, r)
    for i in range(len(parked)):
        if parked[i] and q.i[i, at.REPLICA] == r and q.i[i, at.STATUS] < at.DONE:
            q.i[i, at.COMPUTED] = 0
            q.i[i, at.STATUS] = at.COMING


@jit_inner
def resend(q: Any, c: Any, k: Any, now: float, parked: Any, stop: int) -> None:
    """Route parked requests again."""
    for i in range(stop):
        if parked[i]:
            send(q, c, k, i, now, parked)


@jit_inner
def go_live(c: Any, k: Any, r: int, now: float) -> None:
    """Let replica `r` take requests from now on."""
    k.ci[r, at.STATE] = at.LIVE
    c.fs[r, at.NOW] = max(c.fs[r, at.NOW], now)


@jit_inner
def scale(c: Any, k: Any, now: float) -> None:
    """Start or drain one replica by the load per live weight."""
    live, coming, load, weight = 0, 0, 0.0, 0.0
    for r in range(len(k.ci)):
        state = k.ci[r, at.STATE]
        if state == at.LIVE:
            live += 1
            load += outstanding(c, r)
            weight += k.cf[r, at.WEIGHT]
        elif state == at.STARTING:
            coming += 1
            weight += k.cf[r, at.WEIGHT]
        elif state == at.DRAINING and outstanding(c, r) == 0:
            k.ci[r, at.STATE] = at.OFF
    if weight == 0 or load / weight > k.of[at.LOAD_UP]:
        for r in range(len(k.ci)):
            if live + coming < k.op[at.MOST] and k.ci[r, at.STATE] == at.OFF:
                k.ci[r, at.STATE] = at.STARTING
                k.cf[r, at.READY] = now + k.of[at.STARTUP]
                break
    elif load / weight < k.of[at.LOAD_DOWN] and live > k.op[at.FEWEST] and coming == 0:
        for r in range(len(k.ci) - 1, -1, -1):
            if k.ci[r, at.STATE] == at.LIVE:
                k.ci[r, at.STATE] = at.DRAINING
                break


@jit_inner
def carry_to(q: Any, c: Any, k: Any, start: float, now: float, parked: Any, stop: int) -> None:
    """Carry every replica to `now` and let started ones go live."""
    woken = False
    for r in range(len(k.ci)):
        state = k.ci[r, at.STATE]
        if state not in (at.OFF, at.DOWN) and now < np.inf:
            k.cf[r, at.ON_S] += now - start
        if state == at.STARTING and k.cf[r, at.READY] <= now:
            go_live(c, k, r, k.cf[r, at.READY])
            woken = True
        advancing.advance(q, c, r, now, 1 << 60)
    if woken:
        resend(q, c, k, now, parked, stop)


@jit
def run_fleet(q: Any, c: Any, k: Any, outage_s: Any, outage: Any, parked: Any) -> None:
    """Whole life of a fleet: arrivals, outages (replica, 0 down or 1 up) and ticks of the scaler in time order."""
    count, events, a, b = len(q.f), len(outage_s), 0, 0
    tick = k.of[at.TICK]
    now, next_tick = 0.0, (tick if tick > 0 else np.inf)
    while a < count or b < events:
        come = q.f[a, at.ARRIVAL] if a < count else np.inf
        fail = outage_s[b] if b < events else np.inf
        moment = min(come, fail, next_tick)
        carry_to(q, c, k, now, moment, parked, a)
        now = moment
        if moment == fail:
            r = outage[b, 0]
            if outage[b, 1] == 0 and k.ci[r, at.STATE] != at.OFF:
                k.ci[r, at.STATE] = at.DOWN
                evacuate(q, c, r, parked)
            elif outage[b, 1] == 1 and k.ci[r, at.STATE] == at.DOWN:
                go_live(c, k, r, now)
            resend(q, c, k, now, parked, a)
            b += 1
        elif moment == next_tick:
            scale(c, k, now)
            next_tick += tick
        else:
            send(q, c, k, a, now, parked)
            a += 1
    for r in range(len(k.ci)):
        if k.ci[r, at.STATE] == at.STARTING:
            go_live(c, k, r, k.cf[r, at.READY])
    resend(q, c, k, now, parked, count)
    for r in range(len(k.ci)):
        advancing.advance(q, c, r, np.inf, 1 << 60)
        if k.ci[r, at.STATE] not in (at.OFF, at.DOWN):
            k.cf[r, at.ON_S] += max(0.0, c.fs[r, at.NOW] - now)
