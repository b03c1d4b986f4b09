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
    return int(c.ip[r, at.PREFIX] // c.ip[r, at.BLOCK])


@jit_inner
def available(c: Any, r: int) -> int:
    """Blocks free now or after evictions."""
    return int(c.ss[r, at.FREE] + c.ss[r, at.EVICTABLE] * id_blocks(c, r))


@jit_inner
def take(c: Any, r: int, count: int) -> None:
    """Take `count` blocks that are available, evicting as needed."""
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
    return int((tokens + block - 1) // block - q.i[i, at.HELD] - q.i[i, at.OWNED] * id_blocks(c, r))


@jit_inner
def grow(q: Any, c: Any, r: int, i: int, tokens: int) -> bool:
    """Give request `i` room for `tokens` tokens; False where there is none."""
    need = lacking(q, c, r, i, tokens)
    if need > 0:
        if need > available(c, r):
            return False
        take(c, r, need)
        q.i[i, at.HELD] += need
    return True


@jit_inner
def release(q: Any, c: Any, r: int, i: int) -> None:
    """Give back everything request `i` holds; its last prefix blocks will be evicted first."""
    c.ss[r, at.FREE] += q.i[i, at.HELD]
    q.i[i, at.HELD] = 0
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
def unheld(q: Any, c: Any, r: int, i: int, count: int) -> int:
    """How many of the first `count` prefix blocks nobody holds."""
    found = 0
    for place in range(q.id_start[i], q.id_start[i] + count):
        if c.keys[r, at.REF, q.ids[place]] == 0:
            found += 1
    return found


@jit_inner
def hold(q: Any, c: Any, r: int, i: int, count: int) -> None:
    """Hold the first `count` prefix blocks."""
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
