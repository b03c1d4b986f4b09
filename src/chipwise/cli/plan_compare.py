"""Several plans side by side: the same questions asked of each buyer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chipwise.cli.plan_text import money, years

Document = Mapping[str, Any]


def _bought_now(plan: Document) -> str:
    lines = [line for line in plan["plan"]["now"] if line["action"] in ("buy", "lease", "rent")]
    return "; ".join(f"{line['action']} {line['count']:,.0f} {line['chip']}" for line in lines) or "nothing"


def _expected(plan: Document, pick: Any) -> float:
    return float(sum(branch["probability"] * pick(branch) for branch in plan["plan"]["branches"]))


def _bought_later(plan: Document) -> str:
    chips: dict[str, float] = {}
    for branch in plan["plan"]["branches"]:
        for chip, count in branch["bought"].items():
            chips[chip] = chips.get(chip, 0.0) + branch["probability"] * count
    return (
        "; ".join(f"{count:,.0f} {chip}" for chip, count in sorted(chips.items(), key=lambda one: -one[1])) or "nothing"
    )


def _runway(name: str) -> Any:
    def of(plan: Document) -> str:
        sense = plan["runway"][name]
        if sense.get("undetermined"):
            return "undetermined"
        return f"{years(sense['years'])} ({years(sense.get('low'))} to {years(sense.get('high'))})"

    return of


def _refused(plan: Document) -> str:
    rows = [row for row in plan["verdicts"] if row["role"] == "market" and not row["usable"]]
    return "; ".join(f"{row['item']} ({row['access']})" for row in rows) or "none"


def _least_done(plan: Document) -> str:
    return f"{_expected(plan, lambda branch: min(branch['runs'].values(), default=1.0)):.0%}"


ROWS: Sequence[tuple[str, Any]] = (
    ("buyer", lambda plan: plan["scenario"]["party"]),
    ("day of the decision", lambda plan: plan["scenario"]["as_of"]),
    ("binding runway", lambda plan: plan["runway"]["binding"] or "undetermined"),
    ("  programme, years", _runway("programme")),
    ("  flagship, years", _runway("flagship")),
    ("  squeeze, years", _runway("squeeze")),
    ("  wear, years", _runway("wear")),
    ("bought today", _bought_now),
    ("bought over the horizon, expected", _bought_later),
    ("offers the law does not clear", _refused),
    ("tokens served, expected", lambda plan: f"{_expected(plan, lambda branch: branch['served_share']):.0%}"),
    ("least-done run, expected", _least_done),
    ("expected cost, less worth at end", lambda plan: money(plan["finance"]["expected_cost_usd"])),
    ("highest debt", lambda plan: money(plan["finance"]["highest_debt_usd"])),
    ("what binds", lambda plan: "; ".join(plan["plan"]["binding_limits"]) or "nothing"),
    ("status", lambda plan: plan["plan"]["status"]),
)
"""Questions asked of every plan: label, and how to read the answer off plan.json."""


def comparison(plans: Sequence[Document]) -> Iterator[tuple[str, ...]]:
    """One row per question, one cell per plan."""
    for label, answer in ROWS:
        yield (label, *(str(answer(plan)) for plan in plans))
