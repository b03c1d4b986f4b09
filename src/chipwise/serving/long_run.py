"""Runs of any length in bounded memory: arrivals in chunks, finished requests to Parquet, a checkpoint after each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chipwise.core.errors import InputError
from chipwise.serving import _layout as at
from chipwise.serving._arrays import replica_arrays, request_arrays
from chipwise.serving.result import STATUS_NAMES, spread
from chipwise.serving.simulation import Part
from chipwise.serving.trace import Trace

Chunk = Callable[[int], Trace | None]
"""The n-th stretch of arrivals on one clock that never goes back; None after the last."""
OnProgress = Callable[[int, int, str], None]


def simulate_long(
    chunk: Chunk,
    parts: Sequence[Part],
    out: Path,
    *,
    total: int = 0,
    about: str = "",
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Run a workload that need not fit in memory; begun again in the same folder it goes on where it stopped.

    A preempted request computes its whole text again, prefix cache or not.

    Parameters
    ----------
    chunk : callable
        ``chunk(k)`` gives the k-th stretch of arrivals, the same each time it is asked.
    parts : sequence of (StepCost, Replica)
        Replicas take requests in turn.
    out : path
        Folder for ``part-00000.parquet`` and on, and ``checkpoint.npz``.
    total : int
        Requests in all, for progress only.
    about : str
        The workload in words: a folder begun with other words is refused.

    Returns
    -------
    dict
        ``requests, tokens, seconds`` (this call), percentiles, counts by status.

    Raises
    ------
    InputError
        Prefix ids or speculative decoding, which look across chunks; or a folder of another run.
    """
    import time

    import numpy as np

    from chipwise.serving import _advance

    if any(replica.draft_tokens for _, replica in parts):
        raise InputError("a run in chunks takes no speculative decoding", place="simulate_long")
    out.mkdir(parents=True, exist_ok=True)
    mark = hashlib.sha256(repr(([(asdict(a), asdict(b)) for a, b in parts], about)).encode()).hexdigest()
    k, done, c, live = _resumed(out, mark)
    seconds = 0.0
    coming = chunk(k)
    while coming is not None:
        if coming.prefix_ids is not None:
            raise InputError("a run in chunks takes no prefix ids", place="simulate_long")
        following = chunk(k + 1)
        until = float(following.arrival_s[0]) if following is not None else np.inf
        begun = time.perf_counter()
        if c is None:
            c = replica_arrays(parts, coming, own=False)
        q = _joined(live, coming, min(replica.timeout_s for _, replica in parts))
        _restored(q, c, 0 if live is None else len(live[0]), done, len(parts))
        for r in range(len(parts)):
            _advance.advance(q, c, r, until, 1 << 60)
        seconds += time.perf_counter() - begun
        ended = q.i[:, at.STATUS] >= at.DONE
        for r in range(len(parts)):
            ended[c.slots[r, at.LEAVING, : c.ss[r, at.N_LEAVING]]] = False
        _write_part(out / f"part-{k:05d}.parquet", q, ended)
        live = _kept(q, c, ended)
        k, done = k + 1, done + len(coming)
        _save(out, mark, k, done, c, live)
        if on_progress is not None:
            on_progress(done, total, f"{done:,} requests arrived, {len(live[0]):,} in flight")
        coming = following
    return _gathered(out, seconds)


def _joined(live: Any, coming: Trace, timeout_s: float) -> at.Requests:
    """Requests still under way, then new ones."""
    import numpy as np

    fresh = request_arrays(coming, timeout_s)
    if live is None or not len(live[0]):
        return fresh
    n = len(live[0]) + len(coming)
    return fresh._replace(
        f=np.concatenate((live[0], fresh.f)),
        i=np.concatenate((live[1], fresh.i)),
        id_start=np.zeros(n + 1, np.int64),
    )


def _restored(q: Any, c: Any, old: int, done: int, count: int) -> None:
    """Put requests under way back into their lines and send new ones in turn."""
    import numpy as np

    from chipwise.serving import _queue

    c.ss[:, at.ROOT] = c.ss[:, at.PEND] = c.ss[:, at.PEND_TAIL] = -1
    c.ss[:, [at.N_WAIT, at.WORK, at.PENDING, at.PENDING_WORK]] = 0
    for i in range(old):
        status, r = q.i[i, at.STATUS], int(q.i[i, at.REPLICA])
        if status in (at.WAITING, at.SWAPPED):
            _queue.push(q, c, r, i)
        elif status == at.COMING:
            _queue.announce(q, c, r, i)
    turns = np.full(len(q.f), -1, np.int64)
    turns[old:] = (done + np.arange(len(q.f) - old)) % count
    _queue.announce_all(q, c, turns)


def _kept(q: Any, c: Any, ended: Any) -> tuple[Any, Any]:
    """Rows of requests under way; slots are renumbered to them."""
    import numpy as np

    place = np.cumsum(~ended) - 1
    for r in range(len(c.ss)):
        running = int(c.ss[r, at.N_RUN])
        c.slots[r, at.RUN, :running] = place[c.slots[r, at.RUN, :running]]
        leaving = int(c.ss[r, at.N_LEAVING])
        c.slots[r, at.LEAVING, :leaving] = place[c.slots[r, at.LEAVING, :leaving]]
    return q.f[~ended].copy(), q.i[~ended].copy()


def _write_part(path: Path, q: Any, ended: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    f, i = q.f[ended], q.i[ended]
    table = pa.table(
        {
            "arrival_s": f[:, at.ARRIVAL],
            "input_tokens": i[:, at.N_IN],
            "output_tokens": i[:, at.N_OUT],
            "first_token_s": f[:, at.FIRST],
            "last_token_s": f[:, at.END],
            "generated_tokens": i[:, at.GEN],
            "preemptions": i[:, at.PREEMPTED],
            "replica": i[:, at.REPLICA],
            "status": i[:, at.STATUS].astype("int8"),
        }
    )
    fresh = path.with_suffix(".new")
    parquet.write_table(table, fresh, compression="zstd")
    fresh.replace(path)


def _save(out: Path, mark: str, k: int, done: int, c: Any, live: tuple[Any, Any]) -> None:
    """The checkpoint, put in place in one go."""
    import numpy as np

    fresh = out / "checkpoint.new.npz"
    np.savez(fresh, head=json.dumps({"mark": mark, "k": k, "done": done}), f=live[0], i=live[1], **c._asdict())
    fresh.replace(out / "checkpoint.npz")


def _resumed(out: Path, mark: str) -> tuple[int, int, Any, Any]:
    import numpy as np

    path = out / "checkpoint.npz"
    if not path.is_file():
        return 0, 0, None, None
    try:
        held = np.load(path)
        head = json.loads(str(held["head"]))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"is no checkpoint: {error}", place=str(path), allowed="an empty folder") from None
    with held:
        if head["mark"] != mark:
            raise InputError(
                "the folder holds a run of other replicas or another load", place=str(out), allowed="an empty folder"
            )
        c = at.Replicas(**{name: held[name] for name in at.Replicas._fields})
        return head["k"], head["done"], c, (held["f"], held["i"])


def _gathered(out: Path, seconds: float) -> dict[str, Any]:
    import numpy as np
    import pyarrow.parquet as parquet

    columns = ["arrival_s", "input_tokens", "output_tokens", "first_token_s", "last_token_s", "status"]
    table = parquet.read_table(sorted(out.glob("part-*.parquet")), columns=columns)
    held = {name: table.column(name).to_numpy() for name in columns}
    done = held["status"] == at.DONE
    arrival, first, last = (held[name][done] for name in ("arrival_s", "first_token_s", "last_token_s"))
    later = held["output_tokens"][done] - 1
    return {
        "requests": len(done),
        "tokens": int(held["input_tokens"].sum(dtype="int64") + held["output_tokens"].sum(dtype="int64")),
        "seconds": seconds,
        "ttft_s": spread(first - arrival),
        "tpot_s": spread(((last - first) / np.maximum(later, 1))[later > 0]),
        "latency_s": spread(last - arrival),
        **{name: int((held["status"] == k).sum()) for k, name in enumerate(STATUS_NAMES) if k >= at.DONE},
    }
