"""The tree of futures as rows and panels: what each branch is, what is bought on it, and its months."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from chipwise.report import text, walk
from chipwise.report.branch_figures import chips_of
from chipwise.report.decision import PURCHASES, line_view
from chipwise.report.sources import FactIndex

MOST_DETAILED = 24
"""Branches, the most probable first, that get charts and month tables; the others stand in the table of all futures."""


def split_id(branch_id: str) -> tuple[str, str]:
    """Rule node and path of demand of a branch or line; an empty path when demand is not yet known."""
    rule, _, path = branch_id.partition("/")
    return rule, path


def lies_on(line_branch: str, leaf_id: str) -> bool:
    """Whether a line of the plan stands on the way to a leaf of the tree.

    Examples
    --------
    >>> lies_on("r.0", "r.0.1/high"), lies_on("r.0/low", "r.0.1/high"), lies_on("r.1", "r.10/high")
    (True, False, False)
    """
    if line_branch == "now":
        return True
    (rule, path), (leaf_rule, leaf_path) = split_id(line_branch), split_id(leaf_id)
    return (leaf_rule == rule or leaf_rule.startswith(f"{rule}.")) and (not path or path == leaf_path)


def stretches(branch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Runs of months under one state: state, first month, number of months."""
    found = []
    pairs = list(zip(branch["states"], branch["months"], strict=True))
    for state, months in groupby(pairs, key=lambda pair: str(pair[0])):
        listed = [month for _, month in months]
        found.append({"state": state, "from": str(listed[0]), "months": len(listed)})
    return found


def states_of(branches: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """State → number of its tint, in order of appearance."""
    names = dict.fromkeys(str(state) for branch in branches for state in branch["states"])
    return {name: index for index, name in enumerate(names)}


def branch_name(branch: Mapping[str, Any], several_paths: bool) -> str:
    """A branch in words: its states in order, and its demand."""
    found = stretches(branch)
    names = [text.words(entry["state"]) for entry in found]
    spoken = f"{names[0]} throughout" if len(names) == 1 else ", then ".join(names[1:])
    return f"{spoken}; {branch['demand_path']} demand" if several_paths else spoken


def line_table(plan: Mapping[str, Any], leaf_id: str) -> list[dict[str, Any]]:
    """What is done on the way to a leaf, without assignments: by time, with probability of the stretch."""
    accepted = plan["scenario"].get("accept_needs_counsel")
    rows = []
    for line in (*plan["plan"]["now"], *plan["plan"]["periods"]):
        if line["action"] != "assign" and lies_on(str(line.get("branch", "now")), leaf_id):
            view = line_view(line, accepted)
            view["probability"] = text.share(line.get("probability"))
            rows.append(view)
    return rows


def purchases_on(plan: Mapping[str, Any], leaf_id: str) -> list[Mapping[str, Any]]:
    """Chips bought on the way to a leaf, lines as they stand in the plan."""
    return [
        line
        for line in (*plan["plan"]["now"], *plan["plan"]["periods"])
        if line["action"] in ("buy", "lease") and lies_on(str(line.get("branch", "now")), leaf_id)
    ]


def month_table(branch: Mapping[str, Any]) -> dict[str, Any]:
    """Months by what is in hand, in use, wanted, served, owed and spent."""
    chips = chips_of(branch, "stock")
    series = branch["series"]
    rows = []
    for index, when in enumerate(branch["months"]):
        cells = []
        for chip in chips:
            parts = [series.get(f"{kind}:{chip}") for kind in ("stock", "training", "serving")]
            cells.append(" / ".join(text.count(values[index]) if values else "0" for values in parts))
        rows.append(
            {
                "month": text.month(when),
                "state": text.words(branch["states"][index]),
                "cells": cells,
                "wanted": text.tokens_per_day(_at(series, "tokens_wanted_per_day", index)),
                "served": text.tokens_per_day(_at(series, "tokens_served_per_day", index)),
                "tokens_bought": text.tokens_per_day(_at(series, "tokens_bought_per_day", index)),
                "cash": text.usd(_at(series, "cash_usd", index)),
                "owed": text.usd(_at(series, "owed_usd", index)),
                "spent": text.usd(_at(series, "spent_usd", index)),
            }
        )
    return {"chips": chips, "rows": rows}


def _at(series: Mapping[str, Sequence[float]], name: str, index: int) -> float | None:
    values = series.get(name)
    return None if values is None else values[index]


def branch_rows(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per leaf of the tree, most probable first, as the plan orders them."""
    branches = plan["plan"]["branches"]
    tints = states_of(branches)
    several = len({branch["demand_path"] for branch in branches}) > 1
    rows = []
    for number, branch in enumerate(branches):
        runs = {str(name): text.as_number(done) or 0.0 for name, done in branch["runs"].items()}
        cash = branch["series"].get("cash_usd") or []
        owed = branch["series"].get("owed_usd") or []
        total = len(branch["months"])
        rows.append(
            {
                "id": branch["id"],
                "detailed": number < MOST_DETAILED,
                "anchor": f"branch-{text.slug(branch['id'])}",
                "name": branch_name(branch, several),
                "demand": branch["demand_path"],
                "probability": text.share(branch["probability"]),
                "strip": [
                    {**part, "name": text.words(part["state"]), "tint": tints[part["state"]] % 6,
                     "width": f"{part['months'] / total * 100:.2f}", "since": text.month(part["from"])}
                    for part in stretches(branch)
                ],
                "bought": [f"{text.count(number)} × {chip}" for chip, number in sorted(branch["bought"].items())],
                "buys_tokens": any(branch["series"].get("tokens_bought_per_day") or []),
                "tokens_cost": text.usd(branch.get("tokens_bought_usd")),
                "served": text.share(branch["served_share"]),
                "served_short": (text.as_number(branch["served_share"]) or 0.0) < 0.999,
                "runs": [{"name": name, "share": text.share(done), "heat": heat(done)} for name, done in runs.items()],
                "runs_done": sum(done >= 0.999 for done in runs.values()),
                "runs_all": len(runs),
                "cash_low": text.usd(min(cash)) if cash else text.NONE,
                "owed_high": text.usd(max(owed)) if owed else text.NONE,
                "spent": text.usd(sum(branch["series"].get("spent_usd") or [])),
                "lines": line_table(plan, branch["id"]) if number < MOST_DETAILED else [],
                "months": month_table(branch) if number < MOST_DETAILED else None,
            }
        )  # fmt: skip
    return rows


def heat(done: float) -> int:
    """Class of a heat cell: 5 done, 0 under a fifth.

    Examples
    --------
    >>> heat(1.0), heat(0.99), heat(0.1)
    (5, 4, 0)
    """
    return 5 if done >= 0.999 else min(4, int(done * 5.0))


def stretch_name(line: Mapping[str, Any], branches: Sequence[Mapping[str, Any]], several_paths: bool) -> str:
    """The stretch of the tree on which a line stands, in words."""
    rule, path = split_id(str(line.get("branch", "now")))
    parts = []
    if "." in rule:
        for branch in branches:
            if lies_on(str(line["branch"]), branch["id"]) and str(line["when"]) in branch["months"]:
                parts.append(text.words(branch["states"][branch["months"].index(str(line["when"]))]))
                break
    if path and several_paths:
        parts.append(f"{path} demand")
    return ", ".join(parts) or "every future"


def order_rows(plan: Mapping[str, Any], index: FactIndex) -> list[dict[str, Any]]:
    """Purchases, rents and loans after now, the orders of one chip on one stretch of the tree in one row, by time."""
    accepted = plan["scenario"].get("accept_needs_counsel")
    branches = plan["plan"]["branches"]
    several = len({branch["demand_path"] for branch in branches}) > 1
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for line in plan["plan"]["periods"]:
        if line["action"] in (*PURCHASES, "borrow", "repay", "sell"):
            keys = ("branch", "action", "chip", "market", "outcome", "licence_probability")
            groups.setdefault(tuple(str(line.get(key)) for key in keys), []).append(line)
    rows: list[tuple[str, float, int, dict[str, Any]]] = []
    for lines in groups.values():
        first, last = lines[0], lines[-1]
        metered = first["action"] in ("rent", "api")
        counts = [text.as_number(line.get("count")) or 0.0 for line in lines]
        count = max(counts) if metered else sum(counts)
        cost = sum(text.as_number(line.get("cost_usd")) or 0.0 for line in lines)
        view = line_view({**first, "count": count, "cost_usd": max(
            text.as_number(line.get("cost_usd")) or 0.0 for line in lines) if metered else cost}, accepted)  # fmt: skip
        same = len(lines) > 1 and len(set(counts)) == 1 and first["action"] in ("buy", "lease")
        view.update(
            facts=walk.line_links(first, plan, index),
            orders=f"{len(lines)} of {text.count(counts[0])}" if same else str(len(lines)),
            span=text.month(first["when"])
            if text.month(first["when"]) == text.month(last["when"])
            else f"{text.month(first['when'])} to {text.month(last['when'])}",
            where=stretch_name(first, branches, several),
            branch=str(first.get("branch", "")),
            probability=text.share(first.get("probability")),
        )
        rows.append((str(first["when"]), -(text.as_number(first.get("probability")) or 0.0), len(rows), view))
    return [view for *_, view in sorted(rows, key=lambda row: row[:3])]
