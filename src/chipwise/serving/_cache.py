"""Kernels: paged memory with a prefix cache that evicts the block released longest ago."""

from __future__ import annotations

from typing import Any

from chipwise._numba import jit_inner
from chipwise.serving import _layout as at


@jit_inner
def unlink(c: Any, r: int, key: int) -> None:
    """Take block `key` out of the list of blocks nobody holds."""
    old, new = c.keys[r, at.OLDER, key], c.keys[r, at.NEWER, key]
    if old >= 0:
        c.keys[r, at.NEWER, old] = new
    else:
        c.ss[r, at.OLDEST] = new
    if new >= 0:
        c.keys[r, at.OLDER, new] = old
    else:
        c.ss[r, at.NEWEST] = old
    c.ss[r, at.EVICTABLE] -= 1


@jit_inner
def link_newest(c: Any, r: int, key: int) -> None:
    """Append block `key` to the list of blocks nobody holds, as the one released last."""
    last = c.ss[r, at.NEWEST]
    c.keys[r, at.OLDER, key], c.keys[r, at.NEWER, key] = last, -1
    if last >= 0:
        c.keys[r, at.NEWER, last] = key
    else:
        c.ss[r, at.OLDEST] = key
    c.ss[r, at.NEWEST] = key
    c.ss[r, at.EVICTABLE] += 1


@jit_inner
def id_blocks(c: Any, r: int) -> int:
    """Memory blocks of one prefix block."""
    if c.ip[r, at.OWN]:
        return 1
    return int(c.ip[r, at.PREFIX] // c.ip[r, at.BLOCK])


@jit_inner
def available(c: Any, r: int) -> int:
    """Blocks free now or after evictions."""
    return int(c.ss[r, at.FREE] + c.ss[r, at.EVICTABLE] * id_blocks(c, r))


@jit_inner
def unlink_own(q: Any, c: Any, r: int, i: int) -> None:
    """Take request `i` out of the list of those that left blocks in the cache."""
    old, new = q.i[i, at.BEFORE], q.i[i, at.NEXT]
    if old >= 0:
        q.i[old, at.NEXT] = new
    else:
        c.ss[r, at.OLDEST] = new
    if new >= 0:
        q.i[new, at.BEFORE] = old
    else:
        c.ss[r, at.NEWEST] = old


@jit_inner
def keep_own(q: Any, c: Any, r: int, i: int, count: int) -> None:
    """Leave `count` blocks of request `i` in the cache until their room is needed."""
    last = c.ss[r, at.NEWEST]
    q.i[i, at.BEFORE], q.i[i, at.NEXT] = last, -1
    if last >= 0:
        q.i[last, at.NEXT] = i
    else:
        c.ss[r, at.OLDEST] = i
    c.ss[r, at.NEWEST] = i
    q.i[i, at.OWNED] = count
    c.ss[r, at.EVICTABLE] += count


@jit_inner
def evict_own(q: Any, c: Any, r: int, count: int) -> None:
    """Free blocks until `count` are, those of the request that stopped longest ago first."""
    while c.ss[r, at.FREE] < count:
        i = int(c.ss[r, at.OLDEST])
        some = min(q.i[i, at.OWNED], count - c.ss[r, at.FREE])
        q.i[i, at.OWNED] -= some
        c.ss[r, at.EVICTABLE] -= some
        c.ss[r, at.FREE] += some
        if q.i[i, at.OWNED] == 0:
            unlink_own(q, c, r, i)


@jit_inner
def take(q: Any, c: Any, r: int, count: int) -> None:
    """Take `count` blocks that are available, evicting as needed."""
    if c.ip[r, at.OWN]:
        evict_own(q, c, r, count)
    while c.ss[r, at.FREE] < count:
        key = int(c.ss[r, at.OLDEST])
        unlink(c, r, key)
        c.keys[r, at.REF, key] = -1
        c.ss[r, at.FREE] += id_blocks(c, r)
    c.ss[r, at.FREE] -= count


@jit_inner
def lacking(q: Any, c: Any, r: int, i: int, tokens: int) -> int:
    """Blocks request `i` lacks to store `tokens` tokens."""
    block = c.ip[r, at.BLOCK]
    shared = 0 if c.ip[r, at.OWN] else q.i[i, at.OWNED] * id_blocks(c, r)
    return int((tokens + block - 1) // block - q.i[i, at.HELD] - shared)


@jit_inner
def grow(q: Any, c: Any, r: int, i: int, tokens: int) -> bool:
    """Give request `i` room for `tokens` tokens; False where there is none."""
    need = lacking(q, c, r, i, tokens)
    if need > 0:
        if need > available(c, r):
            return False
        take(q, c, r, need)
        q.i[i, at.HELD] += need
    return True


@jit_inner
def release(q: Any, c: Any, r: int, i: int) -> None:
    """Give back everything request `i` holds; its last prefix blocks will be evicted first."""
    held = q.i[i, at.HELD]
    q.i[i, at.HELD] = 0
    if c.ip[r, at.OWN]:
        full = min(held, q.i[i, at.COMPUTED] // c.ip[r, at.BLOCK])
        c.ss[r, at.FREE] += held - full
        if full > 0:
            keep_own(q, c, r, i, full)
        return
    c.ss[r, at.FREE] += held
    if q.i[i, at.OWNED]:
        for place in range(q.id_start[i + 1] - 1, q.id_start[i] - 1, -1):
            if q.id_owned[place]:
                key = int(q.ids[place])
                q.id_owned[place] = 0
                c.keys[r, at.REF, key] -= 1
                if c.keys[r, at.REF, key] == 0:
                    link_newest(c, r, key)
        q.i[i, at.OWNED] = 0


@jit_inner
def cached_prefix(q: Any, c: Any, r: int, i: int) -> int:
    """Leading prefix blocks of request `i` in the cache; at least one token is left to compute."""
    if c.ip[r, at.OWN]:
        return int(min(q.i[i, at.OWNED], (q.i[i, at.N_IN] + q.i[i, at.GEN] - 1) // c.ip[r, at.BLOCK]))
    size = c.ip[r, at.PREFIX]
    if not size:
        return 0
    most = min(
        q.id_start[i + 1] - q.id_start[i], (q.i[i, at.N_IN] + q.i[i, at.GEN] - 1) // size, q.i[i, at.N_IN] // size
    )
    found = 0
    while found < most and c.keys[r, at.REF, q.ids[q.id_start[i] + found]] >= 0:
        found += 1
    return int(found)


@jit_inner
def hit_tokens(c: Any, r: int) -> int:
    """Tokens of one block found in the cache."""
    return int(c.ip[r, at.BLOCK] if c.ip[r, at.OWN] else c.ip[r, at.PREFIX])


@jit_inner
def fragile(q: Any, c: Any, r: int) -> bool:
    """Whether an eviction may change what the first in line finds in the cache."""
    root = c.ss[r, at.ROOT]
    return bool(root >= 0 and (c.ip[r, at.PREFIX] > 0 or (c.ip[r, at.OWN] > 0 and q.i[root, at.OWNED] > 0)))


@jit_inner
def unheld(q: Any, c: Any, r: int, i: int, count: int) -> int:
    """How many of the first `count` prefix blocks nobody holds."""
    if c.ip[r, at.OWN]:
        return count
    found = 0
    for place in range(q.id_start[i], q.id_start[i] + count):
        if c.keys[r, at.REF, q.ids[place]] == 0:
            found += 1
    return found


@jit_inner
def hold(q: Any, c: Any, r: int, i: int, count: int) -> None:
    """Hold the first `count` prefix blocks."""
    if c.ip[r, at.OWN]:
        left = q.i[i, at.OWNED]
        if left > 0:
            unlink_own(q, c, r, i)
            c.ss[r, at.EVICTABLE] -= left
            c.ss[r, at.FREE] += left - count
            q.i[i, at.OWNED] = 0
            q.i[i, at.HELD] += count
        return
    for place in range(q.id_start[i], q.id_start[i] + count):
        key = int(q.ids[place])
        if c.keys[r, at.REF, key] == 0:
            unlink(c, r, key)
        c.keys[r, at.REF, key] += 1
        q.id_owned[place] = 1
    q.i[i, at.OWNED] = count


@jit_inner
def publish(q: Any, c: Any, r: int, i: int, start: int, stop: int) -> None:
    """Put prefix blocks computed between tokens `start` and `stop` into the cache."""
    size = c.ip[r, at.PREFIX]
    if not size:
        return
    last = min(q.id_start[i + 1] - q.id_start[i], min(stop, q.i[i, at.N_IN]) // size)
    for index in range(start // size, last):
        place = q.id_start[i] + index
        key = int(q.ids[place])
        if c.keys[r, at.REF, key] < 0 and not q.id_owned[place]:
            c.keys[r, at.REF, key] = 1
            q.id_owned[place] = 1
            q.i[i, at.OWNED] += 1
            q.i[i, at.HELD] -= id_blocks(c, r)
