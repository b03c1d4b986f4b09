"""The plan in under forty lines of terminal: decision for now, runway, what follows, what is missing."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

WIDTH = 118
MOST_NOW = 10
MOST_WARNINGS = 3
MOST_FUTURES = 3
MOST_MENDS = 2
MOST_INSIGHTS = 2


def money(usd: float) -> str:
    """Money for people.

    Examples
    --------
    >>> money(31_200_000), money(4_500), money(2.4e9)
    ('USD 31.2 m', 'USD 4,500', 'USD 2.40 bn')
    """
    size = abs(usd)
    if size >= 1e9:
        return f"USD {usd / 1e9:,.2f} bn"
    if size >= 1e6:
        return f"USD {usd / 1e6:,.1f} m"
    return f"USD {usd:,.0f}"


def years(value: object) -> str:
    """Years of a runway sense; ``unbounded`` for infinity."""
    if value is None:
        return "unknown"
    if value == "inf" or (isinstance(value, float) and math.isinf(value)):
        return "unbounded"
    return f"{float(str(value)):.2f}"


def _clip(text: str, width: int = WIDTH) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def now_sentence(line: Mapping[str, Any]) -> str:
    """One line of `now` as a sentence."""
    action, chip, count = line["action"], line["chip"], line["count"]
    if action in ("buy", "lease", "rent"):
        text = f"{action} {count:,.0f} {chip}"
        if line["system"]:
            text += f" (in {line['system']})"
        text += f", {money(line['cost_usd'])}" + (" a month" if action in ("rent", "lease") else "")
        if line.get("arrives"):
            text += f", arriving about {line['arrives']}"
        return f"{text}: {line['outcome']}"
    if action == "assign":
        return f"put {count:,.0f} {chip} on {line['workload']}"
    if action == "defer":
        return f"expect to miss {line['workload']}: {line['note']}"
    if action == "api":
        return f"buy tokens of {line['workload']}, {money(line['cost_usd'])} a month"
    if action == "port":
        return f"port the software to {chip}, {money(line['cost_usd'])}"
    return f"{action} {money(line['cost_usd'])} ({line.get('note', '')})"


def _now(plan: Mapping[str, Any]) -> Iterator[str]:
    lines = plan["plan"]["now"]
    buys = [line for line in lines if line["action"] not in ("assign", "defer")]
    if not any(line["action"] in ("buy", "rent", "lease", "api") for line in buys):
        yield "  buy nothing today"
    shown = [*buys, *(line for line in lines if line["action"] == "defer"), *_merged_assignments(lines)]
    for line in shown[:MOST_NOW]:
        yield _clip(f"  {now_sentence(line)}")
    if len(shown) > MOST_NOW:
        yield f"  … and {len(shown) - MOST_NOW} more lines in plan.json"


def _merged_assignments(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Assignments by chip and kind of work, largest first, so that the terminal stays short."""
    merged: dict[tuple[str, str], float] = {}
    for line in lines:
        if line["action"] == "assign":
            name = line["workload"]
            kind = name if name.startswith("serve: ") else "training"
            merged[line["chip"], kind] = merged.get((line["chip"], kind), 0.0) + line["count"]
    return [
        {"action": "assign", "chip": chip, "count": count, "workload": kind}
        for (chip, kind), count in sorted(merged.items(), key=lambda entry: -entry[1])
    ]


def _runway(plan: Mapping[str, Any]) -> Iterator[str]:
    runway = plan["runway"]
    for name in ("programme", "flagship", "squeeze", "wear"):
        sense = runway[name]
        mark = " <- binds first" if runway["binding"] == name else ""
        if sense.get("undetermined"):
            yield _clip(f"  {name:<10} undetermined: {sense['undetermined']}")
            continue
        yield (
            f"  {name:<10} {years(sense['years']):>9} years   90 %: {years(sense.get('low'))} to "
            f"{years(sense.get('high'))}{mark}"
        )


def _later(plan: Mapping[str, Any]) -> Iterator[str]:
    """Futures that ask for the same are told once, most probable first."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for branch in plan["plan"]["branches"]:
        ways = (("bought", ""), ("leased", " on lease"), ("sold", " sold again"))
        listed = [
            f"{count:,.0f} {chip}{how}" for way, how in ways for chip, count in sorted(branch.get(way, {}).items())
        ]
        bought = ", ".join(listed) or "nothing"
        if branch["tokens_bought_usd"] >= 1.0:
            bought += f" and tokens for {money(branch['tokens_bought_usd'])}"
        worst = min(branch["runs"].values(), default=1.0)
        text = f"buys {bought}; serves {branch['served_share']:.0%}; least-done run {worst:.0%}"
        groups.setdefault(text, []).append(branch)
    ranked = sorted(groups.items(), key=lambda entry: -sum(branch["probability"] for branch in entry[1]))
    for text, members in ranked[:MOST_FUTURES]:
        states = " or ".join(sorted({branch["states"][-1] for branch in members}))
        paths = "/".join(sorted({branch["demand_path"] for branch in members}))
        share = sum(branch["probability"] for branch in members)
        yield _clip(f"  {share:>4.0%} {text} ({paths} demand; ends {states})")
    if len(ranked) > MOST_FUTURES:
        rest = sum(branch["probability"] for _, members in ranked[MOST_FUTURES:] for branch in members)
        yield f"  {rest:>4.0%} in {len(ranked) - MOST_FUTURES} further kinds of future"


def plan_lines(plan: Mapping[str, Any]) -> Iterator[str]:
    """The whole terminal answer, one line at a time."""
    head, body = plan["scenario"], plan["plan"]
    yield f"{head['party']} on {head['as_of']} ({head['id']}); law and offers known on {plan['known_on']}"
    yield _clip(head["question"])
    yield ""
    yield f"Do now ({body['status']}; gap to the proven bound {body['gap']:.2%}):"
    yield from _now(plan)
    for sentence in body["insights"][:MOST_INSIGHTS]:
        yield from textwrap.wrap(
            sentence, WIDTH, initial_indent="  why: ", subsequent_indent="       ", max_lines=2, placeholder=" …"
        )
    yield ""
    yield "The stock lasts:"
    yield from _runway(plan)
    yield ""
    yield "Then, by future:"
    yield from _later(plan)
    if body["mends"]:
        yield ""
        yield _clip(f"Missed: {body['mends'][0]['missed']}. Any one of these would mend it:")
        for mend in body["mends"][:MOST_MENDS]:
            yield _clip(f"  {mend['sentence']}")
    notes = plan["warnings"]
    if notes:
        yield ""
        yield f"Note ({len(notes)} in all, the rest in the report):"
        for warning in notes[:MOST_WARNINGS]:
            yield _clip(f"  {warning}")
    yield "Not legal advice."
