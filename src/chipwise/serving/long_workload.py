"""Arrivals without end in stretches, each the same whenever it is asked for."""

from __future__ import annotations

from collections.abc import Callable

from chipwise.core.errors import InputError
from chipwise.serving.generate import resampled, shifted
from chipwise.serving.trace import Trace
from chipwise.serving.workload import load_workload

GENERATED = ("poisson", "gamma")


def stretches(text: str, requests: int, *, each: int = 500_000, seed: int = 0) -> Callable[[int], Trace | None]:
    """Stretches of one clock, about `requests` requests in all.

    Parameters
    ----------
    text : str
        A generated stream (``poisson:6:512:128``) or a trace: of that, every stretch holds fresh draws
        (`resampled`), passed through again and again.
    each : int
        Requests of a stretch.

    Returns
    -------
    callable
        ``stretch(k)``; None after the last. Prefix ids are dropped.

    Raises
    ------
    InputError
        No such workload, or no request.
    """
    if requests < 1 or each < 1:
        raise InputError(f"{requests} requests in stretches of {each}", place="--requests", allowed="at least 1")
    kind = text.split(":")[0]
    ends: list[float] = [0.0]
    base = None if kind in GENERATED and "~" not in text else _plain(load_workload(text, seed=seed))

    def drawn(k: int) -> Trace:
        if base is None:
            some = min(each, requests - k * each)
            form = ":".join(text.split(":")[: 4 if kind == "poisson" else 5])
            return load_workload(f"{form}:{some}", seed=seed + k)
        return _repeated(base, each, seed, k)

    def stretch(k: int) -> Trace | None:
        if k * each >= requests:
            return None
        while len(ends) <= k:
            before = drawn(len(ends) - 1)
            ends.append(ends[-1] + _length(before))
        found = drawn(k)
        if base is not None:
            found = found.taken(range(min(len(found), requests - k * each)))
        return shifted(found, ends[k] - (float(found.arrival_s[0]) if base is not None else 0.0))

    return stretch


def _plain(trace: Trace) -> Trace:
    import dataclasses

    return dataclasses.replace(trace, prefix_start=None, prefix_ids=None)


def _repeated(base: Trace, each: int, seed: int, k: int) -> Trace:
    """Fresh draws of a trace, one after the other, cut at `each` requests."""
    from chipwise.serving.generate import spliced

    found = resampled(base, seed + 1_000_003 * k)
    n = 1
    while len(found) < each:
        found = spliced(found, resampled(base, seed + 1_000_003 * k + n), gap_s=base.duration_s / len(base))
        n += 1
    return found.taken(range(each))


def _length(trace: Trace) -> float:
    """Time a stretch takes, one mean gap after its last arrival included, s."""
    return float(trace.arrival_s[-1]) + trace.duration_s / max(len(trace) - 1, 1)
