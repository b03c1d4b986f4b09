"""A workload: when requests come, how long they are, and what they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chipwise.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int32] | NDArray[np.int64]
else:
    Floats = Integers = Any


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """Requests in order of arrival.

    Parameters
    ----------
    arrival_s : (n,) float64, ascending
    input_tokens, output_tokens : (n,) int32, at least 1
    priority : (n,) int32 or None
        Lower goes first.
    cancel_s : (n,) float64 or None
        When the client leaves, s on the clock of `arrival_s`.
    prefix_start, prefix_ids : (n + 1,) int64 and int32, or None
        Ids of the prefix blocks of each request: equal ids share their cache.
    prefix_tokens : int
        Tokens of one prefix block.
    notes : tuple of str
        What was left out or drawn when it was read.
    """

    name: str
    arrival_s: Floats
    input_tokens: Integers
    output_tokens: Integers
    priority: Integers | None = None
    cancel_s: Floats | None = None
    prefix_start: Integers | None = None
    prefix_ids: Integers | None = None
    prefix_tokens: int = 512
    source: str = ""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.arrival_s)

    @property
    def tokens(self) -> int:
        """Input and output tokens of all requests."""
        return int(self.input_tokens.sum(dtype="int64") + self.output_tokens.sum(dtype="int64"))

    @property
    def duration_s(self) -> float:
        """From the first to the last arrival, s."""
        return float(self.arrival_s[-1] - self.arrival_s[0]) if len(self) else 0.0

    def taken(self, index: Any) -> Trace:
        """The requests at `index` (ascending positions or a mask), in the same order."""
        import numpy as np

        index = np.asarray(index)
        index = np.flatnonzero(index) if index.dtype == bool else index
        start: Any = None
        ids: Any = None
        if self.prefix_start is not None and self.prefix_ids is not None:
            counts = np.diff(self.prefix_start)[index]
            start = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
            pieces = [self.prefix_ids[self.prefix_start[i] : self.prefix_start[i + 1]] for i in index]
            ids = np.concatenate(pieces) if pieces else np.zeros(0, np.int32)
        return Trace(
            name=self.name,
            arrival_s=self.arrival_s[index],
            input_tokens=self.input_tokens[index],
            output_tokens=self.output_tokens[index],
            priority=None if self.priority is None else self.priority[index],
            cancel_s=None if self.cancel_s is None else self.cancel_s[index],
            prefix_start=start,
            prefix_ids=ids,
            prefix_tokens=self.prefix_tokens,
            source=self.source,
            notes=self.notes,
        )


def build_trace(
    name: str,
    arrival_s: Any,
    input_tokens: Any,
    output_tokens: Any,
    *,
    prefix: Any = None,
    prefix_tokens: int = 512,
    source: str = "",
    priority: Any = None,
    cancel_s: Any = None,
    notes: tuple[str, ...] = (),
) -> Trace:
    """Check and sort arrays into a trace.

    Parameters
    ----------
    prefix : sequence of sequences, optional
        Prefix block ids of each request, whole numbers or texts.

    Raises
    ------
    InputError
        Lengths differ, a time is not finite, or a request has no token to read or to write.
    """
    import numpy as np

    times = np.asarray(arrival_s, dtype=np.float64)
    columns = {"input_tokens": np.asarray(input_tokens), "output_tokens": np.asarray(output_tokens)}
    for label, values in columns.items():
        if values.shape != times.shape:
            raise InputError(f"{label} has {values.shape} entries for {times.shape} arrivals", place=name)
        if values.size and (not np.isfinite(values).all() or values.min() < 1 or values.max() > 2**30):
            raise InputError(f"{label} has an entry that is no count of tokens", place=name, allowed="1 to 2**30")
    if times.size and not np.isfinite(times).all():
        raise InputError("an arrival is not finite", place=name, allowed="seconds")
    order = np.argsort(times, kind="stable")
    start = ids = None
    if prefix is not None:
        rows = [prefix[i] for i in order]
        start = np.concatenate(([0], np.cumsum([len(row) for row in rows], dtype=np.int64))).astype(np.int64)
        numbers: dict[Any, int] = {}
        every = (numbers.setdefault(key, len(numbers)) for row in rows for key in row)
        ids = np.fromiter(every, dtype=np.int32, count=int(start[-1]))
    return Trace(
        name=name,
        arrival_s=times[order],
        input_tokens=columns["input_tokens"].astype(np.int32)[order],
        output_tokens=columns["output_tokens"].astype(np.int32)[order],
        priority=None if priority is None else np.asarray(priority, np.int32)[order],
        cancel_s=None if cancel_s is None else np.asarray(cancel_s, np.float64)[order],
        prefix_start=start,
        prefix_ids=ids,
        prefix_tokens=prefix_tokens,
        source=source,
        notes=notes,
    )


def summary(trace: Trace) -> Mapping[str, float]:
    """Arrivals and lengths of a trace in a few numbers.

    Notes
    -----
    ``interarrival_cv`` is 1 for a Poisson stream; ``index_of_dispersion_10s`` is variance over mean of the counts in
    ten-second bins; ``infinite_cache_prefix_hit`` is the share of input tokens an unbounded cache would have served.
    """
    import numpy as np

    out: dict[str, float] = {"requests": len(trace), "duration_s": trace.duration_s, "tokens": trace.tokens}
    if len(trace) > 1 and trace.duration_s > 0:
        gaps = np.diff(trace.arrival_s)
        out["mean_rate_per_s"] = len(trace) / trace.duration_s
        out["interarrival_cv"] = float(gaps.std() / gaps.mean())
        edges = np.arange(trace.arrival_s[0], trace.arrival_s[-1] + 10.0, 10.0)
        counts = np.histogram(trace.arrival_s, edges)[0] if len(edges) > 2 else np.array([len(trace)])
        out["peak_to_mean_10s"] = float(counts.max() / counts.mean())
        out["index_of_dispersion_10s"] = float(counts.var() / counts.mean())
    for label, values in (("input", trace.input_tokens), ("output", trace.output_tokens)):
        if len(values):
            out[f"{label}_mean"] = float(values.mean())
            for percent in (50, 90, 99):
                out[f"{label}_p{percent}"] = float(np.percentile(values, percent))
            out[f"{label}_max"] = float(values.max())
    hit = _infinite_hit(trace)
    if hit is not None:
        out["infinite_cache_prefix_hit"] = hit
    return out


def write_trace(trace: Trace, path: Any) -> None:
    """One row per request to Parquet, in columns that `read_trace` knows."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    columns: dict[str, Any] = {
        "arrival_s": trace.arrival_s,
        "input_tokens": trace.input_tokens,
        "output_tokens": trace.output_tokens,
    }
    if trace.priority is not None:
        columns["priority"] = trace.priority
    if trace.cancel_s is not None:
        columns["cancel_s"] = trace.cancel_s
    if trace.prefix_ids is not None and trace.prefix_start is not None:
        columns["prefix_block_ids"] = pa.LargeListArray.from_arrays(
            pa.array(trace.prefix_start), pa.array(trace.prefix_ids)
        )
    parquet.write_table(pa.table(columns), path, compression="zstd")


def _infinite_hit(trace: Trace) -> float | None:
    if trace.prefix_start is None or trace.prefix_ids is None or not len(trace):
        return None
    seen: set[int] = set()
    hit = 0
    for i in range(len(trace)):
        keys = trace.prefix_ids[trace.prefix_start[i] : trace.prefix_start[i + 1]].tolist()
        for key in keys:
            if key not in seen:
                break
            hit += trace.prefix_tokens
        seen.update(keys)
    return hit / float(trace.input_tokens.sum(dtype="int64"))
