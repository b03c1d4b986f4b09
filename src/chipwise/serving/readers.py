"""Read traces: the shipped ones by name, files by their columns."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chipwise.core.errors import InputError, UnknownName
from chipwise.core.names import nearest_names
from chipwise.serving.trace import Trace, build_trace

SHIPPED = {
    "azure": ("azure2023_conversation.parquet", "Azure LLM Inference Dataset 2023, Microsoft, CC-BY 4.0"),
    "mooncake": ("mooncake_conversation.parquet", "Mooncake conversation trace, Moonshot AI and Tsinghua, Apache-2.0"),
    "sharegpt": ("sharegpt_300_poisson10.parquet", "LLMServingSim ShareGPT sample, CASYS Lab at KAIST, MIT"),
}
"""Traces in the package; `mooncake` is its first twenty minutes."""

COLUMNS = {
    "arrival_s": ("arrival_s", "arrived_at", "TIMESTAMP", "Timestamp", "timestamp", "time", "arrival"),
    "input_tokens": ("input_tokens", "ContextTokens", "Request tokens", "num_prefill_tokens", "input_length", "isl"),
    "output_tokens": (
        "output_tokens",
        "GeneratedTokens",
        "Response tokens",
        "num_decode_tokens",
        "output_length",
        "osl",
    ),
    "prefix_block_ids": ("prefix_block_ids", "hash_ids"),
    "priority": ("priority",),
}
"""Names a column is known by (ours, Azure, BurstGPT, Vidur, Mooncake), first match wins."""


def read_trace(
    source: str | Path, *, columns: Mapping[str, str] | None = None, prefix_tokens: int = 512, seed: int = 0
) -> Trace:
    """A shipped trace (``azure``, ``mooncake``, ``sharegpt``) or a file (CSV, Parquet, JSON lines).

    Parameters
    ----------
    columns : mapping, optional
        Our name to the file's: ``{"arrival_s": "t", "input_tokens": "prompt"}``.
    prefix_tokens : int
        Tokens of one prefix block of the file.
    seed : int
        Of the jitter that spreads arrivals stamped in whole steps (Mooncake: about 3 s).

    Raises
    ------
    InputError
        No such file, or no such columns.

    Notes
    -----
    Times in milliseconds (column ``timestamp`` of Mooncake's JSON lines) become seconds; dates become seconds from the
    first. Requests without output tokens are left out.
    """
    name = str(source)
    if name in SHIPPED:
        file, licence = SHIPPED[name]
        place = importlib.resources.files("chipwise") / "data" / "traces" / file
        with importlib.resources.as_file(place) as path:
            trace = _from_table(_load(path), name, None, prefix_tokens, licence)
        return jittered(trace, seed) if name == "mooncake" else trace
    path = Path(source)
    if not path.is_file():
        raise UnknownName(
            f"no trace and no file {name!r}",
            place="--trace",
            allowed=f"{', '.join(SHIPPED)}, poisson:RATE:IN:OUT, or a file",
            nearest=nearest_names(name, SHIPPED),
        )
    return _from_table(_load(path), path.stem, columns, prefix_tokens, str(path.name))


def _load(path: Path) -> Any:
    import pyarrow as pa

    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet as parquet

            return parquet.read_table(path)
        if path.suffix in (".jsonl", ".json"):
            import pyarrow.json as json

            return json.read_json(path)
        import pyarrow.csv as csv

        return csv.read_csv(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            f"cannot be read: {error}", place=str(path), allowed="Parquet, CSV or JSON lines, one row a request"
        ) from None


def _from_table(table: Any, name: str, columns: Mapping[str, str] | None, prefix_tokens: int, source: str) -> Trace:
    import numpy as np

    found = {ours: _column(table, ours, columns or {}, name) for ours in COLUMNS}
    arrival = _seconds(table.column(found["arrival_s"]), str(found["arrival_s"]), name)
    lengths = [np.asarray(table.column(found[key]).to_numpy(), float) for key in ("input_tokens", "output_tokens")]
    keep = np.flatnonzero((lengths[1] >= 1) & (lengths[0] >= 1))
    prefix = None
    if found["prefix_block_ids"]:
        rows = table.column(found["prefix_block_ids"]).to_pylist()
        prefix = [rows[i] or [] for i in keep]
    priority = table.column(found["priority"]).to_numpy()[keep] if found["priority"] else None
    return build_trace(
        name,
        arrival[keep],
        lengths[0][keep],
        lengths[1][keep],
        prefix=prefix,
        prefix_tokens=prefix_tokens,
        priority=priority,
        source=source,
    )


def _column(table: Any, ours: str, columns: Mapping[str, str], name: str) -> str | None:
    wanted = (columns[ours],) if ours in columns else COLUMNS[ours]
    for candidate in wanted:
        if candidate in table.column_names:
            return candidate
    if ours in ("prefix_block_ids", "priority") and ours not in columns:
        return None
    raise InputError(
        f"no column {wanted[0]!r}", place=name, allowed=", ".join(table.column_names), nearest=table.column_names[:3]
    )


def _seconds(column: Any, label: str, name: str) -> Any:
    """Seconds from the first request."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as compute

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        try:
            column = compute.cast(column, pa.timestamp("us"))
        except pa.ArrowInvalid as error:
            raise InputError(f"column {label!r} is no time: {error}", place=name, allowed="seconds or dates") from None
    if pa.types.is_timestamp(column.type):
        column = compute.cast(compute.cast(column, pa.timestamp("ns")), pa.int64())
        values = column.to_numpy() / 1e9
    else:
        values = np.asarray(column.to_numpy(), float)
        if label == "timestamp" and pa.types.is_integer(column.type):
            values = values / 1e3
    return values - values.min() if len(values) else values


def jittered(trace: Trace, seed: int = 0) -> Trace:
    """Spread requests that share a time stamp evenly at random up to the next stamp."""
    import dataclasses

    import numpy as np

    stamps, where = np.unique(trace.arrival_s, return_inverse=True)
    if len(stamps) < 2 or len(stamps) == len(trace):
        return trace
    gaps = np.append(np.diff(stamps), np.median(np.diff(stamps)))
    spread = np.sort(trace.arrival_s + gaps[where] * np.random.default_rng(seed).random(len(trace)))
    return dataclasses.replace(trace, arrival_s=spread - spread[0])
