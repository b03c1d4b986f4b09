"""Find and check the columns of a trace file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chipwise.core.errors import InputError
from chipwise.core.names import nearest_names

KNOWN = {
    "arrival_s": (
        *("arrival_s", "arrived_at", "timestamp", "time", "arrival", "arrival_time", "arrival_time_s", "t_s"),
        *("arrival_ms", "arrival_time_ms", "timestamp_ms", "arrival_us", "arrival_time_ns", "arrival_ns"),
        *("request_timestamp", "start_time", "submit_time"),
    ),
    "input_tokens": (
        *("input_tokens", "contexttokens", "request_tokens", "num_prefill_tokens", "input_length", "isl"),
        *("prompt_tokens", "num_prompt_tokens", "prompt_len", "prompt_length", "input_len", "input_toks"),
    ),
    "output_tokens": (
        *("output_tokens", "generatedtokens", "response_tokens", "num_decode_tokens", "output_length", "osl"),
        *("completion_tokens", "generated_tokens", "num_output_tokens", "output_len", "output_toks", "answer_tokens"),
    ),
    "prefix_block_ids": ("prefix_block_ids", "hash_ids"),
    "priority": ("priority",),
    "cancel_s": ("cancel_s", "cancelled_at"),
}
"""Names a column is known by (Azure, BurstGPT, Vidur, Mooncake, LLMServingSim, engines), capitals and blanks aside."""

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


@dataclass(frozen=True, slots=True)
class Columns:
    """How a file names its columns.

    Parameters
    ----------
    place : str
        The file, for messages.
    named : mapping or None
        Our name to the file's, as the user says.
    time_unit : str or None
        Of its times; by the column's name otherwise.
    """

    place: str
    named: Mapping[str, str] | None
    time_unit: str | None

    def __post_init__(self) -> None:
        for ours in self.named or {}:
            if ours not in KNOWN:
                raise InputError(
                    f"{ours!r} is no column of ours",
                    place="--column",
                    allowed=", ".join(KNOWN),
                    nearest=nearest_names(ours, KNOWN),
                )
        if self.time_unit is not None and self.time_unit not in UNITS:
            raise InputError(f"{self.time_unit!r}", place="--time-unit", allowed=", ".join(UNITS))

    def find(self, table: Any, ours: str, *, required: bool = True) -> str | None:
        """The file's name of one of our columns; None where it has none and need not.

        Raises
        ------
        InputError
            It has none, the one named by the user is not there, or several could be meant.
        """
        present = list(table.column_names)
        if self.named and ours in self.named:
            if self.named[ours] in present:
                return self.named[ours]
            wanted = self.named[ours]
        else:
            wanted = ours
            plain: dict[str, list[str]] = {}
            for name in present:
                plain.setdefault(_plain(name), []).append(name)
            for candidate in KNOWN[ours]:
                found = plain.get(candidate, [])
                if len(found) > 1:
                    raise InputError(
                        f"columns {', '.join(map(repr, found))} could each be {ours}",
                        place=self.place,
                        allowed=f"--column {ours}=NAME",
                    )
                if found:
                    return found[0]
            if not required:
                return None
        raise InputError(
            f"no column {wanted!r}",
            place=self.place,
            allowed=f"--column {ours}=NAME with one of: {', '.join(present)}"
            + ("; or --rate to draw arrivals" if ours == "arrival_s" else ""),
            nearest=nearest_names(wanted, present) or present[:3],
        )

    def seconds(self, table: Any, name: str, *, zero: bool = True, missing: float | None = None) -> Any:
        """A column of times in seconds, with `zero` from the first on; empty entries become `missing` if given."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as compute

        column = table.column(name)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = self._dates(column, name)
        if pa.types.is_timestamp(column.type):
            stamps = compute.cast(compute.cast(column, pa.timestamp("ns")), pa.int64())
            origin = compute.min(stamps).as_py() or 0
            values = _floats(compute.subtract(stamps, origin)) / 1e9
        else:
            values = self._numbers(column, name) * UNITS[self._unit(table, name)]
        bad = ~np.isfinite(values)
        if bad.any() and missing is not None:
            values = np.where(bad, missing, values)
        elif bad.any():
            raise InputError(
                f"row {int(np.argmax(bad)) + 1} has no time in {name!r}", place=self.place, allowed="seconds or dates"
            )
        return values - values.min() if zero else values

    def _dates(self, column: Any, name: str) -> Any:
        """Texts as dates, or as numbers where they are such."""
        import pyarrow as pa
        import pyarrow.compute as compute

        for kind in (pa.timestamp("ns"), pa.float64()):
            try:
                return compute.cast(column, kind)
            except pa.ArrowInvalid as error:
                reason = str(error).splitlines()[0]
        raise InputError(f"column {name!r} is no time: {reason}", place=self.place, allowed="seconds or dates")

    def _numbers(self, column: Any, name: str) -> Any:
        try:
            return _floats(column)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"column {name!r} holds no numbers: {error}", place=self.place, allowed="numbers"
            ) from None

    def _unit(self, table: Any, name: str) -> str:
        """Unit of a column of numbers: as said, by its ending, or Mooncake's milliseconds."""
        import pyarrow as pa

        if self.time_unit is not None:
            return self.time_unit
        ending = re.search(r"_(ms|us|ns)$", _plain(name))
        if ending:
            return ending.group(1)
        plain = {_plain(other) for other in table.column_names}
        counted = pa.types.is_integer(table.column(name).type)
        return "ms" if _plain(name) == "timestamp" and counted and "hash_ids" in plain else "s"


def whole_numbers(table: Any, columns: Columns, ours: str, *, least: int | None = 0) -> Any:
    """A column of counts.

    Raises
    ------
    InputError
        An entry is missing, no whole number, or below `least`; the message names its row.
    """
    import numpy as np

    name = str(columns.find(table, ours))
    values = columns._numbers(table.column(name), name)
    bad = ~np.isfinite(values) | (values != np.floor(values)) | (np.abs(values) > 2**30)
    if least is not None:
        bad |= values < least
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"row {row + 1} has {table.column(name)[row].as_py()!r} in {name!r}",
            place=columns.place,
            allowed="a whole number" + ("" if least is None else f" from {least} to 2**30"),
        )
    return values


def _floats(column: Any) -> Any:
    import numpy as np

    if hasattr(column, "to_pylist") and str(column.type).startswith(("string", "large_string")):
        return np.array([float("nan") if value is None else float(value) for value in column.to_pylist()])
    return np.asarray(
        column.to_numpy(zero_copy_only=False) if not hasattr(column, "chunks") else column.to_numpy(), float
    )


def _plain(name: str) -> str:
    return re.sub(r"[\s\-]+", "_", name.strip().casefold())
