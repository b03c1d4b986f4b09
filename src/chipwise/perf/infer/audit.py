"""Which measured points can be true, by general rules; what a rule drops is said, never silent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

LITTLE = 0.25
"""Requests in flight may differ from rate times time by this share."""

FALL = 0.80
"""TPOT of one set-up may fall to this share where more requests are in flight; further is no steady state."""

WIDEST_TENSOR = 16
"""Chips over which an engine splits one attention; a wider group without experts is something else."""

Row = Mapping[str, str]


def number(row: Row, column: str) -> float | None:
    """The cell as a positive finite number; None where blank or anything else."""
    try:
        value = float(row.get(column) or "")
    except ValueError:
        return None
    return value if 0.0 < value < float("inf") else None


def audit(rows: Iterable[Row]) -> dict[str, str]:
    """Reason by row id for every row that must not be scored.

    Notes
    -----
    - Little's law: ``concurrency = requests/s * (TTFT + TPOT * (output - 1))`` within a quarter, where the rate was
      measured and not derived from it.
    - The same figures twice: chip, lengths, concurrency, TTFT and TPOT equal to the last digit.
    - One set-up measured twice, more than 15 % apart, with no word on which used speculative decoding.
    - TPOT of one set-up falls below four fifths as concurrency rises: not a steady state.
    - A tensor group of more than 16 chips without an expert group: prefill and decode pools counted as one.
    - Chips counted as the square of the expert group are not dropped; `chips_of` counts them right.
    """
    rows = list(rows)
    found: dict[str, str] = _falling(rows)
    seen: dict[tuple[str, ...], str] = {}
    for row in rows:
        name = row.get("id") or ""
        reason = _impossible(row) or _speculative(row)
        key = tuple(
            row.get(part) or ""
            for part in ("source_id", "chip_id", "isl", "osl", "concurrency", "ttft_mean_ms", "tpot_mean_ms")
        )
        if not reason and row.get("ttft_mean_ms") and row.get("tpot_mean_ms"):
            if key in seen:
                reason = f"the same figures as {seen[key]}"
            seen.setdefault(key, name)
        reason = reason or _repeated(row, seen)
        if reason:
            found[name] = reason
    return found


SETUP = ("source_id", "chip_id", "engine", "engine_version", "model", "weight_quant", "tp", "ep", "dp", "isl", "osl")


def _series(rows: Sequence[Row], column: str) -> list[list[tuple[float, float, str]]]:
    """Points (in flight, time, id) of every set-up, by load."""
    series: dict[tuple[str, ...], list[tuple[float, float, str]]] = defaultdict(list)
    for row in rows:
        wanted, time = number(row, "concurrency"), number(row, column)
        if wanted and time and row.get("disaggregated") != "yes" and not _speculative(row):
            series[tuple(row.get(part) or "" for part in SETUP)].append((wanted, time, row.get("id") or ""))
    return [sorted(points) for points in series.values()]


def _falls(points: Sequence[tuple[float, float, str]], spacing: float) -> bool:
    """Whether the time falls to less than four fifths as `spacing` times as many requests are in flight."""
    highest, before = 0.0, 0.0
    for wanted, time, _ in points:
        if wanted > spacing * before and time < FALL * highest:
            return True
        highest, before = max(highest, time), wanted
    return False


def _falling(rows: Sequence[Row]) -> dict[str, str]:
    """Rows of every set-up whose TPOT falls as more requests are in flight."""
    return {
        name: "TPOT falls as concurrency rises"
        for points in _series(rows, "tpot_mean_ms")
        if _falls(points, 1.0)
        for *_, name in points
    }


def wandering(rows: Sequence[Row]) -> set[str]:
    """Rows of every set-up whose first token comes much sooner under half as many requests again.

    A sign, not a proof: an engine whose batch is one short makes a request wait for a turn. It counts towards a table.
    """
    return {name for points in _series(rows, "ttft_mean_ms") if _falls(points, 1.5) for *_, name in points}


def _repeated(row: Row, seen: dict[tuple[str, ...], str]) -> str:
    """One run entered under two accuracy targets of MLPerf."""
    if not (row.get("kind") or "").startswith("mlperf") or not row.get("output_tps_total"):
        return ""
    key = ("mlperf", row.get("source_id") or "", row.get("kind") or "", row.get("output_tps_total") or "")
    if key in seen:
        return f"the same figures as {seen[key]}"
    seen[key] = row.get("id") or ""
    return ""


def _impossible(row: Row) -> str:
    tensor = number(row, "tp") or 1.0
    if tensor > WIDEST_TENSOR and (number(row, "ep") or 1.0) <= 1.0 and row.get("disaggregated") != "yes":
        return "one tensor group of more than 16 chips"
    wanted, output = number(row, "concurrency"), number(row, "osl")
    tpot = number(row, "tpot_mean_ms")
    if row.get("load_type") == "closed_loop_concurrency" and wanted and output and tpot:
        rate = number(row, "requests_per_s")
        if rate is None and "closed loop" not in (row.get("derived") or ""):
            total = number(row, "output_tps_total")
            rate = total / output if total else None
        if rate:
            inside = rate * ((number(row, "ttft_mean_ms") or 0.0) + tpot * (output - 1.0)) / 1e3
            if not 1.0 - LITTLE <= inside / wanted <= 1.0 / (1.0 - LITTLE):
                return f"Little's law: {inside:.0f} in flight by its times, {wanted:.0f} stated"
    return ""


def _speculative(row: Row) -> str:
    notes = (row.get("notes") or "").casefold()
    if "speculative" in notes and "not recorded" not in notes:
        return "speculative decoding, acceptance not stated"
    if "mtp" in notes or "speculative" in notes:
        return "perhaps speculative decoding: one set-up, two times"
    return ""


def chips_of(row: Row) -> tuple[float | None, bool]:
    """Chips of a row, and whether they had been counted as the square of the expert group."""
    chips, expert, data = number(row, "chips"), number(row, "ep"), number(row, "dp")
    group = (number(row, "tp") or 1.0) * (data or 1.0)
    if chips and expert and expert > 1 and chips == expert * expert and group in (chips, expert):
        return expert, True
    return chips, False


def tally(reasons: Mapping[str, str]) -> Sequence[tuple[str, int]]:
    """Rows dropped by rule, most first."""
    count: dict[str, int] = defaultdict(int)
    for reason in reasons.values():
        count[reason.split(":")[0].split(" as inf")[0]] += 1
    return sorted(count.items(), key=lambda entry: -entry[1])
