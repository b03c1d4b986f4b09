"""Read traces: the shipped ones by name, files by their columns."""

from __future__ import annotations

import importlib.resources
import json as standard_json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chipwise.core.errors import InputError, UnknownName
from chipwise.core.names import nearest_names
from chipwise.serving.columns import Columns, whole_numbers
from chipwise.serving.trace import Trace, build_trace

SHIPPED = {
    "azure": ("azure2023_conversation.parquet", "Azure LLM Inference Dataset 2023, Microsoft, CC-BY 4.0"),
    "mooncake": ("mooncake_conversation.parquet", "Mooncake conversation trace, Moonshot AI and Tsinghua, Apache-2.0"),
    "sharegpt": ("sharegpt_300_poisson10.parquet", "LLMServingSim ShareGPT sample, CASYS Lab at KAIST, MIT"),
}
"""Traces in the package; `mooncake` is its first twenty minutes."""

COARSE_S = 0.5
"""Steps of time stamps from which requests are spread."""
FORMATS = "Parquet, CSV (also packed), JSON lines or a JSON list, one row a request; ShareGPT conversations"


def read_trace(
    source: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    prefix_tokens: int = 512,
    seed: int = 0,
    rate_per_s: float | None = None,
    time_unit: str | None = None,
    characters_per_token: float | None = None,
    keep_stamps: bool = False,
) -> Trace:
    """A shipped trace (``azure``, ``mooncake``, ``sharegpt``) or a file (CSV, Parquet, JSON).

    Parameters
    ----------
    columns : mapping, optional
        Our name to the file's: ``{"arrival_s": "t", "input_tokens": "prompt"}``.
    prefix_tokens : int
        Tokens of one prefix block of the file.
    seed : int
        Of the jitter that spreads arrivals stamped in whole steps (Mooncake: about 3 s), and of drawn arrivals.
    rate_per_s : float, optional
        For a file that records no arrivals: they are drawn, Poisson at this rate.
    time_unit : {"s", "ms", "us", "ns"}, optional
        Of the file's arrivals, where its name of the column does not say.
    characters_per_token : float, optional
        For a file of conversations in text (ShareGPT): there is no default.
    keep_stamps : bool
        Leave coarse time stamps as they are. Otherwise requests of a trace stamped in steps of half a second or more,
        with fewer than half of the stamps distinct, are spread at random within their step, and a note says so.

    Raises
    ------
    InputError
        No such file, no such columns, an entry that is no number, or no request left.

    Notes
    -----
    Dates become seconds from the first. Requests without input or without output tokens (failed ones) are left out;
    `Trace.notes` counts them.
    """
    name = str(source)
    if name in SHIPPED:
        file, licence = SHIPPED[name]
        place = importlib.resources.files("chipwise") / "data" / "traces" / file
        with importlib.resources.as_file(place) as path:
            trace = _from_table(_load(path), Columns(name, None, None), prefix_tokens, licence, None, seed)
        return trace if keep_stamps else unstepped(trace, seed)
    path = Path(source)
    if not path.is_file():
        raise UnknownName(
            f"no trace and no file {name!r}",
            place="--trace",
            allowed=f"{', '.join(SHIPPED)}, poisson:RATE:IN:OUT, or a file",
            nearest=nearest_names(name, SHIPPED),
        )
    table = _load(path)
    if "conversations" in table.column_names:
        table = _lengths_of_text(table, path, characters_per_token)
    found = Columns(path.name, dict(columns or {}), time_unit)
    trace = _from_table(table, found, prefix_tokens, path.name, rate_per_s, seed)
    return trace if keep_stamps else unstepped(trace, seed)


def _load(path: Path) -> Any:
    import pyarrow as pa

    suffixes = [part.casefold() for part in path.suffixes]
    try:
        if suffixes[-1:] == [".parquet"]:
            import pyarrow.parquet as parquet

            return parquet.read_table(path)
        if suffixes[-1:] in ([".jsonl"], [".json"], [".ndjson"]):
            return _load_json(path)
        import pyarrow.csv as csv

        separator = "\t" if ".tsv" in suffixes else ","
        table = csv.read_csv(path, parse_options=csv.ParseOptions(delimiter=separator))
        return table.rename_columns([name.strip().lstrip("\ufeff") for name in table.column_names])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is empty"
        raise InputError(f"cannot be read: {reason}", place=str(path), allowed=FORMATS) from None


def _load_json(path: Path) -> Any:
    """A JSON list of objects, or one object a line."""
    import pyarrow as pa
    import pyarrow.json as json

    with path.open(encoding="utf-8") as stream:
        start = stream.read(256).lstrip()[:1]
    if start != "[":
        return json.read_json(path)
    rows = standard_json.loads(path.read_text(encoding="utf-8"))
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise ValueError("no list of objects")
    return pa.Table.from_pylist(rows)


def _lengths_of_text(table: Any, path: Path, characters_per_token: float | None) -> Any:
    """Turns of recorded conversations: each sends all earlier text again."""
    import pyarrow as pa

    if characters_per_token is None or not characters_per_token > 0:
        raise InputError(
            "holds text, no counts of tokens", place=str(path), allowed="--characters-per-token, such as 4 for English"
        )
    inputs, outputs = [], []
    for talk in table.column("conversations").to_pylist():
        before = asked = 0
        for turn in talk or []:
            length = len(str(turn.get("value") or ""))
            if str(turn.get("from")) in ("human", "user", "system"):
                asked += length
            elif asked and length:
                inputs.append(round((before + asked) / characters_per_token))
                outputs.append(round(length / characters_per_token))
                before, asked = before + asked + length, 0
    return pa.table({"input_tokens": inputs, "output_tokens": outputs})


def _from_table(
    table: Any, columns: Columns, prefix_tokens: int, source: str, rate_per_s: float | None, seed: int
) -> Trace:
    import numpy as np

    if not table.num_rows:
        raise InputError("holds no request", place=columns.place, allowed="one row a request")
    lengths = [whole_numbers(table, columns, key) for key in ("input_tokens", "output_tokens")]
    notes = []
    arrival_column = columns.find(table, "arrival_s", required=rate_per_s is None)
    if arrival_column is None:
        if rate_per_s is None or not 0 < rate_per_s < float("inf"):
            raise InputError(f"{rate_per_s}", place="--rate", allowed="requests/s above 0")
        gaps = np.random.default_rng(seed).exponential(1.0 / rate_per_s, size=table.num_rows)
        arrival = np.cumsum(gaps)
        notes.append(f"arrivals are not recorded: drawn, Poisson at {rate_per_s:g}/s")
    elif rate_per_s is not None:
        raise InputError(
            f"the file records arrivals in {arrival_column!r}", place="--rate", allowed="--scale to send them faster"
        )
    else:
        arrival = columns.seconds(table, arrival_column)
    keep = np.flatnonzero((lengths[1] >= 1) & (lengths[0] >= 1))
    if len(keep) < table.num_rows:
        notes.append(f"{table.num_rows - len(keep):,} of {table.num_rows:,} requests without tokens left out")
    if not len(keep):
        raise InputError("no request has input and output tokens", place=columns.place, allowed="counts of at least 1")
    prefix_column = columns.find(table, "prefix_block_ids", required=False)
    prefix = None
    if prefix_column is not None:
        rows = table.column(prefix_column).to_pylist()
        if any(row is not None and not isinstance(row, list) for row in rows):
            raise InputError(
                f"column {prefix_column!r} holds no lists", place=columns.place, allowed="a list of block ids a request"
            )
        prefix = [rows[i] or [] for i in keep]
    priority_column = columns.find(table, "priority", required=False)
    priority = None if priority_column is None else whole_numbers(table, columns, "priority", least=None)[keep]
    cancel_column = columns.find(table, "cancel_s", required=False)
    cancel = None
    if cancel_column is not None:
        clock = columns.seconds(table, str(arrival_column), zero=False).min() if arrival_column else 0.0
        cancel = columns.seconds(table, cancel_column, zero=False, missing=np.inf)[keep] - clock
    return build_trace(
        columns.place.removesuffix(".parquet").removesuffix(".csv"),
        arrival[keep],
        lengths[0][keep],
        lengths[1][keep],
        prefix=prefix,
        prefix_tokens=prefix_tokens,
        priority=priority,
        cancel_s=cancel,
        source=source,
        notes=tuple(notes),
    )


def unstepped(trace: Trace, seed: int = 0) -> Trace:
    """The trace, its requests spread within their steps where it is stamped coarsely."""
    import dataclasses

    import numpy as np

    stamps = np.unique(trace.arrival_s)
    step_s = float(np.median(np.diff(stamps))) if len(stamps) > 1 else 0.0
    if 2 * len(stamps) >= len(trace) or step_s < COARSE_S:
        return trace
    note = (
        f"{len(trace):,} arrivals at {len(stamps):,} time stamps about {step_s:.3g} s apart: "
        "spread at random in between"
    )
    return dataclasses.replace(jittered(trace, seed), notes=(*trace.notes, note))


def jittered(trace: Trace, seed: int = 0) -> Trace:
    """Spread requests that share a time stamp evenly at random up to the next stamp."""
    import dataclasses

    import numpy as np

    stamps, where = np.unique(trace.arrival_s, return_inverse=True)
    if len(stamps) < 2 or len(stamps) == len(trace):
        return trace
    gaps = np.append(np.diff(stamps), np.median(np.diff(stamps)))
    spread = np.sort(trace.arrival_s + gaps[where] * np.random.default_rng(seed).random(len(trace)))
    moment = spread - spread[0]
    cancel = None if trace.cancel_s is None else trace.cancel_s - trace.arrival_s + moment
    return dataclasses.replace(trace, arrival_s=moment, cancel_s=cancel)
