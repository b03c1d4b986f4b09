"""Score the operator tables on what they were not fitted to.

    python -m tools.score_operators FACTS

Two questions. *A new shape on a measured chip*: a fifth of the weight shapes (n, k), of the head counts or of the
expert layouts of every table is held out whole, the table is fitted to the rest. *A chip without tables*: every chip's
tables are withheld and its kernels are predicted down the ladder. Writes ``docs/validation/operators.md``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tools.operator_mixed import MixedScore, mixed_scores
from tools.operator_replay import Replay, replay_rows, replays
from tools.operator_scores import (
    ROWS_PER_TABLE,
    Score,
    all_scores,
    coverage,
    kind_of,
    other_sources,
    pooled,
    spread_rows,
)

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "docs" / "validation" / "operators.md"
OTHERS = (
    "The same operators on chips with tables, as two other projects timed them inside an engine: nothing of these rows "
    "was used. Layers timed in an engine are slower than the fastest kernel of any."
)
OTHER_HEADERS = ("operator", "chip", "source", "kernels", "median error", "bias", "rows")
BARS = {
    ("gemm", "shape"): 0.08,
    ("attention", "shape"): 0.12,
    ("moe", "shape"): 0.20,
    ("gemm", "chip"): 0.20,
    ("attention", "chip"): 0.25,
}
HOW = (
    "Written by `python -m tools.score_operators FACTS`; nothing here was fitted to the rows it is scored on. At most "
    "{rows} rows of a table count. Times are those of the fastest engine and version of the tables. *Median error* is "
    "over all rows; *width* is the factor either way of the 90 % interval, made without the chip it is scored on."
)
WHAT = (
    "Whole weight shapes (n, k), head counts and expert layouts (hidden, width, chosen, experts) are held out, a fifth "
    "of them. *Faster than data sheet*: measured times below FLOP/peak or bytes/bandwidth, kernels that find their "
    "data in the cache; no prediction may go there, so these rows are always missed. Block-scaled fp8 is scored from "
    "one block (n and k of 128) upward: below, the tables hold a fallback of the engine far slower than the padded "
    "kernel. Streaming operators under *new shape* are scored on the rows of their own two-number line."
)


def table_text(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(headers) + " |", "| " + " | ".join("---" for _ in headers) + " |"]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def percent(value: float) -> str:
    """A share as per cent with one decimal."""
    return f"{100 * value:.1f} %"


def bar_rows(scores: Sequence[Score]) -> list[list[object]]:
    """One row a bar."""
    rows: list[list[object]] = []
    for (kind, regime), bar in BARS.items():
        row, table, worst, count = pooled(
            scores, lambda s, k=kind, r=regime: kind_of(s.operator) == k and s.regime == r
        )  # type: ignore[misc]
        operators = sorted({s.operator for s in scores if kind_of(s.operator) == kind})
        inside, width = coverage(scores, operators, regime)
        verdict = "met" if row <= bar else "missed"
        rows.append(
            [
                kind,
                "new shape" if regime == "shape" else "chip without tables",
                percent(row),
                f"{100 * bar:.0f} %",
                verdict,
                percent(table),
                percent(worst),
                count,
                percent(inside),
                f"×/÷ {width:.2f}",
            ]
        )
    return rows


def detail_rows(scores: Sequence[Score], regime: str) -> list[list[object]]:
    """One row an operator and chip."""
    rows: list[list[object]] = []
    for operator in sorted({score.operator for score in scores}):
        for chip in sorted({score.chip for score in scores if score.operator == operator}):
            found = [s for s in scores if (s.operator, s.chip, s.regime) == (operator, chip, regime)]
            if not found:
                continue
            row, _, worst, count = pooled(found, lambda _: True)
            bias = float(np.exp(-np.median(np.concatenate([s.log_error for s in found]))) - 1.0)
            floor = float(np.mean([s.below_floor for s in found]))
            rungs = ", ".join(sorted({s.rung for s in found}))
            rows.append(
                [operator, chip, rungs, percent(row), f"{100 * bias:+.0f} %", percent(worst), count, percent(floor)]
            )
    return rows


def precision_rows(scores: Sequence[Score]) -> list[list[object]]:
    """GEMM and experts by precision."""
    rows: list[list[object]] = []
    for operator in ("gemm", "moe"):
        for name in sorted({s.precision for s in scores if s.operator == operator}):
            shape = pooled(scores, lambda s, o=operator, n=name: (s.operator, s.precision, s.regime) == (o, n, "shape"))  # type: ignore[misc]
            chip = pooled(scores, lambda s, o=operator, n=name: (s.operator, s.precision, s.regime) == (o, n, "chip"))  # type: ignore[misc]
            rows.append([operator, name, percent(shape[0]), percent(chip[0]) if chip[3] else "–", shape[3]])
    return rows


def other_rows(others: Sequence[Score]) -> list[list[object]]:
    """One row an operator, chip, source and choice of kernels."""
    rows: list[list[object]] = []
    for score in others:
        error, bias = float(np.median(score.relative)), float(np.exp(-np.median(score.log_error)) - 1.0)
        bias_text = f"{100 * bias:+.0f} %"
        rows.append(
            [score.operator, score.chip, score.variant, score.regime, percent(error), bias_text, len(score.log_error)]
        )
    return rows


MIXED = (
    "One attention kernel over chunks of prompts and one token of each decoding sequence (vLLM 0.19, LLMServingSim). "
    "*Models*: the kernel's four numbers from the other models of the chip (or other chunk sizes, where one model was "
    "measured), *chip*: from the other chip. The prompts' own time comes from the tables above. *Sum*: the two "
    "operators one after the other."
)
OWN_TIMINGS = (
    "Tables left out are predicted, then again after a few of their rows, drawn at random, are given as a user's own "
    "timings; the other rows are judged. Rung *chip*: chips with tables, timed by another harness. *Near*: width "
    "within two octaves of a timing. The number of tables counts chips and lengths."
)


def mixed_table(scores: Sequence[MixedScore]) -> str:
    """One row a chip and way to leave out."""
    rows: list[list[object]] = []
    for regime, name in (("shape", "models"), ("chip", "chip")):
        for chip in sorted({score.chip for score in scores}):
            found = [score for score in scores if (score.chip, score.regime) == (chip, regime)]
            error = np.concatenate([score.log_error for score in found])
            both = np.concatenate([score.sum_error for score in found])
            rows.append(
                [
                    chip,
                    name,
                    percent(float(np.median(np.abs(np.expm1(-error))))),
                    f"{100 * np.expm1(-np.median(error)):+.0f} %",
                    percent(float(np.median(np.abs(np.expm1(-both))))),
                    f"{100 * np.expm1(-np.median(both)):+.0f} %",
                    len(error),
                ]
            )
    return table_text(["chip", "left out", "median error", "bias", "sum: median error", "bias", "batches"], rows)


def report(
    scores: Sequence[Score], others: Sequence[Score], mixed: Sequence[MixedScore], played: Sequence[Replay]
) -> str:
    """The whole page."""
    bars = [
        "operator",
        "left out",
        "median error",
        "bar",
        "",
        "mean of tables",
        "worst table",
        "tables",
        "inside 90 %",
        "width",
    ]
    detail = ["operator", "chip", "rung", "median error", "bias", "worst table", "tables", "faster than data sheet"]
    spread = [
        [r["operator"], r["rung"], r["low_factor"], r["high_factor"], r["tables"]]
        for r in spread_rows(Path(), scores, others)
    ]
    return (
        "\n\n".join(
            [
                "# Operators against measured kernels",
                HOW.format(rows=ROWS_PER_TABLE),
                table_text(bars, bar_rows(scores)),
                WHAT,
                "## By precision",
                table_text(
                    ["operator", "precision", "new shape", "chip without tables", "tables"], precision_rows(scores)
                ),
                "## New shape, by chip",
                table_text(detail, detail_rows(scores, "shape")),
                "## Chip without tables",
                table_text(detail, detail_rows(scores, "chip")),
                "## Whole family left out",
                table_text(detail, detail_rows(scores, "family")),
                "## Prompts and decodes in one kernel",
                MIXED,
                mixed_table(mixed),
                "## Own timings",
                OWN_TIMINGS,
                table_text(
                    ["operator", "rung", "timings", "median error", "inside 90 %", "width", "near", "tables"],
                    replay_rows(played),
                ),
                "## Other sources",
                OTHERS,
                table_text(
                    ["operator", "chip", "source", "kernels", "median error", "bias", "rows"], other_rows(others)
                ),
                "## Intervals shipped",
                table_text(["operator", "rung", "low", "high", "tables"], spread),
            ]
        )
        + "\n"
    )


def main() -> None:
    """Read the command line, score, write the page and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("facts", type=Path)
    given = parser.parse_args()
    text = report(all_scores(given.facts), other_sources(given.facts), mixed_scores(given.facts), replays(given.facts))
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
