"""The first screen: what to do now, whether it suffices, how long the stock lasts, what to be warned of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from chipwise.report import palette, text, walk
from chipwise.report.figures import SENSE_ENDS, SENSE_NAMES, SENSES
from chipwise.report.sources import FactIndex, Link
from chipwise.report.warned import ranked_warnings

PURCHASES = ("buy", "rent", "lease", "api")
VERBS = {
    "buy": "Buy",
    "rent": "Rent",
    "lease": "Lease",
    "sell": "Sell",
    "borrow": "Borrow",
    "repay": "Repay",
    "port": "Port software to",
    "api": "Buy tokens",
    "assign": "Assign",
    "defer": "Defer",
}
MOST_WARNINGS = 3


def line_what(line: Mapping[str, Any]) -> str:
    """What a line is about, without its verb: ``304 × ascend-910b``."""
    action, chip = line["action"], line.get("chip")
    if action in ("borrow", "repay"):
        return f"{text.usd(line.get('cost_usd'))}{' from ' + line['note'] if line.get('note') else ''}"
    if action == "api":
        rate = (text.as_number(line.get("count")) or 0.0) * 1e3
        return f"{text.count(rate)} tokens/s of {line.get('workload') or 'a model'}"
    if action == "port":
        return str(chip)
    if action == "defer":
        return str(line.get("workload") or chip or "")
    return f"{text.count(line.get('count'))} × {chip}"


def line_money(line: Mapping[str, Any]) -> str:
    """Cost of a line; a month's for what is rented or metered."""
    if line["action"] in ("borrow", "repay", "assign", "defer"):
        return ""
    amount = text.usd(line.get("cost_usd"))
    return f"{amount} a month" if line["action"] in ("rent", "api") else amount


def line_view(line: Mapping[str, Any], accepted: str | None) -> dict[str, Any]:
    """One line as it is printed, with its legal outcome and, for what needs counsel, the scenario's reason."""
    outcome = str(line.get("outcome") or "")
    flagged = outcome == "needs_counsel"
    note = str(line.get("note") or "")
    licence = text.as_number(line.get("licence_probability"))
    return {
        "action": line["action"],
        "verb": VERBS.get(line["action"], str(line["action"]).capitalize()),
        "what": line_what(line),
        "chip": line.get("chip"),
        "count": text.count(line.get("count")) if line.get("count") is not None else "",
        "system": line.get("system") or "",
        "workload": str(line.get("workload") or ""),
        "when": text.date(line.get("when")),
        "arrives": text.date(line["arrives"]) if line.get("arrives") else "",
        "money": line_money(line),
        "to": str(line.get("to") or ""),
        "hq": str(line.get("hq") or ""),
        "market": str(line.get("market") or ""),
        "answer": palette.answer(outcome) if outcome else None,
        "outcome": outcome,
        "flagged": flagged,
        "reason": (accepted or note) if flagged else "",
        "note": "" if line["action"] in ("borrow", "repay") or flagged else note,
        "licence": text.share(licence) if licence is not None and licence < 1.0 and outcome else "",
        "facts": [],
    }


def assignments(plan: Mapping[str, Any], index: FactIndex) -> list[dict[str, Any]]:
    """Chip → its jobs, how many chips each takes and the facts behind it, in the order of the plan."""
    chips: dict[str, list[dict[str, Any]]] = {}
    for line in plan["plan"]["now"]:
        if line["action"] == "assign":
            job = {
                "count": text.count(line.get("count")),
                "workload": str(line.get("workload") or "work"),
                "facts": walk.line_links(line, plan, index),
            }
            chips.setdefault(str(line.get("chip")), []).append(job)
    return [{"chip": chip, "jobs": jobs} for chip, jobs in chips.items()]


def headline(plan: Mapping[str, Any]) -> list[str]:
    """Two or three sentences that say the decision."""
    lines = plan["plan"]["now"]
    sentences = [_purchase_sentence(lines)]
    borrowed = sum(float(line.get("cost_usd") or 0.0) for line in lines if line["action"] == "borrow")
    if borrowed > 0.0:
        sentences.append(f"Borrow {text.usd(borrowed)}.")
    ports = [str(line.get("chip")) for line in lines if line["action"] == "port"]
    if ports:
        sentences.append(f"Port software to {' and '.join(ports)}.")
    return sentences


def _purchase_sentence(lines: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for action in PURCHASES:
        found = [line for line in lines if line["action"] == action]
        if not found:
            continue
        cost = sum(float(line.get("cost_usd") or 0.0) for line in found)
        whats = " and ".join(line_what(line) for line in found)
        parts.append(
            f"{VERBS[action].lower()} {whats} ({text.usd(cost)}{' a month' if action in ('rent', 'api') else ''})"
        )
    if not parts:
        return "Buy and rent nothing now."
    sentence = "; ".join(parts)
    return sentence[0].upper() + sentence[1:] + "."


def status_view(plan: Mapping[str, Any], index: FactIndex) -> dict[str, Any]:
    """Whether all work is done, and how near the plan is to the best that could be."""
    body = plan["plan"]
    status = str(body.get("status") or "undetermined")
    short = [row for row in body.get("work", []) if (text.as_number(row.get("expected_share_done")) or 0.0) < 0.999]
    missed = text.as_number((plan.get("settings") or {}).get("expected_tokens_missed"))
    sentences = []
    for row in sorted(short, key=lambda entry: text.as_number(entry.get("expected_share_done")) or 0.0)[:3]:
        done = text.share(row.get("expected_share_done"))
        sentences.append(f"{row['run']}: {done} of its compute by {text.month(row.get('last_month'))}, in expectation.")
    if missed is not None and missed > 1e-3:
        sentences.append(f"{text.share(missed)} of the tokens wanted cannot be served, in expectation.")
    tone = {"optimal": "may", "infeasible": "bar"}.get(status, "licence")
    summary = {
        "optimal": "All work is done in every future.",
        "work deferred": "Not all work can be done in every future.",
        "infeasible": "No plan meets the limits.",
    }.get(status, text.words(status).capitalize() + ".")
    return {
        "status": status,
        "tone": tone,
        "summary": summary,
        "sentences": walk.sentences(sentences, plan, index),
        "limits": walk.sentences(body.get("binding_limits", []), plan, index),
        "mends": walk.sentences([mend["sentence"] for mend in body.get("mends", [])], plan, index),
        "cost_facts": _cost_facts(plan, index),
        "gap": text.share(body.get("gap")),
        "cost": text.usd((plan.get("finance") or {}).get("expected_cost_usd")),
        "objective": text.usd(body.get("objective")),
        "bound": text.usd(body.get("bound")),
        "objective_unit": str(body.get("objective_unit") or ""),
    }


def _cost_facts(plan: Mapping[str, Any], index: FactIndex) -> list[Link]:
    """What the cost rests on: prices of what is bought first, then rates and worth at the end."""
    place = f"scenario/{plan['scenario']['id']}#"
    lines = [line for line in (*plan["plan"]["now"], *plan["plan"]["periods"]) if line.get("market")]
    prices = index.under(*(f"{place}{line['market']}.price" for line in lines)) if lines else []
    return [*prices, *index.under(f"{place}finance.discount", f"{place}horizon.residual", f"{place}power.price")]


FEW_LINKS = 4
LONGEST_BAR = 6.0
"""Years at the right end of the bars of the first screen."""


def runway_cards(runway: Mapping[str, Any], index: FactIndex) -> list[dict[str, Any]]:
    """The four senses in words, with where their interval lies on a common scale of 0 to 100 %."""
    cards = []
    for name in SENSES:
        sense = runway.get(name) or {}
        low, high = text.as_number(sense.get("low")), text.as_number(sense.get("high"))
        centre = text.as_number(sense.get("years"))
        ranged = centre is not None and low is not None and high is not None and not math.isinf(low)
        start, end = _place(low), _place(high)
        ends_on = text.month(sense["ends_on"]) if sense.get("ends_on") else ""
        cards.append(
            {
                "name": SENSE_NAMES[name],
                "ends": SENSE_ENDS[name],
                "value": text.years(sense.get("years")),
                "range": text.interval(low, high, lambda years: text.years(years, unit=False)) if ranged else "",
                "why": str(sense.get("undetermined") or ""),
                "binding": runway.get("binding") == name,
                "ends_on": "already over" if centre == 0.0 else ends_on,
                "start": f"{start:.1f}",
                "width": f"{max(end - start, 0.8):.1f}",
                "centre": f"{_place(centre):.1f}",
                "drawn": ranged,
                "facts": index.links(sense.get("inputs") or [], most=FEW_LINKS),
            }
        )
    return cards


def _place(years: float | None) -> float:
    """Percent of the bar at which a number of years lies."""
    return min(years or 0.0, LONGEST_BAR) / LONGEST_BAR * 100.0


def held_unsure(plan: Mapping[str, Any]) -> list[str]:
    """Chips held of which the law cannot tell whether they may be used, or says that they may not."""
    unsure = ("needs_counsel", "prohibited_GP10_risk", "licence_required")
    rows = plan.get("verdicts") or []
    return [str(row["item"]) for row in rows if row.get("role") == "stock" and row.get("outcome") in unsure]


def decision_view(plan: Mapping[str, Any], index: FactIndex) -> dict[str, Any]:
    """Everything on the first screen."""
    accepted = plan["scenario"].get("accept_needs_counsel")
    lines = plan["plan"]["now"]
    views = [{**line_view(line, accepted), "facts": walk.line_links(line, plan, index)} for line in lines]
    flagged = [view for view in views if view["flagged"]]
    warned = [entry for entry in ranked_warnings(plan) if not (flagged and "needs_counsel" in entry)]
    return {
        "headline": headline(plan),
        "acts": [view for view in views if view["action"] not in ("assign", "defer")],
        "defers": [view for view in views if view["action"] == "defer"],
        "assignments": assignments(plan, index),
        "flagged": flagged,
        "insights": walk.sentences(plan["plan"].get("insights", []), plan, index),
        "held_unsure": held_unsure(plan),
        "status": status_view(plan, index),
        "senses": runway_cards(plan.get("runway") or {}, index),
        "warnings": walk.sentences(warned[:MOST_WARNINGS], plan, index),
        "more_warnings": max(0, len(warned) - MOST_WARNINGS),
    }
