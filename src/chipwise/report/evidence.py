"""Tables of runway inputs, yields and sensitivities, each number with the facts behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chipwise.report import palette, text
from chipwise.report.figures import SENSE_ENDS, SENSE_NAMES, SENSES
from chipwise.report.sources import FactIndex
from chipwise.report.tornado import METRICS, changed_value, swings

MOST_DRIVERS = 6


def sense_rows(runway: Mapping[str, Any], index: FactIndex) -> list[dict[str, Any]]:
    """The four senses with percentiles, what drives them, and other readings."""
    rows = []
    shares = runway.get("binding_shares") or {}
    for name in SENSES:
        sense = runway.get(name) or {}
        drivers = sense.get("drivers") or []
        rows.append(
            {
                "name": SENSE_NAMES[name],
                "ends": SENSE_ENDS[name],
                "binding": runway.get("binding") == name,
                "determined": sense.get("years") is not None,
                "why": str(sense.get("undetermined") or ""),
                "years": text.years(sense.get("years")),
                "low": text.years(sense.get("low")) if sense.get("low") is not None else text.NONE,
                "median": text.years(sense.get("median")) if sense.get("median") is not None else text.NONE,
                "high": text.years(sense.get("high")) if sense.get("high") is not None else text.NONE,
                "year": text.share(sense.get("probability_at_least_one_year")),
                "zero": text.share(sense.get("probability_zero")),
                "first": text.share(shares.get(name)),
                "ends_on": text.month(sense["ends_on"]) if sense.get("ends_on") else text.NONE,
                "drivers": [_driver(entry) for entry in drivers[:MOST_DRIVERS]],
                "variants": [_variant(entry) for entry in sense.get("variants") or []],
                "facts": index.links(sense.get("inputs") or [], most=40),
            }
        )
    return rows


def _driver(driver: Mapping[str, Any]) -> dict[str, Any]:
    rho = text.as_number(driver.get("rank_correlation")) or 0.0
    return {
        "label": str(driver.get("label") or driver.get("input")),
        "rho": f"{rho:+.2f}".replace("-", "−"),
        "size": f"{abs(rho) * 50.0:.1f}",
        "left": f"{50.0 - abs(rho) * 50.0 if rho < 0 else 50.0:.1f}",
        "longer": rho > 0,
    }


def _variant(variant: Mapping[str, Any]) -> dict[str, str]:
    return {
        "name": str(variant.get("name") or ""),
        "years": text.years(variant.get("years")),
        "range": text.interval(variant.get("low"), variant.get("high"), lambda end: text.years(end, unit=False)),
        "note": str(variant.get("note") or ""),
    }


def yield_rows(
    rows: Sequence[Mapping[str, Any]], index: FactIndex, colours: Mapping[str, tuple[str, str]]
) -> list[dict[str, Any]]:
    """What a chip gives each workload, with its interval, its evidence and its facts."""
    out = []
    for row in rows:
        unit = str(row.get("unit") or "")
        determined = row.get("status", "ok") == "ok"
        chip = str(row.get("chip") or "")
        out.append(
            {
                "chip": chip,
                "colour": colours.get(chip, (palette.IDLE, ""))[0],
                "workload": str(row.get("workload") or ""),
                "determined": determined,
                "value": text.quantity(row.get("value"), unit, 3) if determined else text.UNKNOWN,
                "range": text.interval(
                    row.get("low"), row.get("high"), lambda end, unit=unit: text.quantity(end, unit, 3)
                )
                if determined
                else "",
                "evidence": str(row.get("evidence") or ""),
                "method": str(row.get("method") or row.get("reason") or ""),
                "breakdown": [
                    {"name": text.words(name), "value": text.quantity(value, _unit_in(name))}
                    for name, value in (row.get("breakdown") or {}).items()
                ],
                "facts": index.links(row.get("facts") or []),
            }
        )
    return out


def _yield_range(row: Mapping[str, Any], unit: str) -> str:
    return text.interval(row.get("low"), row.get("high"), lambda end: text.quantity(end, unit, 3))


def _unit_in(name: str) -> str:
    """Unit that a name of a breakdown carries, empty for shares and ratios."""
    for ending, unit in (("flop_per_s", "FLOP/s"), ("bytes_per_s", "byte/s"), ("tokens_per_s", "tokens/s")):
        if name.endswith(ending):
            return unit
    return "s" if name.endswith("_s") else ""


def sensitivity_rows(rows: Sequence[Mapping[str, Any]], index: FactIndex) -> list[dict[str, Any]]:
    """What each changed number does, one row per end of its range."""
    return [
        {
            "label": str(row.get("label") or row.get("quantity")),
            "value": changed_value(row),
            "cells": [metric.form(row.get(metric.key)) for metric in METRICS],
            "source": str(row.get("source") or ""),
            "fact": index.link(row.get("quantity")),
        }
        for row in rows
    ]


def quiet_numbers(plan: Mapping[str, Any]) -> list[dict[str, str]]:
    """For each metric, the numbers that do not visibly move it, in one sentence."""
    central = central_metrics(plan)
    found = []
    for metric in METRICS:
        _, moving, quiet = swings(plan.get("sensitivity") or [], metric, central[metric.key])
        sentence = f"No visible effect on {metric.name}: {'; '.join(quiet)}." if quiet else ""
        if not moving:
            sentence = f"Nothing that was tried moves the {metric.name}."
        found.append({"key": metric.key, "sentence": sentence})
    return found


def central_metrics(plan: Mapping[str, Any]) -> dict[str, float | None]:
    """The plan's own value of each metric of the sensitivity table."""
    body = plan["plan"]
    bought_now = sum(float(line.get("count") or 0.0) for line in body["now"] if line["action"] in ("buy", "lease"))
    expected = sum(
        float(branch["probability"]) * sum(float(number) for number in branch["bought"].values())
        for branch in body["branches"]
    )
    return {
        "chips_bought_now": bought_now,
        "chips_bought_expected": expected,
        "cost_usd": text.as_number((plan.get("finance") or {}).get("expected_cost_usd")),
        "missed_share": _missed(plan),
    }


def _missed(plan: Mapping[str, Any]) -> float | None:
    """Share of work missed in expectation: of compute or of tokens, whichever is more; None when neither is told."""
    work = plan["plan"].get("work") or []
    wanted = [text.as_number(row.get("flop_with_research")) or 0.0 for row in work]
    left = [1.0 - (text.as_number(row.get("expected_share_done")) or 0.0) for row in work]
    tokens = text.as_number((plan.get("settings") or {}).get("expected_tokens_missed"))
    if not sum(wanted):
        return tokens
    return max(tokens or 0.0, sum(flop * share for flop, share in zip(wanted, left, strict=True)) / sum(wanted))


def work_rows(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every run: its window, compute, cluster and the share done in expectation."""
    rows = []
    for row in plan["plan"].get("work", []):
        done = text.as_number(row.get("expected_share_done"))
        rows.append(
            {
                "run": str(row.get("run")),
                "window": f"{text.month(row.get('first_month'))} to {text.month(row.get('last_month'))}",
                "final": text.flop(row.get("flop_final")),
                "total": text.flop(row.get("flop_with_research")),
                "cluster": str(row.get("cluster") or "any"),
                "done": text.share(done),
                "short": done is not None and done < 0.999,
            }
        )
    return rows


def finance_rows(finance: Mapping[str, Any]) -> list[dict[str, str]]:
    """Money over the horizon as name and amount."""
    names = {
        "cash_usd": "cash on the day of the decision",
        "lowest_cash_usd": "lowest cash on any branch",
        "highest_debt_usd": "highest debt on any branch",
        "expected_cost_usd": "cost, expected and discounted, less worth at the end",
    }
    rows = [{"name": name, "value": text.usd(finance.get(key))} for key, name in names.items() if key in finance]
    if finance.get("discount_rate_per_year") is not None:
        rows.append({"name": "discount rate a year", "value": text.share(finance["discount_rate_per_year"])})
    if finance.get("per_usd") is not None and finance.get("currency") not in (None, "USD"):
        rows.append(
            {"name": f"{finance['currency']} for one US dollar", "value": text.quantity(finance["per_usd"], "")}
        )
    return rows


def cost_parts(finance: Mapping[str, Any]) -> list[dict[str, str]]:
    """What the objective is made of, largest first."""
    parts = finance.get("objective_parts_usd") or {}
    ordered = sorted(parts.items(), key=lambda entry: (-abs(text.as_number(entry[1]) or 0.0), entry[0]))
    return [{"name": text.words(name), "value": text.usd(value)} for name, value in ordered]
