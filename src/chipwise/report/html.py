"""One self-contained report.html from a plan: results only, nothing computed anew, nothing loaded from outside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from chipwise.core.json_text import plain
from chipwise.report import branches, decision, evidence, figures, law, palette, sources, text, tornado, warned
from chipwise.report.branch_figures import money_figure, purchases_figure, stock_figure, tokens_figure, use_figure

SECTIONS = (
    ("decision", "Decision"),
    ("runway", "Runway"),
    ("futures", "Futures"),
    ("runs", "Runs"),
    ("law", "What is allowed"),
    ("money", "Money"),
    ("sensitivity", "What would change it"),
    ("yields", "Yields"),
    ("assumptions", "Assumptions"),
    ("sources", "Sources"),
    ("reproduce", "Reproduce"),
)


def _shipped(*path: str) -> str:
    return resources.files("chipwise").joinpath("data", *path).read_text(encoding="utf-8")


def plan_chips(plan: Mapping[str, Any]) -> list[str]:
    """Every chip named anywhere in the plan."""
    body = plan["plan"]
    found = {str(line["chip"]) for line in (*body["now"], *body["periods"]) if line.get("chip")}
    found |= {str(row["chip"]) for row in (*plan.get("verdicts", []), *plan.get("yields", [])) if row.get("chip")}
    for branch in body["branches"]:
        found |= {name.split(":", 1)[1] for name in branch["series"] if ":" in name}
    return sorted(found)


def all_figures(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Figures by name; those that a selector switches, by group and choice: ``{"branch": {id: {name: figure}}}``."""
    colours = palette.chip_colours(plan_chips(plan))
    central = evidence.central_metrics(plan)
    body = plan["plan"]
    rows = plan.get("sensitivity") or []
    return {
        "single": {"runway": figures.runway_figure(plan.get("runway") or {})},
        "branch": {
            branch["id"]: {
                "stock": stock_figure(branch, colours),
                "purchases": purchases_figure(branch, branches.purchases_on(plan, branch["id"]), colours),
                "use": use_figure(branch, colours),
                "tokens": tokens_figure(branch),
                "money": money_figure(branch),
            }
            for branch in body["branches"][: branches.MOST_DETAILED]
        },
        "metric": {
            metric.key: {"tornado": tornado.sensitivity_figure(rows, metric, central[metric.key])}
            for metric in tornado.METRICS
            if rows
        },
    }


def script_json(value: Any) -> str:
    """JSON that is safe inside a script element, whatever texts it holds."""
    packed = json.dumps(plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        packed = packed.replace(sign, f"\\u{ord(sign):04x}")
    return packed


def context(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Everything the template prints, as text and rows."""
    index = sources.fact_index(plan.get("facts") or [])
    colours = palette.chip_colours(plan_chips(plan))
    runway = plan.get("runway") or {}
    finance = plan.get("finance") or {}
    market, stock = law.split_by_role(law.verdict_rows(plan, index))
    facts = sources.fact_rows(plan.get("facts") or [], index)
    scenario = plan["scenario"]
    title = str(scenario.get("title") or scenario["id"])
    states = branches.states_of(plan["plan"]["branches"])
    rows = branches.branch_rows(plan)
    return {
        "sections": SECTIONS,
        "scenario": scenario,
        "title": title[:1].upper() + title[1:],
        "as_of": text.date(scenario.get("as_of")),
        "known_on": text.date(plan.get("known_on")),
        "decision": decision.decision_view(plan, index),
        "draws": text.count(runway.get("draws")),
        "seed": runway.get("seed"),
        "senses": evidence.sense_rows(runway, index),
        "flips": warned.flips(runway),
        "branches": rows,
        "states": [{"name": text.words(name), "tint": number % 6} for name, number in states.items()],
        "orders": branches.order_rows(plan, index),
        "all_done": all(row["runs_done"] == row["runs_all"] for row in rows),
        "work": evidence.work_rows(plan),
        "market": market,
        "stock": stock,
        "finance": evidence.finance_rows(finance),
        "parts": evidence.cost_parts(finance),
        "metrics": tornado.METRICS,
        "sensitivity": evidence.sensitivity_rows(plan.get("sensitivity") or [], index),
        "quiet": evidence.quiet_numbers(plan),
        "reveal_months": (plan.get("settings") or {}).get("reveal_months"),
        "yields": evidence.yield_rows(plan.get("yields") or [], index, colours),
        "assumptions": [str(entry) for entry in plan.get("assumptions", [])],
        "warnings": warned.ranked_warnings(plan),
        "facts": sources.grouped(facts),
        "fact_count": text.count(len(facts)),
        "version": plan.get("version"),
        "snapshot": plan.get("data_snapshot"),
        "settings": {text.words(name): value for name, value in (plan.get("settings") or {}).items()},
        "chips": [{"name": chip, "colour": colour} for chip, (colour, _) in colours.items()],
        "known_later": bool(plan.get("known_on")) and plan.get("known_on") != scenario.get("as_of"),
        "known_iso": plan.get("known_on"),
    }


def render_report(plan: Mapping[str, Any]) -> str:
    """The report of one plan as one HTML page.

    Parameters
    ----------
    plan : mapping
        Content of plan.json, as read back or as `Plan.to_dict` gives it.

    Returns
    -------
    str
        HTML that loads nothing from outside; the same plan gives the same bytes.
    """
    import jinja2
    from markupsafe import Markup

    tidy = plain(dict(plan))
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _shipped("report", name)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = environment.get_template("report.html.j2").render(
        **context(tidy),
        style=Markup(_shipped("report", "report.css")),
        plotly=Markup(_shipped("vendor", "plotly", "plotly-cartesian.min.js")),
        script=Markup(_shipped("report", "report.js")),
        figures=Markup(script_json(all_figures(tidy))),
    )
    return shown + ("" if shown.endswith("\n") else "\n")
