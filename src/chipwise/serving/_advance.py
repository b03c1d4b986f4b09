"""Kernels: carry a replica forward, step by step while its batch changes and in one jump while it does not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chipwise._numba import jit, jit_inner
from chipwise.serving import _cache as cache
from chipwise.serving import _layout as at
from chipwise.serving import _queue as queue
from chipwise.serving import _schedule as schedule


@jit_inner
def batched_time(c: Any, r: int, tokens: float) -> float:
    """Time of the work that all tokens of a step share, s: linear between knots and past the last."""
    low, high = 0, c.knots.shape[2] - 1
    while high - low > 1:
        middle = (low + high) // 2
        if c.knots[r, 0, middle] <= tokens:
            low = middle
        else:
            high = middle
    share = (tokens - c.knots[r, 0, low]) / (c.knots[r, 0, high] - c.knots[r, 0, low])
    return float(c.knots[r, 1, low] + share * (c.knots[r, 1, high] - c.knots[r, 1, low]))


@jit_inner
def step_time(c: Any, r: int, prefill: float, pairs: float, decodes: float, context: float) -> float:
    """Time of one step, s."""
    spec = c.ip[r, at.SPEC]
    attention = c.fp[r, at.PF_CONTEXT] * pairs + c.fp[r, at.DEC_CONTEXT] * context
    if prefill > 0 and decodes > 0:
        attention *= c.fp[r, at.MIXED]
    total = c.fp[r, at.OVERHEAD] + batched_time(c, r, prefill + decodes * (1 + spec)) + c.fp[r, at.PF_TOKEN] * prefill
    total += c.fp[r, at.DEC_SEQ] * decodes + attention
    if spec and decodes > 0:
        total += c.fp[r, at.DRAFT_S]
    return float(total)


@jit_inner
def uniform(seed: int, i: int, count: int, draw: int) -> float:
    """A number in [0, 1) that depends on nothing but its arguments (SplitMix64)."""
    x = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(i) * np.uint64(0xBF58476D1CE4E5B9)
    x += np.uint64(count) * np.uint64(0x94D049BB133111EB) + np.uint64(draw) * np.uint64(0xD6E8FEB86659FD93)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    return float(x >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@jit_inner
def accepted(q: Any, c: Any, r: int, i: int) -> int:
    """Tokens one decode step of request `i` yields: its own and the leading drafts accepted."""
    count = 1
    for draw in range(c.ip[r, at.SPEC]):
        if uniform(c.ip[r, at.SEED], i, q.i[i, at.GEN], draw) >= c.fp[r, at.ACCEPT]:
            break
        count += 1
    return int(min(count, q.i[i, at.N_OUT] - q.i[i, at.GEN]))


@jit_inner
def note(c: Any, r: int, start: float, length: float, tokens: float) -> None:
    """Add a stretch of time with the present batch to the totals and the time bins."""
    used = c.ip[r, at.BLOCKS] - cache.available(c, r)
    c.fs[r, at.BUSY] += length
    c.fs[r, at.I_RUN] += c.ss[r, at.N_RUN] * length
    c.fs[r, at.I_WAIT] += c.ss[r, at.N_WAIT] * length
    c.fs[r, at.I_KV] += used * length
    count = c.bins.shape[1]
    if count == 0 or length <= 0:
        return
    width = c.bin_s[0]
    first = min(int(start / width), count - 1)
    last = min(int((start + length) / width), count - 1)
    for b in range(first, last + 1):
        stop = start + length if b == count - 1 else min((b + 1) * width, start + length)
        part = stop - max(b * width, start)
        c.bins[r, b, at.B_BUSY] += part
        c.bins[r, b, at.B_RUN] += c.ss[r, at.N_RUN] * part
        c.bins[r, b, at.B_WAIT] += c.ss[r, at.N_WAIT] * part
        c.bins[r, b, at.B_KV] += used * part
        c.bins[r, b, at.B_TOKENS] += tokens * part / length


@jit_inner
def one_step(q: Any, c: Any, r: int) -> None:
    """Plan and carry out one step."""
    schedule.drop_cancelled(q, c, r)
    if c.ss[r, at.N_RUN] == 0 and c.ss[r, at.ROOT] < 0:
        return
    idle = c.ss[r, at.EVICTABLE]
    changed = schedule.plan_step(q, c, r)
    if c.ss[r, at.EVICTABLE] != idle and cache.fragile(q, c, r):
        changed = 1
    if c.ss[r, at.N_LEAVING] > 0:
        schedule.let_go(q, c, r)
        changed = 1
        if c.ss[r, at.N_RUN] == 0:
            schedule.plan_step(q, c, r)
    prefill, pairs, decodes, context, count = 0.0, 0.0, 0.0, 0.0, c.ss[r, at.N_RUN]
    for k in range(count):
        new, i = float(c.slots[r, at.NEW, k]), c.slots[r, at.RUN, k]
        if new == 0:
            continue
        if schedule.is_decoding(q, i):
            decodes += 1
            context += q.i[i, at.COMPUTED] + 1.0
        else:
            prefill += new
            pairs += new * q.i[i, at.COMPUTED] + new * (new + 1.0) / 2.0
    length = step_time(c, r, prefill, pairs, decodes, context) + c.fs[r, at.DEBT]
    c.fs[r, at.DEBT] = 0.0
    note(c, r, c.fs[r, at.NOW], length, prefill + decodes)
    c.fs[r, at.GATE] = c.fs[r, at.NOW]
    c.fs[r, at.NOW] += length
    c.ss[r, at.STEPS] += 1
    finished = finish_step(q, c, r)
    plain = changed == 0 and prefill == 0 and decodes == count and c.ip[r, at.SPEC] == 0
    calm = finished == 0 or (c.ss[r, at.ROOT] < 0 and c.ss[r, at.N_LEAVING] == 0)
    c.ss[r, at.STABLE] = 1 if plain and calm else 0


@jit_inner
def finish_step(q: Any, c: Any, r: int) -> int:
    """Book what the step computed and end what is complete; returns how many ended."""
    now, kept, count = c.fs[r, at.NOW], 0, c.ss[r, at.N_RUN]
    for k in range(count):
        i, new = c.slots[r, at.RUN, k], c.slots[r, at.NEW, k]
        if new > 0:
            before = q.i[i, at.COMPUTED]
            if schedule.is_decoding(q, i):
                got = accepted(q, c, r, i) if c.ip[r, at.SPEC] else 1
                q.i[i, at.COMPUTED] += got
                q.i[i, at.GEN] += got
            else:
                q.i[i, at.COMPUTED] += new
                cache.publish(q, c, r, i, before, q.i[i, at.COMPUTED])
                if q.i[i, at.COMPUTED] == q.i[i, at.N_IN] + q.i[i, at.GEN]:
                    q.i[i, at.GEN] += 1
                    if q.i[i, at.GEN] == 1:
                        q.f[i, at.FIRST] = now
            if q.i[i, at.GEN] >= q.i[i, at.N_OUT]:
                schedule.end(q, c, r, i)
                continue
        c.slots[r, at.RUN, kept] = i
        kept += 1
    c.ss[r, at.N_RUN] = kept
    return int(count - kept)


@jit_inner
def demand(q: Any, c: Any, r: int, steps: int) -> int:
    """Blocks all running requests lack for `steps` more tokens each."""
    total = 0
    for k in range(c.ss[r, at.N_RUN]):
        i = int(c.slots[r, at.RUN, k])
        total += max(0, cache.lacking(q, c, r, i, q.i[i, at.COMPUTED] + steps))
    return total


@jit_inner
def stop_time(q: Any, c: Any, r: int, until: float) -> float:
    """Time at which the batch may change for a reason outside it."""
    stop, pend, root = until, c.ss[r, at.PEND], c.ss[r, at.ROOT]
    if pend >= 0 and (root < 0 or c.ip[r, at.PRIORITY]):
        stop = min(stop, q.f[pend, at.ARRIVAL])
    if root >= 0:
        stop = min(stop, q.f[root, at.CANCEL])
    for k in range(c.ss[r, at.N_RUN]):
        stop = min(stop, q.f[c.slots[r, at.RUN, k], at.CANCEL])
    return float(stop)


@jit_inner
def jump_length(q: Any, c: Any, r: int, until: float, first: float, slope: float) -> int:
    """Steps until the soonest finish, outside event or shortage of memory; 0 where the next step is no plain one."""
    now, most = c.fs[r, at.NOW], 1 << 40
    for k in range(c.ss[r, at.N_RUN]):
        i = int(c.slots[r, at.RUN, k])
        most = min(most, q.i[i, at.N_OUT] - q.i[i, at.GEN])
    stop = stop_time(q, c, r, until)
    if stop <= now:
        return 0
    if now + most * first + slope * most * (most - 1.0) / 2.0 >= stop:
        half = first - slope / 2.0
        root = (
            (stop - now) / first if slope <= 0 else (math.sqrt(half * half + 2 * slope * (stop - now)) - half) / slope
        )
        steps = min(most, max(1, int(root) - 1))
        while steps < most and now + steps * first + slope * steps * (steps - 1.0) / 2.0 < stop:
            steps += 1
        most = steps
    room = cache.available(c, r)
    if cache.fragile(q, c, r):
        room = c.ss[r, at.FREE]  # an eviction may change what the head of the line finds in the cache
    if demand(q, c, r, most) > room:
        low = 0
        while most - low > 1:
            middle = (low + most) // 2
            if demand(q, c, r, middle) > room:
                most = middle
            else:
                low = middle
        most = low
    return int(most)


@jit_inner
def jump(q: Any, c: Any, r: int, until: float) -> None:
    """Carry a fixed decoding batch over many steps at once: their times are an arithmetic series."""
    count, context = c.ss[r, at.N_RUN], 0.0
    for k in range(count):
        context += q.i[c.slots[r, at.RUN, k], at.COMPUTED] + 1.0
    first = step_time(c, r, 0.0, 0.0, float(count), context)
    slope = c.fp[r, at.DEC_CONTEXT] * count
    steps = jump_length(q, c, r, until, first, slope)
    if steps == 0:
        c.ss[r, at.STABLE] = 0
        return
    length = steps * first + slope * steps * (steps - 1.0) / 2.0
    note(c, r, c.fs[r, at.NOW], length, float(count * steps))
    c.fs[r, at.NOW] += length
    c.fs[r, at.GATE] = c.fs[r, at.NOW] - (first + slope * (steps - 1.0))
    c.ss[r, at.STEPS] += steps
    kept = 0
    for k in range(count):
        i = int(c.slots[r, at.RUN, k])
        cache.grow(q, c, r, i, q.i[i, at.COMPUTED] + steps)
        q.i[i, at.COMPUTED] += steps
        q.i[i, at.GEN] += steps
    for k in range(count):
        i = int(c.slots[r, at.RUN, k])
        if q.i[i, at.GEN] >= q.i[i, at.N_OUT]:
            schedule.end(q, c, r, i)
        else:
            c.slots[r, at.RUN, kept] = i
            kept += 1
    c.ss[r, at.N_RUN] = kept
    if kept < count and (c.ss[r, at.ROOT] >= 0 or c.ss[r, at.N_LEAVING] > 0):
        c.ss[r, at.STABLE] = 0


@jit
def advance(q: Any, c: Any, r: int, until: float, most: int) -> int:
    """Start every step of replica `r` that begins before `until`, at most `most` events; returns their number."""
    events = 0
    while events < most:
        queue.absorb(q, c, r)
        if c.ss[r, at.N_RUN] == 0 and c.ss[r, at.ROOT] < 0:
            schedule.let_go(q, c, r)
            pend = c.ss[r, at.PEND]
            if pend < 0 or q.f[pend, at.ARRIVAL] >= until:
                break
            c.fs[r, at.NOW] = max(c.fs[r, at.NOW], q.f[pend, at.ARRIVAL])
            c.fs[r, at.GATE] = c.fs[r, at.NOW]
            c.ss[r, at.STABLE] = 0
            continue
        if c.fs[r, at.NOW] >= until:
            break
        if c.ss[r, at.STABLE] and c.ss[r, at.N_RUN] > 0:
            jump(q, c, r, until)
        else:
            one_step(q, c, r)
        events += 1
    c.ss[r, at.EVENTS] += events
    return events
