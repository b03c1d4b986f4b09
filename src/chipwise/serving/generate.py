"""Make workloads: streams of arrivals, lengths, mixtures of clients, sessions; scale and splice them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from chipwise.core.errors import InputError
from chipwise.serving.trace import Trace, build_trace

FORMS = "poisson:RATE:IN:OUT[:N], gamma:RATE:CV:IN:OUT[:N], diurnal:RATE:PEAK_TO_MEAN:IN:OUT[:HOURS]"


def generate(form: str, *, seed: int = 0, requests: int = 10_000, lengths: Trace | None = None) -> Trace:
    """A workload from its short form.

    Parameters
    ----------
    form : str
        ``poisson:6:512:128`` is 6 requests/s of 512 tokens in and 128 out; ``gamma:6:3:512:128`` has a coefficient of
        variation of 3 between arrivals; ``diurnal:6:3:512:128:24`` swings over the day with that peak to mean.
    seed : int
    requests : int
        Where the form does not say how many.
    lengths : Trace, optional
        Lengths are drawn from its requests, pairs kept, instead of IN and OUT.

    Raises
    ------
    InputError
        Not such a form.

    Examples
    --------
    >>> len(generate("poisson:6:512:128:100"))
    100
    """
    import numpy as np

    kind, *rest = form.split(":")
    counts = {"poisson": 3, "gamma": 4, "diurnal": 4}
    try:
        numbers = [float(text) for text in rest]
    except ValueError:
        numbers = []
    if kind not in counts or not counts[kind] <= len(numbers) <= counts[kind] + 1 or min(numbers) <= 0:
        raise InputError(f"{form!r} is no workload", place="--trace", allowed=FORMS)
    draw = np.random.default_rng(seed)
    last = numbers[counts[kind]] if len(numbers) > counts[kind] else None
    if kind == "diurnal":
        arrival = diurnal_arrivals(numbers[0], numbers[1], 3600.0 * (last or 24.0), draw)
    else:
        arrival = gamma_arrivals(numbers[0], numbers[1] if kind == "gamma" else 1.0, int(last or requests), draw)
    inputs, outputs = (np.full(len(arrival), int(value)) for value in numbers[counts[kind] - 2 : counts[kind]])
    if lengths is not None:
        pick = draw.integers(len(lengths), size=len(arrival))
        inputs, outputs = lengths.input_tokens[pick], lengths.output_tokens[pick]
    return build_trace(form, arrival, inputs, outputs, source="generated")


def gamma_arrivals(rate_per_s: float, cv: float, count: int, draw: Any) -> Any:
    """Arrival times with gamma gaps; a `cv` of 1 is a Poisson stream."""
    import numpy as np

    shape = 1.0 / (cv * cv)
    return np.cumsum(draw.gamma(shape, 1.0 / (rate_per_s * shape), size=count))


def diurnal_arrivals(rate_per_s: float, peak_to_mean: float, duration_s: float, draw: Any) -> Any:
    """Poisson arrivals whose rate swings once a day; the trough follows from the mean."""
    import numpy as np

    peak = rate_per_s * peak_to_mean
    count = int(draw.poisson(peak * duration_s))
    times = np.sort(draw.random(count) * duration_s)
    power = diurnal_power(peak_to_mean)
    level = ((1.0 - np.cos(2.0 * np.pi * times / 86400.0)) / 2.0) ** power
    return times[draw.random(count) < level]


def diurnal_power(peak_to_mean: float) -> float:
    """Exponent of the raised cosine with that peak to mean; 1 gives 2."""
    low, high = 0.0, 64.0
    for _ in range(60):
        middle = (low + high) / 2.0
        mean = math.exp(math.lgamma(middle + 0.5) - math.lgamma(middle + 1.0)) / math.sqrt(math.pi)
        low, high = (middle, high) if 1.0 / mean < peak_to_mean else (low, middle)
    return (low + high) / 2.0


def scaled(trace: Trace, factor: float) -> Trace:
    """The same requests at `factor` times the rate; bursts keep their shape."""
    if not factor > 0:
        raise InputError(f"{factor} is no factor", place="scaled", allowed="a positive number")
    cancel = None if trace.cancel_s is None else trace.arrival_s / factor + (trace.cancel_s - trace.arrival_s)
    return dataclasses.replace(trace, arrival_s=trace.arrival_s / factor, cancel_s=cancel)


def resampled(trace: Trace, seed: int) -> Trace:
    """A fresh run of the same load: lengths redrawn in pairs, arrivals redrawn within each minute.

    Notes
    -----
    Counts per minute are Poisson about the trace's own, so that slow swings stay and the fine order is new. Prefixes
    and the client's patience travel with their request.
    """
    import numpy as np

    draw = np.random.default_rng(seed)
    origin = trace.arrival_s[0]
    minute = ((trace.arrival_s - origin) // 60.0).astype(int)
    width = 60.0 if minute[-1] else max(trace.duration_s, 1e-9)
    picks, times = [], []
    for m in range(int(minute[-1]) + 1):
        members = np.flatnonzero(minute == m)
        if not len(members):
            continue
        pick = np.sort(draw.choice(members, size=int(draw.poisson(len(members)))))
        picks.append(pick)
        times.append(np.sort(draw.random(len(pick))) * width + m * width)
    index = np.concatenate(picks) if picks else np.zeros(0, int)
    if not len(index):
        return trace
    found, moment = trace.taken(index), np.concatenate(times)
    cancel = None if found.cancel_s is None else found.cancel_s - found.arrival_s + moment
    return dataclasses.replace(found, arrival_s=moment, cancel_s=cancel)


def superposed(trace: Trace, factor: float, *, duration_s: float | None = None, seed: int = 0) -> Trace:
    """`factor` copies of a trace laid over one another, each begun at another moment and run round.

    Parameters
    ----------
    factor : float
        Copies; of the last one a share. A smaller factor with the same seed gives a part of the same requests.
    duration_s : float, optional
        Only so much of it, s.

    Notes
    -----
    A stationary stream at `factor` times the mean rate whose bursts are those of independent sources: variance over
    mean of the counts stays that of the trace, where speeding the trace up would multiply it.
    """
    import numpy as np

    if not factor > 0:
        raise InputError(f"{factor} is no factor", place="superposed", allowed="a positive number")
    span = trace.duration_s * len(trace) / max(len(trace) - 1, 1) or 1.0
    until = span if duration_s is None else min(duration_s, span)
    origin, places, times, copies = trace.arrival_s[0], [], [], []
    for copy in range(math.ceil(factor)):
        draw = np.random.default_rng((seed, copy))
        moment = (trace.arrival_s - origin + draw.random() * span) % span
        taken = np.flatnonzero((moment < until) & (draw.random(len(trace)) < factor - copy))
        places.append(taken)
        times.append(moment[taken])
        copies.append(np.full(len(taken), copy))
    place, time, copy_of = np.concatenate(places), np.concatenate(times), np.concatenate(copies)
    order = np.argsort(time, kind="stable")
    found = trace.taken(place[order])
    ids = found.prefix_ids
    if ids is not None and found.prefix_start is not None and trace.prefix_ids is not None and len(trace.prefix_ids):
        apart = np.repeat(copy_of[order], np.diff(found.prefix_start)) * (int(trace.prefix_ids.max()) + 1)
        ids = np.unique(ids + apart, return_inverse=True)[1].astype(np.int32)
    cancel = found.cancel_s
    return dataclasses.replace(
        found,
        arrival_s=time[order],
        prefix_ids=ids,
        cancel_s=None if cancel is None else cancel - found.arrival_s + time[order],
    )


def spliced(first: Trace, second: Trace, *, gap_s: float = 0.0) -> Trace:
    """One trace after the other."""
    moved = shifted(second, float(first.arrival_s[-1] - second.arrival_s[0]) + gap_s)
    return _joined((first, moved), f"{first.name} then {second.name}")


def merged(*traces: Trace) -> Trace:
    """Several traces at once, each on its own clock from 0."""
    moved = [shifted(trace, -float(trace.arrival_s[0])) for trace in traces]
    return _joined(moved, " + ".join(trace.name for trace in traces))


def shifted(trace: Trace, by_s: float) -> Trace:
    """The same requests on a clock moved by so many seconds."""
    cancel = None if trace.cancel_s is None else trace.cancel_s + by_s
    return dataclasses.replace(trace, arrival_s=trace.arrival_s + by_s, cancel_s=cancel)


def patient(trace: Trace, mean_s: float, *, seed: int = 0) -> Trace:
    """The same requests whose clients leave after an exponential time with mean `mean_s`, s, unless served by then."""
    import numpy as np

    if not mean_s > 0:
        raise InputError(f"{mean_s} s", place="patience", allowed="a positive number")
    leave = trace.arrival_s + np.random.default_rng(seed).exponential(mean_s, size=len(trace))
    return dataclasses.replace(trace, cancel_s=leave if trace.cancel_s is None else np.minimum(leave, trace.cancel_s))


def _joined(traces: Sequence[Trace], name: str) -> Trace:
    """Traces on one clock as one; prefixes stay apart, priorities and departures are kept."""
    import numpy as np

    sizes = {trace.prefix_tokens for trace in traces if trace.prefix_ids is not None}
    if len(sizes) > 1:
        raise InputError(
            f"prefix blocks of {' and '.join(map(str, sorted(sizes)))} tokens", place=name, allowed="one size of block"
        )
    prefix = None
    if sizes:
        prefix = [
            [(place, key) for key in trace.prefix_ids[trace.prefix_start[i] : trace.prefix_start[i + 1]].tolist()]
            if trace.prefix_ids is not None and trace.prefix_start is not None
            else []
            for place, trace in enumerate(traces)
            for i in range(len(trace))
        ]

    def column(values: list[Any], fill: float) -> Any:
        if all(value is None for value in values):
            return None
        return np.concatenate(
            [np.full(len(trace), fill) if value is None else value for trace, value in zip(traces, values, strict=True)]
        )

    return build_trace(
        name,
        np.concatenate([trace.arrival_s for trace in traces]),
        np.concatenate([trace.input_tokens for trace in traces]),
        np.concatenate([trace.output_tokens for trace in traces]),
        prefix=prefix,
        prefix_tokens=sizes.pop() if sizes else 512,
        source="; ".join(dict.fromkeys(trace.source for trace in traces)),
        priority=column([trace.priority for trace in traces], 0),
        cancel_s=column([trace.cancel_s for trace in traces], math.inf),
        notes=tuple(note for trace in traces for note in trace.notes),
    )


def sessions(
    rate_per_s: float,
    count: int,
    *,
    turns: float,
    think_s: float,
    question_tokens: int,
    answer_tokens: int,
    seed: int = 0,
    prefix_tokens: int = 64,
    answer_s_per_token: float = 0.03,
) -> Trace:
    """Conversations: each turn sends all earlier text again, after a pause to think.

    Parameters
    ----------
    turns : float
        Mean turns of a session (geometric).
    think_s : float
        Mean pause before the next turn (exponential), counted from the expected end of the answer.
    prefix_tokens : int
        Tokens of one shared prefix block.

    Notes
    -----
    The trace is open: turns are not held back by slow answers, `answer_s_per_token` stands for them.
    """
    import numpy as np

    draw = np.random.default_rng(seed)
    times: list[float] = []
    inputs: list[int] = []
    prefix: list[list[int]] = []
    begun = np.cumsum(draw.exponential(1.0 / rate_per_s, size=count))
    for number, start in enumerate(begun.tolist()):
        now, context = start, 0
        for turn in range(int(draw.geometric(1.0 / turns))):
            if turn:
                now += answer_tokens * answer_s_per_token + float(draw.exponential(think_s))
            context += question_tokens
            times.append(now)
            inputs.append(context)
            prefix.append([number * 100_000 + block for block in range(context // prefix_tokens)])
            context += answer_tokens
    return build_trace(
        "sessions",
        times,
        inputs,
        np.full(len(times), answer_tokens),
        prefix=prefix,
        prefix_tokens=prefix_tokens,
        source="generated",
    )
